//! What does an answer's head say about time, change and kin?
//!
//! Invariants:
//! - Pure: the clock comes in as an argument, and every length of time has a bound.
//! - What does not parse says nothing; a head never makes an answer fail.
//!
//! `must-revalidate` changes nothing: it forbids using a stale answer, and we never use one. `s-maxage` and `private`
//! speak to shared caches, which we are not.

use std::time::{Duration, SystemTime};

use reqwest::header::{
    AGE, CACHE_CONTROL, CONTENT_TYPE, DATE, ETAG, EXPIRES, HeaderMap, HeaderName, LAST_MODIFIED, LINK, RETRY_AFTER,
};
use url::Url;
use wellspring_core::fetch::{RobotsWishes, Validators};
use wellspring_core::limits;

use super::PRODUCT;

const ROBOTS_TAG: HeaderName = HeaderName::from_static("x-robots-tag");
/// Directives of it that have a value.
const VALUED: [&str; 4] = ["unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"];

/// Relations of one link that are looked at; a link has one or two.
const RELATIONS_MAX: usize = 8;

/// What to send next time.
pub(super) fn validators(headers: &HeaderMap) -> Validators {
    Validators { etag: attribute(headers, &ETAG), last_modified: attribute(headers, &LAST_MODIFIED) }
}

/// The `Content-Type`, as it came.
pub(super) fn content_type(headers: &HeaderMap) -> Option<String> {
    attribute(headers, &CONTENT_TYPE)
}

/// How long the server wants not to be asked again; zero when it says that the answer may be old at once.
pub(super) fn fresh_for(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let cached = cache_control(headers).or_else(|| expires(headers, now));
    let fresh = match (cached, wait(headers, now)) {
        (Some(fresh), Some(wait)) => fresh.max(wait),
        (fresh, wait) => fresh.or(wait)?,
    };
    Some(fresh.min(limits::FETCH_FRESH_MAX))
}

/// `Retry-After`, in seconds or as a date.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    wait(headers, now).map(|wait| wait.min(limits::FETCH_RETRY_AFTER_MAX))
}

/// The `Link` headers (RFC 8288), as (relation in lower case, absolute address). Entries about another resource
/// (`anchor`) are left out.
pub(super) fn links(headers: &HeaderMap, base: &Url) -> Vec<(String, String)> {
    let (mut links, mut entries) = (Vec::new(), 0);
    for value in headers.get_all(LINK) {
        let text = String::from_utf8_lossy(value.as_bytes());
        let mut rest: &str = &text;
        while let Some((link, behind)) = one_link(rest) {
            entries += 1;
            if entries > limits::FETCH_LINKS_MAX {
                return links;
            }
            rest = behind;
            let url = base.join(link.target).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            let Some(url) = url else { continue };
            for relation in link.relations.split_ascii_whitespace().take(RELATIONS_MAX) {
                links.push((relation.to_ascii_lowercase(), url.to_string()));
            }
        }
    }
    links
}

/// `X-Robots-Tag`: what all of its values ask of everybody, and those that begin with our name of us. A value that
/// begins with another's name is none of our business up to its end.
pub(super) fn robots(headers: &HeaderMap) -> RobotsWishes {
    let mut wishes = RobotsWishes::default();
    for value in headers.get_all(&ROBOTS_TAG).iter().take(limits::FETCH_LINKS_MAX) {
        let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        let mut is_ours = true;
        for directive in text.split(',') {
            let directive = match directive.split_once(':') {
                // `max-snippet: 5` and the times of `unavailable_after` have colons too.
                Some((name, _)) if VALUED.contains(&name.trim()) || !is_agent(name.trim()) => continue,
                Some((agent, directive)) => {
                    is_ours = matches!(agent.trim(), "*") || agent.trim().eq_ignore_ascii_case(PRODUCT);
                    directive
                }
                None => directive,
            };
            if is_ours {
                wishes.heed(directive.trim());
            }
        }
    }
    wishes
}

fn is_agent(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic() || b"-_*".contains(&byte))
}

fn attribute(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    (!value.is_empty() && value.len() <= limits::FETCH_ATTRIBUTE_BYTES_MAX).then(|| value.to_owned())
}

/// `Cache-Control`, less the `Age` that the answer has already; of two values the shorter holds.
fn cache_control(headers: &HeaderMap) -> Option<Duration> {
    let mut fresh: Option<Duration> = None;
    for value in headers.get_all(CACHE_CONTROL) {
        for directive in value.to_str().unwrap_or_default().split(',') {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            let found = match name.trim().to_ascii_lowercase().as_str() {
                "no-store" | "no-cache" => Some(Duration::ZERO),
                "max-age" => seconds(value.trim().trim_matches('"')),
                _ => None,
            };
            fresh = fresh.into_iter().chain(found).min();
        }
    }
    let age = headers.get(AGE).and_then(|value| seconds(value.to_str().ok()?)).unwrap_or_default();
    fresh.map(|fresh| fresh.saturating_sub(age))
}

/// `Expires`, measured by the server's own clock where it tells it; what is no date lies in the past.
fn expires(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let expires = headers.get(EXPIRES)?.to_str().ok().and_then(|value| httpdate::parse_http_date(value).ok());
    let Some(expires) = expires else { return Some(Duration::ZERO) };
    Some(expires.duration_since(server_clock(headers).unwrap_or(now)).unwrap_or_default())
}

fn wait(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    if let Some(wait) = seconds(value) {
        return Some(wait);
    }
    let until = httpdate::parse_http_date(value).ok()?;
    Some(until.duration_since(server_clock(headers).unwrap_or(now)).unwrap_or_default())
}

fn server_clock(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()
}

/// Digits alone; more of them than fit mean very long.
fn seconds(value: &str) -> Option<Duration> {
    let value = value.trim();
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| Duration::from_secs(value.parse().unwrap_or(u64::from(u32::MAX))))
}

struct Link<'a> {
    target: &'a str,
    relations: String,
}

/// The first entry, and what follows its comma. `None` at the end, and at what is no entry.
fn one_link(text: &str) -> Option<(Link<'_>, &str)> {
    let text = text.trim_start_matches([' ', '\t', ',']).strip_prefix('<')?;
    let (target, mut rest) = text.split_once('>')?;
    let (mut relations, mut about_another) = (None, false);
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        let Some(parameters) = rest.strip_prefix(';') else { break };
        let name_end = parameters.find(['=', ';', ',']).unwrap_or(parameters.len());
        let name = parameters[..name_end].trim();
        rest = &parameters[name_end..];
        let mut value = String::new();
        if let Some(written) = rest.strip_prefix('=') {
            (value, rest) = parameter(written.trim_start_matches([' ', '\t']));
        }
        if name.eq_ignore_ascii_case("rel") {
            // The first one counts (RFC 8288).
            relations = relations.or(Some(value));
        } else if name.eq_ignore_ascii_case("anchor") {
            about_another = true;
        }
    }
    let behind = rest.find(',').map_or("", |comma| &rest[comma + 1..]);
    let relations = if about_another { String::new() } else { relations.unwrap_or_default() };
    Some((Link { target: target.trim(), relations }, behind))
}

/// A token or a quoted string, and what is behind it.
fn parameter(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',']).unwrap_or(text.len());
        return (text[..end].trim().to_owned(), &text[end..]);
    };
    let (mut value, mut escaped) = (String::new(), false);
    for (at, character) in quoted.char_indices() {
        match character {
            '"' if !escaped => return (value, &quoted[at + 1..]),
            '\\' if !escaped => escaped = true,
            _ => {
                escaped = false;
                value.push(character);
            }
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    use super::*;

    const NOON: &str = "Tue, 24 Nov 2026 12:00:00 GMT";
    const ONE: &str = "Tue, 24 Nov 2026 13:00:00 GMT";

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap()))
            .fold(HeaderMap::new(), |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            })
    }

    fn fresh_seconds(lines: &[(&'static str, &str)]) -> Option<u64> {
        fresh_for(&headers(lines), httpdate::parse_http_date(NOON).unwrap()).map(|fresh| fresh.as_secs())
    }

    #[test]
    fn freshness_is_what_the_server_says_within_its_bound() {
        assert_eq!(fresh_seconds(&[]), None);
        assert_eq!(fresh_seconds(&[("cache-control", "public, Max-Age=60, must-revalidate")]), Some(60));
        assert_eq!(fresh_seconds(&[("cache-control", "max-age=\"60\"")]), Some(60));
        assert_eq!(fresh_seconds(&[("cache-control", "max-age=60"), ("age", "50")]), Some(10));
        assert_eq!(fresh_seconds(&[("cache-control", "max-age=60"), ("age", "70")]), Some(0));
        assert_eq!(fresh_seconds(&[("cache-control", "max-age=60, no-cache")]), Some(0));
        assert_eq!(fresh_seconds(&[("cache-control", "no-store")]), Some(0));
        assert_eq!(fresh_seconds(&[("cache-control", "max-age=60"), ("cache-control", "max-age=30")]), Some(30));
        assert_eq!(fresh_seconds(&[("cache-control", "max-age=-1")]), None);
        assert_eq!(fresh_seconds(&[("cache-control", "s-maxage=60, private")]), None);
        let week = limits::FETCH_FRESH_MAX.as_secs();
        assert_eq!(fresh_seconds(&[("cache-control", "max-age=31536000")]), Some(week));
        assert_eq!(fresh_seconds(&[("cache-control", "max-age=99999999999999999999999")]), Some(week));
    }

    #[test]
    fn expires_counts_by_the_servers_clock_and_behind_max_age() {
        assert_eq!(fresh_seconds(&[("expires", ONE)]), Some(3600));
        assert_eq!(fresh_seconds(&[("expires", ONE), ("date", ONE)]), Some(0));
        assert_eq!(fresh_seconds(&[("expires", NOON), ("date", ONE)]), Some(0));
        assert_eq!(fresh_seconds(&[("expires", "0")]), Some(0));
        assert_eq!(fresh_seconds(&[("expires", "Tuesday, 24-Nov-26 12:01:00 GMT")]), Some(60), "RFC 850");
        assert_eq!(fresh_seconds(&[("expires", "Tue Nov 24 12:01:00 2026")]), Some(60), "asctime");
        assert_eq!(fresh_seconds(&[("expires", ONE), ("cache-control", "max-age=5")]), Some(5));
        assert_eq!(fresh_seconds(&[("cache-control", "max-age=5"), ("retry-after", "90")]), Some(90));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_has_a_bound() {
        let now = httpdate::parse_http_date(NOON).unwrap();
        let wait = |value| retry_after(&headers(&[("retry-after", value)]), now);
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait(ONE), Some(Duration::from_secs(3600)));
        assert_eq!(wait("Mon, 23 Nov 2026 12:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("soon"), None);
        assert_eq!(wait("1.5"), None);
        assert_eq!(wait("99999999999"), Some(limits::FETCH_RETRY_AFTER_MAX));
        assert_eq!(wait("Tue, 24 Nov 2037 12:00:00 GMT"), Some(limits::FETCH_RETRY_AFTER_MAX));
    }

    #[test]
    fn a_tag_for_robots_speaks_to_everybody_or_to_us() {
        let wishes = |values: &[&str]| {
            let lines: Vec<_> = values.iter().map(|value| ("x-robots-tag", *value)).collect();
            let found = robots(&headers(&lines));
            (found.noindex, found.nofollow)
        };
        assert_eq!(wishes(&[]), (false, false));
        assert_eq!(wishes(&["noindex"]), (true, false));
        assert_eq!(wishes(&["NoArchive, NOFOLLOW"]), (false, true));
        assert_eq!(wishes(&["none"]), (true, true));
        assert_eq!(wishes(&["index", "noindex"]), (true, false), "several headers");
        assert_eq!(wishes(&["otherbot: noindex, nofollow"]), (false, false));
        assert_eq!(wishes(&["otherbot: noindex", "wellspring: nofollow"]), (false, true));
        assert_eq!(wishes(&["unavailable_after: Friday, 25-Jun-10 15:00:00 PST, noindex"]), (true, false));
        assert_eq!(wishes(&["max-snippet: 5, noindex"]), (true, false));
        assert_eq!(wishes(&["*: noindex"]), (true, false));
    }

    #[test]
    fn links_are_resolved_and_split_by_relation() {
        let base = Url::parse("https://example.com/blog/feed").unwrap();
        let found = links(
            &headers(&[
                ("link", "<https://hub.example/>; rel=\"hub\", </self>; REL=self; type=\"a,b;c\""),
                ("link", "<../x>; title=\"say \\\"<y>; rel=no\\\"\"; rel=\"Prev  next\"; rel=later"),
                ("link", "<mailto:a@b>; rel=author, <https://o.example/>; anchor=\"/other\"; rel=hub"),
                ("link", "no entry, <https://lost.example/>; rel=hub"),
                ("link", "<https://none.example/>, <?page=2>;rel=next"),
            ]),
            &base,
        );
        let wanted = [
            ("hub", "https://hub.example/"),
            ("self", "https://example.com/self"),
            ("prev", "https://example.com/x"),
            ("next", "https://example.com/x"),
            ("next", "https://example.com/blog/feed?page=2"),
        ];
        assert_eq!(found, wanted.map(|(relation, url)| (relation.to_owned(), url.to_owned())));
        let many = "<a>; rel=x,".repeat(200);
        assert_eq!(links(&headers(&[("link", &many)]), &base).len(), limits::FETCH_LINKS_MAX);
        let greedy = format!("<a>; rel=\"{}\"", "x ".repeat(100));
        assert_eq!(links(&headers(&[("link", &greedy)]), &base).len(), RELATIONS_MAX);
    }

    #[test]
    fn attributes_are_kept_as_they_came_unless_they_are_too_long() {
        let long = "x".repeat(limits::FETCH_ATTRIBUTE_BYTES_MAX + 1);
        let found = validators(&headers(&[("etag", "W/\"a b\""), ("last-modified", NOON)]));
        assert_eq!(found, Validators { etag: Some("W/\"a b\"".into()), last_modified: Some(NOON.into()) });
        assert_eq!(validators(&headers(&[("etag", &long), ("last-modified", "")])), Validators::default());
        assert_eq!(validators(&headers(&[("etag", "\"é\"")])), Validators::default());
    }

    proptest! {
        #[test]
        fn no_head_is_too_odd_to_be_read(value in "[ -~éß漢]{0,200}", link in "[<>;,=\"\\\\ a-c/]{0,200}") {
            let (now, base) = (SystemTime::UNIX_EPOCH, Url::parse("https://example.com/").unwrap());
            for name in ["cache-control", "expires", "retry-after", "etag", "content-type", "age", "date"] {
                let headers = headers(&[(name, &value), ("link", &link)]);
                let _ = (fresh_for(&headers, now), retry_after(&headers, now), validators(&headers));
                prop_assert!(links(&headers, &base).len() <= limits::FETCH_LINKS_MAX * RELATIONS_MAX);
            }
        }
    }
}
