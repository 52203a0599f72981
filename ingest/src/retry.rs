//! How does the pipeline outlive a failing disk or model?
//!
//! Invariants:
//! - What was acknowledged is never given up because a store fails: it is tried again, ever more slowly, until the
//!   store is back or the service stops. The pause is bounded; so is the log.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use wellspring_core::failure::Failure;

/// The first pause; doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause: a full disk is noticed as freed within this.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Tries until it succeeds, logging each failure with what was attempted; `None` when stopped.
pub(crate) async fn until_done<T, K, F>(
    attempt: &'static str,
    stop: &CancellationToken,
    mut operation: impl FnMut() -> F,
) -> Option<T>
where
    K: Copy,
    F: Future<Output = Result<T, Failure<K>>>,
{
    let mut pause = PAUSE_MIN;
    loop {
        match operation().await {
            Ok(value) => return Some(value),
            // Nobody tries again, and what is being closed may well have refused.
            Err(_) if stop.is_cancelled() => return None,
            Err(failure) => {
                tracing::error!(
                    attempt,
                    reason = failure.chain(),
                    pause_ms = pause.as_millis() as u64,
                    "will try again"
                );
            }
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}
