//! Which language is a text in?
//!
//! Invariants:
//! - Doubt speaks for the document: where the language is not told reliably, there is none.
//! - What the document's owner says about its language is believed before a guess is.

use wellspring_core::limits;
use whatlang::Lang;

/// ISO 639-1 codes of the languages that can be told, beside the 639-3 codes of the detector.
#[rustfmt::skip]
const TWO_LETTERS: &[(&str, &str)] = &[
    ("af", "afr"), ("ak", "aka"), ("am", "amh"), ("ar", "ara"), ("az", "aze"), ("be", "bel"), ("bg", "bul"),
    ("bn", "ben"), ("ca", "cat"), ("cs", "ces"), ("da", "dan"), ("de", "deu"), ("el", "ell"),
    ("en", "eng"), ("eo", "epo"), ("es", "spa"), ("et", "est"), ("fa", "pes"), ("fi", "fin"), ("fr", "fra"),
    ("gu", "guj"), ("he", "heb"), ("hi", "hin"), ("hr", "hrv"), ("hu", "hun"), ("hy", "hye"), ("id", "ind"),
    ("it", "ita"), ("ja", "jpn"), ("jv", "jav"), ("ka", "kat"), ("km", "khm"), ("kn", "kan"), ("ko", "kor"),
    ("la", "lat"), ("lt", "lit"), ("lv", "lav"), ("mk", "mkd"), ("ml", "mal"), ("mr", "mar"), ("my", "mya"),
    ("nb", "nob"), ("no", "nob"), ("ne", "nep"), ("nl", "nld"), ("or", "ori"), ("pa", "pan"), ("pl", "pol"),
    ("pt", "por"), ("ro", "ron"), ("ru", "rus"), ("si", "sin"), ("sk", "slk"), ("sl", "slv"), ("sn", "sna"),
    ("sr", "srp"), ("sv", "swe"), ("ta", "tam"), ("te", "tel"), ("th", "tha"), ("tk", "tuk"), ("tl", "tgl"),
    ("tr", "tur"), ("uk", "ukr"), ("ur", "urd"), ("uz", "uzb"), ("vi", "vie"), ("yi", "yid"), ("zh", "cmn"),
    ("zho", "cmn"), ("zu", "zul"),
];

/// The language of a code as the detector names it; a tag's region is not looked at. `None` where it cannot be told.
pub(super) fn known(tag: &str) -> Option<&'static str> {
    let code = tag.split(['-', '_']).next()?.to_ascii_lowercase();
    let three = TWO_LETTERS.iter().find(|(short, _)| *short == code).map_or(code.as_str(), |(_, long)| long);
    Lang::from_code(three).map(|language| language.code())
}

/// The language of a text: the owner's word, else the detector's where it is sure.
pub(super) fn of(stated: Option<&str>, text: &str) -> Option<&'static str> {
    if let Some(stated) = stated.and_then(known) {
        return Some(stated);
    }
    let sample = super::head(text, limits::SCREEN_LANGUAGE_BYTES_MAX);
    let told = whatlang::detect(sample)?;
    told.is_reliable().then(|| told.lang().code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_short_code_names_a_language() {
        for (short, long) in TWO_LETTERS {
            assert_eq!(known(short), Some(*long));
        }
        assert_eq!((known("EN-gb"), known("deu"), known("xx")), (Some("eng"), Some("deu"), None));
    }

    #[test]
    fn languages_are_told_or_doubted() {
        let german = "Der Hafen liegt am südlichen Ufer des Flusses, und die Fähre fährt dort jeden Morgen ab.";
        assert_eq!(of(None, german), Some("deu"));
        assert_eq!(of(Some("en"), german), Some("eng"));
        assert_eq!(of(None, "渡轮每天早上从河的南岸出发，晚上返回。"), Some("cmn"));
        assert_eq!(of(None, "42"), None);
    }
}
