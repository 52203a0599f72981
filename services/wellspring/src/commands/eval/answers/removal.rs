//! What is answered when the documents that say it are gone?

use std::collections::BTreeSet;

use anyhow::Context;
use reqwest::Method;

use super::asking::Question;
use crate::client::{Client, ClientError, document_path};
use crate::commands::add;
use crate::output::Progress;

/// Deletes the gold documents of all the questions, and waits until the indexes have forgotten them too.
pub(super) async fn remove_gold(client: &Client, questions: &[Question]) -> anyhow::Result<()> {
    let documents: BTreeSet<(&str, &str)> = questions
        .iter()
        .flat_map(|question| question.gold.iter().map(|id| (question.collection.as_str(), id.as_str())))
        .collect();
    let mut progress = Progress::start("documents removed", documents.len() as u64);
    for (number, (collection, id)) in documents.into_iter().enumerate() {
        let request = client.request(Method::DELETE, &document_path(id)?).query(&[("collection", collection)]);
        match client.send(request).await {
            // Not in the corpus, or refused as a document without a text: it was never there.
            Ok(_) | Err(ClientError::Refused { status: 404, .. }) => {}
            Err(error) => return Err(error).with_context(|| format!("could not remove the document `{id}`")),
        }
        progress.at(number as u64 + 1);
    }
    progress.finish();
    add::wait(client).await
}
