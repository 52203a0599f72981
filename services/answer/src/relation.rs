//! Does a sentence say of the subject what is asked of it?
//!
//! "Who designed the Heron?" finds a page about the Heron, and any name on it agrees in kind. A question's relation is what
//! it asks of its subject: to be designed, to cost, to be born. Relations that documents often tell in other words have a
//! list of these; a question for a person needs a sentence in which somebody could be named; and of each
//! word of a Chinese question the sentence must hold a good part.
//!
//! Invariants:
//! - It only lowers what a sentence is called: one that does not speak of the relation is partial support, and is given
//!   as before. The lists are not complete, and what they miss must not silence an answer.
//! - Pure and total.

use wellspring_core::answer::Support;
use wellspring_core::text::{is_cjk, simplified};

use crate::contrast::excludes;
use crate::evidence::{Evidence, Sentence};
use crate::kind::Kind;
use crate::order::is_asked_the_other_way;
use crate::roles::is_reversed;
use crate::subject::{Subject, subject_terms};
use crate::table::{cells, is_row};
use crate::terms::{is_one_of, is_stop_character, terms, words};
use crate::verify::lesser;

/// Relations: words that ask for one, and words by which a sentence speaks of it. In the form of `terms` on both sides.
const RELATIONS: &[(&str, &str)] = &[
    ("die died dead death", "die died dead death killed drowned perished funeral"),
    ("born birth birthday", "born birth birthday"),
    ("design designed designer", "design designed designer architect planned drew drawn engineer invented"),
    (
        "build built builds building constructed",
        "build built construction constructed made erected yard ordered delivered launched completed finished founded",
    ),
    (
        "cost costs price priced fare fee expensive pay pays paid charge",
        "cost costs price priced fare fee pay pays paid charge free crown crowns euro euros dollar dollars pound pounds \
         yuan cent cents worth damage",
    ),
    (
        "fine fines penalty",
        "fine fines fined penalty penalties pay pays paid charge charged crown crowns euro euros dollar dollars pound \
         pounds yuan cent cents",
    ),
    ("speed", "speed fast km/h knots mph kilometre kilometres mile miles slow"),
    ("population inhabitants", "population inhabitants people residents souls"),
    ("telephone phone", "telephone phone tel"),
    ("email e-mail", "email mail address"),
    ("won win wins winner", "won win wins winner winning victory champion prize beat"),
    ("wrote write writes author", "wrote write writes written author signed"),
    ("sold sell sells seller", "sold sell sells seller sale offered bought"),
    ("founded founder", "founded founder established began started created since"),
    ("opened opening", "opened opening open opens inaugurated began since"),
    ("invented inventor", "invented inventor developed designed created"),
    ("earn earns salary", "earn earns salary wage wages paid income"),
    ("discount reduction rebate", "discount discounts reduced reduction rebate less cheaper off half"),
    ("forbidden prohibited banned", "forbidden prohibited banned not no never nobody"),
    ("remains remain", "remains remain remained left"),
    ("married marry husband wife", "married marry husband wife wedding widow"),
];
/// What is asked with "how", and by which words a sentence speaks of it.
const MEASURES: &[(&str, &str)] = &[
    ("old", "old aged age born built"),
    ("deep", "deep depth draws shallow draught metre metres meter meters feet"),
    ("wide", "wide width broad across metre metres meter meters feet"),
    ("large", "large size area square hectares acres metre metres meter meters kilometres km"),
    ("high", "high height highest level metre metres meter meters feet"),
    ("tall", "tall high height metre metres meter meters feet"),
    ("big", "large size area square hectares acres metre metres meter meters kilometres km"),
    ("fast", "speed fast km/h knots mph kilometre kilometres mile miles minutes"),
];
/// Words for people and those who act like one.
const PEOPLE: &str = "\
    he she they we i you someone somebody anyone anybody nobody everybody man men woman women people person persons child \
    children boy girl family widow member members crew captain master director mayor king queen emperor president \
    minister chief head chairman doctor nurse teacher pupil pupils student students resident residents owner owners \
    passenger passengers driver drivers keeper guard engineer engineers author artist scientist scientists team company \
    council committee board government county city state police brigade brigades firm group society cooperative staff \
    authority agency office department university holders users customers tenants visitors guests volunteers divers";
/// Words behind which a capital names a place or a time.
const PLACE_WORDS: &str = "in at from to near on between over below above behind until since for via around";
/// Words in capitals that name no one.
const CALENDAR: &str = "\
    monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september \
    october november december";

/// What a sentence of the evidence can support at best, whatever is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    /// By the question's subject and the kind of thing asked for: which sentences are given.
    pub(crate) bearing: Support,
    /// And by what is asked of the subject: what they are called.
    pub(crate) support: Support,
}

/// The limits of each sentence of the evidence.
pub(crate) fn limits(question: &str, evidence: &Evidence, subject: &Subject) -> Vec<Limit> {
    let kind = Kind::of(question);
    let relation = Relation::of(question);
    let part = |holds: bool| if holds { Support::Supported } else { Support::Partial };
    let limit = |(index, sentence): (usize, &Sentence)| {
        let text = evidence.text(sentence);
        if is_reversed(question, text) || is_asked_the_other_way(question, text) {
            return Limit { bearing: Support::Unsupported, support: Support::Unsupported };
        }
        // A question answers none, and neither does a row that says no where it is asked which ones do.
        let fits = kind.occurs_in(text)
            && !excludes(question, &evidence.reading(sentence))
            && !text.trim_end().ends_with(['?', '？'])
            && !says_no(question, evidence, sentence);
        let bearing = lesser(subject.limit(index), part(fits));
        let told = relation.is_spoken_of(evidence, index) && !is_hedged(question, text);
        let told = told && !relation.is_of_another(evidence, sentence);
        Limit { bearing, support: lesser(bearing, part(told)) }
    };
    evidence.sentences.iter().enumerate().map(limit).collect()
}

/// Whether the column of a row that is asked for says no, or nothing.
fn says_no(question: &str, evidence: &Evidence, sentence: &Sentence) -> bool {
    const NO: &[&str] =
        &["no", "nein", "non", "false", "none", "n/a", "-", "–", "—", "✗", "否", "无", "無", "不可以", "没有", "沒有"];
    let row = evidence.text(sentence);
    let columns: Vec<&str> = evidence
        .header(sentence)
        .map(|header| cells(header).into_iter().map(|cell| &header[cell]).collect())
        .unwrap_or_default();
    let asked = subject_terms(question);
    let named = cells(row).into_iter().enumerate().map(|(index, cell)| {
        let cell = &row[cell];
        match columns.get(index) {
            Some(column) => (*column, cell),
            None => cell.split_once(": ").unwrap_or(("", cell)),
        }
    });
    let denied = words(question)
        .iter()
        .any(|word| matches!(word.as_str(), "no" | "not" | "without" | "nicht" | "kein" | "keine"));
    is_row(row)
        && !denied
        && named.skip(1).any(|(column, cell)| {
            let column = terms(column);
            NO.contains(&cell.trim().to_lowercase().as_str()) && asked.iter().any(|term| column.contains(term))
        })
}

/// Whether a sentence tells of what may be, was planned, is believed or is no longer so, and the question does not ask for that.
fn is_hedged(question: &str, text: &str) -> bool {
    const HEDGES: &str = "\
        plan plans planned may might believe believes believed wrong wrongly allegedly supposed suppose rumour imagine \
        former formerly deputy vice assistant acting expected proposed pretend novel fiction hypothetical";
    const CHINESE: &[&str] =
        &["误以为", "誤以為", "假设", "假設", "据说", "據說", "前任", "副", "计划", "計劃", "可能", "传闻", "傳聞"];
    let (asked, said) = (terms(question), words(text));
    let is_asked = |word: &str| terms(word).iter().any(|term| asked.contains(term));
    let only_told = |word: &&str| said.iter().any(|said| said == word) && !is_asked(word);
    HEDGES.split_whitespace().any(|word| only_told(&word))
        || CHINESE.iter().any(|mark| text.contains(mark) && !question.contains(mark))
}

/// What a question asks of its subject.
#[derive(Debug)]
struct Relation {
    /// For each relation: the terms by which a sentence speaks of it.
    told_by: Vec<Vec<String>>,
    /// Whether a person is asked for; then the question's own terms, which name none.
    person: Option<Vec<String>>,
    /// A Chinese question's words.
    chinese: Vec<Vec<char>>,
    /// What somebody is whom it asks for: the two characters in front of 是谁.
    role: Option<[char; 2]>,
}

impl Relation {
    fn of(question: &str) -> Self {
        let said = words(question);
        let mut told_by: Vec<Vec<String>> = Vec::new();
        for (asks, holds) in RELATIONS {
            if said.iter().any(|word| is_one_of(word, asks)) {
                told_by.push(forms(holds));
            }
        }
        for pair in said.windows(2).filter(|pair| pair[0] == "how") {
            told_by.extend(MEASURES.iter().filter(|(asks, _)| pair[1] == *asks).map(|(_, holds)| forms(holds)));
        }
        let person = said.iter().any(|word| word == "who" || word == "whom").then(|| terms(question));
        Self { told_by, person, chinese: chinese_words(question), role: role(question) }
    }

    /// Whether a sentence, read with its label, has another word in the place of one of a Chinese question: 青湖 for 红湖,
    /// 成人票 for 学生票. Told by a character of the question that stands nowhere, while the one behind it follows another.
    fn is_of_another(&self, evidence: &Evidence, sentence: &Sentence) -> bool {
        let label = Evidence::label(evidence.passage(sentence));
        let text: Vec<char> = [&*evidence.reading(sentence), "\n", &label].concat().chars().map(simplified).collect();
        let follows_another = |first: char, second: char| {
            !text.contains(&first)
                && text.windows(2).any(|pair| pair[1] == second && is_cjk(pair[0]) && !is_stop_character(pair[0]))
        };
        let replaced =
            self.chinese.iter().flat_map(|word| word.windows(2)).any(|pair| follows_another(pair[0], pair[1]));
        let lacks_role = self.role.is_some_and(|role| !text.windows(2).any(|pair| pair == role));
        replaced || lacks_role
    }

    /// Whether a sentence, read with its title, its headings and the sentence that it leans on, speaks of the relation.
    fn is_spoken_of(&self, evidence: &Evidence, index: usize) -> bool {
        let sentence = &evidence.sentences[index];
        let before = index.checked_sub(1).filter(|_| sentence.leans_on_previous);
        let before = before.map(|before| evidence.text(&evidence.sentences[before])).unwrap_or_default();
        let label = Evidence::label(evidence.passage(sentence));
        let text = &*evidence.reading(sentence);
        let held = |told_by: &Vec<String>| {
            let in_text = |text: &str| forms_of(text).iter().any(|form| told_by.contains(form));
            in_text(text) || in_text(before) || in_text(&label) || has_currency(text, told_by)
        };
        let around = || [text, before, &label].concat().chars().map(simplified).collect::<String>();
        self.told_by.iter().all(held)
            && self.person.as_ref().is_none_or(|asked| names_someone(text, asked) || names_someone(before, asked))
            && (self.chinese.is_empty() || {
                let around = around();
                self.chinese.iter().all(|word| {
                    // Of up to three characters one, of more two.
                    word.iter().filter(|&&c| around.contains(c)).count() >= if word.len() > 3 { 2 } else { 1 }
                })
            })
    }
}

/// The words of a list, as they are compared.
fn forms(list: &str) -> Vec<String> {
    list.split_whitespace().flat_map(forms_of).collect()
}

/// A text's terms and its bare words: among the terms, those that every sentence has are missing.
fn forms_of(text: &str) -> Vec<String> {
    terms(text).into_iter().chain(words(text)).collect()
}

/// Whether a relation of money is spoken of by a sign.
fn has_currency(text: &str, told_by: &[String]) -> bool {
    told_by.iter().any(|form| form == "euro") && text.contains(['€', '$', '£', '¥', '₹'])
}

/// Whether a text could name someone: a word for people, or a capital that begins no sentence and names neither a place, nor
/// a day, nor what the question itself names.
fn names_someone(text: &str, asked: &[String]) -> bool {
    let runs: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|run| !run.is_empty()).collect();
    let lower: Vec<String> = runs.iter().map(|run| run.to_lowercase()).collect();
    let capital = |index: usize| runs[index].starts_with(char::is_uppercase);
    (0..runs.len()).any(|index| {
        let named = || {
            // "Acme bought Bolt" names who bought it.
            let does_it = || terms(runs[1]).iter().any(|term| asked.contains(term));
            let begins = index == 0 && runs.len() > 1 && !capital(1) && !does_it();
            let behind_place = index > 0 && is_one_of(&lower[index - 1], PLACE_WORDS);
            let known = terms(runs[index]).iter().all(|term| asked.contains(term));
            capital(index) && !begins && !behind_place && !known && !is_one_of(&lower[index], CALENDAR)
        };
        (is_one_of(&lower[index], PEOPLE) && !terms(&lower[index]).iter().any(|term| asked.contains(term))) || named()
    })
}

/// The word of two characters in front of 是谁, where it stands by itself.
fn role(question: &str) -> Option<[char; 2]> {
    let (before, _) = ["是谁", "是誰"].iter().find_map(|asks| question.split_once(asks))?;
    let mut last = before.chars().rev();
    let [second, first] = [last.next()?, last.next()?];
    let alone = last.next().is_none_or(|c| !is_cjk(c) || is_stop_character(c) || c == '任');
    (alone && is_cjk(first) && is_cjk(second)).then_some([simplified(first), simplified(second)])
}

/// The runs of two characters or more, in simplified characters, between the characters that every sentence has.
fn chinese_words(question: &str) -> Vec<Vec<char>> {
    let characters: Vec<char> = question.chars().map(simplified).collect();
    let runs = characters.split(|&c| !is_cjk(c) || is_stop_character(c));
    runs.filter(|run| run.len() > 1).map(<[char]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{evidence, passage};

    fn limit(question: &str, title: Option<&str>, text: &str) -> Support {
        let evidence = evidence(&[passage("a.md", title, text)], text);
        limits(question, &evidence, &Subject::default())[0].support
    }

    #[test]
    fn a_sentence_without_the_relation_of_the_question_is_partial_support() {
        let heron = "The Heron is an electric ferry, built in Corran in 2019.";
        assert_eq!(limit("Who designed the Heron?", None, heron), Support::Partial);
        assert_eq!(limit("When was the Heron built?", None, heron), Support::Supported);
        let founder = "Margit Halloran founded the company on 14 April 1887.";
        assert_eq!(limit("When did Margit Halloran die?", None, founder), Support::Partial);
        assert_eq!(limit("Who founded the company?", None, founder), Support::Supported);
        assert_eq!(limit("How old is Ines Okonjo?", None, "Ines Okonjo was born in 1971."), Support::Supported);
        assert_eq!(limit("How old is Ines Okonjo?", None, "The director Ines Okonjo has 34 people."), Support::Partial);
    }

    #[test]
    fn who_does_it_may_begin_the_sentence_and_the_reverse_is_no_support() {
        let acme = "Acme bought Bolt in 2019.";
        assert_eq!(limit("Who bought Bolt?", None, acme), Support::Supported);
        assert_eq!(limit("Who bought Acme?", None, acme), Support::Unsupported);
        assert_eq!(limit("Who bought Bolt?", None, "Rain fell on Bolt."), Support::Partial);
    }

    #[test]
    fn a_price_is_told_by_words_for_money_or_a_heading() {
        assert_eq!(limit("What does a dog cost?", None, "A dog costs 0.80 crowns."), Support::Supported);
        assert_eq!(limit("What does a dog cost?", Some("Prices"), "| dog | 0.80 |"), Support::Supported);
        assert_eq!(limit("What does a dog cost?", None, "A dog has 4 legs."), Support::Partial);
        assert_eq!(limit("What does a dog cost?", None, "A dog is € 3."), Support::Supported);
    }

    #[test]
    fn a_question_for_a_person_needs_a_sentence_that_could_name_one() {
        let hulls = "Hulls are painted green above the water in Corran.";
        assert_eq!(limit("Who painted the Otter?", None, hulls), Support::Partial);
        assert_eq!(limit("Who painted the Otter?", None, "The Otter was painted by Ada."), Support::Supported);
        assert_eq!(limit("Who paints the Otter?", None, "The crew paints the Otter."), Support::Supported);
        assert_eq!(limit("Who wrote it?", None, "Emily Stone wrote it."), Support::Supported);
    }

    #[test]
    fn what_is_hedged_denied_or_asked_is_partial_support() {
        let planned = "The council plans to open the bridge in 2027.";
        assert_eq!(limit("When was the bridge opened?", None, planned), Support::Partial);
        assert_eq!(limit("When does the council plan to open the bridge?", None, planned), Support::Supported);
        let former = "The former director is Per Holm.";
        assert_eq!(limit("Who is the director?", None, former), Support::Partial);
        assert_eq!(limit("Who is the former director?", None, former), Support::Supported);
        assert_eq!(limit("When was the mill built?", None, "When was the mill built?"), Support::Partial);
        let rooms = "| Room | Projector |\n|---|---|\n| Tyne | no |";
        let evidence = evidence(&[passage("rooms.md", None, rooms)], "Which rooms have a projector?");
        let of = |question: &str| limits(question, &evidence, &Subject::default())[0].support;
        assert_eq!(of("Which rooms have a projector?"), Support::Partial);
        assert_eq!(of("Which rooms have no projector?"), Support::Supported);
    }

    #[test]
    fn another_word_in_the_place_of_a_chinese_one_is_partial_support() {
        let pool = "成人票每张45元，儿童票每张20元。";
        assert_eq!(limit("青湖成人票多少钱？", Some("青湖游泳馆"), pool), Support::Supported);
        assert_eq!(limit("红湖成人票多少钱？", Some("青湖游泳馆"), pool), Support::Partial);
        assert_eq!(limit("青湖学生票多少钱？", Some("青湖游泳馆"), pool), Support::Partial);
        assert_eq!(limit("醫學分館平日開放到幾點？", None, "法學分館平日開放至晚上八點。"), Support::Partial);
        assert_eq!(limit("游泳馆的馆长是谁？", None, "游泳馆由李明设计。"), Support::Partial);
        assert_eq!(limit("游泳馆的馆长是谁？", None, "游泳馆的馆长是李明。"), Support::Supported);
    }

    #[test]
    fn each_word_of_a_chinese_question_is_touched() {
        let heron = "苍鹭号是2019年建造的电动渡轮。";
        assert_eq!(limit("苍鹭号是谁设计的？", None, heron), Support::Partial);
        assert_eq!(limit("苍鹭号是哪年建造的？", None, heron), Support::Supported);
        assert_eq!(limit("公司是谁创立的？", None, "公司由她创办。"), Support::Supported);
    }
}
