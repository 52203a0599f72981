//! Which lines are logged?
//!
//! Invariants:
//! - A filter that is taken is one that `tracing` takes, and its levels are levels.

use super::ConfigError;
use super::layers::Layers;

/// The filter of the setting `log`.
pub(super) fn log(layers: &Layers) -> Result<String, ConfigError> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let text = layers.text("log")?;
    if let Err(error) = text.parse::<tracing_subscriber::EnvFilter>() {
        return Err(layers.refused("log", format!("not a log filter ({error}); try `info`")));
    }
    // A level that is misspelt would be taken for a module that logs nothing else.
    let alone = text.split(',').map(str::trim).filter(|part| !part.is_empty() && !part.contains(['=', '[', ':', '_']));
    let is_level =
        |part: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(part)) || part.parse::<u8>().is_ok();
    match alone.into_iter().find(|part| !is_level(part)) {
        Some(part) => {
            let nearest = LEVELS.iter().min_by_key(|level| strsim::damerau_levenshtein(part, level)).unwrap_or(&"info");
            let instead = format!("`{part}` is no level; did you mean `{nearest}`? A module is written `{part}=debug`");
            Err(layers.refused("log", instead))
        }
        None => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_misspelt_level_is_no_module() {
        let log = |text: &str| {
            let file = Some((PathBuf::from("wellspring.toml"), format!("log = \"{text}\"")));
            log(&Layers::merge(file, std::iter::empty(), &Default::default()).unwrap())
        };
        assert!(log("inof").unwrap_err().to_string().contains("did you mean `info`"));
        assert!(log("warn,wellspring=tracee").is_err());
        for fine in ["info", "WARN", "warn,wellspring_ingest=debug", "wellspring_http=trace,error", "2"] {
            assert_eq!(log(fine).unwrap(), fine);
        }
    }
}
