//! What does the next line of a file say, whether or not the file is compressed?
//!
//! Invariants:
//! - Every error names the file, and the line where there is one; none repeats what the line says.
//! - A line and a file have a size beyond which they are refused, unpacked.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::de::DeserializeOwned;
use wellspring_core::limits;

/// Why a test set, or what was made of one, cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetError {
    /// A file is not there.
    #[error("{} holds none of these files: {names}", folder.display())]
    Missing {
        /// Where it was looked for.
        folder: PathBuf,
        /// Its names.
        names: String,
    },
    /// A file cannot be read.
    #[error("could not read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A line is not what it should be.
    #[error("{}, line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// The file says nothing that can be measured.
    #[error("{} {reason}", path.display())]
    Empty {
        /// The file or folder.
        path: PathBuf,
        /// What is missing.
        reason: &'static str,
    },
}

/// The lines of a file, one at a time.
pub(super) struct Lines {
    path: PathBuf,
    reader: BufReader<Box<dyn Read + Send>>,
    line: u64,
    line_bytes_max: usize,
    bytes_left: u64,
}

impl Lines {
    /// Opens the first of `names` that is there, as it is or compressed with `.gz` behind its name.
    pub(super) fn find(folder: &Path, names: &[&str], line_bytes_max: usize) -> Result<Self, SetError> {
        let ways = names.iter().flat_map(|name| [folder.join(name), folder.join(format!("{name}.gz"))]);
        match ways.into_iter().find(|path| path.is_file()) {
            Some(path) => Self::open(&path, line_bytes_max),
            None => {
                let names = names.iter().map(|name| format!("{name} or {name}.gz")).collect::<Vec<_>>().join(", ");
                Err(SetError::Missing { folder: folder.to_owned(), names })
            }
        }
    }

    /// Opens a file; one whose name ends in `.gz` is unpacked.
    pub(super) fn open(path: &Path, line_bytes_max: usize) -> Result<Self, SetError> {
        let file = File::open(path).map_err(|source| SetError::Read { path: path.to_owned(), source })?;
        let reader: Box<dyn Read + Send> = match path.extension().is_some_and(|ending| ending == "gz") {
            true => Box::new(MultiGzDecoder::new(file)),
            false => Box::new(file),
        };
        let bytes_left = limits::TEST_SET_FILE_BYTES_MAX;
        Ok(Self { path: path.to_owned(), reader: BufReader::new(reader), line: 0, line_bytes_max, bytes_left })
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The next line that is not blank, without its end.
    pub(super) fn next(&mut self) -> Result<Option<String>, SetError> {
        loop {
            self.line += 1;
            let mut line = Vec::new();
            // One byte more than a line may have tells a full line from one that is too long.
            let most = self.line_bytes_max as u64 + 2;
            let read = self.reader.by_ref().take(most).read_until(b'\n', &mut line);
            let read = read.map_err(|source| SetError::Read { path: self.path.clone(), source })?;
            if read == 0 {
                return Ok(None);
            }
            let Some(left) = self.bytes_left.checked_sub(read as u64) else {
                return Err(self.wrong(format!("the file is larger than {} bytes", limits::TEST_SET_FILE_BYTES_MAX)));
            };
            self.bytes_left = left;
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            if line.len() > self.line_bytes_max {
                return Err(self.wrong(format!("the line is longer than {} bytes", self.line_bytes_max)));
            }
            let line = String::from_utf8(line).map_err(|_| self.wrong("the line is not UTF-8"))?;
            // Some editors begin every file with a byte order mark.
            let line = if self.line == 1 { line.trim_start_matches('\u{feff}') } else { &line };
            let line = line.trim_end_matches('\r');
            if !line.trim().is_empty() {
                return Ok(Some(line.to_owned()));
            }
        }
    }

    /// The next line as JSON; `shape` says what it should have been.
    pub(super) fn next_json<T: DeserializeOwned>(&mut self, shape: &str) -> Result<Option<T>, SetError> {
        let Some(line) = self.next()? else { return Ok(None) };
        // The parser's own message may repeat a value, and a value may be a document's text.
        serde_json::from_str(&line).map(Some).map_err(|error| {
            let column = error.column();
            match error.is_data() {
                true => self.wrong(format!("this is JSON, but not {shape} (column {column})")),
                false => self.wrong(format!("this is not valid JSON (column {column})")),
            }
        })
    }

    /// The error of the line that was read last.
    pub(super) fn wrong(&self, reason: impl Into<String>) -> SetError {
        SetError::Line { path: self.path.clone(), line: self.line, reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn plain_and_compressed_files_read_alike() {
        let folder = tempfile::tempdir().unwrap();
        let text = "\u{feff}one\r\n\n  \ntwo\nthree";
        fs::write(folder.path().join("a.txt"), text).unwrap();
        // Two streams behind each other are one file.
        let mut packed = Vec::new();
        for part in [&text[..9], &text[9..]] {
            let mut encoder = GzEncoder::new(&mut packed, Compression::default());
            encoder.write_all(part.as_bytes()).unwrap();
            encoder.finish().unwrap();
        }
        fs::write(folder.path().join("b.txt.gz"), packed).unwrap();
        for name in ["a.txt", "b.txt"] {
            let mut lines = Lines::find(folder.path(), &["absent.txt", name], 10).unwrap();
            let read: Vec<String> = std::iter::from_fn(|| lines.next().unwrap()).collect();
            assert_eq!(read, ["one", "two", "three"], "{name}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let message = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            let mut lines = Lines::open(&path, 10).unwrap();
            let error = loop {
                match lines.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("nothing was refused"),
                    Err(error) => break error,
                }
            };
            error.to_string().replace(&folder.path().display().to_string(), "")
        };
        assert_eq!(message("long", b"short\n12345678901\n"), "/long, line 2: the line is longer than 10 bytes");
        assert_eq!(message("bytes", b"\xFF\xFE\n"), "/bytes, line 1: the line is not UTF-8");
        assert_eq!(message("no.gz", b"no archive"), "could not read /no.gz");
        let missing = Lines::find(folder.path(), &["x.tsv", "y.tsv"], 10).err().unwrap().to_string();
        assert!(missing.contains("x.tsv or x.tsv.gz, y.tsv or y.tsv.gz"), "{missing}");
    }
}
