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
            let request = client.request(Method::GET, &document_path(key)).query(&query);
            let document: Value = client.json(request).await?;
            if json {
                return output::json(&document);
            }
            output::line(document.get("text").and_then(Value::as_str).unwrap_or_default());
            let info: DocumentInfo = serde_json::from_value(document)?;
            output::note(format!("revision {}, {}", info.revision, state(&info)));
            Ok(())
        }
        Some(DocumentsAction::Delete { key }) => {
            let request = client.request(Method::DELETE, &document_path(key)).query(&[collection]);
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

/// The state in words, with the reason where there is one.
fn state(document: &DocumentInfo) -> String {
    match &document.state {
        EntryState::Pending => "pending".to_owned(),
        EntryState::Published => "searchable".to_owned(),
        EntryState::Superseded => "superseded".to_owned(),
        EntryState::Failed { reason, .. } => format!("failed: {reason}"),
        EntryState::Quarantined { reason } => format!("quarantined: {reason}"),
        EntryState::Skipped { reason } => format!("skipped: {reason}"),
    }
}

fn row(document: &DocumentInfo) -> Vec<String> {
    vec![
        document.key.to_string(),
        state(document),
        document.revision.to_string(),
        document.chunks.to_string(),
        output::bytes(document.bytes),
        document.title.clone().unwrap_or_default(),
    ]
}
