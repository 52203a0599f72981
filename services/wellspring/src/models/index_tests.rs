//! A package client that is a small script: it copies a wheel we made to where it is told.

use zip::write::SimpleFileOptions;

use super::super::progress::tests::Heard;
use super::super::pull::tests::CONTENT;
use super::*;

/// A wheel with one member.
fn wheel(member: &str, bytes: &[u8]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    writer.start_file(member, SimpleFileOptions::default()).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap().into_inner()
}

/// A folder with wheels by package and a client that finds them, keeping a log of what it was asked for.
pub(in crate::models) struct Shelf(tempfile::TempDir);

impl Shelf {
    /// Wheels for the content in two parts.
    pub(in crate::models) fn in_two_parts() -> Self {
        let shelf = Self(tempfile::tempdir().unwrap());
        shelf.put("ours-part1", &wheel("ours/part1.bin", &CONTENT[..1000]));
        shelf.put("ours-part2", &wheel("ours/part2.bin", &CONTENT[1000..]));
        // Read by the shell rather than run: a test that starts a process meanwhile would hold a file that was just written
        // open for a moment, and such a file cannot be run.
        let script = "here=$(dirname \"$0\")\necho \"$@\" >> \"$here/log\"\nfor word; do last=$word; done\n\
            while [ \"$1\" != -d ]; do shift; done\n\
            cp \"$here/${last%%==*}.wheel\" \"$2/made-1.0-py3-none-any.whl\" || { echo no such package >&2; exit 1; }\n";
        fs::write(shelf.0.path().join("client"), script).unwrap();
        shelf
    }

    fn put(&self, package: &str, bytes: &[u8]) {
        fs::write(self.0.path().join(format!("{package}.wheel")), bytes).unwrap();
    }

    /// The client.
    pub(in crate::models) fn index(&self) -> PackageIndex {
        PackageIndex::script(&self.0.path().join("client"))
    }

    fn asked(&self) -> Vec<String> {
        let log = fs::read_to_string(self.0.path().join("log")).unwrap_or_default();
        log.lines().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect()
    }
}

/// The source that the shelf holds.
pub(in crate::models) fn source() -> PackageSource {
    let part = |number: usize, bytes: usize| PackagePart {
        package: format!("ours-part{number}"),
        member: format!("ours/part{number}.bin"),
        bytes: bytes as u64,
    };
    let parts = vec![part(1, 1000), part(2, CONTENT.len() - 1000)];
    PackageSource { version: "1.0".to_owned(), wheel: None, parts }
}

#[tokio::test]
async fn parts_become_the_file() {
    let (shelf, folder) = (Shelf::in_two_parts(), tempfile::tempdir().unwrap());
    let part = folder.path().join("model.bin.part");
    shelf.index().fetch(&source(), &part, &Heard::default()).await.unwrap();
    assert_eq!(fs::read(&part).unwrap(), CONTENT);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing temporary is left");
}

#[tokio::test]
async fn whole_parts_are_not_fetched_again_and_half_ones_are() {
    let (shelf, folder) = (Shelf::in_two_parts(), tempfile::tempdir().unwrap());
    let part = folder.path().join("model.bin.part");
    fs::write(&part, &CONTENT[..1200]).unwrap();
    shelf.index().fetch(&source(), &part, &Heard::default()).await.unwrap();
    assert_eq!(fs::read(&part).unwrap(), CONTENT);
    assert_eq!(shelf.asked(), ["ours-part2==1.0"]);
}

#[tokio::test]
async fn a_truncated_wheel_is_an_error_and_leaves_whole_parts() {
    let (shelf, folder) = (Shelf::in_two_parts(), tempfile::tempdir().unwrap());
    let part = folder.path().join("model.bin.part");
    let whole = wheel("ours/part2.bin", &CONTENT[1000..]);
    shelf.put("ours-part2", &whole[..whole.len() / 2]);
    let error = shelf.index().fetch(&source(), &part, &Heard::default()).await.unwrap_err();
    assert!(matches!(error, IndexError::Archive { .. }), "{error}");
    assert_eq!(fs::read(&part).unwrap(), CONTENT[..1000]);
}

#[tokio::test]
async fn members_of_another_length_or_name_are_refused() {
    for bad in [wheel("ours/part2.bin", &CONTENT[999..]), wheel("ours/part2.bin", b"short"), wheel("other", CONTENT)] {
        let (shelf, folder) = (Shelf::in_two_parts(), tempfile::tempdir().unwrap());
        let part = folder.path().join("model.bin.part");
        shelf.put("ours-part2", &bad);
        let error = shelf.index().fetch(&source(), &part, &Heard::default()).await.unwrap_err();
        assert!(matches!(error, IndexError::Archive { .. }), "{error}");
        assert_eq!(fs::metadata(&part).unwrap().len(), 1000);
    }
}

#[tokio::test]
async fn an_archive_inside_the_package_is_looked_into() {
    let (shelf, folder) = (Shelf::in_two_parts(), tempfile::tempdir().unwrap());
    shelf.put("ours-part1", &wheel("ours/all.zip", &wheel("deep/model.bin", CONTENT)));
    let member = "ours/all.zip!deep/model.bin".to_owned();
    let piece = PackagePart { package: "ours-part1".to_owned(), member, bytes: CONTENT.len() as u64 };
    let source = PackageSource { parts: vec![piece], ..source() };
    let part = folder.path().join("model.bin.part");
    shelf.index().fetch(&source, &part, &Heard::default()).await.unwrap();
    assert_eq!(fs::read(&part).unwrap(), CONTENT);
}

#[tokio::test]
async fn the_client_s_own_words_are_in_the_error() {
    let (shelf, folder) = (Shelf::in_two_parts(), tempfile::tempdir().unwrap());
    let mut source = source();
    source.parts[0].package = "unknown".to_owned();
    let error = shelf.index().fetch(&source, &folder.path().join("part"), &Heard::default()).await.unwrap_err();
    assert!(error.to_string().contains("no such package"), "{error}");
}

#[tokio::test]
async fn a_package_that_holds_two_files_is_fetched_once() {
    let (shelf, folder) = (Shelf::in_two_parts(), tempfile::tempdir().unwrap());
    let mut index = shelf.index();
    let first = PackageSource { parts: source().parts[..1].to_vec(), ..source() };
    for name in ["one", "another"] {
        index.fetch(&first, &folder.path().join(name), &Heard::default()).await.unwrap();
        assert_eq!(fs::read(folder.path().join(name)).unwrap(), CONTENT[..1000]);
    }
    index.fetch(&source(), &folder.path().join("whole"), &Heard::default()).await.unwrap();
    assert_eq!(shelf.asked(), ["ours-part1==1.0", "ours-part2==1.0"]);
    drop(index);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing temporary is left");
}
