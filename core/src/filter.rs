//! Which documents may a search find?
//!
//! A filter is a list of demands that all must hold, and the caller's access labels. A document without labels of its
//! own is everybody's; one with labels is for callers who bring one of them.
//!
//! Invariants:
//! - Pure: the catalog's own way of deciding must agree with [`Filter::admits`], which its conformance suite checks.
//! - What a document does not say fulfils no demand but [`Demand::Exists`] with `false`.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Number, Value};

use crate::document::{Attributes, DocumentKey};
use crate::source::SourceName;

/// Demands on documents; the default one admits every document without access labels.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// Sent by one of these; any where empty.
    pub sources: Vec<SourceName>,
    /// In one of these languages, by the tag's first part; any where empty.
    pub languages: Vec<String>,
    /// With one of these tags; any where empty.
    pub tags: Vec<String>,
    /// A glob over the key, in which `*` also stands for slashes, `?` for one character and `[…]` for a set.
    pub key_glob: Option<String>,
    /// Published by its author at this moment or later.
    pub published_from: Option<Timestamp>,
    /// Published by its author before this moment.
    pub published_before: Option<Timestamp>,
    /// Accepted in its present revision at this moment or later.
    pub modified_from: Option<Timestamp>,
    /// Accepted in its present revision before this moment.
    pub modified_before: Option<Timestamp>,
    /// Demands on fields of `metadata`, each by the field's name.
    pub metadata: Vec<(String, Demand)>,
    /// The access labels that the caller brings.
    pub labels: Vec<String>,
}

/// What a field of `metadata` must be.
#[derive(Debug, Clone, PartialEq)]
pub enum Demand {
    /// One of these texts, numbers or truths; a list fulfils it by one of its elements.
    AnyOf(Vec<Value>),
    /// A number, or a text in the order of its characters, that stands so to all of these values of its own kind.
    Ordered(Vec<(Relation, Bound)>),
    /// There, or not there.
    Exists(bool),
}

/// How a field stands to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Not less.
    AtLeast,
    /// More.
    Above,
    /// Not more.
    AtMost,
    /// Less.
    Below,
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Bound {
    /// Of numbers.
    Number(Number),
    /// Of texts.
    Text(String),
}

/// What a filter looks at.
#[derive(Debug, Clone, Copy)]
pub struct Described<'d> {
    /// The document's name.
    pub key: &'d DocumentKey,
    /// Who sent it.
    pub source: &'d SourceName,
    /// When its published revision was accepted.
    pub accepted_at: Timestamp,
    /// What is said about that revision.
    pub attributes: &'d Attributes,
    /// The access labels of the newest accepted revision: who is shut out by them is shut out from the acknowledgement on,
    /// whenever that revision is published, if ever.
    pub newest_acl: &'d [String],
}

impl Filter {
    /// Whether it demands anything beside the caller's labels.
    pub fn demands(&self) -> bool {
        *self != Self { labels: self.labels.clone(), ..Self::default() }
    }

    /// Whether the caller brings one of a document's labels, where it has any.
    pub fn may_read(&self, acl: &[String]) -> bool {
        acl.is_empty() || self.labels.iter().any(|label| acl.contains(label))
    }

    /// Whether a document may be found.
    pub fn admits(&self, document: Described<'_>) -> bool {
        let Described { key, source, accepted_at, attributes, newest_acl } = document;
        let language = attributes.language.as_deref().map(primary);
        let within = |at: Option<Timestamp>, from: Option<Timestamp>, before: Option<Timestamp>| {
            (from.is_none() && before.is_none())
                || at.is_some_and(|at| from.is_none_or(|from| at >= from) && before.is_none_or(|before| at < before))
        };
        let one_of = |wanted: &[String], of: &[String]| wanted.iter().any(|label| of.contains(label));
        self.may_read(&attributes.acl)
            && self.may_read(newest_acl)
            && (self.sources.is_empty() || self.sources.contains(source))
            && (self.languages.is_empty()
                || language.is_some_and(|spoken| self.languages.iter().any(|wanted| primary(wanted) == spoken)))
            && (self.tags.is_empty() || one_of(&self.tags, &attributes.tags))
            && self.key_glob.as_ref().is_none_or(|glob| glob_matches(glob, key.as_str()))
            && within(attributes.published_at, self.published_from, self.published_before)
            && within(Some(accepted_at), self.modified_from, self.modified_before)
            && self.metadata.iter().all(|(name, demand)| demand.holds(attributes.metadata.get(name)))
    }
}

impl Demand {
    /// Whether a field fulfils it. `null` is as good as absent.
    pub fn holds(&self, field: Option<&Value>) -> bool {
        let field = field.filter(|value| !value.is_null());
        match self {
            Self::Exists(wanted) => field.is_some() == *wanted,
            Self::AnyOf(values) => match field {
                Some(Value::Array(elements)) => elements.iter().any(|element| is_one_of(element, values)),
                Some(value) => is_one_of(value, values),
                None => false,
            },
            Self::Ordered(bounds) => field.is_some_and(|field| {
                bounds.iter().all(|(relation, bound)| bound.order_of(field).is_some_and(|order| relation.fits(order)))
            }),
        }
    }
}

impl Relation {
    fn fits(self, order: Ordering) -> bool {
        match self {
            Self::AtLeast => order.is_ge(),
            Self::Above => order.is_gt(),
            Self::AtMost => order.is_le(),
            Self::Below => order.is_lt(),
        }
    }
}

impl Bound {
    /// How a value stands to this one; `None` where it is of another kind.
    fn order_of(&self, value: &Value) -> Option<Ordering> {
        match (self, value) {
            (Self::Number(bound), Value::Number(number)) => order_of(number, bound),
            (Self::Text(bound), Value::String(text)) => Some(text.as_str().cmp(bound.as_str())),
            _ => None,
        }
    }
}

/// Whether two plain values are the same; `2` and `2.0` are.
fn is_one_of(value: &Value, wanted: &[Value]) -> bool {
    wanted.iter().any(|wanted| match (value, wanted) {
        (Value::Number(one), Value::Number(other)) => order_of(one, other) == Some(Ordering::Equal),
        _ => value == wanted,
    })
}

/// How a number stands to another: whole ones exactly, beyond what a double tells apart too.
fn order_of(one: &Number, other: &Number) -> Option<Ordering> {
    match (one.as_i128(), other.as_i128()) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

/// The first part of a language tag, in lower case.
fn primary(tag: &str) -> String {
    tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase()
}

/// Whether a glob matches a whole text: `*` any characters, `?` one, `[abc]`, `[a-c]` and `[^a]` one of a set. A set that
/// is not closed matches nothing.
pub fn glob_matches(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    let (mut at, mut read) = (0, 0);
    // Where to go on when what follows the last star does not fit: one more character is the star's.
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        let next = match glob.get(at) {
            Some('*') => {
                star = Some((at + 1, read));
                at += 1;
                continue;
            }
            Some('?') => Some(at + 1),
            Some('[') => set_matches(&glob[at..], text[read]).map(|length| at + length),
            Some(&c) if c == text[read] => Some(at + 1),
            _ => None,
        };
        match (next, &mut star) {
            (Some(next), _) => (at, read) = (next, read + 1),
            (None, Some((behind, taken))) => {
                *taken += 1;
                (at, read) = (*behind, *taken);
            }
            (None, None) => return false,
        }
    }
    glob[at..].iter().all(|&c| c == '*')
}

/// Whether every set of a glob is closed: one that is not matches nothing, which nobody means.
pub fn glob_is_closed(glob: &str) -> bool {
    let glob: Vec<char> = glob.chars().collect();
    let mut at = 0;
    while at < glob.len() {
        match (glob[at], set_end(&glob[at..])) {
            ('[', None) => return false,
            ('[', Some(end)) => at += end + 1,
            _ => at += 1,
        }
    }
    true
}

/// The place of the bracket that closes the set which a glob begins with. A bracket that comes first is a member.
fn set_end(glob: &[char]) -> Option<usize> {
    let start = if glob.get(1) == Some(&'^') { 2 } else { 1 };
    (start + 1..glob.len()).find(|&place| glob[place] == ']')
}

/// The length of the set that a glob begins with, where a character is in it.
fn set_matches(glob: &[char], c: char) -> Option<usize> {
    let denied = glob.get(1) == Some(&'^');
    let start = if denied { 2 } else { 1 };
    let close = set_end(glob)?;
    let members = &glob[start..close];
    let mut place = 0;
    let mut found = false;
    while place < members.len() {
        if place + 2 < members.len() && members[place + 1] == '-' {
            found |= (members[place]..=members[place + 2]).contains(&c);
            place += 3;
        } else {
            found |= members[place] == c;
            place += 1;
        }
    }
    (found != denied).then_some(close + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_labelled_document_is_for_those_who_bring_a_label_of_it() {
        let attributes =
            |acl: &[&str]| Attributes { acl: acl.iter().map(|&l| l.to_owned()).collect(), ..Attributes::default() };
        let admits = |acl: &[&str], labels: &[&str]| {
            let filter = Filter { labels: labels.iter().map(|&l| l.to_owned()).collect(), ..Filter::default() };
            let (key, source) = ("a".parse().unwrap(), SourceName::push());
            let attributes = attributes(acl);
            filter.admits(Described {
                key: &key,
                source: &source,
                accepted_at: Timestamp::UNIX_EPOCH,
                attributes: &attributes,
                newest_acl: &[],
            })
        };
        assert!(admits(&[], &[]) && admits(&[], &["hr"]) && admits(&["hr", "board"], &["board"]));
        assert!(!admits(&["hr"], &[]) && !admits(&["hr"], &["HR", "board"]));
    }

    #[test]
    fn demands_on_fields_hold_as_documented() {
        let any = Demand::AnyOf(vec![json!(2), json!("red"), json!(true)]);
        for fits in [json!(2.0), json!("red"), json!(true), json!(["blue", "red"])] {
            assert!(any.holds(Some(&fits)), "{fits}");
        }
        for other in [json!(3), json!("Red"), json!(null), json!([]), json!({ "red": 1 })] {
            assert!(!any.holds(Some(&other)), "{other}");
        }
        use Relation::{Above, AtLeast, AtMost, Below};
        let number = |text: &str| Bound::Number(text.parse().unwrap());
        let numbers = Demand::Ordered(vec![(AtLeast, number("1.0")), (Below, number("3"))]);
        assert!(numbers.holds(Some(&json!(1))) && numbers.holds(Some(&json!(2.9))));
        assert!(!numbers.holds(Some(&json!(3))) && !numbers.holds(Some(&json!("2"))) && !numbers.holds(None));
        let edges = Demand::Ordered(vec![(Above, number("1")), (AtMost, number("3.0"))]);
        assert!(edges.holds(Some(&json!(3))) && !edges.holds(Some(&json!(1))));
        let above = Demand::Ordered(vec![(Above, number("9007199254740992"))]);
        assert!(
            above.holds(Some(&json!(9_007_199_254_740_993_u64)))
                && !above.holds(Some(&json!(9_007_199_254_740_992_u64)))
        );
        let same = Demand::AnyOf(vec![json!(u64::MAX)]);
        assert!(same.holds(Some(&json!(u64::MAX))) && !same.holds(Some(&json!(u64::MAX - 1))));
        let texts = Demand::Ordered(vec![(AtLeast, Bound::Text("2026-02".to_owned()))]);
        assert!(texts.holds(Some(&json!("2026-03-01"))) && !texts.holds(Some(&json!("2026-01-31"))));
        assert!(Demand::Exists(false).holds(Some(&json!(null))) && Demand::Exists(true).holds(Some(&json!(false))));
    }

    #[test]
    fn a_set_that_is_not_closed_is_told() {
        for glob in ["", "*", "a?", "[a]", "x[a-c]*[^b]", "[]]", "[^]]", "]"] {
            assert!(glob_is_closed(glob), "{glob}");
        }
        for glob in ["[", "a[", "[a", "[]", "[^", "[^]", "[a][b", "notes/[*"] {
            assert!(!glob_is_closed(glob), "{glob}");
        }
    }

    #[test]
    fn globs_match_whole_keys() {
        for (glob, text, fits) in [
            ("notes/*", "notes/a/b.md", true),
            ("*.md", "a/b.md", true),
            ("?.md", "河.md", true),
            ("[a-c]x[^0-9]", "bxz", true),
            ("[a-c]x[^0-9]", "bx7", false),
            ("[]]", "]", true),
            ("[a", "a", false),
            ("*a*b", "xaxbxb", true),
            ("*a*b", "xaxbx", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(glob_matches(glob, text), fits, "{glob} {text}");
        }
    }
}
