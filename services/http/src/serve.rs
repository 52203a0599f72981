//! How are connections taken, and how does serving end?
//!
//! Invariants:
//! - Open connections are bounded; more wait in the listener's backlog (I-7).
//! - A request's head arrives in time or its connection is closed, idle keep-alive connections included.
//! - After a shutdown nothing new is taken, what is in work may end, and what does not end in time is cut.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wellspring_core::limits;

use crate::routes::router;
use crate::service::Service;
use crate::stall::StallGuard;
use crate::unread::SpokenFor;

/// The pause after a connection could not be taken, mostly because no file handle is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Failures in a row after which the listener counts as broken.
const ACCEPT_FAILURES_MAX: u32 = 100;

/// The bounds of serving; the defaults are those of [`limits`].
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Open connections.
    pub connections_max: usize,
    /// Requests in work at once.
    pub requests_max: usize,
    /// Questions in work at once.
    pub questions_max: usize,
    /// Readers that follow events at once.
    pub event_readers_max: usize,
    /// Time for a request's head to arrive.
    pub head_timeout: Duration,
    /// Time for a body's next piece to arrive.
    pub body_idle_timeout: Duration,
    /// Time for a reader to take something of a response.
    pub write_stall_timeout: Duration,
    /// How long `?wait=searchable` waits for one document.
    pub searchable_wait_max: Duration,
    /// How long a shutdown waits for work to end.
    pub drain_timeout: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            connections_max: limits::CONNECTIONS_MAX,
            requests_max: limits::REQUESTS_MAX,
            questions_max: limits::QUESTIONS_MAX,
            event_readers_max: limits::EVENT_READERS_MAX,
            head_timeout: limits::REQUEST_HEAD_TIMEOUT,
            body_idle_timeout: limits::BODY_IDLE_TIMEOUT,
            write_stall_timeout: limits::WRITE_STALL_TIMEOUT,
            searchable_wait_max: limits::SEARCHABLE_WAIT_MAX,
            drain_timeout: limits::DRAIN_TIMEOUT,
        }
    }
}

/// Why serving ended before it was told to.
#[derive(Debug, Error)]
pub enum ServeError {
    /// Again and again no connection could be taken.
    #[error("could not take connections")]
    Accept(#[source] io::Error),
}

/// Serves the API until `shutdown`, then drains. Returns once no connection is left.
pub async fn serve(
    listener: TcpListener,
    service: Service,
    settings: HttpSettings,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let router = router(service, &settings, shutdown.clone());
    serve_router(listener, router, settings, shutdown).await
}

/// Serves any router within the bounds of `settings` until `shutdown`, then drains.
pub async fn serve_router(
    listener: TcpListener,
    router: Router,
    settings: HttpSettings,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let slots = Arc::new(Semaphore::new(settings.connections_max));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let ended = loop {
        tokio::select! {
            () = shutdown.cancelled() => break Ok(()),
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = accept(&listener, &slots) => match accepted {
                Ok((stream, slot)) => {
                    let connection = connection(stream, router.clone(), &settings);
                    let connection = graceful.watch(connection);
                    connections.spawn(async move {
                        // A connection ends in error when its peer is slow, rude or gone: nothing to act on.
                        if let Err(error) = connection.await {
                            tracing::debug!(%error, "a connection ended early");
                        }
                        drop(slot);
                    });
                }
                Err(error) => break Err(ServeError::Accept(error)),
            },
        }
    };
    drop(listener);
    if tokio::time::timeout(settings.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::info!(connections = connections.len(), "cutting what did not end in time");
    }
    connections.shutdown().await;
    ended
}

/// Takes the next connection once a slot is free, in that order: a connection without a slot stays in the backlog.
async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.map_err(io::Error::other)?;
    let mut failures = 0;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return Ok((stream, slot)),
            Err(error) if failures >= ACCEPT_FAILURES_MAX => return Err(error),
            Err(error) => {
                failures += 1;
                tracing::debug!(%error, "could not take a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Speaks HTTP/1.1 on one connection.
fn connection(
    stream: TcpStream,
    router: Router,
    settings: &HttpSettings,
) -> http1::Connection<TokioIo<SpokenFor<StallGuard<TcpStream>>>, TowerToHyperService<Router>> {
    // Events of a stream are small and late ones are worthless: do not gather them.
    let _ = stream.set_nodelay(true);
    let stream = TokioIo::new(SpokenFor::new(StallGuard::new(stream, settings.write_stall_timeout)));
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(settings.head_timeout);
    protocol.serve_connection(stream, TowerToHyperService::new(router))
}
