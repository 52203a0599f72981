//! What may an operator ask of the generator?
//!
//! Invariants:
//! - What passes names its adapters once each, by names that the generator takes, and collections only those.

use std::collections::BTreeMap;
use std::path::PathBuf;

use wellspring_core::document::CollectionName;
use wellspring_core::limits;
use wellspring_generate::{CacheType, GpuSplit, is_adapter_name};

use super::{ConfigError, Layers};

/// Adapters by names that they can have.
pub(super) fn generator_adapters(layers: &Layers) -> Result<Vec<(String, PathBuf)>, ConfigError> {
    let name = "generator.adapters";
    let adapters = layers.named(name)?;
    if adapters.len() > limits::ADAPTERS_MAX || !adapters.iter().all(|(name, _)| is_adapter_name(name)) {
        let expected =
            format!("expected at most {} adapters, named by letters, digits, `-`, `_` and `.`", limits::ADAPTERS_MAX);
        return Err(layers.refused(name, expected));
    }
    Ok(adapters.into_iter().map(|(name, path)| (name, PathBuf::from(path))).collect())
}

/// Adapters for collections, each of them one of the generator's.
pub(super) fn answer_adapters(
    layers: &Layers,
    known: &[(String, PathBuf)],
) -> Result<BTreeMap<CollectionName, String>, ConfigError> {
    let name = "answer.adapters";
    let pair = |(collection, adapter): (String, String)| {
        let collection = collection
            .parse()
            .map_err(|error| layers.refused(name, format!("a collection name {error}, and {collection} is none")))?;
        match known.iter().any(|(name, _)| *name == adapter) {
            true => Ok((collection, adapter)),
            false => {
                Err(layers.refused(name, format!("expected adapters of generator.adapters, and {adapter} is none")))
            }
        }
    };
    layers.named(name)?.into_iter().map(pair).collect()
}

/// How the numbers in the generator's cache are kept.
pub(super) fn cache_type(layers: &Layers) -> Result<CacheType, ConfigError> {
    let name = "generator.cache_type";
    layers.text(name)?.parse().map_err(|()| layers.refused(name, "expected `f16` or `q8_0`".to_owned()))
}

/// More layers than any model has.
const GPU_LAYERS_MAX: u32 = 10_000;

/// A number of layers, or `auto`.
pub(super) fn gpu_layers(layers: &Layers) -> Result<Option<u32>, ConfigError> {
    let name = "generator.gpu_layers";
    match layers.text(name)? {
        "auto" => Ok(None),
        number => match number.parse::<u32>() {
            Ok(count) if count <= GPU_LAYERS_MAX => Ok(Some(count)),
            _ => Err(layers.refused(name, format!("expected `auto` or a whole number from 0 to {GPU_LAYERS_MAX}"))),
        },
    }
}

/// Names, separated by commas.
pub(super) fn devices(layers: &Layers) -> Result<Vec<String>, ConfigError> {
    let names = layers.text("generator.devices")?.split(',').map(str::trim).filter(|name| !name.is_empty());
    Ok(names.map(str::to_owned).collect())
}

/// How the model lies on several GPUs.
pub(super) fn gpu_split(layers: &Layers) -> Result<GpuSplit, ConfigError> {
    let name = "generator.gpu_split";
    layers.text(name)?.parse().map_err(|()| layers.refused(name, "expected `layers`, `rows` or `off`".to_owned()))
}
