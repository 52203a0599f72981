//! `documents`: list, show, delete.

use reqwest::Method;
use serde_json::Value;
use wellspring_core::catalog::{DocumentInfo, EntryState};

use crate::cli::{DocumentsAction, DocumentsArguments};
use crate::client::{Client, document_path};
use crate::output;

/// Does what was asked with documents.
pub(crate) async fn run(client: &Client, arguments: &DocumentsArguments, json: bool) -> anyhow::Result<()> {
    let collection = ("collection", arguments.collection.as_str());
    match &arguments.action {
        None => list(client, &[collection, ("limit", "100")], json).await,
        Some(DocumentsAction::List { state, source, limit, after }) => {
            let limit = limit.to_string();
            let mut query = vec![collection, ("limit", limit.as_str())];
            query.extend(state.as_deref().map(|state| ("state", state)));
            query.extend(source.as_deref().map(|source| ("source", source)));
            query.extend(after.as_deref().map(|after| ("after", after)));
            list(client, &query, json).await
        }
        Some(DocumentsAction::Show { key, revision }) => {
            let revision = revision.map(|revision| revision.to_string());
            let mut query = vec![collection];
            query.extend(revision.as_deref().map(|revision| ("revision", revision)));
            let request = client.request(Method::GET, &document_path(key)?).query(&query);
            let document: Value = client.json(request).await?;
            if json {
                return output::json(&document);
            }
            output::line(document.get("text").and_then(Value::as_str).unwrap_or_default());
            let info: DocumentInfo = serde_json::from_value(document)?;
            output::note(format!("revision {}, {}", info.revision, state(&info)));
            Ok(())
        }
        Some(DocumentsAction::Retry { key }) => {
            let path = format!("{}/retry", document_path(key)?);
            let query = [collection, ("wait", "searchable")];
            let retried: Value = client.json(client.request(Method::POST, &path).query(&query)).await?;
            if json {
                return output::json(&retried);
            }
            let state = retried.get("state").and_then(Value::as_str).unwrap_or_default();
            output::line(format!("{key}: {state}"));
            Ok(())
        }
        Some(DocumentsAction::Residue { key }) => {
            let path = format!("{}/residue", document_path(key)?);
            let residue: Value = client.json(client.request(Method::GET, &path).query(&[collection])).await?;
            if json {
                return output::json(&residue);
            }
            output::table(&["store", "holds", "count"], residue_rows(&residue));
            Ok(())
        }
        Some(DocumentsAction::Delete { key, if_match }) => {
            let if_match = if_match.map(|revision| revision.to_string());
            let mut query = vec![collection];
            query.extend(if_match.as_deref().map(|revision| ("if_match", revision)));
            let request = client.request(Method::DELETE, &document_path(key)?).query(&query);
            let receipt: Value = client.json(request).await?;
            if json {
                return output::json(&receipt);
            }
            output::line(format!("deleted {key}"));
            Ok(())
        }
    }
}

async fn list(client: &Client, query: &[(&str, &str)], json: bool) -> anyhow::Result<()> {
    #[derive(serde::Deserialize, serde::Serialize)]
    struct Page {
        documents: Vec<DocumentInfo>,
        next: Option<String>,
    }
    let page: Page = client.json(client.request(Method::GET, "/v1/documents").query(query)).await?;
    if json {
        return output::json(&page);
    }
    let rows = page.documents.iter().map(row).collect();
    output::table(&["key", "state", "revision", "chunks", "bytes", "title"], rows);
    if let Some(next) = page.next {
        output::note(format!("more: wellspring documents list --after {next:?}"));
    }
    Ok(())
}

/// What is left, one row a store and kind.
fn residue_rows(residue: &Value) -> Vec<Vec<String>> {
    let row = |store: &str, holds: &str, count: Option<&Value>| {
        vec![store.to_owned(), holds.to_owned(), count.map(Value::to_string).unwrap_or_default()]
    };
    let catalog = residue.get("catalog").and_then(Value::as_object).into_iter().flatten();
    let views = residue.get("views").and_then(Value::as_array).into_iter().flatten();
    catalog
        .map(|(kind, count)| row("catalog", kind, Some(count)))
        .chain(views.map(|view| {
            row(view.get("name").and_then(Value::as_str).unwrap_or_default(), "chunks", view.get("chunks"))
        }))
        .collect()
}

/// The state in words, with the reason where there is one.
fn state(document: &DocumentInfo) -> String {
    match &document.state {
        EntryState::Pending => "received".to_owned(),
        EntryState::Parsed => "parsed".to_owned(),
        EntryState::Embedded => "embedded".to_owned(),
        EntryState::Published => "searchable".to_owned(),
        EntryState::Superseded => "superseded".to_owned(),
        EntryState::Failed { reason, next_retry_at: Some(at), .. } => format!("failed, again at {at}: {reason}"),
        EntryState::Failed { reason, .. } => format!("failed: {reason}"),
        EntryState::Quarantined { reason } => format!("quarantined: {reason}"),
        EntryState::Skipped { reason } => format!("skipped: {reason}"),
    }
}

fn row(document: &DocumentInfo) -> Vec<String> {
    vec![
        output::short(document.key.as_str()),
        state(document),
        document.revision.to_string(),
        document.chunks.to_string(),
        output::bytes(document.bytes),
        document.title.as_deref().map(output::short).unwrap_or_default(),
    ]
}
