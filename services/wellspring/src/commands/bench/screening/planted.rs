//! Which copies are planted?
//!
//! In other ways than those that the thresholds of screening were chosen by (`ingest/examples/screening.rs`: random words
//! edited, sentences moved, a notice added, the end cut off).
//!
//! Invariants:
//! - The same texts and seed plant the same copies.

use std::collections::HashMap;

/// One document in this many is copied in each way.
const PLANTED_EACH: usize = 4;
/// Words below which a text is too short to be changed in every way.
const WORDS_MIN: usize = 60;
/// What strangers have in common.
const FRAME: &str = "Monthly record of the harbour office. This record is kept in two volumes, of which the second is lent \
    out on request. It was drawn up by the keeper on duty and read by the harbour master.";

/// How a copy was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing.
    Same,
    /// One letter in a hundred is another one.
    Typos,
    /// Its three most frequent long words are others, everywhere.
    Renamed,
    /// Each digit is another one.
    Renumbered,
    /// It begins after three tenths.
    Headless,
    /// A quarter of another document stands in its middle.
    Mixed,
    /// Another document follows.
    Joined,
    /// Quoted, in broken lines, in small letters.
    Quoted,
    /// Every third word is another one.
    Rewritten,
    /// It is no copy: it only begins as other strangers do.
    Stranger,
}

impl Kind {
    const COPIES: [Self; 9] = [
        Self::Same,
        Self::Typos,
        Self::Renamed,
        Self::Renumbered,
        Self::Headless,
        Self::Mixed,
        Self::Joined,
        Self::Quoted,
        Self::Rewritten,
    ];

    /// For people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Same => "nothing changed",
            Self::Typos => "typos in 1 % of letters",
            Self::Renamed => "three words replaced throughout",
            Self::Renumbered => "all digits changed",
            Self::Headless => "first 30 % cut off",
            Self::Mixed => "a quarter of another inserted",
            Self::Joined => "another document appended",
            Self::Quoted => "quoted, rewrapped, lower case",
            Self::Rewritten => "every third word replaced",
            Self::Stranger => "stranger",
        }
    }
}

/// A document that comes after the corpus.
#[derive(Debug, PartialEq)]
pub(super) struct Planted {
    pub(super) kind: Kind,
    /// The documents of the corpus that it is a copy of, by their places.
    pub(super) originals: Vec<usize>,
    pub(super) text: String,
}

/// Copies in every way, and as many strangers as there are copies of one kind.
pub(super) fn plant(texts: &[String], seed: u64) -> Vec<Planted> {
    let mut random = Random(seed);
    let vocabulary: Vec<&str> = texts.iter().flat_map(|text| text.split_whitespace()).step_by(11).collect();
    let long = |text: &&String| text.split_whitespace().count() >= WORDS_MIN;
    let mut planted = Vec::new();
    for (place, text) in texts.iter().enumerate().step_by(PLANTED_EACH).filter(|(_, text)| long(text)) {
        let other = (place + 1 + random.below(texts.len() - 1)) % texts.len();
        for kind in Kind::COPIES {
            let mut originals = vec![place];
            if kind == Kind::Joined {
                originals.push(other);
            }
            let text = changed(kind, text, &texts[other], &vocabulary, &mut random);
            planted.push(Planted { kind, originals, text });
        }
        let words: Vec<&str> = (0..120).map(|_| vocabulary[random.below(vocabulary.len())]).collect();
        let text = format!("{FRAME}\n\n{}", words.join(" "));
        planted.push(Planted { kind: Kind::Stranger, originals: Vec::new(), text });
    }
    planted
}

fn changed(kind: Kind, text: &str, other: &str, vocabulary: &[&str], random: &mut Random) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let part = |words: &[&str], from: f64, to: f64| {
        let at = |share: f64| (words.len() as f64 * share) as usize;
        words[at(from)..at(to)].join(" ")
    };
    match kind {
        Kind::Typos => {
            let letter = |random: &mut Random| char::from(b'a' + random.below(26) as u8);
            text.chars().map(|c| if c.is_alphabetic() && random.below(100) == 0 { letter(random) } else { c }).collect()
        }
        Kind::Renamed => {
            let mut counts: HashMap<&str, usize> = HashMap::new();
            words.iter().filter(|word| word.len() > 5).for_each(|word| *counts.entry(word).or_default() += 1);
            let mut frequent: Vec<(usize, &str)> = counts.into_iter().map(|(word, count)| (count, word)).collect();
            frequent.sort_unstable_by(|one, other| other.cmp(one));
            let others: HashMap<&str, &str> =
                frequent.iter().take(3).map(|(_, word)| (*word, vocabulary[random.below(vocabulary.len())])).collect();
            words.iter().map(|word| *others.get(word).unwrap_or(word)).collect::<Vec<_>>().join(" ")
        }
        Kind::Renumbered => {
            let digit = |random: &mut Random| char::from(b'0' + random.below(10) as u8);
            text.chars().map(|c| if c.is_ascii_digit() { digit(random) } else { c }).collect()
        }
        Kind::Headless => part(&words, 0.3, 1.0),
        Kind::Mixed => {
            let foreign: Vec<&str> = other.split_whitespace().collect();
            format!("{}\n\n{}\n\n{}", part(&words, 0.0, 0.5), part(&foreign, 0.0, 0.25), part(&words, 0.5, 1.0))
        }
        Kind::Joined => format!("{text}\n\n{other}"),
        Kind::Quoted => words.chunks(9).map(|line| format!("> {}\n", line.join(" ").to_lowercase())).collect(),
        Kind::Rewritten => {
            let rewritten = words.iter().enumerate().map(|(place, word)| match place % 3 {
                2 => vocabulary[random.below(vocabulary.len())],
                _ => *word,
            });
            rewritten.collect::<Vec<_>>().join(" ")
        }
        Kind::Same | Kind::Stranger => text.to_owned(),
    }
}

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_plants_the_same_copies() {
        let texts: Vec<String> =
            (0..9).map(|place| (0..80).map(|word| format!("word{} of{} ", word * 7 + place, word)).collect()).collect();
        let planted = plant(&texts, 3);
        assert_eq!(planted, plant(&texts, 3));
        assert_ne!(planted, plant(&texts, 4));
        assert_eq!(planted.len(), 3 * (Kind::COPIES.len() + 1), "of every fourth document");
        let of = |kind: Kind| planted.iter().find(|planted| planted.kind == kind).unwrap();
        assert!(of(Kind::Joined).originals.len() == 2 && of(Kind::Stranger).originals.is_empty());
        assert!(of(Kind::Headless).text.len() < texts[0].len());
        let same = Kind::COPIES.iter().filter(|kind| of(**kind).text == texts[0]);
        assert!(same.eq([&Kind::Same]), "every other copy is changed");
    }
}
