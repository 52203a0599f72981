//! `ask`: the answer as it comes, then where it stands written.

use futures::StreamExt;
use reqwest::Method;
use serde_json::json;
use wellspring_core::answer::{Answer, AnswerStatus, Citation, EntailmentStatus, Position};

use crate::cli::AskArguments;
use crate::client::{Client, ClientError};
use crate::output::{self, NothingFound};

/// Asks, streams to the terminal, and lists the sources below.
pub(crate) async fn run(client: &Client, arguments: &AskArguments, json: bool) -> anyhow::Result<()> {
    let mode = arguments.mode.answer_mode();
    let mut body = json!({ "question": arguments.question.join(" "), "collection": arguments.collection, "mode": mode, "stream": !json });
    if let Some(style) = arguments.style.answer_style() {
        body["style"] = json!(style);
    }
    if let Some(verify) = arguments.verify {
        body["verify"] = json!(verify.verify());
    }
    if !arguments.after.is_empty() {
        // What was answered is not known here; a turn without an answer would run into the next.
        let turn = |question: &String| {
            [json!({ "role": "user", "content": question }), json!({ "role": "assistant", "content": "…" })]
        };
        body["history"] = arguments.after.iter().flat_map(turn).collect();
    }
    arguments.reach.add_to(&mut body);
    let request = client.request(Method::POST, "/v1/ask").json(&body);
    let answer = if json {
        let answer: Answer = client.json(request).await?;
        output::json(&answer)?;
        answer
    } else {
        let answer = stream(client, request).await?;
        sources(&answer);
        answer
    };
    match answer.status {
        AnswerStatus::Answered | AnswerStatus::Conflicting => Ok(()),
        AnswerStatus::InsufficientEvidence => Err(NothingFound.into()),
    }
}

/// Prints the text as it arrives, a mark after each supported part; returns the whole answer.
async fn stream(client: &Client, request: reqwest::RequestBuilder) -> anyhow::Result<Answer> {
    let mut events = client.events(request).await?;
    let mut printed = String::new();
    // The newest piece is held back until the next event: a citation of the sentence before it comes after it.
    let mut held_back = String::new();
    let mut marks = 0;
    while let Some(event) = events.next().await {
        let event = event?;
        match event.name.as_str() {
            "delta" => {
                let delta: Delta = parse(&event.data)?;
                output::piece(&held_back);
                printed.push_str(&held_back);
                held_back = delta.text;
            }
            "citation" => {
                let citation: Citation = parse(&event.data)?;
                marks += 1;
                if citation.answer_span.end > printed.trim_end().chars().count() {
                    output::piece(&held_back);
                    printed.push_str(&std::mem::take(&mut held_back));
                }
                output::piece(&format!(" [{marks}]"));
            }
            "done" => {
                let answer: Answer = parse(&event.data)?;
                output::piece(&held_back);
                printed.push_str(&held_back);
                // What was streamed cannot be unsaid; where checking led to another answer, that one is printed too.
                if printed.trim() != answer.answer.trim() {
                    output::piece(if printed.is_empty() { "" } else { "\n\n" });
                    output::piece(&answer.answer);
                }
                output::piece("\n");
                return Ok(answer);
            }
            "error" => {
                output::piece(&held_back);
                output::piece("\n");
                let failure: Failed = parse(&event.data)?;
                let Failed { error } = failure;
                return Err(ClientError::Refused {
                    status: 200,
                    code: error.code,
                    message: error.message,
                    hint: error.hint,
                }
                .into());
            }
            _ => {}
        }
    }
    Err(ClientError::Garbled { reason: "the stream ended without an end".to_owned() }.into())
}

#[derive(serde::Deserialize)]
struct Delta {
    text: String,
}

#[derive(serde::Deserialize)]
struct Failed {
    error: wellspring_core::answer::AnswerFailure,
}

fn parse<T: serde::de::DeserializeOwned>(data: &str) -> Result<T, ClientError> {
    serde_json::from_str(data).map_err(|error| ClientError::Garbled { reason: error.to_string() })
}

/// Lists what the answer rests on, or what was looked at in vain.
fn sources(answer: &Answer) {
    if let Some(question) = &answer.rewritten {
        output::line(format!("(asked: {question})"));
    }
    if let Some(note) = &answer.note {
        output::line(format!("({note})"));
    }
    if !answer.citations.is_empty() {
        output::line("\nSources");
    }
    for (number, citation) in answer.citations.iter().enumerate() {
        let Citation { document, revision, source_span, quote, support, place, outdated, entailment, .. } = citation;
        let outdated = if *outdated { ", outdated" } else { "" };
        let place = place.as_ref().map(|place| format!(", {place}")).unwrap_or_default();
        let judged = match entailment {
            Some(EntailmentStatus::Judged { entailed, .. }) => format!(", follows by {:.0} %", entailed * 100.0),
            Some(EntailmentStatus::NotJudged { .. }) => ", not judged".to_owned(),
            None => String::new(),
        };
        let (start, end) = (source_span.start, source_span.end);
        let support = serde_json::to_value(support).ok();
        let support = support.as_ref().and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        output::line(format!(
            "[{}] {document}{place}, revision {revision}, characters {start}-{end} ({support}{judged}{outdated})",
            number + 1
        ));
        output::line(format!("    \u{201c}{}\u{201d}", quote.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    if !answer.positions.is_empty() {
        output::line("\nThe documents disagree");
    }
    for Position { says, dated, published, documents, citation, .. } in &answer.positions {
        let (date, how) = (dated.strftime("%Y-%m-%d"), if *published { "published" } else { "accepted" });
        let more = if *documents > 1 { format!(" and {} more", documents - 1) } else { String::new() };
        output::line(format!("  {says}: {}{more}, {how} {date}", citation.document));
        let quote = citation.quote.split_whitespace().collect::<Vec<_>>().join(" ");
        output::line(format!("    \u{201c}{quote}\u{201d}"));
    }
    if !answer.looked_at.is_empty() {
        output::line("\nLooked at");
        for looked in &answer.looked_at {
            output::line(format!("  {} ({:.2})", looked.document, looked.score));
        }
    }
    let spent = &answer.spent;
    let model = answer.model.as_deref().unwrap_or("extract");
    output::note(format!(
        "{model}: first text {:.0} ms, {:.0} ms in all, {} tokens read, {} written",
        spent.first_text_ms, spent.total_ms, spent.usage.prompt_tokens, spent.usage.completion_tokens
    ));
}
