//! What does a monitoring system see of the service?
//!
//! Requests, arms of searches and answers are counted here as they end; what the catalog and the process are is read when
//! somebody looks. The form is that of OpenMetrics, which Prometheus reads.
//!
//! Invariants:
//! - A label has few values, and none that a caller can choose: routes are our own, and a method that is not of HTTP's own
//!   is `other`.
//! - Nothing of a document, a question or a caller is in it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::http::Method;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use serde::Deserialize;
use wellspring_core::answer::{Answer, AnswerMode, AnswerStatus, EntailmentUse};
use wellspring_core::generator::{GeneratorStatus, PoolMember};
use wellspring_core::retriever::{ArmStatus, SearchArms};

use crate::service::{Readiness, ServiceStatus};

/// The content type of the text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// In front of every name.
const PREFIX: &str = "wellspring";

/// Upper ends of what is told apart, in seconds: a search takes milliseconds, an answer seconds.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];

/// A value that one of our own names stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Name(&'static str);

impl EncodeLabelValue for Name {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), fmt::Error> {
        self.0.encode(encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: Name,
    /// 0 where the caller left before the response.
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ArmLabels {
    arm: Name,
    outcome: Name,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    status: Name,
    mode: Name,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EntailmentLabels {
    outcome: Name,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GeneratorLabels {
    /// The operator's name for it.
    generator: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabels {
    /// Its place in the cascade, from 1.
    step: u32,
}

/// What is counted; cloning is cheap.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    arms: Family<ArmLabels, Counter>,
    answers: Family<AnswerLabels, Counter>,
    cascade_asked: Family<StepLabels, Counter>,
    cascade_kept: Family<StepLabels, Counter>,
    cascade_seconds: Family<StepLabels, Counter<f64, AtomicU64>>,
    entailment: Family<EntailmentLabels, Counter>,
    entailment_lowered: Counter,
    entailment_seconds: Counter<f64, AtomicU64>,
}

impl Metrics {
    /// Nothing counted yet.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let requests = Family::default();
        registry.register("http_requests", "Requests that ended; status 0: the caller left", requests.clone());
        let seconds: Family<RouteLabels, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(SECONDS));
        let help = "From a request's head to the last byte of its response";
        registry.register_with_unit("http_request", help, Unit::Seconds, seconds.clone());
        let arms = Family::default();
        registry.register("search_arms", "How each half of a search fared", arms.clone());
        let answers = Family::default();
        registry.register("answers", "Questions that were answered, or not for lack of evidence", answers.clone());
        let (cascade_asked, cascade_kept) = (Family::default(), Family::default());
        let cascade_seconds: Family<StepLabels, Counter<f64, AtomicU64>> = Family::default();
        registry.register("cascade_asked", "Questions that a step of the cascade was asked", cascade_asked.clone());
        registry.register("cascade_kept", "Answers that a step of the cascade wrote", cascade_kept.clone());
        registry.register("cascade_seconds", "What a step of the cascade took in all", cascade_seconds.clone());
        let entailment = Family::default();
        let (entailment_lowered, entailment_seconds) = <(Counter, Counter<f64, AtomicU64>)>::default();
        let help = "Sentences and quotes that the entailment model was to judge, and how that went";
        registry.register("entailment", help, entailment.clone());
        let help = "Sentences whose support is less for what it said, or for its silence";
        registry.register("entailment_lowered", help, entailment_lowered.clone());
        registry.register("entailment_seconds", "What was waited for it in all", entailment_seconds.clone());
        let registry = Arc::new(registry);
        Self {
            registry,
            requests,
            seconds,
            arms,
            answers,
            cascade_asked,
            cascade_kept,
            cascade_seconds,
            entailment,
            entailment_lowered,
            entailment_seconds,
        }
    }

    /// A request has ended; `status` is `None` where its caller left before.
    pub(crate) fn request(&self, route: &str, method: &Method, status: Option<u16>, took: Duration) {
        let route = if route.is_empty() { "unknown" } else { route }.to_owned();
        let labels = RequestLabels { route: route.clone(), method: name_of(method), status: status.unwrap_or(0) };
        self.requests.get_or_create(&labels).inc();
        self.seconds.get_or_create(&RouteLabels { route }).observe(took.as_secs_f64());
    }

    /// A search has ended.
    pub(crate) fn search(&self, keyword: &ArmStatus, vector: &ArmStatus) {
        for (arm, status) in [("keyword", keyword), ("vector", vector)] {
            let outcome = Name(match status {
                ArmStatus::Ok => "ok",
                ArmStatus::Skipped { .. } => "skipped",
                ArmStatus::Failed { .. } => "failed",
            });
            self.arms.get_or_create(&ArmLabels { arm: Name(arm), outcome }).inc();
        }
    }

    /// A search has ended without an answer, since none of the arms that it asked could give one.
    pub(crate) fn failed_search(&self, asked: SearchArms) {
        let failed = ArmStatus::Failed { reason: String::new() };
        let not_asked = ArmStatus::Skipped { reason: String::new() };
        let status = |is_asked| if is_asked { &failed } else { &not_asked };
        self.search(status(asked != SearchArms::Vector), status(asked != SearchArms::Keyword));
    }

    /// A question has got its answer.
    pub(crate) fn answer(&self, answer: &Answer) {
        let status = Name(match answer.status {
            AnswerStatus::Answered => "answered",
            AnswerStatus::Conflicting => "conflicting",
            AnswerStatus::InsufficientEvidence => "insufficient_evidence",
        });
        let mode = Name(match answer.mode {
            AnswerMode::Auto => "auto",
            AnswerMode::Extract => "extract",
            AnswerMode::Generate => "generate",
        });
        self.answers.get_or_create(&AnswerLabels { status, mode }).inc();
        for (place, step) in (1..).zip(&answer.cascade) {
            let labels = StepLabels { step: place };
            self.cascade_asked.get_or_create(&labels).inc();
            self.cascade_seconds.get_or_create(&labels).inc_by(step.ms / 1e3);
            if step.is_kept {
                self.cascade_kept.get_or_create(&labels).inc();
            }
        }
        if let Some(EntailmentUse { judged, lowered, late, too_long, failed, ms }) = answer.entailment {
            let outcomes = [("judged", judged), ("late", late), ("too_long", too_long), ("failed", failed)];
            for (outcome, count) in outcomes {
                self.entailment.get_or_create(&EntailmentLabels { outcome: Name(outcome) }).inc_by(count.into());
            }
            self.entailment_lowered.inc_by(lowered.into());
            self.entailment_seconds.inc_by(ms / 1e3);
        }
    }

    /// All of it, as text.
    pub(crate) fn text(&self, readiness: &Readiness, status: &ServiceStatus) -> String {
        let mut written = String::new();
        let wrote = text::encode_registry(&mut written, &self.registry)
            .and_then(|()| text::encode_registry(&mut written, &seen(readiness, status)))
            .and_then(|()| text::encode_eof(&mut written));
        wrote.expect("writing into a string does not fail");
        written
    }
}

/// What is there at this moment.
fn seen(readiness: &Readiness, status: &ServiceStatus) -> Registry {
    let (ready, writable) = (readiness.is_ready(), readiness.impaired_by("writes").is_none());
    let mut registry = Registry::with_prefix(PREFIX);
    let catalog = &status.catalog;
    let generating = matches!(status.generator, GeneratorStatus::Ready { .. });
    let gauges = [
        ("ready", "Whether searches and questions are answered", u64::from(ready)),
        ("writable", "Whether writes can be taken", u64::from(writable)),
        ("generator_ready", "Whether any generator can be asked", u64::from(generating)),
        ("uptime_seconds", "Since the process began", status.uptime_seconds),
        ("memory_bytes", "What the process holds", status.memory_bytes),
        ("documents", "Documents that are not deleted", catalog.documents),
        ("documents_searchable", "Of those, searchable ones", catalog.searchable),
        ("documents_failed", "Documents whose newest revision failed", catalog.failed),
        ("documents_quarantined", "Documents whose newest revision is quarantined", catalog.quarantined),
        ("documents_skipped", "Documents whose newest revision was left out", catalog.skipped),
        ("entries_pending", "Writes accepted and not finished", catalog.pending),
        ("chunks", "Chunks of published revisions", catalog.chunks),
        ("vectors", "Vectors kept", catalog.vectors),
        ("catalog_bytes", "The catalog on the disk", catalog.bytes),
    ];
    for (name, help, value) in gauges {
        registry.register(name, help, ConstGauge::new(value as i64));
    }
    let counters = [
        ("chunks_embedded", "Chunks embedded since the catalog was made", catalog.chunks_embedded),
        ("tokens_embedded", "Tokens embedded since the catalog was made", catalog.tokens_embedded),
        ("chunks_kept", "Chunks that edits left untouched since the catalog was made", catalog.chunks_kept),
    ];
    for (name, help, value) in counters {
        registry.register(name, help, ConstCounter::new(value));
    }
    // What is written by this very program is read as it was written.
    let generators = status.models.iter().filter_map(|model| PoolMember::deserialize(model).ok());
    let mut pages = GeneratorPages::default();
    generators.for_each(|generator| pages.add(&generator));
    pages.register(&mut registry);
    registry
}

/// A name, what it means, and its value for each generator.
type Page<M> = (&'static str, &'static str, Family<GeneratorLabels, M>);

/// The numbers of every generator.
#[derive(Default)]
struct GeneratorPages {
    gauges: Vec<Page<Gauge<f64, AtomicU64>>>,
    counters: Vec<Page<Counter>>,
}

impl GeneratorPages {
    /// Adds a generator: what was seen of it, and its own numbers where it tells them.
    fn add(&mut self, seen: &PoolMember) {
        let labels = GeneratorLabels { generator: seen.name.clone() };
        let ready = matches!(seen.status, GeneratorStatus::Ready { .. });
        let mut gauges = vec![
            ("generator_up", "Whether it can be asked, as it says", f64::from(u8::from(ready))),
            ("generator_shut_out", "Whether it is left alone for failing", f64::from(u8::from(seen.shut_out))),
            ("generator_in_work", "Generations in work that were asked for from here", seen.in_work as f64),
            (
                "generator_first_token_alone_ms",
                "To the first token of one by itself, lately",
                seen.first_token_alone_ms,
            ),
            ("generator_generation_ms", "What a generation took, lately", seen.generation_ms),
            (
                "generator_read_tokens_per_second",
                "Prompt tokens computed a second, lately",
                seen.read_tokens_per_second,
            ),
        ];
        let counts = seen.counts;
        let mut counters = vec![
            ("generator_asked", "Generations that were asked for from here", counts.asked),
            ("generator_written", "Of these, those that were written to the end", counts.finished),
            ("generator_broken", "Those that ended in an error", counts.failed),
            ("generator_turned_away", "Those that found it busy", counts.busy),
            ("generator_refused", "Those that it refused for what they ask", counts.refused),
            ("generator_left", "Those that were given up, or whose reader left", counts.left),
            ("generator_passed_on", "Those that another generator was asked for instead", counts.passed_on),
        ];
        if let Some(work) = &seen.statistics {
            gauges.extend([
                ("generator_slots", "Generations that can be in work at once", work.slots as f64),
                ("generator_slots_used", "Generations in work", work.slots_used as f64),
                ("generator_waiting", "Generations that wait", work.waiting as f64),
                ("generator_cache_bytes", "The cache of all slots", work.cache_bytes as f64),
                (
                    "generator_written_tokens_per_second",
                    "Tokens written a second, lately",
                    work.written_tokens_per_second,
                ),
                (
                    "generator_first_token_p50_ms",
                    "To the first token, of the last generations",
                    work.first_token_ms.p50,
                ),
                (
                    "generator_first_token_p95_ms",
                    "To the first token, of the last generations",
                    work.first_token_ms.p95,
                ),
                ("generator_inter_token_p50_ms", "Between two tokens of a stream, lately", work.inter_token_ms.p50),
                ("generator_inter_token_p95_ms", "Between two tokens of a stream, lately", work.inter_token_ms.p95),
            ]);
            counters.extend([
                ("generator_accepted", "Generations that were accepted", work.accepted),
                ("generator_busy", "Generations that found no place to wait", work.busy),
                ("generator_finished", "Generations that ended well", work.finished),
                ("generator_cancelled", "Generations whose reader left", work.cancelled),
                ("generator_failed", "Generations that ended in an error", work.failed),
                ("generator_prompt_tokens_read", "Prompt tokens computed", work.prompt_tokens_read),
                ("generator_prompt_tokens_reused", "Prompt tokens that were in the cache", work.prompt_tokens_reused),
                ("generator_tokens_written", "Tokens written", work.tokens_written),
            ]);
        }
        for (name, help, value) in gauges {
            page(&mut self.gauges, name, help).get_or_create(&labels).set(value);
        }
        for (name, help, value) in counters {
            page(&mut self.counters, name, help).get_or_create(&labels).inc_by(value);
        }
    }

    fn register(self, registry: &mut Registry) {
        self.gauges.into_iter().for_each(|(name, help, family)| registry.register(name, help, family));
        self.counters.into_iter().for_each(|(name, help, family)| registry.register(name, help, family));
    }
}

/// The family of a name, made where it is new.
fn page<'a, F: Default>(
    pages: &'a mut Vec<(&'static str, &'static str, F)>,
    name: &'static str,
    help: &'static str,
) -> &'a F {
    let place = pages.iter().position(|(known, ..)| *known == name).unwrap_or_else(|| {
        pages.push((name, help, F::default()));
        pages.len() - 1
    });
    &pages[place].2
}

/// A method by its name, where it is one of HTTP's own.
fn name_of(method: &Method) -> Name {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    Name(KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other"))
}
