//! What can this build of llama.cpp compute with?
//!
//! Invariants:
//! - Asking loads no model. It starts the vendor's drivers, so it is asked by a command and not by the service.

use llama_cpp_2::{LlamaBackendDeviceType, list_llama_ggml_backend_devices};
use serde::Serialize;

use crate::load::backend;

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

/// Every device that this build can use, the CPU included.
pub fn devices() -> Vec<Device> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_there() {
        let devices = devices();
        assert!(devices.iter().any(|device| !device.gpu && device.backend == "CPU"), "{devices:?}");
    }
}
