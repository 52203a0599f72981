//! What globs and `.gitignore` files say about paths.

use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn owned(globs: &[&str]) -> Vec<String> {
    globs.iter().map(|glob| (*glob).to_owned()).collect()
}

fn wants(include: &[&str], exclude: &[&str], path: &str) -> bool {
    let rules = FolderRules::new(&owned(include), &owned(exclude), false).unwrap();
    Wanted::new(&rules, Path::new("/nowhere")).file(path).unwrap()
}

#[test]
fn a_glob_without_a_slash_is_a_name_and_one_with_is_a_path() {
    assert!(wants(&[], &[], "a/b.md"));
    assert!(wants(&["*.md"], &[], "a.md") && wants(&["*.md"], &[], "a/b/c.md"));
    assert!(!wants(&["*.md"], &[], "a.txt"));
    assert!(wants(&["*.{md,txt}"], &[], "a.txt"));
    assert!(!wants(&[], &["drafts"], "x/drafts/a.md"));
    assert!(wants(&[], &["drafts"], "x/drafts.md"));
    assert!(wants(&["docs/*.md"], &[], "docs/a.md"));
    assert!(!wants(&["docs/*.md"], &[], "docs/deep/a.md") && !wants(&["docs/*.md"], &[], "x/docs/a.md"));
    assert!(wants(&["docs/**/*.md"], &[], "docs/deep/er/a.md"));
    assert!(wants(&["docs"], &[], "docs/deep/a.md"), "a folder that is included brings everything below it");
    assert!(wants(&["/docs/"], &[], "docs/a.md") && !wants(&["docs/"], &[], "docs"));
    assert!(!wants(&["*.md"], &["secret.md"], "a/secret.md"), "what is excluded stays out");
}

#[test]
fn a_glob_that_cannot_be_read_is_refused_by_its_number() {
    let error = FolderRules::new(&owned(&["*.md", "a[b"]), &[], false).unwrap_err();
    assert_eq!(error.field, "include");
    assert!(error.what.contains("number 2"), "{error}");
    assert_eq!(
        FolderRules::new(&[], &vec!["x".to_owned(); limits::GLOBS_MAX + 1], false).unwrap_err().field,
        "exclude"
    );
    assert!(FolderRules::new(&["x".repeat(limits::GLOB_BYTES_MAX + 1)], &[], false).is_err());
}

#[test]
fn nested_lists_decide_as_in_git() {
    let root = TempDir::new().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(".gitignore", "# comment\n*.txt\n!keep.txt\n/only-here.md\ntarget/\n");
    write("sub/.gitignore", "!*.txt\nprivate\n");
    write("target/.gitignore", "!*\n");
    let rules = FolderRules::new(&[], &[], true).unwrap();
    let mut wanted = Wanted::new(&rules, root.path());
    let mut taken = |path: &str| wanted.file(path).unwrap();
    assert!(!taken("a.txt") && taken("keep.txt") && taken("deep/keep.txt"));
    assert!(!taken("only-here.md") && taken("sub/only-here.md"));
    assert!(taken("sub/a.txt"), "the deeper list has the last word");
    assert!(!taken("sub/private") && !taken("sub/deep/private/a.md"));
    assert!(!taken("target/a.md"), "nothing comes back from below an ignored folder");
    assert!(taken("target.md"), "a pattern with a slash at its end is a folder");

    let unasked = FolderRules::default();
    assert!(Wanted::new(&unasked, root.path()).file("a.txt").unwrap());
}

#[test]
fn a_list_that_cannot_be_read_makes_its_folder_unknown() {
    let root = TempDir::new().unwrap();
    fs::create_dir(root.path().join("sub")).unwrap();
    fs::write(root.path().join("sub/.gitignore"), "x".repeat(limits::GITIGNORE_BYTES_MAX + 1)).unwrap();
    let rules = FolderRules::new(&[], &[], true).unwrap();
    let mut wanted = Wanted::new(&rules, root.path());
    assert!(wanted.file("a.md").unwrap());
    assert_eq!(wanted.file("sub/a.md").unwrap_err().folder, "sub");
    // A link is no list.
    std::os::unix::fs::symlink("/etc/hostname", root.path().join(".gitignore")).unwrap();
    assert!(Wanted::new(&rules, root.path()).file("a.md").unwrap());
}

proptest! {
    #[test]
    fn a_path_that_is_included_by_its_own_name_is_wanted_and_excluded_is_not(
        path in "[a-z]{1,4}(/[a-z]{1,4}){0,4}\\.md",
        depth in 0..4_usize,
    ) {
        prop_assert!(wants(&[&path], &[], &path));
        prop_assert!(!wants(&[], &[&path], &path));
        // Any folder on the way, by its whole path, brings or takes everything below it.
        let folder = path.split('/').take(depth + 1).collect::<Vec<_>>().join("/");
        let anchored = format!("/{folder}");
        prop_assert!(wants(&[&anchored], &[], &path));
        prop_assert!(!wants(&[], &[&anchored], &path));
    }
}
