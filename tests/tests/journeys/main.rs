//! What does a user live through, over real HTTP, with the real engines?

mod answers;
mod commands;
#[path = "../../../indexes/embed/tests/support/cross_encoder.rs"]
mod cross_encoder;
mod entailment;
mod eval;
mod folder;
mod generator;
mod generators;
mod life;
mod locks;
mod loopback;
mod pushes;
mod reach;
mod recovery;
mod reranking;
mod sources;
mod webhooks;
mod websub;
mod writes;
