//! What stands where in a sentence: its things, its names, and the words of the grammar between them.
//!
//! Invariants:
//! - Pure. A thing is what another text holds too, in one piece: nothing marks where a Chinese word ends.

use std::ops::Range;

use wellspring_core::text::is_cjk;

use crate::terms::{is_chinese_number, is_number, is_one_of, is_stop_character, lemma, terms, words_at};

/// Words between two of whom the same is said.
pub(super) const JOINTS: &str = "and or nor but und oder et ou y o e 和 与 及 或 跟 同 而";
/// Prepositions behind which a name is no subject.
const PREPOSITIONS: &str = "of in at from on near by with to for into under over 在 于 从 自 对 向 为 给";
/// Words in front of a thing that say nothing of its part.
pub(super) const DETERMINERS: &str = "a an the this that these those its their his her 了 着 过 这 那 个";
const BE: &str = "is are was were be been being";
/// Words that begin a clause within another.
const RELATIVES: &str = "who whom whose which that where while when";
/// The longest run of words that names a thing.
const THING_WORDS_MAX: usize = 8;
/// The words of the grammar between a thing and what is said of it.
pub(super) const LINKS_MAX: usize = 3;

/// A text, word by word.
#[derive(Debug)]
pub(crate) struct Words(pub(super) Vec<Word>);

#[derive(Debug)]
pub(super) struct Word {
    pub(super) key: String,
    /// A word of the grammar, that says nothing by itself.
    pub(super) link: bool,
    pub(super) number: bool,
    pub(super) capital: bool,
    /// Whether more than spaces parts it from the word before.
    pub(super) parted: bool,
}

impl Word {
    pub(super) fn is(&self, list: &str) -> bool {
        is_one_of(&self.key, list)
    }
}

impl Words {
    /// Takes a text apart.
    pub(crate) fn of(text: &str) -> Self {
        const ASPECTS: &str = "了着过";
        let mut end = 0;
        let read = words_at(text).into_iter().map(|(word, range)| {
            let parted = text[end..range.start].chars().any(|c| !c.is_whitespace());
            end = range.end;
            let character = word.chars().next().filter(|&c| is_cjk(c));
            let term = terms(&word).into_iter().next();
            Word {
                link: match character {
                    Some(c) => is_stop_character(c) || ASPECTS.contains(c),
                    None => term.is_none(),
                },
                number: is_number(&word) || is_chinese_number(&word),
                capital: text[range].starts_with(char::is_uppercase),
                parted,
                key: lemma(&word).map(str::to_owned).or(term).unwrap_or(word),
            }
        });
        Self(read.collect())
    }

    /// Which words of the grammar stand right in front of a thing and say what part it has.
    pub(super) fn role(&self, thing: &Range<usize>) -> Vec<&str> {
        let before = self.0[..thing.start].iter().enumerate().rev();
        let links = before.take_while(|(at, word)| word.link && (*at + 1 == thing.start || !self.0[at + 1].parted));
        let mut found: Vec<&str> =
            links.map(|(_, word)| word.key.as_str()).filter(|key| !is_one_of(key, DETERMINERS)).collect();
        found.sort_unstable();
        found
    }

    /// Whether a form of "be" stands among the words of the grammar right in front of a place.
    pub(super) fn is_after_be(&self, at: usize) -> bool {
        self.0[..at].iter().rev().take_while(|word| word.link).any(|word| word.is(BE))
    }

    /// Whether a thing stands right behind a place.
    pub(super) fn has_object(&self, at: usize) -> bool {
        let next = self.0[at..].iter().find(|word| !word.is(DETERMINERS));
        next.is_some_and(|word| !word.link && !word.number && !word.parted)
    }

    /// The run of capitals right before a word, but for words of the grammar; `None` where it may be no subject, or not
    /// the only one.
    pub(super) fn name_before(&self, at: usize) -> Option<Range<usize>> {
        let end = self.skip_links_before(at)?;
        let clause = |word: &Word| word.is(RELATIVES);
        // Of "Hale defeated Cray and captured Anlow" the verb is Hale's.
        if self.0[end..at].iter().any(|word| word.is(JOINTS)) || self.0[..at].iter().any(clause) {
            return None;
        }
        let capitals = self.0[..end].iter().rev().take_while(|word| word.capital && !word.link);
        // A run may begin behind a mark, and not go on beyond it.
        let mut start = end;
        for word in capitals {
            start -= 1;
            if word.parted {
                break;
            }
        }
        let before = start.checked_sub(1).map(|before| &self.0[before]);
        let joined = before.is_some_and(|word| word.is(JOINTS))
            && start.checked_sub(2).is_some_and(|other| self.0[other].capital);
        let dependent = before.is_some_and(|word| word.is(PREPOSITIONS));
        let listed = self.0.get(start).is_some_and(|word| word.parted) && before.is_some_and(|word| word.capital);
        (start < end && !joined && !dependent && !listed).then_some(start..end)
    }

    /// What is named right before `at`, as far as `quote` holds it in one piece.
    pub(super) fn thing_before(&self, at: usize, quote: &Self) -> Option<Range<usize>> {
        let end = self.skip_links_before(at)?;
        let longest = (1..=THING_WORDS_MAX.min(end)).map(|length| end - length..end);
        let held = longest.take_while(|thing| self.is_whole(thing) && quote.holds(&self.0[thing.clone()]));
        held.last().filter(|thing| self.names_something(thing))
    }

    /// What the clause of `at` begins with, the same way, where that may be its subject.
    pub(super) fn first_thing(&self, at: usize, quote: &Self) -> Option<Range<usize>> {
        let clause = (0..=at.min(self.0.len() - 1)).rev().find(|&start| start == 0 || self.0[start].parted)?;
        let start = clause + self.0[clause..at].iter().take_while(|word| word.link).count();
        if self.0[clause..start].iter().any(|word| word.is(PREPOSITIONS)) {
            return None;
        }
        let longest = (1..=THING_WORDS_MAX).map(|length| start..start + length).take_while(|thing| thing.end <= at);
        let held = longest.take_while(|thing| self.is_whole(thing) && quote.holds(&self.0[thing.clone()]));
        held.last().filter(|thing| self.names_something(thing))
    }

    /// What is named right behind `at`, the same way.
    pub(super) fn thing_behind(&self, at: usize, quote: &Self) -> Option<Range<usize>> {
        let skipped = self.0.get(at..)?.iter().take(LINKS_MAX).take_while(|word| !word.parted && word.link).count();
        let start = at + skipped;
        if self.0.get(start).is_none_or(|word| word.parted) {
            return None;
        }
        let longest = (1..=THING_WORDS_MAX).map(|length| start..start + length);
        let held = longest.take_while(|thing| {
            self.is_whole(thing) && self.0.get(thing.clone()).is_some_and(|words| quote.holds(words))
        });
        held.last().filter(|thing| self.names_something(thing))
    }

    /// Who does it, behind "by" in the clause of `at`.
    pub(super) fn agent(&self, at: usize, quote: &Self) -> Option<Range<usize>> {
        let clause = self.0.get(at..)?.iter().take_while(|word| !word.parted);
        let by = at + clause.enumerate().find(|(_, word)| word.key == "by")?.0;
        self.thing_behind(by + 1, quote)
    }

    /// Where the words of the grammar before `at` begin; `None` where a mark stands between.
    fn skip_links_before(&self, at: usize) -> Option<usize> {
        let mut end = at;
        while end > 0 && at - end < LINKS_MAX && !self.0[end].parted && self.0[end - 1].link {
            end -= 1;
        }
        (end > 0 && !self.0[end].parted).then_some(end)
    }

    fn is_whole(&self, thing: &Range<usize>) -> bool {
        self.0.get(thing.start + 1..thing.end).is_some_and(|words| words.iter().all(|word| !word.parted))
    }

    /// Whether a run of words names something: a word of its own, or two Chinese characters, and no mere number.
    fn names_something(&self, thing: &Range<usize>) -> bool {
        let telling = self.0[thing.clone()].iter().filter(|word| !word.link && !word.number);
        let weight = |word: &Word| if word.key.starts_with(is_cjk) { 1 } else { 2 };
        telling.map(weight).sum::<usize>() >= 2
    }

    pub(super) fn keys(&self, range: &Range<usize>) -> Vec<&str> {
        self.0[range.clone()].iter().map(|word| word.key.as_str()).collect()
    }

    /// The parts between marks.
    pub(super) fn clauses(&self) -> Vec<Range<usize>> {
        let starts = (0..self.0.len()).filter(|&at| at == 0 || self.0[at].parted);
        let mut starts: Vec<usize> = starts.collect();
        starts.push(self.0.len());
        starts.windows(2).map(|pair| pair[0]..pair[1]).collect()
    }

    pub(super) fn holds(&self, run: &[Word]) -> bool {
        !self.all(run, 0..self.0.len()).is_empty()
    }

    /// Where a run of words occurs within a part.
    pub(super) fn all(&self, run: &[Word], scope: Range<usize>) -> Vec<Range<usize>> {
        let same = |window: &[Word]| window.iter().zip(run).all(|(one, other)| one.key == other.key);
        let windows = self.0[scope.clone()].windows(run.len().max(1)).enumerate();
        let found = windows.filter(|(_, window)| same(window));
        found.map(|(at, _)| scope.start + at..scope.start + at + run.len()).collect()
    }
}
