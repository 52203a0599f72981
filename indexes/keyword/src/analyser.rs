//! Which terms is a text found by?
//!
//! | text | terms |
//! |---|---|
//! | words of a known language ([`crate::language`]) | stems without accents, stop words left out |
//! | those of them in English | the same in one spelling ([`crate::spelling`]) |
//! | other words of letters and digits | the word in lower case, without accents |
//! | `foo_bar-2.5`, dates, versions, addresses | the parts, and what is joined, as written |
//! | `C++`, `F#` | the letter, and the whole |
//! | `ERR-2030이`, `4080원` | the name or the number, and what is written right behind it |
//! | Han, kana, Hangul | what [`crate::cjk`] makes of them |
//!
//! Full-width and other compatibility forms are folded first (NFKC), and traditional characters to simplified ones, so that
//! either finds both. A text is analysed in one language; a question is
//! analysed in each that the index holds, and asks for all that this gives. So what was indexed is found by the words it
//! was written with, whatever the question's language is taken for. Not supported: words of Thai, Lao, Khmer and Burmese,
//! which are written without spaces and are not cut; words within the compounds of German and its neighbours.
//!
//! Invariants:
//! - The same text in the same language gives the same terms, in an index and in a query. Whoever changes a term changes
//!   [`VERSION`].
//! - Positions never fall, and a term is never longer than [`TERM_BYTES_MAX`].
//! - Nothing is refused: any text has terms or has none.

use std::borrow::Cow;

use frostem::Stemmer;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use wellspring_core::text::{is_cjk, simplified};

use crate::cjk;
use crate::compound::{Compound, without_thousands_marks};
use crate::language::{Language, Script, StopWords, most_spoken};
use crate::spelling::one_spelling;

/// Raised with every change to the terms of any text, so that an index made before is made again.
pub(crate) const VERSION: u32 = 7;

/// A longer run of letters is data, not a word; its beginning stands for it.
const TERM_BYTES_MAX: usize = 64;

/// Characters handed to the dictionary at once: its working memory grows with the length.
const DICTIONARY_CHARACTERS_MAX: usize = 1024;

/// A word of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Term {
    /// The word as it is compared.
    pub(crate) text: String,
    /// Its place among the words of the text.
    pub(crate) position: usize,
    /// What it is beside its neighbours.
    pub(crate) role: Role,
}

/// What a term is beside its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// One of the words, in their order.
    Word,
    /// One of so many words within an identifier.
    Part { of: usize },
    /// An identifier as written.
    Whole,
    /// Another way to find the same place: a pair within a word, a word of several characters.
    Beside,
}

/// The terms of a text in a language, in the order of their positions. The first call with Han loads a dictionary, which
/// takes a good part of a second: not for an async thread.
pub(crate) fn terms(text: &str, language: Language) -> Vec<Term> {
    Analysis::new(language).terms(&normalised(text))
}

/// The analyses of a question to an index with texts in these languages, one a language.
///
/// A word that says nothing in one language may be a word in another (`die`). Where the question's stop words tell its
/// language, they are left out whatever the text's is; otherwise each language leaves out its own.
pub(crate) fn readings(question: &str, languages: &[Language]) -> Vec<Vec<Term>> {
    let question = normalised(question);
    let words = question.split(|c: char| !is_letter(c)).filter(|word| !word.is_empty());
    let spoken = if languages.len() > 1 { most_spoken(languages.iter().copied(), words) } else { None };
    let reading = |language: &Language| {
        let mut analysis = Analysis::new(*language);
        analysis.also_stops = spoken.and_then(|(language, _)| StopWords::of(language));
        analysis.terms(&question)
    };
    languages.iter().map(reading).collect()
}

/// The text with compatibility forms folded, in lower case, Chinese in simplified characters.
fn normalised(text: &str) -> String {
    // What only tells where a line may break or must not is no part of a word, and a capital İ is the capital of an i.
    let told = text.nfkc().filter(|c| !matches!(c, '\u{00AD}' | '\u{2060}' | '\u{FEFF}'));
    told.map(|c| if c == 'İ' { 'i' } else { c }).flat_map(char::to_lowercase).map(simplified).collect()
}

/// A lower-case word without the marks on its Latin and Greek letters. Other scripts' marks make other letters.
fn folded(word: &str) -> String {
    if word.is_ascii() {
        return word.to_owned();
    }
    let mut folded = String::with_capacity(word.len());
    let mut may_drop = false;
    for c in word.nfd() {
        if is_combining_mark(c) && may_drop {
            continue;
        }
        may_drop = matches!(c, '\u{0000}'..='\u{024F}' | '\u{0370}'..='\u{03FF}');
        match c {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' => folded.push('d'),
            'ı' => folded.push('i'),
            _ => folded.push(c),
        }
    }
    folded.nfc().collect()
}

/// A word as the stemmer of its language is to see it.
fn spelt(word: &str, language: Language) -> Cow<'_, str> {
    if language == Language::English { one_spelling(word) } else { Cow::Borrowed(word) }
}

/// A letter or a digit of a script with words.
pub(crate) fn is_letter(c: char) -> bool {
    c.is_alphanumeric() && !is_cjk(c)
}

/// The beginning of `text` whose characters all pass, at most `most` of them.
pub(crate) fn leading(text: &str, pass: impl Fn(char) -> bool, most: usize) -> &str {
    let end = text.char_indices().take(most).find(|(_, c)| !pass(*c)).map(|(at, _)| at);
    let end = end.unwrap_or_else(|| text.char_indices().nth(most).map_or(text.len(), |(at, _)| at));
    &text[..end]
}

/// The analysis of one text in one language.
struct Analysis {
    language: Language,
    /// Stop words of the language that the question is in.
    also_stops: Option<StopWords>,
    /// What each language met so far makes of its words: the text's own, and those of its words in other scripts.
    voices: Vec<Voice>,
    terms: Vec<Term>,
    position: usize,
}

/// A language's stemmer and its stop words.
struct Voice {
    language: Language,
    stemmer: Option<Stemmer>,
    stops: Option<StopWords>,
}

impl Analysis {
    fn new(language: Language) -> Self {
        Self { language, also_stops: None, voices: Vec::new(), terms: Vec::new(), position: 0 }
    }

    /// The terms of a normalised text.
    fn terms(mut self, text: &str) -> Vec<Term> {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let length = if is_cjk(first) {
                let run = leading(rest, is_cjk, DICTIONARY_CHARACTERS_MAX);
                self.cjk(run);
                run.len()
            } else if is_letter(first) {
                let compound = Compound::leading(rest);
                self.compound(&compound);
                compound.text.len()
            } else {
                first.len_utf8()
            };
            rest = &rest[length..];
        }
        self.terms
    }

    fn push(&mut self, text: &str, position: usize, role: Role) {
        self.terms.push(Term { text: text.to_owned(), position, role });
    }

    fn voice(&mut self, language: Language) -> &mut Voice {
        let place = self.voices.iter().position(|voice| voice.language == language).unwrap_or_else(|| {
            let (stemmer, stops) = (language.stemmer(), StopWords::of(language));
            self.voices.push(Voice { language, stemmer, stops });
            self.voices.len() - 1
        });
        &mut self.voices[place]
    }

    /// Adds the words of a compound, and what is joined at the position of its first word.
    fn compound(&mut self, compound: &Compound<'_>) {
        let text = compound.text;
        let words_end = compound.end();
        let (whole, part) = match compound.is_identifier() {
            true => (Role::Whole, Role::Part { of: compound.words() }),
            false => (Role::Beside, Role::Word),
        };
        if compound.groups.len() > 1 {
            self.joined(&text[..words_end], whole);
        }
        for group in &compound.groups {
            if let [first, .., last] = group.as_slice() {
                let joined = &text[first.start..last.end];
                // Within a longer name it is a part as well.
                self.joined(joined, if compound.groups.len() > 1 { Role::Beside } else { whole });
                if let Some(plain) = without_thousands_marks(joined) {
                    self.joined(&plain, Role::Beside);
                }
            }
            for word in group {
                if word.end == words_end && text.len() > words_end {
                    self.joined(&text[word.start..], Role::Whole);
                }
                self.word(&text[word.clone()], part);
            }
        }
    }

    /// Adds what is joined, unless it is too long to be typed.
    fn joined(&mut self, text: &str, role: Role) {
        if text.len() <= TERM_BYTES_MAX {
            self.push(text, self.position, role);
        }
    }

    fn word(&mut self, word: &str, role: Role) {
        let position = self.position;
        self.position += 1;
        let script = Script::of(word);
        let language = self.language.of_word(script);
        let also_stops = self.also_stops.as_mut().is_some_and(|stops| stops.contains(word));
        let voice = self.voice(language);
        if also_stops || voice.stops.as_mut().is_some_and(|stops| stops.contains(word)) {
            return;
        }
        let word = &word[..word.floor_char_boundary(TERM_BYTES_MAX)];
        if script == Script::Hangul {
            for term in cjk::hangul(word) {
                self.push(term, position, if term == word { role } else { Role::Beside });
            }
            return;
        }
        let bare = folded(word);
        if bare.is_empty() {
            return;
        }
        let stemmer = voice.stemmer.filter(|_| word.chars().all(char::is_alphabetic));
        let Some(stemmer) = stemmer else { return self.push_bounded(&bare, position, role) };
        // A stemmer may leave nothing of what is no word of its language.
        let stem = Some(folded(&stemmer.stem(&spelt(word, language))))
            .filter(|stem| !stem.is_empty())
            .unwrap_or_else(|| bare.clone());
        // Endings may be told by their accents (`informação`): who types without them must find the word, too.
        let stem_of_bare = if bare == word { None } else { Some(folded(&stemmer.stem(&spelt(&bare, language)))) };
        self.push_bounded(&stem, position, role);
        if let Some(other) = stem_of_bare.filter(|other| !other.is_empty() && *other != stem) {
            self.push_bounded(&other, position, Role::Beside);
        }
    }

    /// Adds a word that folding may have made longer.
    fn push_bounded(&mut self, word: &str, position: usize, role: Role) {
        self.push(&word[..word.floor_char_boundary(TERM_BYTES_MAX)], position, role);
    }

    /// Adds the terms of a run without spaces. Its pairs of characters are its words: they follow each other.
    fn cjk(&mut self, run: &str) {
        let start = self.position;
        let characters = run.chars().count();
        for (at, term) in cjk::terms(run, TERM_BYTES_MAX) {
            let is_pair = term.chars().count() == characters.min(2);
            self.push(term, start + at, if is_pair { Role::Word } else { Role::Beside });
        }
        self.position += characters;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn words_in(language: Language, text: &str) -> Vec<String> {
        terms(text, language).into_iter().map(|term| term.text).collect()
    }

    fn words(text: &str) -> Vec<String> {
        words_in(Language::English, text)
    }

    fn asked(question: &str, languages: &[Language]) -> Vec<String> {
        let terms = readings(question, languages).into_iter().flatten().map(|term| term.text);
        terms.collect::<BTreeSet<String>>().into_iter().collect()
    }

    #[test]
    fn english_is_stemmed_and_stripped_of_stop_words() {
        assert_eq!(words("The connected rivers were flooding."), ["connect", "river", "flood"]);
        assert_eq!(words("to be or not to be"), Vec::<String>::new());
        assert_eq!(words("It doesn't"), Vec::<String>::new());
    }

    #[test]
    fn identifiers_are_found_whole_and_in_parts() {
        assert_eq!(words("foo_bar-2.5"), ["foo_bar-2.5", "foo_bar", "foo", "bar", "2.5", "2", "5"]);
        assert_eq!(words("E0382, 2024-05-01."), ["e0382", "2024-05-01", "2024", "05", "01"]);
        assert_eq!(words("C++ and F#, not ++"), ["c++", "c", "f#", "f"]);
        assert_eq!(words("4,096 of 3,14 and 1,2"), ["4,096", "4096", "4", "096", "3,14", "3", "14", "1,2", "1", "2"]);
        assert_eq!(words("std::mem::swap(a)"), ["std::mem::swap", "std", "mem", "swap"]);
        assert_eq!(words("one, two: three."), ["one", "two", "three"]);
        assert_eq!(words("a ... -- . b_"), ["b"]);
    }

    #[test]
    fn a_name_is_told_from_words_with_a_hyphen() {
        let roles = |text: &str| terms(text, Language::English).into_iter().map(|term| term.role).collect::<Vec<_>>();
        assert_eq!(roles("ERR-2041"), [Role::Whole, Role::Part { of: 2 }, Role::Part { of: 2 }]);
        assert_eq!(roles("foo_bar"), [Role::Whole, Role::Part { of: 2 }, Role::Part { of: 2 }]);
        assert_eq!(roles("heat-transfer"), [Role::Beside, Role::Word, Role::Word]);
        assert_eq!(roles("IL-6"), [Role::Beside, Role::Word, Role::Word]);
        assert_eq!(roles("node.js"), [Role::Beside, Role::Word, Role::Word]);
        assert_eq!(roles("heat 300"), [Role::Word, Role::Word]);
    }

    #[test]
    fn chinese_says_nothing_with_particles_alone() {
        assert!(words("的是在").is_empty());
        assert_eq!(words("桥"), ["桥"]);
    }

    #[test]
    fn other_scripts_are_lower_case_words() {
        assert_eq!(words("ДОКУМЕНТАМИ"), ["документ"], "Russian, whatever the text around it is");
        assert_eq!(words("한국어 문서"), ["국어", "한국", "한국어", "문서"]);
        assert_eq!(words("ეს დოკუმენტი"), ["ეს", "დოკუმენტი"]);
    }

    #[test]
    fn each_language_has_stems_and_stop_words_of_its_own() {
        for (language, text, expected) in [
            (Language::German, "Die Häuser der Städte", vec!["haus", "stadt"]),
            (Language::French, "les chevaux des régions", vec!["cheval", "region"]),
            (Language::Spanish, "las canciones de la región", vec!["cancion", "region"]),
            (Language::Italian, "le stazioni della città", vec!["stazion", "citt"]),
            (Language::Russian, "в документах о портах", vec!["документ", "порт"]),
            (Language::Swedish, "husen och hamnarna", vec!["hus", "hamn"]),
            (Language::Other, "the miasta oraz porty", vec!["miasta", "oraz", "porty"]),
        ] {
            assert_eq!(words_in(language, text), expected, "{language:?}");
        }
    }

    #[test]
    fn english_is_found_in_either_spelling() {
        assert_eq!(words("ischaemic tumours, organised"), words("ischemic tumors, organized"));
        assert!(words("anæmia").contains(&"anemia".to_owned()));
        assert_ne!(words_in(Language::French, "centre"), words_in(Language::French, "center"));
    }

    #[test]
    fn accents_may_be_left_out() {
        assert_eq!(words("naïve café"), words("naive cafe"));
        for (language, written, typed) in [
            (Language::Portuguese, "informação", "informacao"),
            (Language::German, "Größe", "grosse"),
            (Language::French, "élèves", "eleves"),
            (Language::Danish, "smørrebrød", "smorrebrod"),
        ] {
            let (written, typed) = (words_in(language, written), words_in(language, typed));
            assert!(typed.iter().all(|term| written.contains(term)), "{typed:?} in {written:?}");
        }
    }

    #[test]
    fn a_question_is_asked_in_every_language_of_the_index() {
        let both = [Language::English, Language::German];
        assert_eq!(asked("rivers", &[Language::English]), ["river"]);
        assert_eq!(asked("running", &both), ["run", "running"]);
        assert_eq!(
            asked("die Häuser der Stadt", &both),
            ["haus", "hauser", "stadt"],
            "the stop words tell the language"
        );
        assert_eq!(asked("die", &both), ["die"], "in English it is a word");
        assert!(asked("die", &[Language::German]).is_empty());
    }

    #[test]
    fn what_is_written_right_behind_a_name_or_a_number_is_no_part_of_it() {
        for (written, typed) in [
            ("오류 코드 ERR-2030이 발생했습니다", "ERR-2030"),
            ("가격은 4,096원", "4096"),
            ("모델명은 AB-700X입니다", "AB-700X"),
            ("LG전자의", "LG"),
            ("รหัสERR-2030ครับ", "ERR-2030"),
        ] {
            let found = words_in(Language::Other, written);
            let wanted = words_in(Language::Other, typed);
            assert!(wanted.iter().all(|term| found.contains(term)), "{wanted:?} in {found:?}");
        }
    }

    #[test]
    fn marks_that_nobody_types_are_left_out() {
        assert_eq!(words("inter\u{AD}national"), words("international"));
        assert_eq!(words_in(Language::Turkish, "İstanbul"), words_in(Language::Turkish, "istanbul"));
    }

    #[test]
    fn compatibility_forms_are_folded() {
        assert_eq!(words("ＴＣＰ２"), ["tcp2"]);
        assert_eq!(words("ﬁles"), ["file"]);
    }

    #[test]
    fn mixed_scripts_are_cut_where_the_script_changes() {
        let found = words("TCP协议v2");
        for term in ["tcp", "协议", "v2"] {
            assert!(found.iter().any(|word| word == term), "{term} in {found:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_keeps_the_invariants(
            text in "\\PC{0,200}|[a-cßäİ_.\\-+#桥的はア１가 ]{0,200}", language in 0usize..19,
        ) {
            let language = Language::all().nth(language).unwrap();
            let found = terms(&text, language);
            prop_assert!(found.is_sorted_by_key(|term| term.position));
            prop_assert!(found.iter().all(|term| !term.text.is_empty() && term.text.len() <= TERM_BYTES_MAX));
            prop_assert_eq!(&terms(&text, language), &found);
            prop_assert_eq!(readings(&text, &[language]), [found], "a text finds itself");
        }
    }

    #[test]
    fn endless_words_are_bounded() {
        let endless = "x".repeat(100_000);
        assert_eq!(words(&endless).len(), 1);
        let chain = "ab.".repeat(50_000);
        assert!(words(&chain).iter().all(|word| word.len() <= TERM_BYTES_MAX));
        assert!(!words(&"桥".repeat(5_000)).is_empty());
    }
}
