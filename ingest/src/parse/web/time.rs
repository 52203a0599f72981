//! When was that, in whatever form a feed writes it?

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// Names of the weekday are not believed: feeds write them in every language, and wrong.
static RFC_2822: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);

/// Reads RFC 3339 and RFC 2822, their common misspellings, and a bare date (midnight, UTC).
pub(super) fn read(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.len() > 64 {
        return None;
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp);
    }
    if text.as_bytes().first().is_some_and(u8::is_ascii_digit) && text.get(4..5) == Some("-") {
        let date = text.get(..10)?.parse::<jiff::civil::Date>().ok()?;
        return match text.get(10..) {
            None | Some("") => Some(date.at(0, 0, 0, 0).in_tz("UTC").ok()?.timestamp()),
            // A time without a zone is taken for UTC.
            Some(_) => text
                .replacen(' ', "T", 1)
                .parse::<jiff::civil::DateTime>()
                .ok()?
                .in_tz("UTC")
                .ok()
                .map(|zoned| zoned.timestamp()),
        };
    }
    let without_weekday = text.split_once(',').map_or(text, |(_, rest)| rest.trim_start());
    let mut words: Vec<&str> = without_weekday.split_whitespace().collect();
    let named_zone = words.pop().map(|zone| if matches!(zone, "UTC" | "Z" | "-0000") { "GMT" } else { zone })?;
    words.push(named_zone);
    if let Some(month) = words.get_mut(1)
        && let Some(short) = month.get(..3)
    {
        // A long name of a month.
        *month = short;
    }
    RFC_2822.parse_timestamp(words.join(" ")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_form_is_the_same_moment() {
        for text in [
            "2026-03-04T05:06:00Z",
            "2026-03-04T06:06:00+01:00",
            "2026-03-04 05:06:00",
            "Wed, 04 Mar 2026 05:06:00 GMT",
            "Mon, 4 March 2026 05:06:00 UTC",
            "mié., 04 Mar 2026 05:06:00 Z",
            " 04 Mar 2026 05:06:00 +0000 ",
        ] {
            assert_eq!(read(text).map(|time| time.to_string()).as_deref(), Some("2026-03-04T05:06:00Z"), "{text}");
        }
        assert_eq!(read("2026-03-04").unwrap().to_string(), "2026-03-04T00:00:00Z");
        for text in ["", "soon", "2026-13-04", "²026-03-04", "99999999999"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
