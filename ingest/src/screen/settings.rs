//! What did the operator say about screening?
//!
//! Invariants:
//! - An unknown field is refused, so that a misspelt rule is not silently off.
//! - Where nothing is said, nothing is lost: copies, noise and boilerplate are marked, languages and floods are nobody's
//!   business. What is dropped depends on what came before, and only the operator can want that.

use serde::{Deserialize, Serialize};
use wellspring_core::screen::Mode;

use super::language;

/// The rules, and their thresholds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScreenSettings {
    /// Another document says the same.
    pub exact_duplicate: Mode,
    /// Another document says nearly the same.
    pub near_duplicate: Mode,
    /// The share of shingles that two near duplicates have in common, 0 to 1.
    pub similarity_min: f64,
    /// Paragraphs that stand in many documents of one source.
    pub boilerplate: Mode,
    /// Documents of a source before its boilerplate can be told.
    pub boilerplate_documents_min: u64,
    /// The share of a source's documents that a paragraph of boilerplate stands in, 0 to 1.
    pub boilerplate_share_min: f64,
    /// Next to nothing said for its length.
    pub entropy: Mode,
    /// Not in one of `languages`; without any named the rule is off.
    pub language: Mode,
    /// The languages that are wanted: ISO 639-1 or 639-3 codes (`en`, `deu`).
    pub languages: Vec<String>,
    /// More documents in an hour than the source's budget.
    pub flood: Mode,
    /// Documents of a source admitted in an hour.
    pub flood_documents_per_hour: u64,
    /// The share of that budget that one part of the source (keys up to the last `/`) may take, 0 to 1.
    pub flood_stratum_share: f64,
}

impl Default for ScreenSettings {
    fn default() -> Self {
        Self {
            exact_duplicate: Mode::Mark,
            near_duplicate: Mode::Mark,
            similarity_min: 0.4,
            boilerplate: Mode::Mark,
            boilerplate_documents_min: 20,
            boilerplate_share_min: 0.5,
            entropy: Mode::Mark,
            language: Mode::Off,
            languages: Vec::new(),
            flood: Mode::Off,
            flood_documents_per_hour: 1000,
            flood_stratum_share: 0.5,
        }
    }
}

impl ScreenSettings {
    /// Every rule off.
    pub fn off() -> Self {
        Self {
            exact_duplicate: Mode::Off,
            near_duplicate: Mode::Off,
            boilerplate: Mode::Off,
            entropy: Mode::Off,
            ..Self::default()
        }
    }

    /// Says what cannot be meant, for the operator; nothing where all is well.
    pub fn problem(&self) -> Option<String> {
        let shares = [
            ("similarity_min", self.similarity_min),
            ("boilerplate_share_min", self.boilerplate_share_min),
            ("flood_stratum_share", self.flood_stratum_share),
        ];
        if let Some((name, _)) = shares.iter().find(|(_, share)| !(*share > 0.0 && *share <= 1.0)) {
            return Some(format!("{name} is a share: above 0, at most 1"));
        }
        if self.language != Mode::Off && self.languages.is_empty() {
            return Some("language names no wanted languages; add `languages`, or set it to off".to_owned());
        }
        self.languages
            .iter()
            .find(|code| language::known(code).is_none())
            .map(|code| format!("languages holds `{code}`, which is no ISO 639 code of a language that can be told"))
    }

    /// Whether some rule compares a document with others.
    pub(super) fn compares(&self) -> bool {
        [self.exact_duplicate, self.near_duplicate, self.boilerplate, self.flood].iter().any(|mode| *mode != Mode::Off)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_with_defaults_and_checked() {
        let read = |json: &str| serde_json::from_str::<ScreenSettings>(json);
        assert_eq!(read("{}").unwrap(), ScreenSettings::default());
        assert_eq!(read(r#"{"near_duplicate": "drop"}"#).unwrap().near_duplicate, Mode::Drop);
        assert!(read(r#"{"near_duplicates": "drop"}"#).is_err());
        assert_eq!(ScreenSettings::default().problem(), None);
        assert!(read(r#"{"similarity_min": 0}"#).unwrap().problem().is_some());
        assert!(read(r#"{"language": "drop"}"#).unwrap().problem().is_some());
        assert!(read(r#"{"language": "drop", "languages": ["en", "deu"]}"#).unwrap().problem().is_none());
        assert!(read(r#"{"languages": ["klingon"]}"#).unwrap().problem().is_some());
    }
}
