//! Which part of a page is what it says, and which part is only in the way there?
//!
//! A page names its main part (`main`, one `article`, `role=main`), or it does not; navigation, page footers, asides,
//! forms, cookie notices and lists of links are left out either way.
//!
//! Invariants:
//! - A page that has none of these is read whole.
//! - What holds more than half of the text is never left out, and when next to nothing would be left, nothing is: but the
//!   main part that a page names is the page, however short it is, as long as what stands beside it is no longer.
//! - Two passes over the tree, whatever it is.

use std::collections::HashSet;

use ego_tree::NodeId;
use ego_tree::iter::Edge;
use scraper::node::Element;
use scraper::{Html, Node};

use super::html::is_hidden;

/// Words in a class or an id by which pages call their navigation.
const NAVIGATION_WORDS: &[&str] = &[
    "nav",
    "navbar",
    "navigation",
    "navbox",
    "menu",
    "sidebar",
    "breadcrumb",
    "breadcrumbs",
    "social",
    "share",
    "sharing",
    "newsletter",
    "ads",
    "advert",
    "advertisement",
    "pagination",
    "skiplink",
];
/// Words by which they call what asks for consent.
const CONSENT_WORDS: &[&str] = &["cookie", "cookies", "consent", "gdpr", "ccpa"];
/// Characters of a notice that asks for consent, at most: a page about cookies has more.
const CONSENT_CHARS_MAX: usize = 2000;
/// Links of a list that is nothing but links.
const LIST_LINKS_MIN: usize = 5;
/// Characters that are left of a page that names no main part, at least: with fewer, nothing is left out. An article
/// that has fewer is the main part only where nothing but what is in the way stands beside it.
const LEFT_CHARS_MIN: usize = 100;

/// The nodes that are left out, each with all below it.
pub(super) fn left_out(html: &Html) -> HashSet<NodeId> {
    let parts = Parts::of(html);
    let root = parts.main();
    let mut out = HashSet::new();
    if let Some(root) = root {
        let mut node = html.tree.get(parts.found[root].id);
        while let Some(inner) = node {
            let parent = inner.parent();
            if !parent.is_some_and(|parent| is_inside_body(parent.value())) {
                break;
            }
            out.extend(inner.prev_siblings().chain(inner.next_siblings()).map(|sibling| sibling.id()));
            node = parent;
        }
    }
    let base = root.map_or(parts.chars, |root| parts.found[root].measure.chars);
    let mut gone = vec![false; parts.found.len()];
    let mut left = base;
    let mut chosen = Vec::new();
    for (place, part) in parts.found.iter().enumerate() {
        let within_root = root.is_none_or(|root| parts.is_inside(place, root));
        let outer_gone = part.outer.is_some_and(|outer| gone[outer]);
        let goes = within_root && !outer_gone && parts.is_in_the_way(part, root.is_some(), base);
        gone[place] = goes || outer_gone;
        if goes {
            left -= part.measure.chars.min(left);
            chosen.push(part.id);
        }
    }
    if left >= LEFT_CHARS_MIN || root.is_some() && left > 0 {
        out.extend(chosen);
    }
    out
}

fn is_inside_body(node: &Node) -> bool {
    node.as_element().is_some_and(|element| element.name() != "html")
}

/// What may be the main part or in the way of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Main,
    Article,
    Navigation,
    /// A header or footer of the page, not of an article.
    PageHeader,
    PageFooter,
    Aside,
    Form,
    Consent,
    /// Called navigation by its class alone.
    Called,
    /// Looks like a list of links.
    Links,
}

#[derive(Debug, Clone, Copy, Default)]
struct Measure {
    /// Characters that are not white space.
    chars: usize,
    /// Of those, characters of links.
    linked: usize,
    links: usize,
    titles: usize,
}

impl Measure {
    /// Whether at least this many tenths of the text are links.
    fn is_linked(&self, tenths: usize) -> bool {
        self.linked * 10 >= self.chars * tenths
    }

    fn add(&mut self, inner: Self) {
        self.chars += inner.chars;
        self.linked += inner.linked;
        self.links += inner.links;
        self.titles += inner.titles;
    }
}

#[derive(Debug)]
struct Part {
    id: NodeId,
    kind: Kind,
    measure: Measure,
    /// The innermost part around it.
    outer: Option<usize>,
    /// The parts in it are those after it up to this one.
    end: usize,
    /// Whether it stands in an article or in the main part.
    in_article: bool,
}

#[derive(Debug, Default)]
struct Parts {
    /// In the order of the page.
    found: Vec<Part>,
    /// Characters of the page.
    chars: usize,
    /// Whether the page has anything that is called what it is and stands in the way.
    has_chrome: bool,
}

/// An element that the walk is in.
struct Open {
    measure: Measure,
    part: Option<usize>,
    link: bool,
}

impl Parts {
    fn of(html: &Html) -> Self {
        let mut parts = Self::default();
        let mut open: Vec<Open> = Vec::new();
        let mut articles = 0;
        let mut links = 0;
        let mut hidden: Option<NodeId> = None;
        for edge in html.tree.root().traverse() {
            match edge {
                Edge::Open(node) if hidden.is_none() => match node.value() {
                    Node::Element(element) if is_hidden(element) || element.name() == "head" => {
                        hidden = Some(node.id())
                    }
                    Node::Element(element) => {
                        let kind = kind_of(element, articles > 0);
                        let part = kind.map(|kind| {
                            let outer = open.iter().rev().find_map(|open| open.part);
                            let in_article = articles > 0;
                            let place = parts.found.len();
                            let measure = Measure::default();
                            parts.found.push(Part { id: node.id(), kind, measure, outer, end: place + 1, in_article });
                            place
                        });
                        let link = element.name() == "a" && element.attr("href").is_some();
                        articles += usize::from(matches!(kind, Some(Kind::Main | Kind::Article)));
                        links += usize::from(link);
                        let titles = usize::from(element.name() == "h1");
                        let measure = Measure { links: usize::from(link), titles, ..Measure::default() };
                        open.push(Open { measure, part, link });
                    }
                    Node::Text(text) => {
                        let chars = text.chars().filter(|c| !c.is_whitespace()).count();
                        if let Some(open) = open.last_mut() {
                            open.measure.chars += chars;
                            open.measure.linked += if links > 0 { chars } else { 0 };
                        }
                    }
                    _ => {}
                },
                Edge::Close(node) if hidden == Some(node.id()) => hidden = None,
                Edge::Close(node) if hidden.is_none() && node.value().is_element() => {
                    let Some(closed) = open.pop() else { continue };
                    links -= usize::from(closed.link);
                    if let Some(part) = closed.part {
                        parts.found[part].measure = closed.measure;
                        parts.found[part].end = parts.found.len();
                        articles -= usize::from(matches!(parts.found[part].kind, Kind::Main | Kind::Article));
                    }
                    match open.last_mut() {
                        Some(outer) => outer.measure.add(closed.measure),
                        None => parts.chars += closed.measure.chars,
                    }
                }
                _ => {}
            }
        }
        parts.has_chrome = parts.found.iter().any(is_chrome);
        parts
    }

    /// The part that the page calls its main one, unless that says little beside the rest.
    fn main(&self) -> Option<usize> {
        let of_kind = |kind| {
            let places = (0..self.found.len()).filter(move |place| self.found[*place].kind == kind);
            places.filter(|place| !self.found[*place].in_article)
        };
        let main = of_kind(Kind::Main).max_by_key(|place| self.found[*place].measure.chars).or_else(|| {
            let mut articles = of_kind(Kind::Article);
            articles.next().filter(|_| articles.next().is_none())
        })?;
        let chars = self.found[main].measure.chars;
        let mut beside = self.chars - chars;
        for (place, part) in self.found.iter().enumerate() {
            let outermost = part.outer.is_none_or(|outer| matches!(self.found[outer].kind, Kind::Links | Kind::Called));
            if outermost && !self.is_inside(main, place) && !self.is_inside(place, main) && is_chrome(part) {
                beside -= part.measure.chars.min(beside);
            }
        }
        let is_named = self.found[main].kind == Kind::Main || chars >= LEFT_CHARS_MIN || beside == 0;
        (chars > 0 && is_named && chars * 2 >= beside).then_some(main)
    }

    /// Whether the one part is the other or stands in it.
    fn is_inside(&self, place: usize, outer: usize) -> bool {
        (outer..self.found[outer].end).contains(&place)
    }

    fn is_in_the_way(&self, part: &Part, has_root: bool, base: usize) -> bool {
        let measure = part.measure;
        if measure.chars * 2 > base || measure.chars == 0 {
            return false;
        }
        match part.kind {
            Kind::Main | Kind::Article => false,
            Kind::Navigation | Kind::PageFooter => true,
            Kind::PageHeader => measure.titles == 0,
            // Inside an article it may be a remark of its author.
            Kind::Aside => !part.in_article || measure.is_linked(4),
            Kind::Form => measure.chars * 10 <= base * 3,
            Kind::Consent => measure.chars <= CONSENT_CHARS_MAX,
            Kind::Called => measure.is_linked(4),
            // Only where the page has shown that it is more than a text, and names no main part.
            Kind::Links => {
                self.has_chrome
                    && !has_root
                    && !part.in_article
                    && measure.links >= LIST_LINKS_MIN
                    && measure.is_linked(8)
                    && measure.chars * 10 <= base * 3
            }
        }
    }
}

fn is_chrome(part: &Part) -> bool {
    !matches!(part.kind, Kind::Main | Kind::Article | Kind::Links | Kind::Called)
}

fn kind_of(element: &Element, in_article: bool) -> Option<Kind> {
    match (element.name(), element.attr("role").unwrap_or_default()) {
        ("html" | "body" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "a" | "p" | "span", _) => None,
        ("main", _) | (_, "main") => Some(Kind::Main),
        ("article", _) => Some(Kind::Article),
        ("nav", _) | (_, "navigation" | "search" | "menu" | "menubar") => Some(Kind::Navigation),
        ("header", _) | (_, "banner") if !in_article => Some(Kind::PageHeader),
        ("footer", _) | (_, "contentinfo") if !in_article => Some(Kind::PageFooter),
        ("aside", _) | (_, "complementary") => Some(Kind::Aside),
        ("form", _) => Some(Kind::Form),
        ("dialog", _) | (_, "dialog" | "alertdialog") => Some(Kind::Consent),
        (name, _) => match called(element) {
            None if matches!(name, "ul" | "ol" | "div" | "td" | "section") => Some(Kind::Links),
            called => called,
        },
    }
}

/// What a class or an id calls an element.
fn called(element: &Element) -> Option<Kind> {
    let names = [element.attr("class"), element.attr("id")];
    let words = || {
        let words = names.iter().flatten().flat_map(|name| name.split(|c: char| !c.is_ascii_alphanumeric()));
        words.map(str::to_ascii_lowercase)
    };
    if words().any(|word| CONSENT_WORDS.contains(&word.as_str())) {
        return Some(Kind::Consent);
    }
    words().any(|word| NAVIGATION_WORDS.contains(&word.as_str())).then_some(Kind::Called)
}
