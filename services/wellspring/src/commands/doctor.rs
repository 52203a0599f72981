//! `doctor`: is this machine ready, and if not, what to do?

use anyhow::bail;
use reqwest::Method;
use serde::Serialize;

use crate::app::{likely_embedder, load_entailment};
use crate::cli::ServiceFlags;
use crate::client::Client;
use crate::config::{Config, GeneratorChoice};
use crate::models::{FileState, Manifest, ModelStore, NameError};
use crate::output;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    what: &'static str,
    ok: bool,
    found: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    hint: &'static str,
}

/// Looks at everything the service needs, and says what it found; fails when something is wrong.
pub(crate) async fn run(flags: &ServiceFlags, server: &str, json: bool) -> anyhow::Result<()> {
    let config = Config::load(&flags.flags())?;
    let mut checks = [
        models(&config),
        data(&config),
        catalog(&config).await,
        generator(&config),
        entailment(&config).await,
        watch(&config),
        running(server).await,
    ];
    for check in checks.iter_mut().filter(|check| check.ok) {
        check.hint = "";
    }
    if json {
        output::json(&checks)?;
    } else {
        for check in &checks {
            output::line(format!("{}  {}: {}", if check.ok { "ok  " } else { "FAIL" }, check.what, check.found));
            if !check.hint.is_empty() {
                output::line(format!("      {}", check.hint));
            }
        }
    }
    let wrong = checks.iter().filter(|check| !check.ok).count();
    if wrong > 0 {
        bail!("{wrong} of {} checks failed", checks.len());
    }
    Ok(())
}

fn models(config: &Config) -> Check {
    let (manifest, store) = (Manifest::builtin(), ModelStore::new(&config.models_dir));
    let troubled = match needed(config, &manifest) {
        Ok(names) => names
            .into_iter()
            .filter_map(|name| match store.state(&manifest, &name) {
                FileState::Present => None,
                FileState::Damaged => Some(format!("{name} is damaged")),
                FileState::Absent => Some(format!("{name} is missing")),
            })
            .collect::<Vec<_>>(),
        Err(error) => vec![error.to_string()],
    };
    let found = match troubled.as_slice() {
        [] => format!("all in {}", config.models_dir.display()),
        troubled => format!("in {}: {}", config.models_dir.display(), troubled.join(", ")),
    };
    let hint = "run `wellspring models pull`, with these names";
    Check { what: "models", ok: troubled.is_empty(), found, hint }
}

/// The default set, with the embedder that this data folder uses in place of the default one, and the generator that is
/// asked, if any.
fn needed(config: &Config, manifest: &Manifest) -> Result<Vec<String>, NameError> {
    let embedder = manifest.embedder(&likely_embedder(config))?;
    let is_embedder = |name: &String| manifest.embedder(name).is_ok();
    let mut names = manifest.select(&[], None)?;
    names.retain(|name| !is_embedder(name) && manifest.generator(name).is_err());
    if let GeneratorChoice::Named(generator) = &config.generator_model {
        manifest.generator(generator)?;
        names.push(generator.clone());
    }
    names.extend([embedder.runtime, embedder.tokenizer, embedder.name]);
    names.sort();
    names.dedup();
    Ok(names)
}

fn data(config: &Config) -> Check {
    let folder = &config.data_dir;
    let made = std::fs::create_dir_all(folder).and_then(|()| tempfile::NamedTempFile::new_in(folder).map(drop));
    let found = match &made {
        Ok(()) => format!("{} can be written", folder.display()),
        Err(error) => format!("{} cannot be written: {error}", folder.display()),
    };
    Check { what: "data folder", ok: made.is_ok(), found, hint: "choose another with --data-dir, or repair its rights" }
}

/// Whether every page of the catalog can be read. None there is no failure: it is made at the first start.
async fn catalog(config: &Config) -> Check {
    let what = "catalog";
    let hint = "stop the service; put a backup of catalog.sqlite in its place, or move the file away and add the \
                documents again";
    let (ok, found) = match wellspring_catalog::check(&config.data_dir).await {
        Ok(None) if ["vector", "keyword"].iter().any(|view| config.data_dir.join(view).exists()) => {
            (false, format!("none in {}, where indexes of one are", config.data_dir.display()))
        }
        Ok(None) => (true, format!("none in {} yet", config.data_dir.display())),
        Ok(Some(file)) => (true, format!("{} is whole", file.display())),
        Err(error) => (false, error.chain()),
    };
    Check { what, ok, found, hint }
}

fn generator(config: &Config) -> Check {
    let what = "generator";
    if config.generator_model != GeneratorChoice::Off
        && let Err(error) = wellspring_generate::check_processor()
    {
        return Check { what, ok: false, found: error.to_string(), hint: "or set the generator to `off`" };
    }
    let hint = "name a model of `wellspring models list`, a GGUF file, or `off`";
    match &config.generator_model {
        GeneratorChoice::Off => Check { what, ok: true, found: "off: answers are extracts".to_owned(), hint },
        GeneratorChoice::File(path) => {
            let checked = wellspring_generate::check_model_file(path);
            let found = match &checked {
                Ok(()) => format!("the file {}", path.display()),
                Err(error) => format!("the file {}: {error}", path.display()),
            };
            Check { what, ok: checked.is_ok(), found, hint }
        }
        GeneratorChoice::Named(name) => {
            let (manifest, store) = (Manifest::builtin(), ModelStore::new(&config.models_dir));
            match store.path(&manifest, name) {
                Ok(path) => Check { what, ok: true, found: path.display().to_string(), hint },
                Err(error) => Check { what, ok: false, found: error.to_string(), hint },
            }
        }
    }
}

/// Whether the entailment model can be loaded and judges.
async fn entailment(config: &Config) -> Check {
    let what = "entailment";
    let hint = "name a folder with model.onnx, tokenizer.json and config.json in entailment.model, or `off`";
    let Some(folder) = &config.entailment.model else {
        return Check { what, ok: true, found: "off: code alone checks answers".to_owned(), hint };
    };
    match load_entailment(config, &likely_embedder(config)).await {
        Ok(_) => Check { what, ok: true, found: format!("{} judges", folder.display()), hint },
        Err(error) => Check { what, ok: false, found: format!("{error:#}"), hint },
    }
}

fn watch(config: &Config) -> Check {
    let lost: Vec<_> =
        config.watch.iter().filter(|path| !path.is_dir()).map(|path| path.display().to_string()).collect();
    let found = match lost.as_slice() {
        [] => format!("{} watched folders", config.watch.len()),
        lost => format!("no such folder: {}", lost.join(", ")),
    };
    Check { what: "folders", ok: lost.is_empty(), found, hint: "create them, or take them out of the configuration" }
}

/// Whether a server answers. None running is no failure: doctor is for before the start too.
async fn running(server: &str) -> Check {
    let what = "server";
    let request = async {
        let client = Client::new(server)?;
        client.send(client.request(Method::GET, "/readyz")).await
    };
    let (ok, found) = match request.await {
        Ok(_) => (true, format!("ready at {server}")),
        Err(crate::client::ClientError::Unreachable { .. }) => (true, format!("none at {server}")),
        Err(error) => (false, error.to_string()),
    };
    Check { what, ok, found, hint: "see its log, or `wellspring status`" }
}
