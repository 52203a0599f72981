//! `sources`: add, list, show, pause, resume, refresh, release, remove.

use std::collections::BTreeMap;

use anyhow::Context;
use jiff::Timestamp;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use wellspring_core::source::{Origin, Remains, SourceName, Visit};
use wellspring_core::websub::{SubscriptionInfo, SubscriptionState};

use crate::cli::{NewOrigin, NewSource, SourcesAction, SourcesArguments};
use crate::client::{Client, ClientError};
use crate::output;

/// Does what was asked with sources.
pub(crate) async fn run(client: &Client, arguments: &SourcesArguments, json: bool) -> anyhow::Result<()> {
    match &arguments.action {
        None | Some(SourcesAction::List) => list(client, json).await,
        Some(SourcesAction::Add { origin }) => add(client, &body(origin)?, json).await,
        Some(SourcesAction::Show { name }) => {
            let source: Value = client.json(client.request(Method::GET, &path(name)?)).await?;
            if json {
                return output::json(&source);
            }
            let mut rows = Vec::new();
            super::status::flatten("", &source, &mut rows);
            output::table(&["what", "value"], rows);
            Ok(())
        }
        Some(SourcesAction::Pause { name }) => pause(client, name, true, json).await,
        Some(SourcesAction::Resume { name }) => pause(client, name, false, json).await,
        Some(SourcesAction::Refresh { name }) => {
            let source: Value = client.json(client.request(Method::POST, &format!("{}/refresh", path(name)?))).await?;
            said(&source, json, &refreshed(&source))
        }
        Some(SourcesAction::Release { name }) => {
            let source: Value = client.json(client.request(Method::POST, &format!("{}/release", path(name)?))).await?;
            said(&source, json, "deletes what its next look finds missing")
        }
        Some(SourcesAction::Remove { name, documents }) => {
            let documents = Remains::from(*documents).as_str();
            let request = client.request(Method::DELETE, &path(name)?).query(&[("documents", documents)]);
            let removal: Value = client.json(request).await?;
            if json {
                return output::json(&removal);
            }
            match removal.get("removed").and_then(Value::as_bool) {
                Some(true) => output::line(format!("removed {name}; documents: {documents}")),
                _ => output::line(format!("removing {name}; `wellspring sources` lists it until that is done")),
            }
            Ok(())
        }
    }
}

async fn add(client: &Client, body: &Value, json: bool) -> anyhow::Result<()> {
    let before = match body["name"].as_str().map(path) {
        Some(Ok(path)) => client.json::<Value>(client.request(Method::GET, &path)).await.ok(),
        // What is no name the service refuses in its own words.
        Some(Err(_)) | None => None,
    };
    let answer = client.send(client.request(Method::POST, "/v1/sources").json(body)).await?;
    let is_new = answer.status() == StatusCode::CREATED;
    let source: Value = answer.json().await.context("the server's answer could not be read")?;
    let settings = |source: &Value| ["origin", "private_hosts", "tags"].map(|field| source.get(field).cloned());
    let what = match before {
        _ if is_new => "added",
        Some(before) if settings(&before) == settings(&source) => "is as it was",
        Some(_) | None => "changed",
    };
    said(&source, json, what)
}

/// What a refresh came to: a server that asked to be left alone may still do so.
fn refreshed(source: &Value) -> String {
    match source.get("left_alone_until").and_then(Value::as_str) {
        None => "is visited as soon as there is room".to_owned(),
        Some(until) => format!(
            "is visited as soon as there is room, although its server asked to be left alone until {until}: it is asked \
             once a minute at most; `wellspring sources` shows what it answered"
        ),
    }
}

async fn pause(client: &Client, name: &str, paused: bool, json: bool) -> anyhow::Result<()> {
    let request = client.request(Method::PATCH, &path(name)?).json(&json!({ "paused": paused }));
    let source: Value = client.json(request).await?;
    said(&source, json, if paused { "is paused" } else { "goes on" })
}

/// Prints what was done with a source.
fn said(source: &Value, json: bool, what: &str) -> anyhow::Result<()> {
    if json {
        return output::json(source);
    }
    let name = source.get("name").and_then(Value::as_str).unwrap_or_default();
    output::line(format!("{name} {what}"));
    Ok(())
}

/// A source's path in the API. A name needs no escaping, and what is no name never leaves this machine.
fn path(name: &str) -> anyhow::Result<String> {
    match name.parse::<SourceName>() {
        Ok(name) => Ok(format!("/v1/sources/{name}")),
        // As the service refuses one that is added.
        Err(error) => Err(ClientError::Refused {
            status: 422,
            code: "invalid_field".to_owned(),
            message: format!("the name `{}` cannot be that of a source: a name {error}", output::short(name)),
            hint: "`wellspring sources` lists the names that there are".to_owned(),
        }
        .into()),
    }
}

/// What `sources add` sends.
fn body(origin: &NewOrigin) -> anyhow::Result<Value> {
    let (settings, common, own_name) = match origin {
        NewOrigin::Folder { path, include, exclude, gitignore, common } => {
            let absolute = std::path::absolute(path).with_context(|| format!("could not find {}", path.display()))?;
            // A path such as `notes/..` has no name of its own until the file system is asked.
            let named = absolute.canonicalize().unwrap_or_else(|_| absolute.clone());
            let name = named.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let settings = json!({
                "kind": "folder", "path": absolute, "include": include, "exclude": exclude, "gitignore": gitignore,
            });
            (settings, common, name)
        }
        NewOrigin::Feed { url, articles, common } => {
            (json!({ "kind": "feed", "url": url, "articles": articles }), common, host(url))
        }
        NewOrigin::Site { url, sitemap, depth, pages, common } => {
            let settings = json!({
                "kind": "site", "url": url, "sitemap": sitemap, "depth_max": depth, "pages_max": pages,
            });
            (settings, common, host(url))
        }
        NewOrigin::Page { url, common } => (json!({ "kind": "page", "url": url }), common, page(url)),
    };
    let NewSource { name, collection, private_hosts, tags } = common;
    let name = match name {
        Some(name) => name.clone(),
        None => SourceName::like(&own_name).context("no name can be made of this: give one with --name")?.to_string(),
    };
    Ok(json!({
        "name": name, "collection": collection, "origin": settings, "private_hosts": private_hosts, "tags": tags,
    }))
}

/// The host of an address, without `www.`; empty when it is none: the service says what is wrong with it.
fn host(url: &str) -> String {
    let url = Url::parse(url).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    host.strip_prefix("www.").unwrap_or(host).to_owned()
}

/// The host and the path of an address: one host has many pages.
fn page(url: &str) -> String {
    let path = Url::parse(url).map(|url| url.path().trim_matches('/').to_owned()).unwrap_or_default();
    let host = host(url);
    if path.is_empty() { host } else { format!("{host}-{path}") }
}

/// What a list shows of a source.
#[derive(Debug, Deserialize)]
struct Source {
    name: SourceName,
    origin: Origin,
    paused: bool,
    declared: bool,
    removing: Option<Remains>,
    documents: BTreeMap<String, u64>,
    last_visit: Option<Visit>,
    next_visit_at: Option<Timestamp>,
    next_visit_reason: String,
    last_error: Option<String>,
    staleness_seconds: Option<u64>,
    held_deletions: u64,
    visiting: bool,
    subscription: Option<SubscriptionInfo>,
}

async fn list(client: &Client, json: bool) -> anyhow::Result<()> {
    let listed: Value = client.json(client.request(Method::GET, "/v1/sources")).await?;
    if json {
        return output::json(&listed);
    }
    let sources = listed.get("sources").cloned().unwrap_or_default();
    let sources: Vec<Source> = serde_json::from_value(sources).context("the server's list could not be read")?;
    if sources.is_empty() {
        output::note("no sources; `wellspring sources add --help` shows how to add one");
        return Ok(());
    }
    let now = Timestamp::now();
    let rows = sources.iter().map(|source| row(source, now)).collect();
    output::table(&["name", "kind", "state", "documents", "last visit", "next visit", "stale for", "note"], rows);
    if sources.iter().filter_map(|source| source.subscription.as_ref()).any(|hub| hub.state == SubscriptionState::Off) {
        output::note("a hub would tell of some of these at once; `wellspring sources show NAME` says what it needs");
    }
    for source in sources.iter().filter(|source| source.held_deletions > 0) {
        let Source { name, held_deletions, .. } = source;
        output::note(format!(
            "{name} holds back {held_deletions} deletions: so many at once look like a lost disk; \
             `wellspring sources release {name}` if they are meant"
        ));
    }
    Ok(())
}

fn row(source: &Source, now: Timestamp) -> Vec<String> {
    let failed: u64 = ["failed", "quarantined"].iter().filter_map(|state| source.documents.get(*state)).sum();
    let all: u64 = source.documents.values().sum();
    let skipped = source.documents.get("skipped").copied().unwrap_or(0);
    let (missed, left_out) = source.last_visit.as_ref().map_or((0, 0), |visit| (visit.failed, visit.left_out));
    let mut asides = Vec::new();
    if failed > 0 {
        asides.push(format!("{failed} failed"));
    }
    if skipped > 0 {
        asides.push(format!("{skipped} skipped"));
    }
    if missed > 0 {
        asides.push(format!("{missed} missed"));
    }
    if left_out > 0 {
        asides.push(format!("{left_out} left out"));
    }
    let documents = if asides.is_empty() { all.to_string() } else { format!("{all} ({})", asides.join(", ")) };
    let ago = |seconds: i64| format!("{} ago", duration(seconds));
    let last = source.last_visit.as_ref().map(|visit| ago(now.duration_since(visit.began_at).as_secs()));
    let next = source.next_visit_at.map(|at| match at.duration_since(now).as_secs() {
        seconds if seconds <= 0 => "now".to_owned(),
        seconds => format!("in {}", duration(seconds)),
    });
    let stale = source.staleness_seconds.map(|seconds| duration(i64::try_from(seconds).unwrap_or(i64::MAX)));
    vec![
        source.name.to_string(),
        source.origin.kind().to_owned(),
        state(source).to_owned(),
        documents,
        last.unwrap_or_else(|| "never".to_owned()),
        next.unwrap_or_else(|| "-".to_owned()),
        stale.unwrap_or_else(|| "-".to_owned()),
        source.last_error.clone().unwrap_or_else(|| source.next_visit_reason.clone()),
    ]
}

fn state(source: &Source) -> &'static str {
    match source {
        Source { removing: Some(_), .. } => "removing",
        Source { paused: true, .. } => "paused",
        Source { visiting: true, .. } => "visiting",
        Source { last_error: Some(_), .. } => "in trouble",
        Source { last_visit: None, .. } => "waiting",
        Source { declared: true, .. } => "ok (config)",
        _ => "ok",
    }
}

/// A length of time in its largest whole unit.
pub(super) fn duration(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..86_400 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn common() -> NewSource {
        NewSource { name: None, collection: "default".to_owned(), private_hosts: Vec::new(), tags: Vec::new() }
    }

    #[test]
    fn a_source_without_a_name_gets_that_of_its_place() {
        let name = |origin| body(&origin).unwrap()["name"].as_str().unwrap().to_owned();
        let folder = |path: &str| NewOrigin::Folder {
            path: PathBuf::from(path),
            include: Vec::new(),
            exclude: Vec::new(),
            gitignore: false,
            common: common(),
        };
        assert_eq!(name(folder("/nowhere/My Notes")), "my-notes");
        let page = |url: &str| NewOrigin::Page { url: url.to_owned(), common: common() };
        assert_eq!(name(page("https://www.example.org/Docs/a.html")), "example.org-docs-a.html");
        let url = "https://blog.example.org/feed.xml".to_owned();
        assert_eq!(name(NewOrigin::Feed { url, articles: false, common: common() }), "blog.example.org");
        assert!(body(&page("nonsense")).is_err());
    }

    #[test]
    fn a_length_of_time_is_one_number() {
        let lengths = [0, 59, 60, 3600, 200_000, -5].map(duration);
        assert_eq!(lengths, ["0 s", "59 s", "1 min", "1 h", "2 d", "0 s"]);
    }

    #[test]
    fn what_is_no_name_is_refused_here() {
        assert_eq!(path("notes").unwrap(), "/v1/sources/notes");
        let refused = path("../Documents").unwrap_err();
        let said = refused.to_string();
        assert!(said.starts_with("the name `../Documents` cannot be that of a source: a name may hold only"), "{said}");
        assert_eq!(output::exit_code(&refused), 2);
    }
}
