//! `status`: how the service is doing, once or for as long as one looks.

mod watch;

use reqwest::Method;
use serde_json::Value;

use crate::cli::StatusArguments;
use crate::client::Client;
use crate::output;

/// Fetches and prints the status.
pub(crate) async fn run(client: &Client, arguments: &StatusArguments, json: bool) -> anyhow::Result<()> {
    if arguments.watch {
        return watch::run(client, json).await;
    }
    let status: Value = client.json(client.request(Method::GET, "/v1/status")).await?;
    if json {
        return output::json(&status);
    }
    let mut rows = Vec::new();
    flatten("", &status, &mut rows);
    output::table(&["what", "value"], rows);
    Ok(())
}

/// One row a leaf, named by its path; lists of objects are numbered.
pub(super) fn flatten(path: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| flatten(&below(name), value, rows)),
        Value::Array(list) => {
            for (number, value) in list.iter().enumerate() {
                flatten(&below(&(number + 1).to_string()), value, rows);
            }
        }
        Value::Null => {}
        Value::String(text) => rows.push(vec![path.to_owned(), text.clone()]),
        other => rows.push(vec![path.to_owned(), other.to_string()]),
    }
}
