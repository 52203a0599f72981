//! Which entries does this feed hold? RSS 0.90 to 2.0 and Atom; JSON Feed is read beside.
//!
//! One reader for all: the elements that matter have the same names or disjoint ones, and real feeds mix them.
//!
//! Invariants:
//! - A feed that breaks off is read up to there: one bad character near its end must not hide what is new at its top.

use url::Url;

use wellspring_core::limits;

use super::super::{Refused, decode, html, tidy_title};
use super::xml::{Element, Inner, Space, Step, Xml};
use super::{Feed, FeedEntry, address, feed_json, time};

/// Reads a feed that was found at `url`.
pub(super) fn read(url: &str, content: &[u8]) -> Result<Feed, Refused> {
    let source = decode::xml(content)?;
    let base = Url::parse(url).ok();
    let start = source.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    match start.as_bytes().first() {
        Some(b'{') => feed_json::read(base.as_ref(), start),
        Some(b'<') => FeedReader::new(base).read(start),
        _ => Err(Refused::because("it is not a feed")),
    }
}

/// The feed as far as it is read.
struct FeedReader {
    base: Option<Url>,
    feed: Feed,
    entry: Option<EntryReader>,
    period_seconds: Option<u64>,
    frequency: u64,
}

/// An entry as far as it is read.
#[derive(Default)]
struct EntryReader {
    base: Option<Url>,
    entry: FeedEntry,
    content: Option<Text>,
    summary: Option<Text>,
    updated_at: Option<jiff::Timestamp>,
    /// An identifier that is an address, for an entry without a link.
    permalink: Option<String>,
}

/// A text and whether it is HTML.
struct Text {
    text: String,
    is_html: bool,
}

impl FeedReader {
    fn new(base: Option<Url>) -> Self {
        Self { base, feed: Feed::default(), entry: None, period_seconds: None, frequency: 1 }
    }

    fn read(mut self, source: &str) -> Result<Feed, Refused> {
        let mut xml = Xml::new(source);
        let root = loop {
            match xml.step()? {
                Some(Step::Open(root)) => break root,
                Some(Step::Close(_)) => {}
                None => return Err(Refused::because("it is not a feed")),
            }
        };
        if !matches!(root.name.as_str(), "rss" | "RDF" | "feed") {
            return Err(Refused::because("it is not a feed"));
        }
        self.base = rebased(self.base, &root);
        self.feed.language = root.attribute("xml:lang").and_then(tidy_title);
        match self.walk(&mut xml) {
            Ok(is_whole) => self.feed.is_whole = is_whole,
            Err(refused) if self.feed.entries.is_empty() => return Err(refused),
            Err(_) => self.feed.is_whole = false,
        }
        if self.feed.fresh_for_seconds.is_none() {
            self.feed.fresh_for_seconds = self.period_seconds.map(|period| period / self.frequency.max(1));
        }
        Ok(self.feed)
    }

    /// Whether the whole was walked through.
    fn walk(&mut self, xml: &mut Xml<'_>) -> Result<bool, Refused> {
        while let Some(step) = xml.step()? {
            match step {
                Step::Open(element) if is_entry(&element) => {
                    if self.feed.entries.len() == limits::FEED_ENTRIES_MAX {
                        return Ok(false);
                    }
                    let base = rebased(self.base.clone(), &element);
                    let mut entry = EntryReader { base, ..EntryReader::default() };
                    entry.entry.language = element.attribute("xml:lang").and_then(tidy_title);
                    // RSS 1.0 names an item by its address.
                    entry.entry.id = element.attribute("rdf:about").map(str::to_owned);
                    self.entry = Some(entry);
                }
                Step::Open(element) if self.entry.is_none() && element.name == "channel" => {}
                Step::Open(element) => {
                    let inner = xml.inner(&element)?;
                    match &mut self.entry {
                        Some(entry) => entry.take(&element, inner),
                        None => self.take(&element, inner),
                    }
                }
                Step::Close(name) if name == "item" || name == "entry" => {
                    if let Some(entry) = self.entry.take() {
                        self.feed.entries.extend(entry.finish());
                    }
                }
                Step::Close(_) => {}
            }
        }
        Ok(self.entry.is_none())
    }

    fn take(&mut self, element: &Element, inner: Inner) {
        let text = inner.text.trim();
        match (element.space, element.name.as_str()) {
            (Space::Core | Space::Atom, "title") => self.feed.title = title(element, &inner),
            (Space::Core | Space::DublinCore, "language") => self.feed.language = tidy_title(text),
            (Space::Core, "ttl") => {
                self.feed.fresh_for_seconds = text.parse::<u32>().ok().map(|minutes| u64::from(minutes) * 60);
            }
            (Space::Syndication, "updatePeriod") => self.period_seconds = period_seconds(text),
            (Space::Syndication, "updateFrequency") => self.frequency = text.parse().unwrap_or(1),
            (Space::Core | Space::Atom, "link") if element.attribute("rel") == Some("hub") => {
                self.feed.hub = element.attribute("href").and_then(|hub| address(self.base.as_ref(), hub));
            }
            (Space::Core | Space::Atom, "link") if element.attribute("rel") == Some("self") => {
                self.feed.topic = element.attribute("href").and_then(|own| address(self.base.as_ref(), own));
            }
            _ => {}
        }
    }
}

impl EntryReader {
    fn take(&mut self, element: &Element, inner: Inner) {
        let text = inner.text.trim();
        let resolve = |text: &str| address(self.base.as_ref(), text);
        match (element.space, element.name.as_str()) {
            (Space::Core | Space::Atom, "title") => self.entry.title = title(element, &inner),
            (Space::Core, "guid") => {
                self.entry.id = Some(text.to_owned()).filter(|id| !id.is_empty());
                if element.attribute("isPermaLink") != Some("false") {
                    self.permalink = address(None, text);
                }
            }
            (Space::Core | Space::Atom, "id") => self.entry.id = Some(text.to_owned()).filter(|id| !id.is_empty()),
            (Space::Core | Space::Atom, "link") => match element.attribute("href") {
                Some(href) => {
                    let is_alternate = matches!(element.attribute("rel"), None | Some("alternate"));
                    if is_alternate && self.entry.link.is_none() {
                        self.entry.link = resolve(href);
                    }
                }
                None => self.entry.link = self.entry.link.take().or_else(|| resolve(text)),
            },
            (Space::Core | Space::DublinCore, "description") => self.summary = Some(Text::html(inner)),
            (Space::Core | Space::Atom, "summary") => self.summary = Some(Text::of(element, inner)),
            (Space::Content, "encoded") => self.content = Some(Text::html(inner)),
            (Space::Core | Space::Atom, "content") if is_readable(element) => {
                self.content = Some(Text::of(element, inner));
            }
            (Space::Core, "pubDate") | (Space::Core | Space::Atom, "published" | "issued") => {
                self.entry.published_at = time::read(text);
            }
            (Space::DublinCore, "date" | "created" | "issued") => {
                self.entry.published_at = self.entry.published_at.or_else(|| time::read(text));
            }
            (Space::Core | Space::Atom, "updated" | "modified") => self.updated_at = time::read(text),
            (Space::DublinCore, "language") => self.entry.language = tidy_title(text),
            (Space::Core | Space::Atom, "category") | (Space::DublinCore, "subject") => {
                let term = element.attribute("label").or(element.attribute("term")).unwrap_or(text);
                if self.entry.categories.len() < limits::TAGS_MAX
                    && let Some(term) = tidy_title(term)
                    && !self.entry.categories.contains(&term)
                {
                    self.entry.categories.push(term);
                }
            }
            _ => {}
        }
    }

    /// The entry; `None` when it says nothing at all.
    fn finish(self) -> Option<FeedEntry> {
        let mut entry = self.entry;
        entry.link = entry.link.or(self.permalink);
        entry.published_at = entry.published_at.or(self.updated_at);
        let said = |text: &Text| !text.text.trim().is_empty();
        if let Some(text) = self.content.filter(said).or(self.summary.filter(said)) {
            (entry.text, entry.is_html) = (Some(text.text), text.is_html);
        }
        let says = entry.text.is_some() || entry.title.is_some() || entry.link.is_some();
        says.then_some(entry)
    }
}

impl Text {
    fn html(inner: Inner) -> Self {
        Self { text: inner.text, is_html: true }
    }

    /// A text of Atom, which says what it is; markup is markup whatever it says.
    fn of(element: &Element, inner: Inner) -> Self {
        let is_plain = matches!(element.attribute("type"), None | Some("text" | "text/plain"));
        // Without a type Atom means plain text, and feeds that nobody checks mean HTML.
        let looks_html = inner.text.contains("</") || inner.text.contains("/>");
        let is_html = inner.is_markup || !is_plain || (element.attribute("type").is_none() && looks_html);
        Self { is_html, text: inner.text }
    }
}

fn is_entry(element: &Element) -> bool {
    matches!((element.space, element.name.as_str()), (Space::Core, "item") | (Space::Core | Space::Atom, "entry"))
}

/// Whether the content is a text in place: not one elsewhere, and not data in Base64.
fn is_readable(element: &Element) -> bool {
    let is_text =
        |kind: &str| matches!(kind, "text" | "html" | "xhtml" | "application/xhtml+xml") || kind.starts_with("text/");
    element.attribute("src").is_none() && element.attribute("type").is_none_or(is_text)
}

/// A title as plain text. RSS does not say whether a title is HTML: it is taken for it where it closes an element or
/// holds a character reference, so that `Vec<u8>` stays.
fn title(element: &Element, inner: &Inner) -> Option<String> {
    let declared = matches!(element.attribute("type"), Some("html" | "xhtml" | "text/html")) || inner.is_markup;
    let is_html = declared || inner.text.contains("</") || is_reference(&inner.text);
    match is_html.then(|| html::parse(&inner.text)) {
        Some(Ok(parsed)) => tidy_title(&parsed.text),
        _ => tidy_title(&inner.text),
    }
}

/// Whether `&` is followed by a name or number and `;`.
fn is_reference(text: &str) -> bool {
    text.split('&').skip(1).any(|rest| {
        rest.split_once(';').is_some_and(|(name, _)| {
            !name.is_empty() && name.len() < 12 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '#')
        })
    })
}

fn period_seconds(text: &str) -> Option<u64> {
    const HOUR: u64 = 3600;
    match text {
        "hourly" => Some(HOUR),
        "daily" => Some(24 * HOUR),
        "weekly" => Some(7 * 24 * HOUR),
        "monthly" => Some(30 * 24 * HOUR),
        "yearly" => Some(365 * 24 * HOUR),
        _ => None,
    }
}

/// The base that an element's `xml:base` makes of the one around it.
fn rebased(base: Option<Url>, element: &Element) -> Option<Url> {
    match element.attribute("xml:base").filter(|own| own.len() <= limits::URL_BYTES_MAX) {
        Some(own) => match &base {
            Some(base) => base.join(own).ok(),
            None => Url::parse(own).ok(),
        }
        .or(base),
        None => base,
    }
}
