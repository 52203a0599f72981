//! Is a value measured in what the question asks for?
//!
//! A price is not told in minutes, and no weight in a year. What a question measures follows from its words, what a value is
//! measured in from the word or sign behind it, or from the name of its column.
//!
//! Invariants:
//! - Pure. What is not known on either side contradicts nothing.

use crate::kind::Kind;
use crate::terms::words;

/// What can be measured: words of a question, and units.
const FAMILIES: &[(&str, &str)] = &[
    (
        "weigh weighs weight heavy schwer wiegt",
        "kg g gram grams gramme grammes kilogram kilograms kilo kilos tonne tonnes ton tons lb lbs pound pounds ounce ounces 公斤 千克 克 吨 噸 斤",
    ),
    ("loud noise noisy", "db decibel decibels 分贝 分貝"),
    (
        "cost costs price priced fee fare charge charged pay pays kostet preis coûte prix 多少钱 多少錢 价格 價格 票价 票價",
        "euro euros crown crowns dollar dollars pound pounds cent cents yuan eur usd gbp kronor krone francs 元 块 塊 克朗 美元 欧元 歐元 镑 鎊 圓",
    ),
    (
        "duration 多久 多长时间 多長時間",
        "second seconds minute minutes hour hours day days week weeks month months year years min h s ms 分钟 分鐘 小时 小時 天 秒 周 週 个月 個月 年",
    ),
    (
        "tall high height deep depth wide width far distance tief hoch breit profondeur hauteur largeur 多高 多深 多宽 多寬 多远 多遠",
        "m cm mm km metre metres meter meters kilometre kilometres kilometer kilometers foot feet mile miles inch inches mètre mètres 米 公里 厘米 公尺 公分 千米",
    ),
    ("fast speed", "km/h mph knots knot kilometres kilometers miles 公里 节 節"),
    ("temperature hot cold 温度 溫度", "c f k celsius fahrenheit degrees degree 度"),
];
/// Questions for a length, a weight or a price, whichever: nobody is counted in answer to them.
const MEASURED: &[&str] = &[
    "how long",
    "how tall",
    "how high",
    "how deep",
    "how wide",
    "how far",
    "how heavy",
    "weigh",
    "cost",
    "多长",
    "多長",
    "多高",
    "多深",
    "多宽",
    "多寬",
    "多远",
    "多遠",
    "多重",
    "多少钱",
    "多少錢",
];
/// Who is counted.
const LIVING: &str = "passenger passengers people person persons guest guests visitor visitors member members child \
    children adult adults dog dogs resident residents inhabitant inhabitants";
/// The place of durations among the families.
const DURATION: usize = 3;
/// Signs and the unit that each stands for.
const SIGNS: &[(char, &str)] =
    &[('€', "euro"), ('$', "dollar"), ('£', "gbp"), ('¥', "yuan"), ('￥', "yuan"), ('₹', "usd"), ('°', "degrees")];

/// Whether `behind`, what stands right behind a value, or `before` it, or the name of its column, measures something else than
/// the question asks for; or whether the value can be no measure at all, as a year or a time of the day.
pub(crate) fn mismatch(question: &str, value: &str, before: &str, behind: &str, column: Option<&str>) -> bool {
    if counts_living(behind) && MEASURED.iter().any(|word| question.to_lowercase().contains(word)) {
        return true;
    }
    let Some(asked) = asked(question) else { return false };
    let signs = |text: &str| SIGNS.iter().find(|(sign, _)| text.trim().starts_with(*sign)).map(|(_, unit)| *unit);
    let sign = before.trim_end().chars().next_back().map(String::from);
    let own = sign.as_deref().and_then(signs).or_else(|| signs(behind));
    let next = words(behind).into_iter().next();
    let told = own.map(families).or_else(|| next.as_deref().map(|_| first_families(behind)));
    let told =
        told.filter(|told| !told.is_empty()).or_else(|| column.map(column_families).filter(|told| !told.is_empty()));
    match told {
        Some(told) => !told.contains(&asked),
        None => {
            let year = value.len() == 4
                && value.bytes().all(|byte| byte.is_ascii_digit())
                && ('1'..='2').contains(&value.chars().next().unwrap_or('0'));
            let clock = value.contains(':');
            (year || clock)
                && !column.is_some_and(|column| words(column).iter().any(|word| holds(FAMILIES[asked].0, word)))
        }
    }
}

/// Whether what stands behind a value says that it counts people or animals.
fn counts_living(behind: &str) -> bool {
    let next = words(behind).into_iter().next();
    next.is_some_and(|word| holds(LIVING, &word)) || behind.trim_start().starts_with(['名', '人', '位'])
}

/// What a question measures, where its words say one thing only.
fn asked(question: &str) -> Option<usize> {
    let said = words(question);
    let is_asked = |list: &str| {
        list.split_whitespace().any(|word| {
            if word.is_ascii() || !word.chars().all(wellspring_core::text::is_cjk) {
                said.iter().any(|said| said == word)
            } else {
                question.contains(word)
            }
        })
    };
    // "Last" and "take" ask for a time only behind "how long": the last boat leaves at an hour.
    let lasts = Kind::of(question) == Kind::Duration;
    let mut found = (0..FAMILIES.len()).filter(|&family| is_asked(FAMILIES[family].0) || (lasts && family == DURATION));
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// The families that a unit is one of.
fn families(unit: &str) -> Vec<usize> {
    (0..FAMILIES.len()).filter(|&family| holds(FAMILIES[family].1, unit)).collect()
}

/// Those of the unit that a text begins with.
fn first_families(text: &str) -> Vec<usize> {
    let text = text.trim_start();
    let chinese = |unit: &&str| !unit.is_ascii() && text.starts_with(*unit);
    let longest =
        FAMILIES.iter().flat_map(|(_, units)| units.split_whitespace()).filter(chinese).max_by_key(|unit| unit.len());
    match longest {
        Some(unit) => families(unit),
        None if text.starts_with(|c: char| c.is_alphabetic()) => {
            words(text).first().map(|word| families(word)).unwrap_or_default()
        }
        None => Vec::new(),
    }
}

/// Those of the unit that a column names in brackets.
fn column_families(column: &str) -> Vec<usize> {
    let inner = column.split(['(', '（']).nth(1).map(|inner| inner.trim_end_matches([')', '）', ' ']));
    let Some(inner) = inner else { return Vec::new() };
    let unit = inner.split('/').next().unwrap_or(inner).trim();
    match SIGNS.iter().find(|(sign, _)| unit.starts_with(*sign)) {
        Some((_, unit)) => families(unit),
        None => families(&unit.to_lowercase()),
    }
}

fn holds(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|listed| listed == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_another_measure_is_told_apart() {
        assert!(mismatch("What does parking cost?", "30", "", " minutes are free", None));
        assert!(!mismatch("What does parking cost?", "14", "£", " a day", None));
        assert!(!mismatch("What does a dog cost?", "0.80", "", " crowns", None));
        assert!(mismatch("How much does the Ragnhild weigh?", "1911", "in ", " and sank", None));
        assert!(!mismatch("How loud is the pump?", "58", "", "", Some("Noise (dB)")));
        assert!(mismatch("How much does the pump weigh?", "58", "", "", Some("Noise (dB)")));
        assert!(mismatch("How long do tours last?", "13:00", "at ", " on Saturdays", None));
        assert!(!mismatch("How long do tours last?", "50", "", " minutes", None));
        assert!(!mismatch("When does the last boat back leave Teal Island?", "17:15", "at ", ".", None));
        assert!(!mismatch("When was it built?", "1911", "", "", None), "nothing is measured");
        assert!(mismatch("How long is the Kingfisher?", "36", "carries ", " passengers", None));
        assert!(!mismatch("How many passengers does it carry?", "36", "carries ", " passengers", None));
        assert!(!mismatch("How long is the book?", "300", "", " pages", None));
        assert!(mismatch("翠鸟号有多长？", "36", "可载", "名乘客", None));
        assert!(mismatch("门票多少钱？", "30", "", "分钟", None) && !mismatch("门票多少钱？", "45", "", "元", None));
    }
}
