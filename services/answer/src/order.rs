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

mod words;

use std::ops::Range;

use self::words::{DETERMINERS, JOINTS, LINKS_MAX, Word};
use crate::terms::{is_one_of, terms, words_at};

pub(crate) use self::words::Words;

/// What two are to each other alike, as terms and characters.
const MUTUAL: &str = "marri marry meet play know equal border neighbour adjoin resembl match face opposit besid near next close similar \
    differ distanc far connect link join 距 离 邻 接 壤 婚 连 通 同 似 对 靠 近";
/// Words of the grammar that can part two things in an order that matters.
const PARTING: &str = "to into 到 至";
/// What is as far one way as the other.
const DISTANT: &str = "distanc far connect link join between 距 离 连 通";
/// Where something comes from or begins, and where it goes or ends.
const FROM: &str = "from since von ab seit 从 自";
const TO: &str = "to into onto until till bis nach 到 至 入 往";
/// Marks of the passive in Chinese.
const PASSIVE: &str = "被 遭";
/// What puts the parts of a Chinese sentence in another order.
const ARRANGING: &str = "的 为 是 把 将 给 由 让 使 向 所";
/// Who is asked for in Chinese.
const WHO: &[&str] = &["哪一位", "哪位", "谁", "誰"];
/// The longest run of words that stands between two things.
const PIVOT_WORDS_MAX: usize = 4;
/// A fragment has no more words than this, characters in Chinese.
const FRAGMENT_WORDS_MAX: usize = 12;

/// How two things stand to a pivot in a text that holds all three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Same,
    Other,
    /// Sometimes so and sometimes so, or not built alike.
    Unsure,
}

impl Words {
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

    /// Whether this lets something go where `quote` lets it come from, or the other way round: places, times and amounts.
    fn goes_the_other_way_than(&self, quote: &Self) -> bool {
        if self.0.iter().chain(&quote.0).any(|word| word.is(DISTANT)) {
            return false;
        }
        let way = |words: &Self, at: usize| {
            let before = words.0[..at].iter().rev().find(|word| !word.is(DETERMINERS));
            before.map_or((false, false), |word| (word.is(FROM), word.is(TO)))
        };
        (1..self.0.len()).filter(|&at| !self.0[at].link || self.0[at].number).any(|at| {
            let ours = way(self, at);
            let places = (0..quote.0.len()).filter(|&place| quote.0[place].key == self.0[at].key);
            let theirs: Vec<(bool, bool)> = places.map(|place| way(quote, place)).collect();
            ours.0 != ours.1 && theirs.contains(&(ours.1, ours.0)) && !theirs.contains(&ours)
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
mod tests;
