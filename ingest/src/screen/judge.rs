//! Given what is known of others, what follows for each document?
//!
//! Pure: settings, measures and findings in; judgements and records out.
//!
//! Invariants:
//! - A document is judged against those before it in its batch as if they had come a batch earlier.
//! - The first rule that drops a document is the last one asked: it is no original, and no copy of one.
//! - Boilerplate never takes everything: a document that is nothing else is kept whole.

use std::collections::HashMap;

use wellspring_core::document::DocumentId;
use wellspring_core::screen::{
    Decision, Findings, Inquiry, Mode, Original, Record, Rule, Signature, TextDigest, Verdict,
};

use super::settings::ScreenSettings;
use super::{Judgement, Measured};

impl Measured {
    /// What must be known of others to judge this one.
    pub(super) fn inquiry(&self) -> Inquiry {
        Inquiry {
            document: self.subject.document,
            bands: self.bands.clone(),
            blocks: self.paragraphs.iter().map(|(block, _)| *block).collect(),
            scope: self.scope,
            arrival: self.arrival,
        }
    }
}

/// What the documents of a batch before this one change in what the store found.
#[derive(Default)]
struct Earlier {
    originals: Vec<Original>,
    by_band: HashMap<u64, Vec<usize>>,
    blocks: HashMap<u64, u64>,
    admitted: HashMap<(u64, Option<u64>), u64>,
    /// Documents of the batch that are no originals now, whatever the store still says.
    replaced: Vec<DocumentId>,
}

/// Judges a batch in its order.
pub(super) fn batch(
    settings: &ScreenSettings,
    measured: Vec<Measured>,
    found: Vec<Findings>,
) -> (Vec<Judgement>, Vec<Record>) {
    let mut earlier = Earlier::default();
    let mut judgements = Vec::with_capacity(measured.len());
    let mut records = Vec::with_capacity(measured.len());
    for (measured, mut found) in measured.into_iter().zip(found) {
        earlier.correct(&measured, &mut found);
        let (judgement, record) = one(settings, measured, found);
        earlier.add(&record, &judgement.1);
        judgements.push(judgement.0);
        records.push(record);
    }
    (judgements, records)
}

impl Earlier {
    fn correct(&self, measured: &Measured, found: &mut Findings) {
        let own = measured.subject.document;
        found.originals.retain(|original| !self.replaced.contains(&original.document));
        let mut near: Vec<usize> =
            measured.bands.iter().filter_map(|band| self.by_band.get(band)).flatten().copied().collect();
        near.sort_unstable();
        near.dedup();
        let near = near.into_iter().map(|place| &self.originals[place]).filter(|original| original.document != own);
        found.originals.extend(near.cloned());
        for ((block, _), documents) in measured.paragraphs.iter().zip(&mut found.block_documents) {
            *documents += self.blocks.get(block).copied().unwrap_or(0);
        }
        found.source_documents += self.blocks.get(&measured.scope).copied().unwrap_or(0);
        if let Some(arrival) = measured.arrival {
            found.admitted.0 += self.admitted.get(&(arrival.scope, None)).copied().unwrap_or(0);
            found.admitted.1 += self.admitted.get(&(arrival.scope, Some(arrival.stratum))).copied().unwrap_or(0);
        }
    }

    fn add(&mut self, record: &Record, original: &Option<Original>) {
        self.replaced.push(record.document);
        if let Some(arrival) = record.arrival {
            *self.admitted.entry((arrival.scope, None)).or_default() += 1;
            *self.admitted.entry((arrival.scope, Some(arrival.stratum))).or_default() += 1;
        }
        let Some(original) = original else { return };
        for band in &record.bands {
            self.by_band.entry(*band).or_default().push(self.originals.len());
        }
        for block in &record.blocks {
            *self.blocks.entry(*block).or_default() += 1;
        }
        self.originals.push(original.clone());
    }
}

/// Judges one document; beside its judgement, itself where it is an original that later ones may repeat.
fn one(settings: &ScreenSettings, measured: Measured, found: Findings) -> ((Judgement, Option<Original>), Record) {
    let Measured { subject, mut decisions, signature, bands, paragraphs, scope, arrival } = measured;
    let dropped = |decisions: &[Decision]| decisions.iter().any(|decision| decision.verdict == Verdict::Dropped);
    if !dropped(&decisions) {
        decisions.extend(flood(settings, &found, arrival.is_some()));
    }
    let mut original = None;
    if !dropped(&decisions)
        && let Some((decision, document)) = duplicate(settings, signature.as_ref(), &found.originals)
    {
        decisions.push(decision);
        original = Some(document);
    }
    let mut boilerplate = Vec::new();
    if !dropped(&decisions)
        && let Some((decision, places)) = repeated(settings, &paragraphs, &found)
    {
        if decision.verdict == Verdict::Trimmed {
            boilerplate = places;
        }
        decisions.push(decision);
    }
    let dropped = dropped(&decisions);
    let blocks: Vec<u64> = paragraphs.iter().map(|(block, _)| *block).chain([scope]).collect();
    let record = Record {
        document: subject.document,
        revision: subject.revision,
        signature: signature.unwrap_or_else(|| unsigned(&subject.document)),
        bands,
        blocks,
        original,
        dropped,
        arrival: arrival.filter(|_| !dropped),
    };
    let shown = (!dropped && original.is_none()).then(|| Original {
        document: subject.document,
        key: subject.key,
        signature: record.signature.clone(),
    });
    ((Judgement { decisions, boilerplate }, shown), record)
}

/// The signature of a text that has none: like no other.
fn unsigned(document: &DocumentId) -> Signature {
    Signature { digest: TextDigest::of(&document.to_string()), minima: Vec::new() }
}

fn verdict(mode: Mode) -> Verdict {
    if mode == Mode::Drop { Verdict::Dropped } else { Verdict::Marked }
}

fn flood(settings: &ScreenSettings, found: &Findings, counted: bool) -> Option<Decision> {
    if !counted {
        return None;
    }
    let budget = settings.flood_documents_per_hour;
    let part = ((budget as f64 * settings.flood_stratum_share).ceil() as u64).max(1);
    let (of_source, of_part) = found.admitted;
    let reason = if of_source >= budget {
        format!("its source sent more than its budget of {budget} documents an hour")
    } else if of_part >= part {
        format!("its part of the source sent more than {part} of the source's {budget} documents an hour")
    } else {
        return None;
    };
    let verdict = verdict(settings.flood);
    Some(Decision { rule: Rule::Flood, verdict, reason, duplicate_of: None, similarity: None })
}

/// The original that a text repeats most, and what follows.
fn duplicate(
    settings: &ScreenSettings,
    signature: Option<&Signature>,
    originals: &[Original],
) -> Option<(Decision, DocumentId)> {
    let signature = signature?;
    let same = originals.iter().find(|original| original.signature.digest == signature.digest);
    if let Some(same) = same.filter(|_| settings.exact_duplicate != Mode::Off) {
        let reason = format!("it says the same as `{}`", same.key);
        return Some((copy(Rule::ExactDuplicate, settings.exact_duplicate, reason, same, 1.0), same.document));
    }
    if settings.near_duplicate == Mode::Off {
        return None;
    }
    let alike = originals.iter().filter_map(|original| Some((signature.similarity(&original.signature)?, original)));
    // Of equals the first by name, so that the order in which a store lists them does not matter.
    let (similarity, best) = alike.max_by(|(one, a), (other, b)| one.total_cmp(other).then(b.key.cmp(&a.key)))?;
    if similarity < settings.similarity_min {
        return None;
    }
    let reason = format!("about {:.0} % of it and of `{}` is common", 100.0 * similarity, best.key);
    Some((copy(Rule::NearDuplicate, settings.near_duplicate, reason, best, similarity), best.document))
}

fn copy(rule: Rule, mode: Mode, reason: String, original: &Original, similarity: f64) -> Decision {
    let duplicate_of = Some(original.key.clone());
    Decision { rule, verdict: verdict(mode), reason, duplicate_of, similarity: Some(similarity) }
}

/// The blocks of a document that stand in so many others of its source that they are nobody's own words.
fn repeated(
    settings: &ScreenSettings,
    paragraphs: &[(u64, Vec<usize>)],
    found: &Findings,
) -> Option<(Decision, Vec<usize>)> {
    let documents = found.source_documents;
    if settings.boilerplate == Mode::Off || documents < settings.boilerplate_documents_min {
        return None;
    }
    let enough = |count: u64| count as f64 >= settings.boilerplate_share_min * documents as f64;
    let counted = paragraphs.iter().zip(&found.block_documents);
    let common: Vec<&Vec<usize>> =
        counted.filter(|(_, count)| enough(**count)).map(|((_, places), _)| places).collect();
    if common.is_empty() || common.len() == paragraphs.len() {
        return None;
    }
    let mut places: Vec<usize> = common.into_iter().flatten().copied().collect();
    places.sort_unstable();
    let verdict = if settings.boilerplate == Mode::Drop { Verdict::Trimmed } else { Verdict::Marked };
    let reason = format!(
        "{} of its paragraphs stand in at least {:.0} % of the {documents} other documents of its source",
        places.len(),
        100.0 * settings.boilerplate_share_min,
    );
    Some((Decision { rule: Rule::Boilerplate, verdict, reason, duplicate_of: None, similarity: None }, places))
}
