//! What did the operator ask for, and where did each value come from?
//!
//! Two steps. Raw: defaults, then `wellspring.toml`, then the environment, then flags, each overriding the one before
//! ([`layers`]). Validated: [`Config`], in which every value is ready for use.
//!
//! Invariants:
//! - An unknown key is refused with the nearest known name.
//! - Everything is validated before a port is bound or a file is written.
//! - The key never appears in `Debug` output or in `config show`.

mod entailment;
mod filter;
mod generator;
mod generators;
mod layers;
mod settings;

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use wellspring_core::answer::{AnswerStyle, Verify};
use wellspring_core::document::CollectionName;
use wellspring_core::limits;
use wellspring_core::source::SourceSettings;
use wellspring_generate::{CacheType, GpuSplit};
use wellspring_http::AccessKey;
use wellspring_ingest::screen::ScreenSettings;
use wellspring_vector::Quantisation;

pub(crate) use entailment::EntailmentConfig;
pub(crate) use generators::{GeneratorEntry, GeneratorPlace, OWN, RawGenerator};
pub(crate) use layers::{Flags, Layers, Origin};
pub(crate) use settings::SETTINGS;

use crate::environment;

/// What the operator got wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("could not read the configuration file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not valid TOML", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A key that no setting has.
    #[error("unknown setting `{name}` in {origin}; did you mean `{nearest}`?")]
    Unknown {
        /// The key as written.
        name: String,
        /// Where.
        origin: Origin,
        /// The nearest known one.
        nearest: String,
    },
    /// A secret where secrets do not belong.
    #[error("the key does not belong in {origin}: set {} in the environment", environment::KEY)]
    SecretInFile {
        /// Where it was.
        origin: Origin,
    },
    /// Screening rules that cannot be meant.
    #[error("[screen] in {origin}: {reason}")]
    Screen {
        /// Where.
        origin: Origin,
        /// What is wrong.
        reason: String,
    },
    /// A value that does not fit.
    #[error("`{name}` from {origin} is `{value}`: {expected}")]
    Value {
        /// The setting.
        name: &'static str,
        /// Where the value came from.
        origin: Origin,
        /// The value.
        value: String,
        /// What was expected.
        expected: String,
    },
    /// A source that cannot be read.
    #[error("source number {number} in {origin} cannot be read: {reason}")]
    Source {
        /// Its place in the file, from 1.
        number: usize,
        /// Where.
        origin: Origin,
        /// Why.
        reason: String,
    },
    /// A generator that cannot be asked.
    #[error("generator number {number} in {origin}: {reason}")]
    Generator {
        /// Its place in the file, from 1.
        number: usize,
        /// Where.
        origin: Origin,
        /// Why.
        reason: String,
    },
    /// An open door.
    #[error(
        "listening on {listen} would serve every machine that can reach it: set {} to a secret of at least {} characters, \
         or listen on 127.0.0.1",
        environment::KEY,
        KEY_LENGTH_MIN
    )]
    OpenDoor {
        /// The address.
        listen: SocketAddr,
    },
    /// A key that can be guessed.
    #[error("{} is shorter than {} characters", environment::KEY, KEY_LENGTH_MIN)]
    WeakKey,
}

/// A shorter key could be guessed over the network.
pub(crate) const KEY_LENGTH_MIN: usize = 16;

/// Which generator writes answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GeneratorChoice {
    /// None: answers are extracts.
    Off,
    /// A model of the manifest.
    Named(String),
    /// A GGUF file.
    File(PathBuf),
}

/// Which embedder makes vectors, by its name in the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EmbedderChoice {
    /// Nobody said: the default for a new data folder; an older one keeps the embedder that it was built with.
    Default(String),
    /// The operator named it: this one or none.
    Named(String),
}

impl EmbedderChoice {
    /// The name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Default(name) | Self::Named(name) => name,
        }
    }
}

/// Which reranker reads the best passages again, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RerankerConfig {
    /// Its ONNX file: a path, or a name in the models folder; `None` for none.
    pub(crate) model: Option<PathBuf>,
    /// The most passages that it reads.
    pub(crate) passages: usize,
    /// What a search waits for it, in milliseconds.
    pub(crate) deadline_ms: u64,
    /// How far ahead the best has to be for the order to be clear, in hundredths of its score.
    pub(crate) margin_percent: u64,
}

/// The validated configuration.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Where HTTP is served.
    pub(crate) listen: SocketAddr,
    /// Catalog and indexes.
    pub(crate) data_dir: PathBuf,
    /// Model files.
    pub(crate) models_dir: PathBuf,
    /// Folders to follow.
    pub(crate) watch: Vec<PathBuf>,
    /// The collection that watched folders fill.
    pub(crate) collection: CollectionName,
    /// The sources of the file, apart from watched folders.
    pub(crate) sources: Vec<SourceSettings>,
    /// No outgoing socket, ever.
    pub(crate) offline: bool,
    /// Where the hubs of feeds reach this service, without a slash at its end; feeds are polled without one.
    pub(crate) public_url: Option<String>,
    /// What is screened, and how.
    pub(crate) screen: ScreenSettings,
    /// Requests an hour to all sources together.
    pub(crate) poll_requests_per_hour: f64,
    /// Seconds an hour that embedding what they bring may take.
    pub(crate) poll_embedding_seconds_per_hour: f64,
    /// Where the owner of a visited server finds out who asks.
    pub(crate) fetch_contact: Option<String>,
    /// What clients must present.
    pub(crate) key: Option<AccessKey>,
    /// The embedder.
    pub(crate) embedder_model: EmbedderChoice,
    /// Embedder sessions, one thread each.
    pub(crate) embedder_threads: usize,
    /// The reranker.
    pub(crate) reranker: RerankerConfig,
    /// The model that judges generated sentences.
    pub(crate) entailment: EntailmentConfig,
    /// The generator that `generator.model` names.
    pub(crate) generator_model: GeneratorChoice,
    /// Every generator that is asked.
    pub(crate) generators: Vec<GeneratorEntry>,
    /// The steps in which they are asked, small to large, by their places.
    pub(crate) generator_steps: Vec<Vec<usize>>,
    /// The generator's adapters and their files.
    pub(crate) generator_adapters: Vec<(String, PathBuf)>,
    /// The adapter for questions of a collection.
    pub(crate) answer_adapters: BTreeMap<CollectionName, String>,
    /// Generator threads.
    pub(crate) generator_threads: usize,
    /// Prompt and output of one generation, in tokens.
    pub(crate) generator_context_tokens: u32,
    /// What the words count for in a search, in hundredths.
    pub(crate) search_keyword_percent: u32,
    /// What the best passages count for beside the question, in hundredths.
    pub(crate) search_feedback_percent: u32,
    /// What a walk through the vector index compares.
    pub(crate) vector_quantisation: Quantisation,
    /// Generations side by side.
    pub(crate) generator_slots: usize,
    /// Numbers in the generator's cache.
    pub(crate) generator_cache_type: CacheType,
    /// How much evidence an answer needs, in hundredths.
    pub(crate) answer_sufficiency_percent: u32,
    /// What a question waits for others at the generator before it is answered by an extract.
    pub(crate) answer_busy: Duration,
    /// The wanted time to the first token of a generated answer; `None` for a fixed budget of evidence.
    pub(crate) answer_first_token: Option<Duration>,
    /// How long an answer is where the caller does not say; `None` for a choice by question and model.
    pub(crate) answer_style: Option<AnswerStyle>,
    /// What becomes of unsupported sentences where the caller does not say.
    pub(crate) answer_verify: Verify,
    /// Layers for GPUs; `None` for llama.cpp's own choice.
    pub(crate) generator_gpu_layers: Option<u32>,
    /// The GPUs to use; none for all.
    pub(crate) generator_devices: Vec<String>,
    /// How the model lies on several GPUs.
    pub(crate) generator_gpu_split: GpuSplit,
    /// Milliseconds of a piece of a prompt beside running streams.
    pub(crate) generator_step_ms: u64,
    /// The log filter.
    pub(crate) log: String,
}

impl Config {
    /// Reads all layers and validates them.
    pub(crate) fn load(flags: &Flags) -> Result<Self, ConfigError> {
        Self::validate(&Layers::read(flags)?)
    }

    /// The same for what needs no generator.
    pub(crate) fn without_generators(&mut self) {
        self.generator_model = GeneratorChoice::Off;
        self.generators.clear();
        self.generator_steps.clear();
    }

    /// Validates read layers.
    pub(crate) fn validate(layers: &Layers) -> Result<Self, ConfigError> {
        let key = layers.key().map(str::trim);
        if key.is_some_and(|key| key.chars().count() < KEY_LENGTH_MIN) {
            return Err(ConfigError::WeakKey);
        }
        let listen = listen(layers)?;
        if key.is_none() && !listen.ip().is_loopback() {
            return Err(ConfigError::OpenDoor { listen });
        }
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let offline = layers.boolean("offline")?;
        let generator_model = generator(layers.text("generator.model")?);
        let generators = generators::generators(layers, &generator_model, offline)?;
        let milliseconds = |name, max| layers.integer(name, 0, max).map(i64::unsigned_abs).map(Duration::from_millis);
        let generator_adapters = generator::generator_adapters(layers)?;
        let threads = |name| layers.integer(name, 0, 256).map(|n| if n == 0 { cores } else { n as usize });
        Ok(Self {
            listen,
            data_dir: layers.path("data_dir")?,
            models_dir: layers.path("models_dir")?,
            watch: layers.paths("watch")?,
            collection: layers
                .text("collection")?
                .parse()
                .map_err(|error| layers.refused("collection", format!("a collection name {error}")))?,
            sources: layers.sources().to_vec(),
            screen: layers.screen().clone(),
            offline,
            public_url: public_url(layers)?,
            poll_requests_per_hour: layers.integer("poll.requests_per_hour", 1, 1_000_000)? as f64,
            poll_embedding_seconds_per_hour: layers.integer("poll.embedding_seconds_per_hour", 1, 1_000_000)? as f64,
            fetch_contact: Some(layers.text("fetch.contact")?.to_owned()).filter(|contact| !contact.is_empty()),
            key: key.and_then(AccessKey::new),
            embedder_model: embedder(layers)?,
            embedder_threads: threads("embedder.threads")?,
            reranker: reranker(layers)?,
            entailment: entailment::entailment(layers)?,
            generator_steps: generators::steps(layers, &generators)?,
            generator_model,
            generators,
            answer_adapters: generator::answer_adapters(layers, &generator_adapters)?,
            generator_adapters,
            generator_threads: threads("generator.threads")?,
            generator_context_tokens: layers.integer("generator.context_tokens", 512, 131_072)? as u32,
            search_keyword_percent: layers.integer("search.keyword_percent", 0, 100)? as u32,
            search_feedback_percent: layers.integer("search.feedback_percent", 0, 100)? as u32,
            vector_quantisation: layers
                .text("vector.quantisation")?
                .parse()
                .map_err(|reason| layers.refused("vector.quantisation", reason))?,
            generator_slots: layers.integer("generator.slots", 1, limits::GENERATOR_SLOTS_MAX as i64)? as usize,
            generator_cache_type: generator::cache_type(layers)?,
            answer_sufficiency_percent: layers.integer("answer.sufficiency_percent", 0, 1000)? as u32,
            answer_busy: milliseconds("answer.busy_ms", 600_000)?,
            answer_first_token: Some(milliseconds("answer.first_token_ms", 60_000)?).filter(|time| !time.is_zero()),
            answer_style: answer_style(layers)?,
            answer_verify: answer_verify(layers)?,
            generator_gpu_layers: generator::gpu_layers(layers)?,
            generator_devices: generator::devices(layers)?,
            generator_gpu_split: generator::gpu_split(layers)?,
            generator_step_ms: layers.integer("generator.step_ms", 10, 60_000)?.unsigned_abs(),
            log: filter::log(layers)?,
        })
    }
}

/// A style, or `auto`.
fn answer_style(layers: &Layers) -> Result<Option<AnswerStyle>, ConfigError> {
    match layers.text("answer.style")? {
        "auto" => Ok(None),
        "short" => Ok(Some(AnswerStyle::Short)),
        "full" => Ok(Some(AnswerStyle::Full)),
        _ => Err(layers.refused("answer.style", "expected `auto`, `short` or `full`".to_owned())),
    }
}

/// What becomes of unsupported sentences.
fn answer_verify(layers: &Layers) -> Result<Verify, ConfigError> {
    match layers.text("answer.verify")? {
        "off" => Ok(Verify::Off),
        "mark" => Ok(Verify::Mark),
        "strict" => Ok(Verify::Strict),
        _ => Err(layers.refused("answer.verify", "expected `off`, `mark` or `strict`".to_owned())),
    }
}

/// What the commands over model files need: they neither listen nor let anybody in.
#[derive(Debug, Clone)]
pub(crate) struct ModelsConfig {
    /// Model files.
    pub(crate) models_dir: PathBuf,
    /// No outgoing socket, ever.
    pub(crate) offline: bool,
}

impl ModelsConfig {
    /// Reads all layers and validates what is needed of them.
    pub(crate) fn load(flags: &Flags) -> Result<Self, ConfigError> {
        let layers = Layers::read(flags)?;
        Ok(Self { models_dir: layers.path("models_dir")?, offline: layers.boolean("offline")? })
    }
}

/// Resolves a literal address or `localhost`; other names would need a resolver and could change their mind.
fn listen(layers: &Layers) -> Result<SocketAddr, ConfigError> {
    let text = layers.text("listen")?;
    let refused = || layers.refused("listen", "expected an address and a port, such as 127.0.0.1:7700".to_owned());
    if let Some(port) = text.strip_prefix("localhost:") {
        return ("127.0.0.1", port.parse().map_err(|_| refused())?)
            .to_socket_addrs()
            .ok()
            .and_then(|mut addresses| addresses.next())
            .ok_or_else(refused);
    }
    text.parse().map_err(|_| refused())
}

/// An address that hubs can be told, to which a path is added.
fn public_url(layers: &Layers) -> Result<Option<String>, ConfigError> {
    let text = layers.text("serve.public_url")?.trim_end_matches('/');
    if text.is_empty() {
        return Ok(None);
    }
    let is_plain = |url: reqwest::Url| {
        let bare = url.username().is_empty() && url.password().is_none();
        matches!(url.scheme(), "http" | "https") && bare && url.query().is_none() && url.fragment().is_none()
    };
    match reqwest::Url::parse(text).is_ok_and(is_plain) {
        true => Ok(Some(text.to_owned())),
        false => Err(layers.refused("serve.public_url", "expected an address such as https://docs.example".to_owned())),
    }
}

fn embedder(layers: &Layers) -> Result<EmbedderChoice, ConfigError> {
    let name = layers.text("embedder.model")?.to_owned();
    Ok(match layers.origin("embedder.model") {
        Origin::Default => EmbedderChoice::Default(name),
        _ => EmbedderChoice::Named(name),
    })
}

/// A path has a separator or ends in `.onnx`; a name is that of a file in the models folder without the ending.
fn reranker(layers: &Layers) -> Result<RerankerConfig, ConfigError> {
    let model = match layers.text("reranker.model")? {
        "off" => None,
        path if path.contains(std::path::MAIN_SEPARATOR) || path.ends_with(".onnx") => Some(PathBuf::from(path)),
        name => Some(layers.path("models_dir")?.join(format!("{name}.onnx"))),
    };
    Ok(RerankerConfig {
        model,
        passages: layers.integer("reranker.passages", 2, limits::RERANK_PASSAGES_MAX as i64)? as usize,
        deadline_ms: layers.integer("reranker.deadline_ms", 1, 60_000)?.unsigned_abs(),
        margin_percent: layers.integer("reranker.margin_percent", 1, 100)?.unsigned_abs(),
    })
}

/// `off`, a path (it has a separator or ends in `.gguf`), or a name.
fn generator(text: &str) -> GeneratorChoice {
    match text {
        "off" => GeneratorChoice::Off,
        path if path.contains(std::path::MAIN_SEPARATOR) || path.ends_with(".gguf") => {
            GeneratorChoice::File(PathBuf::from(path))
        }
        name => GeneratorChoice::Named(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn layers(file: &str, environment: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Result<Layers, ConfigError> {
        let flags = flags.iter().map(|(name, value)| (*name, vec![(*value).to_owned()])).collect();
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Layers::merge(Some((PathBuf::from("wellspring.toml"), file.to_owned())), environment, &flags)
    }

    #[test]
    fn later_layers_win_and_keep_their_origin() {
        let file = "listen = \"127.0.0.1:1\"\n[embedder]\nthreads = 3\n";
        let merged = layers(file, &[("WELLSPRING_LISTEN", "127.0.0.1:2")], &[("listen", "127.0.0.1:3")]).unwrap();
        let config = Config::validate(&merged).unwrap();
        assert_eq!(config.listen.port(), 3);
        assert_eq!(config.embedder_threads, 3);
        assert_eq!(merged.origin("listen"), &Origin::Flag("--listen".to_owned()));
        assert_eq!(merged.origin("embedder.threads"), &Origin::File(PathBuf::from("wellspring.toml")));
        assert_eq!(merged.origin("log"), &Origin::Default);
    }

    #[test]
    fn unknown_names_are_refused_with_the_nearest_one() {
        for (file, environment) in [("lisen = \"x\"", None), ("", Some(("WELLSPRING_LISTE", "x")))] {
            let environment: Vec<_> = environment.into_iter().collect();
            let error = layers(file, &environment, &[]).unwrap_err().to_string();
            assert!(
                error.to_lowercase().contains("did you mean") && error.to_lowercase().contains("listen"),
                "{error}"
            );
        }
        let error = layers("[embedder]\nthread = 1", &[], &[]).unwrap_err().to_string();
        assert!(error.contains("`embedder.threads`"), "{error}");
    }

    #[test]
    fn an_address_that_others_reach_needs_a_key() {
        let open = layers("listen = \"0.0.0.0:7700\"", &[], &[]).unwrap();
        assert!(matches!(Config::validate(&open), Err(ConfigError::OpenDoor { .. })));
        let key = [("WELLSPRING_KEY", "a-secret-of-some-length")];
        let locked = Config::validate(&layers("listen = \"0.0.0.0:7700\"", &key, &[]).unwrap()).unwrap();
        assert!(!format!("{locked:?}").contains("a-secret"));
        for weak in ["short", "                    ", " \t a-short-one \t  "] {
            let weak = layers("", &[("WELLSPRING_KEY", weak)], &[]).unwrap();
            assert!(matches!(Config::validate(&weak), Err(ConfigError::WeakKey)));
        }
    }

    #[test]
    fn a_key_in_the_file_is_refused() {
        assert!(matches!(layers("key = \"x\"", &[], &[]), Err(ConfigError::SecretInFile { .. })));
    }

    #[test]
    fn values_that_do_not_fit_name_their_origin() {
        let error = Config::validate(&layers("listen = \"nowhere\"", &[], &[]).unwrap()).unwrap_err().to_string();
        assert!(error.contains("wellspring.toml") && error.contains("nowhere"), "{error}");
        assert!(Config::validate(&layers("offline = 3", &[], &[]).unwrap()).is_err());
        assert!(Config::validate(&layers("[generator]\ncontext_tokens = 5", &[], &[]).unwrap()).is_err());
    }

    #[test]
    fn sources_are_read_with_paths_beside_the_file() {
        let file = "[[sources]]\nname = \"notes\"\norigin = { kind = \"folder\", path = \"notes\" }\n\
                    [[sources]]\nname = \"blog\"\ntags = [\"news\"]\n\
                    origin = { kind = \"feed\", url = \"https://blog.example/feed.xml\", articles = true }\n";
        let flags = BTreeMap::new();
        let merged =
            Layers::merge(Some((PathBuf::from("/etc/w/wellspring.toml"), file.to_owned())), std::iter::empty(), &flags);
        let sources = Config::validate(&merged.unwrap()).unwrap().sources;
        assert_eq!(serde_json::to_value(&sources[0].origin).unwrap()["path"], "/etc/w/notes");
        assert_eq!((sources[1].name.as_str(), sources[1].origin.kind()), ("blog", "feed"));

        for (bad, word) in [
            ("[[sources]]\nname = \"a\"", "origin"),
            ("[[sources]]\nname = \"a\"\norigin = { kind = \"page\", url = \"x\", depth = 1 }", "depth"),
            ("sources = 3", "list of tables"),
        ] {
            let error = layers(bad, &[], &[]).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("wellspring.toml"), "{error}");
        }
    }

    #[test]
    fn an_address_for_hubs_takes_a_path_behind_it() {
        let address = |text: &str| {
            let file = format!("[serve]\npublic_url = \"{text}\"");
            Config::validate(&layers(&file, &[], &[]).unwrap()).map(|config| config.public_url)
        };
        assert_eq!(address("").unwrap(), None);
        assert_eq!(address("https://docs.example/base/").unwrap().as_deref(), Some("https://docs.example/base"));
        for wrong in ["docs.example", "ftp://docs.example", "https://me@docs.example", "https://docs.example/?a=b"] {
            assert!(matches!(address(wrong), Err(ConfigError::Value { name: "serve.public_url", .. })), "{wrong}");
        }
    }

    #[test]
    fn screening_rules_are_read_and_checked() {
        let rules = |file: &str| layers(file, &[], &[]).map(|layers| Config::validate(&layers).unwrap().screen);
        assert_eq!(rules("").unwrap(), ScreenSettings::default());
        let dropped = rules("[screen]\nnear_duplicate = \"drop\"").unwrap();
        assert_ne!(dropped, ScreenSettings::default());
        for wrong in ["[screen]\nsimilarity_min = 0.0", "[screen]\nflood = 3", "screen = 3"] {
            assert!(matches!(rules(wrong), Err(ConfigError::Screen { .. })), "{wrong}");
        }
        let error = rules("[screen]\nnear_duplicates = \"drop\"").unwrap_err().to_string();
        assert!(error.contains("`screen.near_duplicates`") && error.contains("`screen.near_duplicate`?"), "{error}");
        let layers = layers("[screen]\nlanguages = [\"en\"]", &[], &[]).unwrap();
        let shown = layers.screen_shown();
        let origin = |name: &str| shown.iter().find(|(rule, ..)| rule == name).map(|(.., origin)| origin.clone());
        assert_eq!(origin("screen.languages"), Some(Origin::File(PathBuf::from("wellspring.toml"))));
        assert_eq!(origin("screen.near_duplicate"), Some(Origin::Default));
    }

    #[test]
    fn an_embedder_is_the_default_until_somebody_names_one() {
        let chosen = |file: &str| Config::validate(&layers(file, &[], &[]).unwrap()).unwrap().embedder_model;
        let EmbedderChoice::Default(name) = chosen("") else { panic!("nobody named one") };
        assert_eq!(chosen(&format!("[embedder]\nmodel = \"{name}\"")), EmbedderChoice::Named(name));
    }

    #[test]
    fn adapters_are_names_with_files_beside_the_configuration() {
        let adapters = |file: &str, environment: &[(&str, &str)]| {
            let merged = layers(file, environment, &[]).unwrap();
            Config::validate(&merged).map(|config| (config.generator_adapters, config.answer_adapters))
        };
        let file = "[generator]\nadapters = [\"tone=a/tone.gguf\"]\n[answer]\nadapters = [\"law=tone\"]";
        let (named, chosen) = adapters(file, &[]).unwrap();
        assert_eq!(named, [("tone".to_owned(), PathBuf::from("a/tone.gguf"))]);
        assert_eq!(chosen.into_iter().collect::<Vec<_>>(), [("law".parse().unwrap(), "tone".to_owned())]);
        let (named, _) = adapters("", &[("WELLSPRING_GENERATOR_ADAPTERS", "a=x.gguf:b=y.gguf")]).unwrap();
        assert_eq!(named.len(), 2);
        for wrong in ["tone", "tone=", "=x.gguf", "a b=x.gguf", "a=x:a=y"] {
            assert!(adapters("", &[("WELLSPRING_GENERATOR_ADAPTERS", wrong)]).is_err(), "{wrong}");
        }
        assert!(adapters("[answer]\nadapters = [\"law=tone\"]", &[]).is_err());
    }

    #[test]
    fn a_generator_is_off_a_name_or_a_path() {
        assert_eq!(generator("off"), GeneratorChoice::Off);
        assert_eq!(generator("qwen"), GeneratorChoice::Named("qwen".to_owned()));
        assert_eq!(generator("./a.gguf"), GeneratorChoice::File(PathBuf::from("./a.gguf")));
        assert_eq!(generator("a.gguf"), GeneratorChoice::File(PathBuf::from("a.gguf")));
    }
}
