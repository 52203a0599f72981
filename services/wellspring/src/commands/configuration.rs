//! `config`: the effective values and where each came from.

use serde_json::json;

use crate::cli::{ConfigAction, ConfigArguments};
use crate::config::{Config, GeneratorEntry, Layers, SETTINGS};
use crate::{environment, output};

/// Shows the configuration, after checking it.
pub(crate) fn run(arguments: &ConfigArguments, json: bool) -> anyhow::Result<()> {
    match arguments.action {
        ConfigAction::Show => show(arguments, json),
        ConfigAction::Reference => {
            output::line(reference());
            Ok(())
        }
    }
}

fn show(arguments: &ConfigArguments, json: bool) -> anyhow::Result<()> {
    let layers = Layers::read(&arguments.service.flags())?;
    let config = Config::validate(&layers)?;
    let key = if layers.key().is_some() { "(set)" } else { "(not set)" };
    if json {
        let mut settings: serde_json::Map<_, _> = SETTINGS
            .iter()
            .map(|setting| {
                let (value, origin) = (layers.shown(setting.name), layers.origin(setting.name));
                (setting.name.to_owned(), json!({ "value": value, "origin": origin.to_string() }))
            })
            .collect();
        let generators: Vec<_> = config.generators.iter().map(GeneratorEntry::as_written).collect();
        settings.insert("generators".to_owned(), json!({ "value": generators }));
        let rules = layers.screen_shown().into_iter();
        settings
            .extend(rules.map(|(name, value, origin)| (name, json!({ "value": value, "origin": origin.to_string() }))));
        settings.insert("key".to_owned(), json!({ "value": key, "origin": environment::KEY }));
        return output::json(&settings);
    }
    let mut rows: Vec<_> = SETTINGS
        .iter()
        .map(|setting| {
            let (value, origin) = (layers.shown(setting.name), layers.origin(setting.name));
            vec![setting.name.to_owned(), value.to_string(), origin.to_string()]
        })
        .collect();
    for entry in &config.generators {
        rows.push(vec!["generators".to_owned(), entry.as_written().to_string().replace('\n', " "), String::new()]);
    }
    let rules = layers.screen_shown().into_iter();
    rows.extend(rules.map(|(name, value, origin)| vec![name, value.to_string(), origin.to_string()]));
    rows.push(vec!["key".to_owned(), key.to_owned(), format!("the environment variable {}", environment::KEY)]);
    output::table(&["setting", "value", "from"], rows);
    Ok(())
}

/// The table of `docs/how-to/configure.md`, generated from the one list of settings.
fn reference() -> String {
    let mut text = String::from("| setting | default | environment | flag | what it is for |\n|---|---|---|---|---|\n");
    for setting in SETTINGS {
        let (name, help) = (setting.name, setting.help);
        let default = setting.default.map(|text| format!("`{text}`")).unwrap_or_default();
        let (variable, flag) = (setting.variable(), setting.flag());
        text.push_str(&format!("| `{name}` | {default} | `{variable}` | `{flag}` | {help} |\n"));
    }
    let help = format!("what clients must present, at least {} characters", crate::config::KEY_LENGTH_MIN);
    text.push_str(&format!("| | | `{}` | | {help} |", environment::KEY));
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_reference_page_lists_every_setting_as_it_is() {
        let page = include_str!("../../../../docs/how-to/configure.md");
        let missing: Vec<_> =
            super::reference().lines().filter(|line| !page.contains(line)).map(str::to_owned).collect();
        assert!(
            missing.is_empty(),
            "docs/how-to/configure.md lacks these lines of `wellspring config reference`: {missing:#?}"
        );
    }
}
