//! What can this build of llama.cpp compute with?
//!
//! Invariants:
//! - Asking loads no model. It starts the vendor's drivers, so it is asked by a command and not by the service.

use std::str::FromStr;

use llama_cpp_2::model::params::LlamaSplitMode;
use llama_cpp_2::{LlamaBackendDeviceType, list_llama_ggml_backend_devices};
use serde::Serialize;
use thiserror::Error;

use crate::load::backend;
use crate::processor;

/// A device that a model can be put on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    /// The vendor's name, such as `CUDA0` or `CPU`.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// Who speaks to it: `CPU`, `CUDA`, `Vulkan`, `Metal`.
    pub backend: String,
    /// Whether it is a GPU, on the board or beside it.
    pub gpu: bool,
    /// Its memory in bytes; the machine's for the CPU.
    pub memory_total: u64,
    /// What of that is free now.
    pub memory_free: u64,
}

/// Every device that this build can use, the CPU included. None where the processor lacks what llama.cpp was built for.
pub fn devices() -> Vec<Device> {
    if processor::check_processor().is_err() {
        return Vec::new();
    }
    backend();
    let device = |device: llama_cpp_2::LlamaBackendDevice| Device {
        gpu: matches!(device.device_type, LlamaBackendDeviceType::Gpu | LlamaBackendDeviceType::IntegratedGpu),
        name: device.name,
        description: device.description,
        backend: device.backend,
        memory_total: device.memory_total as u64,
        memory_free: device.memory_free as u64,
    };
    list_llama_ggml_backend_devices().into_iter().map(device).collect()
}

/// The kinds of GPU that this build can speak to, by the names of its features; none for a build for processors alone.
pub fn gpu_backends() -> Vec<&'static str> {
    let features = [
        ("cuda", cfg!(feature = "cuda")),
        ("vulkan", cfg!(feature = "vulkan")),
        ("metal", cfg!(any(feature = "metal", all(target_os = "macos", target_arch = "aarch64")))),
    ];
    features.into_iter().filter(|(_, is_built)| *is_built).map(|(name, _)| name).collect()
}

/// How a model lies on several GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GpuSplit {
    /// Each has some of the layers, by its free memory; they compute one after another.
    #[default]
    Layers,
    /// Each has some rows of every matrix; they compute side by side and talk more.
    Rows,
    /// The first one has all.
    Off,
}

impl GpuSplit {
    const ALL: [Self; 3] = [Self::Layers, Self::Rows, Self::Off];

    /// The name that settings give it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Layers => "layers",
            Self::Rows => "rows",
            Self::Off => "off",
        }
    }

    /// The name that llama.cpp gives it.
    pub(crate) fn mode(self) -> LlamaSplitMode {
        match self {
            Self::Layers => LlamaSplitMode::Layer,
            Self::Rows => LlamaSplitMode::Row,
            Self::Off => LlamaSplitMode::None,
        }
    }
}

impl FromStr for GpuSplit {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|split| split.as_str() == name).ok_or(())
    }
}

/// A device that a model shall be put on is not there.
#[derive(Debug, Error)]
#[error("there is no GPU {name}; this build finds {found}")]
pub struct UnknownDevice {
    /// The name.
    pub name: String,
    /// The names that there are.
    pub found: String,
}

/// The places of GPUs in llama.cpp's list, by their names.
pub(crate) fn find(names: &[String]) -> Result<Vec<usize>, UnknownDevice> {
    let gpus: Vec<(usize, String)> = devices()
        .into_iter()
        .enumerate()
        .filter(|(_, device)| device.gpu)
        .map(|(at, device)| (at, device.name))
        .collect();
    let place = |name: &String| match gpus.iter().find(|(_, other)| other == name) {
        Some((at, _)) => Ok(*at),
        None => {
            let found: Vec<&str> = gpus.iter().map(|(_, name)| name.as_str()).collect();
            let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
            Err(UnknownDevice { name: name.clone(), found })
        }
    };
    names.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_that_is_not_there_is_named() {
        assert_eq!(find(&[]).unwrap(), Vec::<usize>::new());
        for name in ["Nowhere0", "CPU"] {
            assert!(find(&[name.to_owned()]).unwrap_err().to_string().contains(name));
        }
    }

    #[test]
    fn the_cpu_is_always_there() {
        let devices = devices();
        assert!(devices.iter().any(|device| !device.gpu && device.backend == "CPU"), "{devices:?}");
    }
}
