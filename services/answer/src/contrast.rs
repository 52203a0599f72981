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
    "first/1st second/2nd third/3rd fourth/4th fifth/5th sixth/6th seventh/7th",
    "open/opens/opened/opening close/closes/closed/closing/shut/shuts",
    "rise/rises/rose/risen/increase/increased fall/falls/fell/fallen/decrease/decreased/drop/dropped",
    "brother sister",
    "öffnet/offen schließt/geschlossen",
    "ouvre/ouvert ferme/fermé",
    "adult/adults/grown-up child/children senior/seniors/pensioner/pensioners",
    "daily weekly monthly yearly/annual",
    "lowest highest",
    "smallest/least largest/biggest/greatest",
    "shortest longest",
    "cheapest dearest",
    "minimum/min maximum/max",
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
    "开门/開門/开放/開放/开馆/開館 关门/關門/关闭/關閉/闭馆/閉館",
    "现任/現任 前任",
    "男生/男子 女生/女子",
    "国内/國內 国外/國外",
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
    // "Open from seven to noon" tells both when it opens and when it closes.
    let ranges = tells_range(&said, text);
    let applies = |group: &&&str| {
        !(ranges
            && (group.starts_with("open/")
                || group.starts_with("öffnet")
                || group.starts_with("ouvre")
                || group.starts_with("开门")))
    };
    of_other_days
        || GROUPS
            .iter()
            .filter(applies)
            .any(|group| opposed(group, |word| holds(&asked, word), |word| holds(&said, word)))
        || is_elsewhere(question, text)
        || is_another(question, text)
        || is_at_another_rate(question, text)
        || CHINESE_GROUPS
            .iter()
            .filter(applies)
            .any(|group| opposed(group, |word| question.contains(word), |word| text.contains(word)))
}

/// Whether a text names both ends of a time.
fn tells_range(said: &[String], text: &str) -> bool {
    const MARKS: &[&str] = &["between", "until", "till", "to", "bis", "à", "jusqu"];
    said.iter().any(|word| MARKS.contains(&word.as_str())) || text.contains(['至', '到', '–', '—'])
}

/// Whether a sentence says by one word what its quote says by the opposite one: closed is not open, and north is not south.
pub(crate) fn is_opposite(sentence: &str, quote: &str) -> bool {
    const ALSO: &[&str] =
        &["higher lower", "older younger", "longer shorter", "more less/fewer", "late early", "passed failed"];
    let (ours, theirs) = (words(sentence), words(quote));
    let plain = GROUPS.iter().chain(ALSO);
    plain.into_iter().any(|group| opposed(group, |word| holds(&theirs, word), |word| holds(&ours, word)))
        || CHINESE_GROUPS
            .iter()
            .any(|group| opposed(group, |word| quote.contains(word), |word| sentence.contains(word)))
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

/// Whether the question asks of one thing by its letter or number, and the text tells of its neighbour: gate C is not gate B,
/// a 60S is no 60, and the building 三号楼 is not 二号楼.
fn is_another(question: &str, text: &str) -> bool {
    let (asked, told) = (labelled(question), labelled(text));
    let other = |name: &str, label: &str| told.iter().any(|(same, other)| same == name && other != label);
    asked.iter().any(|(name, label)| other(name, label) && !told.iter().any(|one| one.0 == *name && one.1 == *label))
        || one_character_apart(question, text)
}

/// Words and the letter or number behind each, in lower case.
fn labelled(text: &str) -> Vec<(String, String)> {
    let runs: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty()).collect();
    let is_label = |run: &str| {
        let letter = run.len() == 1 && run.starts_with(|c: char| c.is_ascii_uppercase());
        letter || (run.starts_with(|c: char| c.is_ascii_digit()) && run.len() <= 5 && run.is_ascii())
    };
    let names = |run: &str| {
        run.len() > 2 && run.is_ascii() && run.chars().all(char::is_alphabetic) && run != "the" && run != "and"
    };
    let pairs = runs.windows(2).filter(|pair| is_label(pair[1]) && names(pair[0]));
    // A month is no name, and what is counted from it no label; neither is a number behind a verb or a preposition.
    let pairs =
        pairs.filter(|pair| pair[0].starts_with(char::is_uppercase) || pair[1].starts_with(char::is_alphabetic));
    let pairs = pairs.filter(|pair| !crate::days::is_month(&pair[0].to_lowercase()));
    pairs.map(|pair| (pair[0].to_lowercase(), pair[1].to_lowercase())).collect()
}

/// Whether a Chinese question begins a word with a number or a side that the text has another one of in front of the same
/// characters.
fn one_character_apart(question: &str, text: &str) -> bool {
    const SETS: &[&str] = &[
        "一二三四五六七八九十",
        "甲乙丙丁",
        "东西南北",
        "東西南北",
        "上下",
        "左右",
        "大小",
        "新旧",
        "男女",
        "内外",
        "內外",
    ];
    let asked: Vec<char> = question.chars().collect();
    asked.windows(3).any(|window| {
        let [first, rest @ ..] = window else { return false };
        let Some(set) = SETS.iter().find(|set| set.contains(*first)) else { return false };
        let rest: String = rest.iter().collect();
        let is_word = rest.chars().all(wellspring_core::text::is_cjk);
        let with = |c: char| text.contains(&format!("{c}{rest}"));
        is_word && !with(*first) && set.chars().any(|other| other != *first && with(other))
    })
}

/// Whether the question asks what something is per hour, and the text says what it is per day.
fn is_at_another_rate(question: &str, text: &str) -> bool {
    let (asked, told) = (rates(question), rates(text));
    !asked.is_empty() && !told.is_empty() && !asked.iter().any(|rate| told.contains(rate))
}

/// The units that a text tells something per.
fn rates(text: &str) -> Vec<&'static str> {
    const UNITS: &[&str] = &["second", "minute", "hour", "day", "week", "month", "year", "night"];
    let said = words(text);
    let per = |pair: &[String]| {
        matches!(pair[0].as_str(), "per" | "a" | "an" | "each")
            .then(|| UNITS.iter().find(|unit| **unit == pair[1]).copied())
            .flatten()
    };
    said.windows(2).filter_map(per).collect()
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
    fn a_neighbour_by_letter_number_or_rate_excludes() {
        assert!(excludes("When does gate C open?", "Gate B opens at 6:00."));
        assert!(!excludes("When does gate C open?", "Gate C opens at 6:00, gate B at 7:00."));
        assert!(excludes("Was kostet Halle 4?", "Halle 3 kostet 20 Euro."));
        assert!(excludes("三号楼有多少房间？", "二号楼有30个房间。"));
        assert!(!excludes("三号楼有多少房间？", "三号楼有30个房间，二号楼有20个。"));
        assert!(excludes("What is the penalty per day?", "The penalty is 150 euros per hour."));
        assert!(!excludes("What is the penalty per hour?", "The penalty is 150 euros an hour."));
        assert!(excludes("When does the shop close?", "The shop opens at 8."));
        assert!(!excludes("When does the shop close?", "The shop is open from 8 to 12."));
    }

    #[test]
    fn other_days_exclude() {
        assert!(excludes("When is it open on weekends?", "It is open from Monday to Friday."));
        assert!(!excludes("When is it open on Tuesday?", "It is open from Monday to Friday."));
        assert!(excludes("周日几点开门？", "周一至周五七点开门。"));
    }
}
