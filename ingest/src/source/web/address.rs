//! Which addresses are one page, and what is its document called?
//!
//! Invariants:
//! - The canonical form of a canonical form is itself, and asks for the same page.
//! - A name is made of the address alone: the same page has the same name at every visit.

use std::collections::HashMap;

use url::{Host, Url};

use wellspring_core::document::DocumentKey;
use wellspring_core::limits;
use wellspring_core::source::SourceName;

/// Parameters that say where a reader came from, not what is read.
const TRACKING: [&str; 12] = [
    "gclid",
    "dclid",
    "fbclid",
    "msclkid",
    "yclid",
    "igshid",
    "mc_cid",
    "mc_eid",
    "_hsenc",
    "_hsmi",
    "oly_enc_id",
    "vero_id",
];
const TRACKING_PREFIX: &str = "utm_";

/// Endings of what is no document: asking for it would cost a download each.
const NO_DOCUMENTS: [&str; 44] = [
    "7z", "apk", "avi", "avif", "bin", "bmp", "bz2", "css", "deb", "dmg", "eot", "exe", "flac", "gif", "gz", "ico",
    "iso", "jar", "jpeg", "jpg", "js", "m4a", "m4v", "mjs", "mov", "mp3", "mp4", "mpeg", "ogg", "otf", "png", "rar",
    "rpm", "svg", "tar", "tgz", "tif", "ttf", "wav", "webm", "webp", "woff", "woff2", "xz",
];

/// The canonical form: no fragment, no tracking parameters, no empty query, no name and password; host, port and path
/// as browsers write them. The rest, `index.html` and the order of parameters included, is left to the page.
/// `None` for what is not an `http` or `https` address within its bound.
pub(super) fn canonical(url: &str) -> Option<Url> {
    if url.len() > limits::URL_BYTES_MAX {
        return None;
    }
    let mut url = Url::parse(url).ok()?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return None;
    }
    url.set_fragment(None);
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    if let Some(query) = url.query() {
        let kept: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && !is_tracking(pair)).collect();
        let kept = kept.join("&");
        url.set_query(Some(kept.as_str()).filter(|kept| !kept.is_empty()));
    }
    (url.as_str().len() <= limits::URL_BYTES_MAX).then_some(url)
}

fn is_tracking(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
    name.starts_with(TRACKING_PREFIX) || TRACKING.contains(&name.as_str())
}

/// Scheme, host and port, as they begin an address.
pub(super) fn origin(url: &Url) -> &str {
    &url[..url::Position::BeforePath]
}

/// Path and query, as they end an address.
pub(super) fn path(url: &Url) -> &str {
    &url[url::Position::BeforePath..]
}

/// The name of the document at a canonical address: the source's name, then path and query.
pub(super) fn page_key(source: &SourceName, url: &Url) -> Option<DocumentKey> {
    named(source, path(url).trim_start_matches('/'))
}

/// The name of a feed's entry: the source's name, then what identifies the entry. An identifier that is an address
/// loses its scheme, since feeds move to `https`; one that is long or odd is hashed.
pub(super) fn entry_key(source: &SourceName, id: &str) -> Option<DocumentKey> {
    let id = id.trim();
    let id = id.strip_prefix("https://").or_else(|| id.strip_prefix("http://")).unwrap_or(id);
    let is_plain = id.len() <= limits::FEED_ID_BYTES_MAX && !id.contains(char::is_whitespace) && !id.is_empty();
    named(source, if is_plain { id } else { "" }).filter(|_| is_plain).or_else(|| hashed(source, id))
}

fn named(source: &SourceName, name: &str) -> Option<DocumentKey> {
    format!("{source}/{name}").parse().ok().or_else(|| hashed(source, name))
}

fn hashed(source: &SourceName, name: &str) -> Option<DocumentKey> {
    format!("{source}/{}", &blake3::hash(name.as_bytes()).to_hex()[..32]).parse().ok()
}

/// Whether an address looks like one of endlessly many, by itself.
pub(super) fn looks_endless(url: &Url) -> bool {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut parts = 0;
    for part in url.path().split('/').filter(|part| !part.is_empty()) {
        parts += 1;
        let count = counts.entry(part).or_default();
        *count += 1;
        if parts > limits::SITE_PATH_SEGMENTS_MAX || *count > limits::SITE_PATH_REPEATS_MAX {
            return true;
        }
    }
    false
}

/// Whether an address promises a document by its ending, or promises nothing.
pub(super) fn may_be_document(url: &Url) -> bool {
    let name = url.path().rsplit('/').next().unwrap_or_default();
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_none_or(|ending| !NO_DOCUMENTS.contains(&ending.as_str()))
}

/// The pages of one host: scheme, host and port, and other names of the same.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    origin: String,
    aliases: Vec<String>,
}

impl Scope {
    /// The scope of a site that was asked at `asked` and answered from `answered`; `None` when that is another site.
    /// `www.` and the scheme may change on the way, and then both are names of the same.
    pub(super) fn of(asked: &Url, answered: &Url) -> Option<Self> {
        let mut scope = Self { origin: origin(answered).to_owned(), aliases: Vec::new() };
        (origin(asked) == scope.origin || scope.learn(asked)).then_some(scope)
    }

    /// Takes the origin of `other` for another name of this one, if it is a twin; whether it is.
    pub(super) fn learn(&mut self, other: &Url) -> bool {
        let is_twin = Url::parse(&self.origin).is_ok_and(|own| are_twins(&own, other));
        if is_twin && origin(other) != self.origin {
            self.aliases.push(origin(other).to_owned());
        }
        is_twin
    }

    /// The canonical address of a page of this scope, under its own name; `None` for others.
    pub(super) fn adopt(&self, url: &str) -> Option<Url> {
        let url = canonical(url)?;
        if origin(&url) == self.origin {
            return Some(url);
        }
        self.aliases.iter().any(|alias| alias == origin(&url)).then(|| canonical(&self.restored(path(&url))))?
    }

    /// The address of a path of this scope.
    pub(super) fn restored(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

/// Whether two addresses differ at most in `www.`, the scheme and its own port.
fn are_twins(a: &Url, b: &Url) -> bool {
    let bare = |url: &Url| match url.host() {
        Some(Host::Domain(host)) => Some(host.strip_prefix("www.").unwrap_or(host).to_owned()),
        _ => None,
    };
    let same_port = a.port() == b.port() && (a.port().is_none() || a.scheme() == b.scheme());
    bare(a).is_some_and(|host| bare(b) == Some(host)) && same_port
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn site() -> SourceName {
        "site".parse().unwrap()
    }

    #[test]
    fn one_page_has_one_address() {
        for (written, expected) in [
            ("HTTPS://Example.org:443/a/../b?utm_source=x#part", "https://example.org/b"),
            ("http://example.org", "http://example.org/"),
            ("http://user:secret@example.org/", "http://example.org/"),
            ("https://example.org/index.html?b=2&a=1&fbclid=3", "https://example.org/index.html?b=2&a=1"),
            ("https://example.org/?&&", "https://example.org/"),
            ("https://example.org:8443/a?q=utm_source", "https://example.org:8443/a?q=utm_source"),
        ] {
            assert_eq!(canonical(written).unwrap().as_str(), expected);
        }
        for other in ["ftp://example.org/", "mailto:a@example.org", "javascript:1", "/a", "", "http://"] {
            assert!(canonical(other).is_none(), "{other}");
        }
        assert!(canonical(&format!("https://example.org/{}", "a".repeat(limits::URL_BYTES_MAX))).is_none());
    }

    #[test]
    fn names_are_stable_and_valid() {
        let key = |url: &str| page_key(&site(), &canonical(url).unwrap()).unwrap().to_string();
        assert_eq!(key("https://example.org/a/b?c=1"), "site/a/b?c=1");
        assert_eq!(key("https://example.org/"), "site/");
        assert_eq!(key("https://example.org/?a=/../b").len(), "site/".len() + 32, "what is no name is hashed");
        let entry = |id: &str| entry_key(&site(), id).unwrap().to_string();
        assert_eq!(entry("http://example.org/1"), entry("https://example.org/1"));
        assert_eq!(entry("tag:example.org,2026:1"), "site/tag:example.org,2026:1");
        assert_eq!(entry("an identifier with spaces").len(), "site/".len() + 32);
        assert_eq!(entry(&"x".repeat(limits::FEED_ID_BYTES_MAX + 1)).len(), "site/".len() + 32);
        assert_ne!(entry(&"x".repeat(1000)), entry(&"x".repeat(1001)));
    }

    #[test]
    fn endless_paths_are_known() {
        let endless = |url: &str| looks_endless(&canonical(url).unwrap());
        assert!(endless("https://example.org/a/b/a/b/a/b/a/b"));
        assert!(endless(&format!("https://example.org/{}", (0..20).map(|n| format!("{n}/")).collect::<String>())));
        assert!(!endless("https://example.org/2026/11/25/rivers/the-long-one.html"));
    }

    #[test]
    fn a_scope_knows_its_other_names_and_no_more() {
        let url = |text: &str| canonical(text).unwrap();
        let scope = Scope::of(&url("http://example.org/"), &url("https://www.example.org/start")).unwrap();
        assert_eq!(scope.adopt("http://example.org/a#b").unwrap().as_str(), "https://www.example.org/a");
        for other in [
            "http://www.example.org/a",
            "https://docs.example.org/",
            "https://example.org:8443/",
            "https://example.org.evil.example/",
        ] {
            assert!(scope.adopt(other).is_none(), "{other}");
        }
        assert!(Scope::of(&url("http://example.org/"), &url("https://other.example/")).is_none());
        assert!(Scope::of(&url("http://127.0.0.1:1/"), &url("http://127.0.0.1:2/")).is_none());
    }

    proptest! {
        #[test]
        fn canonical_is_idempotent(tail in "[a-zA-Z0-9/?&=#%._~:;@+ \\\\é河-]{0,60}", host in "[a-z]{1,8}(\\.[a-z]{2,3})?(:[0-9]{1,4})?") {
            if let Some(once) = canonical(&format!("https://{host}/{tail}")) {
                prop_assert_eq!(canonical(once.as_str()).unwrap(), once.clone());
                prop_assert!(once.fragment().is_none());
                let key = page_key(&site(), &once).unwrap();
                prop_assert_eq!(page_key(&site(), &canonical(once.as_str()).unwrap()).unwrap(), key);
            }
        }

        #[test]
        fn no_address_is_beyond_its_bound(text in ".{0,80}") {
            if let Some(url) = canonical(&text) {
                prop_assert_eq!(canonical(url.as_str()).unwrap(), url);
            }
        }
    }
}
