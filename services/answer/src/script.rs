//! In which Chinese script is the question asked, and how is an answer kept in it?
//!
//! A small model slips into simplified characters whatever it is told. A character that the question's script does not
//! write is replaced by the one that the evidence or the question has in its place: 罗斯福 in an answer and 羅斯福 in a source
//! differ in a character that only the one script has and only the other, between characters that agree. No table of
//! characters is needed: which script writes a character is told by the character sets of both.
//!
//! Invariants:
//! - What the script writes is never touched, and neither is anything else than Han characters.
//! - A character is replaced by one of the sources' own, or not at all: nothing is guessed.
//! - Text is given out in the order in which it came, and as soon as it cannot change any more.

use std::collections::HashMap;

use encoding_rs::{BIG5, GBK};
use wellspring_core::text::{is_cjk, script_language};

/// Characters on each side that are compared, and those that must have come before a character can be replaced.
const CONTEXT_CHARACTERS: usize = 3;
/// What an equal neighbour counts for.
const EQUAL: usize = 2;
/// What a neighbour counts for that differs by script alone, as far as the character sets tell.
const OTHER_SCRIPT: usize = 1;
/// What it counts for that both end here.
const BOTH_END: usize = 1;
/// The least that the neighbours of a replacement count for: one equal character, or one that
/// differs by script alone in a word that ends in the same place.
const AGREEMENT_MIN: usize = 2;

/// A way of writing Chinese.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    /// 简体.
    Simplified,
    /// 繁體.
    Traditional,
}

impl Script {
    /// The script of a Chinese text; `None` for another language, and where every character is in both.
    pub(crate) fn of(text: &str) -> Option<Self> {
        if script_language(text) != Some("zh") {
            return None;
        }
        let count = |script: Self| text.chars().filter(|&c| script.alone_writes(c)).count();
        let (simplified, traditional) = (count(Self::Simplified), count(Self::Traditional));
        match simplified.cmp(&traditional) {
            std::cmp::Ordering::Greater => Some(Self::Simplified),
            std::cmp::Ordering::Less => Some(Self::Traditional),
            std::cmp::Ordering::Equal => None,
        }
    }

    /// The other one.
    fn other(self) -> Self {
        match self {
            Self::Simplified => Self::Traditional,
            Self::Traditional => Self::Simplified,
        }
    }

    /// Whether a character belongs to the script's character set, which both scripts share to a large part.
    fn writes(self, c: char) -> bool {
        let mut utf8 = [0; 4];
        let character = c.encode_utf8(&mut utf8);
        match self {
            Self::Traditional => !BIG5.encode(character).2,
            // GBK also holds the traditional characters, outside the rows of GB 2312.
            Self::Simplified => {
                let (bytes, _, failed) = GBK.encode(character);
                !failed && matches!(*bytes, [0xB0..=0xF7, 0xA1..=0xFE])
            }
        }
    }

    /// Whether this script writes a character and the other one does not.
    fn alone_writes(self, c: char) -> bool {
        is_cjk(c) && self.writes(c) && !self.other().writes(c)
    }
}

/// Keeps an answer in one script as it is written.
#[derive(Debug)]
pub(crate) struct ScriptKeeper {
    wanted: Script,
    sources: Vec<Vec<char>>,
    /// What was replaced so far: the same character later needs no neighbours.
    known: HashMap<char, char>,
    /// The last characters that were given out.
    before: Vec<char>,
    /// What came and may still change.
    waiting: String,
}

impl ScriptKeeper {
    /// Keeps answers to `question` in its script, by the characters of `sources`; `None` where no script decides.
    pub(crate) fn new<'a>(question: &'a str, sources: impl Iterator<Item = &'a str>) -> Option<Self> {
        if script_language(question) != Some("zh") {
            return None;
        }
        let sources: Vec<Vec<char>> = sources.chain([question]).map(|text| text.chars().collect()).collect();
        let wanted = Script::of(question).or_else(|| Script::of(&sources.iter().flatten().collect::<String>()))?;
        Some(Self { wanted, sources, known: HashMap::new(), before: Vec::new(), waiting: String::new() })
    }

    /// Takes more text, and gives out what cannot change any more.
    pub(crate) fn push(&mut self, more: &str) -> String {
        self.waiting.push_str(more);
        let characters: Vec<char> = self.waiting.chars().collect();
        let settled = characters.len().saturating_sub(CONTEXT_CHARACTERS);
        let open = (settled..characters.len()).find(|&at| self.is_foreign(characters[at]));
        self.give_out(&characters, open.unwrap_or(characters.len()))
    }

    /// Gives out the rest.
    pub(crate) fn finish(&mut self) -> String {
        let characters: Vec<char> = self.waiting.chars().collect();
        self.give_out(&characters, characters.len())
    }

    fn give_out(&mut self, characters: &[char], end: usize) -> String {
        let mut text: Vec<char> = self.before.clone();
        let given = text.len();
        text.extend(characters);
        for at in given..given + end {
            if !self.is_foreign(text[at]) {
                continue;
            }
            if let Some(replacement) = self.known.get(&text[at]).copied().or_else(|| self.replacement(&text, at)) {
                self.known.insert(text[at], replacement);
                text[at] = replacement;
            }
        }
        self.waiting = characters[end..].iter().collect();
        let out = text[given..given + end].iter().collect();
        let context = (given + end).saturating_sub(CONTEXT_CHARACTERS);
        self.before = text[context..given + end].to_vec();
        out
    }

    fn is_foreign(&self, c: char) -> bool {
        self.wanted.other().alone_writes(c)
    }

    /// The character that a source has in the place of `text[at]`: the one whose neighbours agree most.
    fn replacement(&self, text: &[char], at: usize) -> Option<char> {
        let mut best: Option<(usize, char)> = None;
        for source in &self.sources {
            for (place, &c) in source.iter().enumerate().filter(|&(_, &c)| self.wanted.alone_writes(c)) {
                let agreement = self.agreement(text[..at].iter().rev(), source[..place].iter().rev())
                    + self.agreement(text[at + 1..].iter(), source[place + 1..].iter());
                if agreement >= AGREEMENT_MIN && best.is_none_or(|(most, _)| agreement > most) {
                    best = Some((agreement, c));
                }
            }
        }
        best.map(|(_, c)| c)
    }

    /// How much two neighbourhoods agree, from the middle outwards, up to the first difference. Where both runs of Han
    /// characters end in the same place, that agrees a little.
    fn agreement<'a>(&self, ours: impl Iterator<Item = &'a char>, theirs: impl Iterator<Item = &'a char>) -> usize {
        let han = |c: Option<&char>| c.copied().filter(|&c| is_cjk(c));
        let (mut ours, mut theirs, mut agreement) = (ours, theirs, 0);
        for _ in 0..CONTEXT_CHARACTERS {
            agreement += match (han(ours.next()), han(theirs.next())) {
                (Some(our), Some(their)) if our == their => EQUAL,
                (Some(our), Some(their)) if self.is_foreign(our) && self.wanted.alone_writes(their) => OTHER_SCRIPT,
                (None, None) => return agreement + BOTH_END,
                _ => return agreement,
            };
        }
        agreement
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(question: &str, source: &str, answer: &str) -> String {
        let mut keeper = ScriptKeeper::new(question, std::iter::once(source)).unwrap();
        let mut out = String::new();
        for c in answer.chars() {
            out += &keeper.push(&c.to_string());
        }
        out + &keeper.finish()
    }

    #[test]
    fn characters_tell_the_script() {
        assert_eq!(Script::of("誰寫了《紅樓夢》？"), Some(Script::Traditional));
        assert_eq!(Script::of("谁写了《红楼梦》？"), Some(Script::Simplified));
        assert_eq!(Script::of("何人？"), None);
        assert_eq!(Script::of("Who wrote it?"), None);
        assert_eq!(Script::of("漢字は難しい"), None);
    }

    #[test]
    fn a_simplified_answer_to_a_traditional_question_takes_the_characters_of_the_source() {
        let source = "策畫人是山本五十六，羅斯福總統並不知情，蘇聯亦然。";
        assert_eq!(kept("誰策畫了珍珠港事件？", source, "罗斯福总统"), "羅斯福總統");
        assert_eq!(kept("誰策畫了珍珠港事件？", source, "山本五十六。苏联"), "山本五十六。蘇聯");
        assert_eq!(kept("这是为什么？", "他們是為了收買人心。他们是为了收买人心。", "為了收買人心"), "为了收买人心");
    }

    #[test]
    fn what_no_source_has_and_what_the_script_writes_stays() {
        assert_eq!(kept("誰寫了它？", "他寫了信。", "马克 Twain 1,200"), "马克 Twain 1,200");
        assert_eq!(kept("這是誰？", "王五是張三的兄弟。", "李三"), "李三");
    }

    #[test]
    fn text_is_given_out_as_soon_as_it_cannot_change() {
        let mut keeper = ScriptKeeper::new("誰？這裡", std::iter::once("羅斯福總統")).unwrap();
        assert_eq!(keeper.push("是"), "是");
        assert_eq!(keeper.push("罗斯"), "");
        assert_eq!(keeper.push("福总"), "羅斯福");
        assert_eq!(keeper.finish(), "總");
    }

    proptest! {
        #[test]
        fn only_foreign_characters_change_and_none_is_lost(
            source in "[羅斯福總統罗总的a1，]{0,12}", answer in "[羅斯福總統罗总统苏a1，]{0,12}", piece in 1usize..4,
        ) {
            let mut keeper = ScriptKeeper::new("這是誰寫的？", std::iter::once(source.as_str())).unwrap();
            let characters: Vec<char> = answer.chars().collect();
            let mut out: String = characters.chunks(piece).map(|part| keeper.push(&part.iter().collect::<String>())).collect();
            out += &keeper.finish();
            prop_assert_eq!(out.chars().count(), characters.len());
            for (kept, was) in out.chars().zip(characters) {
                prop_assert!(kept == was || (Script::Simplified.alone_writes(was) && Script::Traditional.alone_writes(kept)));
            }
        }
    }
}
