//! What does a user live through, over real HTTP, with the real engines?

mod answers;
mod commands;
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
