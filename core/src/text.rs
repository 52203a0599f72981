//! Where does a sentence end, which script is it in, and which characters are the same in two scripts?
//!
//! Invariants:
//! - Sentences are byte ranges on character boundaries, in order, without overlap; every character outside them is
//!   white space.

use std::ops::Range;
use std::sync::LazyLock;

use unicode_segmentation::UnicodeSegmentation;

/// Abbreviations whose full stop ends no sentence although a capital follows, in lower case without the stop.
const ABBREVIATIONS: &[&str] = &[
    "mr", "mrs", "ms", "dr", "prof", "st", "vs", "e.g", "i.e", "etc", "fig", "figs", "eq", "no", "vol", "pp", "cf",
    "al", "approx", "inc", "ltd", "co", "jr", "sr", "dept", "est", "ca", "resp",
];

/// German nouns that are counted by a number with a full stop.
const COUNTED: &[&str] = &[
    "Januar",
    "Jänner",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
    "Jahrhundert",
    "Jahrhunderts",
    "Stock",
    "Etage",
    "Klasse",
    "Auflage",
];

/// The sentences of a text, trimmed. A blank line ends a sentence too, and so does a line break in front of a list
/// item, a table row or a heading, and behind a heading; any other line break is a space. A mark that opens a quotation
/// belongs to the sentence behind it. A full-width stop between two letters parts a name, unless it is what the text ends its
/// sentences with.
pub fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let stops_are_full_width = ends_with_full_width_stops(text);
    for block in blocks(text) {
        let mut pending: Option<Range<usize>> = None;
        // Where the sentence before left its last characters to this one.
        let mut opened = None;
        for (offset, piece) in
            text[block.clone()].split_sentence_bound_indices().flat_map(|(at, piece)| parted(at, piece))
        {
            let start = opened.take().unwrap_or(block.start + offset);
            let mut range = start..block.start + offset + piece.len();
            if range.end < block.end {
                let kept = text[range.clone()].trim_end_matches(opens_quotation).len();
                if kept > 0 && start + kept < range.end {
                    range.end = start + kept;
                    opened = Some(range.end);
                }
            }
            let range = match pending.take() {
                Some(before) => before.start..range.end,
                None => range,
            };
            let parts_name = !stops_are_full_width && parts_a_name(text, range.end);
            if parts_name || goes_on(&text[range.clone()], &text[range.end..]) {
                pending = Some(range);
            } else {
                push_trimmed(text, range, &mut found);
            }
        }
        if let Some(range) = pending {
            push_trimmed(text, range, &mut found);
        }
    }
    found
}

/// A piece without the full stops in front of markup that it holds: `<b>` begins with a small letter as far as the standard
/// sees, behind which a full stop would be that of an abbreviation.
fn parted(at: usize, piece: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    let ends = piece.match_indices(". <").map(|(end, _)| end + 2).chain([piece.len()]);
    ends.map(move |end| {
        let part = (at + start, &piece[start..end]);
        start = end;
        part
    })
}

/// Whether a character opens a quotation or a bracket and cannot close one.
fn opens_quotation(c: char) -> bool {
    matches!(c, '“' | '‘' | '「' | '『' | '《' | '〈' | '（' | '【' | '〔' | '〖')
}

/// Whether a text uses the full-width stop as its full stop: it has no other one, and a line of it ends so.
fn ends_with_full_width_stops(text: &str) -> bool {
    !text.contains('。') && text.contains('．') && text.lines().any(|line| line.trim_end().ends_with('．'))
}

/// Whether the boundary at `end` follows a full-width stop between two letters or digits, as in 約翰．史密斯.
fn parts_a_name(text: &str, end: usize) -> bool {
    let before = text[..end].strip_suffix('．');
    before.is_some_and(|before| before.ends_with(char::is_alphanumeric))
        && text[end..].starts_with(char::is_alphanumeric)
}

/// Parts of a text that no sentence crosses.
fn blocks(text: &str) -> Vec<Range<usize>> {
    let mut blocks = Vec::new();
    let mut start = 0;
    let mut line_start = 0;
    let mut behind_heading = false;
    for line in text.split_inclusive('\n') {
        if line_start > start && (starts_block(line) || behind_heading) {
            blocks.push(start..line_start);
            start = line_start;
        }
        behind_heading = line.trim_start().starts_with('#');
        line_start += line.len();
    }
    blocks.push(start..text.len());
    blocks
}

/// Whether a line begins something of its own: nothing, a list item, a table row, a heading, a fence, a quote.
fn starts_block(line: &str) -> bool {
    let line = line.trim_start();
    let numbered = line.split_once(['.', ')']).is_some_and(|(number, rest)| {
        !number.is_empty() && number.len() <= 3 && number.bytes().all(|b| b.is_ascii_digit()) && rest.starts_with(' ')
    });
    line.is_empty()
        || numbered
        || line.starts_with("```")
        || line.starts_with(['#', '|', '>', '•'])
        // A row as our readers write it: cells parted by this mark.
        || line.contains(" | ")
        || ["- ", "* ", "+ "].iter().any(|bullet| line.starts_with(bullet))
}

/// Whether a boundary between `text` and what stands behind it is none: the last word is an abbreviation, an initial or a
/// number that counts, or only the line ended.
fn goes_on(text: &str, behind: &str) -> bool {
    let trimmed = text.trim_end();
    let Some(text) = trimmed.strip_suffix('.') else {
        let closers = ['"', '\'', ')', ']', '”', '’', '」', '』', '）', '*', '_', '`'];
        let ends = trimmed.trim_end_matches(closers).ends_with(['.', '!', '?', '。', '！', '？', '…', '．', '｡']);
        return text.ends_with('\n') && !ends;
    };
    let word = text.rsplit(|c: char| c.is_whitespace() || "([\"'".contains(c)).next().unwrap_or_default();
    let initial = word.len() == 1 && word.starts_with(|c: char| c.is_ascii_uppercase());
    initial || ABBREVIATIONS.contains(&word.to_lowercase().as_str()) || is_ordinal(word, behind)
}

/// Whether a number with a full stop counts what stands behind it, as German does: the 15. September, the 19. Jahrhundert.
fn is_ordinal(number: &str, behind: &str) -> bool {
    let next = behind.trim_start().split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    (1..=2).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit()) && COUNTED.contains(&next)
}

/// Adds a range without the white space around it, unless nothing is left.
fn push_trimmed(text: &str, range: Range<usize>, found: &mut Vec<Range<usize>>) {
    let slice = &text[range.clone()];
    let start = range.start + (slice.len() - slice.trim_start().len());
    let end = range.start + slice.trim_end().len();
    if start < end {
        found.push(start..end);
    }
}

/// Whether a character is written without spaces between words: Han, kana, and their punctuation is not one.
pub fn is_cjk(c: char) -> bool {
    matches!(c,
        '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{323AF}'
        | '\u{3040}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}' | '\u{3005}' | '\u{3007}')
}

/// A character as simplified Chinese writes it: who asks in one way of writing finds what was written in the other. Made by
/// the character, so that a text's neighbours change nothing; one that has several simplified forms stays.
pub fn simplified(character: char) -> char {
    let place = u32::from(character).wrapping_sub(u32::from(HAN_FIRST)) as usize;
    SIMPLIFIED.get(place).copied().unwrap_or(character)
}

const HAN_FIRST: char = '\u{3400}';
const HAN_LAST: char = '\u{FAFF}';

/// Each character from [`HAN_FIRST`] on as simplified Chinese writes it.
static SIMPLIFIED: LazyLock<Vec<char>> = LazyLock::new(|| {
    let converted = (HAN_FIRST..=HAN_LAST).map(|traditional| {
        if !is_cjk(traditional) {
            return traditional;
        }
        let text = hanconv::t2s(traditional.to_string());
        let mut characters = text.chars();
        characters.next().filter(|_| characters.next().is_none()).unwrap_or(traditional)
    });
    converted.collect()
});

/// Whether a character turns the direction of the text after it: on a terminal it disguises what a line says.
pub fn is_bidirectional_control(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Whether a character takes no place on a line: white space, and marks that only shape their neighbours.
pub fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || is_bidirectional_control(c)
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2065}' | '\u{206A}'..='\u{206F}' | '\u{2800}' | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{E0000}'..='\u{E0FFF}')
}

/// The primary language tag that the script of a text suggests, when one script decides it: `ja` for kana, `zh` for
/// Han, `ko` for Hangul, and so on; `None` for Latin script, which many languages share.
pub fn script_language(text: &str) -> Option<&'static str> {
    let mut counts =
        [("ja", 0usize), ("zh", 0), ("ko", 0), ("ru", 0), ("ar", 0), ("he", 0), ("el", 0), ("hi", 0), ("th", 0)];
    let mut letters = 0usize;
    for c in text.chars().filter(|c| c.is_alphabetic()) {
        letters += 1;
        let place = match c {
            '\u{3040}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}' => 0,
            _ if is_cjk(c) => 1,
            '\u{1100}'..='\u{11FF}' | '\u{3130}'..='\u{318F}' | '\u{AC00}'..='\u{D7AF}' => 2,
            '\u{0400}'..='\u{052F}' => 3,
            '\u{0600}'..='\u{06FF}' | '\u{0750}'..='\u{077F}' => 4,
            '\u{0590}'..='\u{05FF}' => 5,
            '\u{0370}'..='\u{03FF}' => 6,
            '\u{0900}'..='\u{097F}' => 7,
            '\u{0E00}'..='\u{0E7F}' => 8,
            _ => continue,
        };
        counts[place].1 += 1;
    }
    // Japanese mixes kana and Han: a little kana decides. A Han character says about as much as three letters.
    let (kana, han) = (counts[0].1, counts[1].1);
    if 3 * (kana + han) >= letters.max(1) && kana + han > 0 {
        return Some(if 10 * kana >= kana + han { "ja" } else { "zh" });
    }
    counts[2..].iter().find(|(_, count)| 2 * count > letters).map(|(language, _)| *language)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        sentences(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn a_heading_ends_with_its_line() {
        assert_eq!(
            cut("# Zoo\nThe axolotl eats worms.\n## More\nIt swims."),
            ["# Zoo", "The axolotl eats worms.", "## More", "It swims."]
        );
    }

    #[test]
    fn an_opening_mark_belongs_to_what_it_opens() {
        assert_eq!(cut("“苹果号”建于1990年。“香蕉号”建于1995年。"), ["“苹果号”建于1990年。", "“香蕉号”建于1995年。"]);
        assert_eq!(cut("他说：“好。”「是吗？」她问。"), ["他说：“好。”", "「是吗？」", "她问。"]);
    }

    #[test]
    fn full_stops_end_sentences_and_abbreviations_do_not() {
        assert_eq!(cut("Dr. Smith came. He left, e.g. Tuesday."), ["Dr. Smith came.", "He left, e.g. Tuesday."]);
        assert_eq!(cut("Version 2.5 is out! Is it? Yes."), ["Version 2.5 is out!", "Is it?", "Yes."]);
        assert_eq!(cut("It is in Lund. <b>Ola</b> runs it."), ["It is in Lund.", "<b>Ola</b> runs it."]);
        assert_eq!(cut("It is in Lund. <|x|> Ola runs it. <i>"), ["It is in Lund.", "<|x|> Ola runs it.", "<i>"]);
        assert_eq!(cut("Some tags, e.g. <b>, are bold."), ["Some tags, e.g. <b>, are bold."]);
    }

    #[test]
    fn chinese_sentences_need_no_space() {
        assert_eq!(cut("今天下雨。明天晴天！好吗？"), ["今天下雨。", "明天晴天！", "好吗？"]);
    }

    #[test]
    fn a_full_width_stop_within_a_name_ends_no_sentence() {
        assert_eq!(cut("約翰．史密斯生於１９．５年。他住在倫敦。"), ["約翰．史密斯生於１９．５年。", "他住在倫敦。"]);
        assert_eq!(cut("作者是誰？約翰．史密斯"), ["作者是誰？", "約翰．史密斯"]);
        assert_eq!(cut("今天下雨．明天晴．"), ["今天下雨．", "明天晴．"], "where it is the only full stop");
    }

    #[test]
    fn blocks_end_sentences_and_plain_line_breaks_do_not() {
        assert_eq!(
            cut("# Title\n\nOne\ntwo.\n- item a\n- item b\n1. first"),
            ["# Title", "One\ntwo.", "- item a", "- item b", "1. first"]
        );
    }

    #[test]
    fn rows_of_a_table_are_sentences_of_their_own() {
        assert_eq!(
            cut("City: Köln | River: Rhein\nCity: Ulm | River: Donau"),
            ["City: Köln | River: Rhein", "City: Ulm | River: Donau"]
        );
    }

    #[test]
    fn script_decides_the_language_only_where_it_can() {
        assert_eq!(script_language("谁写了《红楼梦》？"), Some("zh"));
        assert_eq!(script_language("東京はどこですか"), Some("ja"));
        assert_eq!(script_language("Где мой документ"), Some("ru"));
        assert_eq!(script_language("where is my document"), None);
        assert_eq!(script_language("谁发明了 TCP 协议"), Some("zh"));
        assert_eq!(script_language(""), None);
    }

    #[test]
    fn a_german_date_is_one_sentence() {
        let pool = "Das Bad ist vom 15. September an geöffnet. Es wurde im 19. Jahrhundert gebaut.";
        let cut: Vec<&str> = sentences(pool).into_iter().map(|range| &pool[range]).collect();
        assert_eq!(cut, ["Das Bad ist vom 15. September an geöffnet.", "Es wurde im 19. Jahrhundert gebaut."]);
        let number = "The answer is 42. Nobody knows the question.";
        assert_eq!(sentences(number).len(), 2);
    }

    #[test]
    fn traditional_characters_become_simplified_ones() {
        let written: String = "臺灣的龍與 Dragon ひらがな 𠀀".chars().map(simplified).collect();
        assert_eq!(written, "台湾的龙与 Dragon ひらがな 𠀀");
    }
}
