//! Which settings are there? The one list behind the file, the environment, the flags, `config show` and the
//! reference page.

/// A setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its key in the file; a dot stands for a table.
    pub(crate) name: &'static str,
    /// What it holds.
    pub(crate) kind: Kind,
    /// The default, in the form of the environment; `None` where it depends on the machine.
    pub(crate) default: Option<&'static str>,
    /// What it is for, in one line.
    pub(crate) help: &'static str,
}

/// What a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text.
    Text,
    /// A path; in the file it is relative to the file.
    Path,
    /// Several paths; in the environment separated by `:`.
    Paths,
    /// Several `name=value` pairs with texts; in the environment separated by `:`.
    NamedTexts,
    /// The same with paths; in the file they are relative to the file.
    NamedPaths,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// Several names; in the environment separated by `,`.
    Names,
}

impl Setting {
    /// Its environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("WELLSPRING_{}", self.name.replace('.', "_").to_uppercase())
    }

    /// Its flag.
    pub(crate) fn flag(&self) -> String {
        format!("--{}", self.name.replace(['.', '_'], "-"))
    }
}

/// Every setting, in the order of `config show`.
pub(crate) const SETTINGS: &[Setting] = &[
    Setting {
        name: "listen",
        kind: Kind::Text,
        default: Some("127.0.0.1:7700"),
        help: "address and port of the HTTP API; any address but a loopback one needs WELLSPRING_KEY",
    },
    Setting {
        name: "data_dir",
        kind: Kind::Path,
        default: None,
        help: "catalog and indexes; default: wellspring/data in the user's data folder",
    },
    Setting {
        name: "models_dir",
        kind: Kind::Path,
        default: None,
        help: "model files; default: wellspring/models in the user's data folder",
    },
    Setting { name: "watch", kind: Kind::Paths, default: None, help: "folders whose documents are kept up to date" },
    Setting {
        name: "collection",
        kind: Kind::Text,
        default: Some("default"),
        help: "the collection that watched folders fill",
    },
    Setting {
        name: "offline",
        kind: Kind::Boolean,
        default: Some("false"),
        help: "never open an outgoing socket; missing models are an error",
    },
    Setting {
        name: "serve.public_url",
        kind: Kind::Text,
        default: Some(""),
        help: "the address under which the hubs of feeds reach this service (WebSub); without it feeds are polled",
    },
    Setting {
        name: "poll.requests_per_hour",
        kind: Kind::Integer,
        default: Some("600"),
        help: "requests an hour to all feeds, sites and pages together; the planner spends them where most changes",
    },
    Setting {
        name: "poll.embedding_seconds_per_hour",
        kind: Kind::Integer,
        default: Some("1800"),
        help: "seconds an hour that embedding what visits bring may take",
    },
    Setting {
        name: "fetch.contact",
        kind: Kind::Text,
        default: Some(""),
        help: "an address shown to visited servers, where their owners find out who asks",
    },
    Setting {
        name: "embedder.model",
        kind: Kind::Text,
        default: Some("all-minilm-l6-v2-dynamic-int8"),
        help: "the embedder, by its name in the model manifest; unset, a data folder keeps the one it was built with",
    },
    Setting {
        name: "embedder.threads",
        kind: Kind::Integer,
        default: Some("0"),
        help: "embedder sessions, one thread each, and one more for questions; 0 is one a core",
    },
    Setting {
        name: "search.keyword_percent",
        kind: Kind::Integer,
        default: Some("35"),
        help: "what the words count for in a search, from 0 to 100; the meaning has the rest (`wellspring tune fusion` finds it)",
    },
    Setting {
        name: "search.feedback_percent",
        kind: Kind::Integer,
        default: Some("50"),
        help: "what the best passages count for beside the question when the meaning is compared once more, from 0 (not at all) to 100",
    },
    Setting {
        name: "vector.quantisation",
        kind: Kind::Text,
        default: Some("off"),
        help: "beyond 20000 pieces, what a search by meaning compares first: `off`, `scalar` (a byte a value) or `binary` (a bit)",
    },
    Setting {
        name: "reranker.model",
        kind: Kind::Text,
        default: Some("off"),
        help: "a cross-encoder that reads the best passages again: `off`, the path of an ONNX file, or a name in models_dir",
    },
    Setting {
        name: "reranker.passages",
        kind: Kind::Integer,
        default: Some("20"),
        help: "the most passages that it reads for one search, from 2 to 100",
    },
    Setting {
        name: "reranker.deadline_ms",
        kind: Kind::Integer,
        default: Some("300"),
        help: "milliseconds that a search waits for it; later, the order is that of the search alone",
    },
    Setting {
        name: "reranker.margin_percent",
        kind: Kind::Integer,
        default: Some("30"),
        help: "it is not asked where the best passage is this far ahead of the second, in hundredths of its score",
    },
    Setting {
        name: "entailment.model",
        kind: Kind::Text,
        default: Some("off"),
        help: "a model that judges whether each generated sentence follows from its quote: `off`, the path of its folder, or the folder's name in models_dir",
    },
    Setting {
        name: "entailment.deadline_ms",
        kind: Kind::Integer,
        default: Some("500"),
        help: "milliseconds that a sentence waits for it; later, what code found stands, and the citation says so",
    },
    Setting {
        name: "entailment.entailed_percent",
        kind: Kind::Integer,
        default: Some("50"),
        help: "the probability of entailment below which a quote supports its sentence in part at most",
    },
    Setting {
        name: "entailment.contradicted_percent",
        kind: Kind::Integer,
        default: Some("50"),
        help: "the probability of contradiction from which on a quote supports nothing",
    },
    Setting {
        name: "answer.sufficiency_percent",
        kind: Kind::Integer,
        default: Some("100"),
        help: "how much evidence an answer needs; more declines more questions (`wellspring tune abstain` finds it)",
    },
    Setting {
        name: "answer.style",
        kind: Kind::Text,
        default: Some("auto"),
        help: "how long an answer is where the caller does not say: `short`, `full`, or `auto`, by the question and the model",
    },
    Setting {
        name: "answer.verify",
        kind: Kind::Text,
        default: Some("mark"),
        help: "what becomes of unsupported sentences where the caller does not say: `off`, `mark` or `strict`",
    },
    Setting {
        name: "answer.busy_ms",
        kind: Kind::Integer,
        default: Some("2000"),
        help: "what a question in mode `auto` waits for others at the generator before the documents' own sentences answer it",
    },
    Setting {
        name: "answer.first_token_ms",
        kind: Kind::Integer,
        default: Some("0"),
        help: "the wanted time to the first token, from which the evidence in a prompt follows; 0 gives each the same",
    },
    Setting {
        name: "answer.cascade",
        kind: Kind::Names,
        default: Some(""),
        help: "the generators that are asked one after the other, small to large: names, those of one step joined by `+`",
    },
    Setting {
        name: "answer.adapters",
        kind: Kind::NamedTexts,
        default: None,
        help: "the generator's adapter for questions of a collection, as `collection=adapter`",
    },
    Setting {
        name: "generator.model",
        kind: Kind::Text,
        default: Some("qwen2.5-coder-0.5b-instruct"),
        help: "the generator: a name in the model manifest, the path of a GGUF file, or `off` for extracts only",
    },
    Setting {
        name: "generator.threads",
        kind: Kind::Integer,
        default: Some("0"),
        help: "threads that the generator computes with; 0 is one a core",
    },
    Setting {
        name: "generator.context_tokens",
        kind: Kind::Integer,
        default: Some("4096"),
        help: "the longest prompt and answer together, in tokens",
    },
    Setting {
        name: "generator.slots",
        kind: Kind::Integer,
        default: Some("4"),
        help: "requests that are written side by side; each has generator.context_tokens of memory to itself",
    },
    Setting {
        name: "generator.cache_type",
        kind: Kind::Text,
        default: Some("f16"),
        help: "how the generator's cache keeps its numbers: `f16`, or `q8_0` for half the memory at some loss",
    },
    Setting {
        name: "generator.step_ms",
        kind: Kind::Integer,
        default: Some("100"),
        help: "milliseconds that a piece of a new prompt may keep running streams waiting; more reads prompts faster",
    },
    Setting {
        name: "generator.adapters",
        kind: Kind::NamedPaths,
        default: None,
        help: "LoRA adapters beside the generator's model, each as `name=file.gguf`; requests and `answer.adapters` name them",
    },
    Setting {
        name: "generator.gpu_layers",
        kind: Kind::Text,
        default: Some("auto"),
        help: "layers of the model that GPUs compute: a number, or `auto` for all that there are; needs a build for GPUs",
    },
    Setting {
        name: "generator.devices",
        kind: Kind::Text,
        default: Some(""),
        help: "the GPUs to use, by their names in `wellspring models devices`, separated by commas; none named is all",
    },
    Setting {
        name: "generator.gpu_split",
        kind: Kind::Text,
        default: Some("layers"),
        help: "how the model lies on several GPUs: `layers` by free memory, `rows` of every matrix, or `off` for the first alone",
    },
    Setting {
        name: "log",
        kind: Kind::Text,
        default: Some("info"),
        help: "what is logged: error, warn, info, debug, or a filter such as `info,wellspring_ingest=debug`",
    },
];
