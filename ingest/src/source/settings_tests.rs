//! Which settings are refused, and in which form do the others come out?

use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use super::*;

fn settings(value: serde_json::Value) -> SourceSettings {
    serde_json::from_value(value).unwrap()
}

fn of(origin: serde_json::Value) -> Result<SourceSettings, SettingsError> {
    checked(settings(json!({ "name": "a", "origin": origin })))
}

fn field_of(result: Result<SourceSettings, SettingsError>) -> &'static str {
    let error = result.unwrap_err();
    assert!(!error.hint.is_empty() && !error.what.is_empty());
    error.field
}

#[test]
fn addresses_come_out_in_one_form_or_not_at_all() {
    let Origin::Page { url } =
        of(json!({ "kind": "page", "url": "HTTP://Example.ORG:80/a b".replace(' ', "%20") })).unwrap().origin
    else {
        panic!("a page")
    };
    assert_eq!(url, "http://example.org/a%20b");
    let Origin::Feed { url, .. } = of(json!({ "kind": "feed", "url": "https://example.org/f#top" })).unwrap().origin
    else {
        panic!("a feed")
    };
    assert_eq!(url, "https://example.org/f");
    let long = format!("https://example.org/{}", "x".repeat(limits::URL_BYTES_MAX));
    for bad in [
        "",
        "example.org",
        "/a",
        "ftp://a/",
        "file:///etc/passwd",
        "https://",
        "http://u:p@a/",
        "http://u@a/",
        "http://a /",
        &long,
    ] {
        assert_eq!(field_of(of(json!({ "kind": "page", "url": bad }))), "url", "{bad}");
    }
    assert_eq!(field_of(of(json!({ "kind": "site", "url": "http://a/", "sitemap": "x" }))), "sitemap");
}

#[test]
fn bounds_of_a_site_are_kept() {
    let site = |depth: u32, pages: u32| {
        of(json!({ "kind": "site", "url": "http://a/", "depth_max": depth, "pages_max": pages }))
    };
    assert!(site(0, 1).is_ok() && site(limits::SITE_DEPTH_MAX, limits::SITE_PAGES_MAX).is_ok());
    assert_eq!(field_of(site(limits::SITE_DEPTH_MAX + 1, 1)), "depth_max");
    assert_eq!(field_of(site(1, 0)), "pages_max");
    assert_eq!(field_of(site(1, limits::SITE_PAGES_MAX + 1)), "pages_max");
}

#[test]
fn names_hosts_and_tags_are_checked() {
    let page = json!({ "kind": "page", "url": "http://a/" });
    assert_eq!(field_of(checked(settings(json!({ "name": "push", "origin": page })))), "name");
    let with = |hosts: &[&str]| checked(settings(json!({ "name": "a", "origin": page, "private_hosts": hosts })));
    let kept = with(&["Wiki.Internal.", "10.0.0.7", "[::1]", "::1"]).unwrap().private_hosts;
    assert_eq!(kept, ["10.0.0.7", "::1", "wiki.internal"]);
    for bad in ["", "*", "*.internal", "http://a", "a:80", "a/b", "a b", "-a", "a..b"] {
        assert_eq!(field_of(with(&[bad])), "private_hosts", "{bad}");
    }
    let tagged = |tag: &str| checked(settings(json!({ "name": "a", "origin": page, "tags": [tag] })));
    assert!(tagged("river").is_ok());
    assert_eq!(field_of(tagged(" ")), "tags");
}

#[test]
fn folders_are_named_as_the_kernel_does_and_do_not_overlap() {
    let files = TempDir::new().unwrap();
    let root = files.path().canonicalize().unwrap();
    std::fs::create_dir_all(root.join("notes/deep")).unwrap();
    std::fs::write(root.join("file.md"), "x").unwrap();
    std::os::unix::fs::symlink(root.join("notes"), root.join("link")).unwrap();
    let folder = |name: &str, path: &Path, collection: &str| {
        checked(settings(
            json!({ "name": name, "collection": collection, "origin": { "kind": "folder", "path": path } }),
        ))
    };
    let notes = folder("notes", &root.join("link"), "default").unwrap();
    assert_eq!(
        notes.origin,
        Origin::Folder { path: root.join("notes"), include: vec![], exclude: vec![], gitignore: false }
    );
    for bad in [Path::new("notes"), &root.join("nowhere"), &root.join("file.md"), Path::new("/")] {
        assert_eq!(field_of(folder("b", bad, "default")), "path", "{}", bad.display());
    }
    let deep = folder("deep", &root.join("notes/deep"), "default").unwrap();
    let outer = folder("outer", &root, "default").unwrap();
    for overlapping in [&deep, &outer] {
        let error = apart(overlapping, [&notes]).unwrap_err();
        assert!(error.what.contains("`notes`"), "{error}");
    }
    assert!(apart(&notes, [&notes]).is_ok(), "a source does not get in its own way");
    assert!(apart(&folder("deep", &root.join("notes/deep"), "other").unwrap(), [&notes]).is_ok());
    std::fs::create_dir(root.join("notes2")).unwrap();
    assert!(apart(&folder("b", &root.join("notes2"), "default").unwrap(), [&notes]).is_ok(), "a name is no prefix");

    let private = json!({ "name": "a", "origin": { "kind": "folder", "path": root }, "private_hosts": ["a"] });
    assert_eq!(field_of(checked(settings(private))), "private_hosts");
    let glob = json!({ "name": "a", "origin": { "kind": "folder", "path": root, "exclude": ["a[b"] } });
    assert_eq!(field_of(checked(settings(glob))), "exclude");
}

#[test]
fn a_glob_that_can_match_nothing_is_refused_with_the_reason() {
    let files = TempDir::new().unwrap();
    let root = files.path().canonicalize().unwrap();
    let with = |field: &str, glob: &str| of(json!({ "kind": "folder", "path": root, field: [glob] }));
    let own = format!("{}/*.md", root.display());
    for (glob, reason) in [
        ("", "empty"),
        ("/", "empty"),
        ("./", "empty"),
        (".", "empty"),
        ("../x", "leads out"),
        ("..", "leads out"),
        ("a/../b", "leads out"),
        ("/../a", "leads out"),
        (&own, "own path"),
        ("a//b", "nothing"),
        ("a/./b", "nothing"),
    ] {
        for field in ["include", "exclude"] {
            let error = with(field, glob).unwrap_err();
            assert_eq!(error.field, field);
            assert!(error.what.contains(reason) && error.what.contains("number 1"), "{glob}: {error}");
        }
    }
    // From the folder itself, as in git.
    for glob in ["/docs", "./docs/*.md", "docs/", "**/a..b.md", ".github"] {
        assert!(with("include", glob).is_ok(), "{glob}");
    }
}

proptest! {
    #[test]
    fn checking_twice_changes_nothing(path in "[ -~]{0,30}", host in "[A-Za-z0-9.-]{1,20}") {
        let url = format!("http://{host}/{path}");
        if let Ok(once) = checked(settings(json!({
            "name": "a", "origin": { "kind": "feed", "url": url }, "private_hosts": [host],
        }))) {
            prop_assert_eq!(checked(once.clone()), Ok(once));
        }
    }
}
