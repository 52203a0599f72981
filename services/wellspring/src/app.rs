//! How is the service put together? The composition root: every part is made here and handed to the others.
//!
//! Invariants:
//! - The port is bound before anything slow, so that a second start is told at once; requests that need the indexes
//!   get `not_ready` until recovery is done.
//! - Every task ends when `stop` is cancelled, and is waited for.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wellspring_answer::{AnswerSettings, Answerer, AnswererParts};
use wellspring_catalog::SqliteCatalog;
use wellspring_core::catalog::Publisher;
use wellspring_core::embedding::Embedder;
use wellspring_core::limits;
use wellspring_core::view::ViewName;
use wellspring_core::websub::HubCallbacks;
use wellspring_http::{HttpSettings, Readiness, Service};
use wellspring_ingest::apply::Views;
use wellspring_ingest::intake::{Intake, Signals};
use wellspring_ingest::parse::{ParsePool, WorkerCommand};
use wellspring_ingest::pipeline::{self, PipelineParts};
use wellspring_ingest::recover::recover;
use wellspring_ingest::room::Room;
use wellspring_ingest::schedule::EmbeddingMeter;
use wellspring_ingest::screen::Screener;
use wellspring_ingest::trace::Tracer;
use wellspring_keyword::TantivyKeywords;
use wellspring_retrieve::{Balance, Feedback, HybridRetriever};
use wellspring_vector::{EdgeVectors, Shape};

use crate::config::Config;

mod disk;
mod embedder;
mod entailment;
mod folders;
mod generator;
mod hooks;
mod private;
mod reopening;
mod reranker;
mod seams;
mod sources;
mod status;
mod views;

pub(crate) use embedder::{likely_embedder, load_embedder};
pub(crate) use entailment::load as load_entailment;

use reopening::Reopening;
use sources::SourceParts;
use status::Status;

/// How long the service runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Until a signal tells it to stop.
    Told,
    /// So, and no longer than standard input is open: whoever holds it started the service for itself.
    InputEnds,
}

/// Runs the service until it is to stop.
pub(crate) async fn serve(config: Config, until: Until) -> anyhow::Result<()> {
    let listener = bind(&config).await?;
    private::create(&config.data_dir)?;
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    if until == Until::InputEnds {
        stop_with_input(stop.clone())?;
    }
    let result = run(config, listener, stop.clone()).await;
    stop.cancel();
    result
}

async fn run(config: Config, listener: TcpListener, stop: CancellationToken) -> anyhow::Result<()> {
    let catalog = Arc::new(SqliteCatalog::open(&config.data_dir).await.with_context(|| {
        let folder = config.data_dir.display();
        format!("could not open the catalog in {folder}; `wellspring doctor --data-dir {folder}` says what to do")
    })?);
    let collections = embedder::collections(&config);
    let embedder_name = embedder::choose(&*catalog, &collections, &config.embedder_model).await?;
    let embedder: Arc<dyn Embedder> = Arc::new(embedder::load_embedder(&config, &embedder_name).await?);
    let space = embedder.space().clone();
    embedder::bind_space(&*catalog, &collections, &space).await?;
    let (vector, keyword) = open_views(&config, &*embedder).await?;
    let views = Views { vector: vector.clone(), keyword: keyword.clone() };
    let troubles = [vector.trouble(), keyword.trouble()];

    let signals = Arc::new(Signals::default());
    let data_dir = config.data_dir.clone();
    let room = Room::new(move || disk::lacking(&data_dir));
    let intake = Intake::new(catalog.clone(), catalog.clone(), signals.clone()).within(room.clone());
    let intake = Arc::new(intake);
    let program = std::env::current_exe().context("could not find the program's own path")?;
    let parse_command = WorkerCommand { program: program.clone(), args: vec!["parse-worker".to_owned()] };
    let parser = Arc::new(ParsePool::new(parse_command, limits::PARSE_WORKERS));
    let generators = generator::start(&config, &program)?;
    let mut retriever = HybridRetriever::new(catalog.clone(), keyword.clone(), vector.clone(), embedder.clone())
        .balanced(Balance::of_keyword_percent(config.search_keyword_percent))
        .with_feedback(Feedback::of_percent(config.search_feedback_percent));
    if let Some(reranking) = reranker::load(&config, &embedder_name).await? {
        retriever = retriever.with_reranking(reranking);
    }
    let retriever = Arc::new(retriever);
    let answerer = Arc::new(Answerer::new(AnswererParts {
        retriever: retriever.clone(),
        embedder: embedder.clone(),
        judging: load_entailment(&config, &embedder_name).await?,
        steps: generators.steps.clone(),
        settings: AnswerSettings {
            adapters: config.answer_adapters.clone(),
            sufficiency_min: config.answer_sufficiency_percent as f32 / 100.0,
            style: config.answer_style,
            verify: config.answer_verify,
            busy: config.answer_busy,
            first_token: config.answer_first_token,
            ..AnswerSettings::default()
        },
    }));

    let screener = Arc::new(Screener::new(config.screen.clone(), catalog.clone()));
    let meter = Arc::new(EmbeddingMeter::default());
    let address = listener.local_addr().context("the listening socket has no address")?;
    let client = sources::client(&config, address.port())?;
    let hubs = hooks::hubs(&config, catalog.clone(), client.clone());
    let parts = SourceParts {
        client: client.clone(),
        hubs: hooks::watcher(&config, hubs.as_ref()),
        catalog: catalog.clone(),
        intake: intake.clone(),
        parser: parser.clone(),
        meter: meter.clone(),
    };
    let sources = sources::registry(&config, parts).await?;
    let webhooks = hooks::webhooks(catalog.clone(), &intake, client);
    let (readiness, ready) = watch::channel(Readiness::ready().without("indexes", "being brought up to date"));
    let status = Status::new(catalog.clone(), generators.steps.clone(), &config, &space, Arc::new(sources.clone()));
    let service = Service {
        writes: Arc::new(seams::IntakeWrites {
            intake: intake.clone(),
            publisher: catalog.clone(),
            space: space.clone(),
        }),
        reader: catalog.clone(),
        sources: Arc::new(sources.clone()),
        webhooks: Arc::new(webhooks.clone()),
        hubs: hubs.clone().map(|hubs| Arc::new(hubs) as Arc<dyn HubCallbacks>),
        residues: Arc::new(seams::TracerResidues(Tracer::new(catalog.clone(), views.clone()))),
        retriever,
        answers: Arc::new(seams::AnswererAnswers(answerer)),
        status: Arc::new(status),
        readiness: ready,
        key: config.key.clone(),
    };

    let mut tasks = JoinSet::new();
    let http_stop = stop.clone();
    tasks.spawn(async move {
        let served = wellspring_http::serve(listener, service, HttpSettings::default(), http_stop).await;
        served.context("the HTTP service ended")
    });
    crate::output::line(format!("listening on http://{address}"));
    tracing::info!(%address, data = %config.data_dir.display(), "serving");

    tasks.spawn(status::watch_over_publishing(signals.stuck(), readiness.clone(), stop.clone()));
    tasks.spawn(status::watch_over_searching(troubles, readiness.clone(), stop.clone()));
    let (disk_readiness, disk_stop, data_dir) = (readiness.clone(), stop.clone(), config.data_dir.clone());
    tasks.spawn(async move {
        disk::watch_over(data_dir, disk_readiness, disk_stop).await;
        Ok(())
    });

    let background = stop.clone();
    let publisher: Arc<dyn Publisher> = catalog.clone();
    tasks.spawn(async move {
        let progress = |view: ViewName, chunks: u64| {
            let reason = format!("rebuilding the {} index from the catalog, {chunks} chunks so far", view.as_str());
            let missing = Readiness::ready().without("indexes", reason);
            readiness.send_modify(|readiness| readiness.set_missing(missing));
        };
        let recovered = recover(&*publisher, &views, space.id(), &progress, &background).await;
        let published = match recovered {
            Ok(published) => published,
            Err(wellspring_ingest::recover::RecoverError::Stopped) => return Ok(()),
            Err(error) => return Err(anyhow::Error::new(error).context("the indexes could not be brought up to date")),
        };
        readiness.send_modify(|readiness| readiness.set_missing(Readiness::ready()));
        tracing::info!(publication = published.0, "ready");
        let mut work = JoinSet::new();
        if let Some(hubs) = hubs {
            work.spawn(hubs.run(hooks::visit_soon(&sources), background.clone()));
        }
        work.spawn(sources.run(background.clone()));
        work.spawn(webhooks.run(background.clone()));
        let parts = PipelineParts { publisher, parser, screener, embedder, views, signals, meter, room };
        work.spawn(pipeline::run(parts, published, background.clone()));
        while let Some(ended) = work.join_next().await {
            ended.context("a part of the write path failed unexpectedly")?;
        }
        Ok(())
    });

    // The first task to end for a reason other than the stop takes the service down; the others drain.
    let mut outcome = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.context("a part of the service failed unexpectedly").and_then(|result| result);
        if outcome.is_ok() {
            outcome = ended;
        }
        stop.cancel();
    }
    tokio::time::timeout(limits::DRAIN_TIMEOUT, generators.stop()).await.ok();
    tracing::info!("stopped");
    outcome
}

async fn bind(config: &Config) -> anyhow::Result<TcpListener> {
    TcpListener::bind(config.listen).await.with_context(|| {
        let listen = config.listen;
        format!("could not listen on {listen}; is another server there? `--listen` names another address")
    })
}

/// Opens both indexes. The vector index is that of the embedder's space; another space's beside it is left alone (I-5).
async fn open_views(
    config: &Config,
    embedder: &dyn Embedder,
) -> anyhow::Result<(Arc<Reopening<EdgeVectors>>, Arc<Reopening<TantivyKeywords>>)> {
    let shape = Shape { quantisation: config.vector_quantisation, ..Shape::of(embedder.space().dimension) };
    let vector_dir = views::vector_folder(&config.data_dir, embedder.space().id());
    let keyword_dir = config.data_dir.join("keyword");
    let open = move || -> anyhow::Result<_> {
        let vector = Reopening::open(ViewName::Vector, vector_dir, move |dir| EdgeVectors::open(dir, shape))
            .context("could not open the vector index")?;
        let keyword = Reopening::open(ViewName::Keyword, keyword_dir, TantivyKeywords::open)
            .context("could not open the keyword index")?;
        Ok((Arc::new(vector), Arc::new(keyword)))
    };
    tokio::task::spawn_blocking(open).await.context("opening the indexes failed unexpectedly")?
}

/// Cancels `stop` at Ctrl-C and at SIGTERM; a second one ends the process at once.
fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("could not listen for SIGINT")?;
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        tracing::info!("stopping; again to stop at once");
        stop.cancel();
        tokio::select! {
            _ = terminate.recv() => {},
            _ = interrupt.recv() => {},
            () = tokio::time::sleep(limits::DRAIN_TIMEOUT + Duration::from_secs(5)) => {}
        }
        std::process::exit(130);
    });
    Ok(())
}

/// Cancels `stop` when standard input ends, as it does with the process that holds its other end.
fn stop_with_input(stop: CancellationToken) -> anyhow::Result<()> {
    let wait = move || {
        // An input that cannot be read has ended as well.
        std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()).ok();
        stop.cancel();
    };
    std::thread::Builder::new().name("input".to_owned()).spawn(wait).context("could not watch the input")?;
    Ok(())
}
