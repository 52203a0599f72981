//! How does a file of JSON values, one a line, read?
//!
//! Each line is a record of its own, written as [`super::json`] writes one.
//!
//! Invariants:
//! - A record's place is the number of its line; empty lines count and say nothing.
//! - One broken line refuses the file: half of it would look like the whole.

use wellspring_core::place::{Place, PlaceMark};

use super::json::{Records, refusal};
use super::json_scan::{Stop, scan};
use super::{Parsed, Refused};

/// Reads records.
pub(super) fn parse(content: &str) -> Result<Parsed, Refused> {
    let mut records = Records::default();
    let mut numbers: Vec<(usize, u32)> = Vec::new();
    for (index, line) in content.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        records.start();
        let number = index as u32 + 1;
        let before = records.blocks();
        scan(line, &mut records).map_err(|stop| match stop {
            Stop::Broken(_) => Refused::because(format!("line {number} is not valid JSON")),
            stop => refusal(stop),
        })?;
        if records.blocks() > before {
            numbers.push((before, number));
        }
    }
    let (text, groups) = records.finish();
    let mark = |(block, number): (usize, u32)| PlaceMark {
        start: groups[block].block.range.start,
        place: Place::Row { sheet: None, number },
    };
    let places = numbers.into_iter().map(mark).collect();
    let blocks = groups.into_iter().map(|group| group.block).collect();
    Ok(Parsed { text, title: None, blocks, places })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_record_with_its_number() {
        let parsed = parse("{\"a\": 1, \"b\": \"x\"}\r\n\r\n{}\n{\"a\": 2, \"c\": {\"d\": 3}}\n").unwrap();
        assert!(parsed.is_consistent());
        assert_eq!(parsed.text, "a: 1\nb: x\n\na: 2\n\nc.d: 3");
        let places: Vec<(usize, String)> =
            parsed.places.iter().map(|mark| (mark.start, mark.place.to_string())).collect();
        assert_eq!(places, [(0, "row 1".to_owned()), (11, "row 4".to_owned())]);
        assert_eq!(parsed.title, None);
    }

    #[test]
    fn a_broken_line_is_named_by_its_number() {
        let Refused(reason) = parse("{\"a\": 1}\n\n{\"secret\"}\n").unwrap_err();
        assert_eq!(reason, "line 3 is not valid JSON");
        assert!(parse("").unwrap().blocks.is_empty());
    }
}
