//! Which days of the week does a text speak of?
//!
//! "Monday to Thursday" holds Tuesday, "working days" hold Friday, and "daily" holds all of them, though no word of the
//! question stands there.
//!
//! Invariants:
//! - Pure. A day that is counted within a month or a year ("the first Monday in November") is a date, and no day of the week.

use std::collections::HashSet;

use crate::terms::{terms, words};

pub(crate) const NAMES: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// As they are written in ranges.
const SHORT: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const CHINESE: [char; 7] = ['一', '二', '三', '四', '五', '六', '日'];
pub(crate) const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
/// What stands before the character of a day.
const CHINESE_WEEK: &[&str] = &["星期", "礼拜", "禮拜", "周", "週"];
const WORKING: Days = Days(0b001_1111);
const WEEKEND: Days = Days(0b110_0000);
const ALL: Days = Days(0b111_1111);

/// A set of days of the week, Monday first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Days(u8);

impl Days {
    /// The days that a text speaks of.
    pub(crate) fn of(text: &str) -> Self {
        Self(english(&words(text)).0 | chinese(text).0)
    }

    /// Whether there is none.
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of these are among the others.
    pub(crate) fn are_within(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }

    /// Whether some day is among both.
    pub(crate) fn meet(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    fn range(from: usize, to: usize) -> Self {
        let mut days = 0;
        for step in 0..=(to + 7 - from) % 7 {
            days |= 1 << ((from + step) % 7);
        }
        Self(days)
    }
}

/// Whether a word, in lower case, names a month.
pub(crate) fn is_month(word: &str) -> bool {
    MONTHS.contains(&word) || matches!(word, "年" | "月" | "日")
}

/// The names of the months, as terms.
pub(crate) fn month_terms() -> HashSet<String> {
    MONTHS.iter().flat_map(|month| terms(month)).collect()
}

fn english(said: &[String]) -> Days {
    let at = |index: usize| said.get(index).map_or("", String::as_str);
    let named = |index: usize| {
        let word = at(index);
        NAMES.iter().position(|name| *name == word || word.strip_suffix('s') == Some(name))
    };
    let short = |index: usize| named(index).or_else(|| SHORT.iter().position(|name| at(index).starts_with(name)));
    let mut days = 0;
    for index in 0..said.len() {
        let before = if index > 0 { at(index - 1) } else { "" };
        days |= match at(index) {
            "weekday" | "weekdays" | "workday" | "workdays" => WORKING.0,
            "day" | "days" if before == "working" => WORKING.0,
            "weekend" | "weekends" => WEEKEND.0,
            "day" if matches!(before, "every" | "each") => ALL.0,
            "daily" => ALL.0,
            _ => 0,
        };
        let is_date = matches!(before, "first" | "second" | "third" | "fourth" | "fifth" | "last");
        if is_date {
            continue;
        }
        let through = |from: usize, to: Option<usize>| to.map_or(0, |to| Days::range(from, to).0);
        if let Some(day) = named(index) {
            days |= 1 << day;
            if matches!(at(index + 1), "to" | "through" | "until" | "till") || (before == "between") {
                days |= through(day, named(index + 2));
            }
        }
        // "Mon-Fri": nothing but the dash stands between them.
        if at(index).len() <= 5
            && let (Some(from), Some(to)) = (short(index), short(index + 1))
            && at(index + 1).len() <= 5
        {
            days |= Days::range(from, to).0;
        }
    }
    Days(days)
}

fn chinese(text: &str) -> Days {
    let mut days = 0;
    let whole: &[(&[&str], Days)] =
        &[(&["周末", "週末"], WEEKEND), (&["工作日", "平日"], WORKING), (&["每天", "每日", "天天"], ALL)];
    for (marks, held) in whole {
        if marks.iter().any(|mark| text.contains(mark)) {
            days |= held.0;
        }
    }
    let mut rest = text;
    while let Some((at, mark)) =
        CHINESE_WEEK.iter().filter_map(|mark| rest.find(mark).map(|at| (at, mark))).min_by_key(|(at, _)| *at)
    {
        rest = &rest[at + mark.len()..];
        let Some((from, behind)) = day(rest) else { continue };
        days |= 1 << from;
        let to = behind.strip_prefix(['至', '到', '-', '–', '—', '~']).and_then(|behind| {
            let week = CHINESE_WEEK.iter().find_map(|mark| behind.strip_prefix(mark));
            day(week.unwrap_or(behind))
        });
        if let Some((to, _)) = to {
            days |= Days::range(from, to).0;
        }
    }
    Days(days)
}

/// The day whose character a text begins with.
fn day(text: &str) -> Option<(usize, &str)> {
    let first = text.chars().next()?;
    let index = if first == '天' { Some(6) } else { CHINESE.iter().position(|c| *c == first) };
    index.map(|index| (index, &text[first.len_utf8()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        let days = Days::of(text).0;
        (0..7).filter(|day| days & (1 << day) != 0).map(|day| (b'1' + day) as char).collect()
    }

    #[test]
    fn ranges_and_groups_hold_their_days() {
        assert_eq!(of("Monday to Thursday"), "1234");
        assert_eq!(of("open between Monday and Friday"), "12345");
        assert_eq!(of("Friday until Monday"), "1567");
        assert_eq!(of("Mon-Fri 9:00"), "12345");
        assert_eq!(of("on weekends"), "67");
        assert_eq!(of("on working days"), "12345");
        assert_eq!(of("every day of the week"), "1234567");
        assert_eq!(of("on Sundays and on Saturday"), "67");
        assert_eq!(of("The monitor sat in the sun."), "");
    }

    #[test]
    fn chinese_days_are_told_by_the_week_before_them() {
        assert_eq!(of("周一至周五"), "12345");
        assert_eq!(of("星期一到四"), "1234");
        assert_eq!(of("周日和节假日"), "7");
        assert_eq!(of("週末"), "67");
        assert_eq!(of("一周之后"), "");
    }

    #[test]
    fn a_counted_day_is_a_date() {
        assert_eq!(of("from the first Monday in November to the last Sunday in March"), "");
    }

    #[test]
    fn sets_are_compared() {
        let (tuesday, working) = (Days::of("Tuesday"), Days::of("weekdays"));
        assert!(tuesday.are_within(working) && tuesday.meet(working) && !working.are_within(tuesday));
        assert!(!tuesday.meet(Days::of("weekends")) && Days::default().is_empty());
    }
}
