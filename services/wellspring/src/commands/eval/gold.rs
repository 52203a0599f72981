//! What is the right answer to each query? The `answers` of queries.jsonl, where a query has some.
//!
//! Invariants:
//! - A query without right answers is none to be asked: the set may hold others, as sets for retrieval do.
//! - No right answer is blank: everything would contain it.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use wellspring_core::limits;

use super::lines::{Lines, SetError};

const ANSWERED: &str = "an object with the text `id` and, where there are any, a list of texts `answers`";

/// As far as it is looked at; `set` has read the rest.
#[derive(Debug, Deserialize)]
struct AnsweredLine {
    #[serde(alias = "_id")]
    id: String,
    #[serde(default)]
    answers: Option<Vec<String>>,
    #[serde(default)]
    fake_answer: Option<OneOrMore>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::More(texts) => texts,
        }
    }
}

/// What is right, and what only seems so.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gold {
    /// The right answers; at least one.
    pub(super) right: Vec<String>,
    /// Wrong ones that were planted in documents of the set.
    pub(super) fake: Vec<String>,
}

/// The right answers, by query.
pub(super) fn read(folder: &Path) -> Result<HashMap<String, Gold>, SetError> {
    let mut lines = Lines::find(folder, &["queries.jsonl"], limits::REQUEST_BODY_BYTES_MAX)?;
    let mut right = HashMap::new();
    while let Some(AnsweredLine { id, answers, fake_answer }) = lines.next_json(ANSWERED)? {
        let answers = answers.unwrap_or_default();
        if answers.iter().any(|answer| answer.trim().is_empty()) {
            return Err(lines.wrong("one of the `answers` is empty"));
        }
        if !answers.is_empty() {
            let mut fake = fake_answer.map(OneOrMore::into_vec).unwrap_or_default();
            fake.retain(|fake| !fake.trim().is_empty());
            right.insert(id, Gold { right: answers, fake });
        }
    }
    if right.is_empty() {
        let reason = "has no query with `answers`: only retrieval can be measured on this set";
        return Err(SetError::Empty { path: lines.path().to_owned(), reason });
    }
    Ok(right)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read_lines(text: &str) -> Result<HashMap<String, Gold>, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("queries.jsonl"), text).unwrap();
        read(folder.path()).map_err(|error| error.to_string().replace(&folder.path().display().to_string(), "DIR"))
    }

    #[test]
    fn queries_with_answers_are_read_and_others_passed_over() {
        let lines = concat!(
            "{\"id\": \"q1\", \"text\": \"x\", \"answers\": [\"1931\", \"in 1931\"], \"fake_answer\": \"1932\"}\n",
            "{\"_id\": \"q2\", \"text\": \"x\", \"answers\": null}\n",
            "{\"id\": \"q3\", \"text\": \"x\", \"answers\": []}\n{\"id\": \"q4\", \"text\": \"x\"}\n",
        );
        let right = read_lines(lines).unwrap();
        let gold = Gold { right: vec!["1931".to_owned(), "in 1931".to_owned()], fake: vec!["1932".to_owned()] };
        assert_eq!(right, HashMap::from([("q1".to_owned(), gold)]));
    }

    #[test]
    fn answers_that_cannot_be_compared_are_refused_with_their_line() {
        for (lines, expected) in [
            ("{\"id\": \"a\", \"answers\": null}", "DIR/queries.jsonl has no query with `answers`"),
            ("\n{\"id\": \"a\", \"answers\": [\"secret\", \" \"]}", "DIR/queries.jsonl, line 2: one of the `answers`"),
            ("{\"id\": \"a\", \"answers\": \"secret\"}", "DIR/queries.jsonl, line 1: this is JSON, but not an object"),
            ("{\"id\": \"a\", \"answers\": [1931]}", "DIR/queries.jsonl, line 1: this is JSON, but not an object"),
        ] {
            let message = read_lines(lines).unwrap_err();
            assert!(message.contains(expected) && !message.contains("secret"), "{message} lacks {expected}");
        }
    }
}
