//! What lies under this name in an archive?
//!
//! DOCX, PPTX, XLSX and EPUB files are zip archives of XML parts. Nothing is ever unpacked to a disk: a part is found by
//! its name and read as a stream.
//!
//! Invariants:
//! - Every unpacked byte counts against one bound for the whole archive, whatever sizes the archive declares.
//! - Only what a document's own structure names is read; archives in archives are never opened.
//! - A name is compared and never used as a path: `..` leads nowhere.

use std::collections::HashMap;
use std::io::{self, Cursor, Read};

use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use wellspring_core::limits;

use super::Refused;
use super::xml::Xml;

/// What office suites wrap encrypted documents in, and all documents of before 2007.
const COMPOUND_FILE_MAGIC: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// An archive whose unpacked bytes are counted.
pub(super) struct Archive<'c> {
    zip: ZipArchive<Cursor<&'c [u8]>>,
    /// Entries by their names in lower case: office suites do not tell names apart by case.
    entries: HashMap<String, usize>,
    bytes_left: u64,
}

impl<'c> Archive<'c> {
    /// Opens an archive and looks at its directory only.
    pub(super) fn open(content: &'c [u8]) -> Result<Self, Refused> {
        if content.starts_with(COMPOUND_FILE_MAGIC) {
            let mark: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
            let is_encrypted = content.windows(mark.len()).any(|window| window == mark);
            return Err(Refused::because(match is_encrypted {
                true => "it is encrypted",
                false => "it is in the format that office suites used before 2007",
            }));
        }
        let mut zip = ZipArchive::new(Cursor::new(content)).map_err(refusal)?;
        if zip.len() > limits::ARCHIVE_ENTRIES_MAX {
            let max = limits::ARCHIVE_ENTRIES_MAX;
            return Err(Refused::because(format!("it is an archive of more than {max} entries")));
        }
        if zip.has_overlapping_files().map_err(refusal)? {
            return Err(Refused::because("it is an archive whose entries overlap"));
        }
        let mut entries = HashMap::with_capacity(zip.len());
        for index in 0..zip.len() {
            if let Some(Ok(name)) = zip.name_for_index(index) {
                entries.entry(key_of(&name)).or_insert(index);
            }
        }
        Ok(Self { zip, entries, bytes_left: limits::ARCHIVE_BYTES_MAX })
    }

    /// A part as a stream of bytes; `None` when the archive has none of this name.
    pub(super) fn part(&mut self, name: &str) -> Result<Option<Part<'_, 'c>>, Refused> {
        let Some(index) = self.entries.get(&key_of(name)) else { return Ok(None) };
        let file = self.zip.by_index(*index).map_err(refusal)?;
        Ok(Some(Part { file, bytes_left: &mut self.bytes_left }))
    }

    /// A part as XML; `None` when the archive has none of this name.
    pub(super) fn xml(&mut self, name: &str) -> Result<Option<Xml<Part<'_, 'c>>>, Refused> {
        Ok(self.part(name)?.map(Xml::new))
    }

    /// A part whole, at most `bytes_max` of it; `None` when the archive has none of this name.
    pub(super) fn bytes(&mut self, name: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, Refused> {
        let Some(part) = self.part(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        part.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(|error| read_refusal(&error))?;
        if bytes.len() > bytes_max {
            return Err(Refused::because(format!("a part of it is longer than {bytes_max} bytes")));
        }
        Ok(Some(bytes))
    }
}

/// A part being unpacked.
pub(super) struct Part<'a, 'c> {
    file: ZipFile<'a, Cursor<&'c [u8]>>,
    bytes_left: &'a mut u64,
}

impl Read for Part<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        match self.bytes_left.checked_sub(count as u64) {
            Some(left) => *self.bytes_left = left,
            None => return Err(io::ErrorKind::FileTooLarge.into()),
        }
        Ok(count)
    }
}

/// Why a part could not be read to its end. The error's own words stay out: they may quote the archive.
pub(super) fn read_refusal(error: &io::Error) -> Refused {
    match error.kind() {
        io::ErrorKind::FileTooLarge => {
            let max = limits::ARCHIVE_BYTES_MAX;
            Refused::because(format!("its parts grow to more than {max} bytes when they are unpacked"))
        }
        _ => damaged(),
    }
}

/// The refusal of an archive that is not whole.
pub(super) fn damaged() -> Refused {
    Refused::because("it is damaged: a part of it cannot be unpacked")
}

fn refusal(error: ZipError) -> Refused {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => {
            Refused::because("it is encrypted")
        }
        ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_) => {
            Refused::because("it is compressed in a way that is not read")
        }
        ZipError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => read_refusal(&error),
        _ => Refused::because("it is not a whole zip archive, which this format is made of"),
    }
}

/// The name that entries are compared by: some programs write `\` or a leading `/`.
fn key_of(name: &str) -> String {
    name.trim_start_matches(['/', '\\']).replace('\\', "/").to_lowercase()
}

/// The part that `target` names, seen from the part `from`; `None` when it leads out of the archive.
pub(super) fn resolve(from: &str, target: &str) -> Option<String> {
    let folder = match target.starts_with('/') {
        true => "",
        false => from.rsplit_once('/').map_or("", |(folder, _)| folder),
    };
    let mut segments: Vec<&str> = Vec::new();
    for segment in folder.split('/').chain(target.split('/')) {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop()?;
            }
            segment => segments.push(segment),
        }
    }
    Some(segments.join("/"))
}

#[cfg(test)]
#[path = "archive_tests.rs"]
pub(super) mod tests;
