//! Whatever happens in whatever order: do readers see the last write that was processed, and nothing deleted?
//!
//! A history is a list of [`Step`]s. It runs against the catalog, against a model of what readers must see, and against
//! a view that is brought forward by what the pipeline says, so that a forgotten chunk shows as a leftover in it.

use std::collections::BTreeMap;

use wellspring_core::catalog::{CatalogReader, End, Finished, Outcome, Publisher, Stage, Task, Work};
use wellspring_core::chunk::{ChunkId, EmbeddingKey};

use super::Subject;
use super::steps::{self, PLENTY, accept, chunk_id, collection, delete, id, key, passages, put, space};

/// The documents of a history.
pub const DOCUMENTS: [&str; 3] = ["a", "b", "c"];
/// The paragraphs that its texts are made of.
pub const PARAGRAPHS: [&str; 4] = ["one", "two", "three", "four"];

/// One thing that happens. Documents are named by their place in [`DOCUMENTS`], texts by a bit for each paragraph.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// A text arrives.
    Put(usize, u8),
    /// A deletion arrives.
    Delete(usize),
    /// The pipeline claims up to so many entries.
    Claim(usize),
    /// The first claimed entry that is not staged is staged, and applied to the view.
    Stage,
    /// Everything staged is published.
    Publish,
    /// The first claimed entry fails, staged or not.
    Fail,
    /// The process ends and starts again.
    Crash,
}

/// What readers must see of a document, and what its next write must be answered.
#[derive(Default, Clone)]
struct Expected {
    revision: u64,
    /// The text of the newest revision; `None` after a deletion and before the first write.
    newest: Option<String>,
    newest_failed: bool,
    deletion: u64,
    published: u64,
    visible: Option<String>,
}

struct History<S> {
    subject: S,
    expected: [Expected; DOCUMENTS.len()],
    claimed: Vec<Work>,
    staged: Vec<(Work, Finished)>,
    view: BTreeMap<ChunkId, EmbeddingKey>,
}

/// Runs a history and checks after each step; at the end every document is written or deleted once more, and the view
/// must hold exactly what is published.
pub async fn run<S: Subject>(subject: S, history: &[Step]) {
    let mut state = History {
        subject,
        expected: Default::default(),
        claimed: Vec::new(),
        staged: Vec::new(),
        view: BTreeMap::new(),
    };
    for step in history {
        state = state.step(*step).await;
        state.check().await;
    }
    state = state.step(Step::Crash).await;
    for document in 0..DOCUMENTS.len() {
        let last = if document == 0 { Step::Delete(document) } else { Step::Put(document, 0b1001 << (document - 1)) };
        state = state.step(last).await;
    }
    loop {
        state = state.step(Step::Claim(8)).await;
        if state.claimed.is_empty() {
            break;
        }
        while !state.claimed.is_empty() {
            state = state.step(Step::Stage).await;
        }
        state = state.step(Step::Publish).await;
        state.check().await;
    }
    state.check_view().await;
}

fn text_of(bits: u8) -> String {
    let chosen = PARAGRAPHS.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0).map(|(_, text)| *text);
    let text = chosen.collect::<Vec<_>>().join("\n\n");
    if text.is_empty() { PARAGRAPHS[0].to_owned() } else { text }
}

impl<S: Subject> History<S> {
    async fn step(mut self, step: Step) -> Self {
        match step {
            Step::Put(document, bits) => self.put(document, text_of(bits)).await,
            Step::Delete(document) => self.delete(document).await,
            Step::Claim(documents) => {
                let work = self.subject.catalog().claim(None, documents, PLENTY).await.expect("claiming");
                self.claimed.extend(work);
            }
            Step::Stage => self.stage().await,
            Step::Publish => self.publish().await,
            Step::Fail => self.fail().await,
            Step::Crash => {
                self.claimed.clear();
                self.staged.clear();
                self.subject = self.subject.reopen().await;
            }
        }
        self
    }

    async fn put(&mut self, document: usize, text: String) {
        let accepted = accept(self.subject.catalog(), put(DOCUMENTS[document], &text)).await;
        let expected = &mut self.expected[document];
        let outcome = match &expected.newest {
            Some(newest) if *newest == text && !expected.newest_failed => Outcome::Unchanged,
            Some(_) => Outcome::Updated,
            None => Outcome::Created,
        };
        if outcome != Outcome::Unchanged {
            expected.revision += 1;
            expected.newest = Some(text);
            expected.newest_failed = false;
        }
        assert_eq!((accepted.outcome, accepted.revision.0), (outcome, expected.revision));
    }

    async fn delete(&mut self, document: usize) {
        let accepted = accept(self.subject.catalog(), delete(DOCUMENTS[document])).await;
        let expected = &mut self.expected[document];
        let deleted = expected.newest.is_some() || expected.newest_failed;
        let outcome = if deleted { Outcome::Deleted } else { Outcome::Absent };
        if outcome == Outcome::Deleted {
            expected.revision += 1;
            expected.deletion = expected.revision;
            expected.newest = None;
            expected.newest_failed = false;
            expected.visible = None;
        }
        assert_eq!((accepted.outcome, accepted.revision.0), (outcome, expected.revision));
    }

    async fn stage(&mut self) {
        if self.claimed.is_empty() {
            return;
        }
        let work = self.claimed.remove(0);
        let finished = steps::stage(self.subject.catalog(), &work).await;
        let empty = Vec::new();
        let (removed, upserted) = match &finished.end {
            End::Published { removed, upserted, .. } => (removed, upserted),
            End::Deleted { removed } => (removed, &empty),
            End::Failed { .. } | End::Faulted { .. } | End::Quarantined { .. } | End::Skipped { .. } => {
                panic!("staging does not fail")
            }
        };
        for chunk in removed {
            self.view.remove(chunk);
        }
        for chunk in upserted {
            let paragraph = PARAGRAPHS.into_iter().find(|text| chunk_id(work.key.as_str(), text) == *chunk);
            self.view.insert(*chunk, EmbeddingKey::of(paragraph.expect("a paragraph of the history")));
        }
        self.staged.push((work, finished));
    }

    async fn publish(&mut self) {
        let staged = std::mem::take(&mut self.staged);
        let ends = staged.iter().map(|(_, finished)| finished.clone()).collect();
        steps::publish(self.subject.catalog(), ends).await;
        for (work, _) in staged {
            let expected = &mut self.expected[place(&work)];
            let Task::Put { content, .. } = work.task else { continue };
            if work.revision.0 > expected.deletion {
                assert!(work.revision.0 > expected.published, "work is done in the order of revisions");
                expected.published = work.revision.0;
                expected.visible = Some(String::from_utf8(content).expect("the history writes text"));
            }
        }
    }

    async fn fail(&mut self) {
        let work = match (self.staged.is_empty(), self.claimed.is_empty()) {
            (false, _) => self.staged.remove(0).0,
            (true, false) => self.claimed.remove(0),
            (true, true) => return,
        };
        let end = End::Failed { stage: Stage::Apply, reason: "a planned failure".to_owned() };
        steps::publish(self.subject.catalog(), vec![steps::finished(&work, end)]).await;
        let expected = &mut self.expected[place(&work)];
        expected.newest_failed |= expected.revision == work.revision.0;
    }

    /// Readers see the model, and the catalog knows whatever the view holds.
    async fn check(&self) {
        let catalog = self.subject.catalog();
        for (name, expected) in DOCUMENTS.iter().zip(&self.expected) {
            let whole = catalog.revision_text(&collection(), &key(name), None).await.expect("reading");
            assert_eq!(whole.and_then(|revision| revision.text), expected.visible, "document {name}");
            let asked = PARAGRAPHS.map(|paragraph| chunk_id(name, paragraph));
            let seen = passages(catalog, &asked).await;
            let wanted: Vec<&str> = expected.visible.iter().flat_map(|text| text.split("\n\n")).collect();
            assert_eq!(seen, wanted, "passages of document {name}");
            let known = catalog.known_chunks(id(name)).await.expect("known chunks");
            for chunk in asked.iter().filter(|chunk| self.view.contains_key(chunk)) {
                assert!(known.iter().any(|known| known.id == *chunk), "a view holds an unknown chunk of {name}");
            }
        }
    }

    async fn check_view(&self) {
        let catalog = self.subject.catalog();
        let mut published = BTreeMap::new();
        for (name, expected) in DOCUMENTS.iter().zip(&self.expected) {
            for paragraph in expected.visible.iter().flat_map(|text| text.split("\n\n")) {
                published.insert(chunk_id(name, paragraph), EmbeddingKey::of(paragraph));
            }
        }
        assert_eq!(self.view, published, "the view holds what is published");
        let page = catalog
            .replay(space(), wellspring_core::view::Publication(0), None, 1000)
            .await
            .expect("replaying")
            .expect("from 0 everything is there");
        let replayed: Vec<ChunkId> = page.upserts.iter().map(|chunk| chunk.chunk).collect();
        assert_eq!(replayed.len(), published.len());
        assert!(replayed.iter().all(|chunk| published.contains_key(chunk)));
        assert!(page.removals.iter().all(|chunk| !published.contains_key(chunk)));
        assert_eq!(catalog.status().await.expect("counting").pending, 0);
    }
}

fn place(work: &Work) -> usize {
    DOCUMENTS.iter().position(|name| *name == work.key.as_str()).expect("a document of the history")
}
