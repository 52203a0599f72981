//! Which layer said what? Defaults, then the file, then the environment, then flags.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::Value;
use wellspring_core::source::SourceSettings;
use wellspring_ingest::screen::ScreenSettings;

use super::settings::{Kind, SETTINGS, Setting};
use super::{ConfigError, RawGenerator};
use crate::environment;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Built in.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(variable) => write!(f, "the environment variable {variable}"),
            Self::Flag(flag) => write!(f, "the flag {flag}"),
        }
    }
}

/// Values given by flags, by setting; several for a list.
pub(crate) type Values = BTreeMap<&'static str, Vec<String>>;

/// What the command line said about the configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    /// `--config`.
    pub(crate) file: Option<PathBuf>,
    /// The other flags.
    pub(crate) values: Values,
}

/// Every setting's value and origin.
#[derive(Debug)]
pub(crate) struct Layers {
    values: BTreeMap<&'static str, (Value, Origin)>,
    key: Option<String>,
    sources: Vec<SourceSettings>,
    screen: ScreenSettings,
    generators: Vec<RawGenerator>,
    generators_origin: Origin,
    /// The keys of generators, by the variables that the file names.
    generator_keys: BTreeMap<String, String>,
    /// The rules that the file names, and the file.
    screened: Option<(Vec<String>, Origin)>,
}

impl Layers {
    /// Reads the file (the one named, else `wellspring.toml` here, else the user's), the environment and the flags.
    pub(crate) fn read(flags: &Flags) -> Result<Self, ConfigError> {
        let named = flags.file.clone().or_else(|| std::env::var_os(environment::CONFIG).map(PathBuf::from));
        let found = || {
            let places = [PathBuf::from("wellspring.toml"), environment::config_home().join("wellspring.toml")];
            places.into_iter().find(|path| path.is_file())
        };
        let file = match named.or_else(found) {
            Some(path) => {
                let text = read(&path).map_err(|source| ConfigError::Read { path: path.clone(), source })?;
                Some((path, text))
            }
            None => None,
        };
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            Some((name, value.to_string_lossy().into_owned()))
        });
        Self::merge(file, environment, &flags.values)
    }

    /// Merges given layers; `file` is a path and its text.
    pub(crate) fn merge(
        file: Option<(PathBuf, String)>,
        environment: impl Iterator<Item = (String, String)>,
        flags: &Values,
    ) -> Result<Self, ConfigError> {
        let mut layers = Self {
            values: defaults(),
            key: None,
            sources: Vec::new(),
            screen: ScreenSettings::default(),
            generators: Vec::new(),
            generators_origin: Origin::Default,
            generator_keys: BTreeMap::new(),
            screened: None,
        };
        if let Some((path, text)) = file {
            layers.add_file(&path, &text)?;
        }
        for (variable, value) in environment {
            if layers.generators.iter().any(|generator| generator.key_env.as_ref() == Some(&variable)) {
                layers.generator_keys.insert(variable, value);
            } else if variable.starts_with("WELLSPRING_") {
                layers.add_variable(variable, value)?;
            }
        }
        for (name, values) in flags {
            let Some(setting) = SETTINGS.iter().find(|setting| setting.name == *name) else { continue };
            let origin = Origin::Flag(setting.flag());
            let value = match setting.kind {
                Kind::Paths | Kind::NamedTexts | Kind::NamedPaths => {
                    Value::Array(values.iter().cloned().map(Value::String).collect())
                }
                _ => from_text(setting, values.last().map(String::as_str).unwrap_or_default()),
            };
            layers.values.insert(setting.name, (value, origin));
        }
        Ok(layers)
    }

    fn add_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let mut table = text
            .parse::<toml::Table>()
            .map_err(|source| ConfigError::Syntax { path: path.to_owned(), source: Box::new(source) })?;
        let origin = Origin::File(path.to_owned());
        if let Some(rules) = table.remove(SCREEN) {
            let named = rules.as_table().into_iter().flat_map(toml::Table::keys).cloned().collect();
            self.screen = screen(rules, &origin)?;
            self.screened = Some((named, origin.clone()));
        }
        for (name, value) in flatten(table) {
            if name == "key" {
                return Err(ConfigError::SecretInFile { origin });
            }
            if name == GENERATORS {
                self.generators_origin = origin.clone();
                self.generators = self.read_generators(value)?;
                continue;
            }
            if name == SOURCES {
                self.sources = sources(value, path.parent().unwrap_or(Path::new("")), &origin)?;
                continue;
            }
            let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
                let nearest = nearest(&name, SETTINGS.iter().map(|setting| setting.name.to_owned()));
                return Err(ConfigError::Unknown { name, origin, nearest });
            };
            let value = relative_to(path.parent().unwrap_or(Path::new("")), setting.kind, value);
            self.values.insert(setting.name, (value, origin.clone()));
        }
        Ok(())
    }

    fn add_variable(&mut self, variable: String, value: String) -> Result<(), ConfigError> {
        if variable == environment::KEY {
            self.key = Some(value).filter(|key| !key.is_empty());
            return Ok(());
        }
        if environment::OTHERS.contains(&variable.as_str()) {
            return Ok(());
        }
        let origin = Origin::Environment(variable.clone());
        let Some(setting) = SETTINGS.iter().find(|setting| setting.variable() == variable) else {
            let known = SETTINGS.iter().map(Setting::variable).chain(environment::OTHERS.iter().map(|&n| n.to_owned()));
            return Err(ConfigError::Unknown { nearest: nearest(&variable, known), name: variable, origin });
        };
        self.values.insert(setting.name, (from_text(setting, &value), origin));
        Ok(())
    }

    /// The screening rules of the file; no other layer has any.
    pub(crate) fn screen(&self) -> &ScreenSettings {
        &self.screen
    }

    /// Reads the file's generators.
    fn read_generators(&self, value: Value) -> Result<Vec<RawGenerator>, ConfigError> {
        let Value::Array(tables) = value else {
            let expected = "expected a list of tables, each beginning with [[generators]]";
            return Err(self.generator_refused(1, expected.to_owned()));
        };
        let read = |(place, table): (usize, Value)| {
            let unread = |error: toml::de::Error| self.generator_refused(place + 1, error.message().to_owned());
            table.try_into().map_err(unread)
        };
        tables.into_iter().enumerate().map(read).collect()
    }

    /// The generators that the file names; no other layer has any.
    pub(crate) fn generators(&self) -> &[RawGenerator] {
        &self.generators
    }

    /// The key of a generator, by the variable that the file names for it.
    pub(crate) fn generator_key(&self, variable: &str) -> Option<&str> {
        self.generator_keys.get(variable).map(String::as_str)
    }

    /// An error about one of the file's generators.
    pub(crate) fn generator_refused(&self, number: usize, reason: String) -> ConfigError {
        ConfigError::Generator { number, origin: self.generators_origin.clone(), reason }
    }

    /// Several names.
    pub(crate) fn names(&self, name: &'static str) -> Result<Vec<&str>, ConfigError> {
        let refused = || self.refused(name, "expected a list of names".to_owned());
        let list = self.shown(name).as_array().ok_or_else(refused)?;
        list.iter().map(|value| value.as_str().ok_or_else(refused)).collect()
    }

    /// Each screening rule by its dotted name, with its value and where it came from.
    pub(crate) fn screen_shown(&self) -> Vec<(String, Value, Origin)> {
        let origin = |rule: &String| match &self.screened {
            Some((named, file)) if named.contains(rule) => file.clone(),
            _ => Origin::Default,
        };
        let rules = rules_of(&self.screen).into_iter();
        rules.map(|(rule, value)| (format!("{SCREEN}.{rule}"), value, origin(&rule))).collect()
    }

    /// The sources that the file names; no other layer has any.
    pub(crate) fn sources(&self) -> &[SourceSettings] {
        &self.sources
    }

    /// The key, from the environment only.
    pub(crate) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Where a setting's value came from.
    pub(crate) fn origin(&self, name: &'static str) -> &Origin {
        &self.values[name].1
    }

    /// A setting's value as `config show` prints it.
    pub(crate) fn shown(&self, name: &'static str) -> &Value {
        &self.values[name].0
    }

    /// An error about a setting's value.
    pub(crate) fn refused(&self, name: &'static str, expected: String) -> ConfigError {
        let (value, origin) = &self.values[name];
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        ConfigError::Value { name, origin: origin.clone(), value, expected }
    }

    /// A text.
    pub(crate) fn text(&self, name: &'static str) -> Result<&str, ConfigError> {
        self.shown(name).as_str().ok_or_else(|| self.refused(name, "expected text".to_owned()))
    }

    /// A path.
    pub(crate) fn path(&self, name: &'static str) -> Result<PathBuf, ConfigError> {
        match self.text(name)? {
            "" => Err(self.refused(name, "expected a path".to_owned())),
            path => Ok(PathBuf::from(path)),
        }
    }

    /// Several paths.
    pub(crate) fn paths(&self, name: &'static str) -> Result<Vec<PathBuf>, ConfigError> {
        let refused = || self.refused(name, "expected a list of paths".to_owned());
        let list = self.shown(name).as_array().ok_or_else(refused)?;
        list.iter().map(|value| value.as_str().map(PathBuf::from).ok_or_else(refused)).collect()
    }

    /// Several pairs of a name and a value that is not empty, no two with one name.
    pub(crate) fn named(&self, name: &'static str) -> Result<Vec<(String, String)>, ConfigError> {
        let refused = || self.refused(name, "expected a list of texts such as `name=value`, each name once".to_owned());
        let list = self.shown(name).as_array().ok_or_else(refused)?;
        let mut pairs: Vec<(String, String)> = Vec::new();
        for value in list {
            let pair = value.as_str().and_then(|pair| pair.split_once('=')).filter(|(_, value)| !value.is_empty());
            let (key, value) = pair.ok_or_else(refused)?;
            if pairs.iter().any(|(other, _)| other == key) {
                return Err(refused());
            }
            pairs.push((key.to_owned(), value.to_owned()));
        }
        Ok(pairs)
    }

    /// A truth value.
    pub(crate) fn boolean(&self, name: &'static str) -> Result<bool, ConfigError> {
        self.shown(name).as_bool().ok_or_else(|| self.refused(name, "expected true or false".to_owned()))
    }

    /// A whole number between two bounds, both allowed.
    pub(crate) fn integer(&self, name: &'static str, min: i64, max: i64) -> Result<i64, ConfigError> {
        let fits = self.shown(name).as_integer().filter(|number| (min..=max).contains(number));
        fits.ok_or_else(|| self.refused(name, format!("expected a whole number from {min} to {max}")))
    }
}

/// A configuration file is a page; anything longer is another file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads a regular file of bounded size: a pipe would be waited for, a device read for ever.
fn read(path: &Path) -> std::io::Result<String> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(std::io::Error::other(format!("it is longer than {FILE_BYTES_MAX} bytes")));
    }
    std::fs::read_to_string(path)
}

fn defaults() -> BTreeMap<&'static str, (Value, Origin)> {
    let value = |setting: &Setting| match (setting.default, setting.name) {
        (Some(text), _) => from_text(setting, text),
        (None, "data_dir") => path_value(&environment::data_home().join("data")),
        (None, "models_dir") => path_value(&environment::data_home().join("models")),
        (None, _) => Value::Array(Vec::new()),
    };
    SETTINGS.iter().map(|setting| (setting.name, (value(setting), Origin::Default))).collect()
}

fn path_value(path: &Path) -> Value {
    Value::String(path.to_string_lossy().into_owned())
}

/// Reads a value in the form of the environment; what does not fit stays text and is refused at validation.
fn from_text(setting: &Setting, text: &str) -> Value {
    let as_text = || Value::String(text.to_owned());
    match setting.kind {
        Kind::Text | Kind::Path => as_text(),
        Kind::Paths | Kind::NamedTexts | Kind::NamedPaths => {
            let paths = std::env::split_paths(text).filter(|path| !path.as_os_str().is_empty());
            Value::Array(paths.map(|path| path_value(&path)).collect())
        }
        Kind::Names => {
            let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
            Value::Array(names.map(|name| Value::String(name.to_owned())).collect())
        }
        Kind::Boolean => text.parse().map_or_else(|_| as_text(), Value::Boolean),
        Kind::Integer => text.parse().map_or_else(|_| as_text(), Value::Integer),
    }
}

/// Paths in a file are relative to the file, wherever the service is started from.
fn relative_to(folder: &Path, kind: Kind, value: Value) -> Value {
    match (kind, value) {
        (Kind::Path, Value::String(path)) => path_value(&folder.join(path)),
        (Kind::Paths, Value::Array(paths)) => {
            Value::Array(paths.into_iter().map(|path| relative_to(folder, Kind::Path, path)).collect())
        }
        (Kind::NamedPaths, Value::Array(pairs)) => {
            let joined = |pair: Value| match pair.as_str().and_then(|pair| pair.split_once('=')) {
                Some((name, path)) => Value::String(format!("{name}={}", folder.join(path).display())),
                None => pair,
            };
            Value::Array(pairs.into_iter().map(joined).collect())
        }
        (_, value) => value,
    }
}

/// The name of the list of sources, a table each. It is no setting: the environment and the flags have no form for it.
const SOURCES: &str = "sources";

/// Reads the file's sources, in the form that the API takes; a folder's path is relative to the file.
fn sources(value: Value, folder: &Path, origin: &Origin) -> Result<Vec<SourceSettings>, ConfigError> {
    let refused = |number: usize, reason: String| ConfigError::Source { number, origin: origin.clone(), reason };
    let Value::Array(tables) = value else {
        return Err(refused(1, "expected a list of tables, each beginning with [[sources]]".to_owned()));
    };
    let mut sources = Vec::new();
    for (place, mut table) in tables.into_iter().enumerate() {
        if let Some(path) = table.get_mut("origin").and_then(|origin| origin.get_mut("path"))
            && let Some(text) = path.as_str()
        {
            let joined = folder.join(text);
            *path = path_value(&std::path::absolute(&joined).unwrap_or(joined));
        }
        let source =
            table.try_into().map_err(|error: toml::de::Error| refused(place + 1, error.message().to_owned()))?;
        sources.push(source);
    }
    Ok(sources)
}

/// The name of the list of generators, a table each; the environment and the flags have no form for it.
const GENERATORS: &str = "generators";

/// The name of the table of screening rules; the environment and the flags have no form for it.
const SCREEN: &str = "screen";

/// The screening rules by name, as they are written.
fn rules_of(settings: &ScreenSettings) -> Vec<(String, Value)> {
    let written = toml::Table::try_from(settings).expect("the rules are plain values");
    written.into_iter().collect()
}

/// Reads the file's screening rules.
fn screen(rules: Value, origin: &Origin) -> Result<ScreenSettings, ConfigError> {
    let known = rules_of(&ScreenSettings::default());
    let unknown =
        |table: &toml::Table| table.keys().find(|name| known.iter().all(|(known, _)| known != *name)).cloned();
    if let Some(unknown) = rules.as_table().and_then(unknown) {
        let nearest = nearest(&unknown, known.into_iter().map(|(name, _)| name));
        let (name, nearest) = (format!("{SCREEN}.{unknown}"), format!("{SCREEN}.{nearest}"));
        return Err(ConfigError::Unknown { name, origin: origin.clone(), nearest });
    }
    let refused = |reason: String| ConfigError::Screen { origin: origin.clone(), reason };
    let settings: ScreenSettings =
        rules.try_into().map_err(|error: toml::de::Error| refused(error.message().to_owned()))?;
    match settings.problem() {
        Some(problem) => Err(refused(problem)),
        None => Ok(settings),
    }
}

/// Turns tables into dotted names.
fn flatten(table: toml::Table) -> Vec<(String, Value)> {
    let mut flat = Vec::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) => {
                flat.extend(flatten(inner).into_iter().map(|(below, value)| (format!("{name}.{below}"), value)));
            }
            value => flat.push((name, value)),
        }
    }
    flat
}

/// The known name that takes the fewest changes to reach.
fn nearest(name: &str, known: impl Iterator<Item = String>) -> String {
    known.min_by_key(|candidate| strsim::damerau_levenshtein(name, candidate)).unwrap_or_default()
}
