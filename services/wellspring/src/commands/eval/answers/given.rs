//! With which documents is a question asked when the search is not what is measured? With those that answer it, among a few
//! drawn ones, in a small collection of its own.
//!
//! Invariants:
//! - A collection's name is a digest of the question and of its documents: one that a kept folder still has is the same
//!   again, whatever sample is drawn today.
//! - What is drawn depends on the seed and the question alone, not on the other questions of the sample.
//! - Of the corpus, only the ids and the drawn documents are in memory.

use std::collections::{HashMap, HashSet};

use anyhow::ensure;
use reqwest::Method;
use sha2::{Digest, Sha256};
use wellspring_retrieve::measure::Random;

use super::asking::Question;
use crate::client::Client;
use crate::commands::add;
use crate::commands::eval::lines::SetError;
use crate::commands::eval::set::{SetDocument, TestSet};
use crate::output::Progress;

/// Documents that do not answer, beside those that do.
const DISTRACTORS: usize = 3;

/// Gives each question its collection and waits until all of them are searchable.
pub(super) async fn fill(client: &Client, set: &TestSet, questions: &mut [Question], seed: u64) -> anyhow::Result<()> {
    let mut ids = Vec::new();
    let mut documents = set.documents()?;
    while let Some(document) = documents.next()? {
        // The service refuses one without a text.
        ids.extend((!document.text.trim().is_empty()).then_some(document.id));
    }
    let present: HashSet<&str> = ids.iter().map(String::as_str).collect();
    let drawn: Vec<Vec<&str>> = questions.iter().map(|question| draw(question, &ids, &present, seed)).collect();
    let texts = read(set, &drawn.iter().flatten().copied().collect())?;

    let mut progress = Progress::start("collections filled", questions.len() as u64);
    for (number, (question, documents)) in questions.iter_mut().zip(&drawn).enumerate() {
        question.collection = name(&question.id, documents);
        let documents = documents.iter().filter_map(|id| texts.get(*id));
        push(client, &question.collection, documents).await?;
        progress.at(number as u64 + 1);
    }
    progress.finish();
    add::wait(client).await
}

/// The documents of a question: its gold ones that the corpus has, and drawn ones.
fn draw<'a>(question: &Question, ids: &'a [String], present: &HashSet<&'a str>, seed: u64) -> Vec<&'a str> {
    let mut chosen: Vec<&str> = question.gold.iter().filter_map(|id| present.get(id.as_str()).copied()).collect();
    let wanted = chosen.len() + DISTRACTORS.min(ids.len() - chosen.len());
    let mut known: HashSet<&str> = chosen.iter().copied().collect();
    let mut random = Random::new(seed_of(&question.id, seed));
    while chosen.len() < wanted {
        let id = ids[random.below(ids.len())].as_str();
        if known.insert(id) {
            chosen.push(id);
        }
    }
    chosen
}

fn seed_of(question: &str, seed: u64) -> u64 {
    let digest = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(question).finalize();
    digest.iter().take(8).fold(0, |bits, byte| (bits << 8) | u64::from(*byte))
}

fn name(question: &str, documents: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in documents.iter().chain([&question]) {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    let hexadecimal: String = digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("given-{hexadecimal}")
}

/// The wanted documents, by their id.
fn read(set: &TestSet, wanted: &HashSet<&str>) -> Result<HashMap<String, SetDocument>, SetError> {
    let (mut found, mut documents) = (HashMap::new(), set.documents()?);
    while let Some(document) = documents.next()? {
        if wanted.contains(document.id.as_str()) {
            found.insert(document.id.clone(), document);
        }
    }
    Ok(found)
}

async fn push(client: &Client, collection: &str, documents: impl Iterator<Item = &SetDocument>) -> anyhow::Result<()> {
    let mut body = Vec::new();
    for document in documents {
        serde_json::to_writer(&mut body, document)?;
        body.push(b'\n');
    }
    let request = client
        .request(Method::POST, "/v1/documents")
        .query(&[("collection", collection)])
        .header("content-type", "application/x-ndjson")
        .body(body);
    let results = client.send(request).await?.text().await?;
    let last = results.lines().last().and_then(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let refused = last.as_ref().and_then(|summary| summary["failed"].as_u64());
    ensure!(refused == Some(0), "documents of a question's collection were refused: {}", last.unwrap_or_default());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(id: &str, gold: &[&str]) -> Question {
        Question {
            id: id.to_owned(),
            text: "?".to_owned(),
            gold: gold.iter().map(|&id| id.to_owned()).collect(),
            right: vec!["x".to_owned()],
            fake: Vec::new(),
            collection: String::new(),
        }
    }

    #[test]
    fn a_question_gets_its_gold_documents_and_three_others() {
        let ids: Vec<String> = (0..50).map(|n| format!("d{n}")).collect();
        let present: HashSet<&str> = ids.iter().map(String::as_str).collect();
        let question = question("q", &["d7", "d9", "gone"]);
        let drawn = draw(&question, &ids, &present, 1);
        assert_eq!((&drawn[..2], drawn.len()), (&["d7", "d9"][..], 5));
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), 5, "{drawn:?}");
        assert_eq!(drawn, draw(&question, &ids, &present, 1));
        assert_ne!(drawn, draw(&question, &ids, &present, 2));
        let few: HashSet<&str> = present.iter().copied().filter(|id| ["d7", "d8", "d9"].contains(id)).collect();
        assert_eq!(draw(&question, &ids[7..10], &few, 1), ["d7", "d9", "d8"], "no more than there are");
    }

    #[test]
    fn another_question_or_another_document_is_another_collection() {
        let first = name("q", &["a", "b"]);
        assert_eq!(first, name("q", &["a", "b"]));
        assert!(first.parse::<wellspring_core::document::CollectionName>().is_ok(), "{first}");
        for other in [name("r", &["a", "b"]), name("q", &["a", "c"]), name("q", &["ab", ""]), name("b", &["a", "q"])] {
            assert_ne!(first, other);
        }
    }
}
