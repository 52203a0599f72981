//! Where is written down what became of each query? In a file of JSON lines, one a query, if somebody asked for it.

use std::fs::File;
use std::io::{LineWriter, Write};
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

/// The file, or nothing where none was named. Each line is there as soon as it is whole: a run may take an hour and end
/// early.
pub(super) struct PerQuery(Option<LineWriter<File>>);

impl PerQuery {
    /// Creates the file; one of that name is replaced.
    pub(super) fn create(path: Option<&Path>) -> anyhow::Result<Self> {
        let create = |path: &Path| File::create(path).with_context(|| format!("could not write {}", path.display()));
        Ok(Self(path.map(create).transpose()?.map(LineWriter::new)))
    }

    /// Adds a line.
    pub(super) fn write(&mut self, query: &impl Serialize) -> anyhow::Result<()> {
        if let Some(file) = &mut self.0 {
            serde_json::to_writer(&mut *file, query).context("could not write down a query")?;
            file.write_all(b"\n").context("could not write down a query")?;
        }
        Ok(())
    }

    /// Ends the file.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        self.0.map_or(Ok(()), |mut file| file.flush().context("could not write down the queries"))
    }
}
