//! What did each query find? A run is a file of JSON lines, one a query, that is written as it is measured and read again
//! to be compared.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::{Deserialize, Serialize};
use wellspring_core::limits;
use wellspring_retrieve::measure::Scores;

use super::lines::{Lines, SetError};
use crate::cli::Arm;

/// One query, measured.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct QueryRun {
    /// Its id.
    pub(super) query: String,
    /// What was asked.
    pub(super) text: String,
    /// The documents that were judged, with their grades.
    pub(super) judged: BTreeMap<String, u32>,
    /// What each arm found.
    pub(super) arms: BTreeMap<Arm, ArmRun>,
}

/// What an arm found for one query.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ArmRun {
    #[serde(flatten)]
    pub(super) scores: Scores,
    /// Milliseconds of one search.
    pub(super) latency_ms: f64,
    /// Best first, each once.
    pub(super) documents: Vec<FoundDocument>,
}

/// A document, and the score of its first chunk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct FoundDocument {
    pub(super) document: String,
    pub(super) score: f32,
}

/// The scores of a run, by query; what was found is not kept.
pub(super) type RunScores = HashMap<String, BTreeMap<Arm, Scores>>;

/// Reads the scores of a run.
pub(super) fn read(path: &Path) -> Result<RunScores, SetError> {
    let mut lines = Lines::open(path, limits::DOCUMENT_BODY_BYTES_MAX)?;
    let mut scores = RunScores::new();
    while let Some(QueryRun { query, arms, .. }) = lines.next_json("a query of `eval retrieval --per-query`")? {
        if scores.len() == limits::TEST_SET_QUERIES_MAX {
            return Err(lines.wrong(format!("a run has at most {} queries", limits::TEST_SET_QUERIES_MAX)));
        }
        let arms = arms.into_iter().map(|(arm, run)| (arm, run.scores)).collect();
        if scores.insert(query, arms).is_some() {
            return Err(lines.wrong("an earlier line has the same query"));
        }
    }
    if scores.is_empty() {
        return Err(SetError::Empty { path: path.to_owned(), reason: "holds no query" });
    }
    Ok(scores)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let scores = Scores { ndcg_at_10: 0.5, mrr_at_10: 1.0, recall_at_10: 0.25, recall_at_100: 0.75 };
        let documents = vec![FoundDocument { document: "d".into(), score: 0.875 }];
        let run = QueryRun {
            query: "q".into(),
            text: "mill".into(),
            judged: BTreeMap::from([("d".into(), 2)]),
            arms: BTreeMap::from([(Arm::Hybrid, ArmRun { scores, latency_ms: 1.5, documents })]),
        };
        let line = serde_json::to_string(&run).unwrap();
        let expected = concat!(
            r#"{"query":"q","text":"mill","judged":{"d":2},"arms":{"hybrid":{"ndcg@10":0.5,"mrr@10":1.0,"#,
            r#""recall@10":0.25,"recall@100":0.75,"latency_ms":1.5,"documents":[{"document":"d","score":0.875}]}}}"#
        );
        assert_eq!(line, expected);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.jsonl");
        fs::write(&path, format!("{line}\n")).unwrap();
        assert_eq!(read(&path).unwrap()["q"][&Arm::Hybrid], scores);
        fs::write(&path, format!("{line}\n{line}\n")).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("line 2"));
        fs::write(&path, "").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("holds no query"));
        fs::write(&path, "{\"query\": \"q\"}\n").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("--per-query"));
    }
}
