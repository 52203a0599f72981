//! Does a sentence count and measure as its quote does?
//!
//! A number that stands in both proves little: three billion are not three million, nor three million dollars so many
//! euros, and of "120 passengers and eight cars" nothing has 120 cars.
//!
//! Invariants:
//! - Pure. Only a number that both have is compared, and only by words known to measure the same kind of thing.

use crate::terms::{is_chinese_number, is_number, terms};

/// What a number can be told in, by kind; without the `s` of a plural.
const MEASURES: &[&[&str]] = &[
    &["hundred", "thousand", "million", "billion", "trillion"],
    &["euro", "dollar", "crown", "pound", "yen", "yuan", "franc", "rouble", "rupee", "peso"],
    &["mg", "g", "kg", "gram", "kilogram", "milligram", "tonne", "ton", "ounce"],
    &["mm", "cm", "m", "km", "metre", "meter", "kilometre", "kilometer", "mile", "foot", "feet", "inch"],
    &["second", "minute", "hour", "day", "week", "month", "year"],
];

/// The same in simplified Chinese; names of one unit stand together.
const CHINESE_MEASURES: &[&[&[&str]]] = &[
    &[
        &["元", "圆", "块", "人民币"],
        &["美元", "美金"],
        &["欧元"],
        &["日元", "日圆"],
        &["英镑"],
        &["港元", "港币"],
        &["台币", "新台币"],
        &["韩元", "韩圆"],
        &["卢布"],
        &["法郎"],
        &["克朗"],
    ],
    &[
        &["公里", "千米"],
        &["米", "公尺"],
        &["厘米", "公分"],
        &["毫米"],
        &["英里", "哩"],
        &["海里", "浬"],
        &["里"],
        &["英尺", "呎"],
    ],
    &[&["公斤", "千克"], &["克"], &["毫克"], &["吨", "公吨"], &["斤"], &["磅"]],
    &[&["秒", "秒钟"], &["分钟"], &["小时"], &["天", "日"], &["周", "星期"], &["月", "个月"], &["年"]],
];
/// The longest of these names, in characters.
const CHINESE_MEASURE_CHARACTERS_MAX: usize = 3;

/// Whether the sentence counts by one number what the quote counts by another.
pub(crate) fn counts_other(claim: &[String], quote: &[String]) -> bool {
    let is_counter = |word: &String| is_number(word) || is_chinese_number(word);
    let counted = |words: &[String]| -> Vec<(String, String)> {
        let pairs = words.windows(2).filter(|pair| is_counter(&pair[0]) && !is_counter(&pair[1]));
        pairs.filter_map(|pair| Some((pair[0].clone(), terms(&pair[1]).into_iter().next()?))).collect()
    };
    let (claimed, told) = (counted(claim), counted(quote));
    claimed.iter().any(|(number, unit)| {
        let has = |same: bool| {
            told.iter().any(|(told_number, told_unit)| told_unit == unit && (told_number == number) == same)
        };
        quote.contains(number) && has(false) && !has(true)
    })
}

/// Whether the quote tells a number of the sentence in another size, currency or unit alone.
pub(crate) fn measures_other(claim: &[String], quote: &[String]) -> bool {
    let told = measured(quote);
    measured(claim).iter().any(|claimed| {
        let has = |same: bool| {
            told.iter().any(|told| {
                told.number == claimed.number && told.kind == claimed.kind && (told.unit == claimed.unit) == same
            })
        };
        has(false) && !has(true)
    })
}

/// A number and a word that it is told in.
struct Measured {
    number: String,
    kind: usize,
    unit: &'static str,
}

fn measured(words: &[String]) -> Vec<Measured> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let start = at;
        // 3亿 and 三亿五千万 are one number each.
        while at < words.len() && (is_chinese_number(&words[at]) || (at == start && is_number(&words[at]))) {
            at += 1;
        }
        if at == start {
            at += 1;
            continue;
        }
        let number = words[start..at].concat();
        if let Some((kind, unit)) = chinese_measure(&words[at..]) {
            found.push(Measured { number, kind: MEASURES.len() + kind, unit });
            continue;
        }
        // A currency stands behind the size.
        for word in words[at..].iter().take(2) {
            let one = word.strip_suffix('s').filter(|one| !one.is_empty()).unwrap_or(word);
            let unit = MEASURES
                .iter()
                .enumerate()
                .find_map(|(kind, units)| units.iter().find(|unit| **unit == one).map(|unit| (kind, *unit)));
            let Some((kind, unit)) = unit else { break };
            found.push(Measured { number: number.clone(), kind, unit });
        }
    }
    found
}

/// The Chinese unit that words begin with, the longest one, as the first of its names.
fn chinese_measure(words: &[String]) -> Option<(usize, &'static str)> {
    let longest = (1..=CHINESE_MEASURE_CHARACTERS_MAX.min(words.len())).rev();
    longest.map(|length| words[..length].concat()).find_map(|said| {
        CHINESE_MEASURES.iter().enumerate().find_map(|(kind, units)| {
            let unit = units.iter().find(|names| names.contains(&said.as_str()))?;
            Some((kind, unit[0]))
        })
    })
}

/// Whether the times of the day that a sentence names come in the order of the quote: from 8:00 to 18:00 is not from 18:00
/// to 8:00.
pub(crate) fn tells_times_in_order(claim: &[String], quote: &[String]) -> bool {
    let times = |words: &[String]| -> Vec<[String; 2]> {
        let is_time =
            |pair: &&[String]| pair.iter().all(|word| is_number(word)) && pair[0].len() <= 2 && pair[1].len() == 2;
        words.windows(2).filter(is_time).map(|pair| [pair[0].clone(), pair[1].clone()]).collect()
    };
    let told = times(quote);
    let mut rest = told.iter();
    times(claim).iter().filter(|time| told.contains(time)).all(|time| rest.any(|other| other == time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::words;

    #[test]
    fn a_number_in_another_size_currency_or_unit_is_another_number() {
        let other = |claim: &str, quote: &str| measures_other(&words(claim), &words(quote));
        let quote = "Acme bought Bolt in 2015 for 3 million euros, within 2 days.";
        assert!(!other("Acme bought Bolt for 3 million euros.", quote));
        assert!(other("Acme bought Bolt for 3 billion euros.", quote));
        assert!(other("Acme bought Bolt for 3 million dollars.", quote));
        assert!(other("Acme bought Bolt within 2 weeks.", quote));
        assert!(!other(
            "Acme bought Bolt for 3 million euros.",
            "Bolt cost 3 dollars; Acme bought it for 3 million euros."
        ));
    }

    #[test]
    fn a_chinese_number_in_another_currency_or_unit_is_another_number() {
        let other = |claim: &str, quote: &str| measures_other(&words(claim), &words(quote));
        let quote = "2015年，甲公司以三亿元收购了乙公司，历时3个月，管道长20公里。";
        assert!(!other("甲公司以三亿元收购乙公司，历时3月。", quote));
        assert!(!other("管道长20千米。", quote) && !other("2015年", quote) && !other("三亿", quote));
        assert!(other("甲公司以三亿美元收购乙公司。", quote));
        assert!(other("历时3年。", quote) && other("管道长20米。", quote));
        assert!(!other("共三亿美元。", "其中三亿美元来自甲公司，三亿元来自乙公司。"));
    }

    #[test]
    fn one_number_of_passengers_is_not_one_of_cars() {
        let other = |claim: &str, quote: &str| counts_other(&words(claim), &words(quote));
        let quote = "It carries 120 passengers and eight cars.";
        assert!(other("It carries 120 cars.", quote) && !other("It carries 120 passengers.", quote));
    }
}
