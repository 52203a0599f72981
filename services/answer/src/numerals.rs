//! Which numbers does a text tell, in whatever way it writes them?
//!
//! | written | told |
//! |---|---|
//! | 4,500,000; 4.5 million | 4500000 |
//! | eighty-four | 84 |
//! | 四百五十万; 450万 | 4500000 |
//! | 二〇一九 | 2019 |
//!
//! Invariants:
//! - Pure and total. What cannot be read as a number stays as it is written, and is equal to itself alone.

use std::ops::Range;

use crate::terms::is_chinese_number;

/// A number among the words of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Number {
    /// In digits.
    pub(crate) value: String,
    /// Its words.
    pub(crate) words: Range<usize>,
    /// Whether it is meant as a number for sure: "two" and 一 often are not.
    pub(crate) is_sure: bool,
}

/// Words for the numbers below twenty, in their order.
pub(crate) const SMALL: &[&str] = &[
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
/// Those for the tens from twenty on.
pub(crate) const TENS: &[&str] = &["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const SIZES: &[(&str, f64)] = &[("thousand", 1e3), ("million", 1e6), ("billion", 1e9), ("trillion", 1e12)];
/// From here on an English word by itself is meant as a number.
const SURE_FROM: f64 = 13.0;

/// The numbers of a text by its bare words, in their order.
pub(crate) fn numbers(words: &[String]) -> Vec<Number> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        match digits(words, at).or_else(|| english(words, at)).or_else(|| chinese(words, at)) {
            Some(number) => {
                at = number.words.end;
                found.push(number);
            }
            None => at += 1,
        }
    }
    found
}

/// A number that begins in digits, with the words or characters that multiply it.
fn digits(words: &[String], start: usize) -> Option<Number> {
    let written = words.get(start).filter(|word| word.starts_with(char::is_numeric))?;
    let number = |value: String, end: usize| Number { value, words: start..end, is_sure: true };
    let Ok(first) = written.parse::<f64>() else { return Some(number(written.clone(), start + 1)) };
    let mut end = start + 1;
    if let Some((_, size)) = words.get(end).and_then(|word| SIZES.iter().find(|(name, _)| name == word)) {
        return Some(number(shown(first * size), end + 1));
    }
    // 18万7千
    let (mut total, mut part) = (0.0, Some(first));
    while let Some(size) = words.get(end).and_then(|word| chinese_size(word)) {
        let Some(value) = part.take() else { break };
        total += value * size;
        end += 1;
        // 亿 and 万 side by side multiply each other.
        while let Some(size) = words.get(end).and_then(|word| chinese_size(word)) {
            total *= size;
            end += 1;
        }
        let next = words.get(end).filter(|word| {
            words.get(end + 1).is_some_and(|size| chinese_size(size).is_some()) && word.starts_with(char::is_numeric)
        });
        if let Some(value) = next.and_then(|word| word.parse::<f64>().ok()) {
            part = Some(value);
            end += 1;
        }
    }
    if end > start + 1 {
        return Some(number(shown(total), end));
    }
    // A fraction stays as it is: 1.10 may be a version. So do the zeros of a code.
    let is_whole = written.bytes().all(|byte| byte.is_ascii_digit()) && written.len() <= 15;
    let is_code = written.len() > 2 && written.starts_with('0');
    Some(number(if is_whole && !is_code { shown(first) } else { written.clone() }, end))
}

/// English words for a number: twenty-five, two hundred and five thousand.
fn english(words: &[String], start: usize) -> Option<Number> {
    let (mut total, mut part, mut end) = (0.0, 0.0, start);
    let small = |word: &str| SMALL.iter().position(|name| *name == word).map(|value| value as f64);
    let tens = |word: &str| TENS.iter().position(|name| *name == word).map(|value| (value as f64 + 2.0) * 10.0);
    while let Some(word) = words.get(end).map(String::as_str) {
        if let Some(value) = small(word)
            .filter(|value| part % 100.0 == 0.0 || (part % 10.0 == 0.0 && part % 100.0 >= 20.0 && *value < 10.0))
        {
            part += value;
        } else if let Some(value) = tens(word).filter(|_| part % 100.0 == 0.0) {
            part += value;
        } else if word == "hundred" && part > 0.0 && part < 20.0 {
            part *= 100.0;
        } else if let Some((_, size)) = SIZES.iter().find(|(name, _)| *name == word).filter(|_| part > 0.0) {
            total += part * size;
            part = 0.0;
        } else if word == "and"
            && end > start
            && words[end - 1] == "hundred"
            && words.get(end + 1).is_some_and(|next| small(next).is_some() || tens(next).is_some())
        {
        } else {
            break;
        }
        end += 1;
    }
    let value = total + part;
    // "One" alone mostly stands for something else.
    let alone = end == start + 1;
    (end > start && !(alone && value < 2.0)).then(|| Number {
        value: shown(value),
        words: start..end,
        is_sure: !alone || value >= SURE_FROM,
    })
}

/// Chinese characters for a number, by places or digit by digit.
fn chinese(words: &[String], start: usize) -> Option<Number> {
    let run = words[start..].iter().take_while(|word| is_chinese_number(word)).count();
    let end = start + run;
    let characters: Vec<char> = words[start..end].iter().flat_map(|word| word.chars()).collect();
    let (first, single) = (*characters.first()?, characters.len() == 1);
    let value = match chinese_value(&characters) {
        Some(value) => shown(value),
        None => characters.iter().collect(),
    };
    // 一 and 千 by themselves are parts of many words.
    let measured = words.get(end).is_some_and(|word| MEASURED.contains(word.as_str()));
    let is_sure = if single { measured && chinese_digit(first).is_some_and(|digit| digit >= 2.0) } else { true };
    Some(Number { value, words: start..end, is_sure })
}

/// What stands behind a number that counts or measures.
const MEASURED: &str = "个名人位只辆座米公年月日天岁层元块小分秒次艘条架台张本吨斤度倍";

fn chinese_value(characters: &[char]) -> Option<f64> {
    if characters.iter().all(|c| chinese_digit(*c).is_some()) {
        let digits = characters.iter().filter_map(|c| chinese_digit(*c));
        return Some(digits.fold(0.0, |value, digit| value * 10.0 + digit));
    }
    let (mut total, mut part, mut digit): (f64, f64, Option<f64>) = (0.0, 0.0, None);
    for &c in characters {
        if let Some(value) = chinese_digit(c) {
            // Two digits side by side, and a place behind them, are no number: 一二百.
            if digit.is_some_and(|digit| digit > 0.0) {
                return None;
            }
            digit = Some(value);
            continue;
        }
        match c {
            '十' | '百' | '千' => {
                let size = chinese_size(&c.to_string())?;
                part += digit.take().filter(|digit| *digit > 0.0).unwrap_or(1.0) * size;
            }
            '万' | '亿' => {
                part += digit.take().unwrap_or(0.0);
                total = (total + part) * chinese_size(&c.to_string())?;
                part = 0.0;
            }
            _ => return None,
        }
    }
    Some(total + part + digit.unwrap_or(0.0))
}

fn chinese_digit(c: char) -> Option<f64> {
    let place = "〇一二三四五六七八九".chars().position(|digit| digit == c);
    match c {
        '零' => Some(0.0),
        '两' => Some(2.0),
        _ => place.map(|digit| digit as f64),
    }
}

fn chinese_size(word: &str) -> Option<f64> {
    match word {
        "十" => Some(1e1),
        "百" => Some(1e2),
        "千" => Some(1e3),
        "万" => Some(1e4),
        "亿" => Some(1e8),
        _ => None,
    }
}

fn shown(value: f64) -> String {
    format!("{value}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::terms::words;

    fn told(text: &str) -> Vec<String> {
        numbers(&words(text)).into_iter().map(|number| number.value).collect()
    }

    #[test]
    fn one_number_is_the_same_in_every_way_of_writing() {
        for (one, other) in [
            ("4,500,000", "4.5 million"),
            ("84 steps", "eighty-four steps"),
            ("205,000", "two hundred and five thousand"),
            ("1100", "eleven hundred"),
            ("450万元", "四百五十万元"),
            ("187000", "18万7千"),
            ("96级", "九十六级"),
            ("2019年", "二〇一九年"),
            ("12层", "十二层"),
            ("300000000", "三亿"),
            ("105000", "十万五千"),
            ("1050", "一千零五十"),
            ("05:50", "5:50"),
        ] {
            assert_eq!(told(one), told(other), "{one} {other}");
        }
    }

    #[test]
    fn different_numbers_stay_different() {
        for (one, other) in
            [("二十米", "二百米"), ("1.10", "1.1"), ("1.5 million", "1.5 billion"), ("007", "7"), ("五百", "五千")]
        {
            assert_ne!(told(one), told(other), "{one} {other}");
        }
        assert_eq!(told("between ten and twenty, or five or six"), ["10", "20", "5", "6"]);
        assert_eq!(told("seven minutes and one hundred"), ["7", "100"]);
    }

    #[test]
    fn what_often_is_no_number_is_not_sure() {
        let sure = |text: &str| numbers(&words(text)).iter().all(|number| number.is_sure);
        assert!(sure("两个") && sure("九十六") && sure("forty") && sure("7") && sure("two hundred"));
        assert!(!sure("一起") && !sure("十全"));
        assert!(!sure("the two boats"));
    }

    proptest! {
        #[test]
        fn any_text_has_its_numbers_in_order(text in "([0-9]|[a-z]| |,|\\.|one|two|forty|hundred|million|[〇一二十百千万亿两零半年]){0,24}") {
            let words = words(&text);
            let found = numbers(&words);
            prop_assert!(found.windows(2).all(|pair| pair[0].words.end <= pair[1].words.start));
            prop_assert!(found.iter().all(|number| number.words.end <= words.len() && !number.value.is_empty()));
        }
    }
}
