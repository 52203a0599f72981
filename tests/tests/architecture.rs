//! Is the tree still the one that ARCHITECTURE.md describes?
//!
//! Each rule of the house that a program can check is one test here. A failure names the offender and what to do.
//!
//! Invariants:
//! - Nothing here needs a network, a build or a model: the rules read manifests, the lock file, sources and documents.
//! - What two places must agree on is read from one of them: vendors from `deny.toml`, edges from the manifests,
//!   invariants and paths from ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Every crate of the workspace and its layer. A crate names only crates of strictly lower layers.
const LAYERS: &[(&str, u8)] = &[
    ("wellspring-core", 0),
    ("wellspring-ingest", 1),
    ("wellspring-catalog", 1),
    ("wellspring-vector", 1),
    ("wellspring-keyword", 1),
    ("wellspring-embed", 1),
    ("wellspring-retrieve", 1),
    ("wellspring-generate", 1),
    ("wellspring-answer", 1),
    ("wellspring-http", 2),
    ("wellspring", 3),
    ("wellspring-tests", 4),
];

/// The crate that may name everything, since it tests everything.
const TESTS: &str = "wellspring-tests";

/// The invariants that ARCHITECTURE.md states: I-1 to I-9.
const INVARIANTS: std::ops::RangeInclusive<u32> = 1..=9;

/// A file longer than this is split by responsibility, or says in its header why not.
const FILE_LINES_MAX: usize = 600;

/// The root of the workspace.
static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    // Where cargo runs it: a folder of built files may have been filled from another copy of the repository.
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    here.parent().expect("this crate lies one folder below the root").to_path_buf()
});

/// The manifests of the workspace's own crates.
static METADATA: LazyLock<Metadata> = LazyLock::new(|| {
    MetadataCommand::new().manifest_path(ROOT.join("Cargo.toml")).no_deps().exec().expect("cargo metadata")
});

#[test]
fn every_crate_has_a_layer() {
    let known: BTreeSet<&str> = LAYERS.iter().map(|(name, _)| *name).collect();
    let found: BTreeSet<&str> = METADATA.workspace_packages().into_iter().map(name_of).collect();
    assert_eq!(found, known, "give a new crate its layer in LAYERS and in ARCHITECTURE.md's crate map");
}

#[test]
fn a_crate_names_only_lower_layers() {
    for (package, dependency, kind) in own_edges() {
        if kind != DependencyKind::Development {
            assert!(
                layer(&dependency) < layer(package),
                "{package} (layer {}) names {dependency} (layer {}): siblings meet in the binary; put what they share \
                 into wellspring-core, as a word or a seam",
                layer(package),
                layer(&dependency),
            );
        }
    }
}

#[test]
fn every_edge_between_crates_has_its_line_in_the_architecture() {
    let text = read("ARCHITECTURE.md");
    for (package, dependency, kind) in own_edges() {
        // Everything names the vocabulary, and the tests name everything: one line each says so.
        if kind == DependencyKind::Development || dependency == "wellspring-core" || package == TESTS {
            continue;
        }
        let row = format!("| `{package}` | `{dependency}` |");
        assert!(
            text.contains(&row),
            "ARCHITECTURE.md has no line for an edge: add `{row} why |`, or drop the dependency"
        );
    }
}

#[test]
fn a_vendor_is_named_by_one_crate() {
    for (vendor, wrappers) in vendors() {
        let own: Vec<&String> = wrappers.iter().filter(|wrapper| layer_of(wrapper).is_some()).collect();
        assert!(own.len() <= 1, "deny.toml lets {own:?} name {vendor}: one crate of ours may name a vendor");
        for package in METADATA.workspace_packages() {
            let allowed = name_of(package) == TESTS || own.iter().any(|wrapper| *wrapper == name_of(package));
            let names_it = package.dependencies.iter().any(|dependency| dependency.name == vendor);
            assert!(
                allowed || !names_it,
                "{} names {vendor}, which is {own:?}'s vendor: ask through a seam of wellspring-core instead",
                package.name,
            );
        }
        if let [wrapper] = own[..] {
            let used = METADATA.workspace_packages().into_iter().any(|package| {
                name_of(package) == wrapper && package.dependencies.iter().any(|dependency| dependency.name == vendor)
            });
            assert!(used, "deny.toml guards {vendor} for {wrapper}, which does not name it: drop the line");
        }
    }
}

#[test]
fn a_vendor_comes_in_through_its_wrappers_only() {
    let lock: toml::Table = read("Cargo.lock").parse().expect("Cargo.lock is TOML");
    let packages = lock["package"].as_array().expect("a lock file lists packages");
    for (vendor, wrappers) in vendors() {
        for package in packages {
            let name = package["name"].as_str().expect("a package has a name");
            let names = package.get("dependencies").and_then(toml::Value::as_array).into_iter().flatten();
            // A dependency reads "name", or "name version" where the lock holds several versions.
            let mut names = names.filter_map(toml::Value::as_str).filter_map(|entry| entry.split(' ').next());
            assert!(
                name == TESTS || wrappers.iter().any(|wrapper| wrapper == name) || !names.any(|named| named == vendor),
                "{name} brings {vendor} into the tree: name it in deny.toml's wrappers, with care, or drop it",
            );
        }
    }
}

#[test]
fn every_module_opens_with_its_question() {
    for file in rust_files() {
        let text = read(&file);
        assert!(
            text.starts_with("//!"),
            "{file} does not open with `//!`: say which question it answers, then its invariants"
        );
    }
}

#[test]
fn a_long_file_says_why() {
    for file in rust_files() {
        let text = read(&file);
        let lines = text.lines().count();
        let excused = text.lines().take_while(|line| line.starts_with("//!")).any(|line| line.contains("600 lines"));
        assert!(
            lines <= FILE_LINES_MAX || excused,
            "{file} has {lines} lines: split it by responsibility, or say why not in its header (\"Over 600 lines, \
             because …\")"
        );
    }
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not accuse itself.
    let banned = ["todo", "unimplemented", "dbg"].map(|name| format!("{name}!(")).into_iter();
    let banned: Vec<String> = banned.chain([["unbounded", "_channel("].concat()]).collect();
    for file in rust_files() {
        for (index, line) in read(&file).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in &banned {
                assert!(
                    !code.contains(word.as_str()),
                    "{file}:{} says `{word}…)`: finish it; a channel takes its bound from wellspring_core::limits (I-7)",
                    index + 1,
                );
            }
        }
    }
}

#[test]
fn every_invariant_is_stated_and_tested() {
    let stated = read("ARCHITECTURE.md");
    let tests: Vec<String> = rust_files().iter().flat_map(|file| test_names(&read(file))).collect();
    for number in INVARIANTS {
        assert!(stated.contains(&format!("| I-{number} |")), "ARCHITECTURE.md's table lacks I-{number}");
        let prefix = format!("i{number}_");
        assert!(
            tests.iter().any(|name| name.starts_with(&prefix)),
            "no test is named for I-{number}: write one whose name starts with `{prefix}`"
        );
    }
}

#[test]
fn every_path_in_the_architecture_and_the_checklists_exists() {
    // Of a page that is for users too, the part for those who change the code.
    for (page, from, paths_min) in [
        ("ARCHITECTURE.md", "", 20),
        ("docs/how-to/add-a-parser.md", "", 10),
        ("docs/how-to/add-a-source.md", "## Another kind of source", 10),
        ("docs/how-to/add-an-endpoint.md", "", 5),
    ] {
        let text = read(page);
        let part = &text[text.find(from).unwrap_or_else(|| panic!("{page} has no part `{from}`"))..];
        let paths: Vec<&str> = quoted(part).into_iter().filter(|quoted| looks_like_a_path(quoted)).collect();
        let count = paths.len();
        assert!(count > paths_min, "{page} names only {count} paths; is the rule still reading it?");
        for path in paths {
            assert!(ROOT.join(path).exists(), "{page} names `{path}`, which is gone: correct the page");
        }
    }
}

#[test]
fn every_local_link_resolves() {
    let mut links = 0;
    for document in documents() {
        let text = without_fences(&read(&document));
        let folder = Path::new(&document).parent().unwrap_or(Path::new(""));
        for target in link_targets(&text) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let linked = if path.is_empty() { PathBuf::from(&document) } else { folder.join(path) };
            assert!(ROOT.join(&linked).exists(), "{document} links to {target}, which does not exist");
            if !anchor.is_empty() {
                let headings = heading_anchors(&read(&linked));
                assert!(headings.contains(anchor), "{document} links to {target}, but there is no such heading");
            }
            links += 1;
        }
    }
    assert!(links > 10, "only {links} local links found; is the rule still reading them?");
}

/// The layer of a crate of ours; `None` for a vendor's.
fn layer_of(name: &str) -> Option<u8> {
    LAYERS.iter().find(|(known, _)| *known == name).map(|(_, layer)| *layer)
}

/// The layer of a crate that must be ours.
fn layer(name: &str) -> u8 {
    layer_of(name).unwrap_or_else(|| panic!("{name} has no layer: add it to LAYERS and to ARCHITECTURE.md"))
}

fn name_of(package: &Package) -> &str {
    package.name.as_str()
}

/// Who names whom, within the workspace.
fn own_edges() -> Vec<(&'static str, String, DependencyKind)> {
    let packages = METADATA.workspace_packages().into_iter();
    packages
        .flat_map(|package| package.dependencies.iter().map(move |dependency| (name_of(package), dependency)))
        .filter(|(_, dependency)| dependency.path.is_some())
        .map(|(package, dependency)| (package, dependency.name.clone(), dependency.kind))
        .collect()
}

/// The vendors that `deny.toml` guards, and the crates that may name each; an empty list bans it altogether.
fn vendors() -> BTreeMap<String, Vec<String>> {
    let deny: toml::Table = read("deny.toml").parse().expect("deny.toml is TOML");
    let entries = deny["bans"]["deny"].as_array().expect("bans.deny is a list");
    let text = |value: &toml::Value| value.as_str().expect("a crate's name").to_owned();
    let vendors: BTreeMap<_, _> = entries
        .iter()
        .map(|entry| {
            let wrappers = entry.get("wrappers").and_then(toml::Value::as_array);
            (text(&entry["crate"]), wrappers.into_iter().flatten().map(text).collect())
        })
        .collect();
    assert!(vendors.len() >= 6, "deny.toml guards only {} vendors; is the rule still reading it?", vendors.len());
    vendors
}

/// A file of the repository, by its path from the root.
fn read(path: impl AsRef<Path>) -> String {
    let path = ROOT.join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("could not read {}: {error}", path.display()))
}

/// Every Rust source of our crates, by its path from the root.
fn rust_files() -> Vec<String> {
    let crates = METADATA.workspace_packages().into_iter().filter_map(|package| package.manifest_path.parent());
    let mut files = Vec::new();
    for folder in crates {
        for part in ["src", "tests", "examples", "benches"] {
            files_below(&folder.join(part).into_std_path_buf(), "rs", &mut files);
        }
    }
    assert!(files.len() > 30, "only {} sources found; is the rule still reading them?", files.len());
    files
}

/// README, ARCHITECTURE and their like, and everything under `docs`.
fn documents() -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(&*ROOT).expect("the root can be listed") {
        let path = entry.expect("an entry can be read").path();
        if path.extension().is_some_and(|ending| ending == "md") {
            found.push(from_root(&path));
        }
    }
    files_below(&ROOT.join("docs"), "md", &mut found);
    found
}

/// Adds the files below a folder that have this ending; a folder that does not exist has none.
fn files_below(folder: &Path, ending: &str, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            files_below(&path, ending, found);
        } else if path.extension().is_some_and(|found| found == ending) {
            found.push(from_root(&path));
        }
    }
}

fn from_root(path: &Path) -> String {
    path.strip_prefix(&*ROOT).expect("everything read lies below the root").display().to_string()
}

/// The names of the functions that a test attribute stands above, and of the cases that a conformance suite lists, one a
/// line: its macro makes a test of each for every implementation.
fn test_names(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut marked = false;
    for line in source.lines().map(str::trim) {
        let function = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "));
        let listed = line.strip_suffix(");").or_else(|| line.strip_suffix(','));
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if let (true, Some(rest)) = (marked, function) {
            names.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
            marked = false;
        } else if let Some(case) = listed.filter(|case| case.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')) {
            names.push(case.to_owned());
        }
    }
    names
}

/// What stands between back-quotes outside fenced blocks.
fn quoted(text: &str) -> Vec<&str> {
    let mut fenced = false;
    let lines = text.lines().filter(|line| {
        fenced ^= line.starts_with("```");
        !fenced && !line.starts_with("```")
    });
    lines.flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// A path of the repository rather than a route, a command, a name of code or a pattern.
fn looks_like_a_path(quoted: &str) -> bool {
    let endings = [".rs", ".md", ".toml", ".yaml", ".sh", ".json", ".html"];
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    quoted.chars().all(plain)
        && !quoted.starts_with('/')
        && (quoted.contains('/') || endings.iter().any(|ending| quoted.ends_with(ending)))
}

/// A document without its fenced blocks, whose brackets are code.
fn without_fences(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The targets of Markdown links that lie in the repository.
fn link_targets(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:")).collect()
}

/// The anchors that a reader's headings become: lower case, spaces to hyphens, other punctuation dropped.
fn heading_anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let anchor = |heading: &str| {
        let kept = heading.to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect()
    };
    headings.map(anchor).collect()
}
