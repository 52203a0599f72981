//! Which generators stand behind the service, and in which order are they asked?
//!
//! ```toml
//! [[generators]]
//! name = "big"
//! url = "http://10.0.0.5:8000/v1"      # a server that speaks the OpenAI protocol
//! model = "qwen2.5-7b-instruct"        # what it calls its model; the first that it lists where left out
//! key_env = "BIG_KEY"                  # the environment variable that has its key
//!
//! [[generators]]
//! name = "small"
//! model = "qwen2.5-coder-0.5b-instruct"    # without a URL: a process of our own
//! ```
//!
//! Invariants:
//! - Only the addresses that the file names are asked. A URL carries no name and no key.
//! - A key comes from the environment and shows nowhere: not in `Debug`, not in `config show`, not in an error.

use std::fmt;

use serde::Deserialize;
use wellspring_core::limits;

use super::{ConfigError, GeneratorChoice, Layers, Origin};

/// The name of the generator that `generator.model` names.
pub(crate) const OWN: &str = "local";
/// What parts generators of one step in `answer.cascade`.
const BESIDE: char = '+';

/// A `[[generators]]` table as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawGenerator {
    /// What it is called here.
    pub(crate) name: String,
    /// Where it is; a process of our own where left out.
    pub(crate) url: Option<String>,
    /// Its model.
    pub(crate) model: Option<String>,
    /// The environment variable that has its key.
    pub(crate) key_env: Option<String>,
}

/// A generator that is to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GeneratorEntry {
    /// What it is called here: in the status, in the metrics and in `answer.cascade`.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) place: GeneratorPlace,
}

/// Where a generator is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GeneratorPlace {
    /// In a process of our own.
    Own(GeneratorChoice),
    /// Behind a URL.
    Url {
        /// Under which it has `/v1`.
        url: String,
        /// What it calls its model.
        model: Option<String>,
        /// The variable that has what it wants to be shown.
        key_env: Option<String>,
        /// What it wants to be shown.
        key: Option<Secret>,
    },
}

impl GeneratorEntry {
    /// The entry as it stands in a configuration file, without its key.
    pub(crate) fn as_written(&self) -> toml::Table {
        let mut table = toml::Table::from_iter([("name".to_owned(), self.name.clone().into())]);
        let fields = match &self.place {
            GeneratorPlace::Own(GeneratorChoice::Off) => vec![],
            GeneratorPlace::Own(GeneratorChoice::Named(name)) => vec![("model", Some(name.clone()))],
            GeneratorPlace::Own(GeneratorChoice::File(path)) => {
                let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                vec![("model", Some(path.to_string_lossy().into_owned()))]
            }
            GeneratorPlace::Url { url, model, key_env, .. } => {
                vec![("url", Some(url.clone())), ("model", model.clone()), ("key_env", key_env.clone())]
            }
        };
        table.extend(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
        table
    }

    /// Whether asking it needs a connection to another machine.
    pub(crate) fn is_elsewhere(&self) -> bool {
        match &self.place {
            GeneratorPlace::Own(_) => false,
            GeneratorPlace::Url { url, .. } => reqwest::Url::parse(url).is_ok_and(|url| !is_loopback(&url)),
        }
    }
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text, for whom it is meant.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Validates the generators: the list, with `generator.model` in front where somebody named it or nothing is listed.
pub(super) fn generators(
    layers: &Layers,
    own: &GeneratorChoice,
    offline: bool,
) -> Result<Vec<GeneratorEntry>, ConfigError> {
    let listed = layers.generators();
    let mut entries = Vec::new();
    let named = layers.origin("generator.model") != &Origin::Default;
    if *own != GeneratorChoice::Off && (named || listed.is_empty()) {
        entries.push(GeneratorEntry { name: OWN.to_owned(), place: GeneratorPlace::Own(own.clone()) });
    }
    for (number, raw) in listed.iter().enumerate() {
        let refused = |reason: String| layers.generator_refused(number + 1, reason);
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        if raw.name.is_empty() || raw.name.len() > limits::SHORT_NAME_BYTES_MAX || !raw.name.chars().all(fits) {
            return Err(refused("`name` has 1 to 64 of a to z, 0 to 9, `-`, `_` and `.`".to_owned()));
        }
        if raw.name == OWN || entries.iter().any(|entry| entry.name == raw.name) {
            return Err(refused(format!("the name `{}` is taken", raw.name)));
        }
        entries.push(GeneratorEntry { name: raw.name.clone(), place: place(layers, raw, offline).map_err(refused)? });
    }
    if entries.len() > limits::GENERATORS_MAX {
        let reason = format!("there can be {} generators", limits::GENERATORS_MAX);
        return Err(layers.generator_refused(entries.len(), reason));
    }
    Ok(entries)
}

fn place(layers: &Layers, raw: &RawGenerator, offline: bool) -> Result<GeneratorPlace, String> {
    let Some(url) = &raw.url else {
        if raw.key_env.is_some() {
            return Err("`key_env` is for a generator with a `url`".to_owned());
        }
        let model = raw.model.as_deref().filter(|model| *model != "off");
        let model = model.ok_or("it needs a `url`, or the `model` of a process of our own")?;
        return Ok(GeneratorPlace::Own(super::generator(model)));
    };
    let parsed = reqwest::Url::parse(url).map_err(|_| "`url` is no URL, such as http://10.0.0.5:8000/v1".to_owned())?;
    let plain = parsed.username().is_empty() && parsed.password().is_none();
    if !matches!(parsed.scheme(), "http" | "https") || parsed.query().is_some() || parsed.fragment().is_some() || !plain
    {
        return Err(
            "`url` is http or https, without a name, a key, `?` and `#`; a key is named by `key_env`".to_owned()
        );
    }
    if offline && !is_loopback(&parsed) {
        return Err("`offline` opens no connection to another machine, and this `url` is on one".to_owned());
    }
    let key = match &raw.key_env {
        None => None,
        Some(variable) => {
            let key = layers.generator_key(variable).map(str::trim).filter(|key| !key.is_empty());
            let fits = |key: &&str| key.chars().all(|c| c.is_ascii_graphic());
            let key = key.filter(fits).ok_or_else(|| {
                format!("the environment variable {variable} must have its key, in plain letters, digits and signs")
            })?;
            Some(Secret(key.to_owned()))
        }
    };
    Ok(GeneratorPlace::Url { url: url.clone(), model: raw.model.clone(), key_env: raw.key_env.clone(), key })
}

fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The steps in which generators are asked, small to large, each by places in `entries`; one step of all where no order is
/// given.
pub(super) fn steps(layers: &Layers, entries: &[GeneratorEntry]) -> Result<Vec<Vec<usize>>, ConfigError> {
    const NAME: &str = "answer.cascade";
    let names = layers.names(NAME)?;
    if names.is_empty() {
        return Ok(if entries.is_empty() { Vec::new() } else { vec![(0..entries.len()).collect()] });
    }
    let refused = |reason: String| layers.refused(NAME, reason);
    let mut taken: Vec<usize> = Vec::new();
    let mut steps = Vec::new();
    for step in &names {
        let mut places = Vec::new();
        for name in step.split(BESIDE).map(str::trim) {
            let place = entries.iter().position(|entry| entry.name == name).ok_or_else(|| {
                let known: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
                refused(format!("there is no generator `{name}`; there are: {}", known.join(", ")))
            })?;
            if taken.contains(&place) {
                return Err(refused(format!("`{name}` is named twice")));
            }
            taken.push(place);
            places.push(place);
        }
        steps.push(places);
    }
    if let Some(entry) = (0..entries.len()).find(|place| !taken.contains(place)).map(|place| &entries[place]) {
        return Err(refused(format!("`{}` is in no step, and would never be asked", entry.name)));
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::super::Config;
    use super::*;

    fn config(file: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let file = Some((PathBuf::from("wellspring.toml"), file.to_owned()));
        Config::validate(&Layers::merge(file, environment, &BTreeMap::new())?)
    }

    fn names(config: &Config) -> Vec<&str> {
        config.generators.iter().map(|entry| entry.name.as_str()).collect()
    }

    const TWO: &str = "[[generators]]\nname = \"a\"\nurl = \"http://127.0.0.1:8000/v1\"\n\
                       [[generators]]\nname = \"b\"\nurl = \"https://models.example\"\nmodel = \"m\"\nkey_env = \"B_KEY\"\n";

    #[test]
    fn the_own_generator_stands_alone_until_others_are_listed_and_beside_them_where_it_is_named() {
        assert_eq!(names(&config("", &[]).unwrap()), ["local"]);
        let key = [("B_KEY", "secret-of-b")];
        assert_eq!(names(&config(TWO, &key).unwrap()), ["a", "b"]);
        let named = format!("[generator]\nmodel = \"qwen\"\n{TWO}");
        assert_eq!(names(&config(&named, &key).unwrap()), ["local", "a", "b"]);
        assert!(config("[generator]\nmodel = \"off\"", &[]).unwrap().generators.is_empty());
    }

    #[test]
    fn a_key_comes_from_the_environment_and_shows_nowhere() {
        let config = config(TWO, &[("B_KEY", " secret-of-b\n")]).unwrap();
        let GeneratorPlace::Url { key: Some(key), .. } = &config.generators[1].place else { panic!("b has a key") };
        assert_eq!(key.reveal(), "secret-of-b");
        assert!(!format!("{config:?}").contains("secret-of-b"));
        for key in [&[][..], &[("B_KEY", "")], &[("B_KEY", "a\nb")]] {
            let error = super::tests::config(TWO, key).unwrap_err().to_string();
            assert!(error.contains("B_KEY") && error.contains("number 2"), "{error}");
        }
        // Ours may be named like our settings, which it is not taken for.
        let ours = TWO.replace("B_KEY", "WELLSPRING_B_KEY");
        assert!(super::tests::config(&ours, &[("WELLSPRING_B_KEY", "secret")]).is_ok());
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        let one = |lines: &str| config(&format!("[[generators]]\n{lines}"), &[]).unwrap_err().to_string();
        for (lines, word) in [
            ("name = \"A b\"\nurl = \"http://x\"", "name"),
            ("name = \"local\"\nurl = \"http://x\"", "taken"),
            ("name = \"a\"", "url"),
            ("name = \"a\"\nmodel = \"off\"", "url"),
            ("name = \"a\"\nurl = \"file:///etc/passwd\"", "http"),
            ("name = \"a\"\nurl = \"http://me:pw@x\"", "key_env"),
            ("name = \"a\"\nurl = \"x\"", "URL"),
            ("name = \"a\"\nurl = \"http://x\"\nkey = \"secret\"", "key"),
            ("name = \"a\"\nmodel = \"m\"\nkey_env = \"K\"", "key_env"),
        ] {
            let error = one(lines);
            assert!(error.contains(word) && error.contains("number 1") && !error.contains("secret"), "{error}");
        }
        let offline =
            |url: &str| config(&format!("offline = true\n[[generators]]\nname = \"a\"\nurl = \"{url}\""), &[]);
        assert!(offline("http://10.0.0.5").unwrap_err().to_string().contains("offline"));
        for here in ["http://127.0.0.1:9", "http://[::1]:9", "http://localhost:9/v1"] {
            assert!(offline(here).is_ok(), "{here}");
        }
    }

    #[test]
    fn a_cascade_names_every_generator_once() {
        let steps = |cascade: &str| {
            let file = format!("[answer]\ncascade = {cascade}\n{TWO}");
            config(&file, &[("B_KEY", "k")]).map(|config| config.generator_steps)
        };
        assert_eq!(config(TWO, &[("B_KEY", "k")]).unwrap().generator_steps, [vec![0, 1]]);
        assert_eq!(steps("[\"b\", \"a\"]").unwrap(), [vec![1], vec![0]]);
        assert_eq!(steps("[\"a + b\"]").unwrap(), [vec![0, 1]]);
        for (wrong, word) in
            [("[\"a\"]", "`b`"), ("[\"a\", \"c\"]", "`c`"), ("[\"a\", \"b+a\"]", "twice"), ("3", "list")]
        {
            let error = steps(wrong).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        let environment = [("B_KEY", "k"), ("WELLSPRING_ANSWER_CASCADE", "a, b")];
        assert_eq!(config(TWO, &environment).unwrap().generator_steps, [vec![0], vec![1]]);
    }
}
