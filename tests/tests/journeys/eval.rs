//! A test set, measured from the command line.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use wellspring_tests::service::{binary, children, run_command};

fn parse(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
}

/// Four documents in two languages, and a query for each of three of them.
fn write_set(folder: &Path) {
    let documents = [
        json!({ "id": "mill", "title": "The mill", "text": "The mill wheel was replaced in 1931." }),
        json!({ "id": "ford", "title": "", "text": "The ford is passable in August." }),
        json!({ "_id": "weir", "text": "The weir is nine metres wide." }),
        json!({ "id": "渡口", "title": "渡口", "text": "渡轮每天早上八点出发。" }),
    ];
    let queries = [
        json!({ "id": "q1", "text": "when was the mill wheel replaced" }),
        json!({ "id": "q2", "text": "how wide is the weir" }),
        json!({ "id": "q3", "text": "渡轮几点出发" }),
        json!({ "id": "q4", "text": "nothing is wanted for this" }),
    ];
    let lines = |values: &[Value]| values.iter().map(|value| format!("{value}\n")).collect::<String>();
    fs::write(folder.join("corpus.jsonl"), lines(&documents)).unwrap();
    fs::write(folder.join("queries.jsonl"), lines(&queries)).unwrap();
    let judged = "query\tdocument\tgrade\nq1\tmill\t2\nq1\tgone\t1\nq2\tweir\t1\nq3\t渡口\t1\nq9\tmill\t1\n";
    fs::write(folder.join("qrels.tsv"), judged).unwrap();
}

#[test]
fn a_test_set_is_measured_kept_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (set, kept, run) = (path("set"), path("kept"), path("run.jsonl"));
    fs::create_dir(&set).unwrap();
    write_set(Path::new(&set));

    let arguments = ["eval", "retrieval", &set, "--json", "--keep", &kept, "--per-query", &run];
    let (code, stdout, stderr) = run_command(&arguments);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let report = parse(&stdout);
    assert_eq!((&report["set"], &report["documents"], &report["queries"]), (&json!("set"), &json!(4), &json!(3)));
    assert_eq!(report["queries_without_relevant_documents"], 1);
    assert_eq!(report["judgements_of_unknown_documents"], 1);
    assert_eq!(report["judgements_of_unknown_queries"], 1);
    for arm in ["keyword", "hybrid"] {
        let arm = &report["arms"][arm];
        // Of the first query's two wanted documents one is not there: 2 of 2 + 1 / log2(3).
        let first = 2.0 / (2.0 + 1.0 / 3f64.log2());
        assert!((arm["ndcg@10"].as_f64().unwrap() - (first + 2.0) / 3.0).abs() < 1e-9, "{report}");
        assert!((arm["recall@100"].as_f64().unwrap() - 2.5 / 3.0).abs() < 1e-9, "{report}");
        assert_eq!(arm["mrr@10"], 1.0);
        assert!(arm["latency_ms"]["p99"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(report["arms"]["hybrid"]["words_alone"], 1, "the embedder has no vote on the Chinese query");
    assert!(report["arms"]["vector"]["recall@100"].as_f64().unwrap() > 0.8, "{report}");

    // Again, from what was kept: no document is read, and the same comes out.
    let (code, stdout, stderr) = run_command(&arguments);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert_eq!(parse(&stdout)["arms"]["hybrid"]["ndcg@10"], report["arms"]["hybrid"]["ndcg@10"]);
    let note = fs::read_to_string(Path::new(&kept).join("evaluation.json")).unwrap();
    assert_eq!(parse(&note)["whole"], true);

    let lines = fs::read_to_string(&run).unwrap();
    assert_eq!(lines.lines().count(), 3);
    let first = parse(lines.lines().next().unwrap());
    assert_eq!((&first["query"], &first["judged"]["mill"]), (&json!("q1"), &json!(2)));
    assert_eq!(first["arms"]["hybrid"]["documents"][0]["document"], "mill");

    let (code, stdout, stderr) = run_command(&["eval", "compare", &run, &run, "--json"]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(parse(&stdout)["arms"]["hybrid"]["p"], 1.0);
    let (code, stdout, _) = run_command(&["eval", "compare", &run, &run, "--arms", "hybrid", "--against", "vector"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("hybrid against vector"), "{stdout}");

    let (code, stdout, stderr) =
        run_command(&["eval", "retrieval", &set, "--keep", &kept, "--arms", "keyword", "--limit", "1"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("1 queries") && !stdout.contains("hybrid"), "{stdout}");
}

#[test]
fn a_test_set_that_cannot_be_read_is_refused_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    write_set(folder.path());
    let set = folder.path().to_str().unwrap();
    fs::write(folder.path().join("qrels.tsv"), "q1\tmill\t1\nq2\tweir\tmuch\n").unwrap();
    let (code, _, stderr) = run_command(&["eval", "retrieval", set]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("qrels.tsv, line 2: the grade is no whole number"), "{stderr}");

    write_set(folder.path());
    let (code, _, stderr) = run_command(&["eval", "retrieval", set, "--keep", set]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("not empty"), "{stderr}");
    let (code, _, stderr) = run_command(&["eval", "retrieval", set, "--arms", "meaning"]);
    assert_eq!(code, 2, "{stderr}");
}

#[test]
fn a_measurement_that_is_interrupted_leaves_no_service_and_no_copy_of_the_documents() {
    let folder = tempfile::tempdir().unwrap();
    let (set, temporary) = (folder.path().join("set"), folder.path().join("temporary"));
    fs::create_dir(&set).unwrap();
    write_set(&set);
    // Enough to be at work for a while.
    let line = |n: u32| {
        format!("{}\n", json!({ "id": format!("d{n}"), "text": format!("The barge {n} was moored. ").repeat(20) }))
    };
    fs::write(set.join("corpus.jsonl"), (0..1_000).map(line).collect::<String>()).unwrap();
    for (signal, code) in [(Signal::TERM, Some(130)), (Signal::INT, Some(130)), (Signal::KILL, None)] {
        fs::create_dir_all(&temporary).unwrap();
        let mut measuring = Command::new(binary())
            .args(["eval", "retrieval", set.to_str().unwrap()])
            .env("TMPDIR", &temporary)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let service = eventually(|| children(measuring.id(), "measured-service").first().copied());
        eventually(|| fs::read_dir(&temporary).unwrap().next().is_some().then_some(()));
        kill_process(Pid::from_raw(measuring.id().cast_signed()).unwrap(), signal).unwrap();
        assert_eq!(measuring.wait().unwrap().code(), code);
        eventually(|| has_ended(service).then_some(()));
        if code.is_some() {
            assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "{signal:?}");
        }
    }
}

/// Whether a process is gone, or only waits for somebody to ask how it ended.
fn has_ended(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with('Z'))
}

/// Waits for something to be there.
fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Three documents, and a question for each of two of them; the third question has no right answer.
fn write_answered_set(folder: &Path) {
    let documents = [
        json!({ "id": "mill", "title": "The mill", "text": "The mill stands by the river. Its wheel was replaced in 1931." }),
        json!({ "id": "weir", "title": "The weir", "text": "The weir is nine metres wide and was built of oak." }),
        json!({ "id": "渡口", "title": "渡口", "text": "渡轮每天早上八点出发。冬季的末班船在晚上六点离开码头。" }),
    ];
    let queries = [
        json!({ "id": "q1", "text": "In which year was the wheel of the mill replaced?", "answers": ["in 1931", "1931"], "lang": "en" }),
        json!({ "id": "q2", "text": "冬季的末班船几点离开码头？", "answers": ["晚上六点"], "lang": "zh" }),
        json!({ "id": "q3", "text": "how wide is the weir", "answers": null }),
    ];
    let lines = |values: &[Value]| values.iter().map(|value| format!("{value}\n")).collect::<String>();
    fs::write(folder.join("corpus.jsonl"), lines(&documents)).unwrap();
    fs::write(folder.join("queries.jsonl"), lines(&queries)).unwrap();
    fs::write(folder.join("qrels.tsv"), "q1\tmill\t1\nq2\t渡口\t1\nq3\tweir\t1\n").unwrap();
}

#[test]
fn answers_are_measured_with_and_without_the_documents_that_hold_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (set, kept, run) = (path("set"), path("kept"), path("run.jsonl"));
    fs::create_dir(&set).unwrap();
    write_answered_set(Path::new(&set));

    let measure = |more: &[&str]| {
        let (code, stdout, stderr) =
            run_command(&[&["eval", "answers", &set, "--mode", "extract", "--json"], more].concat());
        assert_eq!(code, 0, "{stdout}{stderr}");
        parse(&stdout)
    };
    let whole = ["--unanswerable", "--keep", &kept, "--per-query", &run];
    let report = measure(&whole);
    let expected = json!({
        "set": "set", "model": "off", "mode": "extract", "given": false, "documents": 3, "questions": 2,
        "queries_without_answers": 1, "answered": 2, "contained": 1.0, "citation_recall": 1.0,
        "quote_holds_answer": 1.0, "valid_citations": 1.0, "false_abstention": 0.0, "refused": 0.0,
        "abstention_unanswerable": 1.0, "prompt_tokens_mean": 0.0, "conflicting": 0.0, "misled": null
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&report[name], value, "{name}: {report}");
    }
    let f1 = report["f1"].as_f64().unwrap();
    assert!(f1 > 0.0 && f1 < 1.0, "a sentence shares some of its words with the answer: {report}");
    assert!(report["first_token_ms"]["p95"].as_f64().unwrap() > 0.0 && report["seconds"].as_f64().unwrap() > 0.0);

    let lines: Vec<Value> = fs::read_to_string(&run).unwrap().lines().map(parse).collect();
    assert_eq!(lines.len(), 4, "each question once with and once without its document");
    let citations = lines[0]["citations"].as_array().unwrap();
    let holding = citations.iter().find(|citation| citation["quote"].as_str().unwrap().contains("1931"));
    let Some(citation) = holding else { panic!("no quote holds the answer: {}", lines[0]) };
    assert_eq!((&citation["document"], &citation["gold"]), (&json!("mill"), &json!(true)), "{citation}");
    assert_eq!((&citation["valid"], &citation["holds_answer"]), (&json!(true), &json!(true)), "{citation}");
    assert_eq!((&lines[3]["unanswerable"], &lines[3]["status"]), (&json!(true), &json!("insufficient_evidence")));

    // What was deleted from the kept collection is there again.
    let again = measure(&whole);
    assert_eq!((&again["documents"], &again["contained"]), (&json!(3), &json!(1.0)), "{again}");

    // Each question among the documents drawn for it; all of this corpus, since it has no more.
    let given = measure(&["--given", "--unanswerable"]);
    assert_eq!((&given["given"], &given["documents"], &given["questions"]), (&json!(true), &json!(6), &json!(2)));
    for name in ["contained", "citation_recall", "valid_citations", "abstention_unanswerable"] {
        assert_eq!(given[name], 1.0, "{name}: {given}");
    }
    let (code, _, stderr) = run_command(&["eval", "answers", &set, "--mode", "extract", "--given", "--keep", &kept]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("was filled without --given"), "{stderr}");

    let (code, stdout, stderr) = run_command(&["eval", "answers", &set, "--mode", "extract", "--limit", "1"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("1 questions, extract, off") && stdout.contains("exact match"), "{stdout}");
    assert!(stderr.contains("1 queries were left out, since the set has no answer to them"), "{stderr}");
}

#[test]
fn a_set_without_answers_and_a_mode_without_a_model_are_refused_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    write_set(folder.path());
    let set = folder.path().to_str().unwrap();
    let (code, _, stderr) = run_command(&["eval", "answers", set, "--mode", "extract"]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("has no query with `answers`"), "{stderr}");

    write_answered_set(folder.path());
    let (code, _, stderr) = run_command(&["eval", "answers", set, "--mode", "generate", "--model", "off"]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("name one with --model"), "{stderr}");
    let (code, _, stderr) = run_command(&["eval", "answers", set, "--model", "no-such-model"]);
    assert_eq!(code, 2, "{stderr}");

    let (code, stdout, _) = run_command(&["eval", "answers", "--help"]);
    assert_eq!(code, 0);
    for shown in ["Examples:", "--unanswerable", "--given", "citation_precision", "false_abstention", "answers.jsonl"] {
        assert!(stdout.contains(shown), "the help lacks {shown}: {stdout}");
    }
}
