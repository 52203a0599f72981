//! Which words does a text bear, in the form that two texts are compared by?
//!
//! Letters and digits in runs, lower case, English words without their endings; Chinese and Japanese as single
//! characters and pairs, since nothing marks where a word ends. Words that every sentence has are left out.
//!
//! Invariants:
//! - Pure and total: any text gives terms, and the same text always the same ones.
//! - Traditional and simplified characters are the same.
//! - A number is one term, whatever its thousands are parted by: `2,850` and `2850` are the same.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use frostem::{Algorithm, Stemmer};
use wellspring_core::text::{is_cjk, simplified};

use crate::numerals::{SMALL, TENS};

/// English words that say nothing of what a sentence is about, question words included.
const STOP_WORDS: &[&str] = &[
    "a", "about", "also", "am", "an", "and", "any", "are", "as", "at", "be", "been", "being", "but", "by", "can",
    "could", "did", "do", "does", "for", "from", "had", "has", "have", "he", "her", "his", "how", "i", "if", "in",
    "into", "is", "it", "its", "many", "me", "much", "my", "no", "not", "of", "on", "or", "our", "over", "please",
    "she", "should", "so", "some", "such", "than", "that", "the", "their", "them", "then", "there", "these", "they",
    "this", "those", "to", "us", "was", "we", "were", "what", "when", "where", "which", "who", "whom", "whose", "why",
    "will", "with", "would", "you", "your", "s", "t",
];

/// Chinese characters of the same kind, simplified and traditional.
const STOP_CHARACTERS: &str = "的了是在有和與与及或也都就而之其于於以为為爲被把对對從从到由等个個这這那哪什么麼谁誰多少几幾何吗嗎呢吧请請问問怎样樣如";

static ENGLISH: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::new(Algorithm::English));

/// Verbs whose forms have no stem in common.
const IRREGULAR: &[&str] = &[
    "be is are was were been",
    "beat beats beaten",
    "become becomes became",
    "begin begins began begun",
    "bite bites bit bitten",
    "blow blows blew blown",
    "break breaks broke broken",
    "bring brings brought",
    "build builds built",
    "burn burns burnt",
    "buy buys bought",
    "catch catches caught",
    "choose chooses chose chosen",
    "come comes came",
    "draw draws drew drawn",
    "drink drinks drank drunk",
    "drive drives drove driven",
    "eat eats ate eaten",
    "fall falls fell fallen",
    "feed feeds fed",
    "fight fights fought",
    "find finds found",
    "fly flies flew flown",
    "forget forgets forgot forgotten",
    "get gets got",
    "give gives gave given",
    "go goes went gone",
    "grow grows grew grown",
    "hang hangs hung",
    "hear hears heard",
    "hide hides hid hidden",
    "hold holds held",
    "keep keeps kept",
    "know knows knew known",
    "lead leads led",
    "learn learns learnt",
    "leave leaves left",
    "lend lends lent",
    "lose loses lost",
    "make makes made",
    "mean means meant",
    "meet meets met",
    "pay pays paid",
    "ride rides rode ridden",
    "ring rings rang rung",
    "rise rises rose risen",
    "run runs ran",
    "say says said",
    "see sees saw seen",
    "sell sells sold",
    "send sends sent",
    "shoot shoots shot",
    "show shows shown",
    "sing sings sang sung",
    "sink sinks sank sunk",
    "sit sits sat",
    "sleep sleeps slept",
    "speak speaks spoke spoken",
    "spend spends spent",
    "stand stands stood",
    "steal steals stole stolen",
    "strike strikes struck",
    "swim swims swam swum",
    "take takes took taken",
    "teach teaches taught",
    "tell tells told",
    "think thinks thought",
    "throw throws threw thrown",
    "wake wakes woke woken",
    "wear wears wore worn",
    "win wins won",
    "write writes wrote written",
];

static LEMMAS: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    let forms = IRREGULAR.iter().filter_map(|forms| Some((forms.split_whitespace().next()?, forms)));
    forms.flat_map(|(first, forms)| forms.split_whitespace().map(move |form| (form, first))).collect()
});

/// The first form of an irregular English verb.
pub(crate) fn lemma(word: &str) -> Option<&'static str> {
    LEMMAS.get(word).copied()
}

/// A bare word and its bytes in the text.
pub(crate) type WordAt = (String, Range<usize>);

/// Whether a word is in a list of words with spaces between them.
pub(crate) fn is_one_of(word: &str, list: &str) -> bool {
    list.split_whitespace().any(|listed| listed == word)
}

/// Every term of a text, in order, repeated as often as it occurs.
pub(crate) fn terms(text: &str) -> Vec<String> {
    let text = &text.chars().map(folded).collect::<String>();
    let mut found = Vec::new();
    let mut characters = text.char_indices().peekable();
    while let Some((start, first)) = characters.next() {
        let word = |c: char| c.is_alphanumeric() && !is_cjk(c);
        let same_run: &dyn Fn(char) -> bool = if is_cjk(first) { &is_cjk } else { &word };
        if !same_run(first) {
            continue;
        }
        let mut end = start + first.len_utf8();
        while let Some(&(at, c)) = characters.peek() {
            let digit_after = || text[..at].ends_with(is_digit) && text[at + c.len_utf8()..].starts_with(is_digit);
            if same_run(c) || (matches!(c, ',' | '.') && digit_after()) {
                end = at + c.len_utf8();
                characters.next();
            } else {
                break;
            }
        }
        let run = &text[start..end];
        if is_cjk(first) { push_characters(run, &mut found) } else { push_word(run, &mut found) }
    }
    found
}

/// The terms of a question that a sentence may answer it with, without the Chinese phrases that only ask: 狗多少钱？ is answered
/// by 小狗每只0.80克朗, where none of 钱 and its neighbours stands.
pub(crate) fn asked_terms(question: &str) -> Vec<String> {
    const PHRASES: &[&str] =
        &["多少钱", "多少錢", "什么时候", "什麼時候", "几点", "幾點", "何时", "何時", "多长时间", "多長時間"];
    // 有多高 asks for a height, and 有多少 for a number.
    let parts = question.split("有多少").map(|part| part.replace("有多", " "));
    let question = parts.collect::<Vec<String>>().join("有多少");
    terms(&PHRASES.iter().fold(question, |question, phrase| question.replace(phrase, " ")))
}

/// How often each term occurs.
pub(crate) fn term_counts(text: &str) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for term in terms(text) {
        *counts.entry(term).or_insert(0) += 1;
    }
    counts
}

/// A text as its bare words: lower case, each Chinese character a word, numbers apart from letters, no stop words left
/// out and nothing stemmed. Two texts with the same words read the same but for case, spaces and punctuation.
pub(crate) fn words(text: &str) -> Vec<String> {
    words_at(text).into_iter().map(|(word, _)| word).collect()
}

/// The bare words of a text, each with its bytes there.
pub(crate) fn words_at(text: &str) -> Vec<WordAt> {
    let mut found: Vec<WordAt> = Vec::new();
    let mut open: Option<Kind> = None;
    let mut characters = text.char_indices().peekable();
    while let Some((at, wide)) = characters.next() {
        let c = folded(wide);
        let end = at + wide.len_utf8();
        let kind = match c {
            _ if is_cjk(c) => Kind::Character,
            _ if c.is_numeric() => Kind::Number,
            _ if c.is_alphabetic() => Kind::Letters,
            ',' | '.'
                if open == Some(Kind::Number) && characters.peek().is_some_and(|&(_, next)| is_digit(folded(next))) =>
            {
                if c == '.'
                    && let Some((number, _)) = found.last_mut()
                {
                    number.push(c);
                }
                continue;
            }
            _ => {
                open = None;
                continue;
            }
        };
        match found.last_mut() {
            Some((word, range)) if open == Some(kind) && kind != Kind::Character => {
                word.extend(c.to_lowercase());
                range.end = end;
            }
            _ => found.push((c.to_lowercase().collect(), at..end)),
        }
        open = Some(kind);
    }
    found
}

/// English words for numbers beside those of `numerals`, of which `one` is left out, since it mostly stands for something else.
const NUMBER_WORDS: &[&str] = &["hundred", "thousand", "million", "billion", "dozen"];

/// Whether a bare word is a number, in digits or in English letters.
pub(crate) fn is_number(word: &str) -> bool {
    word.starts_with(char::is_numeric)
        || SMALL[2..].contains(&word)
        || TENS.contains(&word)
        || NUMBER_WORDS.contains(&word)
}

/// Whether a bare word is a number in Chinese characters.
pub(crate) fn is_chinese_number(word: &str) -> bool {
    let mut characters = word.chars();
    let numeral = |c| "〇零一二两兩三四五六七八九十百千万萬亿億半".contains(c);
    characters.next().is_some_and(numeral) && characters.next().is_none()
}

/// Whether `part` occurs in `whole`, word for word and in one piece. No words occur nowhere.
pub(crate) fn contains_words(whole: &[String], part: &[String]) -> bool {
    !part.is_empty() && whole.windows(part.len()).any(|window| window == part)
}

/// A full-width letter or digit as its ASCII sister, and a traditional character as the simplified one: １９２４ and 1924 are the
/// same number, 羅馬 and 罗马 the same town. Full-width punctuation stays, since it parts numbers where a comma does not.
fn folded(c: char) -> char {
    const OFFSET: u32 = 0xFEE0;
    match c {
        '０'..='９' | 'Ａ'..='Ｚ' | 'ａ'..='ｚ' => char::from_u32(u32::from(c) - OFFSET).unwrap_or(c),
        _ => simplified(c),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Character,
    Number,
    Letters,
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn push_word(run: &str, found: &mut Vec<String>) {
    let mut word = run.to_lowercase();
    if word.starts_with(is_digit) {
        word.retain(|c| c != ',');
    }
    if STOP_WORDS.contains(&word.as_str()) {
        return;
    }
    let english = word.bytes().all(|byte| byte.is_ascii_alphabetic());
    found.push(if english { ENGLISH.stem(lemma(&word).unwrap_or(&word)).into() } else { word });
}

/// Whether a Chinese character says nothing of what a sentence is about.
pub(crate) fn is_stop_character(c: char) -> bool {
    STOP_CHARACTERS.contains(c)
}

fn push_characters(run: &str, found: &mut Vec<String>) {
    let stop = is_stop_character;
    let mut before: Option<char> = None;
    for c in run.chars() {
        if let Some(before) = before
            && !(stop(before) && stop(c))
        {
            found.push([before, c].iter().collect());
        }
        if !stop(c) {
            found.push(c.to_string());
        }
        before = Some(c);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn english_words_lose_their_endings_and_common_ones_are_left_out() {
        assert_eq!(terms("Which rivers are the longest?"), ["river", "longest"]);
        assert_eq!(terms("It's 2,850 km, v2.5."), ["2850", "km", "v2.5"]);
    }

    #[test]
    fn chinese_gives_characters_and_pairs_without_common_ones() {
        assert_eq!(terms("长江有多长？"), ["长", "长江", "江", "江有", "多长", "长"]);
        assert_eq!(terms("TCP协议"), ["tcp", "协", "协议", "议"]);
    }

    #[test]
    fn what_only_asks_is_no_term_of_a_question() {
        assert_eq!(asked_terms("该塔有多高？"), ["该", "该塔", "塔", "高"]);
        assert_eq!(asked_terms("塔有多少级？"), terms("塔有多少级？"));
    }

    #[test]
    fn full_width_letters_and_digits_are_the_same_as_others() {
        assert_eq!(terms("ＡＢＣ於１９２４年"), terms("abc於1924年"));
        assert_eq!(words("１９２４，１９２５"), ["1924", "1925"]);
    }

    #[test]
    fn traditional_characters_are_the_same_as_simplified_ones() {
        assert_eq!(terms("東漢的國都在洛陽。"), terms("东汉的国都在洛阳。"));
        assert_eq!(words("臺灣 Taiwan"), ["台", "湾", "taiwan"]);
    }

    #[test]
    fn words_forget_case_space_and_punctuation_but_not_where_they_end() {
        assert_eq!(
            words("It's 2,850km; v2.5 全长6300公里。"),
            ["it", "s", "2850", "km", "v", "2.5", "全", "长", "6300", "公", "里"]
        );
        assert!(contains_words(&words("built in 1874, they say"), &words("In 1874")));
        assert!(!contains_words(&words("built in 1874"), &words("187")));
        assert!(!contains_words(&words("built in 1874"), &words("?!")));
    }

    proptest! {
        #[test]
        fn any_text_gives_terms_that_are_not_empty(text in ".*") {
            prop_assert!(terms(&text).iter().all(|term| !term.is_empty()));
        }
    }
}
