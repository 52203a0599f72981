//! What must become of archives that lie.

use std::io::Write;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

/// An archive of these parts.
pub(in crate::parse) fn zip_of(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// The places of a signature.
fn places_of(content: &[u8], signature: &[u8]) -> Vec<usize> {
    let windows = content.windows(signature.len()).enumerate();
    windows.filter(|(_, window)| *window == signature).map(|(at, _)| at).collect()
}

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";

fn whole(content: &[u8], name: &str) -> Result<Option<Vec<u8>>, Refused> {
    Archive::open(content)?.bytes(name, 1 << 20)
}

#[test]
fn parts_are_found_by_name_whatever_its_case_or_slashes() {
    let content = zip_of(&[("word\\Document.xml", "said"), ("../../evil", "x"), ("a/b", "ab")]);
    assert_eq!(whole(&content, "word/document.xml").unwrap().as_deref(), Some(&b"said"[..]));
    assert_eq!(whole(&content, "evil").unwrap(), None);
    assert_eq!(whole(&content, "/a/b").unwrap().as_deref(), Some(&b"ab"[..]));
}

#[test]
fn targets_stay_within_the_archive() {
    assert_eq!(resolve("ppt/slides/slide1.xml", "../notes/n1.xml").as_deref(), Some("ppt/notes/n1.xml"));
    assert_eq!(resolve("ppt/slides/slide1.xml", "/ppt/x.xml").as_deref(), Some("ppt/x.xml"));
    assert_eq!(resolve("", "./a/./b").as_deref(), Some("a/b"));
    assert_eq!(resolve("a/b", "../../c"), None);
}

#[test]
fn every_unpacked_byte_counts_against_one_bound() {
    let content = zip_of(&[("a", &"0".repeat(600)), ("b", &"0".repeat(600))]);
    let mut archive = Archive::open(&content).unwrap();
    archive.bytes_left = 1000;
    assert_eq!(archive.bytes("a", 1000).unwrap().map(|bytes| bytes.len()), Some(600));
    let refused = archive.bytes("b", 1000).unwrap_err();
    assert!(refused.0.contains("grow to more than"), "{refused}");
    let mut archive = Archive::open(&content).unwrap();
    assert!(archive.bytes("a", 599).unwrap_err().0.contains("longer than 599 bytes"));
}

#[test]
fn a_declared_size_decides_nothing() {
    let mut content = zip_of(&[("a", &"0".repeat(5000))]);
    // The unpacked size, in both headers: a lie of one byte.
    for (signature, field) in [(LOCAL, 22), (CENTRAL, 24)] {
        let at = places_of(&content, signature)[0] + field;
        content[at..at + 4].copy_from_slice(&1_u32.to_le_bytes());
    }
    let mut archive = Archive::open(&content).unwrap();
    archive.bytes_left = 1000;
    // Read as far as the bound allows, or found to be damaged; never believed.
    assert_ne!(archive.bytes("a", 1 << 20).ok().flatten().map(|bytes| bytes.len()), Some(1));
}

#[test]
fn encrypted_entries_and_documents_say_that_they_are() {
    let mut content = zip_of(&[("a", "secret")]);
    for (signature, field) in [(LOCAL, 6), (CENTRAL, 8)] {
        let at = places_of(&content, signature)[0] + field;
        content[at] |= 1;
    }
    assert_eq!(whole(&content, "a").unwrap_err().0, "it is encrypted");
    let mut compound = COMPOUND_FILE_MAGIC.to_vec();
    compound.extend([0; 600]);
    assert!(whole(&compound, "a").unwrap_err().0.contains("before 2007"));
    compound.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(whole(&compound, "a").unwrap_err().0, "it is encrypted");
}

#[test]
fn overlapping_entries_are_refused() {
    let mut content = zip_of(&[("a", "one text"), ("b", "one text")]);
    // The second entry's header is said to lie where the first one's does.
    let at = places_of(&content, CENTRAL)[1] + 42;
    content[at..at + 4].copy_from_slice(&0_u32.to_le_bytes());
    assert!(whole(&content, "a").unwrap_err().0.contains("overlap"));
}

#[test]
fn what_is_no_archive_or_only_half_of_one_is_refused() {
    let content = zip_of(&[("a", "text")]);
    for bad in [&b""[..], b"PK", b"plain text", &content[..content.len() / 2]] {
        assert!(whole(bad, "a").is_err());
    }
    let mut flipped = content.clone();
    let at = places_of(&flipped, CENTRAL)[0] + 16;
    flipped[at] ^= 0xff;
    assert!(whole(&flipped, "a").unwrap_err().0.contains("damaged"), "a wrong checksum");
}

#[test]
fn too_many_entries_are_refused_by_their_directory() {
    let names: Vec<String> = (0..=limits::ARCHIVE_ENTRIES_MAX).map(|number| number.to_string()).collect();
    let parts: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    assert!(whole(&zip_of(&parts), "1").unwrap_err().0.contains("entries"));
}
