//! Wellspring: private, cited answers over documents that keep changing. The table of contents.

mod app;
mod cli;
mod client;
mod commands;
mod config;
mod environment;
mod logging;
mod models;
mod output;
mod workers;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli) {
        Ok(code) => code,
        Err(error) => {
            output::error(&error);
            ExitCode::from(output::exit_code(&error))
        }
    }
}
