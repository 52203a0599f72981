//! `models`: list, pull, verify, devices.

use anyhow::bail;
use serde_json::json;

use crate::cli::{ModelsAction, ModelsArguments};
use crate::config::ModelsConfig;
use crate::models::{self, FileState, Manifest, ModelStore, TerminalProgress};
use crate::output;

/// Does what was asked with model files.
pub(crate) async fn run(arguments: &ModelsArguments, json: bool) -> anyhow::Result<()> {
    let config = ModelsConfig::load(&arguments.service.flags())?;
    let manifest = Manifest::builtin();
    let store = ModelStore::new(&config.models_dir);
    match &arguments.action {
        ModelsAction::List => list(&manifest, &store, json),
        ModelsAction::Pull { names, set } => {
            let names = manifest.select(names, set.as_deref())?;
            models::pull(&manifest, &store, &names, config.offline, &TerminalProgress::new()).await?;
            if json {
                return output::json(&json!({ "present": names, "folder": config.models_dir }));
            }
            output::line(format!("{} files are present and verified in {}", names.len(), config.models_dir.display()));
            Ok(())
        }
        ModelsAction::Devices => devices(json).await,
        ModelsAction::Verify { names } => verify(&manifest, &store, names, json),
    }
}

async fn devices(json: bool) -> anyhow::Result<()> {
    wellspring_generate::check_processor()?;
    // The vendors' drivers may take their time.
    let devices = tokio::task::spawn_blocking(wellspring_generate::devices).await?;
    if json {
        return output::json(&devices);
    }
    let rows = devices.iter().map(|device| {
        let memory = format!("{} of {}", output::bytes(device.memory_free), output::bytes(device.memory_total));
        vec![device.name.clone(), device.backend.clone(), device.description.clone(), memory]
    });
    output::table(&["name", "backend", "device", "memory free"], rows.collect());
    output::note(format!(
        "on the processor, this build computes with {}",
        wellspring_generate::instructions().join(", ")
    ));
    if !devices.iter().any(|device| device.gpu) {
        match wellspring_generate::gpu_backends().as_slice() {
            [] => output::note(
                "this build computes on the processor alone; one for GPUs is made by \
                 `cargo build --release --locked -p wellspring --features vulkan` (or `cuda`, or `metal`): \
                 docs/how-to/use-a-gpu.md says what that needs",
            ),
            built => output::note(format!(
                "this build speaks to GPUs by {}, and finds none: is the vendor's driver installed?",
                built.join(", ")
            )),
        }
    }
    Ok(())
}

fn list(manifest: &Manifest, store: &ModelStore, json: bool) -> anyhow::Result<()> {
    let listed = store.list(manifest);
    if json {
        return output::json(&listed);
    }
    let rows = listed.iter().map(|model| {
        let state = match model.state {
            FileState::Present => "present",
            FileState::Damaged => "DAMAGED",
            FileState::Absent => "-",
        };
        vec![
            model.name.clone(),
            model.kind.to_string(),
            output::bytes(model.bytes),
            model.licence.clone(),
            state.to_owned(),
            model.sets.join(", "),
        ]
    });
    output::table(&["name", "kind", "size", "licence", "state", "sets"], rows.collect());
    Ok(())
}

fn verify(manifest: &Manifest, store: &ModelStore, names: &[String], json: bool) -> anyhow::Result<()> {
    let names = if names.is_empty() { store.present(manifest) } else { manifest.select(names, None)? };
    if names.is_empty() {
        bail!("no model files are in {}; `wellspring models pull` fetches them", store.folder().display());
    }
    let results = store.verify(manifest, &names, &TerminalProgress::new())?;
    if json {
        output::json(&results)?;
    } else {
        for result in &results {
            output::line(format!("{}  {}", if result.verified { "ok     " } else { "DAMAGED" }, result.name));
        }
    }
    if results.iter().any(|result| !result.verified) {
        bail!("a model file is damaged or missing; `wellspring models pull` fetches it again");
    }
    Ok(())
}
