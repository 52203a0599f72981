//! Is a child reported, killed and reaped, whatever it does?

use super::*;

fn shell(script: &str) -> SupervisorConfig {
    let script = script.to_owned();
    SupervisorConfig {
        directory: tempfile::tempdir().unwrap().keep(),
        command: Box::new(move |socket| WorkerCommand {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.clone().into(), "sh".into(), socket.into()],
            environment: vec![],
        }),
    }
}

async fn until(supervisor: &Supervisor, wanted: impl Fn(&GeneratorStatus) -> bool) -> GeneratorStatus {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let status = supervisor.status();
        if wanted(&status) {
            return status;
        }
        assert!(Instant::now() < deadline, "the status stays {status:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_child_that_never_starts_is_reported_with_its_last_words() {
    let supervisor = Supervisor::start(shell("echo no model here >&2; exit 3")).unwrap();
    let status = until(&supervisor, |status| matches!(status, GeneratorStatus::Failed { .. })).await;
    let GeneratorStatus::Failed { reason } = status else { unreachable!() };
    assert!(reason.contains("exit status: 3") && reason.contains("no model here"), "{reason}");
    supervisor.shutdown().await;
    assert_eq!(supervisor.status(), GeneratorStatus::Off);
}

#[tokio::test]
async fn shutdown_kills_and_reaps() {
    let supervisor = Supervisor::start(shell("exec sleep 1000")).unwrap();
    let process = loop {
        if let Some(process) = supervisor.process() {
            break process;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(supervisor.status(), GeneratorStatus::Loading);
    supervisor.shutdown().await;
    assert!(!Path::new(&format!("/proc/{process}")).exists());
}

#[tokio::test]
async fn overlong_log_lines_are_cut() {
    let log = format!("{}\nlast {}\n", "x".repeat(10_000), "y".repeat(10_000));
    let last = forward(log.as_bytes()).await;
    assert!(last.starts_with("last y") && last.len() == limits::CHILD_LOG_LINE_BYTES_MAX);
}
