//! What does each command do? One file a command; this file only dispatches.

mod add;
mod ask;
mod bench;
mod configuration;
mod doctor;
mod documents;
mod eval;
mod measured;
mod models;
mod search;
mod sources;
mod status;
mod webhooks;

use std::process::ExitCode;

use anyhow::Context;

use crate::app::Until;
use crate::cli::{Cli, Command, ServiceFlags};
use crate::client::Client;
use crate::config::Config;
use crate::{app, logging, workers};

/// Runs a command to its exit code.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    // The TLS library asks for a choice of cryptography once a process; a second choice would be refused.
    rustls::crypto::ring::default_provider().install_default().ok();
    match cli.command {
        Command::ParseWorker => return Ok(workers::parse()),
        Command::GeneratorWorker(arguments) => return workers::generate(arguments),
        Command::Serve(flags) => return serve(&flags, Until::Told),
        Command::MeasuredService(flags) => return serve(&flags, Until::InputEnds),
        Command::Config(arguments) => configuration::run(&arguments, cli.json)?,
        Command::Models(arguments) => block_on(models::run(&arguments, cli.json))?,
        Command::Bench(arguments) => block_on(measured::interruptible(bench::run(&arguments, cli.json)))?,
        Command::Eval(arguments) => block_on(measured::interruptible(eval::run(&arguments, cli.json)))?,
        Command::Tune(arguments) => block_on(measured::interruptible(eval::tune(&arguments, cli.json)))?,
        Command::Doctor(flags) => block_on(doctor::run(&flags, &cli.server, cli.json))?,
        Command::Add(arguments) => block_on(add::run(&Client::new(&cli.server)?, &arguments, cli.json))?,
        Command::Ask(arguments) => block_on(ask::run(&Client::new(&cli.server)?, &arguments, cli.json))?,
        Command::Search(arguments) => block_on(search::run(&Client::new(&cli.server)?, &arguments, cli.json))?,
        Command::Status(arguments) => block_on(status::run(&Client::new(&cli.server)?, &arguments, cli.json))?,
        Command::Sources(arguments) => block_on(sources::run(&Client::new(&cli.server)?, &arguments, cli.json))?,
        Command::Webhooks(arguments) => block_on(webhooks::run(&Client::new(&cli.server)?, &arguments, cli.json))?,
        Command::Documents(arguments) => block_on(documents::run(&Client::new(&cli.server)?, &arguments, cli.json))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn serve(flags: &ServiceFlags, until: Until) -> anyhow::Result<ExitCode> {
    // What the service writes holds documents: it is its owner's alone, also in a folder that was there before.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let config = Config::load(&flags.flags())?;
    logging::start(&config.log);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(app::serve(config, until)).map(|()| ExitCode::SUCCESS)
}

/// Runs a client command on one thread.
fn block_on(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("could not start the asynchronous runtime")?.block_on(command)
}
