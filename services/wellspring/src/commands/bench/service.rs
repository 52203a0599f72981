//! What is measured: a fresh service of this very program over a temporary folder, without a generator.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::Context;
use reqwest::Method;
use serde_json::Value;

use crate::client::Client;

/// A running service that ends, with all it holds, when this is dropped.
pub(super) struct MeasuredService {
    /// Talks to it.
    pub(super) client: Client,
    child: tokio::process::Child,
    _folder: tempfile::TempDir,
}

impl MeasuredService {
    /// Starts one and waits until it is ready.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("could not make a temporary folder")?;
        let mut child = tokio::process::Command::new(std::env::current_exe()?)
            .args(["serve", "--listen", "127.0.0.1:0", "--generator-model", "off", "--log", "warn", "--data-dir"])
            .arg(folder.path())
            .env_remove(crate::environment::KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("could not start the service")?;
        let stdout = child.stdout.take().context("the service has no output")?.into_owned_fd()?;
        let address = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(std::fs::File::from(stdout)).read_line(&mut line).map(|_| line)
        });
        let line = address.await??;
        let server = line.trim().strip_prefix("listening on ").context("the service did not start")?.to_owned();
        let client = Client::new(&server)?;
        while client.send(client.request(Method::GET, "/readyz")).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Ok(Self { client, child, _folder: folder })
    }

    /// A number of its status.
    pub(super) async fn number(&self, pointer: &str) -> anyhow::Result<u64> {
        let status: Value = self.client.json(self.client.request(Method::GET, "/v1/status")).await?;
        Ok(status.pointer(pointer).and_then(Value::as_u64).unwrap_or(0))
    }

    /// The most memory that it has held, its children not counted; 0 where the machine does not tell.
    pub(super) fn peak_memory_bytes(&self) -> u64 {
        let Some(process) = self.child.id() else { return 0 };
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        kilobytes.unwrap_or(0) * 1024
    }

    /// Ends it.
    pub(super) async fn stop(mut self) {
        self.child.kill().await.ok();
    }
}
