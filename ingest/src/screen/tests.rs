//! The rules together, over a store that holds records in a list.

use std::sync::Mutex as StdMutex;

use async_trait::async_trait;
use futures::future::join_all;
use wellspring_core::catalog::CatalogError;
use wellspring_core::document::MediaType;
use wellspring_core::screen::{Findings, Inquiry, Original, Record};

use super::*;
use crate::parse::parse;

/// Answers from records in a list, as the contract says.
#[derive(Default)]
struct Records {
    kept: StdMutex<Vec<(DocumentKey, Record)>>,
    /// Documents that a subject of the test named.
    names: StdMutex<Vec<DocumentKey>>,
}

impl Records {
    fn key_of(&self, document: DocumentId) -> DocumentKey {
        let names = self.names.lock().unwrap();
        let is_it = |key: &&DocumentKey| DocumentId::of(&CollectionName::default(), key) == document;
        names.iter().find(is_it).unwrap().clone()
    }
}

#[async_trait]
impl SignatureStore for Records {
    async fn look_up(&self, inquiries: Vec<Inquiry>) -> Result<Vec<Findings>, CatalogError> {
        let kept = self.kept.lock().unwrap();
        Ok(inquiries
            .iter()
            .map(|inquiry| {
                let others = || {
                    let originals = kept.iter().filter(|(_, record)| record.original.is_none() && !record.dropped);
                    originals.filter(|(_, record)| record.document != inquiry.document)
                };
                let count = |block: &u64| others().filter(|(_, record)| record.blocks.contains(block)).count() as u64;
                let arrivals =
                    || kept.iter().filter_map(|(_, record)| record.arrival).zip(std::iter::repeat(inquiry.arrival));
                Findings {
                    originals: others()
                        .filter(|(_, record)| record.bands.iter().any(|band| inquiry.bands.contains(band)))
                        .map(|(key, record)| Original {
                            document: record.document,
                            key: key.clone(),
                            signature: record.signature.clone(),
                        })
                        .collect(),
                    block_documents: inquiry.blocks.iter().map(count).collect(),
                    source_documents: count(&inquiry.scope),
                    admitted: (
                        arrivals().filter(|(one, other)| other.is_some_and(|other| one.hour == other.hour)).count()
                            as u64,
                        arrivals().filter(|(one, other)| Some(*one) == *other).count() as u64,
                    ),
                }
            })
            .collect())
    }

    async fn record(&self, records: Vec<Record>) -> Result<(), CatalogError> {
        for record in records {
            let key = self.key_of(record.document);
            let mut kept = self.kept.lock().unwrap();
            kept.retain(|(_, before)| before.document != record.document);
            kept.push((key, record));
        }
        Ok(())
    }

    async fn readmit(&self, _: &CollectionName, _: Option<&DocumentKey>) -> Result<u64, CatalogError> {
        Ok(0)
    }
}

/// A screener and its memory.
struct Bench {
    screener: Screener,
    records: Arc<Records>,
}

impl Bench {
    fn new(settings: ScreenSettings) -> Self {
        let records = Arc::new(Records::default());
        Self { screener: Screener::new(settings, records.clone()), records }
    }

    async fn screen(&self, key: &str, text: &str) -> Screened {
        self.screen_for(&[], key, text).await
    }

    async fn screen_for(&self, labels: &[&str], key: &str, text: &str) -> Screened {
        let key: DocumentKey = key.parse().unwrap();
        self.records.names.lock().unwrap().push(key.clone());
        let subject = Subject {
            document: DocumentId::of(&CollectionName::default(), &key),
            collection: CollectionName::default(),
            key,
            source: SourceName::push(),
            revision: Revision(1),
            language: None,
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        };
        let parsed = parse(MediaType::Markdown, text.as_bytes()).unwrap();
        self.screener.screen(subject, parsed, &CancellationToken::new()).await.unwrap()
    }
}

#[tokio::test]
async fn what_others_may_not_read_is_no_original_for_them() {
    let bench = Bench::new(ScreenSettings { exact_duplicate: Mode::Drop, ..ScreenSettings::default() });
    let text = (0..5).map(paragraph).collect::<Vec<_>>().join("\n\n");
    assert_eq!(rules(&bench.screen_for(&["board"], "secret", &text).await), []);
    assert_eq!(rules(&bench.screen("open", &text).await), [], "everybody may read this one");
    assert_eq!(rules(&bench.screen_for(&["staff"], "for-staff", &text).await), []);
    let same = bench.screen_for(&["board"], "secret-too", &text).await;
    assert_eq!(rules(&same), [(Rule::ExactDuplicate, Verdict::Dropped)]);
}

fn rules(screened: &Screened) -> Vec<(Rule, Verdict)> {
    screened.decisions.iter().map(|decision| (decision.rule, decision.verdict)).collect()
}

/// A paragraph of thirty words that no other number shares.
fn paragraph(number: usize) -> String {
    (0..30).map(|place| word(number * 30 + place) + " ").collect::<String>() + "end."
}

/// The word of a number: syllables, so that it looks like no log.
fn word(number: usize) -> String {
    let syllable = |digit: usize| {
        format!("{}{}", &"bcdfghklmnprstvz"[digit % 16..digit % 16 + 1], &"aeiou"[digit / 16..digit / 16 + 1])
    };
    let stirred = normalise::stirred(number as u64) as usize;
    (0..3).map(|place| syllable((stirred >> (7 * place)) % 80)).collect::<String>() + &syllable(number % 80)
}

fn document(numbers: std::ops::Range<usize>) -> String {
    numbers.map(paragraph).collect::<Vec<_>>().join("\n\n")
}

#[tokio::test]
async fn copies_are_told_from_strangers() {
    let bench = Bench::new(ScreenSettings { exact_duplicate: Mode::Drop, ..ScreenSettings::default() });
    assert_eq!(bench.screen("a", &document(0..5)).await.decisions, []);
    let same = bench.screen("b", &document(0..5).to_uppercase()).await;
    assert_eq!(rules(&same), [(Rule::ExactDuplicate, Verdict::Dropped)]);
    assert_eq!(same.dropped(), Some("it says the same as `a`"));
    let near = bench.screen("c", &document(0..6)).await;
    assert_eq!(rules(&near), [(Rule::NearDuplicate, Verdict::Marked)]);
    assert_eq!(near.decisions[0].duplicate_of, Some("a".parse().unwrap()));
    assert!(near.decisions[0].similarity.unwrap() > 0.6 && near.dropped().is_none());
    assert_eq!(bench.screen("d", &document(10..15)).await.decisions, []);
    // Screened once more, the original is no copy of its copies.
    assert_eq!(bench.screen("a", &document(0..5)).await.decisions, []);
}

#[tokio::test]
async fn of_copies_that_arrive_together_one_is_the_original() {
    let bench = Bench::new(ScreenSettings { exact_duplicate: Mode::Drop, ..ScreenSettings::default() });
    let text = document(0..4);
    let keys: Vec<String> = (0..20).map(|number| format!("copy{number}")).collect();
    let screened = join_all(keys.iter().map(|key| bench.screen(key, &text))).await;
    assert_eq!(screened.iter().filter(|screened| screened.dropped().is_none()).count(), 1);
}

#[tokio::test]
async fn whatever_the_order_each_pair_of_copies_is_marked_once() {
    let texts = [document(0..5), document(0..6), document(20..25)];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let bench = Bench::new(ScreenSettings::default());
        let mut marked = Vec::new();
        for place in order {
            let screened = bench.screen(&format!("d{place}"), &texts[place]).await;
            marked.extend(screened.decisions.into_iter().filter_map(|decision| decision.similarity));
        }
        assert_eq!(marked.len(), 1, "{order:?}");
        let similarity = minhash::sign(&texts[0]).unwrap().similarity(&minhash::sign(&texts[1]).unwrap()).unwrap();
        assert_eq!(marked, [similarity], "the estimate is the same either way");
    }
}

#[tokio::test]
async fn boilerplate_is_left_out_once_there_are_enough_documents() {
    let settings =
        ScreenSettings { boilerplate: Mode::Drop, boilerplate_documents_min: 5, ..ScreenSettings::default() };
    let bench = Bench::new(settings);
    let page = |number: usize| {
        format!("# Page\n\n{}\n\nAll rights reserved by the harbour.", document(number * 3..number * 3 + 3))
    };
    for number in 0..5 {
        assert_eq!(bench.screen(&number.to_string(), &page(number)).await.decisions, []);
    }
    let screened = bench.screen("5", &page(5)).await;
    assert_eq!(rules(&screened), [(Rule::Boilerplate, Verdict::Trimmed)]);
    let kinds: Vec<_> = screened.parsed.blocks.iter().map(|block| block.kind == BlockKind::Boilerplate).collect();
    assert_eq!(kinds, [false, false, false, false, true]);
    assert!(screened.parsed.text.ends_with("reserved by the harbour."), "the text stays whole");
    let chunks = crate::chunk::chunk(
        DocumentId::of(&CollectionName::default(), &"5".parse().unwrap()),
        None,
        &screened.parsed,
        &|text| text.split_whitespace().count(),
    );
    assert!(chunks.unwrap().iter().all(|chunk| !chunk.text.contains("reserved")));
    // A page that is nothing else is kept whole, and one that was there before counts itself out.
    assert_eq!(bench.screen("6", "All rights reserved by the harbour.").await.decisions, []);
    assert_eq!(rules(&bench.screen("0", &page(0)).await), [(Rule::Boilerplate, Verdict::Trimmed)]);
}

#[tokio::test]
async fn copies_do_not_make_their_text_boilerplate() {
    let bench = Bench::new(ScreenSettings {
        boilerplate: Mode::Drop,
        boilerplate_documents_min: 2,
        ..ScreenSettings::default()
    });
    for number in 0..8 {
        let screened = bench.screen(&number.to_string(), &document(0..4)).await;
        assert!(rules(&screened).iter().all(|(rule, _)| *rule == Rule::ExactDuplicate));
    }
}

#[tokio::test]
async fn a_flood_is_held_to_its_budget_and_leaves_room_for_other_parts() {
    let settings = ScreenSettings {
        flood: Mode::Drop,
        flood_documents_per_hour: 10,
        flood_stratum_share: 0.5,
        ..ScreenSettings::off()
    };
    let records = Arc::new(Records::default());
    let noon: fn() -> Timestamp = || "2026-05-06T12:30:00Z".parse().unwrap();
    let bench = Bench { screener: Screener::new(settings, records.clone()).with_clock(noon), records };
    let mut admitted = Vec::new();
    for part in ["loud", "quiet", "late"] {
        let mut count = 0;
        for number in 0..8 {
            count += usize::from(bench.screen(&format!("{part}/{number}"), "x").await.dropped().is_none());
        }
        admitted.push(count);
    }
    assert_eq!(admitted, [5, 5, 0]);
}

#[tokio::test]
async fn languages_and_noise_are_judged_without_a_store() {
    let settings = ScreenSettings {
        language: Mode::Drop,
        languages: vec!["en".to_owned()],
        entropy: Mode::Drop,
        ..ScreenSettings::off()
    };
    let bench = Bench::new(settings);
    assert!(bench.screener.store.is_none());
    let german =
        bench.screen("a", "Der Hafen liegt am südlichen Ufer des Flusses, und die Fähre fährt morgens ab.").await;
    assert_eq!(rules(&german), [(Rule::Language, Verdict::Dropped)]);
    let english =
        bench.screen("b", "The harbour lies on the southern bank, and the ferry leaves in the morning.").await;
    assert_eq!(english.decisions, []);
    let noise = bench.screen("c", &"ha ".repeat(400)).await;
    assert!(rules(&noise).contains(&(Rule::Entropy, Verdict::Dropped)));
}

#[tokio::test]
async fn off_is_off() {
    let bench = Bench { screener: Screener::off(), records: Arc::default() };
    for key in ["a", "b"] {
        assert_eq!(bench.screen(key, &"the same line\n\n".repeat(99)).await.decisions, []);
    }
}
