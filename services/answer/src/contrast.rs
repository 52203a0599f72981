//! Does a text speak of the opposite of what is asked?
//!
//! The first boat is not the last one, and a child's ticket is not an adult's, though both stand in one table and no other
//! word tells them apart. Words that exclude each other stand in groups here: a text that has one of a group, and not the one
//! that the question has, speaks of something else.
//!
//! Invariants:
//! - Pure. A text with no word of the group, or with that of the question too, excludes nothing.

use crate::days::Days;
use crate::terms::words;

/// Groups of words that exclude each other; those that mean the same are joined by a slash.
const GROUPS: &[&str] = &[
    "first/earliest last/latest/final",
    "adult/adults/grown-up child/children senior/seniors/pensioner/pensioners",
    "daily weekly monthly yearly/annual",
    "lowest highest",
    "smallest/least largest/biggest/greatest",
    "shortest longest",
    "cheapest dearest",
    "minimum maximum",
    "arrive/arrives/arrival depart/departs/departure/leave/leaves",
    "summer winter",
    "morning afternoon evening",
    "north/northern south/southern east/eastern west/western",
    "upstream/upriver downstream/downriver",
    "husband wife",
    "father mother",
    "son daughter",
    "male female",
    "import/imports export/exports",
    "upper lower",
    "left-hand right-hand",
    "indoor/indoors outdoor/outdoors",
];
/// The same in Chinese, in both scripts.
const CHINESE_GROUPS: &[&str] = &[
    "头班/首班/頭班 末班",
    "最早 最晚/最迟/最遲",
    "成人 儿童/兒童/小孩",
    "日票 月票 年票",
    "单程/單程 往返/来回/來回",
    "最高 最低",
    "最大 最小",
    "最长/最長 最短",
    "最多 最少",
    "冬季/冬天 夏季/夏天",
    "上午 下午 晚上",
    "进口/進口 出口",
    "父亲/父親 母亲/母親",
    "丈夫 妻子",
];

/// Whether `text` has the opposite of a word of `question`, and not the word itself; other days of the week are such too.
pub(crate) fn excludes(question: &str, text: &str) -> bool {
    let (asked, said) = (words(question), words(text));
    let (asked_days, said_days) = (Days::of(question), Days::of(text));
    let of_other_days = !asked_days.is_empty() && !said_days.is_empty() && !asked_days.meet(said_days);
    of_other_days
        || GROUPS.iter().any(|group| opposed(group, |word| holds(&asked, word), |word| holds(&said, word)))
        || is_elsewhere(question, text)
        || CHINESE_GROUPS.iter().any(|group| opposed(group, |word| question.contains(word), |word| text.contains(word)))
}

/// Whether two words are of one group and mean another thing.
pub(crate) fn are_opposed(one: &str, other: &str) -> bool {
    GROUPS.iter().any(|group| opposed(group, |word| word == one, |word| word == other))
}

/// Whether the question asks of one place or month, and the text tells of another behind the same preposition: parking in
/// Skerrow is not parking in Anlow.
fn is_elsewhere(question: &str, text: &str) -> bool {
    let (asked, told) = (placed(question), placed(text));
    let said = words(text);
    asked.iter().any(|(preposition, name)| {
        !said.contains(name) && told.iter().any(|(same, other)| same == preposition && other != name)
    })
}

/// The names behind prepositions, each with its own, in lower case.
fn placed(text: &str) -> Vec<(String, String)> {
    const PREPOSITIONS: &[&str] = &["in", "at", "from", "to", "on", "near"];
    let runs: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty()).collect();
    let pairs =
        runs.windows(2).filter(|pair| PREPOSITIONS.contains(&pair[0]) && pair[1].starts_with(char::is_uppercase));
    pairs.map(|pair| (pair[0].to_owned(), pair[1].to_lowercase())).collect()
}

fn opposed(group: &str, asked: impl Fn(&str) -> bool, said: impl Fn(&str) -> bool) -> bool {
    let (mut other, mut same) = (false, false);
    let mut any_asked = false;
    for alternative in group.split_whitespace() {
        let is_asked = alternative.split('/').any(&asked);
        let is_said = alternative.split('/').any(&said);
        any_asked |= is_asked;
        same |= is_asked && is_said;
        other |= is_said && !is_asked;
    }
    any_asked && other && !same
}

/// Whether a word is among others; one with a mark inside is two of them.
fn holds(said: &[String], word: &str) -> bool {
    let parts: Vec<&str> = word.split(['-', '\'']).collect();
    said.windows(parts.len()).any(|window| window.iter().eq(parts.iter()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_opposite_alone_excludes() {
        let first = "When does the first boat leave?";
        assert!(excludes(first, "The last boat leaves at 21:40."));
        assert!(!excludes(first, "The first boat leaves at 05:50, the last at 21:40."));
        assert!(!excludes(first, "A boat leaves at 05:50."));
        assert!(!excludes("When do the first and the last boat leave?", "The last boat leaves at 21:40."));
        assert!(excludes("首班船几点？", "末班船于23点10分开出。"));
        assert!(excludes("How much is a yearly pass?", "| monthly pass | 48.00 |"));
        assert!(are_opposed("yearly", "monthly") && !are_opposed("first", "earliest"));
    }

    #[test]
    fn another_place_behind_the_same_preposition_excludes() {
        let skerrow = "Parking in Skerrow costs 4 crowns a day.";
        assert!(excludes("How much does parking in Anlow cost?", skerrow));
        assert!(!excludes("How much does parking in Skerrow cost?", skerrow));
        assert!(!excludes("How much does parking cost?", skerrow));
        assert!(!excludes("How much is it in Anlow?", "Parking costs 4 crowns."));
    }

    #[test]
    fn other_days_exclude() {
        assert!(excludes("When is it open on weekends?", "It is open from Monday to Friday."));
        assert!(!excludes("When is it open on Tuesday?", "It is open from Monday to Friday."));
        assert!(excludes("周日几点开门？", "周一至周五七点开门。"));
    }
}
