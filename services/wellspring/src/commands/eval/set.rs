//! What is asked of which documents, and what was wanted?
//!
//! A test set is a folder: `corpus.jsonl` with `{id, title, text}` a line, `queries.jsonl` with `{id, text}`, and
//! `qrels.tsv` with a query, a document and a grade between tabs, or `qrels/test.tsv` of the same form. `_id` is another
//! name of `id`, and each file may be compressed, with `.gz` behind its name.
//!
//! Invariants:
//! - A file that is not what it should be is refused with its name and line; nothing is read past it.
//! - A judgement about what is not there is counted, not refused: collections are cut down and sampled.
//! - The corpus is never held in memory: it is read once to be checked, and once to be sent.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wellspring_core::document::DocumentKey;
use wellspring_core::limits;
use wellspring_retrieve::measure::{Random, Wanted};

use super::lines::{Lines, SetError};

const DOCUMENT: &str = "an object with the texts `id` and `text` and, where there is one, `title`";
const QUERY: &str = "an object with the texts `id` and `text`";

/// A document as the corpus has it.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct SetDocument {
    #[serde(alias = "_id")]
    pub(super) id: String,
    #[serde(default, skip_serializing_if = "untitled")]
    pub(super) title: Option<String>,
    pub(super) text: String,
}

/// Sets without titles often have empty ones.
fn untitled(title: &Option<String>) -> bool {
    title.as_ref().is_none_or(|title| title.trim().is_empty())
}

#[derive(Debug, Deserialize)]
struct QueryLine {
    #[serde(alias = "_id")]
    id: String,
    text: String,
}

/// A query, and the grades of the documents that were judged for it.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) id: String,
    pub(super) text: String,
    pub(super) grades: BTreeMap<String, u32>,
    pub(super) wanted: Wanted,
}

/// What a test set says that cannot be measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct LeftOut {
    /// Queries for which no document was wanted.
    pub(super) queries_without_relevant_documents: usize,
    /// Queries of nothing but white space, which no search takes; real sets have some.
    pub(super) queries_without_text: usize,
    /// Judgements of queries that the set does not have.
    pub(super) judgements_of_unknown_queries: usize,
    /// Judgements of documents that the corpus does not have; wanted ones count as not found.
    pub(super) judgements_of_unknown_documents: usize,
}

/// A test set, checked.
#[derive(Debug)]
pub(super) struct TestSet {
    /// The folder's name.
    pub(super) name: String,
    /// Documents of the corpus.
    pub(super) documents: usize,
    /// A digest of the documents, in their order.
    pub(super) digest: String,
    /// Queries with something wanted, in the order of the file.
    pub(super) queries: Vec<Query>,
    pub(super) left_out: LeftOut,
    folder: PathBuf,
}

impl TestSet {
    /// Reads and checks the files of a folder.
    pub(super) fn load(folder: &Path) -> Result<Self, SetError> {
        let (known, digest) = read_corpus(folder)?;
        let lines = read_queries(folder)?;
        let mut left_out = LeftOut::default();
        let mut judged = read_judgements(folder)?;
        let mut queries = Vec::with_capacity(lines.len());
        for QueryLine { id, text } in lines {
            let grades = judged.remove(&id).unwrap_or_default();
            if text.trim().is_empty() {
                left_out.queries_without_text += 1;
                continue;
            }
            left_out.judgements_of_unknown_documents += grades.keys().filter(|key| !known.contains(*key)).count();
            match Wanted::of(grades.values().copied()) {
                Some(wanted) => queries.push(Query { id, text, grades, wanted }),
                None => left_out.queries_without_relevant_documents += 1,
            }
        }
        left_out.judgements_of_unknown_queries = judged.values().map(BTreeMap::len).sum();
        if queries.is_empty() {
            let reason = "has no query with a relevant document: do the ids of queries.jsonl and the qrels agree?";
            return Err(SetError::Empty { path: folder.to_owned(), reason });
        }
        let path = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, documents: known.len(), digest, queries, left_out, folder: folder.to_owned() })
    }

    /// Keeps a sample of the queries.
    pub(super) fn sample(&mut self, count: usize, seed: u64) {
        self.queries = Random::new(seed).sample(std::mem::take(&mut self.queries), count);
    }

    /// Where the documents are, to be read again.
    pub(super) fn documents(&self) -> Result<Documents, SetError> {
        Documents::open(&self.folder)
    }
}

/// The documents of a corpus, one at a time.
pub(super) struct Documents(Lines);

impl Documents {
    fn open(folder: &Path) -> Result<Self, SetError> {
        Lines::find(folder, &["corpus.jsonl"], limits::DOCUMENT_BODY_BYTES_MAX).map(Self)
    }

    /// The next one.
    pub(super) fn next(&mut self) -> Result<Option<SetDocument>, SetError> {
        self.0.next_json(DOCUMENT)
    }
}

/// The ids of the corpus, and its digest.
fn read_corpus(folder: &Path) -> Result<(HashSet<String>, String), SetError> {
    let mut documents = Documents::open(folder)?;
    let (mut known, mut digest) = (HashSet::new(), Sha256::new());
    while let Some(SetDocument { id, title, text }) = documents.next()? {
        let lines = &documents.0;
        if let Err(error) = id.parse::<DocumentKey>() {
            return Err(lines.wrong(format!("the `id` cannot name a document: it {error}")));
        }
        if known.len() == limits::STREAM_LINES_MAX {
            return Err(lines.wrong(format!("a corpus has at most {} documents", limits::STREAM_LINES_MAX)));
        }
        for part in [&id, title.as_deref().unwrap_or_default(), &text] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        if !known.insert(id) {
            return Err(lines.wrong("an earlier document has the same `id`"));
        }
    }
    if known.is_empty() {
        return Err(SetError::Empty { path: documents.0.path().to_owned(), reason: "holds no document" });
    }
    let digest = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((known, digest))
}

fn read_queries(folder: &Path) -> Result<Vec<QueryLine>, SetError> {
    let mut lines = Lines::find(folder, &["queries.jsonl"], limits::REQUEST_BODY_BYTES_MAX)?;
    let (mut queries, mut known) = (Vec::new(), HashSet::new());
    while let Some(query) = lines.next_json::<QueryLine>(QUERY)? {
        if query.text.len() > limits::QUERY_BYTES_MAX {
            return Err(lines.wrong(format!("the query is longer than {} bytes", limits::QUERY_BYTES_MAX)));
        }
        if queries.len() == limits::TEST_SET_QUERIES_MAX {
            return Err(lines.wrong(format!("a set has at most {} queries", limits::TEST_SET_QUERIES_MAX)));
        }
        if !known.insert(query.id.clone()) {
            return Err(lines.wrong("an earlier query has the same `id`"));
        }
        queries.push(query);
    }
    Ok(queries)
}

/// The grades of the documents of each query.
fn read_judgements(folder: &Path) -> Result<HashMap<String, BTreeMap<String, u32>>, SetError> {
    let names = ["qrels.tsv", "qrels/test.tsv"];
    let mut lines = Lines::find(folder, &names, limits::REQUEST_BODY_BYTES_MAX)?;
    let mut judged: HashMap<String, BTreeMap<String, u32>> = HashMap::new();
    let (mut count, mut first) = (0, true);
    while let Some(line) = lines.next()? {
        let may_be_header = std::mem::replace(&mut first, false);
        let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
        let [query, document, grade] = fields[..] else {
            let reason =
                format!("there are {} fields instead of query, document and grade, between tabs", fields.len());
            return Err(lines.wrong(reason));
        };
        let Ok(grade) = grade.parse::<i64>() else {
            // A header names its columns; a number that is not whole is no name.
            if may_be_header && grade.parse::<f64>().is_err() {
                continue;
            }
            return Err(lines.wrong("the grade is no whole number"));
        };
        if grade > i64::from(limits::TEST_SET_GRADE_MAX) {
            return Err(lines.wrong(format!("the grade is above {}", limits::TEST_SET_GRADE_MAX)));
        }
        count += 1;
        if count > limits::TEST_SET_JUDGEMENTS_MAX {
            return Err(lines.wrong(format!("a set has at most {} judgements", limits::TEST_SET_JUDGEMENTS_MAX)));
        }
        // Some collections grade spam below 0: not wanted, like everything at 0.
        let grade = u32::try_from(grade).unwrap_or(0);
        let grades = judged.entry(query.to_owned()).or_default();
        if grades.insert(document.to_owned(), grade).is_some_and(|earlier| earlier != grade) {
            return Err(lines.wrong("an earlier line grades the same document differently for the same query"));
        }
    }
    Ok(judged)
}

#[cfg(test)]
mod tests;
