//! Of all that a sentence tells, does an answer take what was asked for?
//!
//! "A dog costs 0.80 crowns; guide dogs travel free" holds a price, and it is not that of a guide dog. A sentence is parted
//! at its commas and conjunctions, a row of a table into its cells, each read with the name of its column. A value of the
//! answer is another fact's
//!
//! - where its own part has the opposite of what is asked (`contrast`), or
//! - where a number is asked for or given, and another part with one has more of the question's subject: of its names, or,
//!   these being equal, of its words.
//!
//! Invariants:
//! - It only lowers support, and fails closed: a cell of a wide table whose columns have no names here is partial support.
//! - An answer of several values is held to the best of them: what stands beside it may be more than was asked for.
//! - Pure.

use std::collections::HashSet;
use std::ops::Range;

use wellspring_core::answer::Support;
use wellspring_core::text::is_cjk;

use crate::contrast::excludes;
use crate::days::{is_month, month_terms};
use crate::kind::Kind;
use crate::roles::{is_excepted, is_of_another_name, is_reversed};
use crate::subject::subject_terms;
use crate::table::{cells, is_row};
use crate::terms::{WordAt, contains_words, is_chinese_number, is_number, is_one_of, terms, words, words_at};
use crate::units::mismatch;
use crate::verify::names;

/// An answer of more words makes a statement of its own rather than naming a value.
const VALUE_WORDS_MAX: usize = 8;
/// Cells from which on a row says more than one thing of what it names.
const WIDE_ROW_CELLS: usize = 3;

/// A part of a sentence that tells one thing.
struct Part {
    range: Range<usize>,
    /// Itself, with the name of its column.
    text: String,
    column: Option<String>,
    /// Whether it holds something that could be asked for.
    has_value: bool,
    names: HashSet<String>,
    subject: HashSet<String>,
}

/// The best support that `sentence`, a row under `header` where it is one, gives to `claim` as an answer to `question`.
pub(crate) fn limit(question: &str, claim: &str, sentence: &str, header: Option<&str>) -> Support {
    if is_reversed(question, sentence)
        || is_of_another_name(question, claim, sentence)
        || is_excepted(question, claim, sentence)
    {
        return Support::Unsupported;
    }
    // What stands there word for word is not taken out of it.
    let said = words(claim);
    if said.len() > VALUE_WORDS_MAX && contains_words(&words(sentence), &said) {
        return Support::Supported;
    }
    let values = values(question, claim);
    if values.is_empty() {
        return Support::Supported;
    }
    // A time of the day is more than a number.
    let clockless = Kind::of(question) == Kind::Clock && !Kind::Clock.occurs_in(claim);
    if is_bare_year(question, claim) || clockless {
        return Support::Partial;
    }
    // Nobody is a number, and beside somebody none is what was asked for.
    let person = words(question).iter().any(|word| word == "who" || word == "whom") || question.contains(['谁', '誰']);
    if person && values.iter().flatten().all(|word| is_number(word) || is_chinese_number(word) || is_month(word)) {
        return if names_nobody(question, claim) { Support::Unsupported } else { Support::Supported };
    }
    let row = is_row(sentence);
    let parts = parts(question, sentence, header);
    // A name is nothing that a number beside it could be meant instead of.
    let counts = Kind::of(question) != Kind::Open || Kind::Quantity.occurs_in(claim);
    let said = words_at(sentence);
    let mut best = Support::Unsupported;
    let mut found_any = false;
    for value in &values {
        for place in places(value, &said) {
            let Some(index) =
                parts.iter().position(|part| part.range.start <= place.start && place.end <= part.range.end)
            else {
                continue;
            };
            found_any = true;
            // What names a row is asked for by what stands in it.
            let verdict = if row && index == 0 {
                Support::Supported
            } else if excludes(question, &parts[index].text)
                || counts_otherwise(question, &sentence[place.end..], sentence)
                || (value.iter().all(|word| is_number(word))
                    && mismatch(
                        question,
                        &sentence[place.clone()],
                        &sentence[..place.start],
                        &sentence[place.end..parts[index].range.end],
                        parts[index].column.as_deref(),
                    ))
                || excludes(claim, &parts[index].text)
                || ((row || counts)
                    && parts.iter().enumerate().any(|(other, part)| {
                        other != index && !(row && other == 0) && part.outdoes(&parts[index], row)
                    }))
            {
                Support::Unsupported
            } else if row && header.is_none() && parts.len() >= WIDE_ROW_CELLS && !names_itself(&parts[index].text) {
                Support::Partial
            } else {
                Support::Supported
            };
            match verdict {
                Support::Supported => return verdict,
                Support::Partial => best = verdict,
                Support::Unsupported => {}
            }
        }
    }
    if found_any { best } else { Support::Supported }
}

/// Whether an answer holds nothing but numbers, what they measure, and what the question says.
fn names_nobody(question: &str, claim: &str) -> bool {
    /// New characters of a Chinese answer from which on it names somebody: a name has two or three, and so have units.
    const CHARACTERS_MIN: usize = 3;
    const BESIDE_NUMBERS: &str = "年月日号時时点分秒大约左右前后公元世纪于在";
    const UNITS: &[&str] = &["about", "around", "approximately", "bc", "ad", "century", "year"];
    let asked: HashSet<String> = terms(question).into_iter().collect();
    let is_new = |word: &str| {
        let is_value = is_number(word) || is_chinese_number(word) || is_month(word) || BESIDE_NUMBERS.contains(word);
        !is_value && !UNITS.contains(&word) && terms(word).iter().any(|term| !asked.contains(term))
    };
    let new: Vec<String> = words(claim).into_iter().filter(|word| is_new(word)).collect();
    match claim.contains(is_cjk) {
        true => new.len() < CHARACTERS_MIN,
        false => !new.iter().any(|word| {
            names(claim).iter().any(|name| terms(word).contains(name)) || word.len() > CHARACTERS_MIN && new.len() > 1
        }),
    }
}

impl Part {
    fn outdoes(&self, other: &Self, row: bool) -> bool {
        let more =
            |ours: &HashSet<String>, theirs: &HashSet<String>| theirs.len() < ours.len() && theirs.is_subset(ours);
        (row || self.has_value)
            && (more(&self.names, &other.names) || (self.names == other.names && more(&self.subject, &other.subject)))
    }
}

/// The measure word that a Chinese question asks for: 多少辆 asks for 辆, and 哪一年 for 年.
pub(crate) fn measure(question: &str) -> Option<char> {
    const YEARS: &[&str] = &["哪一年", "哪年", "何年", "那一年"];
    const ASKS: &[&str] = &["多少", "几", "幾"];
    // What stands behind 多少 or 几 and measures nothing of its own.
    const OTHERS: &str = "钱錢时時点點乎个個";
    if YEARS.iter().any(|year| question.contains(year)) {
        return Some('年');
    }
    let measure = ASKS.iter().find_map(|asks| question.split_once(asks)?.1.chars().next())?;
    (is_cjk(measure) && !OTHERS.contains(measure)).then_some(measure)
}

/// Whether a number is followed by another measure word than the one that a Chinese question asks for, while the sentence
/// counts by that one too: 多少辆 asks for no 120名.
fn counts_otherwise(question: &str, behind: &str, sentence: &str) -> bool {
    let Some(measure) = measure(question).filter(|measure| !behind.trim_start().starts_with(*measure)) else {
        return false;
    };
    let said = words(sentence);
    said.windows(2).any(|pair| (is_number(&pair[0]) || is_chinese_number(&pair[0])) && pair[1].starts_with(measure))
}

/// What an answer names, each as words: its numbers that the question lacks, or, where there are none, itself.
fn values(question: &str, claim: &str) -> Vec<Vec<String>> {
    let asked = words(question);
    let said = words_at(claim);
    let counted = Kind::of(question) != Kind::Open;
    let mut found: Vec<Vec<String>> = Vec::new();
    let mut end = None;
    for (word, range) in &said {
        let is_counter = is_number(word) || (counted && is_chinese_number(word));
        if !is_counter {
            continue;
        }
        // 05:50 is one value of two numbers, and so are thirty-four and 三十四.
        match (end, found.last_mut()) {
            (Some(end), Some(value))
                if claim.get(end..range.start).is_some_and(|gap| matches!(gap, "" | ":" | "." | "/" | "-")) =>
            {
                value.push(word.clone());
            }
            _ => found.push(vec![word.clone()]),
        }
        end = Some(range.end);
    }
    found.retain(|value| !value.iter().all(|word| asked.contains(word)));
    if found.is_empty() && !said.is_empty() && said.len() <= VALUE_WORDS_MAX {
        found.push(said.into_iter().map(|(word, _)| word).collect());
    }
    found
}

/// Where a value stands among the words of a sentence, in bytes.
fn places(value: &[String], said: &[WordAt]) -> Vec<Range<usize>> {
    let windows = said.windows(value.len());
    let same = windows.filter(|window| window.iter().map(|(word, _)| word).eq(value));
    same.map(|window| window[0].1.start..window[value.len() - 1].1.end).collect()
}

fn parts(question: &str, sentence: &str, header: Option<&str>) -> Vec<Part> {
    let row = is_row(sentence);
    let asked_names: HashSet<String> = names(question).into_iter().collect();
    let mut asked: HashSet<String> = subject_terms(question).into_iter().collect();
    asked.retain(|term| !asked_names.contains(term));
    let columns: Vec<&str> =
        header.map(|header| cells(header).into_iter().map(|cell| &header[cell]).collect()).unwrap_or_default();
    let ranges = if row { cells(sentence) } else { clauses(sentence) };
    let mut found: Vec<Part> = Vec::new();
    for (index, range) in ranges.into_iter().enumerate() {
        let own = &sentence[range.clone()];
        let column = columns.get(index).map(|&column| column.to_owned()).or_else(|| {
            let (name, _) = own.split_once(": ").filter(|_| row)?;
            Some(name.to_owned())
        });
        let text = match columns.get(index) {
            Some(column) => format!("{column}: {own}"),
            None => own.to_owned(),
        };
        let held: HashSet<String> = terms(&text).into_iter().collect();
        let has_value = own.contains(char::is_numeric) || Kind::Quantity.occurs_in(own);
        let part = match found.last() {
            // "… on 4 May, 12 June and 3 July": what is said of the first holds for the others.
            Some(before) if !row && !tells(own) => Part {
                range,
                column,
                text: before.text.clone() + &text,
                has_value,
                names: beside(&before.names, &asked_names, own),
                subject: before.subject.clone(),
            },
            _ => Part {
                range,
                column,
                text,
                has_value,
                names: match found.last() {
                    Some(before) if !row && names(own).is_empty() => before.names.clone(),
                    _ => asked_names.iter().filter(|name| held.contains(*name)).cloned().collect(),
                },
                subject: {
                    let its = asked.iter().filter(|term| held.contains(*term)).cloned();
                    match found.last() {
                        Some(before) if !row && begins_with_verb(own) => its.chain(before.subject.clone()).collect(),
                        _ => its.collect(),
                    }
                },
            },
        };
        found.push(part);
    }
    found
}

/// The names of the question that hold for a part which tells nothing but a month and a number of its own: those of what
/// stands before it, but for the month.
fn beside(before: &HashSet<String>, asked: &HashSet<String>, own: &str) -> HashSet<String> {
    let held: HashSet<String> = terms(own).into_iter().collect();
    let has_month = words(own).iter().any(|word| is_month(word));
    let months: HashSet<String> = if has_month { month_terms() } else { HashSet::new() };
    let kept = before.iter().filter(|name| !months.contains(*name));
    asked.intersection(&held).chain(kept).cloned().collect()
}

/// The parts of a sentence between commas, semicolons, colons and conjunctions.
pub(crate) fn clauses(sentence: &str) -> Vec<Range<usize>> {
    const JOINTS: &[&str] = &[
        " and ",
        " but ",
        " while ",
        " whereas ",
        " or ",
        " und ",
        " aber ",
        ", with ",
        ", ",
        "; ",
        ": ",
        "，",
        "；",
        "：",
        "、",
        "而",
        "和",
        "與",
        "与",
    ];
    let mut found = Vec::new();
    let mut start = 0;
    while start < sentence.len() {
        let rest = &sentence[start..];
        let next = JOINTS.iter().filter_map(|joint| rest.find(joint).map(|at| (at, joint.len()))).min();
        let (end, length) = next.map_or((sentence.len(), 0), |(at, length)| (start + at, length));
        if end > start {
            found.push(start..end);
        }
        start = end + length.max(1);
        if next.is_none() {
            break;
        }
    }
    found
}

/// Whether a part goes on about the subject of the one before: "… and lasts 75 minutes".
pub(crate) fn begins_with_verb(part: &str) -> bool {
    const VERBS: &str = "is are was were has have had can may must will";
    let part = part.trim_start();
    let first = words(part).into_iter().next().unwrap_or_default();
    let lower = part.starts_with(|c: char| c.is_lowercase() && !is_cjk(c));
    lower && (is_one_of(&first, VERBS) || (!terms(&first).is_empty() && !is_number(&first)))
}

/// Whether a part says anything of its own beside a number or a date.
fn tells(part: &str) -> bool {
    let mut said = words(part).into_iter().filter(|word| !terms(word).is_empty());
    said.any(|word| !word.starts_with(char::is_numeric) && !is_month(&word))
}

/// Whether a cell says itself what it is: `price: 2.40`.
fn names_itself(cell: &str) -> bool {
    cell.split_once(": ").is_some_and(|(name, value)| name.contains(char::is_alphabetic) && !value.trim().is_empty())
}

/// Whether a year alone answers for when something happens again and again.
fn is_bare_year(question: &str, claim: &str) -> bool {
    let asked = words(question);
    let habit = asked.windows(2).any(|pair| pair[0] == "when" && matches!(pair[1].as_str(), "do" | "does"));
    let said = words(claim);
    let year = |word: &String| word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_digit());
    let filler = |word: &String| matches!(word.as_str(), "in" | "since" | "from");
    habit && said.iter().any(year) && said.iter().all(|word| year(word) || filler(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_month_has_its_own_value() {
        let hut = "In July the hut has 400 guests, in August 700 and in September 250.";
        let asked = |month: &str| format!("How many guests does the hut have in {month}?");
        assert_eq!(limit(&asked("September"), "400 guests", hut, None), Support::Unsupported);
        assert_eq!(limit(&asked("September"), "250", hut, None), Support::Supported);
        assert_eq!(limit(&asked("July"), "400", hut, None), Support::Supported);
        assert_eq!(limit(&asked("July"), "700", hut, None), Support::Unsupported);
    }

    #[test]
    fn a_value_of_another_part_is_not_supported() {
        let dogs = "A dog costs 0.80 crowns; guide dogs travel free.";
        assert_eq!(limit("What does a guide dog cost?", "0.80", dogs, None), Support::Unsupported);
        assert_eq!(limit("What does a dog cost?", "0.80", dogs, None), Support::Supported);
        let cost =
            "A crossing costs 61 crowns: 38 for the crew, 6 for electricity, 11 for upkeep, and 6 for the piers.";
        assert_eq!(limit("How much of it is for upkeep?", "38", cost, None), Support::Unsupported);
        assert_eq!(limit("How much of it is for upkeep?", "11 crowns", cost, None), Support::Supported);
        let both = "The Heron may carry 80 people and the Otter 120.";
        assert_eq!(limit("How many people may the Heron carry?", "120", both, None), Support::Unsupported);
        assert_eq!(limit("How many people may the Otter carry?", "120", both, None), Support::Supported);
        let load = "She is 27 metres long and carries 80 passengers and 16 bicycles, but no cars.";
        assert_eq!(limit("How many bicycles does the Heron carry?", "80", load, None), Support::Unsupported);
        assert_eq!(limit("How many bicycles does the Heron carry?", "16", load, None), Support::Supported);
        let patience = "The Patience could carry seventy passengers and four carts and crossed in eleven minutes.";
        assert_eq!(limit("How many carts could the Patience carry?", "seventy", patience, None), Support::Unsupported);
        assert_eq!(limit("How many carts could the Patience carry?", "four", patience, None), Support::Supported);
        let otter = "“水獭号”建于1978年，可载120名乘客和八辆汽车。";
        assert_eq!(limit("水獭号可以载多少辆汽车？", "120名", otter, None), Support::Unsupported);
        assert_eq!(limit("水獭号可以载多少辆汽车？", "八辆", otter, None), Support::Supported);
        let day = "1274年10月14日元军渡海。";
        assert_eq!(limit("元军哪一年渡海？", "14日", day, None), Support::Unsupported);
        assert_eq!(limit("元军哪一年渡海？", "1274年10月14日", day, None), Support::Supported);
        assert_eq!(limit("导盲犬多少钱？", "0.80克朗", "小狗每只0.80克朗，导盲犬免费。", None), Support::Unsupported);
    }

    #[test]
    fn what_goes_on_about_the_same_subject_is_its_fact_too() {
        let tour = "A guided tour costs 6 euros extra and lasts 75 minutes.";
        assert_eq!(limit("How long does a guided tour take?", "75 minutes.", tour, None), Support::Supported);
        assert_eq!(limit("How much is a guided tour?", "6 euros", tour, None), Support::Supported);
        let plan = "The free plan allows 5 projects; the team plan allows 50 projects and costs 19 dollars.";
        assert_eq!(limit("What does the team plan cost?", "19 dollars", plan, None), Support::Supported);
        assert_eq!(limit("How many projects does the team plan allow?", "5", plan, None), Support::Unsupported);
        let closed = "The museum is closed on Mondays and on 25 December.";
        assert_eq!(limit("When is the museum closed?", closed, closed, None), Support::Supported);
    }

    #[test]
    fn beside_somebody_a_number_is_not_what_was_asked_for() {
        let bridge = "Bob Carter designed the bridge in 1931.";
        let county = "The county pays 0.90 crowns for each passenger.";
        let company = "公司由玛吉特·哈洛伦于1887年4月14日创办。";
        for (question, claim, source) in [
            ("Who designed the bridge?", bridge, bridge),
            ("Who designed the bridge?", "Bob Carter, in 1931", bridge),
            ("Who designed the bridge and when?", "The bridge was designed by Bob Carter in 1931.", bridge),
            ("Who pays for each passenger?", county, county),
            ("谁创办了公司？", company, company),
        ] {
            assert_eq!(limit(question, claim, source, None), Support::Supported, "{claim}");
        }
        for (question, claim, source) in [
            ("Who designed the bridge?", "In 1931", bridge),
            ("Who designed the bridge?", "about 1931", bridge),
            ("Who pays for each passenger?", "0.90 crowns", county),
            ("谁创办了公司？", "大約1887年", company),
            ("谁创办了公司？", "1887年4月14日", company),
        ] {
            assert_eq!(limit(question, claim, source, None), Support::Unsupported, "{claim}");
        }
    }

    #[test]
    fn a_name_is_not_outdone_by_a_number_beside_it() {
        let eel = "江鳗是溯河产卵的鱼类，在海口停留两年，体表有一层很厚的黏液。";
        assert_eq!(limit("体表有很厚黏液的江鳗属于哪种动物？", "鱼类", eel, None), Support::Supported);
        let ferry = "Corran was the place, and the ferry was moored there for two winters.";
        assert_eq!(limit("Where was the ferry moored?", "Corran", ferry, None), Support::Supported);
    }

    #[test]
    fn several_values_of_one_statement_are_held_to_the_best() {
        let load = "She carries 80 passengers and 16 bicycles.";
        let claim = "80 passengers and 16 bicycles";
        assert_eq!(limit("How many bicycles does she carry?", claim, load, None), Support::Supported);
        let open = "The office is open from Monday to Friday between 07:00 and 12:00, and sells passes.";
        assert_eq!(limit("When is the office open?", "07:00 to 12:00", open, None), Support::Supported);
        let days = "The fair is on 4 May, 12 June and 3 July.";
        assert_eq!(limit("When is the fair?", "12 June", days, None), Support::Supported);
    }

    #[test]
    fn a_cell_is_read_with_its_column() {
        let header = "| day | first boat from Anlow | first boat from Skerrow | last boat from Anlow |";
        let row = "| Sunday | 08:20 | 08:35 | 22:55 |";
        let asked = "When does the first boat leave Anlow on Sunday?";
        assert_eq!(limit(asked, "22:55", row, Some(header)), Support::Unsupported);
        assert_eq!(limit(asked, "08:35", row, Some(header)), Support::Unsupported);
        assert_eq!(limit(asked, "08:20", row, Some(header)), Support::Supported);
        assert_eq!(limit(asked, "08:20", row, None), Support::Partial, "columns without names");
        assert_eq!(limit("What does it cost?", "2.40", "| adult | 2.40 |", None), Support::Supported);
        let named = "day: Sunday | first boat: 08:20 | last boat: 22:55";
        assert_eq!(limit("When does the first boat leave?", "08:20", named, None), Support::Supported);
        assert_eq!(limit("When does the first boat leave?", "22:55", named, None), Support::Unsupported);
        let limits = "| mean wind | 14 | 17 |";
        let boats = "| limit | *Heron* | *Otter* |";
        assert_eq!(limit("At what wind does the Otter stop?", "14", limits, Some(boats)), Support::Unsupported);
        assert_eq!(limit("At what wind does the Otter stop?", "17", limits, Some(boats)), Support::Supported);
    }

    #[test]
    fn the_opposite_is_not_supported() {
        let winter = "In winter the last boat leaves at 21:40.";
        assert_eq!(limit("When does the first boat leave?", "21:40", winter, None), Support::Unsupported);
        let claim = "The first boat leaves at 21:40 from the pier in the town.";
        assert_eq!(limit("When do boats leave?", claim, winter, None), Support::Unsupported);
        let child = "成人单程票2.40克朗，6至15岁儿童1.20克朗。";
        assert_eq!(limit("儿童单程票多少钱？", "2.40克朗", child, None), Support::Unsupported);
        assert_eq!(limit("儿童单程票多少钱？", "1.20克朗", child, None), Support::Supported);
    }

    #[test]
    fn a_number_is_no_time_of_the_day() {
        let boat = "周日和节假日为8点20分。";
        assert_eq!(limit("周日的头班船几点？", "20", boat, None), Support::Partial);
        assert_eq!(limit("周日的头班船几点？", "8点20分", boat, None), Support::Supported);
    }

    #[test]
    fn a_year_is_no_answer_to_when_something_happens_again() {
        let boat = "The Kingfisher is a launch, built in 2008, which sails in summer.";
        assert_eq!(limit("When does the Kingfisher sail?", "2008", boat, None), Support::Partial);
        assert_eq!(limit("When was the Kingfisher built?", "2008", boat, None), Support::Supported);
    }
}
