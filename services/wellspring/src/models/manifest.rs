//! What must each model file be, and where can it be had?
//!
//! Invariants:
//! - The manifest is part of the program: a program and its models are one version. Unknown fields are refused.
//! - A file's name is a plain name, so that nothing is ever written outside the models folder.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use wellspring_core::embedding::EmbeddingSpace;

/// The set that is meant where none is named.
const DEFAULT_SET: &str = "default";
/// Names at least this alike are worth suggesting.
const SUGGESTION_LIKENESS_MIN: f64 = 0.7;

/// The models that this version of the program knows.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// Where hub sources are.
    pub(crate) hub: String,
    sets: BTreeMap<String, Vec<String>>,
    models: Vec<Model>,
}

/// One file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Model {
    /// What people and settings call it.
    pub(crate) name: String,
    /// Its name in the models folder.
    pub(crate) file: String,
    /// What it is for.
    pub(crate) kind: Kind,
    /// Its size.
    pub(crate) bytes: u64,
    /// Its SHA-256, in lower-case hexadecimal.
    pub(crate) sha256: String,
    /// An SPDX expression.
    pub(crate) licence: String,
    /// What else a person should know.
    pub(crate) note: Option<String>,
    /// What an embedder's vectors are.
    pub(crate) embedder: Option<EmbedderFacts>,
    /// What a generator reads.
    pub(crate) generator: Option<GeneratorFacts>,
    /// The file in a repository of the hub.
    pub(crate) hub: Option<HubSource>,
    /// The file in parts in a package index.
    pub(crate) package: Option<PackageSource>,
}

/// What a model file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The shared library that runs embedders.
    Runtime,
    /// What cuts text into an embedder's tokens.
    Tokenizer,
    /// Makes vectors.
    Embedder,
    /// Writes answers.
    Generator,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Runtime => "runtime",
            Self::Tokenizer => "tokenizer",
            Self::Embedder => "embedder",
            Self::Generator => "generator",
        })
    }
}

/// An embedder's space and the files it needs beside its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmbedderFacts {
    model: String,
    runtime: String,
    tokenizer: String,
    pub(super) dimension: usize,
    pooling: String,
    query_prefix: String,
    passage_prefix: String,
    tokens_max: usize,
    languages: Vec<String>,
}

/// What a generator reads.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GeneratorFacts {
    /// The longest context it was trained for.
    pub(crate) context_tokens: u32,
    /// How its prompts are written.
    pub(crate) prompt: String,
}

/// A file in a repository, at a revision that cannot change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HubSource {
    /// Owner and name.
    pub(crate) repository: String,
    /// The commit.
    pub(crate) revision: String,
    /// The file's path there.
    pub(crate) path: String,
}

/// A file in parts, each in a package of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PackageSource {
    /// The version of every package.
    pub(crate) version: String,
    /// The build to ask for; any when the packages have one for all.
    pub(crate) wheel: Option<WheelTags>,
    /// The parts, in order.
    pub(crate) parts: Vec<PackagePart>,
}

/// Which build of a package: named, so that it does not depend on the Python that happens to be installed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WheelTags {
    /// Operating system and processor.
    pub(crate) platform: String,
    /// Python's version without its dot.
    pub(crate) python_version: String,
    /// Which Python.
    pub(crate) implementation: String,
    /// Its binary interface.
    pub(crate) abi: String,
}

/// One part of a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PackagePart {
    /// The package's name.
    pub(crate) package: String,
    /// The part's path in the package, with `!` before a path in an archive there.
    pub(crate) member: String,
    /// The part's size.
    pub(crate) bytes: u64,
}

/// An embedder with everything it needs, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EmbedderModel {
    /// The weights.
    pub(crate) name: String,
    /// The library that runs them.
    pub(crate) runtime: String,
    /// Their tokenizer.
    pub(crate) tokenizer: String,
    space: EmbeddingSpace,
}

impl EmbedderModel {
    /// The space its vectors lie in.
    pub(crate) fn space(&self) -> EmbeddingSpace {
        self.space.clone()
    }
}

/// A name that the manifest does not have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum NameError {
    /// No model is called that.
    #[error("no model is called `{name}`{}; `wellspring models list` shows them all", suggestion(nearest))]
    Model {
        /// The name.
        name: String,
        /// The nearest known one.
        nearest: Option<String>,
    },
    /// No set is called that.
    #[error("no set of models is called `{name}`; there are: {known}")]
    Set {
        /// The name.
        name: String,
        /// The known ones.
        known: String,
    },
    /// The model is for something else.
    #[error("the model `{name}` is a {kind} where the {wanted} is asked for")]
    Kind {
        /// The name.
        name: String,
        /// What it is.
        kind: Kind,
        /// What was asked for.
        wanted: Kind,
    },
}

fn suggestion(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!(", did you mean `{name}`?")).unwrap_or_default()
}

impl Manifest {
    /// The program's own manifest.
    pub(crate) fn builtin() -> Self {
        toml::from_str(include_str!("../../models.toml")).expect("the manifest is checked by a test")
    }

    /// Everything, in the manifest's order.
    pub(crate) fn models(&self) -> &[Model] {
        &self.models
    }

    /// A model by its name.
    pub(crate) fn model(&self, name: &str) -> Result<&Model, NameError> {
        self.models.iter().find(|model| model.name == name).ok_or_else(|| {
            let likeness = |model: &&Model| strsim::jaro_winkler(name, &model.name);
            let nearest = self.models.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
            let nearest = nearest.filter(|model| likeness(model) >= SUGGESTION_LIKENESS_MIN);
            NameError::Model { name: name.to_owned(), nearest: nearest.map(|model| model.name.clone()) }
        })
    }

    /// The names that were asked for: those given and those of the set; the default set when nothing was given.
    pub(crate) fn select(&self, names: &[String], set: Option<&str>) -> Result<Vec<String>, NameError> {
        let set = set.or_else(|| names.is_empty().then_some(DEFAULT_SET));
        let mut selected: Vec<String> = Vec::new();
        let of_set: &[String] = match set {
            Some(set) => self.sets.get(set).ok_or_else(|| NameError::Set {
                name: set.to_owned(),
                known: self.sets.keys().cloned().collect::<Vec<_>>().join(", "),
            })?,
            None => &[],
        };
        for name in of_set.iter().chain(names) {
            let model = self.model(name)?;
            if !selected.contains(&model.name) {
                selected.push(model.name.clone());
            }
        }
        Ok(selected)
    }

    /// The sets that hold a model.
    pub(crate) fn sets_of(&self, name: &str) -> Vec<String> {
        let holds = |names: &Vec<String>| names.iter().any(|held| held == name);
        self.sets.iter().filter(|(_, names)| holds(names)).map(|(set, _)| set.clone()).collect()
    }

    /// An embedder by its name.
    pub(crate) fn embedder(&self, name: &str) -> Result<EmbedderModel, NameError> {
        let model = self.model(name)?;
        let facts = model.embedder.as_ref().ok_or_else(|| NameError::Kind {
            name: name.to_owned(),
            kind: model.kind,
            wanted: Kind::Embedder,
        })?;
        Ok(EmbedderModel {
            name: model.name.clone(),
            runtime: facts.runtime.clone(),
            tokenizer: facts.tokenizer.clone(),
            space: EmbeddingSpace {
                model: facts.model.clone(),
                model_digest: model.sha256.clone(),
                dimension: facts.dimension,
                pooling: facts.pooling.clone(),
                query_prefix: facts.query_prefix.clone(),
                passage_prefix: facts.passage_prefix.clone(),
                tokens_max: facts.tokens_max,
                languages: facts.languages.clone(),
            },
        })
    }

    /// A generator by its name.
    pub(crate) fn generator(&self, name: &str) -> Result<&GeneratorFacts, NameError> {
        let model = self.model(name)?;
        model.generator.as_ref().ok_or_else(|| NameError::Kind {
            name: name.to_owned(),
            kind: model.kind,
            wanted: Kind::Generator,
        })
    }
}

#[cfg(test)]
pub(super) fn test_manifest(hub: &str, model: Model) -> Manifest {
    let sets = BTreeMap::from([(DEFAULT_SET.to_owned(), vec![model.name.clone()])]);
    Manifest { hub: hub.to_owned(), sets, models: vec![model] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builtin_manifest_is_whole() {
        let manifest = Manifest::builtin();
        assert!(manifest.hub.starts_with("https://"));
        for model in manifest.models() {
            let name = &model.name;
            assert!(
                model.sha256.len() == 64 && model.sha256.bytes().all(|b| b"0123456789abcdef".contains(&b)),
                "{name}"
            );
            assert!(!model.file.contains(['/', '\\']) && !model.file.starts_with('.'), "{name}");
            assert!(model.hub.is_some() || model.package.is_some(), "{name} has a source");
            assert_eq!(model.embedder.is_some(), model.kind == Kind::Embedder, "{name}");
            assert_eq!(model.generator.is_some(), model.kind == Kind::Generator, "{name}");
            if let Some(package) = &model.package {
                assert_eq!(package.parts.iter().map(|part| part.bytes).sum::<u64>(), model.bytes, "{name}");
            }
            assert!(
                manifest.models().iter().filter(|other| other.name == *name || other.file == model.file).count() == 1
            );
        }
        for set in manifest.sets.keys() {
            manifest.select(&[], Some(set)).unwrap();
        }
        let embedder = manifest.embedder("all-minilm-l6-v2-int8").unwrap();
        assert_eq!(manifest.model(&embedder.runtime).unwrap().kind, Kind::Runtime);
        assert_eq!(manifest.model(&embedder.tokenizer).unwrap().kind, Kind::Tokenizer);
        assert_eq!(embedder.space().dimension, 384);
        assert_eq!(manifest.generator("smollm2-135m-instruct").unwrap().context_tokens, 8192);
    }

    #[test]
    fn unknown_fields_are_refused() {
        let text = include_str!("../../models.toml").replacen("licence =", "license =", 1);
        assert!(toml::from_str::<Manifest>(&text).is_err());
    }

    #[test]
    fn unknown_names_get_the_nearest_known_one() {
        let manifest = Manifest::builtin();
        let error = manifest.model("qwen2.5-coder-0.5b").unwrap_err().to_string();
        assert!(error.contains("did you mean `qwen2.5-coder-0.5b-instruct`?"), "{error}");
        assert!(manifest.select(&[], Some("huge")).unwrap_err().to_string().contains("1.5b, default, test"));
        assert!(
            manifest
                .embedder("onnxruntime")
                .unwrap_err()
                .to_string()
                .contains("is a runtime where the embedder is asked for")
        );
    }

    #[test]
    fn a_selection_names_each_model_once() {
        let manifest = Manifest::builtin();
        let default = manifest.select(&[], None).unwrap();
        assert_eq!(default.len(), 4);
        assert_eq!(manifest.select(&default, Some("test")).unwrap().len(), 5);
        assert_eq!(manifest.select(&["onnxruntime".to_owned()], None).unwrap(), ["onnxruntime"]);
    }
}
