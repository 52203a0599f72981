//! The command line, as typed.

use std::fs;

use serde_json::Value;
use wellspring_tests::service::{Service, Start, run_command};

fn parse(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn add_ask_search_documents_and_status_work_as_the_help_says() {
    let data = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir().unwrap();
    let service = Service::start(data.path(), &Start::default()).await;
    let notes = files.path().join("notes");
    fs::create_dir_all(notes.join("deep")).unwrap();
    fs::write(notes.join("mill.md"), "# The mill\n\nThe mill wheel was replaced in 1931.\n").unwrap();
    fs::write(notes.join("deep/ford.txt"), "The ford is passable in August.").unwrap();
    fs::write(notes.join("ignored.bin"), [0, 1, 2]).unwrap();
    let lines = files.path().join("corpus.jsonl");
    fs::write(
        &lines,
        "{\"id\": \"n1\", \"title\": \"Weir\", \"text\": \"The weir is nine metres wide.\"}\n{\"broken\n",
    )
    .unwrap();

    let (code, stdout, stderr) = service.command(&["add", notes.to_str().unwrap(), "--json"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert_eq!(parse(&stdout)["accepted"], 2, "{stdout}");
    let (code, stdout, stderr) = service.command(&["add", lines.to_str().unwrap()]);
    assert_eq!(code, 1, "one line is broken: {stdout}{stderr}");
    assert!(stdout.contains("1 stored"), "{stdout}");
    assert!(stderr.contains("line 2"), "{stderr}");

    let (code, stdout, _) = service.command(&["ask", "--mode", "extract", "When was the mill wheel replaced?"]);
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.contains("1931") && stdout.contains("Sources") && stdout.contains("notes/mill.md"), "{stdout}");
    let (code, _, stderr) = service.command(&["ask", "Who painted the ceiling of the opera house?"]);
    assert_eq!(code, 4, "{stderr}");

    let (code, stdout, _) = service.command(&["search", "weir width", "--limit", "1", "--json"]);
    assert_eq!((code, parse(&stdout)["hits"][0]["document"].as_str()), (0, Some("n1")), "{stdout}");
    let (code, _, stderr) = service.command(&["search", "weir", "--limit", "0"]);
    assert_eq!(code, 2, "{stderr}");
    let (code, _, stderr) = service.command(&["documents", "delete", "notes/../n1"]);
    assert_eq!(code, 2, "no path may fold into another document's key: {stderr}");
    let (code, stdout, _) = service.command(&["documents"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("notes/deep/ford.txt") && stdout.contains("searchable"), "{stdout}");
    let (code, stdout, _) = service.command(&["documents", "show", "n1"]);
    assert_eq!((code, stdout.trim()), (0, "The weir is nine metres wide."));
    let (code, _, _) = service.command(&["documents", "delete", "n1"]);
    assert_eq!(code, 0);
    let (code, _, stderr) = service.command(&["documents", "show", "n1"]);
    assert_eq!(code, 4, "{stderr}");
    // What is no fault of the command line exits with 1, and what is with 2.
    let (code, _, stderr) = service.command(&["documents", "retry", "notes/mill.md"]);
    assert_eq!(code, 1, "nothing to try again: {stderr}");
    let (code, _, stderr) = service.command(&["search", "--acl", "", "weir"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("`acl`"), "{stderr}");
    let (code, _, stderr) = service.command(&["search", "--key", "nowhere/*", "weir"]);
    assert_eq!(code, 4, "{stderr}");
    let (code, stdout, _) = service.command(&["status", "--json"]);
    assert_eq!((code, &parse(&stdout)["catalog"]["documents"]), (0, &Value::from(2)), "{stdout}");
    service.stop();
}

#[test]
fn errors_say_what_to_do_and_their_exit_codes_are_those_of_the_help() {
    let (code, _, stderr) = run_command(&["--server", "http://127.0.0.1:9", "status"]);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("wellspring serve"), "{stderr}");
    let (code, _, stderr) = run_command(&["serve", "--listen", "nowhere"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("--listen"), "{stderr}");
    let (code, stdout, stderr) = run_command(&[]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("Exit codes:") && !(stdout + &stderr).contains("worker"), "{stderr}");
    let (code, _, stderr) = run_command(&["--server", "http://127.0.0.1:9"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("serve, add") && !stderr.contains("worker"), "{stderr}");
    let (code, _, stderr) = run_command(&["frobnicate"]);
    assert_eq!(code, 2, "{stderr}");
    for server in ["nowhere", "ftp://127.0.0.1", "http://"] {
        let (code, _, stderr) = run_command(&["--server", server, "status"]);
        assert_eq!(code, 2, "{server}: {stderr}");
        assert!(stderr.contains("http://HOST:PORT"), "{stderr}");
    }
    let data = tempfile::tempdir().unwrap();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data-dir", data.path().to_str().unwrap()];
    let (code, _, stderr) = run_command(&[&serve[..], &["--generator-model", "nosuch"]].concat());
    assert_eq!(code, 2, "{stderr}");
}

#[test]
fn a_configuration_file_that_is_no_file_is_refused_at_once() {
    for device in ["/dev/zero", "/dev/stdin", "/"] {
        let (code, _, stderr) = run_command(&["config", "show", "--config", device]);
        assert_eq!(code, 2, "{device}: {stderr}");
        assert!(stderr.contains("regular file"), "{stderr}");
    }
}

#[test]
fn config_show_tells_values_and_origins() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wellspring.toml");
    fs::write(&file, "listen = \"127.0.0.1:7800\"\nwatch = [\"docs\"]\n").unwrap();
    let arguments = ["config", "show", "--json", "--config", file.to_str().unwrap(), "--log", "warn"];
    let (code, stdout, stderr) = run_command(&arguments);
    assert_eq!(code, 0, "{stderr}");
    let shown = parse(&stdout);
    assert_eq!(shown["listen"]["value"], "127.0.0.1:7800");
    assert!(shown["listen"]["origin"].as_str().unwrap().ends_with("wellspring.toml"));
    assert_eq!(shown["log"]["origin"], "the flag --log");
    assert_eq!(shown["watch"]["value"][0], folder.path().join("docs").to_str().unwrap());

    fs::write(&file, "lissten = \"127.0.0.1:7800\"\n").unwrap();
    let (code, _, stderr) = run_command(&["config", "show", "--config", file.to_str().unwrap()]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("lissten") && stderr.contains("`listen`"), "{stderr}");
}

#[test]
fn missing_models_are_named_with_the_command_that_fetches_them() {
    let folder = tempfile::tempdir().unwrap();
    let (data, models) = (folder.path().join("data"), folder.path().join("models"));
    let paths = [data.to_str().unwrap(), models.to_str().unwrap()];
    let (code, _, stderr) =
        run_command(&["serve", "--listen", "127.0.0.1:0", "--data-dir", paths[0], "--models-dir", paths[1]]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("wellspring models pull"), "{stderr}");
    let (code, _, stderr) = run_command(&["models", "pull", "--models-dir", paths[1], "--offline"]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("offline"), "{stderr}");
    let (code, _, stderr) = run_command(&["models", "verify", "--models-dir", paths[1]]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("wellspring models pull"), "{stderr}");
}

#[test]
fn the_doctor_asks_for_no_generator_that_nobody_wants() {
    let folder = tempfile::tempdir().unwrap();
    let (data, models) = (folder.path().join("data"), folder.path().join("models"));
    let doctor = |generator: &[&str]| {
        let folders = ["--data-dir", data.to_str().unwrap(), "--models-dir", models.to_str().unwrap()];
        let server = ["--server", "http://127.0.0.1:9"];
        let (code, stdout, stderr) = run_command(&[&["doctor", "--json"][..], &server, &folders, generator].concat());
        assert_eq!(code, 1, "the embedder is missing: {stdout}{stderr}");
        let checks = parse(&stdout);
        let found = |what: &str| {
            let mut checks = checks.as_array().unwrap().iter();
            let check = checks.find(|check| check["what"] == what).unwrap();
            (check["ok"].as_bool().unwrap(), check["found"].as_str().unwrap().to_owned())
        };
        (found("models").1, found("generator"))
    };
    let (missing, (generates, _)) = doctor(&[]);
    assert!(missing.contains("qwen") && missing.contains("minilm") && !generates, "{missing}");
    let (missing, (is_well, found)) = doctor(&["--generator-model", "off"]);
    assert!(!missing.contains("qwen") && missing.contains("minilm"), "{missing}");
    assert!(is_well && found.starts_with("off"), "{found}");
}
