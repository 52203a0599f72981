//! Which model judges whether generated sentences follow from their quotes, and what does its word count for?

use std::path::PathBuf;
use std::time::Duration;

use super::{ConfigError, Layers};

/// The validated settings.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EntailmentConfig {
    /// Its folder: a path, or a name in the models folder; `None` for none.
    pub(crate) model: Option<PathBuf>,
    /// What a sentence waits for it.
    pub(crate) deadline: Duration,
    /// The probability of entailment below which a support is partial at most.
    pub(crate) entailed_min: f32,
    /// The probability of contradiction from which on nothing is supported.
    pub(crate) contradicted_min: f32,
}

/// A path has a separator; a name is that of a folder in the models folder.
pub(super) fn entailment(layers: &Layers) -> Result<EntailmentConfig, ConfigError> {
    let model = match layers.text("entailment.model")? {
        "off" => None,
        path if path.contains(std::path::MAIN_SEPARATOR) => Some(PathBuf::from(path)),
        name => Some(layers.path("models_dir")?.join(name)),
    };
    let share = |name| layers.integer(name, 1, 100).map(|percent| percent as f32 / 100.0);
    Ok(EntailmentConfig {
        model,
        deadline: Duration::from_millis(layers.integer("entailment.deadline_ms", 1, 60_000)?.unsigned_abs()),
        entailed_min: share("entailment.entailed_percent")?,
        contradicted_min: share("entailment.contradicted_percent")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str) -> Result<EntailmentConfig, ConfigError> {
        let file = Some((PathBuf::from("wellspring.toml"), format!("models_dir = \"/m\"\n[entailment]\n{file}")));
        entailment(&Layers::merge(file, std::iter::empty(), &Default::default())?)
    }

    #[test]
    fn a_model_is_off_a_name_or_a_path() {
        assert_eq!(read("").unwrap().model, None);
        assert_eq!(read("model = \"inference\"").unwrap().model, Some(PathBuf::from("/m/inference")));
        assert_eq!(read("model = \"./inference\"").unwrap().model, Some(PathBuf::from("./inference")));
    }

    #[test]
    fn thresholds_are_shares_within_their_bounds() {
        let config = read("entailed_percent = 70\ncontradicted_percent = 100").unwrap();
        assert_eq!((config.entailed_min, config.contradicted_min), (0.7, 1.0));
        for wrong in ["entailed_percent = 0", "contradicted_percent = 101", "deadline_ms = 0", "percent = 1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
