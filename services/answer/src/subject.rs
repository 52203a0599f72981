//! Does what was found speak of what the question asks about?
//!
//! "How much does the elephant fare cost?" finds a table of fares, and any price in it agrees in kind. What tells the
//! difference is the question's subject: its words but for those that any question has ("cost", "leave", "number").
//! A word of the subject is held by a sentence when its passage, title or headings hold it, or when a word of the
//! sentence itself means nearly the same: `bike` and `bicycle` have a cosine of .83, `kids` and `children` .89, `automobiles`
//! and `cars` .87, while `elephant` and `dog` have .49, `airport` and `pier` .50, `Berlin` and `Paris` .56.
//!
//! Over 48 answerable and 36 unanswerable questions about the sample pages, answered by extracts: of the unanswerable
//! ones 34 are declined, where the score alone declined 19 (in a replica); of the answerable ones 5, where it declined 2.
//!
//! Invariants:
//! - Names and numbers of a question are held word for word or not at all.
//! - A question in another language than English, or without words of a subject, is limited in nothing.
//! - At most [`limits::SUBJECT_WORDS_EMBEDDED_MAX`] words are embedded for a question, and none where every word of
//!   the subject is held word for word.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use wellspring_core::answer::Support;
use wellspring_core::embedding::{Embedder, Embedding, Lane};
use wellspring_core::hit::Passage;
use wellspring_core::limits;
use wellspring_core::text::is_cjk;

use crate::contrast::are_opposed;
use crate::days::Days;
use crate::evidence::{Basis, Evidence};
use crate::terms::{is_number, terms, words, words_at};
use crate::verify::names;

/// From this cosine on, two words mean nearly the same.
const NEAR_COSINE_MIN: f32 = 0.62;
/// What a word counts for that stands in the passage, but neither in the sentence nor in what it is read with.
const DISTANT_SHARE: f32 = 0.5;
/// The share of the subject that a sentence must hold to support an answer: up to three words all of them, of more all but
/// one that stands elsewhere in its passage. A bicycle is no cargo bicycle.
const SUPPORTED_SHARE: f32 = 0.85;
/// The share that lets it support a part of one.
const PARTIAL_SHARE: f32 = 0.5;
/// From this share on that nothing found holds, the question is about something else.
const MISSING_SHARE: f32 = 0.25;
/// A common beginning of this length makes two words one: `Postgres` and `PostgreSQL`.
const PREFIX_CHARACTERS_MIN: usize = 5;

/// Words that a question has whatever it is about: they are often said in other words, or not at all.
const GENERAL_WORDS: &str = "\
    able actually allow allowed along another anybody anyone anything apply arrive available become before begin \
    behind belong between board bring brought build built call called carried carry case cause change charge \
    close come compare consist contain cost costs cross crossed current currently date day days define depart \
    describe detail details different discount during each end ever every everybody exactly example exist explain \
    fall far fast find fine fines first forbidden found gave general get give given go goes going happen happened \
    happens held help high history develop developed done too \
    hold hour hours important include information item items just keep kept kind know known large last least leave less let \
    like list little locate located long look made main make may mean means meant mention might minute minutes more \
    most must name named need needed new next now number occur often old one open opened order other own part \
    pay penalty people permit permitted person place possible price provide put reach reason remain remains \
    initially originally previously formerly \
    required run said same say says see sent set show somebody someone something soon sort start started state stay still stop strong sum \
    summarise summarize sure take taken takes tall tell thing things time times told took total travel turn two \
    type under until up use used user value want way week went wide without work works written year years yet";

/// Words by which the other large European languages betray themselves in plain letters.
const FOREIGN_WORDS: &str = "\
    wer wen wem auf aus avec che chi como con cosa dans das dei del della dem den der des die dos donde dove een ein eine \
    els est et het hoe il ist kan les mit nicht nel och os para per por pour qual quale quand quando que quel \
    quelle qui quien sich sind sont sur um una und une van von waar wann wat wie wo zu zum zur";

/// Words of a question in these languages that ask, and that no answer repeats.
const FOREIGN_ASKING: &str = "\
    wer wen wem wessen viel viele lange wann kostet kosten heißt heisst gibt dieser diese welche welcher welches warum wieviel combien quel \
    quelle quels quelles quand pourquoi coûte coute comment cuánto cuanto cuánta cuántos cuando cuándo dónde cuesta quién \
    quanto quanta quando dove costa quanti";

/// Nouns of measures, each with the words that tell the measure without it: what is 80 m high has a height.
const MEASURES: &[(&str, &str)] = &[
    ("height", "high tall"),
    ("length", "long"),
    ("width", "wide broad"),
    ("depth", "deep"),
    ("weight", "weigh weighs weighed heavy"),
    ("thickness", "thick"),
    ("distance", "far away"),
    ("age", "old aged"),
    ("speed", "fast"),
    ("duration", "last lasts lasted long"),
];

/// A word of the subject.
#[derive(Debug)]
struct Word {
    /// As the question has it.
    shown: String,
    term: String,
    /// The terms of words that tell the same measure.
    told_by: Vec<String>,
    /// Whether only the word itself will do.
    exact: bool,
    /// The days of the week that it names.
    days: Days,
}

impl Word {
    /// Whether terms hold the word itself.
    fn is_among(&self, held: &HashSet<String>) -> bool {
        let same_beginning = |one: &str, other: &str| {
            let shorter = if one.len() < other.len() { one } else { other };
            shorter.chars().count() >= PREFIX_CHARACTERS_MIN && one.starts_with(shorter) && other.starts_with(shorter)
        };
        held.contains(&self.term)
            || self.told_by.iter().any(|term| held.contains(term))
            || held.iter().any(|term| same_beginning(term, &self.term))
    }
}

/// What a question is about, held against what was found for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subject {
    /// The share of the subject that each sentence of the evidence holds, in their order.
    held: Vec<f32>,
    /// Whether each of them lacks a name of it.
    nameless: Vec<bool>,
    /// Words that nothing found holds.
    missing: Vec<String>,
    missing_share: f32,
    missing_name: bool,
    /// Whether the question holds nothing that could be looked for.
    wordless: bool,
    /// Whether its words were not weighed but only looked for, so that what lacks them is no less than partial support.
    foreign: bool,
}

impl Subject {
    /// The subjects of several questions, over their evidence one behind the other.
    pub(crate) fn joined<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        let mut joined = Self::default();
        for part in parts {
            joined.held.extend(&part.held);
            joined.nameless.extend(&part.nameless);
            joined.missing.extend(part.missing.iter().cloned());
        }
        joined
    }

    /// Whether what was found is about something else, whatever its score.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.wordless || (self.missing_name && self.is_strained())
    }

    /// Whether so much of the subject is missing that only a high score may answer.
    pub(crate) fn is_strained(&self) -> bool {
        self.missing_share >= MISSING_SHARE
    }

    /// What nothing found says, for people; `None` when the whole subject was found.
    pub(crate) fn missing(&self) -> Option<String> {
        let quoted: Vec<String> = self.missing.iter().map(|word| format!("“{word}”")).collect();
        (!quoted.is_empty()).then(|| format!("no passage that was found speaks of {}", quoted.join(", ")))
    }

    /// The best support that a sentence of the evidence can give to an answer.
    pub(crate) fn limit(&self, sentence: usize) -> Support {
        match self.held.get(sentence) {
            Some(&share) if share < PARTIAL_SHARE && !self.foreign => Support::Unsupported,
            Some(&share) if share < SUPPORTED_SHARE || self.nameless.get(sentence) == Some(&true) => Support::Partial,
            _ => Support::Supported,
        }
    }
}

/// Weighs subjects, remembering the directions of words.
pub(crate) struct SubjectReader {
    embedder: Arc<dyn Embedder>,
    /// Emptied when full: a question costs a few dozen words at most.
    known: Mutex<HashMap<String, Embedding>>,
}

impl SubjectReader {
    /// Reads subjects with `embedder`.
    pub(crate) fn new(embedder: Arc<dyn Embedder>) -> Self {
        Self { embedder, known: Mutex::default() }
    }

    /// Holds the subject of `question` against the evidence and all the passages it was chosen from.
    pub(crate) async fn read(&self, question: &str, evidence: &Evidence) -> Subject {
        let asked = subject_words(question);
        if asked.is_empty() && is_foreign(question) {
            return Subject { held: foreign_shares(question, evidence), foreign: true, ..Subject::default() };
        }
        if asked.is_empty() {
            return Subject { wordless: !has_words(question), ..Subject::default() };
        }
        let total = asked.len() as f32;
        let found: Vec<HashSet<String>> = evidence.found().iter().map(passage_terms).collect();
        let said: Vec<HashSet<String>> = evidence.sentences.iter().map(|s| said(evidence, s)).collect();
        let lacks = |word: &Word| evidence.sentences.iter().any(|s| !word.is_among(&found[s.passage]));
        let unsure: Vec<&Word> = asked.iter().filter(|word| !word.exact && lacks(word)).collect();
        let directions = if evidence.basis == Basis::Fused && !unsure.is_empty() {
            self.directions(unsure.iter().map(|word| &word.shown).chain(said.iter().flatten())).await
        } else {
            HashMap::new()
        };
        let near = |word: &Word, words: &HashSet<String>| {
            let direction = directions.get(&word.shown).filter(|_| !word.exact);
            direction.is_some_and(|direction| {
                let alike = words.iter().filter(|other| !are_opposed(&word.shown, other));
                let others = alike.filter_map(|other| directions.get(other));
                others.map(|other| direction.cosine(other)).any(|cosine| cosine >= NEAR_COSINE_MIN)
            })
        };
        let beside: Vec<String> = (0..evidence.sentences.len()).map(|place| beside(evidence, place)).collect();
        let days: Vec<Days> = beside.iter().map(|text| Days::of(text)).collect();
        let beside: Vec<HashSet<String>> = beside.iter().map(|text| terms(text).into_iter().collect()).collect();
        // A name that stands elsewhere in the passage may be another sentence's.
        let share = |word: &Word, sentence: usize| {
            if !word.days.is_empty() && word.days.meet(days[sentence]) {
                if word.days.are_within(days[sentence]) { 1.0 } else { DISTANT_SHARE }
            } else if word.is_among(&beside[sentence]) || near(word, &said[sentence]) {
                1.0
            } else if word.is_among(&found[evidence.sentences[sentence].passage]) {
                DISTANT_SHARE
            } else {
                0.0
            }
        };
        let holds = |word: &Word, sentence: usize| share(word, sentence) > 0.0;
        let sentences = 0..evidence.sentences.len();
        let held =
            sentences.clone().map(|sentence| asked.iter().map(|word| share(word, sentence)).sum::<f32>() / total);
        let held = held.collect();
        let lacks_name = |sentence| asked.iter().any(|word| word.exact && share(word, sentence) < 1.0);
        let nameless = sentences.clone().map(lacks_name).collect();
        let nowhere = |word: &&Word| {
            !found.iter().any(|terms| word.is_among(terms)) && !sentences.clone().any(|sentence| holds(word, sentence))
        };
        let missing: Vec<&Word> = asked.iter().filter(nowhere).collect();
        Subject {
            held,
            nameless,
            missing_share: missing.len() as f32 / total,
            missing_name: missing.iter().any(|word| word.exact),
            missing: missing.into_iter().map(|word| word.shown.clone()).collect(),
            wordless: false,
            foreign: false,
        }
    }

    /// The directions of words; where the embedder fails, fewer, so that words must be held as they are.
    async fn directions(&self, words: impl Iterator<Item = &String>) -> HashMap<String, Embedding> {
        let mut found = HashMap::new();
        let mut unknown: Vec<String> = Vec::new();
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            for word in words {
                if found.contains_key(word) || unknown.contains(word) {
                    continue;
                }
                match known.get(word) {
                    Some(direction) => drop(found.insert(word.clone(), direction.clone())),
                    None if unknown.len() < limits::SUBJECT_WORDS_EMBEDDED_MAX => unknown.push(word.clone()),
                    None => {}
                }
            }
        }
        if unknown.is_empty() {
            return found;
        }
        match self.embedder.embed_passages(unknown.clone(), Lane::Interactive).await {
            Ok(directions) => {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                if known.len() + directions.len() > limits::SUBJECT_WORDS_KNOWN_MAX {
                    known.clear();
                }
                for (word, direction) in unknown.into_iter().zip(directions) {
                    known.insert(word.clone(), direction.clone());
                    found.insert(word, direction);
                }
            }
            Err(failure) => {
                tracing::warn!(reason = failure.chain(), "could not embed words; they count as they are written");
            }
        }
        found
    }
}

/// The words of a question's subject, each once; none where the question is not in English.
fn subject_words(question: &str) -> Vec<Word> {
    if is_foreign(question) || question.contains(is_cjk) {
        return Vec::new();
    }
    // In a question all of capitals, none of them tells a name.
    let shouted = !question.contains(|c: char| c.is_lowercase());
    let names: HashSet<String> = if shouted { HashSet::new() } else { names(question).into_iter().collect() };
    let general: HashSet<String> = terms(GENERAL_WORDS).into_iter().collect();
    let mut found: Vec<Word> = Vec::new();
    let mut behind_word = false;
    for shown in joined_words(question) {
        for term in terms(&shown) {
            let number = term.starts_with(|c: char| c.is_ascii_digit());
            let days = Days::of(&shown);
            let exact = number || names.contains(&term) || !days.is_empty();
            // A number of one or two digits stands in too many sentences to tell one from another, unless it is a part
            // of a name: bus 12, gate 4.
            let telling = if number {
                term.len() > 2 || behind_word
            } else {
                term.len() > 1 && (exact || !general.contains(&term))
            };
            behind_word = telling && !number;
            if telling && !found.iter().any(|word| word.term == term) {
                let measure = MEASURES.iter().find(|(noun, _)| *noun == shown);
                let told_by = measure.map(|(_, tell)| terms(tell)).unwrap_or_default();
                found.push(Word { shown: shown.clone(), term, told_by, exact, days });
            }
        }
    }
    found
}

/// The words of a text, those of letters with a number right behind as one: IPv6, as `terms` has it.
fn joined_words(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut end = None;
    for (word, range) in words_at(text) {
        match found.last_mut() {
            Some(before) if end == Some(range.start) && is_number(&word) && before.starts_with(char::is_alphabetic) => {
                before.push_str(&word);
            }
            _ => found.push(word),
        }
        end = Some(range.end);
    }
    found
}

/// Whether a question is in another language with spaces than English, as far as its words tell.
fn is_foreign(question: &str) -> bool {
    let foreign = |word: &String| FOREIGN_WORDS.split_whitespace().any(|foreign| foreign == word);
    !question.contains(is_cjk)
        && (question.chars().any(|c| c.is_alphabetic() && !c.is_ascii()) || words(question).iter().any(foreign))
}

/// The share of a foreign question's words that each sentence holds, read with what stands above it. Words of four letters
/// and more, by their first five: its grammar is not known here.
fn foreign_shares(question: &str, evidence: &Evidence) -> Vec<f32> {
    const BEGINNING: usize = 5;
    let beginning = |word: &str| word.chars().take(BEGINNING).collect::<String>();
    let telling = |word: &String| {
        word.chars().count() > 3
            && !FOREIGN_ASKING.split_whitespace().chain(FOREIGN_WORDS.split_whitespace()).any(|asks| asks == word)
    };
    let asked: Vec<String> = words(question).into_iter().filter(telling).collect();
    let share = |place: usize| {
        let said: HashSet<String> = words(&beside(evidence, place)).iter().map(|word| beginning(word)).collect();
        let held = asked.iter().filter(|word| said.contains(&beginning(word))).count();
        if asked.is_empty() { 1.0 } else { held as f32 / asked.len() as f32 }
    };
    (0..evidence.sentences.len()).map(share).collect()
}

/// The terms by which a question's subject is told from others: those of its words that not every question has.
pub(crate) fn subject_terms(question: &str) -> Vec<String> {
    let english = subject_words(question);
    if english.is_empty() { terms(question) } else { english.into_iter().map(|word| word.term).collect() }
}

/// Whether a text holds anything but numbers of one or two digits and words that every sentence has.
fn has_words(text: &str) -> bool {
    terms(text).iter().any(|term| term.len() > 2 || !term.starts_with(|c: char| c.is_ascii_digit()))
}

/// What a passage, its title, its headings and its key hold.
fn passage_terms(passage: &Passage) -> HashSet<String> {
    let title = passage.title.as_deref().unwrap_or_default();
    [passage.text.as_str(), title, &passage.heading, passage.document.as_str()].into_iter().flat_map(terms).collect()
}

/// A sentence with what it is read with: the names of its columns, its title and headings, and what its pronoun may
/// mean. A heading that lists several things says of none that the sentence is about it.
fn beside(evidence: &Evidence, place: usize) -> String {
    let sentence = &evidence.sentences[place];
    let passage = evidence.passage(sentence);
    // Whom a pronoun means stands before it in its paragraph.
    let text = &passage.text[..sentence.range.start];
    let paragraph = text.rfind("\n\n").map_or(0, |end| end + 2);
    let before = if sentence.leans_on_previous { &text[paragraph..] } else { "" };
    let own = evidence.reading(sentence);
    let above = passage.heading.split(" > ").chain(passage.title.as_deref());
    let above = above.filter(|heading| !lists_several(heading)).chain([passage.document.as_str()]);
    above.chain([before, &own]).collect::<Vec<_>>().join("\n")
}

fn lists_several(heading: &str) -> bool {
    let joined = words(heading).iter().any(|word| matches!(word.as_str(), "and" | "or"));
    joined || heading.contains([',', '&', '、', '，', '和', '与', '與', '及'])
}

/// The words of a sentence as they are written, in lower case.
fn said(evidence: &Evidence, sentence: &crate::evidence::Sentence) -> HashSet<String> {
    let telling = |word: &String| word.len() > 2 && word.chars().all(char::is_alphabetic) && !terms(word).is_empty();
    words(&evidence.reading(sentence)).into_iter().filter(telling).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{BagOfWords, evidence, passage};

    async fn read(passages: &[Passage], question: &str) -> Subject {
        let evidence = evidence(passages, question);
        SubjectReader::new(Arc::new(BagOfWords::speaking(&["en"]))).read(question, &evidence).await
    }

    fn fares() -> Vec<Passage> {
        vec![passage(
            "fares.md",
            Some("Fares"),
            "A bicycle costs 1.50 crowns. A car costs 9.50 crowns with its driver.",
        )]
    }

    #[tokio::test]
    async fn a_subject_that_nothing_found_speaks_of_is_named() {
        let subject = read(&fares(), "How many crowns does the elephant fare cost?").await;
        assert!(subject.is_strained() && !subject.is_elsewhere());
        assert_eq!(subject.missing().unwrap(), "no passage that was found speaks of “elephant”");
        assert_eq!(subject.limit(0), Support::Partial);
    }

    #[tokio::test]
    async fn a_question_whose_words_are_found_is_limited_in_nothing() {
        let subject = read(&fares(), "How much does a bicycle cost?").await;
        assert!(!subject.is_strained() && !subject.is_elsewhere());
        assert_eq!((subject.limit(0), subject.missing()), (Support::Supported, None));
    }

    #[tokio::test]
    async fn a_measure_is_told_without_its_noun() {
        let tower = [passage("tower.md", None, "The tower is 80 m high and weighs 900 tonnes.")];
        for question in ["What is the height of the tower?", "What is the weight of the tower?"] {
            assert_eq!(read(&tower, question).await.limit(0), Support::Supported, "{question}");
        }
        assert!(read(&tower, "What is the depth of the tower?").await.missing().is_some());
    }

    #[tokio::test]
    async fn a_name_that_nothing_found_holds_puts_the_answer_elsewhere() {
        let passages = [passage("times.md", None, "The last boat leaves at 21:40.")];
        assert!(read(&passages, "When does the last boat leave for Mongolia?").await.is_elsewhere());
        assert!(!read(&passages, "When does the last boat leave?").await.is_elsewhere());
        assert!(!read(&passages, "WHEN DOES THE LAST BOAT LEAVE?").await.is_elsewhere());
        let postgres = [passage("data.md", None, "The data lies in PostgreSQL tables.")];
        assert!(!read(&postgres, "Does the data lie in Postgres?").await.is_elsewhere());
    }

    #[tokio::test]
    async fn a_sentence_of_a_passage_about_something_else_supports_nothing() {
        let passages = [
            passage("boats.md", Some("Boats"), "The Kingfisher was built in 2008."),
            passage("log.md", Some("Harbour log"), "The harbour was closed. The harbour was built of stone."),
        ];
        let question = "When was the harbour built?";
        let evidence = evidence(&passages, question);
        let subject = SubjectReader::new(Arc::new(BagOfWords::speaking(&["en"]))).read(question, &evidence).await;
        for (index, sentence) in evidence.sentences.iter().enumerate() {
            let about_harbour = evidence.passage(sentence).document.as_str() == "log.md";
            assert_eq!(subject.limit(index) == Support::Supported, about_harbour);
        }
    }

    #[tokio::test]
    async fn a_question_of_numbers_alone_is_about_nothing() {
        assert!(read(&fares(), "What is 2+2?").await.is_elsewhere());
        assert!(!read(&fares(), "What is it?").await.is_strained());
        assert!(read(&fares(), "What does car 12 cost?").await.is_elsewhere(), "a number behind a word is a name");
    }

    #[tokio::test]
    async fn other_languages_are_left_alone() {
        for question in ["Wann ist das Boot da?", "渡轮几点出发？", "Où est le quai ?"] {
            assert!(!read(&fares(), question).await.is_strained(), "{question}");
        }
    }

    #[tokio::test]
    async fn words_of_another_language_are_looked_for() {
        let shop = [passage("laden.md", None, "Das Geschäft öffnet um 8 Uhr.")];
        assert_eq!(read(&shop, "Wann öffnet das Geschäft?").await.limit(0), Support::Supported);
        assert_eq!(read(&shop, "Wann schließt das Geschäft?").await.limit(0), Support::Partial);
        assert_eq!(read(&shop, "Wo ist das Museum?").await.limit(0), Support::Partial);
    }

    #[tokio::test]
    async fn words_are_embedded_once() {
        let embedder = Arc::new(BagOfWords::speaking(&["en"]));
        let reader = SubjectReader::new(embedder.clone());
        let question = "How many crowns does the elephant fare cost?";
        let mut evidence = evidence(&fares(), question);
        evidence.basis = Basis::Fused;
        reader.read(question, &evidence).await;
        let embedded = embedder.embedded.load(std::sync::atomic::Ordering::Relaxed);
        assert!(embedded > 0);
        reader.read(question, &evidence).await;
        assert_eq!(embedder.embedded.load(std::sync::atomic::Ordering::Relaxed), embedded);
    }
}
