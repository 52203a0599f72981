//! How does the real service behave over real HTTP?
//!
//! Starts the built binary on a free port with a data folder of its own, speaks to it, and kills it in every way.
//!
//! Invariants:
//! - Nothing a test starts outlives it.
//! - An unexpected WARN or ERROR line in the service's log fails the test (`expect_log` names the expected ones).

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// Longest wait for anything that should happen at once; generous, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(180);

/// The built binary: `WELLSPRING_BIN`, else built now, so that a test run alone never meets a stale one.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("WELLSPRING_BIN") {
            return PathBuf::from(path);
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        // Cargo runs a test in its crate's folder, whichever copy of the repository the test was built from.
        let built = Command::new(cargo)
            .args(["build", "--release", "--locked", "--package", "wellspring", "--manifest-path", "../Cargo.toml"])
            .status()
            .expect("cargo runs");
        assert!(built.success(), "the binary must build");
        // target/release/deps/this-test -> target/release/wellspring
        let test = std::env::current_exe().expect("a test has a path");
        test.ancestors().nth(2).expect("a test lies below the target folder").join("wellspring")
    })
}

/// How to start the service.
#[derive(Debug, Default, Clone)]
pub struct Start {
    /// Folders to watch.
    pub watch: Vec<PathBuf>,
    /// More arguments.
    pub arguments: Vec<String>,
    /// More environment.
    pub environment: Vec<(String, String)>,
    /// The generator; `off` when empty.
    pub generator: String,
    /// Whether sources may be visited; the default is offline.
    pub online: bool,
}

/// A running service.
pub struct Service {
    child: Option<Child>,
    /// Where it listens.
    pub url: String,
    /// Its data folder.
    pub data: PathBuf,
    http: reqwest::Client,
    key: Option<String>,
    log: Arc<Mutex<Vec<String>>>,
    expected: Vec<String>,
}

impl Service {
    /// Starts over a data folder and waits until it is ready.
    pub async fn start(data: &Path, start: &Start) -> Self {
        let service = Self::launch(data, start);
        service.eventually("readiness", async || service.status_of("/readyz").await == StatusCode::OK).await;
        service
    }

    /// Starts without waiting for more than the open port.
    pub fn launch(data: &Path, start: &Start) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let generator = if start.generator.is_empty() { "off" } else { &start.generator };
        let mut command = Command::new(binary());
        command.args(["serve", "--listen", "127.0.0.1:0", "--generator-model", generator]);
        if !start.online {
            command.arg("--offline");
        }
        command
            .arg("--data-dir")
            .arg(data)
            .args(&start.arguments)
            .env_remove("WELLSPRING_KEY")
            .env("WELLSPRING_LOG", "info");
        for folder in &start.watch {
            command.arg("--watch").arg(folder);
        }
        command.envs(start.environment.iter().cloned());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, stderr) = (log.clone(), child.stderr.take().expect("stderr is piped"));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().expect("the log").push(line);
            }
        });
        let mut first = String::new();
        BufReader::new(child.stdout.take().expect("stdout is piped")).read_line(&mut first).expect("stdout is text");
        let Some(url) = first.trim().strip_prefix("listening on ").map(str::to_owned) else {
            let status = child.wait().expect("the child ends");
            std::thread::sleep(Duration::from_millis(100));
            panic!("the service did not start ({status}): {first}{}", log.lock().expect("the log").join("\n"));
        };
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let key = start.environment.iter().find(|(name, _)| name == "WELLSPRING_KEY").map(|(_, key)| key.clone());
        Self { child: Some(child), url, data: data.to_owned(), http, key, log, expected: Vec::new() }
    }

    /// Lets log lines that contain `text` be warnings or errors.
    pub fn expect_log(&mut self, text: &str) {
        self.expected.push(text.to_owned());
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the service runs").id()
    }

    /// Everything logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").join("\n")
    }

    /// Kills the service as a power cut would, and reaps it.
    pub fn kill(mut self) {
        let mut child = self.child.take().expect("the service runs");
        child.kill().expect("SIGKILL reaches it");
        child.wait().expect("it is reaped");
    }

    /// Stops the service as an operator would, and checks that it ends well.
    pub fn stop(mut self) {
        let mut child = self.child.take().expect("the service runs");
        let pid = Pid::from_child(&child);
        kill_process(pid, Signal::TERM).expect("SIGTERM reaches it");
        let status = child.wait().expect("it ends");
        assert!(status.success(), "the service ended with {status}: {}", self.log());
        self.check_log();
    }

    fn check_log(&self) {
        let log = self.log.lock().expect("the log");
        let unexpected: Vec<_> = log
            .iter()
            .filter(|line| line.contains(" WARN ") || line.contains(" ERROR ") || line.contains("panicked at"))
            .filter(|line| !self.expected.iter().any(|text| line.contains(text)))
            .collect();
        assert!(unexpected.is_empty(), "unexpected log lines: {unexpected:#?}");
    }

    /// Starts a request.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// The status code of a GET.
    pub async fn status_of(&self, path: &str) -> StatusCode {
        let response = self.request(Method::GET, path).send().await;
        response.map_or(StatusCode::SERVICE_UNAVAILABLE, |response| response.status())
    }

    /// Sends, and reads status and JSON.
    pub async fn json(&self, request: RequestBuilder) -> (StatusCode, Value) {
        let response = request.send().await.expect("the service answers");
        let status = response.status();
        let body = response.text().await.expect("a body");
        (status, serde_json::from_str(&body).unwrap_or_else(|_| json!({ "not json": body })))
    }

    /// A GET that must succeed.
    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.json(self.request(Method::GET, path)).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    /// Puts plain text under a key and waits until it is searchable.
    pub async fn put(&self, key: &str, text: &str) -> Value {
        let path = format!("/v1/documents/{key}?wait=searchable");
        let (status, body) = self.json(self.request(Method::PUT, &path).json(&json!({ "text": text }))).await;
        assert_eq!(status, StatusCode::OK, "PUT {key}: {body}");
        body
    }

    /// Deletes a document; it must be there.
    pub async fn delete(&self, key: &str) -> Value {
        let (status, body) = self.json(self.request(Method::DELETE, &format!("/v1/documents/{key}"))).await;
        assert!(status.is_success(), "DELETE {key}: {status} {body}");
        body
    }

    /// The hits of a search.
    pub async fn search(&self, query: &str) -> Vec<Value> {
        let request = self.request(Method::POST, "/v1/search").json(&json!({ "query": query, "limit": 20 }));
        let (status, body) = self.json(request).await;
        assert_eq!(status, StatusCode::OK, "search: {body}");
        body["hits"].as_array().expect("hits").clone()
    }

    /// The documents whose text holds `word`, one entry a hit.
    pub async fn holders(&self, word: &str) -> Vec<String> {
        let hits = self.search(word).await;
        let holds = hits.iter().filter(|hit| hit["text"].as_str().is_some_and(|text| text.contains(word)));
        holds.map(|hit| hit["document"].as_str().expect("a key").to_owned()).collect()
    }

    /// Waits until nothing is pending.
    pub async fn settle(&self) {
        self.eventually("an empty pipeline", async || self.get("/v1/status").await["catalog"]["pending"] == 0).await;
    }

    /// A number of the status, such as `/catalog/chunks_embedded`.
    pub async fn number(&self, pointer: &str) -> u64 {
        let status = self.get("/v1/status").await;
        status.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer} in {status}"))
    }

    /// Waits until something holds, looking often.
    pub async fn eventually(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds().await {
            assert!(Instant::now() < deadline, "waited in vain for {what}; log:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Runs a client command against this service: exit code, standard output, standard error.
    pub fn command(&self, arguments: &[&str]) -> (i32, String, String) {
        run_command(&[&["--server", &self.url], arguments].concat())
    }
}

/// Runs the binary with arguments: exit code, standard output, standard error.
pub fn run_command(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(binary())
        .args(arguments)
        .env_remove("WELLSPRING_KEY")
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is text");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
            if !std::thread::panicking() {
                self.check_log();
            }
        }
    }
}

/// The children of a process whose command line holds `word`.
pub fn children(parent: u32, word: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // After the command's closing bracket: state, parent.
        let is_child = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<u32>().ok())
            .is_some_and(|found| found == parent);
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if is_child && String::from_utf8_lossy(&command).contains(word) {
            found.push(pid);
        }
    }
    found
}

/// Kills a process by id.
pub fn kill(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("not zero");
    kill_process(pid, Signal::KILL).ok();
}
