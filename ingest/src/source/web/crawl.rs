//! What does each page of this site say, and where does it lead?
//!
//! A page that has not changed does not say again where it leads, so its links are kept in a note: the first line says
//! what the page is and where (a redirect leads elsewhere), the second whether its links were read, the others are the
//! links, all without scheme and host.
//!
//! Invariants:
//! - An address is asked once in a visit, and only when `robots.txt` allows it, wherever a redirect led there from.
//! - A page is asked conditionally only when the note about it says all that a new reading would.
//! - What cannot be asked for now keeps its document; what leads nowhere any more does not.
//! - A page is known to be gone when it was itself asked for and said so, however much else the visit missed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use url::Url;

use wellspring_core::document::{DocumentKey, MediaType};
use wellspring_core::fetch::{FetchAnswer, FetchErrorKind, Fetched, RobotsWishes, Validators};
use wellspring_core::limits;
use wellspring_core::source::{SourceName, UrlMemory};

use crate::parse::{PageLinks, ParseError, SitemapPage};

use super::address::{self, Scope};
use super::draft;
use super::memory::{body_hash, note, row};
use super::robots::RobotsRules;
use super::session::{Asking, Halted, Session, is_transient, said, shown};

/// The note about what a page is.
const PAGE: &str = "page";
/// The note about the first page that holds another name of its host.
const TWIN: &str = "twin";
/// The note that holds on which day a page was asked, and when it had last changed then, by the sitemap.
const CHANGED: &str = "changed";
const LINKED: &str = "linked";
const LISTED: &str = "listed";

/// What a page turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// A document of its own.
    Document,
    /// No document: its format is not read.
    Nothing,
    /// No document: it asks not to be kept.
    Unwanted,
    /// It is known by another address.
    Alias(Url),
    /// It could not be read; what the catalog has of it stays.
    Unread,
}

/// A site while it is walked through.
pub(super) struct Crawl {
    pub(super) scope: Scope,
    pub(super) rules: Arc<dyn RobotsRules>,
    /// Documents that the site still has.
    pub(super) kept: HashSet<DocumentKey>,
    /// Documents whose own address said that there is nothing any more.
    pub(super) gone: HashSet<DocumentKey>,
    /// Whether everything was met so far.
    pub(super) is_whole: bool,
    source: SourceName,
    waiting: VecDeque<(Url, u32)>,
    seen: HashSet<Url>,
    /// Pages that said that another stands for them: two that name each other must not both be left out.
    aliases: HashSet<Url>,
    queries: HashMap<String, usize>,
    /// When pages last changed, by the sitemap.
    changed: HashMap<Url, String>,
    /// Links are followed up to this depth; 0 where a sitemap says what there is.
    depth_max: u32,
    pages_max: u32,
    pages: u32,
    remembered_bytes: usize,
    left_out: LeftOut,
}

/// Addresses that are no documents by somebody's choice, counted by the reason, the first of each by its name.
#[derive(Default)]
struct LeftOut {
    endless: (u64, String),
    excluded: (u64, String),
    led_out: (u64, String),
    unwanted: (u64, String),
}

impl LeftOut {
    fn count(of: &mut (u64, String), url: &Url) {
        of.0 += 1;
        if of.0 == 1 {
            of.1 = shown(url.as_str()).to_owned();
        }
    }

    /// Each reason in words.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let (count @ 1.., first) = &self.excluded {
            notes.push(format!("skipped: robots.txt excludes {count} addresses, such as {first}"));
        }
        if let (count @ 1.., first) = &self.led_out {
            notes.push(format!("skipped: {count} addresses lead where robots.txt excludes us, such as {first}"));
        }
        if let (count @ 1.., first) = &self.unwanted {
            notes.push(format!("skipped: {count} pages ask not to be kept (noindex), such as {first}"));
        }
        if let (count @ 1.., first) = &self.endless {
            notes.push(format!("left out: {count} addresses look like endless ones, such as {first}"));
        }
        notes
    }
}

impl Crawl {
    /// Asks for the first page, which tells the host's own name, and returns where it leads.
    pub(super) async fn begin(
        session: &mut Session<'_>,
        start: Url,
        pages_max: u32,
    ) -> Result<(Self, Vec<String>), Halted> {
        let mut rules = session.rules(start.as_str()).await;
        may_begin(session, &*rules, &start)?;
        let conditional = session.memory.note(start.as_str(), PAGE).is_some_and(|note| Noted::says_enough(note, true));
        let fetched = match session.fetch(start.as_str(), Asking::linked(conditional)).await? {
            Ok(fetched) if matches!(fetched.answer, FetchAnswer::Gone(_)) => {
                return Err(session.halt("there is nothing at its address"));
            }
            Ok(fetched) => fetched,
            Err(error) if matches!(error.kind(), FetchErrorKind::Excluded | FetchErrorKind::RulesUnknown) => {
                return Err(session.halt(said(&error)));
            }
            Err(error) => {
                session.endure(start.as_str(), &error)?;
                return Err(session.halt("the site could not be reached"));
            }
        };
        let answered = address::canonical(&fetched.url).unwrap_or_else(|| start.clone());
        let Some(scope) = Scope::of(&start, &answered) else {
            return Err(session.halt("its address leads to another host"));
        };
        if address::origin(&start) != address::origin(&answered) {
            rules = session.rules(answered.as_str()).await;
            // Under rules that nobody knows every page would look like one that was left.
            may_begin(session, &*rules, &answered)?;
        }
        let mut crawl = Self {
            scope,
            rules,
            kept: HashSet::new(),
            gone: HashSet::new(),
            is_whole: true,
            source: session.settings.name.clone(),
            waiting: VecDeque::new(),
            seen: HashSet::from([start.clone(), answered]),
            aliases: HashSet::new(),
            queries: HashMap::new(),
            changed: HashMap::new(),
            depth_max: 1,
            pages_max,
            pages: 0,
            remembered_bytes: 0,
            left_out: LeftOut::default(),
        };
        if let Some(twin) = session.memory.note(start.as_str(), TWIN).and_then(address::canonical) {
            crawl.scope.learn(&twin);
        }
        let links = crawl.read(session, &start, 0, fetched).await?;
        crawl.depth_max = 0;
        Ok((crawl, links))
    }

    /// From now on links are followed, up to this depth.
    pub(super) fn follow(&mut self, depth_max: u32) {
        self.depth_max = depth_max;
    }

    /// Notes a page to visit, if it is one of this site that may and should be.
    pub(super) fn enqueue(&mut self, url: &str, depth: u32) {
        let Some(url) = self.scope.adopt(url) else { return };
        if self.seen.contains(&url) || !address::may_be_document(&url) {
            return;
        }
        if self.seen.len() >= limits::SITE_URLS_MAX {
            self.is_whole = false;
            return;
        }
        self.seen.insert(url.clone());
        if self.looks_endless(&url) {
            LeftOut::count(&mut self.left_out.endless, &url);
            self.keep(&url);
        } else {
            match self.rules.allowed(url.as_str()) {
                Some(true) => self.waiting.push_back((url, depth)),
                Some(false) => LeftOut::count(&mut self.left_out.excluded, &url),
                None => self.is_whole = false,
            }
        }
    }

    /// Notes a page that a sitemap names, and when it last changed by that.
    pub(super) fn enqueue_listed(&mut self, page: &SitemapPage) {
        self.enqueue(&page.url, 1);
        if let (Some(changed), Some(url)) = (&page.changed, self.scope.adopt(&page.url)) {
            self.changed.insert(url, changed.clone());
        }
    }

    /// Whether the sitemap can be believed that a page is as it was read: it says the same as then, no person wants to
    /// know, and it is not the page's turn to be asked all the same.
    fn is_unchanged_by_sitemap(&self, session: &Session<'_>, url: &Url) -> bool {
        let noted = session.memory.note(url.as_str(), CHANGED).and_then(|noted| noted.split_once(' '));
        let Some((day, noted)) = noted.and_then(|(day, noted)| Some((day.parse().ok()?, noted))) else { return false };
        let is_same = self.changed.get(url).is_some_and(|changed| changed == noted);
        is_same && !session.is_asked() && !session.is_due(url.as_str(), day)
    }

    /// The note that a page was asked today, by which the sitemap is believed from now on; an empty one where it is not,
    /// and none where nothing is to be noted.
    fn asked_today(&self, session: &Session<'_>, url: &Url) -> Option<UrlMemory> {
        // A page that changed today may change again today, under the same date.
        let changed = self.changed.get(url).filter(|changed| session.is_before_today(changed));
        let text = changed.map(|changed| format!("{} {changed}", session.day()));
        let has_note = session.memory.note(url.as_str(), CHANGED).is_some();
        (text.is_some() || has_note).then(|| note(url.as_str(), CHANGED, text.unwrap_or_default()))
    }

    fn looks_endless(&mut self, url: &Url) -> bool {
        if address::looks_endless(url) {
            return true;
        }
        if url.query().is_none() {
            return false;
        }
        let count = self.queries.entry(url.path().to_owned()).or_default();
        *count += 1;
        *count > limits::SITE_QUERIES_PER_PATH_MAX
    }

    /// Visits everything that waits, and what that leads to.
    pub(super) async fn run(&mut self, session: &mut Session<'_>) -> Result<(), Halted> {
        let pause = self.rules.crawl_delay().map(|pause| pause.min(limits::CRAWL_DELAY_MAX));
        while let Some((url, depth)) = self.waiting.pop_front() {
            if self.pages >= self.pages_max {
                self.is_whole = false;
                session.note(format!("it has more than {} pages", self.pages_max));
                break;
            }
            if let Some(pause) = pause {
                session.pause(pause).await?;
            }
            let links = self.visit(session, &url, depth).await?;
            if depth < self.depth_max {
                for link in &links {
                    self.enqueue(link, depth + 1);
                    // A hostile robots.txt makes each link cost some hundred microseconds, and there may be thousands.
                    tokio::task::yield_now().await;
                }
            }
        }
        self.left_out.notes().into_iter().for_each(|reason| session.note(reason));
        Ok(())
    }

    /// Asks for one page; where it leads.
    async fn visit(&mut self, session: &mut Session<'_>, url: &Url, depth: u32) -> Result<Vec<String>, Halted> {
        let follows = depth < self.depth_max;
        let text = session.memory.note(url.as_str(), PAGE);
        let noted = text.and_then(|text| Noted::usable(text, &self.scope, follows));
        if noted.is_some() && self.is_unchanged_by_sitemap(session, url) {
            session.memory.keep(url.as_str());
            return Ok(noted.map(|noted| self.repeat(session, depth, noted)).unwrap_or_default());
        }
        match session.fetch(url.as_str(), Asking::linked(noted.is_some())).await? {
            Ok(fetched) => self.read(session, url, depth, fetched).await,
            Err(error) if error.kind() == FetchErrorKind::Excluded => {
                // As if it were itself excluded: its document goes with the next visit that meets the whole site.
                LeftOut::count(&mut self.left_out.led_out, url);
                Ok(Vec::new())
            }
            Err(error) => {
                session.endure(url.as_str(), &error)?;
                // It is not known to be gone, so its document stays, and what it led to.
                session.memory.keep(url.as_str());
                self.keep(url);
                if !is_transient(&error) {
                    let target = noted.as_ref().map_or(url, |noted| &noted.target);
                    self.mark_unread(session, url, target, said(&error)).await?;
                }
                match noted {
                    Some(noted) => Ok(self.repeat(session, depth, noted)),
                    None => {
                        // What was never read led nowhere; of what was, it is not known where.
                        self.is_whole &= !(is_transient(&error) && session.memory.may_know(url.as_str()));
                        Ok(Vec::new())
                    }
                }
            }
        }
    }

    /// Marks the document of a page that its server does not give any more, and has the page asked for anew next time:
    /// the words of before are news then.
    async fn mark_unread(
        &self,
        session: &mut Session<'_>,
        url: &Url,
        target: &Url,
        reason: &str,
    ) -> Result<(), Halted> {
        let Some(key) = address::page_key(&self.source, target) else { return Ok(()) };
        let mut rows = vec![row(url.as_str(), &Validators::default(), None)];
        if session.memory.note(url.as_str(), CHANGED).is_some() {
            rows.push(note(url.as_str(), CHANGED, String::new()));
        }
        session.unread(key, reason, rows).await
    }

    /// Reads an answer; where the page leads. `url` is the address that was asked.
    async fn read(
        &mut self,
        session: &mut Session<'_>,
        url: &Url,
        depth: u32,
        fetched: Fetched,
    ) -> Result<Vec<String>, Halted> {
        let Some(target) = self.scope.adopt(&fetched.url) else { return Ok(Vec::new()) };
        let is_elsewhere = depth > 0 && target != *url;
        if is_elsewhere && (!self.may_ask(&target) || !self.seen.insert(target.clone())) {
            // Excluded, or visited by its own name.
            return Ok(Vec::new());
        }
        let follows = depth < self.depth_max;
        let text = session.memory.note(url.as_str(), PAGE);
        let noted = text.and_then(|text| Noted::usable(text, &self.scope, follows));
        let (content_type, body) = match fetched.answer {
            FetchAnswer::Gone(_) => {
                session.memory.forget(url.as_str());
                self.gone.extend([url, &target].into_iter().filter_map(|gone| address::page_key(&self.source, gone)));
                return Ok(Vec::new());
            }
            FetchAnswer::NotModified => {
                session.memory.keep(url.as_str());
                session.memory.remember(self.asked_today(session, url).into_iter().collect());
                if fetched.robots.noindex && noted.as_ref().is_some_and(|noted| noted.kind == Kind::Document) {
                    // Its document goes; were it to come back, its words would have to be sent again.
                    session.memory.remember(vec![row(url.as_str(), &Validators::default(), None)]);
                }
                return Ok(match noted {
                    Some(noted) => self.repeat(session, depth, noted.under(fetched.robots)),
                    None => Vec::new(),
                });
            }
            FetchAnswer::Content { content_type, body } => (content_type, body),
        };
        // The same words under other wishes are another answer.
        let hash = match fetched.robots {
            RobotsWishes { noindex: false, nofollow: false } => body_hash(&body),
            RobotsWishes { noindex, nofollow } => body_hash(&[&body[..], &[noindex.into(), nofollow.into()]].concat()),
        };
        let this = row(url.as_str(), &fetched.validators, Some(hash));
        if session.memory.has_body(url.as_str(), hash)
            && let Some(noted) = noted
        {
            session.memory.keep(url.as_str());
            session.memory.remember(self.asked_today(session, url).into_iter().chain([this]).collect());
            return Ok(self.repeat(session, depth, noted));
        }
        let media_type = draft::media_type_of(content_type.as_deref(), target.as_str(), &body);
        let (kind, links) = match media_type.filter(|media_type| draft::is_for_readers(*media_type)) {
            None => (Kind::Nothing, Vec::new()),
            Some(MediaType::Html) => {
                let wishes = fetched.robots;
                self.look(session, &Looked { asked: url, target: &target, depth, body: &body, wishes }).await?
            }
            Some(_) if fetched.robots.noindex => (Kind::Unwanted, Vec::new()),
            Some(_) => (Kind::Document, Vec::new()),
        };
        let mut rows = vec![this, self.noted(url, &target, &kind, &links)];
        rows.extend(self.asked_today(session, url));
        match (kind, media_type) {
            (Kind::Document, Some(media_type)) => {
                if let Some(key) = address::page_key(&session.settings.name, &target) {
                    session.visit.items += 1;
                    self.pages += 1;
                    self.kept.insert(key.clone());
                    let draft = draft::page(session.settings, key, target.as_str(), media_type, body);
                    session.put(draft, rows).await?;
                }
            }
            (Kind::Alias(other), _) => {
                self.defer(&target, &other, depth);
                session.memory.remember(rows);
            }
            (Kind::Unread, _) => {
                self.keep(&target);
                match address::page_key(&self.source, &target) {
                    Some(key) => session.unread(key, "it cannot be read as a page", rows).await?,
                    None => session.memory.remember(rows),
                }
            }
            (kind, _) => {
                if kind == Kind::Unwanted {
                    LeftOut::count(&mut self.left_out.unwanted, &target);
                }
                session.memory.remember(rows);
            }
        }
        Ok(links)
    }

    /// Has a page read for what it says about itself.
    async fn look(
        &mut self,
        session: &mut Session<'_>,
        &Looked { asked, target, depth, body, wishes }: &Looked<'_>,
    ) -> Result<(Kind, Vec<String>), Halted> {
        let mut found = match session.web.reader.links(target.as_str(), body.to_vec()).await {
            Ok(found) => found,
            Err(error @ ParseError::Unavailable { .. }) => return Err(session.halt(error.to_string())),
            // A page whose links cannot be read is not read as a document either.
            Err(error) => {
                session.fail(target.as_str(), &error.to_string());
                return Ok((Kind::Unread, Vec::new()));
            }
        };
        if depth == 0
            && let Some(canonical) = found.canonical.as_deref().and_then(address::canonical)
            && address::path(&canonical) == address::path(target)
        {
            // The first page may say that its host has another name. That is kept for visits that find it unchanged.
            if self.scope.learn(&canonical) && address::origin(&canonical) != address::origin(target) {
                session.memory.remember(vec![note(asked.as_str(), TWIN, canonical.into())]);
            }
        }
        found.noindex |= wishes.noindex;
        found.nofollow |= wishes.nofollow;
        let kind = self.kind(target, &found);
        self.is_whole &= found.is_whole || depth >= self.depth_max;
        let links = if found.nofollow { Vec::new() } else { self.own(found.links) };
        Ok((kind, links))
    }

    fn kind(&self, target: &Url, found: &PageLinks) -> Kind {
        let canonical = found.canonical.as_deref().and_then(|canonical| self.scope.adopt(canonical));
        match canonical.filter(|other| other != target && !self.aliases.contains(other)) {
            Some(other) if self.may_ask(&other) && !address::looks_endless(&other) => Kind::Alias(other),
            _ if found.noindex => Kind::Unwanted,
            _ => Kind::Document,
        }
    }

    /// The links within the site, each once.
    fn own(&self, links: Vec<String>) -> Vec<String> {
        let mut seen = HashSet::new();
        let links = links.iter().filter_map(|link| self.scope.adopt(link)).filter(address::may_be_document);
        links.filter(|link| seen.insert(link.clone())).map(String::from).collect()
    }

    /// A page is as the note about it says; where it leads.
    fn repeat(&mut self, session: &mut Session<'_>, depth: u32, noted: Noted) -> Vec<String> {
        match noted.kind {
            Kind::Document => {
                session.visit.items += 1;
                self.pages += 1;
                self.keep(&noted.target);
            }
            Kind::Alias(other) => self.defer(&noted.target, &other, depth),
            Kind::Unread => self.keep(&noted.target),
            Kind::Unwanted => LeftOut::count(&mut self.left_out.unwanted, &noted.target),
            Kind::Nothing => {}
        }
        self.remembered_bytes += noted.bytes;
        noted.links
    }

    fn defer(&mut self, target: &Url, other: &Url, depth: u32) {
        self.aliases.insert(target.clone());
        // As near as the page that named it.
        self.enqueue(other.as_str(), depth.max(1));
    }

    fn may_ask(&self, url: &Url) -> bool {
        self.rules.allowed(url.as_str()) == Some(true)
    }

    fn keep(&mut self, url: &Url) {
        self.kept.extend(address::page_key(&self.source, url));
    }

    /// The note about a page; an empty one where its links are too many to remember: then it is read again each time.
    fn noted(&mut self, url: &Url, target: &Url, kind: &Kind, links: &[String]) -> UrlMemory {
        let at = address::path(target);
        let mut text = match kind {
            Kind::Document => format!("document {at}"),
            Kind::Nothing => format!("nothing {at}"),
            Kind::Unwanted => format!("unwanted {at}"),
            Kind::Unread => format!("unread {at}"),
            Kind::Alias(other) => format!("alias {at} {}", address::path(other)),
        };
        text.push('\n');
        // The first page is looked at before it is known whether links matter.
        text.push_str(if self.depth_max > 0 { LINKED } else { LISTED });
        if self.depth_max > 0 {
            for link in links.iter().filter_map(|link| Url::parse(link).ok()) {
                text.push('\n');
                text.push_str(address::path(&link));
            }
        }
        let fits = text.len() <= limits::PAGE_LINKS_REMEMBERED_BYTES_MAX
            && self.remembered_bytes + text.len() <= limits::SITE_LINKS_REMEMBERED_BYTES_MAX;
        if !fits {
            text.clear();
        }
        self.remembered_bytes += text.len();
        note(url.as_str(), PAGE, text)
    }
}

/// Whether the site may be walked through at all.
fn may_begin(session: &mut Session<'_>, rules: &dyn RobotsRules, url: &Url) -> Result<(), Halted> {
    match rules.allowed(url.as_str()) {
        Some(true) => Ok(()),
        Some(false) => Err(session.halt("robots.txt excludes its address")),
        None => {
            let refused = rules.refused();
            Err(session.halt(refused.unwrap_or_else(|| "its robots.txt cannot be had for now".to_owned())))
        }
    }
}

/// A page that came.
struct Looked<'p> {
    asked: &'p Url,
    /// The address that answered.
    target: &'p Url,
    depth: u32,
    body: &'p [u8],
    /// What its server asks of robots.
    wishes: RobotsWishes,
}

/// A note about a page.
struct Noted {
    kind: Kind,
    /// The address that answered.
    target: Url,
    links: Vec<String>,
    bytes: usize,
}

impl Noted {
    /// The same under what the server asks of robots now.
    fn under(mut self, wishes: RobotsWishes) -> Self {
        if wishes.noindex && self.kind == Kind::Document {
            self.kind = Kind::Unwanted;
        }
        if wishes.nofollow {
            self.links.clear();
        }
        self
    }

    /// The note, when it says all that is needed: links, too, where they are followed.
    fn usable(text: &str, scope: &Scope, follows: bool) -> Option<Self> {
        Self::says_enough(text, follows).then(|| Self::read(text, scope))?
    }

    fn says_enough(text: &str, follows: bool) -> bool {
        let mode = text.lines().nth(1);
        mode == Some(LINKED) || (mode == Some(LISTED) && !follows)
    }

    fn read(text: &str, scope: &Scope) -> Option<Self> {
        let mut lines = text.lines();
        // A path and a query hold no space: it is written as `%20`.
        let mut words = lines.next()?.split(' ');
        let kind = words.next()?;
        let mut address = || scope.adopt(&scope.restored(words.next()?));
        let target = address()?;
        let kind = match kind {
            "document" => Kind::Document,
            "alias" => Kind::Alias(address()?),
            "unread" => Kind::Unread,
            "unwanted" => Kind::Unwanted,
            _ => Kind::Nothing,
        };
        Some(Self { kind, target, links: lines.skip(1).map(|path| scope.restored(path)).collect(), bytes: text.len() })
    }
}
