//! Which language are the words of a text in, and what does that language make of a word?
//!
//! | language | stems | stop words |
//! |---|---|---|
//! | Danish, Dutch, English, Finnish, French, German, Hungarian, Italian, Norwegian, Portuguese, Russian, Spanish, Swedish | Snowball | a list |
//! | Arabic, Greek, Romanian, Tamil, Turkish | Snowball | none |
//! | any other | none | the English ones |
//!
//! Invariants:
//! - A language is told from the text alone, so the same text is analysed alike whenever it is indexed.
//! - In doubt it is English: a short text in Latin letters is analysed as most are.

use std::sync::LazyLock;

use frostem::{Algorithm, Stemmer};
use tantivy::tokenizer::{Language as ListLanguage, RawTokenizer, StopWordFilter, TextAnalyzer, TokenStream};
use wellspring_core::text::script_language;
use whatlang::Lang;

use crate::stop_words::is_stop_word;

/// Bytes of a text that its language is told from: some sixty words, which is enough, and cheap for every chunk.
const SAMPLE_BYTES_MAX: usize = 400;
/// The share of a language's stop words from which a text is in it without a closer look: its own prose has about 4 of 10,
/// that of a neighbour which shares some of them 1 or 2.
const TELLING_SHARE: f64 = 0.25;
/// The share of English stop words up to which the detector is believed about a language without a list.
const UNTOLD_SHARE: f64 = 1.0 / 6.0;
/// Stop words of a language by which a short text is told to be in it.
const TELLING_STOP_WORDS: usize = 2;

/// A script with words between spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    Latin,
    Cyrillic,
    Greek,
    Arabic,
    Tamil,
    Hangul,
    Other,
}

impl Script {
    /// The script of a word, by its first letter.
    pub(crate) fn of(word: &str) -> Self {
        match word.chars().find(|c| c.is_alphabetic()) {
            Some('\u{0370}'..='\u{03FF}' | '\u{1F00}'..='\u{1FFF}') => Self::Greek,
            Some('\u{0400}'..='\u{052F}') => Self::Cyrillic,
            Some('\u{0600}'..='\u{06FF}' | '\u{0750}'..='\u{077F}') => Self::Arabic,
            Some('\u{0B80}'..='\u{0BFF}') => Self::Tamil,
            Some('\u{1100}'..='\u{11FF}' | '\u{3130}'..='\u{318F}' | '\u{AC00}'..='\u{D7AF}') => Self::Hangul,
            Some('\u{0000}'..='\u{024F}' | '\u{1E00}'..='\u{1EFF}') => Self::Latin,
            _ => Self::Other,
        }
    }

    /// The language of words that stand in a text of another script.
    fn language(self) -> Language {
        match self {
            Self::Cyrillic => Language::Russian,
            Self::Greek => Language::Greek,
            Self::Arabic => Language::Arabic,
            Self::Tamil => Language::Tamil,
            Self::Latin => Language::English,
            Self::Hangul | Self::Other => Language::Other,
        }
    }
}

/// A language that words are analysed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Arabic,
    Danish,
    Dutch,
    English,
    Finnish,
    French,
    German,
    Greek,
    Hungarian,
    Italian,
    Norwegian,
    Portuguese,
    Romanian,
    Russian,
    Spanish,
    Swedish,
    Tamil,
    Turkish,
    /// Told to be none of the others.
    Other,
}

/// The detector's word for a language, its stemmer and its list.
type Facts = (Lang, Algorithm, ListLanguage);

/// Every language, with the name it is indexed under.
const LANGUAGES: [(Language, &str, Option<Facts>); 19] = [
    (Language::Arabic, "ar", Some((Lang::Ara, Algorithm::Arabic, ListLanguage::Arabic))),
    (Language::Danish, "da", Some((Lang::Dan, Algorithm::Danish, ListLanguage::Danish))),
    (Language::Dutch, "nl", Some((Lang::Nld, Algorithm::Dutch, ListLanguage::Dutch))),
    (Language::English, "en", Some((Lang::Eng, Algorithm::English, ListLanguage::English))),
    (Language::Finnish, "fi", Some((Lang::Fin, Algorithm::Finnish, ListLanguage::Finnish))),
    (Language::French, "fr", Some((Lang::Fra, Algorithm::French, ListLanguage::French))),
    (Language::German, "de", Some((Lang::Deu, Algorithm::German, ListLanguage::German))),
    (Language::Greek, "el", Some((Lang::Ell, Algorithm::Greek, ListLanguage::Greek))),
    (Language::Hungarian, "hu", Some((Lang::Hun, Algorithm::Hungarian, ListLanguage::Hungarian))),
    (Language::Italian, "it", Some((Lang::Ita, Algorithm::Italian, ListLanguage::Italian))),
    (Language::Norwegian, "no", Some((Lang::Nob, Algorithm::Norwegian, ListLanguage::Norwegian))),
    (Language::Portuguese, "pt", Some((Lang::Por, Algorithm::Portuguese, ListLanguage::Portuguese))),
    (Language::Romanian, "ro", Some((Lang::Ron, Algorithm::Romanian, ListLanguage::Romanian))),
    (Language::Russian, "ru", Some((Lang::Rus, Algorithm::Russian, ListLanguage::Russian))),
    (Language::Spanish, "es", Some((Lang::Spa, Algorithm::Spanish, ListLanguage::Spanish))),
    (Language::Swedish, "sv", Some((Lang::Swe, Algorithm::Swedish, ListLanguage::Swedish))),
    (Language::Tamil, "ta", Some((Lang::Tam, Algorithm::Tamil, ListLanguage::Tamil))),
    (Language::Turkish, "tr", Some((Lang::Tur, Algorithm::Turkish, ListLanguage::Turkish))),
    (Language::Other, "other", None),
];

impl Language {
    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        LANGUAGES.iter().map(|(language, ..)| *language)
    }

    /// The name it is indexed under.
    pub(crate) fn tag(self) -> &'static str {
        LANGUAGES[self as usize].1
    }

    /// The script it is written in; the one of its words where it is not known.
    fn script(self) -> Option<Script> {
        match self {
            Self::Russian => Some(Script::Cyrillic),
            Self::Greek => Some(Script::Greek),
            Self::Arabic => Some(Script::Arabic),
            Self::Tamil => Some(Script::Tamil),
            Self::Other => None,
            _ => Some(Script::Latin),
        }
    }

    /// The language of a word of that script in a text of this language.
    pub(crate) fn of_word(self, script: Script) -> Self {
        if self.script().is_none_or(|own| own == script) { self } else { script.language() }
    }

    /// The language of a text.
    pub(crate) fn of(text: &str) -> Self {
        let sample = &text[..text.floor_char_boundary(SAMPLE_BYTES_MAX)];
        // Where words are not parted by spaces, the few with letters are mostly English.
        if matches!(script_language(sample), Some("zh" | "ja" | "ko")) {
            return Self::English;
        }
        let sample = sample.to_lowercase();
        let words: Vec<&str> = sample.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let telling = (TELLING_SHARE * words.len() as f64).max(TELLING_STOP_WORDS as f64);
        let english = words.iter().filter(|word| is_stop_word(word)).count();
        if english as f64 >= telling {
            return Self::English;
        }
        let spoken = most_spoken(Self::all(), words.iter().copied());
        if let Some((language, count)) = spoken
            && count as f64 >= telling
        {
            return language;
        }
        // Names and formulas mislead the detector, which hears letters: what it hears must be spoken, too.
        let told = whatlang::detect(&sample).filter(|told| told.is_reliable()).map(|told| Self::told(told.lang()));
        let is_spoken = |language: &Self| match StopWords::of(*language) {
            Some(list @ StopWords::Listed(_)) => count(list, words.iter().copied()) > english,
            // `her` and `ve` are Turkish words, too.
            Some(StopWords::English) | None => (english as f64) < UNTOLD_SHARE * words.len() as f64,
        };
        told.filter(is_spoken).or(spoken.map(|(language, _)| language)).unwrap_or(Self::English)
    }

    fn told(lang: Lang) -> Self {
        let known = LANGUAGES.iter().find(|(.., facts)| facts.as_ref().is_some_and(|(told, ..)| *told == lang));
        known.map_or(Self::Other, |(language, ..)| *language)
    }

    /// What takes the endings off its words.
    pub(crate) fn stemmer(self) -> Option<Stemmer> {
        LANGUAGES[self as usize].2.as_ref().map(|(_, algorithm, _)| Stemmer::new(*algorithm))
    }
}

/// The language that most of the words are stop words of, and how many, if there is one and they are enough to tell.
pub(crate) fn most_spoken<'w>(
    languages: impl Iterator<Item = Language>,
    words: impl Iterator<Item = &'w str> + Clone,
) -> Option<(Language, usize)> {
    let (mut most, mut best, mut tied) = (TELLING_STOP_WORDS - 1, None, false);
    for language in languages.filter(|language| *language != Language::Other) {
        let Some(list) = StopWords::of(language) else { continue };
        let count = count(list, words.clone());
        if count > most {
            (most, best, tied) = (count, Some(language), false);
        } else if count == most {
            tied = true;
        }
    }
    best.filter(|_| !tied).map(|language| (language, most))
}

/// How many of the words are in a list.
fn count<'w>(mut list: StopWords, words: impl Iterator<Item = &'w str>) -> usize {
    words.filter(|word| list.contains(word)).count()
}

/// The words of a language that say nothing about what a text is about.
pub(crate) enum StopWords {
    /// Our own list, which is longer than the usual one.
    English,
    /// The Snowball list, as the index's library keeps it: what it lets through is none.
    Listed(TextAnalyzer),
}

impl StopWords {
    /// The list of a language; `None` where there is none.
    pub(crate) fn of(language: Language) -> Option<Self> {
        static LISTS: LazyLock<Vec<Option<TextAnalyzer>>> = LazyLock::new(|| {
            let list = |facts: &Option<Facts>| {
                let filter = StopWordFilter::new(facts.as_ref()?.2)?;
                Some(TextAnalyzer::builder(RawTokenizer::default()).filter(filter).build())
            };
            LANGUAGES.iter().map(|(.., facts)| list(facts)).collect()
        });
        match language {
            Language::English | Language::Other => Some(Self::English),
            _ => LISTS[language as usize].clone().map(Self::Listed),
        }
    }

    /// Whether a lower-case word is in the list.
    pub(crate) fn contains(&mut self, word: &str) -> bool {
        match self {
            Self::English => is_stop_word(word),
            Self::Listed(list) => !list.token_stream(word).advance(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_languages() {
        for (place, language) in Language::all().enumerate() {
            assert_eq!(language as usize, place, "{language:?}");
        }
    }

    #[test]
    fn sentences_tell_their_language() {
        for (language, text) in [
            (
                Language::Danish,
                "Færgen sejler ud af havnen hver morgen, og den bliver væk, til det er blevet aften igen.",
            ),
            (
                Language::Dutch,
                "De veerboot vertrekt elke ochtend uit de haven en keert in de avond terug naar het eiland.",
            ),
            (Language::English, "The ferry leaves the harbour every morning and returns in the evening."),
            (Language::Finnish, "Lautta lähtee satamasta joka aamu ja palaa vasta illalla takaisin."),
            (Language::French, "Le bac quitte le port tous les matins et ne revient que dans la soirée."),
            (Language::German, "Die Fähre verlässt jeden Morgen den Hafen und kehrt erst am Abend zurück."),
            (Language::Hungarian, "A komp minden reggel elindul a kikötőből, és csak este tér vissza."),
            (Language::Italian, "Il traghetto lascia il porto ogni mattina e torna soltanto la sera."),
            (Language::Norwegian, "Fergen går fra havnen hver morgen, og den kommer ikke tilbake før om kvelden."),
            (Language::Portuguese, "A balsa sai do porto todas as manhãs e só volta ao anoitecer."),
            (Language::Russian, "Паром каждое утро уходит из порта и возвращается только вечером."),
            (Language::Spanish, "El transbordador sale del puerto todas las mañanas y no vuelve hasta la noche."),
            (Language::Swedish, "Färjan lämnar hamnen varje morgon och kommer inte tillbaka förrän på kvällen."),
            (
                Language::Turkish,
                "Feribot her sabah limandan ayrılır ve ancak akşam geri döner; bu yüzden yolcular öğleden önce gelmelidir.",
            ),
            (Language::Greek, "Το πλοίο φεύγει κάθε πρωί από το λιμάνι και επιστρέφει το βράδυ."),
            (Language::Other, "Prom każdego ranka wypływa z portu i wraca dopiero wieczorem."),
        ] {
            assert_eq!(Language::of(text), language, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_english() {
        for text in ["", "42", "fn main() { let x = 1; }", "Titanium dioxide", "渡轮每天早上出发", "서울에서 출발"]
        {
            assert_eq!(Language::of(text), Language::English, "{text}");
        }
    }

    #[test]
    fn a_list_stops_its_own_words_only() {
        let mut german = StopWords::of(Language::German).unwrap();
        assert!(german.contains("der") && german.contains("nicht") && !german.contains("the"));
        assert!(StopWords::of(Language::Turkish).is_none());
        let both = [Language::English, Language::German];
        let told = |text: &str| most_spoken(both.into_iter(), text.split(' ')).map(|(language, _)| language);
        assert_eq!(told("die häuser der stadt"), Some(Language::German));
        assert_eq!(told("houses of the city"), Some(Language::English));
        assert_eq!(told("die"), None, "one word is not enough to tell");
    }
}
