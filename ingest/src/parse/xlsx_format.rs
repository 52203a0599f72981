//! How does a spreadsheet program show this number?
//!
//! Dates and times come out in the ISO's form, which every language reads; percentages with their sign and the decimals
//! of their format; all other numbers as they are, without the noise of binary fractions.

use jiff::ToSpan;
use jiff::civil::{Date, date};

use std::collections::HashMap;

use super::Refused;
use super::archive::Archive;
use super::xml::Node;

/// Formats of one workbook; spreadsheet programs allow 64,000.
const FORMATS_MAX: usize = 100_000;
/// Digits that a spreadsheet program keeps of a number.
const DIGITS: usize = 15;
/// The last day that a spreadsheet program shows.
const DAYS_MAX: f64 = 2_958_465.0;

/// Where a workbook counts its days from.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Calendar {
    #[default]
    From1900,
    From1904,
}

/// What a format makes of a number.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Format {
    #[default]
    Number,
    /// With so many decimals.
    Percent(usize),
    Date,
    Time,
    DateTime,
    /// Hours that do not start anew with the day.
    Duration,
}

/// The formats of a workbook, by the number that cells give as their style.
#[derive(Debug, Default)]
pub(super) struct Formats {
    styles: Vec<Format>,
    calendar: Calendar,
}

impl Formats {
    pub(super) fn read(archive: &mut Archive<'_>, part: &str, calendar: Calendar) -> Result<Self, Refused> {
        let mut formats = Self { styles: Vec::new(), calendar };
        let Some(mut xml) = archive.xml(part)? else { return Ok(formats) };
        let mut custom: HashMap<String, Format> = HashMap::new();
        let mut in_cell_styles = false;
        while let Some(node) = xml.next()? {
            match node {
                Node::Open(element) => match element.name() {
                    "numFmt" if custom.len() < FORMATS_MAX => {
                        if let (Some(id), Some(code)) = (element.attribute("numFmtId"), element.attribute("formatCode"))
                        {
                            custom.insert(id, Format::of_code(&code));
                        }
                    }
                    "cellXfs" => in_cell_styles = true,
                    "xf" if in_cell_styles && formats.styles.len() < FORMATS_MAX => {
                        let id = element.attribute("numFmtId").unwrap_or_default();
                        formats.styles.push(custom.get(&id).copied().unwrap_or_else(|| Format::built_in(&id)));
                    }
                    _ => {}
                },
                Node::Close(name) if name == "cellXfs" => in_cell_styles = false,
                Node::Close(_) | Node::Text(_) => {}
            }
        }
        Ok(formats)
    }

    /// A number as it is shown in a cell of this style; what is no number stays as it is.
    pub(super) fn format(&self, style: usize, value: &str) -> String {
        let Some(number) = value.parse::<f64>().ok().filter(|number| number.is_finite()) else {
            return value.to_owned();
        };
        let shown = match self.styles.get(style).copied().unwrap_or_default() {
            Format::Number => None,
            Format::Percent(decimals) => Some(format!("{:.decimals$}%", number * 100.0)),
            Format::Date => self.date(number).map(|(date, _)| date.to_string()),
            Format::DateTime => self.date(number).map(|(date, seconds)| match seconds {
                0 => date.to_string(),
                seconds => format!("{date} {}", clock(seconds)),
            }),
            Format::Time => self.date(number).map(|(_, seconds)| clock(seconds)),
            Format::Duration if (0.0..=DAYS_MAX).contains(&number) => Some(clock((number * 86_400.0).round() as i64)),
            Format::Duration => None,
        };
        shown.unwrap_or_else(|| plain(number))
    }

    /// The day and the second of the day.
    fn date(&self, number: f64) -> Option<(Date, i64)> {
        if !(0.0..=DAYS_MAX).contains(&number) {
            return None;
        }
        let seconds = (number * 86_400.0).round() as i64;
        let (days, seconds) = (seconds / 86_400, seconds % 86_400);
        let first = match self.calendar {
            Calendar::From1904 => date(1904, 1, 1),
            // 1900 had no 29 February, but the first spreadsheet programs thought so, and all others follow.
            Calendar::From1900 if days < 60 => date(1899, 12, 31),
            Calendar::From1900 => date(1899, 12, 30),
        };
        Some((first.checked_add(days.days()).ok()?, seconds))
    }
}

impl Format {
    /// The formats that every program knows by number and no file describes.
    fn built_in(id: &str) -> Self {
        match id.parse().unwrap_or(0) {
            9 => Self::Percent(0),
            10 => Self::Percent(2),
            14..=17 | 27..=31 | 34..=36 | 50..=54 | 57..=58 => Self::Date,
            18..=21 | 32 | 33 | 45 | 47 | 55 | 56 => Self::Time,
            22 => Self::DateTime,
            46 => Self::Duration,
            _ => Self::Number,
        }
    }

    /// What a format's code means, by its first section, which is for positive numbers.
    fn of_code(code: &str) -> Self {
        let (bare, is_duration) = bare_code(code);
        if bare.starts_with("general") {
            return Self::Number;
        }
        if is_duration {
            return Self::Duration;
        }
        if bare.contains('%') {
            let decimals = bare.split_once('.').map_or("", |(_, decimals)| decimals);
            return Self::Percent(decimals.chars().take_while(|c| matches!(c, '0' | '#' | '?')).take(DIGITS).count());
        }
        let has_time = bare.contains(['h', 's']);
        // An `m` beside hours or seconds means minutes.
        let has_date = bare.contains(['y', 'd']) || (bare.contains('m') && !has_time);
        match (has_date, has_time) {
            (true, true) => Self::DateTime,
            (true, false) => Self::Date,
            (false, true) => Self::Time,
            (false, false) => Self::Number,
        }
    }
}

/// The first section of a format's code in lower case without what is shown as it stands; and whether it counts hours,
/// minutes or seconds beyond their usual end.
fn bare_code(code: &str) -> (String, bool) {
    let mut bare = String::new();
    let mut is_duration = false;
    let mut rest = code.chars();
    while let Some(c) = rest.next() {
        match c {
            ';' => break,
            '"' => {
                rest.find(|c| *c == '"');
            }
            // The next character is shown as it is, or gives its width, or fills the cell.
            '\\' | '_' | '*' => {
                rest.next();
            }
            '[' => {
                let inside: String = rest.by_ref().take_while(|c| *c != ']').collect();
                let inside = inside.to_lowercase();
                is_duration |=
                    !inside.is_empty() && ['h', 'm', 's'].iter().any(|unit| inside.chars().all(|c| c == *unit));
            }
            c => bare.extend(c.to_lowercase()),
        }
    }
    (bare, is_duration)
}

fn clock(seconds: i64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match seconds {
        0 => format!("{hours:02}:{minutes:02}"),
        _ => format!("{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

/// A number to the digits that a spreadsheet program keeps, as short as it can be written.
fn plain(number: f64) -> String {
    let rounded: f64 = format!("{number:.*e}", DIGITS - 1).parse().unwrap_or(number);
    match rounded.abs() {
        size if size != 0.0 && !(1e-9..1e15).contains(&size) => format!("{rounded:e}"),
        // Negative zero reads like zero.
        0.0 => "0".to_owned(),
        _ => rounded.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(code: &str, value: &str) -> String {
        Formats { styles: vec![Format::of_code(code)], calendar: Calendar::From1900 }.format(0, value)
    }

    #[test]
    fn numbers_are_shown_without_noise() {
        for (value, expected) in [
            ("3", "3"),
            ("3.0", "3"),
            ("0.30000000000000004", "0.3"),
            ("-1234.5", "-1234.5"),
            ("1E3", "1000"),
            ("-0", "0"),
            ("1e300", "1e300"),
            ("abc", "abc"),
            ("inf", "inf"),
        ] {
            assert_eq!(shown("General", value), expected);
            assert_eq!(shown("#,##0.00 \"days\"", value), expected);
        }
    }

    #[test]
    fn percentages_keep_the_decimals_of_their_format() {
        assert_eq!(shown("0%", "0.256"), "26%");
        assert_eq!(shown("0.0%", "0.256"), "25.6%");
        assert_eq!(shown("0.00%;[Red]-0.00%", "1.5"), "150.00%");
    }

    #[test]
    fn days_and_times_are_shown_in_the_isos_form() {
        assert_eq!(shown("dd/mm/yyyy", "45352"), "2024-03-01");
        assert_eq!(shown("[$-407]d. mmmm yyyy", "45352.75"), "2024-03-01");
        assert_eq!(shown("m/d/yy h:mm", "45352.75"), "2024-03-01 18:00");
        assert_eq!(shown("m/d/yy h:mm", "45352"), "2024-03-01");
        assert_eq!(shown("h:mm:ss AM/PM", "0.5000115740740741"), "12:00:01");
        assert_eq!(shown("mmm", "45352"), "2024-03-01");
        assert_eq!(shown("[h]:mm", "1.5"), "36:00");
        assert_eq!(shown("yyyy", "1"), "1900-01-01");
        assert_eq!(shown("yyyy", "-4"), "-4", "no such day: the number itself");
        assert_eq!(shown("yyyy", "1e9"), "1000000000");
        let early = Formats { styles: vec![Format::Date], calendar: Calendar::From1904 };
        assert_eq!(early.format(0, "1"), "1904-01-02");
        assert_eq!(early.format(7, "1"), "1", "a style that is not there");
        assert_eq!((Format::built_in("14"), Format::built_in("0")), (Format::Date, Format::Number));
    }
}
