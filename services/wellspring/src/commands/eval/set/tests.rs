//! Which test sets are read, and which are refused?

use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::*;

const CORPUS: &str = concat!(
    "{\"id\": \"d1\", \"title\": \"Mill\", \"text\": \"The mill wheel.\", \"extra\": [1]}\n",
    "{\"_id\": \"d2\", \"title\": \"\", \"text\": \"The ford.\"}\n",
    "{\"id\": \"d3\", \"text\": \"\"}\n",
);
const QUERIES: &str = concat!(
    "{\"id\": \"q1\", \"text\": \"mill\"}\n",
    "{\"_id\": \"q2\", \"text\": \"ford\", \"answers\": null}\n",
    "{\"id\": \"q3\", \"text\": \"nothing is wanted\"}\n",
    "{\"id\": \"q4\", \"text\": \" \"}\n",
);
const QRELS: &str = "q1\td1\t2\nq1\td2\t-1\nq2\td2\t1\nq2\tgone\t1\nq3\td1\t0\nq9\td1\t1\nq9\td2\t1\n";

/// A folder with the files, as they are.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn check(set: &TestSet) {
    assert_eq!(set.documents, 3);
    let asked: Vec<(&str, &str)> = set.queries.iter().map(|query| (query.id.as_str(), query.text.as_str())).collect();
    assert_eq!(asked, [("q1", "mill"), ("q2", "ford")]);
    assert_eq!(set.queries[0].grades, BTreeMap::from([("d1".to_owned(), 2), ("d2".to_owned(), 0)]));
    let left_out = LeftOut {
        queries_without_relevant_documents: 1,
        queries_without_text: 1,
        judgements_of_unknown_queries: 2,
        judgements_of_unknown_documents: 1,
    };
    assert_eq!(set.left_out, left_out);
}

#[test]
fn the_plain_layout_is_read() {
    let folder = folder(&[("corpus.jsonl", CORPUS), ("queries.jsonl", QUERIES), ("qrels.tsv", QRELS)]);
    let set = TestSet::load(folder.path()).unwrap();
    check(&set);
    assert_eq!(set.name, folder.path().file_name().unwrap().to_str().unwrap());
    let mut documents = set.documents().unwrap();
    let sent: Vec<String> = std::iter::from_fn(|| documents.next().unwrap())
        .map(|document| serde_json::to_string(&document).unwrap())
        .collect();
    assert_eq!(sent[0], r#"{"id":"d1","title":"Mill","text":"The mill wheel."}"#);
    assert_eq!(sent[1], r#"{"id":"d2","text":"The ford."}"#);
}

#[test]
fn the_layout_of_beir_is_read_with_its_header_and_compressed() {
    let folder = folder(&[]);
    let qrels = format!("query-id\tcorpus-id\tscore\r\n{QRELS}");
    fs::create_dir(folder.path().join("qrels")).unwrap();
    for (name, content) in
        [("corpus.jsonl.gz", CORPUS), ("queries.jsonl.gz", QUERIES), ("qrels/test.tsv.gz", qrels.as_str())]
    {
        let mut encoder = GzEncoder::new(fs::File::create(folder.path().join(name)).unwrap(), Compression::default());
        encoder.write_all(content.as_bytes()).unwrap();
        encoder.finish().unwrap();
    }
    check(&TestSet::load(folder.path()).unwrap());
}

#[test]
fn a_file_that_cannot_be_meant_is_refused_with_its_line() {
    let refused = |changed: &str, content: &str| {
        let files = [("corpus.jsonl", CORPUS), ("queries.jsonl", QUERIES), ("qrels.tsv", QRELS)];
        let files = files.map(|(name, original)| (name, if name == changed { content } else { original }));
        let folder = folder(&files);
        let message = TestSet::load(folder.path()).unwrap_err().to_string();
        message.replace(&folder.path().display().to_string(), "DIR")
    };
    let twice = format!("{CORPUS}{CORPUS}");
    let long = format!("{{\"id\": \"q1\", \"text\": \"{}\"}}", "x".repeat(limits::QUERY_BYTES_MAX + 1));
    let cases = [
        ("corpus.jsonl", "{\"id\": \"a\", \"text\": \"secret", "DIR/corpus.jsonl, line 1: this is not valid JSON"),
        ("corpus.jsonl", "{\"id\": \"a\"}", "DIR/corpus.jsonl, line 1: this is JSON, but not an object with"),
        ("corpus.jsonl", "\n{\"id\": 1, \"text\": \"secret\"}", "DIR/corpus.jsonl, line 2: this is JSON, but not"),
        ("corpus.jsonl", "{\"id\": \"a/../b\", \"text\": \"\"}", "DIR/corpus.jsonl, line 1: the `id` cannot name"),
        ("corpus.jsonl", &twice, "DIR/corpus.jsonl, line 4: an earlier document has the same `id`"),
        ("corpus.jsonl", "", "DIR/corpus.jsonl holds no document"),
        ("queries.jsonl", &long, "DIR/queries.jsonl, line 1: the query is longer than"),
        ("queries.jsonl", "{\"id\": \"q1\", \"text\": \"a\"}\n{\"id\": \"q1\", \"text\": \"b\"}", "line 2: an earlier"),
        ("queries.jsonl", "{\"id\": \"other\", \"text\": \"a\"}", "DIR has no query with a relevant document"),
        ("qrels.tsv", "q1\td1", "DIR/qrels.tsv, line 1: there are 2 fields"),
        ("qrels.tsv", "q1 d1 1", "DIR/qrels.tsv, line 1: there are 1 fields"),
        ("qrels.tsv", "query\tdocument\tgrade\nq1\td1\thigh", "DIR/qrels.tsv, line 2: the grade is no whole number"),
        ("qrels.tsv", "q1\td1\t0.5\nq1\td1\t1", "DIR/qrels.tsv, line 1: the grade is no whole number"),
        ("qrels.tsv", "q1\td1\tNaN", "DIR/qrels.tsv, line 1: the grade is no whole number"),
        ("qrels.tsv", "q1\td1\t1001", "DIR/qrels.tsv, line 1: the grade is above 1000"),
        ("qrels.tsv", "q1\td1\t1\nq1\td1\t2", "DIR/qrels.tsv, line 2: an earlier line grades"),
        ("qrels.tsv", "", "DIR has no query with a relevant document"),
    ];
    for (file, content, expected) in cases {
        let message = refused(file, content);
        assert!(message.contains(expected), "{file}: {message} lacks {expected}");
        assert!(!message.contains("secret"), "{message}");
    }
    let missing = folder(&[("corpus.jsonl", CORPUS), ("queries.jsonl", QUERIES)]);
    let message = TestSet::load(missing.path()).unwrap_err().to_string();
    assert!(message.contains("qrels.tsv or qrels.tsv.gz, qrels/test.tsv or qrels/test.tsv.gz"), "{message}");
}

#[test]
fn a_sample_is_drawn_from_the_queries_that_can_be_measured() {
    let folder = folder(&[("corpus.jsonl", CORPUS), ("queries.jsonl", QUERIES), ("qrels.tsv", QRELS)]);
    let mut set = TestSet::load(folder.path()).unwrap();
    set.sample(1, 3);
    assert_eq!(set.queries.len(), 1);
    set.sample(10, 3);
    assert_eq!(set.queries.len(), 1);
}

#[test]
fn another_corpus_has_another_digest() {
    let digest = |corpus: &str| {
        let folder = folder(&[("corpus.jsonl", corpus), ("queries.jsonl", QUERIES), ("qrels.tsv", QRELS)]);
        TestSet::load(folder.path()).unwrap().digest
    };
    assert_eq!(digest(CORPUS), digest(CORPUS));
    assert_ne!(digest(CORPUS), digest(&CORPUS.replace("wheel", "wheels")));
}
