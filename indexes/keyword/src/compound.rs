//! Where does a name end that is written with marks between its parts?
//!
//! `foo_bar-2.5`, `ERR-2041`, `4,096`, dates, versions, addresses; `C++`, `F#`.
//!
//! Invariants:
//! - A compound starts and ends with a letter or a digit, a suffix aside; a mark that joins nothing belongs to none.

use std::ops::Range;

use crate::analyser::{is_letter, leading};

/// What joins parts closely (`foo_bar`, `2.5`, `std::mem`, `a@b`), the longer first.
const CLOSE_JOINTS: &[&str] = &["::", "_", ".", ":", "@"];
/// What joins what is closely joined (`2024-05-01`, `and/or`).
const LOOSE_JOINTS: &[char] = &['-', '/', '+'];
/// Joints that no prose has, only names.
const CODE_JOINTS: &[&str] = &["::", "_", "@"];
/// Digits in a row that make a hyphenated word a code.
const CODE_DIGITS: usize = 3;
/// What joins digits (`4,096`).
const DIGIT_JOINT: char = ',';
/// What a letter carries as part of its name.
const SUFFIXES: &[&str] = &["++", "#"];

/// Words joined by single joints, such as `foo_bar-2.5`.
pub(crate) struct Compound<'t> {
    pub(crate) text: &'t str,
    /// The closely joined groups, each a list of words.
    pub(crate) groups: Vec<Vec<Range<usize>>>,
}

impl<'t> Compound<'t> {
    /// The compound at the start of `text`, which starts with a letter.
    pub(crate) fn leading(text: &'t str) -> Self {
        let mut groups = vec![Vec::new()];
        let mut end = 0;
        loop {
            let word = word(&text[end..]);
            let group = groups.last_mut().expect("there is one from the start");
            group.push(end..end + word.len());
            end += word.len();
            let after = &text[end..];
            let goes_on = |joint: &str| after.strip_prefix(joint).is_some_and(|next| next.starts_with(is_letter));
            if let Some(joint) = CLOSE_JOINTS.iter().find(|joint| goes_on(joint)) {
                end += joint.len();
            } else if joins_digits(word, after) {
                end += DIGIT_JOINT.len_utf8();
            } else if after.starts_with(LOOSE_JOINTS) && after[1..].starts_with(is_letter) {
                groups.push(Vec::new());
                end += 1;
            } else {
                return Self { text: &text[..end + suffix(after)], groups };
            }
        }
    }

    /// Whether it is a code rather than words with a hyphen: `ERR-2041` and `foo_bar`, not `heat-transfer`, `e.g.`
    /// or `IL-6`, which one writes as one likes.
    pub(crate) fn is_identifier(&self) -> bool {
        let digits = self.text.split(|c: char| !c.is_numeric()).map(str::len).max().unwrap_or_default();
        let names = CODE_JOINTS.iter().any(|joint| self.text.contains(joint));
        let close = self.groups.iter().any(|group| group.len() > 1) && (names || digits > 0);
        close || self.groups.len() > 1 && digits >= CODE_DIGITS
    }

    pub(crate) fn words(&self) -> usize {
        self.groups.iter().map(Vec::len).sum()
    }

    pub(crate) fn end(&self) -> usize {
        self.groups.last().and_then(|group| group.last()).map_or(0, |word| word.end)
    }
}

/// The word at the start of `text`. Between letters of a script that is written right behind a name or a number
/// (`ERR-2030이`, `4080원`) and others, a word ends.
fn word(text: &str) -> &str {
    let Some(first) = text.chars().next() else { return text };
    leading(text, |c| is_letter(c) && is_attached(c) == is_attached(first), usize::MAX)
}

/// A letter of Hangul, Thai, Lao, Burmese or Khmer.
fn is_attached(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11FF}' | '\u{3130}'..='\u{318F}' | '\u{AC00}'..='\u{D7AF}'
        | '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}')
}

/// Whether digits go on behind a mark that parts their thousands or their fraction.
fn joins_digits(word: &str, after: &str) -> bool {
    let digits = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    word.ends_with(|c: char| c.is_ascii_digit()) && after.strip_prefix(DIGIT_JOINT).is_some_and(digits)
}

/// A number without the marks between its thousands; `None` where it has none.
pub(crate) fn without_thousands_marks(number: &str) -> Option<String> {
    let groups: Vec<&str> = number.split(DIGIT_JOINT).collect();
    let digits = groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_digit()));
    let thousands = groups.len() > 1 && groups[0].len() <= 3 && groups[1..].iter().all(|group| group.len() == 3);
    (digits && thousands).then(|| groups.concat())
}

/// The length of the suffix at the start of `text`, when nothing belongs to it any more.
fn suffix(text: &str) -> usize {
    let found = SUFFIXES.iter().find(|suffix| {
        text.strip_prefix(**suffix).is_some_and(|after| !after.starts_with(|c: char| is_letter(c) || "+#".contains(c)))
    });
    found.map_or(0, |suffix| suffix.len())
}
