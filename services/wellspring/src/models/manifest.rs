//! What must each model file be, and where can it be had?
//!
//! Invariants:
//! - The manifest is part of the program: a program and its models are one version. Unknown fields are refused.
//! - A file's name is a plain name, so that nothing is ever written outside the models folder.
//! - A file that is made here has one source, which is fetched: nothing is made of what was made.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;
use wellspring_core::embedding::{EmbeddingSpace, SpaceId};
use wellspring_embed::quantise::Recipe;

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
    /// How the file is made here; then no other source has it.
    pub(crate) made: Option<MadeSource>,
}

/// What a model file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The shared library that runs embedders.
    Runtime,
    /// What other files are made of.
    Weights,
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
            Self::Weights => "weights",
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

/// A file that is made of another model's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MadeSource {
    /// The other model's name.
    pub(crate) from: String,
    /// How.
    #[serde(deserialize_with = "recipe")]
    pub(crate) recipe: Recipe,
}

/// A recipe by its name.
fn recipe<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Recipe, D::Error> {
    let name = String::deserialize(deserializer)?;
    Recipe::named(&name).ok_or_else(|| D::Error::custom(format!("this program has no recipe `{name}`")))
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

/// A manifest that cannot be meant.
#[derive(Debug, Error)]
pub(crate) enum ManifestError {
    /// It is not TOML, or has other fields than a manifest.
    #[error("the model manifest cannot be read")]
    Syntax(#[from] toml::de::Error),
    /// A model that cannot be made.
    #[error("the model `{name}` cannot be made: {reason}")]
    Made {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
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
        Self::parse(include_str!("../../models.toml")).expect("the manifest is checked by a test")
    }

    /// Reads a manifest.
    fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self = toml::from_str(text)?;
        for model in &manifest.models {
            manifest.check_making(model).map_err(|reason| ManifestError::Made { name: model.name.clone(), reason })?;
        }
        Ok(manifest)
    }

    /// What is made is made of one fetched file, and comes from nowhere else.
    fn check_making(&self, model: &Model) -> Result<(), String> {
        let Some(made) = &model.made else { return Ok(()) };
        if model.hub.is_some() || model.package.is_some() {
            return Err("it has a source beside that".to_owned());
        }
        let source = self.model(&made.from).map_err(|error| error.to_string())?;
        match &source.made {
            Some(_) => Err(format!("`{}` is made itself", source.name)),
            None => Ok(()),
        }
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

    /// The name of the embedder whose vectors lie in a space.
    pub(crate) fn embedder_of(&self, space: SpaceId) -> Option<String> {
        let mut embedders = self.models.iter().filter_map(|model| self.embedder(&model.name).ok());
        embedders.find(|embedder| embedder.space.id() == space).map(|embedder| embedder.name)
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
pub(super) fn test_manifest(hub: &str, models: impl IntoIterator<Item = Model>) -> Manifest {
    let models: Vec<Model> = models.into_iter().collect();
    let sets = BTreeMap::from([(DEFAULT_SET.to_owned(), models.iter().map(|model| model.name.clone()).collect())]);
    Manifest { hub: hub.to_owned(), sets, models }
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
