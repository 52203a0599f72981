//! How does a prompt become text, and what happens when the model's process dies?
//!
//! ```text
//! Engine      llama.cpp on one thread of this process               engine  load  admission  queue  decode  cache  slot  sample  prompt  assemble  meter  gguf  adapter
//! Client      a generator behind an OpenAI-compatible server        client  events
//! Remote      a Client of a server that somebody else runs         remote
//! Supervisor  a Client of a child process that it keeps alive       supervisor  tally
//! worker      what that child does at its start                     worker
//! devices     what a model can be put on                            device  processor
//! ```
//!
//! Invariants:
//! - llama.cpp is named here only, and runs in a child process: it ends in `abort()` where others return an error
//!   (I-8).
//! - On a CPU a greedy text depends on its prompt and its adapter alone: not on what the cache held before, nor on who is beside it.
//! - The child dies with its parent, however the parent dies.

mod adapter;
mod admission;
mod assemble;
mod cache;
mod client;
mod decode;
mod device;
mod engine;
mod events;
mod form;
mod gguf;
mod grammar;
mod load;
mod meter;
mod processor;
mod prompt;
mod queue;
mod remote;
mod sample;
mod shapes;
mod slot;
mod supervisor;
mod tally;
pub mod worker;

pub use adapter::{AdapterError, check as check_adapter_file, is_adapter_name};
pub use client::{Client, ClientError};
pub use device::{Device, GpuSplit, UnknownDevice, devices, gpu_backends};
pub use engine::Engine;
pub use gguf::{ModelFileError, check as check_model_file};
pub use load::{CacheType, EngineConfig, LoadError};
pub use processor::{OtherProcessor, check_processor, instructions};
pub use remote::Remote;
pub use supervisor::{Supervisor, SupervisorConfig, WorkerCommand};
