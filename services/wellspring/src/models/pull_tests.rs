//! Whole pulls, from a hub on the loopback and a package client of our own.

use super::super::hub::tests::{Manners, serve};
use super::super::index::tests::{Shelf, source};
use wellspring_embed::quantise::Recipe;

use super::super::manifest::{Kind, MadeSource, test_manifest};
use super::super::progress::tests::Heard;
use super::*;

/// The model that tests pull.
pub(in crate::models) const CONTENT: &[u8] = &content();
const CONTENT_SHA256: &str = "edc1082a5e989e6bbcb697431e593b9effe0026a93508170415e15b86cd0dab7";

const fn content() -> [u8; 3000] {
    let mut bytes = [0; 3000];
    let mut index = 0;
    while index < bytes.len() {
        bytes[index] = ((index * index + 7 * index) % 251) as u8;
        index += 1;
    }
    bytes
}

/// Its entry in a manifest.
pub(in crate::models) fn model() -> Model {
    Model {
        name: "model".to_owned(),
        file: "model.bin".to_owned(),
        kind: Kind::Tokenizer,
        bytes: CONTENT.len() as u64,
        sha256: CONTENT_SHA256.to_owned(),
        licence: "MIT".to_owned(),
        note: None,
        embedder: None,
        generator: None,
        hub: Some(HubSource { repository: "we/m".to_owned(), revision: "abc".to_owned(), path: "f".to_owned() }),
        package: Some(source()),
        made: None,
    }
}

struct Machine {
    folder: tempfile::TempDir,
    shelf: Shelf,
    heard: Heard,
}

impl Machine {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), shelf: Shelf::in_two_parts(), heard: Heard::default() }
    }

    fn store(&self) -> ModelStore {
        ModelStore::new(self.folder.path())
    }

    async fn pull(&self, hub: &str, offline: bool) -> Result<(), PullError> {
        let manifest = test_manifest(hub, [model()]);
        let sources = Sources { hub: None, index: Some(Ok(self.shelf.index())) };
        pull_from(&manifest, &self.store(), &["model".to_owned()], offline, &self.heard, sources).await
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != ".lock");
        names.sort();
        names
    }
}

#[tokio::test]
async fn a_missing_model_comes_from_the_hub_once() {
    let machine = Machine::new();
    let (base, requests) = serve(Manners::Good).await;
    machine.pull(&base, false).await.unwrap();
    machine.pull(&base, false).await.unwrap();
    assert_eq!(machine.files(), ["model.bin", "model.bin.verified"]);
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_package_index_finishes_what_the_hub_began() {
    let machine = Machine::new();
    let (base, _) = serve(Manners::BreaksOff).await;
    machine.pull(&base, false).await.unwrap();
    assert_eq!(fs::read(machine.folder.path().join("model.bin")).unwrap(), CONTENT);
    let heard = machine.heard.0.lock().unwrap().join("\n");
    assert!(heard.contains("not from the hub"), "{heard}");
}

#[tokio::test]
async fn a_wrong_file_is_deleted_and_the_next_source_is_asked() {
    let machine = Machine::new();
    let (base, _) = serve(Manners::Wrong).await;
    machine.pull(&base, false).await.unwrap();
    assert_eq!(fs::read(machine.folder.path().join("model.bin")).unwrap(), CONTENT);
    let heard = machine.heard.0.lock().unwrap().join("\n");
    assert!(heard.contains("was deleted"), "{heard}");
}

#[tokio::test]
async fn a_file_no_source_has_right_is_an_error_that_names_each() {
    let machine = Machine::new();
    let (base, _) = serve(Manners::NotFound).await;
    let mut wrong = model();
    wrong.sha256 = "0".repeat(64);
    let sources = Sources { hub: None, index: Some(Ok(machine.shelf.index())) };
    let names = ["model".to_owned()];
    let manifest = test_manifest(&base, [wrong]);
    let error = pull_from(&manifest, &machine.store(), &names, false, &machine.heard, sources).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("404") && text.contains(CONTENT_SHA256), "{text}");
    assert!(machine.files().is_empty(), "{:?}", machine.files());
}

#[tokio::test]
async fn a_wrong_beginning_costs_one_more_attempt_from_nothing() {
    let machine = Machine::new();
    let (base, requests) = serve(Manners::Good).await;
    fs::write(machine.folder.path().join("model.bin.part"), [7; 500]).unwrap();
    machine.pull(&base, false).await.unwrap();
    assert_eq!(fs::read(machine.folder.path().join("model.bin")).unwrap(), CONTENT);
    assert_eq!(requests.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_damaged_file_is_replaced() {
    let machine = Machine::new();
    fs::write(machine.folder.path().join("model.bin"), b"damaged").unwrap();
    fs::create_dir(machine.folder.path().join(".fetch-by-a-killed-pull")).unwrap();
    let (base, _) = serve(Manners::Good).await;
    machine.pull(&base, false).await.unwrap();
    assert_eq!(fs::read(machine.folder.path().join("model.bin")).unwrap(), CONTENT);
    assert_eq!(machine.files(), ["model.bin", "model.bin.verified"], "and what a killed pull left is gone");
}

#[tokio::test]
async fn offline_opens_no_socket_and_says_what_is_missing() {
    let machine = Machine::new();
    let (base, requests) = serve(Manners::Good).await;
    let text = machine.pull(&base, true).await.unwrap_err().to_string();
    assert!(text.contains("model.bin (3000 bytes") && text.contains("copy them"), "{text}");
    assert!(requests.lock().unwrap().is_empty() && machine.files().is_empty());
    fs::write(machine.folder.path().join("model.bin"), CONTENT).unwrap();
    machine.pull(&base, true).await.unwrap();
}

#[tokio::test]
async fn two_pulls_at_once_fetch_once() {
    let machine = Machine::new();
    let (base, requests) = serve(Manners::Good).await;
    let (first, second) = tokio::join!(machine.pull(&base, false), machine.pull(&base, false));
    first.unwrap();
    second.unwrap();
    assert_eq!(requests.lock().unwrap().len(), 1);
}

/// A model that is made of [`model`], whose bytes are no weights.
fn made_model() -> Model {
    let made = MadeSource { from: "model".to_owned(), recipe: Recipe::MinilmDynamicInt8 };
    Model {
        name: "made".to_owned(),
        file: "made.bin".to_owned(),
        hub: None,
        package: None,
        made: Some(made),
        ..model()
    }
}

async fn pull_made(machine: &Machine, hub: &str, names: &[&str], offline: bool) -> Result<(), PullError> {
    let manifest = test_manifest(hub, [model(), made_model()]);
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let sources = Sources { hub: None, index: Some(Ok(machine.shelf.index())) };
    pull_from(&manifest, &machine.store(), &names, offline, &machine.heard, sources).await
}

#[tokio::test]
async fn what_was_fetched_only_to_make_another_file_is_removed() {
    let machine = Machine::new();
    let (base, requests) = serve(Manners::Good).await;
    let error = pull_made(&machine, &base, &["made"], false).await.unwrap_err();
    assert!(matches!(error, PullError::NotMade { .. }), "{error}");
    assert!(error.to_string().contains("no safetensors file"), "{error}");
    assert_eq!(requests.lock().unwrap().len(), 1, "the file that it is made of was fetched");
    assert!(machine.files().is_empty(), "{:?}", machine.files());
}

#[tokio::test]
async fn what_was_there_before_or_was_named_too_stays() {
    let machine = Machine::new();
    let (base, requests) = serve(Manners::Good).await;
    pull_made(&machine, &base, &["made", "model"], false).await.unwrap_err();
    assert_eq!(machine.files(), ["model.bin", "model.bin.verified"]);
    pull_made(&machine, &base, &["made"], false).await.unwrap_err();
    assert_eq!(machine.files(), ["model.bin", "model.bin.verified"]);
    assert_eq!(requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn offline_a_file_is_made_of_what_is_here_and_of_nothing_else() {
    let machine = Machine::new();
    let (base, requests) = serve(Manners::Good).await;
    let text = pull_made(&machine, &base, &["made"], true).await.unwrap_err().to_string();
    assert!(text.contains("made.bin (3000 bytes") && text.contains("copy them"), "{text}");
    fs::write(machine.folder.path().join("model.bin"), CONTENT).unwrap();
    let error = pull_made(&machine, &base, &["made"], true).await.unwrap_err();
    assert!(matches!(error, PullError::NotMade { .. }), "{error}");
    assert!(requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_made_file_that_was_copied_here_needs_no_source() {
    let machine = Machine::new();
    fs::write(machine.folder.path().join("made.bin"), CONTENT).unwrap();
    pull_made(&machine, "http://127.0.0.1:1", &["made"], true).await.unwrap();
    assert_eq!(machine.files(), ["made.bin", "made.bin.verified"]);
}
