//! What does one robots.txt allow us (RFC 9309)?
//!
//! Invariants:
//! - The longest matching pattern wins, and of two equally long ones the one that allows.
//! - Judging an address takes time in proportion to its length, for each rule, whatever the patterns look like; and of
//!   rules whose stars have the whole address searched there are at most [`limits::ROBOTS_STARS_MAX`].
//! - A text that makes no sense forbids nothing.

use std::time::Duration;

use wellspring_core::limits;

/// The rules that speak to one agent.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct AgentRules {
    /// The most specific first.
    rules: Vec<Rule>,
    /// How many of them search the address.
    stars: usize,
    pub(super) crawl_delay: Option<Duration>,
    pub(super) sitemaps: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    allow: bool,
    pattern: Pattern,
}

/// A pattern of a rule.
///
/// - `parts` are the texts between the stars, normalised; the first one stands at the beginning.
/// - An `anchored` pattern ends where the path ends.
#[derive(Debug, Clone, PartialEq)]
struct Pattern {
    parts: Vec<String>,
    anchored: bool,
    length: usize,
}

/// A group while it is read: who is spoken to, and whether its rules have begun.
#[derive(Default)]
struct Group {
    ours: bool,
    anybodys: bool,
    rules_begun: bool,
}

impl AgentRules {
    /// Reads a robots.txt for the agent of this product name. Bytes beyond the bound do not count, and neither does the
    /// line that the bound cuts.
    pub(super) fn read(bytes: &[u8], product: &str) -> Self {
        let whole = bytes.len() <= limits::ROBOTS_BYTES_MAX;
        let mut bytes = &bytes[..bytes.len().min(limits::ROBOTS_BYTES_MAX)];
        if !whole {
            let end = bytes.iter().rposition(|&byte| byte == b'\n' || byte == b'\r').unwrap_or(0);
            bytes = &bytes[..end];
        }
        let text = String::from_utf8_lossy(bytes);
        let (mut ours, mut anybodys, mut sitemaps) = (None::<Self>, Self::default(), Vec::new());
        let mut group = Group::default();
        for line in text.trim_start_matches('\u{feff}').split(['\n', '\r']) {
            let line = line.split('#').next().unwrap_or_default();
            let Some((field, value)) = line.split_once(':') else { continue };
            let (field, value) = (field.trim().to_ascii_lowercase(), value.trim());
            match field.as_str() {
                "user-agent" => {
                    if group.rules_begun {
                        group = Group::default();
                    }
                    group.anybodys |= value == "*";
                    if product_token(value).eq_ignore_ascii_case(product) {
                        group.ours = true;
                        // A group without rules speaks too: it says that the rules for anybody are not for us.
                        ours.get_or_insert_default();
                    }
                }
                "allow" | "disallow" | "crawl-delay" => {
                    group.rules_begun = true;
                    if let (true, Some(ours)) = (group.ours, &mut ours) {
                        ours.take(&field, value);
                    }
                    if group.anybodys {
                        anybodys.take(&field, value);
                    }
                }
                "sitemap" if sitemaps.len() < limits::ROBOTS_SITEMAPS_MAX => sitemaps.push(value.to_owned()),
                _ => {}
            }
        }
        let mut spoken = ours.unwrap_or(anybodys);
        // The first that matches decides. The sort is stable, and of two equal rules it does not matter which.
        spoken.rules.sort_by_key(|rule| std::cmp::Reverse((rule.pattern.length, rule.allow)));
        Self { sitemaps, ..spoken }
    }

    fn take(&mut self, field: &str, value: &str) {
        if field == "crawl-delay" {
            let seconds = value.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            self.crawl_delay = self.crawl_delay.max(seconds);
            return;
        }
        let sensible = !value.is_empty() && value.len() <= limits::ROBOTS_PATTERN_BYTES_MAX;
        if !sensible || self.rules.len() == limits::ROBOTS_RULES_MAX {
            return;
        }
        let pattern = Pattern::read(value);
        if pattern.searches() {
            if self.stars == limits::ROBOTS_STARS_MAX {
                return;
            }
            self.stars += 1;
        }
        self.rules.push(Rule { allow: field == "allow", pattern });
    }

    /// Whether a path with its query may be read.
    pub(super) fn allow(&self, path_and_query: &str) -> bool {
        // The file itself may always be read (RFC 9309, 2.2.2).
        if path_and_query == "/robots.txt" {
            return true;
        }
        let path = normal(path_and_query);
        self.rules.iter().find(|rule| rule.pattern.matches(&path)).is_none_or(|rule| rule.allow)
    }
}

impl Pattern {
    fn read(written: &str) -> Self {
        let (body, anchored) = written.strip_suffix('$').map_or((written, false), |body| (body, true));
        let mut parts: Vec<String> = body.split('*').map(normal).collect();
        let length = parts.iter().map(String::len).sum::<usize>() + (parts.len() - 1) + usize::from(anchored);
        // Stars in a row say no more than one.
        let last = parts.len() - 1;
        let mut place = 0..;
        parts.retain(|part| place.next().is_some_and(|place| place == 0 || place == last) || !part.is_empty());
        Self { parts, anchored, length }
    }

    /// Whether judging looks further than at the address's beginning and end.
    fn searches(&self) -> bool {
        let searched = if self.anchored { self.parts.len().saturating_sub(1) } else { self.parts.len() };
        self.parts[..searched].iter().skip(1).any(|part| !part.is_empty())
    }

    /// The leftmost place for each part is as good as any other, so nothing is ever tried twice.
    fn matches(&self, path: &str) -> bool {
        let Some((first, others)) = self.parts.split_first() else { return true };
        let Some(mut rest) = path.strip_prefix(first.as_str()) else { return false };
        let Some((last, middle)) = others.split_last() else { return !self.anchored || rest.is_empty() };
        for part in middle {
            let Some(at) = rest.find(part.as_str()) else { return false };
            rest = &rest[at + part.len()..];
        }
        if self.anchored { rest.ends_with(last.as_str()) } else { rest.contains(last.as_str()) }
    }
}

/// `Wellspring/1.0 (some words)` speaks to Wellspring.
fn product_token(value: &str) -> &str {
    let end = value.find(|c: char| !c.is_ascii_alphabetic() && c != '_' && c != '-').unwrap_or(value.len());
    &value[..end]
}

/// One spelling for what means the same (RFC 9309, 2.2.2, and RFC 3986): escapes of plain characters are undone, other
/// escapes are in upper case, and what must be escaped is; so are stars and dollars, which are only signs where a
/// pattern was split at them, and percent signs that begin no escape.
fn normal(text: &str) -> String {
    let (bytes, mut normal, mut at) = (text.as_bytes(), String::with_capacity(text.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        let digits = bytes.get(at..at + 2).and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| byte == b'%' && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if escaped.is_some() {
            at += 2;
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let keep = match escaped {
            Some(byte) => is_plain(byte),
            None => byte.is_ascii_graphic() && !b"%*$".contains(&byte),
        };
        let byte = escaped.unwrap_or(byte);
        if keep {
            normal.push(char::from(byte));
        } else {
            normal.push_str(&format!("%{byte:02X}"));
        }
    }
    normal
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
