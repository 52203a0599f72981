//! A watched folder: what is saved is found, what is removed is not.

use std::fs;
use std::path::PathBuf;

use wellspring_tests::service::{Service, Start};

struct Folder {
    files: tempfile::TempDir,
    data: tempfile::TempDir,
    root: PathBuf,
}

impl Folder {
    fn new() -> Self {
        let (files, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = files.path().join("docs");
        fs::create_dir(&root).unwrap();
        Self { files, data, root }
    }

    fn start(&self) -> Start {
        Start { watch: vec![self.root.clone()], ..Start::default() }
    }
}

async fn found(service: &Service, word: &str, holders: &[&str]) {
    service
        .eventually(&format!("{word} in {holders:?}"), async || {
            let mut found = service.holders(word).await;
            found.sort();
            found == holders
        })
        .await;
}

#[tokio::test]
async fn files_are_followed_through_their_whole_life() {
    let folder = Folder::new();
    fs::write(folder.root.join("old.md"), "# Old\n\nA steinadler lives here.\n").unwrap();
    let service = Service::start(folder.data.path(), &folder.start()).await;
    found(&service, "steinadler", &["docs/old.md"]).await;

    fs::write(folder.root.join("new.txt"), "A rotmilan circles.").unwrap();
    found(&service, "rotmilan", &["docs/new.txt"]).await;
    fs::write(folder.root.join("new.txt"), "A habicht circles.").unwrap();
    found(&service, "habicht", &["docs/new.txt"]).await;
    found(&service, "rotmilan", &[]).await;

    fs::rename(folder.root.join("new.txt"), folder.root.join("renamed.txt")).unwrap();
    found(&service, "habicht", &["docs/renamed.txt"]).await;

    fs::create_dir_all(folder.root.join("deep/er")).unwrap();
    fs::write(folder.root.join("deep/er/page.html"), "<h1>Owl</h1><p>A waldkauz calls.</p><script>no()</script>")
        .unwrap();
    found(&service, "waldkauz", &["docs/deep/er/page.html"]).await;
    fs::remove_dir_all(folder.root.join("deep")).unwrap();
    found(&service, "waldkauz", &[]).await;

    fs::remove_file(folder.root.join("old.md")).unwrap();
    found(&service, "steinadler", &[]).await;
    service.stop();
}

#[tokio::test]
async fn i9_a_second_start_and_a_rename_embed_nothing() {
    let folder = Folder::new();
    for page in 0..20 {
        fs::write(folder.root.join(format!("{page}.md")), format!("# Page\n\nThe tale{page}end of the mill.\n"))
            .unwrap();
    }
    let service = Service::start(folder.data.path(), &folder.start()).await;
    found(
        &service,
        "mill",
        &(0..20)
            .map(|n| format!("docs/{n}.md"))
            .collect::<std::collections::BTreeSet<_>>()
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
    )
    .await;
    let embedded = service.number("/catalog/chunks_embedded").await;
    assert_eq!(embedded, 20);
    fs::rename(folder.root.join("7.md"), folder.root.join("seven.md")).unwrap();
    service.eventually("the renamed file", async || service.holders("tale7end").await == ["docs/seven.md"]).await;
    service.stop();
    let service = Service::start(folder.data.path(), &folder.start()).await;
    service.settle().await;
    assert_eq!(service.number("/catalog/chunks_embedded").await, embedded);
    assert_eq!(service.number("/catalog/searchable").await, 20);
    service.stop();
}

#[tokio::test]
async fn what_changed_while_the_service_was_away_is_caught_up() {
    let folder = Folder::new();
    fs::write(folder.root.join("a.txt"), "A bergfink sings.").unwrap();
    fs::write(folder.root.join("b.txt"), "A gimpel sings.").unwrap();
    let service = Service::start(folder.data.path(), &folder.start()).await;
    found(&service, "bergfink", &["docs/a.txt"]).await;
    found(&service, "gimpel", &["docs/b.txt"]).await;
    service.kill();
    fs::write(folder.root.join("a.txt"), "A zeisig sings.").unwrap();
    fs::remove_file(folder.root.join("b.txt")).unwrap();
    let service = Service::start(folder.data.path(), &folder.start()).await;
    found(&service, "zeisig", &["docs/a.txt"]).await;
    found(&service, "gimpel", &[]).await;
    service.stop();
}

#[tokio::test]
async fn one_line_of_a_large_file_costs_a_few_chunks() {
    let folder = Folder::new();
    let line =
        |n: usize| format!("Entry {n}: on day {n} the gauge at the old bridge read {} centimetres.\n\n", n * 7 % 311);
    let text = |changed: Option<usize>| -> String {
        (0..4000)
            .map(|n| if Some(n) == changed { "The gauge was struck by a treibholz.\n\n".to_owned() } else { line(n) })
            .collect()
    };
    fs::write(folder.root.join("log.md"), text(None)).unwrap();
    let service = Service::start(folder.data.path(), &folder.start()).await;
    found(&service, "struck", &[]).await;
    service.eventually("the whole file", async || service.number("/catalog/searchable").await == 1).await;
    let embedded = service.number("/catalog/chunks_embedded").await;
    assert!(embedded > 100, "the file is large: {embedded} chunks");
    fs::write(folder.root.join("log.md"), text(Some(2000))).unwrap();
    found(&service, "treibholz", &["docs/log.md"]).await;
    let more = service.number("/catalog/chunks_embedded").await - embedded;
    assert!(more <= 3, "one line cost {more} chunks");
    service.stop();
}

#[tokio::test]
async fn a_folders_documents_are_not_changed_behind_its_back() {
    let folder = Folder::new();
    fs::write(folder.root.join("a.txt"), "A kranich rests.").unwrap();
    let service = Service::start(folder.data.path(), &folder.start()).await;
    found(&service, "kranich", &["docs/a.txt"]).await;
    let request = service.request(reqwest::Method::DELETE, "/v1/documents/docs/a.txt");
    let (status, body) = service.json(request).await;
    assert_eq!(status, reqwest::StatusCode::CONFLICT, "{body}");
    assert_eq!(body["error"]["code"], "owned_by_source");
    found(&service, "kranich", &["docs/a.txt"]).await;
    service.stop();
}

#[tokio::test]
async fn a_push_takes_no_key_that_a_folder_would_give() {
    let folder = Folder::new();
    let put = |service: &Service| {
        service.request(reqwest::Method::PUT, "/v1/documents/docs/new.txt").body("A pushed wiedehopf.")
    };
    let text = |request: reqwest::RequestBuilder| request.header("content-type", "text/plain");
    // Without the folder the key is anybody's.
    let service = Service::start(folder.data.path(), &Start::default()).await;
    let (status, body) = service.json(text(put(&service))).await;
    assert!(status.is_success(), "{body}");
    service.stop();

    let service = Service::start(folder.data.path(), &folder.start()).await;
    fs::write(folder.root.join("new.txt"), "The file's pirol.").unwrap();
    fs::write(folder.root.join("other.txt"), "Another girlitz.").unwrap();
    found(&service, "girlitz", &["docs/other.txt"]).await;
    let (status, body) = service.json(service.request(reqwest::Method::DELETE, "/v1/documents/docs/new.txt")).await;
    assert!(status.is_success(), "{body}");
    let (status, body) = service.json(text(put(&service))).await;
    assert_eq!(status, reqwest::StatusCode::CONFLICT, "{body}");
    assert_eq!(body["error"]["code"], "owned_by_source");
    assert!(body["error"]["message"].as_str().unwrap().contains("`docs`"), "{body}");
    // The file comes back by itself at the next look.
    let (status, _) = service.json(service.request(reqwest::Method::POST, "/v1/sources/docs/refresh")).await;
    assert!(status.is_success());
    found(&service, "pirol", &["docs/new.txt"]).await;
    service.stop();
}

#[tokio::test]
async fn every_file_whose_name_promises_a_document_has_a_state_and_the_source_is_well() {
    let folder = Folder::new();
    fs::write(folder.root.join("good.md"), "A wendehals turns.").unwrap();
    fs::write(folder.root.join("blank.md"), " \n").unwrap();
    std::os::unix::fs::symlink(folder.root.join("good.md"), folder.root.join("link.md")).unwrap();
    fs::write(folder.root.join("line\nbreak.md"), "A name that no key carries.").unwrap();
    fs::File::create(folder.root.join("large.md")).unwrap().set_len((16 << 20) + 1).unwrap();
    let service = Service::start(folder.data.path(), &folder.start()).await;
    found(&service, "wendehals", &["docs/good.md"]).await;
    service.settle().await;
    let states = async |state: &str| -> Vec<(String, String)> {
        let listed = service.get(&format!("/v1/documents?state={state}")).await;
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let documents = listed["documents"].as_array().unwrap().iter();
        documents.map(|document| (text(&document["key"]), text(&document["reason"]))).collect()
    };
    let skipped = states("skipped").await;
    let reasons: Vec<&str> = skipped.iter().map(|(_, reason)| reason.as_str()).collect();
    let expected =
        ["it holds no text", "its name is too long or holds control characters", "a link, a pipe or a device"];
    assert_eq!(reasons, expected, "{skipped:?}");
    assert!(skipped[1].0.starts_with("docs/line%0Abreak.md~"), "{skipped:?}");
    assert_eq!(states("failed").await, [("docs/large.md".into(), "larger than a document may be".into())]);
    let source = service.get("/v1/sources/docs").await;
    assert_eq!((&source["last_error"], &source["last_visit"]["passed_over"]), (&serde_json::Value::Null, &3.into()));
    assert_eq!(source["documents"], serde_json::json!({ "failed": 1, "published": 1, "skipped": 3 }));

    // What becomes a document is one, and what goes is gone.
    fs::write(folder.root.join("blank.md"), "A ziegenmelker calls.").unwrap();
    fs::remove_file(folder.root.join("link.md")).unwrap();
    fs::write(folder.root.join("link.md"), "A steinschmaetzer bobs.").unwrap();
    fs::remove_file(folder.root.join("large.md")).unwrap();
    found(&service, "ziegenmelker", &["docs/blank.md"]).await;
    found(&service, "steinschmaetzer", &["docs/link.md"]).await;
    service.eventually("no failure", async || states("failed").await.is_empty()).await;
    service.stop();
}

#[tokio::test]
async fn a_mass_deletion_while_the_service_runs_waits_for_a_yes() {
    let folder = Folder::new();
    let pages = folder.root.join("pages");
    fs::create_dir(&pages).unwrap();
    for page in 0..30 {
        fs::write(pages.join(format!("{page}.md")), format!("Page {page} tells of a seidenschwanz.\n")).unwrap();
    }
    let service = Service::start(folder.data.path(), &folder.start()).await;
    service.eventually("all pages", async || service.number("/catalog/searchable").await == 30).await;
    fs::rename(&pages, folder.files.path().join("pages")).unwrap();
    let held = async || service.get("/v1/sources/docs").await["held_deletions"].as_u64();
    service.eventually("the deletions are held", async || held().await == Some(30)).await;
    assert_eq!(service.number("/catalog/searchable").await, 30);
    assert!(!service.holders("seidenschwanz").await.is_empty());
    // What is put back is no longer among them.
    fs::create_dir(&pages).unwrap();
    fs::write(pages.join("7.md"), "Page 7 tells of a seidenschwanz.\n").unwrap();
    service.eventually("one is back", async || held().await == Some(29)).await;

    let (code, out, error) = service.command(&["sources", "release", "docs"]);
    assert_eq!(code, 0, "{out}{error}");
    found(&service, "seidenschwanz", &["docs/pages/7.md"]).await;
    service.eventually("nothing is held", async || held().await == Some(0)).await;
    service.stop();
}

#[tokio::test]
async fn a_source_is_added_changed_or_left_as_it_was() {
    let folder = Folder::new();
    fs::write(folder.root.join("a.md"), "A trauerschnaepper sings.").unwrap();
    fs::write(folder.root.join("b.bin"), "no format").unwrap();
    let service = Service::start(folder.data.path(), &Start::default()).await;
    let root = folder.root.to_str().unwrap();
    let added = |arguments: &[&str]| {
        let (code, out, error) = service.command(&[&["sources", "add", "folder", root], arguments].concat());
        (code, if code == 0 { out } else { error })
    };
    assert_eq!(added(&[]), (0, "docs added\n".to_owned()));
    assert_eq!(added(&["--tag", "birds"]), (0, "docs changed\n".to_owned()));
    assert_eq!(added(&["--tag", "birds"]), (0, "docs is as it was\n".to_owned()));
    let (code, error) = added(&["--include", "../x"]);
    assert_ne!(code, 0);
    assert!(error.contains("leads out of the folder"), "{error}");

    found(&service, "trauerschnaepper", &["docs/a.md"]).await;
    let left_out = async || service.get("/v1/sources/docs").await["last_visit"]["left_out"].as_u64();
    service.eventually("what is left out", async || left_out().await == Some(1)).await;
    let (code, out, error) = service.command(&["sources", "show", "docs"]);
    assert!(code == 0 && out.contains("b.bin"), "{out}{error}");
    service.stop();
}

#[tokio::test]
async fn the_services_own_folder_is_never_a_document() {
    let folder = Folder::new();
    let data = folder.root.join("data");
    fs::create_dir(&data).unwrap();
    fs::write(folder.root.join("page.md"), "An eisvogel dives.").unwrap();
    let service = Service::start(&data, &folder.start()).await;
    found(&service, "eisvogel", &["docs/page.md"]).await;
    // What it wrote for this one has been seen by the time that the next one is there.
    fs::write(folder.root.join("next.md"), "A bachstelze wades.").unwrap();
    found(&service, "bachstelze", &["docs/next.md"]).await;
    let (_, listed) = service.json(service.request(reqwest::Method::GET, "/v1/documents?limit=100")).await;
    let keys: Vec<&str> = listed["documents"].as_array().unwrap().iter().map(|d| d["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["docs/next.md", "docs/page.md"]);
    service.stop();
}
