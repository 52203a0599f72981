//! What can be typed? The command line, with its help; nothing happens here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::Flags;

mod bench;
mod documents;
mod eval;
mod models;
mod search;
mod sources;
mod tune;
mod webhooks;
mod worker;

pub(crate) use bench::{BenchAction, BenchArguments};
pub(crate) use documents::{DocumentsAction, DocumentsArguments};
pub(crate) use eval::{AnswersArguments, Arm, EvalAction, EvalArguments, RetrievalArguments};
pub(crate) use models::{ModelsAction, ModelsArguments};
pub(crate) use search::{AskArguments, Mode, SearchArguments, Style, VerifyChoice};
pub(crate) use sources::{NewOrigin, NewSource, SourcesAction, SourcesArguments};
pub(crate) use tune::{AbstainArguments, FusionArguments, TuneAction, TuneArguments};
pub(crate) use webhooks::{WebhooksAction, WebhooksArguments};
pub(crate) use worker::GeneratorWorkerArguments;

/// Private, cited answers over documents that keep changing.
#[derive(Debug, Parser)]
#[command(
    name = "wellspring",
    version,
    about,
    // What is missing is shown by the help, which knows what is for people.
    arg_required_else_help = true,
    after_help = "Examples:
  wellspring models pull                      fetch the models once (about 550 MB)
  wellspring serve --watch ~/notes            keep a folder searchable
  wellspring ask \"When is the rent due?\"      ask in plain words

Exit codes:
  0  done
  1  it failed, or the service would not do it; the message says why and what to do
  2  the command line, the configuration or a value in the request is wrong
  3  no server answers at the address
  4  nothing found: no such document, no hit, or the documents do not say
  130  a measurement was interrupted"
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Print JSON for programs instead of text for people.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The server that client commands talk to.
    #[arg(long, global = true, value_name = "URL", env = crate::environment::SERVER, default_value = "http://127.0.0.1:7700")]
    pub(crate) server: String,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the service: catalog, indexes, generator and HTTP API in one place.
    #[command(after_help = "Examples:
  wellspring serve --watch docs --watch ~/notes
  wellspring serve --generator-model off            extracts only, no language model
  WELLSPRING_KEY=… wellspring serve --listen 0.0.0.0:7700")]
    Serve(ServiceFlags),
    /// Push files, folders or JSON lines to the service.
    #[command(after_help = "Examples:
  wellspring add report.md notes/
  wellspring add corpus.jsonl            one document a line: {\"id\": …, \"title\": …, \"text\": …}")]
    Add(AddArguments),
    /// Ask a question; the answer streams, its sources follow.
    #[command(after_help = "Examples:
  wellspring ask \"How much does a bicycle cost?\"
  wellspring ask --mode extract \"头班船几点开出？\"    the documents' own sentences, no language model
  wellspring ask --style full --verify strict \"How does boarding work?\"
  wellspring ask --after \"When does the last boat leave on Monday?\" \"and on Sundays?\"")]
    Ask(AskArguments),
    /// Find passages.
    #[command(after_help = "Examples:
  wellspring search --limit 3 \"winter timetable\"
  wellspring search --key 'notes/*' --tag travel --half-life-days 30 \"ferry\"
  wellspring search --explain \"winter timetable\"      with the ranks and scores of words and meaning")]
    Search(SearchArguments),
    /// Show how the service is doing.
    #[command(after_help = "Examples:
  wellspring status                          readiness, documents by state, models, sources
  wellspring status --watch                  bars that move while documents arrive, until Ctrl-C
  wellspring status --json                   the same for programs; with --watch, a line at each change")]
    Status(StatusArguments),
    /// List, show or delete documents.
    #[command(after_help = "Examples:
  wellspring documents                       every document and its state
  wellspring documents list --state failed   only those that could not be read, with the reason
  wellspring documents show docs/a.md        its text and state
  wellspring documents delete docs/a.md
  wellspring documents residue docs/a.md     what is left of it, in every store")]
    Documents(DocumentsArguments),
    /// Say where documents come from: folders, feeds, sites and pages that look after themselves.
    #[command(after_help = "Examples:
  wellspring sources                                        every source, its last and next visit, its trouble
  wellspring sources add folder ~/notes --exclude drafts
  wellspring sources add feed https://blog.example/feed.xml --articles
  wellspring sources refresh blog.example                   visit it now
  wellspring sources remove notes --documents delete")]
    Sources(SourcesArguments),
    /// Have other programs told what happens to documents, by signed requests to addresses of theirs.
    #[command(after_help = "Examples:
  wellspring webhooks                                       every webhook, how far it was told, its trouble
  wellspring webhooks add https://ci.example/hook --state searchable --state deleted
  wellspring webhooks test wh_0123456789abcdef              send a test message now
  wellspring webhooks resume wh_0123456789abcdef            let a disabled one go on where it stopped
  wellspring webhooks remove wh_0123456789abcdef")]
    Webhooks(WebhooksArguments),
    /// List, fetch and check model files.
    #[command(after_help = "Examples:
  wellspring models list
  wellspring models pull                     what `serve` needs by default
  wellspring models pull qwen2.5-coder-1.5b-instruct
  wellspring models verify                   reads every file again and compares its SHA-256")]
    Models(ModelsArguments),
    /// Check this machine, the configuration and the models, and say what to do about what is wrong.
    #[command(after_help = "Examples:
  wellspring doctor                          every check, with what to do about a failed one
  wellspring doctor --data-dir /srv/ws       the same for another data folder")]
    Doctor(ServiceFlags),
    /// Measure this machine.
    #[command(after_help = "Example:
  wellspring bench ingest corpus.jsonl       the service against its own embedder, in one run")]
    Bench(BenchArguments),
    /// Measure how well passages are found and questions answered on a test set, and whether a change made it better.
    #[command(after_help = "Examples:
  wellspring eval retrieval sets/notes                        keyword, vector and both, in a throw-away collection
  wellspring eval retrieval sets/notes --keep /tmp/notes --per-query before.jsonl
  wellspring eval compare before.jsonl after.jsonl            is the difference more than chance?
  wellspring eval answers sets/notes --mode extract           are the answers right, and do the citations hold?")]
    Eval(EvalArguments),
    /// Fit the service to a set of your own questions.
    #[command(after_help = "Example:
  wellspring tune abstain sets/notes          how much evidence an answer should need
  wellspring tune fusion sets/notes           what the words should count for beside the meaning")]
    Tune(TuneArguments),
    /// Show the configuration.
    #[command(after_help = "Example:
  wellspring config show                     every setting, its value and where it came from")]
    Config(ConfigArguments),
    /// Run the service for a command that measures it (started by it), until standard input ends.
    #[command(hide = true)]
    MeasuredService(ServiceFlags),
    /// Read documents for the service (started by it).
    #[command(hide = true)]
    ParseWorker,
    /// Generate text for the service (started by it).
    #[command(hide = true)]
    GeneratorWorker(GeneratorWorkerArguments),
}

/// The service's settings as flags; each overrides the environment and the file.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ServiceFlags {
    /// Read this configuration file instead of wellspring.toml.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port of the HTTP API [default: 127.0.0.1:7700].
    #[arg(long, global = true, value_name = "ADDR")]
    listen: Option<String>,
    /// Catalog and indexes.
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
    /// Model files.
    #[arg(long, global = true, value_name = "DIR")]
    models_dir: Option<String>,
    /// A folder to keep up to date; may be given several times.
    #[arg(long, global = true, value_name = "FOLDER")]
    watch: Vec<String>,
    /// The collection that watched folders fill [default: default].
    #[arg(long, global = true, value_name = "NAME")]
    collection: Option<String>,
    /// Never open an outgoing socket.
    #[arg(long, global = true)]
    offline: bool,
    /// The address under which the hubs of feeds reach this service; without it feeds are polled.
    #[arg(long, global = true, value_name = "URL")]
    serve_public_url: Option<String>,
    /// Requests an hour to all feeds, sites and pages together [default: 600].
    #[arg(long, global = true, value_name = "N")]
    poll_requests_per_hour: Option<String>,
    /// Seconds an hour that embedding what visits bring may take [default: 1800].
    #[arg(long, global = true, value_name = "N")]
    poll_embedding_seconds_per_hour: Option<String>,
    /// An address shown to visited servers, where their owners find out who asks.
    #[arg(long, global = true, value_name = "URL")]
    fetch_contact: Option<String>,
    /// The embedder, by its name in the model manifest.
    #[arg(long, global = true, value_name = "NAME")]
    embedder_model: Option<String>,
    /// Embedder sessions, one thread each; 0 is one a core.
    #[arg(long, global = true, value_name = "N")]
    embedder_threads: Option<String>,
    /// What the words count for in a search, in percent; the meaning has the rest [default: 35].
    #[arg(long, global = true, value_name = "N")]
    search_keyword_percent: Option<String>,
    /// What the best passages count for beside the question, in percent, when the meaning is compared once more; 0 for not
    /// at all [default: 50].
    #[arg(long, global = true, value_name = "N")]
    search_feedback_percent: Option<String>,
    /// What a search by meaning compares first in a large index: `off`, `scalar` or `binary` [default: off].
    #[arg(long, global = true, value_name = "HOW")]
    vector_quantisation: Option<String>,
    /// A cross-encoder that reads the best passages again: `off`, the path of an ONNX file, or a name in the models folder.
    #[arg(long, global = true, value_name = "MODEL")]
    reranker_model: Option<String>,
    /// The most passages that it reads for one search [default: 20].
    #[arg(long, global = true, value_name = "N")]
    reranker_passages: Option<String>,
    /// Milliseconds that a search waits for it [default: 300].
    #[arg(long, global = true, value_name = "N")]
    reranker_deadline_ms: Option<String>,
    /// How far ahead, in percent of its score, the best passage is where it is not asked [default: 30].
    #[arg(long, global = true, value_name = "N")]
    reranker_margin_percent: Option<String>,
    /// A model that judges whether each generated sentence follows from its quote: `off`, the path of its folder, or the
    /// folder's name in the models folder [default: off].
    #[arg(long, global = true, value_name = "MODEL")]
    entailment_model: Option<String>,
    /// Milliseconds that a sentence waits for it [default: 500].
    #[arg(long, global = true, value_name = "N")]
    entailment_deadline_ms: Option<String>,
    /// The probability of entailment, in percent, below which a quote supports in part at most [default: 50].
    #[arg(long, global = true, value_name = "N")]
    entailment_entailed_percent: Option<String>,
    /// The probability of contradiction, in percent, from which on a quote supports nothing [default: 50].
    #[arg(long, global = true, value_name = "N")]
    entailment_contradicted_percent: Option<String>,
    /// How much evidence an answer needs, in percent; `tune abstain` finds it [default: 100].
    #[arg(long, global = true, value_name = "N")]
    answer_sufficiency_percent: Option<String>,
    /// How long an answer is where the caller does not say: auto, short or full [default: auto].
    #[arg(long, global = true, value_name = "STYLE")]
    answer_style: Option<String>,
    /// What becomes of unsupported sentences where the caller does not say: off, mark or strict [default: mark].
    #[arg(long, global = true, value_name = "VERIFY")]
    answer_verify: Option<String>,
    /// What a question waits for others at the generator before an extract answers it [default: 2000].
    #[arg(long, global = true, value_name = "N")]
    answer_busy_ms: Option<String>,
    /// The wanted time to the first token, from which the evidence in a prompt follows; 0 gives each the same [default: 0].
    #[arg(long, global = true, value_name = "N")]
    answer_first_token_ms: Option<String>,
    /// The generators of the configuration file that are asked one after the other, small to large: names with commas
    /// between, those of one step with `+` between.
    #[arg(long, global = true, value_name = "NAMES")]
    answer_cascade: Option<String>,
    /// The generator: a name in the model manifest, the path of a GGUF file, or `off`.
    #[arg(long, global = true, value_name = "MODEL")]
    generator_model: Option<String>,
    /// Threads that the generator computes with; 0 is one a core.
    #[arg(long, global = true, value_name = "N")]
    generator_threads: Option<String>,
    /// The longest prompt and answer together, in tokens.
    #[arg(long, global = true, value_name = "N")]
    generator_context_tokens: Option<String>,
    /// Requests written side by side; each has the context's memory to itself [default: 4].
    #[arg(long, global = true, value_name = "N")]
    generator_slots: Option<String>,
    /// How the generator's cache keeps its numbers: `f16` or `q8_0` [default: f16].
    #[arg(long, global = true, value_name = "TYPE")]
    generator_cache_type: Option<String>,
    /// Milliseconds that a piece of a new prompt may keep running streams waiting [default: 100].
    #[arg(long, global = true, value_name = "N")]
    generator_step_ms: Option<String>,
    /// A LoRA adapter beside the model; may be given several times.
    #[arg(long, global = true, value_name = "NAME=FILE")]
    generator_adapters: Vec<String>,
    /// The adapter for questions of a collection; may be given several times.
    #[arg(long, global = true, value_name = "COLLECTION=ADAPTER")]
    answer_adapters: Vec<String>,
    /// Layers of the model that GPUs compute: a number, or `auto` for as many as there are [default: auto].
    #[arg(long, global = true, value_name = "N", alias = "gpu-layers")]
    generator_gpu_layers: Option<String>,
    /// The GPUs to use, separated by commas; all when none is named.
    #[arg(long, global = true, value_name = "NAMES")]
    generator_devices: Option<String>,
    /// How the model lies on several GPUs: `layers`, `rows` or `off` [default: layers].
    #[arg(long, global = true, value_name = "SPLIT")]
    generator_gpu_split: Option<String>,
    /// What is logged: error, warn, info, debug, or a filter.
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
}

impl ServiceFlags {
    /// The flags that were given, by setting.
    pub(crate) fn flags(&self) -> Flags {
        let one = [
            ("listen", &self.listen),
            ("data_dir", &self.data_dir),
            ("models_dir", &self.models_dir),
            ("collection", &self.collection),
            ("serve.public_url", &self.serve_public_url),
            ("poll.requests_per_hour", &self.poll_requests_per_hour),
            ("poll.embedding_seconds_per_hour", &self.poll_embedding_seconds_per_hour),
            ("fetch.contact", &self.fetch_contact),
            ("embedder.model", &self.embedder_model),
            ("embedder.threads", &self.embedder_threads),
            ("search.keyword_percent", &self.search_keyword_percent),
            ("search.feedback_percent", &self.search_feedback_percent),
            ("vector.quantisation", &self.vector_quantisation),
            ("reranker.model", &self.reranker_model),
            ("reranker.passages", &self.reranker_passages),
            ("reranker.deadline_ms", &self.reranker_deadline_ms),
            ("reranker.margin_percent", &self.reranker_margin_percent),
            ("entailment.model", &self.entailment_model),
            ("entailment.deadline_ms", &self.entailment_deadline_ms),
            ("entailment.entailed_percent", &self.entailment_entailed_percent),
            ("entailment.contradicted_percent", &self.entailment_contradicted_percent),
            ("answer.sufficiency_percent", &self.answer_sufficiency_percent),
            ("answer.style", &self.answer_style),
            ("answer.verify", &self.answer_verify),
            ("answer.busy_ms", &self.answer_busy_ms),
            ("answer.first_token_ms", &self.answer_first_token_ms),
            ("answer.cascade", &self.answer_cascade),
            ("generator.model", &self.generator_model),
            ("generator.threads", &self.generator_threads),
            ("generator.context_tokens", &self.generator_context_tokens),
            ("generator.slots", &self.generator_slots),
            ("generator.cache_type", &self.generator_cache_type),
            ("generator.gpu_layers", &self.generator_gpu_layers),
            ("generator.devices", &self.generator_devices),
            ("generator.gpu_split", &self.generator_gpu_split),
            ("generator.step_ms", &self.generator_step_ms),
            ("log", &self.log),
        ];
        let mut values: BTreeMap<_, _> =
            one.into_iter().filter_map(|(name, value)| Some((name, vec![value.clone()?]))).collect();
        let several = [
            ("watch", &self.watch),
            ("generator.adapters", &self.generator_adapters),
            ("answer.adapters", &self.answer_adapters),
        ];
        values.extend(
            several.into_iter().filter(|(_, given)| !given.is_empty()).map(|(name, given)| (name, given.clone())),
        );
        if self.offline {
            values.insert("offline", vec!["true".to_owned()]);
        }
        Flags { file: self.config.clone(), values }
    }
}

/// `add`.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// Go on looking, once a second, until Ctrl-C.
    #[arg(long)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AddArguments {
    /// Files in any format that is read (Markdown, PDF, Word, tables, …), folders of them, or .jsonl/.ndjson files with
    /// one document a line.
    #[arg(required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// The collection to add to.
    #[arg(long, default_value = "default")]
    pub(crate) collection: String,
    /// Return once everything is stored, without waiting until it is searchable.
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// `config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) action: ConfigAction,
    /// Flags, as `serve` takes them.
    #[command(flatten)]
    pub(crate) service: ServiceFlags,
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Print every setting, its value and where it came from.
    #[command(after_help = "Examples:
  wellspring config show
  wellspring config show --data-dir /srv/ws  what it would be with this flag")]
    Show,
    /// Print the reference of all settings as Markdown.
    #[command(after_help = "Example:
  wellspring config reference > settings.md")]
    Reference,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_command_shows_an_example() {
        fn look(command: &clap::Command, path: &str, bare: &mut Vec<String>) {
            let shown = command.get_after_help().is_some_and(|help| help.to_string().contains("Example"));
            if !shown && !command.is_hide_set() && command.get_name() != "help" {
                bare.push(path.to_owned());
            }
            for below in command.get_subcommands() {
                look(below, &format!("{path} {}", below.get_name()), bare);
            }
        }
        let mut bare = Vec::new();
        look(&Cli::command(), "wellspring", &mut bare);
        assert!(bare.is_empty(), "no example in the help of: {}", bare.join(", "));
    }
}
