//! Which service holds the documents of a test set? One that is thrown away, or one that is kept for the next time.
//!
//! Invariants:
//! - The documents come in by the API and through the whole write path, as everybody's do.
//! - A kept folder is used again only for the corpus and the way of filling that it was filled with, and only filled when it
//!   was empty: nobody's own documents are measured, or added to.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::set::TestSet;
use crate::commands::add::{self, LineSender};
use crate::commands::measured::MeasuredService;
use crate::config::Config;
use crate::output;

/// The file of a kept folder that says what is in it.
const NOTE: &str = "evaluation.json";

/// What a collection is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Holds {
    /// Every document.
    #[default]
    Corpus,
    /// Nothing yet: each question brings a few documents, into a collection of its own.
    Given,
}

/// What a kept folder holds.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    set: String,
    /// Of the corpus.
    digest: String,
    #[serde(default)]
    holds: Holds,
    /// Whether all of it was accepted and became searchable; an interrupted filling goes on where it was.
    whole: bool,
}

/// A running service with the documents of a set.
pub(super) struct Collection {
    pub(super) service: MeasuredService,
    /// Searchable ones.
    pub(super) documents: u64,
    pub(super) chunks: u64,
    kept: Option<Kept>,
}

impl Collection {
    /// Starts a service and fills it, unless it is a kept one that is full.
    pub(super) async fn open(
        set: &TestSet,
        config: &Config,
        keep: Option<&Path>,
        holds: Holds,
    ) -> anyhow::Result<Self> {
        let kept = keep.map(|folder| Kept::open(folder, set, holds)).transpose()?;
        let service = MeasuredService::start_apart(config, keep).await?;
        if holds == Holds::Corpus && kept.as_ref().is_none_or(|kept| !kept.note.whole) {
            fill(&service, set).await?;
            kept.as_ref().map_or(Ok(()), |kept| kept.write(true))?;
        }
        Ok(Self {
            documents: service.number("/catalog/searchable").await?,
            chunks: service.number("/catalog/chunks").await?,
            service,
            kept,
        })
    }

    /// Writes down that documents are about to be removed: before a kept folder is used again, they are added again.
    pub(super) fn note_incomplete(&self) -> anyhow::Result<()> {
        self.kept.as_ref().map_or(Ok(()), |kept| kept.write(false))
    }

    /// Ends the service; a kept folder is left in order.
    pub(super) async fn close(self) {
        match self.kept.is_some() {
            true => self.service.close().await,
            false => self.service.stop().await,
        }
    }
}

/// A folder that is kept, and its note.
#[derive(Debug)]
struct Kept {
    path: PathBuf,
    note: Note,
}

impl Kept {
    fn open(folder: &Path, set: &TestSet, holds: Holds) -> anyhow::Result<Self> {
        let name = folder.display();
        // It will hold a copy of the documents, which is its owner's alone.
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(folder).with_context(|| format!("could not make the folder {name}"))?;
        let path = folder.join(NOTE);
        if path.is_file() {
            let text = std::fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
            let note: Note = serde_json::from_str(&text)
                .with_context(|| format!("{} is not what `eval` wrote; name another folder", path.display()))?;
            if note.digest != set.digest {
                bail!("{name} was filled with another corpus (`{}`); name another folder", note.set);
            }
            if note.holds != holds {
                let how = if note.holds == Holds::Given { "with" } else { "without" };
                bail!("{name} was filled {how} --given; name another folder");
            }
            return Ok(Self { path, note });
        }
        if std::fs::read_dir(folder).with_context(|| format!("could not read {name}"))?.next().is_some() {
            bail!(
                "{name} is not empty and was not filled by `eval`; name an empty folder, or one that is not there yet"
            );
        }
        let note = Note { set: set.name.clone(), digest: set.digest.clone(), holds, whole: false };
        let kept = Self { path, note };
        kept.write(false)?;
        Ok(kept)
    }

    fn write(&self, whole: bool) -> anyhow::Result<()> {
        let Note { set, digest, holds, .. } = &self.note;
        let note = Note { set: set.clone(), digest: digest.clone(), holds: *holds, whole };
        let text = serde_json::to_vec_pretty(&note)?;
        std::fs::write(&self.path, text).with_context(|| format!("could not write {}", self.path.display()))
    }
}

/// Pushes the documents and waits until they are searchable.
async fn fill(service: &MeasuredService, set: &TestSet) -> anyhow::Result<()> {
    let mut documents = set.documents()?;
    let send = move |sender: &LineSender| {
        while let Some(document) = documents.next()? {
            let mut line = serde_json::to_vec(&document)?;
            line.push(b'\n');
            if sender.blocking_send(Ok(line)).is_err() {
                break;
            }
        }
        Ok(())
    };
    let summary = add::push_lines(&service.client, "default", send).await?;
    if summary.failed > 0 {
        output::note(format!("{} documents were refused, as those without a text are", summary.failed));
    }
    add::wait(&service.client).await
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn set(text: &str) -> (tempfile::TempDir, TestSet) {
        let folder = tempfile::tempdir().unwrap();
        let corpus = format!("{{\"id\": \"d\", \"text\": \"{text}\"}}");
        let files = [("corpus.jsonl", corpus.as_str()), ("queries.jsonl", "{\"id\": \"q\", \"text\": \"x\"}")];
        for (name, content) in files.into_iter().chain([("qrels.tsv", "q\td\t1")]) {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let set = TestSet::load(folder.path()).unwrap();
        (folder, set)
    }

    #[test]
    fn a_kept_folder_is_used_again_for_the_same_corpus_only() {
        let ((_one, one), (_two, two)) = (set("mill"), set("ford"));
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        let open = |set| Kept::open(&kept, set, Holds::Corpus);
        assert!(!open(&one).unwrap().note.whole);
        open(&one).unwrap().write(true).unwrap();
        assert!(open(&one).unwrap().note.whole);
        open(&one).unwrap().write(false).unwrap();
        assert!(!open(&one).unwrap().note.whole);
        let refused = open(&two).unwrap_err().to_string();
        assert!(refused.contains("another corpus"), "{refused}");
        let refused = Kept::open(&kept, &one, Holds::Given).unwrap_err().to_string();
        assert!(refused.contains("was filled without --given"), "{refused}");
    }

    #[test]
    fn a_folder_with_something_else_is_left_alone() {
        let (_files, set) = set("mill");
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("catalog.sqlite"), "").unwrap();
        let refused = Kept::open(folder.path(), &set, Holds::Corpus).unwrap_err().to_string();
        assert!(refused.contains("not empty"), "{refused}");
        assert!(!folder.path().join(NOTE).exists());
    }
}
