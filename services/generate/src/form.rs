//! Is a grammar one that llama.cpp can read without harm?
//!
//! llama.cpp writes every repetition of a grammar out, and counts beyond the end of its numbers where the most is less than the
//! least: a line of text could take all memory, while no deadline and no hang-up is looked at.
//!
//! Invariants:
//! - What passes gets on (`grammar`), and is written out in memory of some [`limits::GRAMMAR_SYMBOLS_MAX`] symbols at most.
//! - Whether the rest of a grammar can be read is left to llama.cpp.

use std::iter::Peekable;
use std::str::Chars;

use serde_json::Value;
use thiserror::Error;
use wellspring_core::limits;

use crate::grammar::{self, skip};

/// Why a form is refused before llama.cpp sees it.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum FormError {
    /// `{5,2}`.
    #[error("a repetition wants at least {least} and at most {most}")]
    Empty {
        /// The least.
        least: u64,
        /// The most, which is less.
        most: u64,
    },
    /// More than can be written out.
    #[error("a repetition of {0} is too long for a grammar of this size")]
    Long(u64),
    /// Brackets within brackets.
    #[error("brackets stand more than {} deep in each other", limits::GRAMMAR_DEPTH_MAX)]
    Deep,
    /// A rule that can come to itself without a character.
    #[error("a rule begins with itself, or repeats what may be empty")]
    Endless,
    /// Too many parts in a row that may be left out.
    #[error("more than {} parts in a row may be left out", limits::GRAMMAR_OPTIONS_MAX)]
    Optional,
    /// `minimum` above `maximum`, and its like.
    #[error("{least} of the schema is above its {most}")]
    NoValue {
        /// The keyword of the least.
        least: &'static str,
        /// That of the most.
        most: &'static str,
    },
}

/// Keywords of a schema of which one may not be above the other.
const BOUNDS: [(&str, &str); 6] = [
    ("minItems", "maxItems"),
    ("minLength", "maxLength"),
    ("minProperties", "maxProperties"),
    ("minimum", "maximum"),
    ("exclusiveMinimum", "maximum"),
    ("minimum", "exclusiveMaximum"),
];

/// Looks at every repetition of a grammar, and whether its rules get on.
pub(crate) fn check_grammar(grammar: &str) -> Result<(), FormError> {
    let mut characters = grammar.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => skip(&mut characters, '"'),
            '[' => skip(&mut characters, ']'),
            '#' => while characters.next_if(|character| *character != '\n').is_some() {},
            '{' => check_repetition(&mut characters, grammar.len() as u64)?,
            _ => {}
        }
    }
    grammar::check(grammar)
}

/// Looks at a schema's bounds, wherever they stand.
pub(crate) fn check_schema(schema: &Value) -> Result<(), FormError> {
    match schema {
        Value::Array(parts) => parts.iter().try_for_each(check_schema),
        Value::Object(parts) => {
            for (least, most) in BOUNDS {
                let number = |keyword: &str| parts.get(keyword).and_then(Value::as_f64);
                if let (Some(from), Some(to)) = (number(least), number(most))
                    && from > to
                {
                    return Err(FormError::NoValue { least, most });
                }
            }
            parts.values().try_for_each(check_schema)
        }
        _ => Ok(()),
    }
}

/// Reads `5}`, `5,}` or `5,9}`. What is none of them is llama.cpp's to refuse.
fn check_repetition(characters: &mut Peekable<Chars<'_>>, bytes: u64) -> Result<(), FormError> {
    let mut inside = String::new();
    while let Some(character) = characters.next_if(|character| *character != '}') {
        inside.push(character);
    }
    let (least, most) = inside.split_once(',').unwrap_or((&inside, &inside));
    // A number that is none counts as the largest: digits that do not fit, and what llama.cpp refuses anyway.
    let number = |digits: &str, missing: u64| match digits.trim() {
        "" => missing,
        digits => digits.parse().unwrap_or(u64::MAX),
    };
    let least = number(least, 0);
    let most = number(most, least);
    if most < least {
        return Err(FormError::Empty { least, most });
    }
    match most.saturating_mul(bytes) > limits::GRAMMAR_SYMBOLS_MAX {
        true => Err(FormError::Long(most)),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn repetitions_that_cannot_be_written_out_are_refused() {
        for grammar in ["root ::= \"a\"{5,2}", "root ::= (\"a\" | \"b\") { 5 , 2 }", "a ::= [}\"]{9,8}"] {
            assert!(matches!(check_grammar(grammar), Err(FormError::Empty { .. })), "{grammar}");
        }
        for grammar in ["root ::= \"a\"{99999999999999999999}", "root ::= \"a\"{0,400000000}", "root ::= \"a\"{x}"] {
            assert!(matches!(check_grammar(grammar), Err(FormError::Long(_))), "{grammar}");
        }
    }

    #[test]
    fn what_only_looks_like_a_repetition_passes() {
        for grammar in [
            "root ::= \"a{5,2}\"",
            "root ::= \"\\\"{5,2}\"",
            "root ::= [{5,2}]",
            "root ::= \"a\" # {5,2}\n",
            "root ::= \"a\"{2,5} \"b\"{3} \"c\"{0,} \"d\"{7,7}",
        ] {
            assert_eq!(check_grammar(grammar), Ok(()), "{grammar}");
        }
    }

    #[test]
    fn bounds_that_leave_no_value_are_refused_wherever_they_stand() {
        let deep = json!({"type": "object", "properties": {"a": {"anyOf": [{"minItems": 5, "maxItems": 2}]}}});
        assert_eq!(check_schema(&deep), Err(FormError::NoValue { least: "minItems", most: "maxItems" }));
        assert!(check_schema(&json!({"type": "integer", "minimum": 9, "maximum": 2})).is_err());
        assert_eq!(check_schema(&json!({"type": "integer", "minimum": 2, "maximum": 2})), Ok(()));
    }

    proptest! {
        #[test]
        fn any_text_is_looked_at_to_its_end(grammar in "[a\"\\[\\]{}0-9,#\\\\\n]{0,60}") {
            let _ = check_grammar(&grammar);
        }
    }
}
