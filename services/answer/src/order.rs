//! Does a sentence say of one thing what its quote says of the other?
//!
//! Both may hold the same words, and the sentence be wrong:
//!
//! | quote | sentence | |
//! |---|---|---|
//! | Acme bought Bolt. | Bolt bought Acme. | turned round |
//! | 甲公司收购了乙公司。 | 乙公司收购甲公司。 | turned round |
//! | Bo Lind is older than Sam Cole. | Sam Cole is older. | turned round |
//! | Hale was wounded and Cray was captured. | Hale was captured. | said of another |
//!
//! A fragment is read as the sentence that it makes of the question: "Bolt" after "Who bought Acme?" says that Bolt bought
//! Acme.
//!
//! Invariants:
//! - Pure. It only finds what is sure: where both are not built alike, by prepositions and marks of the passive, nothing is
//!   found.

use std::ops::Range;

use wellspring_core::text::is_cjk;

use crate::roles::lemma;
use crate::terms::{is_chinese_number, is_number, is_one_of, is_stop_character, terms, words_at};

/// Words that tell who does it to whom, or what belongs to what: sentences that differ in them are not built alike.
const MARKS: &str =
    "by of s from to for with at in on under over into as von durch par por da 被 由 给 把 让 受 遭 向 从 于 的";
/// Words between two of whom the same is said.
const JOINTS: &str = "and or nor und oder et ou y o e 和 与 及 或 跟 同";
/// What two are to each other alike, as terms and characters.
const MUTUAL: &str = "marri marry meet play know equal border neighbour adjoin resembl match face opposit besid near next close similar \
    differ distanc far connect link join 距 离 邻 接 壤 婚 连 通 同 似 对 靠 近";
/// Words of the grammar that can part two things in an order that matters.
const PARTING: &str = "to 到 至";
/// Prepositions behind which a name is no subject.
const PREPOSITIONS: &str = "of in at from on near by with to for";
/// Words that begin a clause within another.
const RELATIVES: &str = "who whom whose which that where while when";
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
    }

    fn is_pivot(&self, pivot: &Range<usize>) -> bool {
        let Some(words) = self.0.get(pivot.clone()) else { return false };
        let whole = words[1..].iter().all(|word| !word.parted);
        let says = |word: &Word| !word.link && !word.number && !is_one_of(&word.key, MUTUAL);
        let parts = words.len() == 1 && is_one_of(&words[0].key, PARTING);
        whole && (parts || words.iter().all(says))
    }

    fn turns_round(&self, pivot: &Range<usize>, quote: &Self) -> bool {
        let pivots = quote.all(&self.0[pivot.clone()]);
        let (Some(first), Some(last)) = (pivots.first(), pivots.last()) else { return false };
        let (front, back) = (self.thing_before(pivot.start, quote), self.thing_behind(pivot.end, quote));
        let Some(front) = front else { return false };
        let before = quote.all(&self.0[front.clone()]);
        if !before.iter().all(|thing| thing.start >= last.end) {
            return false;
        }
        let Some(back) = back else {
            // "Sam Cole is older" says the same as "Sam Cole is older than Bo Lind".
            let compared = quote.0.get(last.end).is_some_and(|word| word.key == "than");
            let ends = self.0.get(pivot.end).is_none_or(|word| word.parted);
            return compared && ends && before.iter().any(|thing| thing.start <= last.end + 1 + LINKS_MAX);
        };
        let behind = quote.all(&self.0[back.clone()]);
        if self.keys(&front) == self.keys(&back) || !behind.iter().all(|thing| thing.end <= first.start) {
            return false;
        }
        let (Some(theirs_front), Some(theirs_back)) = (behind.last(), before.first()) else { return false };
        let between = |words: &[Word]| words.iter().any(|word| is_one_of(&word.key, JOINTS));
        let (ours, theirs) = (&self.0[front.end..back.start], &quote.0[theirs_front.end..theirs_back.start]);
        let built_alike = MARKS.split(' ').all(|mark| {
            let has = |words: &[Word]| words.iter().any(|word| word.key == mark);
            has(ours) == has(theirs)
        });
        // What is older one way round is younger the other, and what lies to the north lies to the south.
        let rest = self.0[back.end..].iter().take_while(|word| !word.parted);
        let said_alike = rest.filter(|word| !word.link && !word.number).all(|word| quote.has(&word.key));
        built_alike
            && said_alike
            && !between(ours)
            && !between(theirs)
            && !is_mutual(theirs)
            && !self.parts_mutual(pivot, quote)
    }

    /// Whether two places are parted, in any sentence of what is the same both ways, as a distance.
    fn parts_mutual(&self, pivot: &Range<usize>, quote: &Self) -> bool {
        self.0[pivot.clone()].iter().all(|word| is_one_of(&word.key, PARTING))
            && (is_mutual(&self.0) || is_mutual(&quote.0))
    }

    fn has(&self, key: &str) -> bool {
        self.0.iter().any(|word| word.key == key)
    }

    /// Whether this says of a name right before its verb what `quote` says of another name only.
    pub(crate) fn are_said_of_another_in(&self, quote: &Self) -> bool {
        let verbs = (1..self.0.len()).filter(|&at| {
            let word = &self.0[at];
            !word.link && !word.number && !word.capital && !is_one_of(&word.key, MUTUAL)
        });
        verbs.into_iter().any(|verb| {
            let Some(name) = self.name_before(verb) else { return false };
            let told = quote.all(&self.0[verb..=verb]);
            let known = !quote.all(&self.0[name.end - 1..name.end]).is_empty();
            let of_another = |told: &Range<usize>| {
                quote.name_before(told.start).is_some_and(|theirs| {
                    let theirs = &quote.0[theirs];
                    !self.0[name.clone()].iter().any(|word| theirs.iter().any(|their| their.key == word.key))
                })
            };
            known && !told.is_empty() && told.iter().all(of_another)
        })
    }

    /// The run of capitals right before a word, but for words of the grammar; `None` where it may be no subject, or not
    /// the only one.
    fn name_before(&self, at: usize) -> Option<Range<usize>> {
        let end = self.skip_links_before(at)?;
        let clause = |word: &Word| is_one_of(&word.key, RELATIVES);
        // Of "Hale defeated Cray and captured Anlow" the verb is Hale's.
        if self.0[end..at].iter().any(|word| is_one_of(&word.key, JOINTS)) || self.0[..at].iter().any(clause) {
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
        let joined = before.is_some_and(|word| is_one_of(&word.key, JOINTS))
            && start.checked_sub(2).is_some_and(|other| self.0[other].capital);
        let dependent = before.is_some_and(|word| is_one_of(&word.key, PREPOSITIONS));
        let listed = self.0.get(start).is_some_and(|word| word.parted) && before.is_some_and(|word| word.capital);
        (start < end && !joined && !dependent && !listed).then_some(start..end)
    }

    /// What is named right before `at`, as far as `quote` holds it in one piece.
    fn thing_before(&self, at: usize, quote: &Self) -> Option<Range<usize>> {
        let end = self.skip_links_before(at)?;
        let longest = (1..=THING_WORDS_MAX.min(end)).map(|length| end - length..end);
        let held = longest.take_while(|thing| self.is_whole(thing) && !quote.all(&self.0[thing.clone()]).is_empty());
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
            self.is_whole(thing) && self.0.get(thing.clone()).is_some_and(|words| !quote.all(words).is_empty())
        });
        held.last().filter(|thing| self.names_something(thing))
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

    /// Where a run of words occurs.
    fn all(&self, run: &[Word]) -> Vec<Range<usize>> {
        let same = |window: &[Word]| window.iter().zip(run).all(|(one, other)| one.key == other.key);
        let windows = self.0.windows(run.len().max(1)).enumerate();
        windows.filter(|(_, window)| same(window)).map(|(at, _)| at..at + run.len()).collect()
    }
}

fn is_mutual(words: &[Word]) -> bool {
    words.iter().any(|word| is_one_of(&word.key, MUTUAL))
}

/// What a fragment says as the answer to a question for a person or a thing; `None` for a question of another build, and
/// where it says itself what the question asks.
fn statement(question: &str, fragment: &str) -> Option<String> {
    const VERBS: &str = "is are was were has have had will can does did do";
    const CHINESE: &[&str] = &["谁", "誰", "哪位", "哪一位"];
    let asked = question.split([',', '?', '，', '？']).next()?.trim();
    let fragment = fragment.trim().trim_end_matches(['.', '。']);
    if let Some((front, back)) = CHINESE.iter().find_map(|who| asked.split_once(who)) {
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
            ("谁收购了谁？", "乙公司收购甲公司。", "2015年，甲公司以三亿元收购了乙公司。"),
            ("谁大？", "刘洋比张伟大五岁。", "张伟比刘洋大五岁。"),
            ("谁比张伟大？", "刘洋", "张伟比刘洋大五岁。"),
            ("誰打敗了誰？", "藍隊擊敗紅隊。", "決賽中紅隊以三比一擊敗了藍隊。"),
        ] {
            assert!(is_turned(question, sentence, quote), "{sentence} {quote}");
            assert!(!is_turned(question, quote, quote), "{quote}");
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
    fn what_is_said_of_another_name_is_found() {
        let quote = "Colonel Hale was wounded and Captain Cray was captured.";
        assert!(is_of_another("What happened?", "Hale was captured.", quote));
        assert!(is_of_another("Who was captured?", "Colonel Hale", "Hale was wounded; Cray was captured."));
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
