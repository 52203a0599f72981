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
    environment::silence_runtime();
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => return output::usage(&usage),
    };
    let json = cli.json;
    match commands::run(cli) {
        Ok(code) => code,
        Err(error) => {
            output::error(&error, json);
            ExitCode::from(output::exit_code(&error))
        }
    }
}
