//! `webhooks`: add, list, test, rotate, resume, remove.

use anyhow::Context;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use wellspring_core::webhook::{WebhookId, WebhookInfo, WebhookState, WebhookTest};

use super::sources::duration;
use crate::cli::{WebhooksAction, WebhooksArguments};
use crate::client::Client;
use crate::output;

/// Does what was asked with webhooks.
pub(crate) async fn run(client: &Client, arguments: &WebhooksArguments, json: bool) -> anyhow::Result<()> {
    match &arguments.action {
        None | Some(WebhooksAction::List) => list(client, json).await,
        Some(WebhooksAction::Add { url, states, collection, private_hosts }) => {
            let body = json!({
                "url": url, "states": states, "collection": collection, "private_hosts": private_hosts,
            });
            let added: Value = client.json(client.request(Method::POST, "/v1/webhooks").json(&body)).await?;
            if json {
                return output::json(&added);
            }
            output::line(format!("added {}", text(&added, "/webhook/id")));
            output::line(format!("secret {}", text(&added, "/secret")));
            output::note("keep the secret: messages are signed with it, and it is not shown again");
            Ok(())
        }
        Some(WebhooksAction::Rotate { id, overlap_hours }) => {
            let path = format!("{}/rotate?overlap_hours={overlap_hours}", path(id)?);
            let rotated: Value = client.json(client.request(Method::POST, &path)).await?;
            if json {
                return output::json(&rotated);
            }
            output::line(format!("secret {}", text(&rotated, "/secret")));
            output::note(&match text(&rotated, "/webhook/former_secret_until") {
                "" => "keep the secret: it is not shown again; the one before signs nothing any more".to_owned(),
                until => format!("keep the secret: it is not shown again; the one before signs too until {until}"),
            });
            Ok(())
        }
        Some(WebhooksAction::Test { id }) => test(client, id, json).await,
        Some(WebhooksAction::Resume { id }) => {
            let webhook: Value = client.json(client.request(Method::POST, &format!("{}/resume", path(id)?))).await?;
            if json {
                return output::json(&webhook);
            }
            output::line(format!("{id} goes on"));
            Ok(())
        }
        Some(WebhooksAction::Remove { id }) => {
            client.send(client.request(Method::DELETE, &path(id)?)).await?;
            if json {
                return output::json(&json!({ "id": id, "removed": true }));
            }
            output::line(format!("removed {id}"));
            Ok(())
        }
    }
}

/// A text within an answer; empty where there is none.
fn text<'a>(answer: &'a Value, pointer: &str) -> &'a str {
    answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A webhook's path in the API. What is no identity never leaves this machine.
fn path(id: &str) -> anyhow::Result<String> {
    let id: WebhookId =
        id.parse().with_context(|| format!("`{id}` cannot be a webhook; `wellspring webhooks` lists them"))?;
    Ok(format!("/v1/webhooks/{id}"))
}

async fn test(client: &Client, id: &str, json: bool) -> anyhow::Result<()> {
    let test: WebhookTest = client.json(client.request(Method::POST, &format!("{}/test", path(id)?))).await?;
    if json {
        output::json(&test)?;
    }
    if !test.delivered {
        anyhow::bail!("{id} did not take the message: {}", test.error.as_deref().unwrap_or("no reason was given"));
    }
    if !json {
        output::line(format!("{id} took the message {}", test.message));
    }
    Ok(())
}

async fn list(client: &Client, json: bool) -> anyhow::Result<()> {
    let listed: Value = client.json(client.request(Method::GET, "/v1/webhooks")).await?;
    if json {
        return output::json(&listed);
    }
    let webhooks = listed.get("webhooks").cloned().unwrap_or_default();
    let webhooks: Vec<WebhookInfo> = serde_json::from_value(webhooks).context("the server's list could not be read")?;
    if webhooks.is_empty() {
        output::note("no webhooks; `wellspring webhooks add --help` shows how to add one");
        return Ok(());
    }
    let now = Timestamp::now();
    let rows = webhooks.iter().map(|webhook| row(webhook, now)).collect();
    output::table(&["id", "url", "told of", "state", "delivered", "next attempt", "note"], rows);
    Ok(())
}

fn row(webhook: &WebhookInfo, now: Timestamp) -> Vec<String> {
    let WebhookInfo { id, settings, state, progress, .. } = webhook;
    let states: Vec<_> = settings.states.iter().map(|state| state.as_str()).collect();
    let told_of = match (states.is_empty(), &settings.collection) {
        (true, None) => "everything".to_owned(),
        (true, Some(collection)) => collection.to_string(),
        (false, None) => states.join(", "),
        (false, Some(collection)) => format!("{} of {collection}", states.join(", ")),
    };
    let delivered = progress
        .delivered_event
        .zip(progress.delivered_at)
        .map(|(number, at)| format!("event {number}, {} ago", duration(now.duration_since(at).as_secs())));
    let next = progress.next_attempt_at.map(|at| match at.duration_since(now).as_secs() {
        seconds if seconds <= 0 => "now".to_owned(),
        seconds => format!("in {}", duration(seconds)),
    });
    let since = progress.failing_since.map(|since| duration(now.duration_since(since).as_secs()));
    let note = match (&progress.last_error, since, state) {
        (Some(error), Some(since), WebhookState::Disabled) => {
            format!("{error} (failing for {since}; `resume` goes on)")
        }
        (Some(error), Some(since), _) => format!("{error} (failing for {since})"),
        (_, _, WebhookState::Offline) => "the service is offline: events wait".to_owned(),
        _ => String::new(),
    };
    vec![
        id.to_string(),
        settings.url.clone(),
        told_of,
        word(*state).to_owned(),
        delivered.unwrap_or_else(|| "-".to_owned()),
        next.unwrap_or_else(|| "-".to_owned()),
        note,
    ]
}

fn word(state: WebhookState) -> &'static str {
    match state {
        WebhookState::Active => "active",
        WebhookState::Failing => "failing",
        WebhookState::Disabled => "disabled",
        WebhookState::Offline => "offline",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_identity_is_refused_here() {
        assert_eq!(path("wh_0101010101010101").unwrap(), "/v1/webhooks/wh_0101010101010101");
        assert!(path("../sources/a").is_err());
    }

    #[test]
    fn a_row_says_what_stands_in_the_way() {
        let webhook: WebhookInfo = serde_json::from_value(json!({
            "id": "wh_0101010101010101", "url": "https://a/", "states": ["failed"], "collection": "notes",
            "private_hosts": [], "state": "failing", "added_at": "2026-11-25T00:00:00Z", "former_secret_until": null, "cursor": 4,
            "delivered_event": 4, "delivered_at": "2026-11-25T00:00:00Z", "attempts": 2,
            "failing_since": "2026-11-25T00:01:00Z", "last_error": "it answered 500",
            "next_attempt_at": "2026-11-25T00:02:30Z", "disabled": null,
        }))
        .unwrap();
        let row = row(&webhook, "2026-11-25T00:02:00Z".parse().unwrap());
        assert_eq!(
            row[2..],
            ["failed of notes", "failing", "event 4, 2 min ago", "in 30 s", "it answered 500 (failing for 1 min)"]
        );
    }
}
