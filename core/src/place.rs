//! Where in the original does a reader find this text?
//!
//! A span counts characters of the text that was read; a person who opens the original looks for a page or a row.
//!
//! Invariants:
//! - Marks are in the order of the text; each holds from its start up to the next one.
//! - What stands before the first mark has no place.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A place in the original, counted from 1 as people do.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Place {
    /// A page of paper, in the order of the file, whatever is printed on it.
    Page {
        /// Which one.
        number: u32,
    },
    /// A slide of a presentation.
    Slide {
        /// Which one.
        number: u32,
    },
    /// A row of a table; the header is a row too.
    Row {
        /// The sheet it stands on, where there are several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sheet: Option<String>,
        /// Which one.
        number: u32,
    },
    /// A line of a text file.
    Line {
        /// Which one.
        number: u32,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page { number } => write!(f, "page {number}"),
            Self::Slide { number } => write!(f, "slide {number}"),
            Self::Row { sheet: Some(sheet), number } => write!(f, "{sheet}, row {number}"),
            Self::Row { sheet: None, number } => write!(f, "row {number}"),
            Self::Line { number } => write!(f, "line {number}"),
        }
    }
}

/// From this byte of a text on, up to the next mark, the text stands at this place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceMark {
    /// A byte of the text that the mark belongs to, on a character boundary.
    pub start: usize,
    /// The place.
    pub place: Place,
}

/// The place of a byte; `None` before the first mark.
pub fn place_at(marks: &[PlaceMark], byte: usize) -> Option<&Place> {
    marks[..marks.partition_point(|mark| mark.start <= byte)].last().map(|mark| &mark.place)
}

/// The marks of a part of a text, with starts counted from the part's own.
pub fn marks_within(marks: &[PlaceMark], part: std::ops::Range<usize>) -> Vec<PlaceMark> {
    let first = marks.partition_point(|mark| mark.start <= part.start).saturating_sub(1);
    let within = marks[first..].iter().take_while(|mark| mark.start < part.end.max(part.start + 1));
    within.map(|mark| PlaceMark { start: mark.start.saturating_sub(part.start), place: mark.place.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks() -> Vec<PlaceMark> {
        let page = |start, number| PlaceMark { start, place: Place::Page { number } };
        vec![page(2, 1), page(10, 2), page(20, 3)]
    }

    #[test]
    fn a_mark_holds_up_to_the_next_one() {
        let number = |byte| place_at(&marks(), byte).map(ToString::to_string);
        assert_eq!(number(1), None);
        assert_eq!(number(2).as_deref(), Some("page 1"));
        assert_eq!(number(19).as_deref(), Some("page 2"));
        assert_eq!(number(500).as_deref(), Some("page 3"));
    }

    #[test]
    fn a_part_keeps_the_mark_that_holds_at_its_start() {
        let starts = |part| marks_within(&marks(), part).iter().map(|mark| mark.start).collect::<Vec<_>>();
        assert_eq!(starts(12..21), [0, 8]);
        assert_eq!(starts(0..5), [2]);
        assert_eq!(starts(0..2), [0; 0]);
        assert_eq!(starts(30..40), [0]);
    }
}
