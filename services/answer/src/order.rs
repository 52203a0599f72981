//! Does a sentence say of one thing what its quote says of the other?
//!
//! Both may hold the same words, and the sentence be wrong:
//!
//! | quote | sentence | |
//! |---|---|---|
//! | Acme bought Bolt. | Bolt bought Acme. Acme was bought by Bolt. | turned round |
//! | 甲公司收购了乙公司。 | 乙公司收购甲公司。甲公司被乙公司收购。 | turned round |
//! | Bo Lind is older than Sam Cole. | Sam Cole is older. | turned round |
//! | It flows from Anlow to Skerrow. | It flows to Anlow. | turned round |
//! | Hale was wounded and Cray was captured. | Hale was captured. | said of another |
//! | Brutus killed Caesar. | Brutus was killed. | said of another |
//!
//! A fragment is read as the sentence that it makes of the question: "Bolt" after "Who bought Acme?" says that Bolt bought
//! Acme.
//!
//! Sought is a run of words of the sentence, the pivot, with one thing in front of it and another behind. Where the quote has
//! both things the other way round of it, in the same voice, or the same way round in the other voice, it says the reverse.
//!
//! Invariants:
//! - Pure. It only finds what is sure: where both are not built alike, by the words of the grammar in front of the thing
//!   behind the pivot, nothing is found.

use std::ops::Range;

use wellspring_core::text::is_cjk;

use crate::terms::{is_chinese_number, is_number, is_one_of, is_stop_character, lemma, terms, words_at};

/// Words between two of whom the same is said.
const JOINTS: &str = "and or nor but und oder et ou y o e 和 与 及 或 跟 同 而";
/// What two are to each other alike, as terms and characters.
const MUTUAL: &str = "marri marry meet play know equal border neighbour adjoin resembl match face opposit besid near next close similar \
    differ distanc far connect link join 距 离 邻 接 壤 婚 连 通 同 似 对 靠 近";
/// Words of the grammar that can part two things in an order that matters.
const PARTING: &str = "to into 到 至";
/// Prepositions behind which a name is no subject.
const PREPOSITIONS: &str = "of in at from on near by with to for into under over 在 于 从 自 对 向 为 给";
/// Words in front of a thing that say nothing of its part.
const DETERMINERS: &str = "a an the this that these those its their his her 了 着 过 这 那 个";
/// Where something comes from, and where it goes.
const FROM: &str = "from 从 自";
const TO: &str = "to into onto 到 至 入 往";
/// Marks of the passive in Chinese.
const PASSIVE: &str = "被 遭";
const BE: &str = "is are was were be been being";
/// Words that begin a clause within another.
const RELATIVES: &str = "who whom whose which that where while when";
/// What puts the parts of a Chinese sentence in another order.
const ARRANGING: &str = "的 为 是 把 将 给 由 让 使 向 所";
/// Who is asked for in Chinese.
const WHO: &[&str] = &["哪一位", "哪位", "谁", "誰"];
/// The longest run of words that stands between two things.
const PIVOT_WORDS_MAX: usize = 4;
/// The longest run of words that names a thing.
const THING_WORDS_MAX: usize = 8;
/// The words of the grammar between a thing and what is said of it.
const LINKS_MAX: usize = 3;
/// A fragment has no more words than this, characters in Chinese.
const FRAGMENT_WORDS_MAX: usize = 12;

/// A text, word by word.
#[derive(Debug)]
pub(crate) struct Words(Vec<Word>);

#[derive(Debug)]
struct Word {
    key: String,
    /// A word of the grammar, that says nothing by itself.
    link: bool,
    number: bool,
    capital: bool,
    /// Whether more than spaces parts it from the word before.
    parted: bool,
}

/// How two things stand to a pivot in a text that holds all three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Same,
    Other,
    /// Sometimes so and sometimes so, or not built alike.
    Unsure,
}

impl Word {
    fn is(&self, list: &str) -> bool {
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

    /// What the sentence says, and what it makes of the question where it may be a fragment.
    pub(crate) fn told_by(sentence: &str, question: &str) -> Vec<Self> {
        let fragment = words_at(sentence).len() <= FRAGMENT_WORDS_MAX;
        let stated = fragment.then(|| statement(question, sentence)).flatten();
        [Some(sentence), stated.as_deref()].into_iter().flatten().map(Self::of).collect()
    }

    /// Whether `quote` says of one thing what this says of another.
    pub(crate) fn are_turned_round_in(&self, quote: &Self) -> bool {
        let starts = 0..self.0.len();
        let pivots = starts.flat_map(|start| (1..=PIVOT_WORDS_MAX).map(move |length| start..start + length));
        let mut pivots = pivots.take_while(|pivot| pivot.start < self.0.len());
        pivots.any(|pivot| self.is_pivot(&pivot) && self.turns_round(&pivot, quote))
            || self.is_done_to_the_doer_of(quote)
            || quote.is_done_to_the_doer_of(self)
            || self.goes_the_other_way_than(quote)
    }

    fn is_pivot(&self, pivot: &Range<usize>) -> bool {
        let Some(words) = self.0.get(pivot.clone()) else { return false };
        let whole = words[1..].iter().all(|word| !word.parted);
        let says = |word: &Word| !word.link && !word.number && !word.is(MUTUAL);
        let parts = words.len() == 1 && words[0].is(PARTING);
        whole && (parts || words.iter().all(says))
    }

    fn turns_round(&self, pivot: &Range<usize>, quote: &Self) -> bool {
        let pivots = quote.all(&self.0[pivot.clone()], 0..quote.0.len());
        let Some(last) = pivots.last() else { return false };
        let fronts = [self.thing_before(pivot.start, quote), self.first_thing(pivot.start, quote)];
        let backs = [self.thing_behind(pivot.end, quote), self.agent(pivot.end, quote)];
        if backs.iter().all(Option::is_none) {
            // "Sam Cole is older" says the same as "Sam Cole is older than Bo Lind".
            let compared = quote.0.get(last.end).is_some_and(|word| word.key == "than");
            let ends = self.0.get(pivot.end).is_none_or(|word| word.parted);
            return compared
                && ends
                && fronts[0].as_ref().is_some_and(|front| {
                    let places = quote.all(&self.0[front.clone()], 0..quote.0.len());
                    let behind =
                        |thing: &Range<usize>| thing.start >= last.end && thing.start <= last.end + 1 + LINKS_MAX;
                    places.iter().all(behind)
                });
        }
        let clauses = quote.clauses();
        let whole = 0..quote.0.len();
        fronts.iter().flatten().any(|front| {
            backs.iter().flatten().any(|back| {
                if self.keys(front) == self.keys(back) || !self.is_plain(pivot, front, back, quote) {
                    return false;
                }
                let way = |scope: &Range<usize>| self.way(pivot, front, back, quote, scope);
                if way(&whole) == Some(Way::Other) {
                    return true;
                }
                let ways: Vec<Way> = clauses.iter().filter_map(way).collect();
                !ways.is_empty() && ways.iter().all(|way| *way == Way::Other)
            })
        })
    }

    /// Whether nothing of this sentence makes the order of its things doubtful.
    fn is_plain(&self, pivot: &Range<usize>, front: &Range<usize>, back: &Range<usize>, quote: &Self) -> bool {
        let between = &self.0[front.end..back.start];
        // What is older one way round is younger the other, and what lies to the north lies to the south.
        let rest = self.0[back.end..].iter().take_while(|word| !word.parted);
        let mut rest = rest.filter(|word| !word.link && !word.number);
        let parts = self.0[pivot.clone()].iter().all(|word| word.is(PARTING));
        let is_mutual = |words: &[Word]| words.iter().any(|word| word.is(MUTUAL));
        !between.iter().any(|word| word.is(JOINTS))
            && rest.all(|word| quote.0.iter().any(|other| other.key == word.key))
            && !(parts && (is_mutual(&self.0) || is_mutual(&quote.0)))
    }

    /// How front and back of this sentence stand to the pivot in a part of the quote; `None` where it lacks one of them.
    fn way(
        &self,
        pivot: &Range<usize>,
        front: &Range<usize>,
        back: &Range<usize>,
        quote: &Self,
        scope: &Range<usize>,
    ) -> Option<Way> {
        let all = |thing: &Range<usize>| quote.all(&self.0[thing.clone()], scope.clone());
        let (pivots, fronts, backs) = (all(pivot), all(front), all(back));
        let (first, last) = (pivots.first()?, pivots.last()?);
        let (one, other) = (fronts.first()?, backs.first()?);
        let before = |things: &[Range<usize>]| things.iter().all(|thing| thing.end <= first.start);
        let behind = |things: &[Range<usize>]| things.iter().all(|thing| thing.start >= last.end);
        let between = &quote.0[one.end.min(other.end)..one.start.max(other.start).max(one.end.min(other.end))];
        if between.iter().any(|word| word.is(JOINTS) || word.is(MUTUAL)) {
            return Some(Way::Unsure);
        }
        if behind(&fronts) && before(&backs) {
            let alike = self.role(back) == quote.role(one);
            return Some(if alike { Way::Other } else { Way::Unsure });
        }
        if before(&fronts) && behind(&backs) {
            let (ours, theirs) = (self.role(back), quote.role(other));
            let (passive, active) = (["by"].as_slice(), <[&str]>::is_empty);
            // "Acme was bought by Bolt" has the order of "Acme bought Bolt" and says the reverse.
            let reverse = (ours == passive && active(&theirs) && !quote.is_after_be(first.start))
                || (theirs == passive && active(&ours) && !self.is_after_be(pivot.start));
            return Some(if reverse { Way::Other } else { Way::Same });
        }
        Some(Way::Unsure)
    }

    /// Which words of the grammar stand right in front of a thing and say what part it has.
    fn role(&self, thing: &Range<usize>) -> Vec<&str> {
        let before = self.0[..thing.start].iter().enumerate().rev();
        let links = before.take_while(|(at, word)| word.link && (*at + 1 == thing.start || !self.0[at + 1].parted));
        let mut found: Vec<&str> =
            links.map(|(_, word)| word.key.as_str()).filter(|key| !is_one_of(key, DETERMINERS)).collect();
        found.sort_unstable();
        found
    }

    /// Whether a form of "be" stands among the words of the grammar right in front of a place.
    fn is_after_be(&self, at: usize) -> bool {
        self.0[..at].iter().rev().take_while(|word| word.link).any(|word| word.is(BE))
    }

    /// Whether this says in the passive, 甲被乙打, that the one is done what in `other` it does to the one: 甲打乙.
    fn is_done_to_the_doer_of(&self, other: &Self) -> bool {
        if other.0.iter().any(|word| word.is(PASSIVE)) {
            return false;
        }
        let marks = (1..self.0.len()).filter(|&at| self.0[at].is(PASSIVE));
        marks.into_iter().any(|mark| {
            let whole = || 0..other.0.len();
            let doers = self.thing_behind(mark + 1, other);
            let done = [self.thing_before(mark, other), self.first_thing(mark, other)];
            let Some(doer) = doers else { return false };
            let deeds = (1..=2).rev().map(|length| doer.end..doer.end + length);
            let deed = deeds.into_iter().find_map(|deed| {
                let words = self.0.get(deed).filter(|words| words.iter().all(|word| !word.link && !word.parted))?;
                Some(other.all(words, whole())).filter(|places| !places.is_empty())
            });
            let Some(deed) = deed else { return false };
            let (first, last) = (deed[0].start, deed[deed.len() - 1].end);
            let doer = other.all(&self.0[doer], whole());
            done.into_iter().flatten().any(|done| {
                let done = other.all(&self.0[done], whole());
                doer.iter().all(|doer| doer.start >= last) && done.iter().all(|done| done.end <= first)
            })
        })
    }

    /// Whether this lets something go where `quote` lets it come from, or the other way round.
    fn goes_the_other_way_than(&self, quote: &Self) -> bool {
        if self.0.iter().chain(&quote.0).any(|word| word.is(MUTUAL)) {
            return false;
        }
        let way = |words: &Self, thing: &Range<usize>| {
            let before = words.0[..thing.start].iter().rev().find(|word| !word.is(DETERMINERS));
            before.map(|word| (word.is(FROM), word.is(TO)))
        };
        (1..self.0.len()).any(|at| {
            let ours = (self.0[at - 1].is(FROM), self.0[at - 1].is(TO));
            if ours == (false, false) {
                return false;
            }
            let Some(thing) = self.thing_behind(at, quote) else { return false };
            let theirs = quote.all(&self.0[thing], 0..quote.0.len());
            let theirs: Vec<(bool, bool)> = theirs.iter().filter_map(|thing| way(quote, thing)).collect();
            theirs.contains(&(ours.1, ours.0)) && !theirs.contains(&ours)
        })
    }

    /// Whether this says of a name right before its verb what `quote` says of another name only, or has it done to the one
    /// that does it there.
    pub(crate) fn are_said_of_another_in(&self, quote: &Self) -> bool {
        let verbs = (1..self.0.len()).filter(|&at| {
            let word = &self.0[at];
            !word.link && !word.number && !word.capital && !word.is(MUTUAL)
        });
        verbs.into_iter().any(|verb| {
            let Some(name) = self.name_before(verb) else { return false };
            let name = &self.0[name];
            let told = quote.all(&self.0[verb..=verb], 0..quote.0.len());
            let known = name.last().is_some_and(|last| quote.0.iter().any(|word| word.key == last.key));
            let passive = self.is_after_be(verb);
            let has = |theirs: &Range<usize>| {
                quote.0[theirs.clone()].iter().any(|word| name.iter().any(|ours| ours.key == word.key))
            };
            let of_another = |told: &Range<usize>| {
                let theirs = quote.name_before(told.start);
                theirs.is_some_and(|theirs| match (has(&theirs), quote.is_after_be(told.start) == passive) {
                    (same, true) => !same,
                    // "Brutus was killed" is not what "Brutus killed Caesar" says.
                    (same, false) => same && passive && quote.has_object(told.end),
                })
            };
            known && !told.is_empty() && told.iter().all(of_another)
        })
    }

    /// Whether a thing stands right behind a place.
    fn has_object(&self, at: usize) -> bool {
        let next = self.0[at..].iter().find(|word| !word.is(DETERMINERS));
        next.is_some_and(|word| !word.link && !word.number && !word.parted)
    }

    /// The run of capitals right before a word, but for words of the grammar; `None` where it may be no subject, or not
    /// the only one.
    fn name_before(&self, at: usize) -> Option<Range<usize>> {
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
    fn thing_before(&self, at: usize, quote: &Self) -> Option<Range<usize>> {
        let end = self.skip_links_before(at)?;
        let longest = (1..=THING_WORDS_MAX.min(end)).map(|length| end - length..end);
        let held = longest.take_while(|thing| self.is_whole(thing) && quote.holds(&self.0[thing.clone()]));
        held.last().filter(|thing| self.names_something(thing))
    }

    /// What the clause of `at` begins with, the same way, where that may be its subject.
    fn first_thing(&self, at: usize, quote: &Self) -> Option<Range<usize>> {
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
    fn thing_behind(&self, at: usize, quote: &Self) -> Option<Range<usize>> {
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
    fn agent(&self, at: usize, quote: &Self) -> Option<Range<usize>> {
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

    fn keys(&self, range: &Range<usize>) -> Vec<&str> {
        self.0[range.clone()].iter().map(|word| word.key.as_str()).collect()
    }

    /// The parts between marks.
    fn clauses(&self) -> Vec<Range<usize>> {
        let starts = (0..self.0.len()).filter(|&at| at == 0 || self.0[at].parted);
        let mut starts: Vec<usize> = starts.collect();
        starts.push(self.0.len());
        starts.windows(2).map(|pair| pair[0]..pair[1]).collect()
    }

    fn holds(&self, run: &[Word]) -> bool {
        !self.all(run, 0..self.0.len()).is_empty()
    }

    /// Where a run of words occurs within a part.
    fn all(&self, run: &[Word], scope: Range<usize>) -> Vec<Range<usize>> {
        let same = |window: &[Word]| window.iter().zip(run).all(|(one, other)| one.key == other.key);
        let windows = self.0[scope.clone()].windows(run.len().max(1)).enumerate();
        let found = windows.filter(|(_, window)| same(window));
        found.map(|(at, _)| scope.start + at..scope.start + at + run.len()).collect()
    }
}

/// Whether a sentence tells whom the named one did it to, where a Chinese question asks who did it to them, or the other way
/// round: 谁收购了安科公司？ is not answered by 安科公司收购了博特公司.
pub(crate) fn is_asked_the_other_way(question: &str, sentence: &str) -> bool {
    let asked = question.split(['，', '？', '?', ',']).next().unwrap_or_default();
    let Some((front, back)) = WHO.iter().find_map(|who| asked.split_once(who)) else { return false };
    let (named, told) = (Words::of(&[front, back].concat()), Words::of(sentence));
    let is_unsure = |word: &Word| word.is(PASSIVE) || word.is(MUTUAL) || word.is(ARRANGING);
    if named.0.iter().chain(&told.0).any(is_unsure) {
        return false;
    }
    let (asks_doer, asks_done) = (front.trim().is_empty(), back.trim().is_empty());
    let pivots = (0..named.0.len()).flat_map(|start| (1..=2).map(move |length| start..start + length));
    let mut pivots =
        pivots.filter(|pivot| named.is_pivot(pivot) && named.0[pivot.clone()].iter().all(|word| !word.parted));
    pivots.any(|pivot| {
        let deeds = told.all(&named.0[pivot.clone()], 0..told.0.len());
        let (Some(first), Some(last)) = (deeds.first(), deeds.last()) else { return false };
        let places = |thing: Option<Range<usize>>| thing.map(|thing| told.all(&named.0[thing], 0..told.0.len()));
        if asks_doer && pivot.start == 0 {
            let done = places(named.thing_behind(pivot.end, &told));
            done.is_some_and(|done| done.iter().all(|thing| thing.end <= first.start)) && told.has_object(last.end)
        } else if asks_done && named.0[pivot.end..].iter().all(|word| word.link) {
            let doer = places(named.thing_before(pivot.start, &told));
            doer.is_some_and(|doer| doer.iter().all(|thing| thing.start >= last.end)) && first.start > 0
        } else {
            false
        }
    })
}

/// What a fragment says as the answer to a question for a person or a thing; `None` for a question of another build, and
/// where it says itself what the question asks.
fn statement(question: &str, fragment: &str) -> Option<String> {
    const VERBS: &str = "is are was were has have had will can does did do";
    let asked = question.split([',', '?', '，', '？']).next()?.trim();
    let fragment = fragment.trim().trim_end_matches(['.', '。']);
    if let Some((front, back)) = WHO.iter().find_map(|who| asked.split_once(who)) {
        let says_itself = front.chars().last().into_iter().chain(back.chars().next()).any(|c| fragment.contains(c));
        return (!says_itself).then(|| format!("{front}{fragment}{back}"));
    }
    let words: Vec<&str> = asked.split_whitespace().collect();
    let start = match words.first()?.to_lowercase().as_str() {
        "who" => 1,
        "which" | "what" => words.iter().position(|word| is_one_of(word, VERBS))?,
        _ => return None,
    };
    let rest = words.get(start..)?;
    // "Who did Acme buy?" asks for whom it is done to.
    if rest.first().is_none_or(|verb| is_one_of(verb, "does did do")) {
        return None;
    }
    let verb = rest.iter().flat_map(|word| terms(word)).next()?;
    let says_itself = fragment.split_whitespace().any(|word| is_one_of(word, VERBS) || terms(word).contains(&verb));
    (!says_itself).then(|| format!("{fragment} {}", rest.join(" ")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_turned(question: &str, sentence: &str, quote: &str) -> bool {
        Words::told_by(sentence, question).iter().any(|told| told.are_turned_round_in(&Words::of(quote)))
    }

    fn is_of_another(question: &str, sentence: &str, quote: &str) -> bool {
        Words::told_by(sentence, question).iter().any(|told| told.are_said_of_another_in(&Words::of(quote)))
    }

    const HIGHER: &str = "Mount Ara is higher than Mount Bel, but Mount Bel is older than Mount Ara.";
    const COMMITTEE: &str = "The committee, chaired by Mara Holt, rejected the plan of Otto Pell.";
    const TALLER: &str = "Emil Falk is taller than Georg Haas, and Georg Haas is taller than Ida Jung.";

    #[test]
    fn what_is_turned_round_is_found() {
        for (question, sentence, quote) in [
            ("Who bought whom?", "Bolt bought Acme.", "In 2015 Acme bought Bolt for 3 million euros."),
            ("What happened?", "Bolt was bought by Acme.", "Acme was bought by Bolt."),
            ("Who is older?", "Sam Cole is older than Bo Lind.", "Bo Lind is three years older than Sam Cole."),
            ("Who is older, Bo Lind or Sam Cole?", "Sam Cole", "Bo Lind is older than Sam Cole."),
            ("Which boat is longer?", "The Otter is longer.", "The Heron is longer than the Otter."),
            ("Who is whose father?", "Bo Lind is the father of Sam Cole.", "Sam Cole is the father of Bo Lind."),
            ("Where does it go?", "It goes from Skerrow to Anlow.", "The boat goes from Anlow to Skerrow at 8:00."),
            ("What did Acme do?", "Acme was bought by Bolt in 2019.", "Acme bought Bolt in 2019."),
            ("What did Acme do?", "Acme has been bought in 2019 by Bolt.", "Acme bought Bolt in 2019."),
            (
                "What of Acme?",
                "Bolt bought Acme.",
                "Acme was bought in 2019 by the Crane company, and Acme bought Bolt.",
            ),
            ("What happened?", "The lion was eaten by the zebra.", "The lion ate the zebra near the lake."),
            (
                "What happened?",
                "Nils Rohde was arrested by Jan Kolb in Bremen in 2004.",
                "Police officer Nils Rohde arrested the thief Jan Kolb in Bremen in 2004.",
            ),
            ("Which is higher?", "Mount Bel is higher than Mount Ara.", HIGHER),
            ("Which is older?", "Mount Ara is older than Mount Bel.", HIGHER),
            ("Who is taller, Emil Falk or Georg Haas?", "Georg Haas is taller than Emil Falk.", TALLER),
            ("Where?", "The Gar flows into the Fen.", "The Fen flows into the Gar, and the Gar flows into Lake Cor."),
            (
                "Where?",
                "The Red River flows from Sudland into Norland.",
                "The Red River flows from Norland into Sudland.",
            ),
            ("Where does it come from?", "From Sudland.", "The Red River flows from Norland into Sudland."),
            ("Where was it moved?", "To Bonn.", "Viktor Lang moved Delta from Bonn to Kiel."),
            ("流入哪里？", "紅河流入北國。", "紅河從北國流入南國。"),
            ("发生了什么？", "安科公司被博特公司收购。", "2019年，安科公司收购了博特公司。"),
            ("发生了什么？", "将军在科林被海军上将击败。", "将军在科林击败了海军上将。"),
            ("发生了什么？", "市长被陈浩表扬了。", "市长表扬了陈浩。"),
            ("发生了什么？", "安科公司收购了博特公司。", "安科公司被博特公司收购。"),
            ("谁收购了谁？", "乙公司收购甲公司。", "2015年，甲公司以三亿元收购了乙公司。"),
            ("谁大？", "刘洋比张伟大五岁。", "张伟比刘洋大五岁。"),
            ("谁比张伟大？", "刘洋", "张伟比刘洋大五岁。"),
            ("誰打敗了誰？", "藍隊擊敗紅隊。", "決賽中紅隊以三比一擊敗了藍隊。"),
        ] {
            assert!(is_turned(question, sentence, quote), "{sentence} {quote}");
            assert!(!is_turned("What happened?", quote, quote), "{quote}");
        }
    }

    #[test]
    fn another_order_of_the_same_is_left_alone() {
        for (question, sentence, quote) in [
            ("Who built it?", "The bridge was built by Ida Berg.", "Ida Berg built the bridge."),
            ("What is the capital?", "Oslo is the capital of Norway.", "Norway's capital is Oslo."),
            ("What is the capital?", "The capital of Norway is Oslo.", "Oslo is the capital of Norway."),
            ("Who married Per?", "Per Holm married Ida Berg.", "Ida Berg married Per Holm in 1990."),
            ("When does it open?", "On Monday the museum opens.", "The museum opens on Monday."),
            ("Which animals?", "Birds, dogs and cats are allowed.", "Cats, dogs and birds are allowed."),
            ("Who is older, Bo Lind or Sam Cole?", "Bo Lind", "Bo Lind is older than Sam Cole."),
            ("Who designed the bridge?", "Ida Berg", "The bridge was designed by Ida Berg."),
            ("What did Acme do?", "Bolt was bought by Acme in 2019.", "Acme bought Bolt in 2019."),
            ("What happened?", "Caesar was killed by Brutus in Rome.", "Brutus killed Caesar in Rome."),
            ("What happened?", "The zebra was eaten by the lion.", "The lion ate the zebra near the lake."),
            (
                "What happened to Jan Kolb?",
                "Jan Kolb was arrested by Nils Rohde in Bremen.",
                "Police officer Nils Rohde arrested the thief Jan Kolb in Bremen in 2004.",
            ),
            (
                "What of Vega?",
                "Vega was sued by Orion over a patent.",
                "The company Orion sued the company Vega over a patent.",
            ),
            ("Which is higher?", "Mount Ara is higher than Mount Bel.", HIGHER),
            ("Which is older?", "Mount Bel is older than Mount Ara.", HIGHER),
            ("Who is taller?", "Georg Haas is taller than Ida Jung.", TALLER),
            ("Who rejected it?", "The plan of Otto Pell was rejected by the committee.", COMMITTEE),
            ("Who rejected it?", "Otto Pell's plan was rejected by the committee.", COMMITTEE),
            ("Who rejected it?", "The committee rejected the plan of Otto Pell.", COMMITTEE),
            (
                "What does Bolt make?",
                "Bolt, which Acme bought in 2019, makes screws in Leeds.",
                "Acme bought Bolt in 2019. Bolt makes screws in Leeds.",
            ),
            (
                "Where?",
                "At Corran the admiral was defeated by the general.",
                "The general defeated the admiral at Corran.",
            ),
            (
                "Who designed it?",
                "The tunnel was designed by Per Berg.",
                "The tunnel was designed and built by Per Berg in 1931.",
            ),
            ("Where does it go?", "To Sudland.", "The Red River flows from Norland into Sudland."),
            ("Where?", "It goes to Kiel from Bonn.", "Viktor Lang moved Delta from Bonn to Kiel."),
            ("What of it?", "On Sunday the ferry carries cars in Anlow.", "In Anlow the ferry carries cars on Sunday."),
            ("When?", "The museum was opened in 1990 by the mayor.", "The mayor opened the museum in 1990."),
            ("发生了什么？", "博特公司被安科公司收购。", "2019年，安科公司收购了博特公司。"),
            ("发生了什么？", "海军上将在科林被将军击败。", "将军在科林击败了海军上将。"),
            ("发生了什么？", "安科公司收购了生产螺丝的博特公司。", "安科公司收购了博特公司。博特公司生产螺丝。"),
            ("教？", "李明的钢琴是张伟教的。", "张伟教李明弹钢琴。"),
            ("谁设计的？", "南桥的设计者是陈浩。", "工程师陈浩设计了南桥。"),
            ("出口？", "木材由北國出口到南國。", "北國向南國出口木材。"),
            ("割让？", "根據條約，狄島割讓給了北國。", "根據條約，南國把狄島割讓給北國。"),
            ("谁？", "工程师陈浩得到了市长的表扬。", "市长表扬了工程师陈浩。"),
            ("谁？", "学校给周洁颁了奖学金。", "周洁获得了学校颁的奖学金。"),
            ("Who is it?", "The museum director is Ines Okonjo.", "Ines Okonjo is director at the museum."),
            (
                "How far?",
                "It is 640 m from Anlow to Skerrow, a short distance.",
                "The distance from Skerrow to Anlow is 640 m.",
            ),
            ("Where?", "The school lies opposite the church.", "The church lies opposite the school."),
            ("What happened?", "Hale captured Anlow.", "Hale defeated Cray and captured Anlow."),
            ("What happened?", "Hale was captured.", "Hale who succeeded Cray was captured."),
            ("What happened?", "Hale sold it.", "Hale bought the mill from Cray and sold it."),
            ("谁大？", "刘洋比张伟小五岁。", "张伟比刘洋大五岁。"),
            ("在哪？", "安洛位于斯凯罗以东。", "斯凯罗位于安洛以西。"),
            ("馆长？", "博物馆馆长是李明。", "李明是博物馆的馆长。"),
            ("谁修建了长城？", "秦始皇", "长城由秦始皇修建。"),
            ("谁设计了大桥？", "李明", "大桥的设计者是李明。"),
            ("首都？", "挪威的首都是奥斯陆。", "奥斯陆是挪威的首都。"),
            ("多远？", "北京距上海1200公里。", "上海距北京1200公里。"),
            ("谁？", "乙队被甲队击败。", "甲队击败乙队。"),
        ] {
            assert!(!is_turned(question, sentence, quote), "{sentence} {quote}");
            assert!(!is_of_another(question, sentence, quote), "{sentence} {quote}");
        }
    }

    #[test]
    fn a_chinese_question_for_the_doer_is_not_answered_by_what_the_named_one_did() {
        let bought = "2019年，安科公司收购了博特公司。";
        for (question, sentence, other) in [
            ("谁收购了安科公司？", bought, true),
            ("谁收购了博特公司？", bought, false),
            ("博特公司收购了谁？", bought, true),
            ("安科公司收购了谁？", bought, false),
            ("誰打敗了李明？", "李明打敗了王剛。", true),
            ("誰打敗了王剛？", "李明打敗了王剛。", false),
            ("谁收购了博特公司？", "博特公司被安科公司收购。", false),
            ("谁创办了公司？", "公司由玛吉特·哈洛伦于1887年4月14日创办。", false),
            ("將權利指派給王子們的人為誰？", "賈漢沙將權利指派給王子們。", false),
            ("馆长是谁？", "馆长李明于2019年上任。", false),
            ("谁是馆长？", "李明是馆长。", false),
        ] {
            assert_eq!(is_asked_the_other_way(question, sentence), other, "{question} {sentence}");
        }
    }

    #[test]
    fn what_is_said_of_another_name_is_found() {
        let quote = "Colonel Hale was wounded and Captain Cray was captured.";
        assert!(is_of_another("What happened?", "Hale was captured.", quote));
        assert!(is_of_another("Who was captured?", "Colonel Hale", "Hale was wounded; Cray was captured."));
        assert!(is_of_another("What happened?", "Brutus was killed in Rome.", "Brutus killed Caesar in Rome."));
        assert!(is_of_another("What of Hale?", "Hale was captured.", "Hale's brother Cray was captured."));
        for (sentence, quote) in [
            ("Cray was captured.", quote),
            ("Hale was captured.", "Hale and Cray were captured."),
            ("Hale was captured.", "Hale, Bond and Cray were captured."),
            ("Hale was captured.", "Hale, son of Cray, was captured."),
            ("Hale was captured.", "Hale was wounded, and later he was captured."),
            ("Hale was captured.", "The commander of Anlow was captured; his name was Hale."),
        ] {
            assert!(!is_of_another("What happened?", sentence, quote), "{sentence} {quote}");
        }
    }

    proptest! {
        #[test]
        fn any_texts_are_compared(sentence in "([a-cA-C]|[甲乙被与]| |,|to|by|1){0,14}", quote in ".{0,30}|[a-cA-C 甲乙被与,.]{0,20}") {
            let quoted = Words::of(&quote);
            for said in Words::told_by(&sentence, "Who is a?") {
                let _ = (said.are_turned_round_in(&quoted), said.are_said_of_another_in(&quoted));
            }
            prop_assert!(!Words::of(&quote).are_turned_round_in(&quoted));
        }
    }
}
