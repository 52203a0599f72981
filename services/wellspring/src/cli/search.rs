//! What can be typed behind `wellspring ask` and `wellspring search`?

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use wellspring_core::answer::{AnswerMode, AnswerStyle, Verify};

/// Which documents are looked at; all of them where nothing is said.
#[derive(Debug, Args)]
pub(crate) struct Reach {
    /// Only documents of this source; may be given several times.
    #[arg(long = "source", value_name = "NAME")]
    sources: Vec<String>,
    /// Only documents with this label; with several, one of them suffices.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Only documents whose key this glob matches, such as 'notes/*.md'.
    #[arg(long = "key", value_name = "GLOB")]
    key: Option<String>,
    /// Only documents in this language; may be given several times.
    #[arg(long = "language", value_name = "TAG")]
    languages: Vec<String>,
    /// More demands, as the `filter` of the API: {"published": {"from": "2026-01-01"}, "metadata": {"year": {"gte": 2020}}}.
    #[arg(long, value_name = "JSON", value_parser = object)]
    filter: Option<Map<String, Value>>,
    /// An access label that you bring; may be given several times.
    #[arg(long = "acl", value_name = "LABEL")]
    labels: Vec<String>,
}

impl Reach {
    /// Adds what was said to a request.
    pub(crate) fn add_to(&self, body: &mut Value) {
        let mut filter = self.filter.clone().unwrap_or_default();
        for (name, values) in [("source", &self.sources), ("tags", &self.tags), ("language", &self.languages)] {
            if !values.is_empty() {
                filter.insert(name.to_owned(), json!(values));
            }
        }
        if let Some(key) = &self.key {
            filter.insert("key".to_owned(), json!(key));
        }
        if !filter.is_empty() {
            body["filter"] = Value::Object(filter);
        }
        if !self.labels.is_empty() {
            body["acl"] = json!(self.labels);
        }
    }
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("this is no JSON object: {error}"))
}

fn days(text: &str) -> Result<f64, String> {
    let days: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if days.is_finite() && days > 0.0 { Ok(days) } else { Err("a number of days above 0 is needed".to_owned()) }
}

/// `ask`.
#[derive(Debug, Args)]
pub(crate) struct AskArguments {
    /// The question.
    #[arg(required = true)]
    pub(crate) question: Vec<String>,
    /// How to answer.
    #[arg(long, value_enum, default_value_t = Mode::Auto)]
    pub(crate) mode: Mode,
    /// How long the answer is.
    #[arg(long, value_enum, default_value_t = Style::Auto)]
    pub(crate) style: Style,
    /// What becomes of sentences that the documents do not support [default: the service's setting].
    #[arg(long, value_enum)]
    pub(crate) verify: Option<VerifyChoice>,
    /// A question asked before, which this one leans on; several, the oldest first.
    #[arg(long, value_name = "QUESTION")]
    pub(crate) after: Vec<String>,
    /// The collection to ask.
    #[arg(long, default_value = "default")]
    pub(crate) collection: String,
    /// Which documents are asked.
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// How to answer.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Mode {
    /// Generate where a generator is ready, else extract.
    Auto,
    /// The documents' own sentences.
    Extract,
    /// Generate or fail.
    Generate,
}

impl Mode {
    /// As the API takes it.
    pub(crate) fn answer_mode(self) -> AnswerMode {
        match self {
            Self::Auto => AnswerMode::Auto,
            Self::Extract => AnswerMode::Extract,
            Self::Generate => AnswerMode::Generate,
        }
    }
}

/// How long an answer is.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Style {
    /// By the question and the model.
    Auto,
    /// A fact, a name, a number, or one sentence.
    Short,
    /// Several sentences, steps or a comparison.
    Full,
}

impl Style {
    /// As the API takes it.
    pub(crate) fn answer_style(self) -> Option<AnswerStyle> {
        match self {
            Self::Auto => None,
            Self::Short => Some(AnswerStyle::Short),
            Self::Full => Some(AnswerStyle::Full),
        }
    }
}

/// What becomes of unsupported sentences.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum VerifyChoice {
    /// They stay, and nothing is said of them.
    Off,
    /// They stay without a citation, and the answer says so.
    Mark,
    /// They are taken out, and nothing is shown before it is checked.
    Strict,
}

impl VerifyChoice {
    /// As the API takes it.
    pub(crate) fn verify(self) -> Verify {
        match self {
            Self::Off => Verify::Off,
            Self::Mark => Verify::Mark,
            Self::Strict => Verify::Strict,
        }
    }
}

/// `search`.
#[derive(Debug, Args)]
pub(crate) struct SearchArguments {
    /// What to look for.
    #[arg(required = true)]
    pub(crate) query: Vec<String>,
    /// The most results.
    #[arg(long, default_value_t = 10)]
    pub(crate) limit: usize,
    /// Say why each passage stands where it stands: what the words and the meaning said.
    #[arg(long)]
    pub(crate) explain: bool,
    /// The collection to search.
    #[arg(long, default_value = "default")]
    pub(crate) collection: String,
    /// Prefer newer documents: the age in days at which half of the preference is gone.
    #[arg(long, value_name = "DAYS", value_parser = days)]
    pub(crate) half_life_days: Option<f64>,
    /// The most passages of one document.
    #[arg(long, value_name = "N")]
    pub(crate) per_document: Option<u32>,
    /// Put passages that nearly repeat a better one together with it.
    #[arg(long)]
    pub(crate) collapse: bool,
    /// Passages before and behind each that come with it.
    #[arg(long, value_name = "N")]
    pub(crate) expand: Option<u32>,
    /// Which documents are looked at.
    #[command(flatten)]
    pub(crate) reach: Reach,
}
