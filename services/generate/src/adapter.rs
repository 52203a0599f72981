//! May this LoRA adapter be laid over that model?
//!
//! Invariants:
//! - An adapter's file is checked like a model's, and against the model's, before llama.cpp sees it: it ends the process
//!   over some of what is refused here.
//! - What a request asks for is told apart to the last bit: two that are equal change the model alike, and a scale of
//!   0 is the model alone.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use thiserror::Error;
use wellspring_core::generator::Adapter;
use wellspring_core::limits;

use crate::gguf::{self, Contents, ModelFileError, Tensor};

/// Of ggml's types, those that an adapter's numbers may have: 32 bits, 16 bits, 8 bits, and 16 bits the other way.
const NUMBERS: [u32; 4] = [0, 1, 8, 30];
/// The two factors of a matrix's change.
const FACTORS: [&str; 2] = [".lora_a", ".lora_b"];
/// Vectors that llama.cpp passes over, and so does this.
const IGNORED: &str = "_norm.weight";
/// The one matrix whose change is looked up by rows, so that its factors lie the other way.
const LOOKED_UP: &str = "token_embd.weight";

/// Why an adapter cannot be laid over a model.
#[derive(Debug, Error)]
pub enum AdapterError {
    /// One of the two files is not one to load.
    #[error("could not use the file")]
    File(#[from] ModelFileError),
    /// Another kind of file.
    #[error("the file is no LoRA adapter: {0}")]
    NotAnAdapter(&'static str),
    /// It was made for another kind of model.
    #[error("the adapter is made for the architecture {adapter}, the model is {model}")]
    Architecture {
        /// The adapter's.
        adapter: String,
        /// The model's.
        model: String,
    },
    /// It changes what the model does not have, or not in that size.
    #[error("the adapter does not fit the model: {tensor} {reason}")]
    Unfit {
        /// The tensor of the adapter or of the model.
        tensor: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Checks an adapter's file, and that it fits a model's. Blocking; some milliseconds.
pub fn check(model: &Path, adapter: &Path) -> Result<(), AdapterError> {
    fits(&gguf::read(model)?, &gguf::read(adapter)?)
}

/// Whether a name can be given to an adapter: letters, digits, `-`, `_` and `.`.
pub fn is_adapter_name(name: &str) -> bool {
    let takes = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    (1..=limits::ADAPTER_NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(takes)
}

fn fits(model: &Contents, adapter: &Contents) -> Result<(), AdapterError> {
    if adapter.kind != "adapter" {
        return Err(AdapterError::NotAnAdapter("its general.type is not `adapter`"));
    }
    if adapter.adapter_kind != "lora" {
        return Err(AdapterError::NotAnAdapter("its adapter.type is not `lora`"));
    }
    if adapter.is_invoked {
        return Err(AdapterError::NotAnAdapter("it is switched on by tokens of the prompt, which is not supported"));
    }
    if adapter.architecture != model.architecture {
        let (adapter, model) = (adapter.architecture.clone(), model.architecture.clone());
        return Err(AdapterError::Architecture { adapter, model });
    }
    let changed: HashMap<&str, &Tensor> = model.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let mut pairs: BTreeMap<&str, [Option<&Tensor>; 2]> = BTreeMap::new();
    for tensor in adapter.tensors.iter().filter(|tensor| !tensor.name.ends_with(IGNORED)) {
        let unfit = |reason| AdapterError::Unfit { tensor: tensor.name.clone(), reason };
        let named = FACTORS.iter().enumerate().find_map(|(place, end)| Some((place, tensor.name.strip_suffix(end)?)));
        let Some((place, name)) = named else { return Err(unfit("is no part of a LoRA pair")) };
        if !NUMBERS.contains(&tensor.kind) {
            return Err(unfit("has numbers of a type that is not supported"));
        }
        if tensor.dimensions.contains(&0) || tensor.dimensions[2..] != [1, 1] {
            return Err(unfit("is no matrix"));
        }
        if pairs.entry(name).or_default()[place].replace(tensor).is_some() {
            return Err(unfit("is there twice"));
        }
    }
    if pairs.is_empty() {
        return Err(AdapterError::NotAnAdapter("it changes nothing"));
    }
    for (name, pair) in pairs {
        let unfit = |reason| AdapterError::Unfit { tensor: name.to_owned(), reason };
        let [Some(a), Some(b)] = pair else { return Err(unfit("has one factor of two")) };
        let Some(base) = changed.get(name) else { return Err(unfit("is not in the model")) };
        let [width, height, ..] = base.dimensions;
        let (a, b) = (a.dimensions, b.dimensions);
        let (is_fit, ranks_agree) = match name.ends_with(LOOKED_UP) {
            true => (a[1] == height && b[1] == width, a[0] == b[0]),
            false => (a[0] == width && b[1] == height, a[1] == b[0]),
        };
        if !is_fit {
            return Err(unfit("has another size in the model"));
        }
        if !ranks_agree {
            return Err(unfit("has factors of different ranks"));
        }
    }
    Ok(())
}

/// What is laid over the model for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Overlay {
    /// Which of the adapters.
    pub(crate) adapter: usize,
    scale_bits: u32,
}

impl Overlay {
    /// What a request asks for; an error when none of the adapters has that name.
    pub(crate) fn find(adapters: &[String], asked: Option<&Adapter>) -> Result<Option<Self>, UnknownAdapter> {
        let Some(asked) = asked else { return Ok(None) };
        let adapter = adapters.iter().position(|name| *name == asked.name).ok_or(UnknownAdapter)?;
        Ok((asked.scale != 0.0).then(|| Self { adapter, scale_bits: asked.scale.to_bits() }))
    }

    /// How strongly.
    pub(crate) fn scale(self) -> f32 {
        f32::from_bits(self.scale_bits)
    }
}

/// No adapter has the name.
#[derive(Debug, Error)]
#[error("this generator has no adapter of that name")]
pub(crate) struct UnknownAdapter;

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, width: u64, height: u64) -> Tensor {
        Tensor { name: name.to_owned(), dimensions: [width, height, 1, 1], kind: 0 }
    }

    fn model() -> Contents {
        let tensors = vec![tensor("blk.0.attn_q.weight", 64, 32), tensor("token_embd.weight", 64, 1000)];
        Contents { architecture: "llama".to_owned(), tensors, ..Contents::default() }
    }

    fn adapter(tensors: Vec<Tensor>) -> Contents {
        let [kind, adapter_kind] = ["adapter", "lora"].map(str::to_owned);
        Contents { architecture: "llama".to_owned(), kind, adapter_kind, tensors, is_invoked: false }
    }

    fn pair(name: &str, a: (u64, u64), b: (u64, u64)) -> Vec<Tensor> {
        vec![tensor(&format!("{name}.lora_a"), a.0, a.1), tensor(&format!("{name}.lora_b"), b.0, b.1)]
    }

    #[test]
    fn an_adapter_of_the_models_sizes_fits() {
        fits(&model(), &adapter(pair("blk.0.attn_q.weight", (64, 4), (4, 32)))).unwrap();
        fits(&model(), &adapter(pair("token_embd.weight", (4, 1000), (4, 64)))).unwrap();
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let whole = || pair("blk.0.attn_q.weight", (64, 4), (4, 32));
        let error = |adapter: Contents| fits(&model(), &adapter).unwrap_err().to_string();
        assert!(error(Contents { kind: String::new(), ..adapter(whole()) }).contains("general.type"));
        assert!(error(Contents { adapter_kind: String::new(), ..adapter(whole()) }).contains("adapter.type"));
        assert!(error(Contents { is_invoked: true, ..adapter(whole()) }).contains("switched on"));
        assert!(error(Contents { architecture: "qwen2".to_owned(), ..adapter(whole()) }).contains("qwen2"));
        assert!(error(adapter(vec![])).contains("changes nothing"));
        assert!(error(adapter(pair("blk.9.attn_q.weight", (64, 4), (4, 32)))).contains("not in the model"));
        assert!(error(adapter(pair("blk.0.attn_q.weight", (32, 4), (4, 32)))).contains("another size"));
        assert!(error(adapter(pair("blk.0.attn_q.weight", (64, 4), (8, 32)))).contains("different ranks"));
        assert!(error(adapter(vec![whole().remove(0)])).contains("one factor of two"));
        assert!(error(adapter(vec![tensor("blk.0.attn_q.weight", 64, 32)])).contains("no part of a LoRA pair"));
        assert!(error(adapter(pair("blk.0.attn_q.weight", (64, 0), (0, 32)))).contains("no matrix"));
        let mut odd = whole();
        odd[0].kind = 26;
        assert!(error(adapter(odd)).contains("type"));
    }

    #[test]
    fn a_scale_of_zero_is_the_model_alone() {
        let names = ["tone".to_owned()];
        let asked = |name: &str, scale| Adapter { name: name.to_owned(), scale };
        assert_eq!(Overlay::find(&names, None).unwrap(), None);
        assert_eq!(Overlay::find(&names, Some(&asked("tone", 0.0))).unwrap(), None);
        let half = Overlay::find(&names, Some(&asked("tone", 0.5))).unwrap().unwrap();
        assert_eq!((half.adapter, half.scale()), (0, 0.5));
        assert!(Overlay::find(&names, Some(&asked("other", 0.0))).is_err());
    }

    #[test]
    fn names_are_words() {
        assert!(is_adapter_name("legal-v1.2") && !is_adapter_name("") && !is_adapter_name("a b"));
        assert!(!is_adapter_name(&"x".repeat(65)) && !is_adapter_name("a=b"));
    }
}
