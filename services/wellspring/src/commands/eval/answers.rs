//! Answers: is what is said right, does it stand where the citation says, and is nothing said when the documents do not say
//! it?
//!
//! ```text
//! the whole corpus, or gold and drawn documents by the question ─► ask ─► check ─► remove the gold ones ─► ask again
//! ```
//!
//! Invariants:
//! - Questions are asked over HTTP, one after the other, as one person asks.
//! - Only questions with right answers are asked, the same ones in both passes.
//! - What was removed from a kept folder is added again before it is used again.

mod asking;
mod cascade;
mod given;
mod overlap;
mod removal;
mod report;

use std::path::Path;

use anyhow::{bail, ensure};
use wellspring_core::answer::{AnswerMode, Verify};
use wellspring_core::document::DEFAULT_COLLECTION;

use self::asking::{Asker, Question};
use self::report::{AnswersReport, Measured, Tally};
use super::collection::{Collection, Holds};
use super::gold;
use super::per_query::PerQuery;
use super::set::{Query, TestSet};
use crate::cli::{AbstainArguments, AnswersArguments};
use crate::config::{Config, GeneratorChoice, GeneratorPlace};
use crate::models::{Manifest, ModelStore};
use crate::output::Progress;

/// Measures and prints.
pub(super) async fn run(arguments: &AnswersArguments, json: bool) -> anyhow::Result<()> {
    let mode = arguments.mode.answer_mode();
    let mut config = Config::load(&arguments.flags())?;
    if mode == AnswerMode::Extract {
        config.without_generators();
    }
    check_model(&config, mode)?;
    let mut set = TestSet::load(&arguments.folder)?;
    let sampled = sample(&mut set, &arguments.folder, arguments.limit, arguments.seed)?;
    // Before the documents are read, which may take long.
    let per_query = PerQuery::create(arguments.per_query.as_deref())?;
    let holds = if arguments.given { Holds::Given } else { Holds::Corpus };
    let collection = Collection::open(&set, &config, arguments.keep.as_deref(), holds).await?;
    let report = Measurement { arguments, set, sampled, mode, per_query }.run(&collection).await;
    collection.close().await;
    report?.print(json)
}

/// How much evidence there is for each question: with the documents that answer it, and without them.
pub(super) async fn sufficiencies(arguments: &AbstainArguments) -> anyhow::Result<(String, Vec<[f32; 2]>)> {
    let mut config = Config::load(&arguments.set.flags())?;
    config.without_generators();
    let mut set = TestSet::load(&arguments.set.folder)?;
    let Sampled { questions, .. } = sample(&mut set, &arguments.set.folder, arguments.set.limit, arguments.set.seed)?;
    let collection = Collection::open(&set, &config, arguments.set.keep.as_deref(), Holds::Corpus).await?;
    let measured = async {
        let client = &collection.service.client;
        let asker = Asker { client, mode: AnswerMode::Extract, style: None, verify: Verify::Mark };
        let with = evidence_of_all(asker, &questions, false).await?;
        collection.note_incomplete()?;
        removal::remove_gold(client, &questions).await?;
        let without = evidence_of_all(asker, &questions, true).await?;
        anyhow::Ok(with.into_iter().zip(without).map(|(with, without)| [with, without]).collect())
    };
    let measured = measured.await;
    collection.close().await;
    Ok((set.name, measured?))
}

async fn evidence_of_all(asker: Asker<'_>, questions: &[Question], unanswerable: bool) -> anyhow::Result<Vec<f32>> {
    let mut progress = Progress::start("questions asked", questions.len() as u64);
    let mut found = Vec::with_capacity(questions.len());
    for (number, question) in questions.iter().enumerate() {
        found.push(asker.ask(question, unanswerable).await?.sufficiency);
        progress.at(number as u64 + 1);
    }
    progress.finish();
    Ok(found)
}

/// Says what is missing before anything starts.
fn check_model(config: &Config, mode: AnswerMode) -> anyhow::Result<()> {
    if config.generators.is_empty() && mode == AnswerMode::Generate {
        bail!("--mode generate needs a model; name one with --model")
    }
    for entry in &config.generators {
        match &entry.place {
            GeneratorPlace::Own(GeneratorChoice::Named(name)) => {
                let manifest = Manifest::builtin();
                manifest.generator(name)?;
                ModelStore::new(&config.models_dir).path(&manifest, name)?;
            }
            GeneratorPlace::Own(GeneratorChoice::File(path)) => {
                ensure!(path.is_file(), "there is no model at {}", path.display());
            }
            GeneratorPlace::Own(GeneratorChoice::Off) | GeneratorPlace::Url { .. } => {}
        }
    }
    Ok(())
}

/// What is asked.
struct Sampled {
    questions: Vec<Question>,
    queries_without_answers: usize,
}

/// The questions with right answers, or a sample of them.
fn sample(set: &mut TestSet, folder: &Path, limit: Option<usize>, seed: u64) -> anyhow::Result<Sampled> {
    let mut right = gold::read(folder)?;
    let queries = set.queries.len();
    set.queries.retain(|query| right.contains_key(&query.id));
    let queries_without_answers = queries - set.queries.len();
    if set.queries.is_empty() {
        bail!("no query of {} has both an answer and a relevant document", set.name);
    }
    if let Some(count) = limit {
        ensure!(count > 0, "--limit 0 leaves no question to ask");
        set.sample(count, seed);
    }
    let question = |Query { id, text, grades, .. }: Query| {
        let (right, fake) = right.remove(&id).map(|gold| (gold.right, gold.fake)).unwrap_or_default();
        Question {
            right,
            fake,
            gold: grades.into_iter().filter(|(_, grade)| *grade > 0).map(|(document, _)| document).collect(),
            collection: DEFAULT_COLLECTION.to_owned(),
            id,
            text,
        }
    };
    let questions = std::mem::take(&mut set.queries).into_iter().map(question).collect();
    Ok(Sampled { questions, queries_without_answers })
}

/// What is to be done once a service runs.
struct Measurement<'a> {
    arguments: &'a AnswersArguments,
    set: TestSet,
    sampled: Sampled,
    mode: AnswerMode,
    per_query: PerQuery,
}

impl Measurement<'_> {
    async fn run(self, collection: &Collection) -> anyhow::Result<AnswersReport> {
        let Self { arguments, set, sampled: Sampled { mut questions, queries_without_answers }, mode, mut per_query } =
            self;
        let service = &collection.service;
        if arguments.given {
            given::fill(&service.client, &set, &mut questions, arguments.seed).await?;
        }
        let model = service.generator_ready().await?.unwrap_or_else(|| "off".to_owned());
        let documents = service.number("/catalog/searchable").await?;
        let (style, verify) = (arguments.style.answer_style(), arguments.verify.verify());
        let asker = Asker { client: &service.client, mode, style, verify };
        // The first question pays for what is made once, such as the dictionary. It is not the one that is measured first,
        // whose prompt would then be in the model's memory.
        if let Some(last) = questions.last() {
            asker.ask(last, false).await?;
        }
        let tally = ask_all(asker, &questions, false, &mut per_query).await?;
        let mut without = None;
        if arguments.unanswerable {
            collection.note_incomplete()?;
            removal::remove_gold(&service.client, &questions).await?;
            without = Some(ask_all(asker, &questions, true, &mut per_query).await?);
        }
        per_query.finish()?;
        let TestSet { name, left_out, .. } = set;
        let given = arguments.given;
        let measured = Measured { set: name, model, mode, given, documents, queries_without_answers, left_out };
        Ok(AnswersReport::of(measured, tally, without.as_ref()))
    }
}

/// Asks every question once.
async fn ask_all(
    asker: Asker<'_>,
    questions: &[Question],
    unanswerable: bool,
    per_query: &mut PerQuery,
) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let what = if unanswerable { "questions asked again" } else { "questions asked" };
    let mut progress = Progress::start(what, questions.len() as u64);
    for (number, question) in questions.iter().enumerate() {
        let run = asker.ask(question, unanswerable).await?;
        tally.add(&run);
        per_query.write(&run)?;
        progress.at(number as u64 + 1);
    }
    progress.finish();
    Ok(tally)
}
