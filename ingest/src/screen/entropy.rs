//! Does this text say anything for its length?
//!
//! Three measures, each blind to what a text is about, over the first 64 KiB of its prose and code (rows of tables are
//! alike by design and are not looked at):
//!
//! - *novelty*: the share of runs of twelve characters that were not there before, digits being all one: a log or a copied
//!   line has little. It is a text's compressibility without a compressor.
//! - *variety*: the entropy of single characters in bits: a ruled line has little.
//! - *surprise*: the entropy of a letter after the one before it, of Latin letters: a keyboard mash or an encoded file has
//!   much, since no letter leads to another.
//!
//! The thresholds stand well outside what 2,500 abstracts show
//! (`ingest/examples/screening.rs` prints both).
//!
//! Invariants:
//! - A short text is not judged: its measures are chance.

use std::collections::{HashMap, HashSet};

use wellspring_core::limits;

use super::normalise::stirred;

/// Characters below which a text is not judged.
pub const CHARACTERS_MIN: usize = 400;
/// Latin letters below which the surprise of a text is not judged: an estimate from fewer is too low for mash.
pub const LETTERS_MIN: usize = 600;
/// Characters of a run.
const RUN_CHARACTERS: usize = 12;
/// Novelty below which a text repeats itself.
pub const NOVELTY_MIN: f64 = 0.2;
/// Variety, in bits a character, below which a text says nothing.
pub const VARIETY_MIN: f64 = 2.5;
/// Surprise, in bits a letter, above which letters follow no language.
pub const SURPRISE_MAX: f64 = 4.2;

/// What was measured of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measures {
    /// The share of new runs, 0 to 1.
    pub novelty: f64,
    /// Bits a character.
    pub variety: f64,
    /// Bits a letter after the one before; `None` with too few Latin letters, or where they are not the rule.
    pub surprise: Option<f64>,
}

/// Measures the pieces of a text; `None` where they are too short to be judged.
pub fn measure<'t>(pieces: impl IntoIterator<Item = &'t str>) -> Option<Measures> {
    let mut characters = Characters::default();
    let mut bytes = 0;
    for piece in pieces {
        let sample = super::head(piece, limits::SCREEN_SAMPLE_BYTES_MAX - bytes);
        bytes += sample.len();
        sample.chars().for_each(|c| characters.push(c));
        characters.push(' ');
        if bytes >= limits::SCREEN_SAMPLE_BYTES_MAX {
            break;
        }
    }
    characters.measures()
}

/// Why a text says too little, for people; `None` where it says enough.
pub fn complaint(measures: &Measures) -> Option<String> {
    if measures.novelty < NOVELTY_MIN {
        let repeated = 100.0 * (1.0 - measures.novelty);
        return Some(format!("{repeated:.0} % of it repeats what stands above in it, as in a log"));
    }
    if measures.variety < VARIETY_MIN {
        return Some(format!("it is made of a few characters ({:.1} bits each; prose has 4)", measures.variety));
    }
    measures.surprise.filter(|surprise| *surprise > SURPRISE_MAX).map(|surprise| {
        format!("its letters follow no language ({surprise:.1} bits each; prose has 3), as in encoded data")
    })
}

#[derive(Default)]
struct Characters {
    counts: HashMap<char, u64>,
    total: u64,
    window: [char; RUN_CHARACTERS],
    place: usize,
    runs: u64,
    new_runs: HashSet<u64>,
    /// Pairs of Latin letters within a word.
    pairs: HashMap<(char, char), u64>,
    letters: u64,
    before: Option<char>,
}

impl Characters {
    fn push(&mut self, c: char) {
        let space = c.is_whitespace();
        if space && self.window[(self.place + RUN_CHARACTERS - 1) % RUN_CHARACTERS] == ' ' {
            self.before = None;
            return;
        }
        let c = if space { ' ' } else { c };
        self.total += 1;
        *self.counts.entry(c).or_default() += 1;
        self.window[self.place] = if c.is_numeric() { '0' } else { c };
        self.place = (self.place + 1) % RUN_CHARACTERS;
        if self.total >= RUN_CHARACTERS as u64 {
            let run = (0..RUN_CHARACTERS).map(|offset| self.window[(self.place + offset) % RUN_CHARACTERS]);
            self.runs += 1;
            self.new_runs.insert(run.fold(0, |hash, c| stirred(hash.rotate_left(11) ^ u64::from(u32::from(c)))));
        }
        let letter = c.is_ascii_alphabetic().then(|| c.to_ascii_lowercase());
        self.letters += u64::from(letter.is_some());
        if let (Some(before), Some(letter)) = (self.before, letter) {
            *self.pairs.entry((before, letter)).or_default() += 1;
        }
        self.before = letter;
    }

    fn measures(&self) -> Option<Measures> {
        if self.total < CHARACTERS_MIN as u64 {
            return None;
        }
        let variety = entropy(self.counts.values().copied());
        let latin = self.letters >= LETTERS_MIN as u64 && 2 * self.letters > self.total;
        let surprise = latin.then(|| {
            let mut before: HashMap<char, u64> = HashMap::new();
            for ((letter, _), count) in &self.pairs {
                *before.entry(*letter).or_default() += count;
            }
            entropy(self.pairs.values().copied()) - entropy(before.values().copied())
        });
        Some(Measures { novelty: self.new_runs.len() as f64 / self.runs.max(1) as f64, variety, surprise })
    }
}

/// The entropy of counts, in bits.
fn entropy(counts: impl Iterator<Item = u64> + Clone) -> f64 {
    let total = counts.clone().sum::<u64>() as f64;
    if total == 0.0 {
        return 0.0;
    }
    counts.map(|count| count as f64 / total).map(|share| -share * share.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROSE: &str = "The harbour lies on the southern bank of the river, where the ferry leaves every morning. \
        Whoever wants to cross in winter asks the harbour master first, because ice can close the channel within an \
        hour and the pilots then stay ashore. Tickets are sold at the kiosk beside the bridge; children travel free. \
        In summer the boats also stop at the island, which has a lighthouse, two inns and a small museum about rope \
        making. A printed timetable hangs at each landing stage and is changed at the beginning of May and October. \
        Bicycles are carried on deck unless the wind is strong, and dogs are welcome when they are kept on a lead. \
        The oldest vessel of the fleet was built before the war and is still used for weddings and school outings.";

    fn complaint_about(text: &str) -> Option<String> {
        complaint(&measure([text]).unwrap())
    }

    /// Letters drawn from a small generator.
    fn mash(count: usize, alphabet: &str) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        let mut state = 7_u64;
        let mut draw = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            stirred(state) as usize
        };
        (0..count).map(|_| if draw() % 9 == 0 { ' ' } else { letters[draw() % letters.len()] }).collect()
    }

    #[test]
    fn prose_says_enough() {
        assert_eq!(complaint_about(PROSE), None);
        assert_eq!(measure(["too short"]), None);
    }

    #[test]
    fn logs_rules_and_mash_do_not() {
        let log: String = (0..60)
            .map(|second| format!("12:00:{second:02} INFO request {} handled in 3 ms\n", 1000 + second))
            .collect();
        assert!(complaint_about(&log).unwrap().contains("repeats"), "{:?}", measure([log.as_str()]));
        let letters = "abcdefghijklmnopqrstuvwxyz";
        assert!(complaint_about(&mash(4000, letters)).unwrap().contains("no language"));
        assert!(complaint_about(&mash(4000, "aab")).unwrap().contains("few characters"));
    }

    #[test]
    fn text_in_other_scripts_is_not_called_noise() {
        let chinese = "港口位于河的南岸，渡轮每天早上从那里出发。冬天想过河的人要先问港务长，因为冰可以在一小时内封闭航道，\
            那时领航员就留在岸上。船票在桥边的售票亭出售，儿童免费。夏天船也停靠小岛，岛上有灯塔、两家旅馆和一座制绳博物馆。\
            时刻表挂在每个码头，五月初和十月初更换。风不大时可以带自行车，狗要拴好。船队里最老的船建于战前，现在仍用于婚礼\
            和学校郊游。船长们每年春天在市政厅集会，讨论航道、灯标和票价。去年他们决定延长夜间航班，并在岛上修建新的栈桥。\
            居民对此表示欢迎，只有渔民担心夜里的灯光会惊走鱼群，于是大家商定在渔季减少班次，并且把灯光调暗。工程预计明年完工。\
            市长在信中感谢了所有参与讨论的人，并邀请大家参加秋天的开航仪式。\
            新船可以载客八十名，使用蓄电池，靠岸时几乎没有声音；旧船将卖给上游的村庄，用来运送牲口、木材和冬季的饲料。学校还打算\
            派学生上船测量水温，记录候鸟经过的日子，再把结果画成图表挂在候船室里，供旅客观看和评论。";
        assert_eq!(complaint_about(chinese), None);
        assert_eq!(measure([chinese]).unwrap().surprise, None);
    }
}
