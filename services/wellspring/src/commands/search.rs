//! `search`: passages, best first.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use wellspring_core::retriever::{ArmOpinion, ArmStatus, Explanation, Ranked};

use crate::cli::SearchArguments;
use crate::client::Client;
use crate::output::{self, NothingFound};

/// Characters of a passage that the terminal shows.
const SHOWN_CHARACTERS: usize = 300;

#[derive(Deserialize, Serialize)]
struct Results {
    hits: Vec<Ranked>,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

/// Searches and prints.
pub(crate) async fn run(client: &Client, arguments: &SearchArguments, json: bool) -> anyhow::Result<()> {
    let SearchArguments { query, limit, collection, explain, half_life_days, per_document, collapse, expand, reach } =
        arguments;
    let mut body = json!({
        "query": query.join(" "), "limit": limit, "collection": collection, "explain": explain, "collapse": collapse,
        "half_life_days": half_life_days, "per_document": per_document, "expand": expand,
    });
    reach.add_to(&mut body);
    let results: Results = client.json(client.request(Method::POST, "/v1/search").json(&body)).await?;
    if json {
        output::json(&results)?;
    } else {
        for (number, hit) in results.hits.iter().enumerate() {
            let passage = &hit.passage;
            let title = passage.title.as_deref().unwrap_or_default();
            output::line(format!("{}. {} {title} ({:.3})", number + 1, passage.document, hit.score));
            let flat = passage.text.split_whitespace().collect::<Vec<_>>().join(" ");
            let shown: String = flat.chars().take(SHOWN_CHARACTERS).collect();
            output::line(format!("   {shown}{}", if shown.len() < flat.len() { " …" } else { "" }));
            if passage.outdated {
                output::line("   (the document has a newer version, which could not be read)");
            }
            for duplicate in &hit.duplicates {
                output::line(format!("   nearly the same: {}", duplicate.document));
            }
            if let Some(explanation) = &hit.explain {
                output::line(format!("   {}", reason(explanation)));
            }
        }
    }
    for (arm, said) in [("keyword", "words"), ("vector", "meaning")] {
        let status = results.rest.get("arms").and_then(|arms| arms.get(arm)).cloned().unwrap_or_default();
        if let Ok(ArmStatus::Failed { reason }) = serde_json::from_value(status) {
            output::note(format!("the search by {said} failed and has no part in this: {reason}"));
        }
    }
    if results.hits.is_empty() {
        output::note("no passage matches");
        return Err(NothingFound.into());
    }
    Ok(())
}

/// Why a passage stands where it stands, on one line.
fn reason(explanation: &Explanation) -> String {
    let Explanation { keyword, vector, weights, leaned, rerank, .. } = explanation;
    let arms = [("words", keyword, weights.keyword), ("meaning", vector, weights.vector)];
    let reread = rerank.map_or(String::new(), |score| format!("; reranker: {score:.3}"));
    let leaned = leaned.map_or(String::new(), |cosine| format!("; with the best passages: {cosine:.3}"));
    let said = arms.map(|(name, opinion, weight)| match opinion {
        Some(ArmOpinion { rank: Some(rank), score }) => format!("{name}: rank {rank}, {score:.3}, weight {weight}"),
        Some(ArmOpinion { rank: None, score }) => format!("{name}: not named, {score:.3}, weight {weight}"),
        None => format!("{name}: nothing"),
    });
    said.join("; ") + &leaned + &reread
}
