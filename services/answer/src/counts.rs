//! Does a sentence count and measure as its quote does?
//!
//! A number that stands in both proves little: three million dollars are not so many euros, up to 300 are not at least 300,
//! and of "120 passengers and eight cars" nothing has 120 cars.
//!
//! Invariants:
//! - Pure. Only a number that both have is compared, and only by words known to measure the same kind of thing.

use wellspring_core::answer::Support;

use crate::numerals::{Number, numbers};
use crate::terms::{is_number, terms, words_at};

/// What a number can be told in, by kind; the names of one unit stand together, English ones without the `s` of a plural,
/// Chinese ones in simplified characters.
const MEASURES: &[&[&[&str]]] = &[
    &[
        &["euro", "eur", "欧元"],
        &["dollar", "usd", "美元", "美金"],
        &["pound", "gbp", "英镑"],
        &["yen", "jpy", "日元", "日圆"],
        &["yuan", "cny", "rmb", "元", "圆", "块", "人民币"],
        &["crown", "克朗"],
        &["franc", "法郎"],
        &["rouble", "ruble", "卢布"],
        &["rupee"],
        &["peso"],
        &["港元", "港币"],
        &["台币", "新台币"],
        &["韩元", "韩圆"],
    ],
    &[
        &["mg", "milligram", "毫克"],
        &["g", "gram", "克"],
        &["kg", "kilogram", "kilo", "公斤", "千克"],
        &["tonne", "ton", "t", "吨", "公吨"],
        &["ounce", "oz"],
        &["斤"],
        &["磅"],
    ],
    &[
        &["mm", "millimetre", "millimeter", "毫米"],
        &["cm", "centimetre", "centimeter", "厘米", "公分"],
        &["m", "metre", "meter", "米", "公尺"],
        &["km", "kilometre", "kilometer", "公里", "千米"],
        &["mile", "英里", "哩"],
        &["foot", "feet", "ft", "英尺", "呎"],
        &["inch"],
        &["海里", "浬"],
        &["里"],
    ],
    &[
        &["second", "sec", "秒", "秒钟"],
        &["minute", "min", "分钟"],
        &["hour", "h", "hr", "小时"],
        &["day", "天", "日"],
        &["week", "周", "星期"],
        &["month", "月", "个月"],
        &["year", "年"],
    ],
];
/// The longest name in Chinese characters.
const CHINESE_MEASURE_CHARACTERS_MAX: usize = 3;
/// Signs of currencies; ¥ is two.
const SIGNS: &[(char, &[&str])] = &[('€', &["euro"]), ('$', &["dollar"]), ('£', &["pound"]), ('¥', &["yuan", "yen"])];

/// Words that make a bound of a number, right before it, longest first.
const BEFORE: &[(&str, Bound)] = &[
    ("no more than", Bound::Most),
    ("not more than", Bound::Most),
    ("no less than", Bound::Least),
    ("not less than", Bound::Least),
    ("no fewer than", Bound::Least),
    ("up to", Bound::Most),
    ("at most", Bound::Most),
    ("less than", Bound::Most),
    ("fewer than", Bound::Most),
    ("maximum of", Bound::Most),
    ("at least", Bound::Least),
    ("more than", Bound::Least),
    ("minimum of", Bound::Least),
    ("under", Bound::Most),
    ("below", Bound::Most),
    ("over", Bound::Least),
    ("above", Bound::Least),
    ("unter", Bound::Most),
    ("höchstens", Bound::Most),
    ("bis zu", Bound::Most),
    ("über", Bound::Least),
    ("mindestens", Bound::Least),
    ("不 超 过", Bound::Most),
    ("不 少 于", Bound::Least),
    ("最 多", Bound::Most),
    ("至 多", Bound::Most),
    ("低 于", Bound::Most),
    ("少 于", Bound::Most),
    ("不 到", Bound::Most),
    ("至 少", Bound::Least),
    ("超 过", Bound::Least),
    ("高 于", Bound::Least),
    ("多 于", Bound::Least),
];
/// The same right behind it or its measure word.
const BEHIND: &[(&str, Bound)] = &[
    ("以下", Bound::Most),
    ("以内", Bound::Most),
    ("以上", Bound::Least),
    ("以前", Bound::Earlier),
    ("以后", Bound::Later),
];
/// The same before a year.
const BEFORE_YEAR: &[(&str, Bound)] = &[
    ("before", Bound::Earlier),
    ("by", Bound::Earlier),
    ("until", Bound::Earlier),
    ("after", Bound::Later),
    ("since", Bound::Later),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Most,
    Least,
    Earlier,
    Later,
}

impl Bound {
    fn opposite(self) -> Self {
        match self {
            Self::Most => Self::Least,
            Self::Least => Self::Most,
            Self::Earlier => Self::Later,
            Self::Later => Self::Earlier,
        }
    }
}

/// Whether the sentence counts by one number what the quote counts by another.
pub(crate) fn counts_other(claim: &[String], quote: &[String]) -> bool {
    let counted = |words: &[String]| -> Vec<(String, String)> {
        let counted = |number: Number| {
            let unit = words.get(number.words.end).filter(|word| !is_number(word))?;
            Some((number.value, terms(unit).into_iter().next()?))
        };
        numbers(words).into_iter().filter_map(counted).collect()
    };
    let (claimed, told) = (counted(claim), counted(quote));
    let values: Vec<String> = numbers(quote).into_iter().map(|number| number.value).collect();
    claimed.iter().any(|(number, unit)| {
        let has = |same: bool| {
            told.iter().any(|(told_number, told_unit)| told_unit == unit && (told_number == number) == same)
        };
        values.contains(number) && has(false) && !has(true)
    })
}

/// Whether the quote tells a number of the sentence in another currency or unit alone.
pub(crate) fn measures_other(claim: &str, quote: &str) -> bool {
    let told = measured(quote);
    measured(claim).iter().any(|claimed| {
        let has = |same: bool| {
            told.iter().any(|told| {
                let is_same = told.units.iter().any(|unit| claimed.units.contains(unit));
                told.number == claimed.number && told.kind == claimed.kind && is_same == same
            })
        };
        has(false) && !has(true)
    })
}

/// The best support of a sentence by how it bounds its numbers: at most or at least, before or after.
pub(crate) fn bounds_limit(claim: &[String], quote: &[String]) -> Support {
    let told = numbers(quote);
    let limits = numbers(claim).into_iter().filter_map(|number| {
        let bound = bound(claim, &number)?;
        let theirs: Vec<Option<Bound>> =
            told.iter().filter(|told| told.value == number.value).map(|told| self::bound(quote, told)).collect();
        let limit = if theirs.is_empty() || theirs.contains(&Some(bound)) {
            Support::Supported
        } else if theirs.contains(&Some(bound.opposite())) {
            Support::Unsupported
        } else {
            Support::Partial
        };
        Some(limit)
    });
    limits.fold(Support::Supported, crate::verify::lesser)
}

fn bound(words: &[String], number: &Number) -> Option<Bound> {
    let before = &words[..number.words.start];
    let ends = |list: &[(&str, Bound)]| {
        let found = list.iter().find(|(phrase, _)| {
            let phrase: Vec<&str> = phrase.split(' ').collect();
            before.len() >= phrase.len() && before[before.len() - phrase.len()..].iter().eq(phrase.iter())
        });
        found.map(|(_, bound)| *bound)
    };
    let behind: String = words[number.words.end..].iter().take(3).map(String::as_str).collect();
    let follows = BEHIND
        .iter()
        .find(|(phrase, _)| behind.starts_with(phrase) || behind.chars().skip(1).collect::<String>() == *phrase);
    if let Some((_, bound)) = follows {
        return Some(*bound);
    }
    let is_year = number.value.len() == 4 && number.value.bytes().all(|byte| byte.is_ascii_digit());
    ends(BEFORE).or_else(|| is_year.then(|| ends(BEFORE_YEAR)).flatten())
}

/// A number and what it is told in.
struct Measured {
    number: String,
    kind: usize,
    units: Vec<&'static str>,
}

fn measured(text: &str) -> Vec<Measured> {
    let at = words_at(text);
    let words: Vec<String> = at.iter().map(|(word, _)| word.clone()).collect();
    let found = numbers(&words).into_iter().filter_map(|number| {
        let before = text[..at[number.words.start].1.start].trim_end().chars().next_back();
        let behind = text[at[number.words.end - 1].1.end..].trim_start().chars().next();
        let is_sign = |wanted: &char| Some(*wanted) == before || Some(*wanted) == behind;
        if let Some((_, units)) = SIGNS.iter().find(|(sign, _)| is_sign(sign)) {
            return Some(Measured { number: number.value, kind: 0, units: units.to_vec() });
        }
        let (kind, unit) = measure(&words[number.words.end..])?;
        Some(Measured { number: number.value, kind, units: vec![unit] })
    });
    found.collect()
}

/// The unit that words begin with, the longest one, as the first of its names.
fn measure(words: &[String]) -> Option<(usize, &'static str)> {
    let first = words.first()?;
    let one = first.strip_suffix('s').filter(|one| !one.is_empty()).unwrap_or(first);
    let longest = (1..=CHINESE_MEASURE_CHARACTERS_MAX.min(words.len())).rev().map(|length| words[..length].concat());
    longest.chain([one.to_owned()]).find_map(|said| {
        MEASURES.iter().enumerate().find_map(|(kind, units)| {
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
    fn a_number_in_another_currency_or_unit_is_another_number() {
        let quote = "Acme bought Bolt in 2015 for 3 million euros, within 2 days, 27 metres away, at £8.";
        for same in
            ["for 3 million euros", "for 3,000,000 euros", "for €3 million", "within two days", "27 m", "8 pounds"]
        {
            assert!(!measures_other(same, quote), "{same}");
        }
        for other in
            ["for 3 million dollars", "for $3 million", "for ¥3 million", "within 2 weeks", "27 km", "8 dollars"]
        {
            assert!(measures_other(other, quote), "{other}");
        }
        assert!(!measures_other("for 3 million euros", "Bolt cost 3 million dollars; Acme paid 3 million euros."));
        assert!(!measures_other("¥500", "500 yen") && !measures_other("¥500", "500元"));
    }

    #[test]
    fn a_chinese_number_in_another_currency_or_unit_is_another_number() {
        let quote = "2015年，甲公司以三亿元收购了乙公司，历时3个月，管道长20公里。";
        for same in ["甲公司以三亿元收购乙公司，历时3月。", "3亿元", "管道长20千米。", "2015年", "三亿", "長二十公里"]
        {
            assert!(!measures_other(same, quote), "{same}");
        }
        for other in ["甲公司以三亿美元收购乙公司。", "历时3年。", "管道长20米。", "3億日圓"]
        {
            assert!(measures_other(other, quote), "{other}");
        }
        assert!(!measures_other("共三亿美元。", "其中三亿美元来自甲公司，三亿元来自乙公司。"));
    }

    #[test]
    fn one_number_of_passengers_is_not_one_of_cars() {
        let other = |claim: &str, quote: &str| counts_other(&words(claim), &words(quote));
        let quote = "It carries 120 passengers and eight cars.";
        assert!(other("It carries 120 cars.", quote) && !other("It carries 120 passengers.", quote));
        assert!(!other("It carries 8 cars.", quote));
    }

    #[test]
    fn a_bound_is_kept() {
        let limit = |claim: &str, quote: &str| bounds_limit(&words(claim), &words(quote));
        let hall = "The hall holds up to 300 visitors.";
        assert_eq!(limit("It holds no more than 300 visitors.", hall), Support::Supported);
        assert_eq!(limit("It holds 300 visitors.", hall), Support::Supported);
        assert_eq!(limit("It holds at least 300 visitors.", hall), Support::Unsupported);
        assert_eq!(limit("It is over 96 metres high.", "It is 96 metres high."), Support::Partial);
        assert_eq!(limit("Children over 12 pay nothing.", "Children under 12 pay nothing."), Support::Unsupported);
        assert_eq!(limit("It was bought before 2019.", "It was bought in 2019."), Support::Partial);
        assert_eq!(limit("每天接待至少300名。", "每天接待的游客不超过300名。"), Support::Unsupported);
        assert_eq!(limit("十二岁以上儿童免费。", "十二岁以下儿童免费。"), Support::Unsupported);
        assert_eq!(limit("Kinder über 6 Jahren", "Kinder unter 6 Jahren"), Support::Unsupported);
        assert_eq!(limit("每天最多300名。", "每天接待的游客不超过三百名。"), Support::Supported);
    }
}
