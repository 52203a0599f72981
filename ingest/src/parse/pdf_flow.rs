//! Which lines of a page are one paragraph, and which are headings?
//!
//! Lines of one column are one paragraph while they keep its size, its distance and its margin. A word hyphenated at the
//! end of a line is joined. Short paragraphs in a type clearly larger than the document's own are headings, ranked by
//! size.
//!
//! Invariants:
//! - A paragraph is written as one line: a line end of the page means nothing.
//! - A page's mark stands at its first block, and only pages with blocks have one.

use std::collections::BTreeMap;

use wellspring_core::place::{Place, PlaceMark};

use super::pdf_layout::{Line, is_wide, median};
use super::{Block, BlockKind, tidy_title};

/// Lines further apart than this many times the usual distance are two paragraphs.
const DISTANCE: f64 = 1.35;
/// The usual distance of lines, in sizes of the type, where a page is too short to tell.
const LEADING: f64 = 1.2;
/// Types differ in size beyond this share.
const SIZE_DIFFERENCE: f64 = 0.15;
/// An indentation, in sizes of the type.
const INDENTATION: f64 = 0.8;
/// A line that leaves this share of its column empty may be the last of its paragraph.
const SHORT_LINE: f64 = 0.2;
/// Type larger than the document's own by this factor makes a heading.
const HEADING_SIZE: f64 = 1.15;
/// Characters of a heading at most.
const HEADING_CHARS_MAX: usize = 200;
/// Ranks of headings.
const LEVELS_MAX: usize = 4;

/// Gathers pages.
#[derive(Debug, Default)]
pub(super) struct Flow {
    paragraphs: Vec<Paragraph>,
    bytes: usize,
}

#[derive(Debug)]
struct Paragraph {
    text: String,
    size: f64,
    page: u32,
    item: bool,
}

impl Flow {
    /// Adds a page's lines in the order of reading.
    pub(super) fn page(&mut self, number: u32, lines: Vec<Line>) {
        let columns = Columns::of(&lines);
        let mut before: Option<&Line> = None;
        // Whether the line before was the first of its paragraph: it alone may be indented.
        let mut second = false;
        for line in &lines {
            let text = tidy(&line.text);
            if text.is_empty() {
                continue;
            }
            let item = is_item(&text);
            let goes_on = !item && before.is_some_and(|before| columns.goes_on(before, line, second));
            match self.paragraphs.last_mut().filter(|_| goes_on) {
                Some(paragraph) => {
                    self.bytes += text.len() + 1;
                    join_line(&mut paragraph.text, &text);
                }
                None => {
                    self.bytes += text.len() + 2;
                    self.paragraphs.push(Paragraph { text, size: line.size, page: number, item });
                }
            }
            second = !goes_on;
            before = Some(line);
        }
    }

    /// Bytes gathered, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The text, its blocks and the marks of its pages.
    pub(super) fn finish(self) -> (String, Vec<Block>, Vec<PlaceMark>) {
        let levels = Levels::of(&self.paragraphs);
        let mut text = String::with_capacity(self.bytes);
        let mut blocks = Vec::with_capacity(self.paragraphs.len());
        let mut places: Vec<PlaceMark> = Vec::new();
        let mut page = 0;
        for paragraph in self.paragraphs {
            if !text.is_empty() {
                text.push_str("\n\n");
            }
            let start = text.len();
            text.push_str(&paragraph.text);
            if paragraph.page != page {
                page = paragraph.page;
                places.push(PlaceMark { start, place: Place::Page { number: page } });
            }
            let kind = match levels.level(&paragraph) {
                Some(level) => BlockKind::Heading { level, title: tidy_title(&paragraph.text).unwrap_or_default() },
                None if paragraph.item => BlockKind::ListItem,
                None => BlockKind::Paragraph,
            };
            blocks.push(Block { range: start..text.len(), kind });
        }
        (text, blocks, places)
    }
}

/// The margins of a page's columns, and how far lines usually stand apart.
struct Columns {
    margins: BTreeMap<usize, (f64, f64)>,
    /// In sizes of the type.
    leading: f64,
}

impl Columns {
    fn of(lines: &[Line]) -> Self {
        let mut margins: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
        for line in lines {
            let margin = margins.entry(line.column).or_insert((line.x, line.end));
            *margin = (margin.0.min(line.x), margin.1.max(line.end));
        }
        let distances = lines.windows(2).filter_map(|pair| {
            let distance = (pair[1].y - pair[0].y) / pair[1].size;
            (pair[0].column == pair[1].column && (0.5..2.5).contains(&distance)).then_some(distance)
        });
        let leading = match median(distances) {
            0.0 => LEADING,
            // One line a paragraph: the usual distance is that of paragraphs.
            leading => leading.min(1.6 * LEADING),
        };
        Self { margins, leading }
    }

    fn goes_on(&self, before: &Line, line: &Line, second: bool) -> bool {
        let size = before.size.max(line.size);
        let distance = line.y - before.y;
        if before.column != line.column
            || (before.size - line.size).abs() > SIZE_DIFFERENCE * size
            || distance <= 0.0
            || distance > DISTANCE * self.leading * size
        {
            return false;
        }
        let (left, right) = self.margins.get(&line.column).copied().unwrap_or((line.x, line.end));
        // A first line may stand out to either side; a later one that goes in begins a paragraph.
        if line.x > before.x + INDENTATION * size && (before.x <= left + INDENTATION * size || !second) {
            return false;
        }
        let short = right - before.end > SHORT_LINE * (right - left);
        let ended = before.text.trim_end().ends_with(['.', '!', '?', ':', '。', '！', '？', '：', '”', '"']);
        !(short && ended)
    }
}

/// Which sizes of type are headings, the largest first.
struct Levels {
    body: f64,
    sizes: Vec<i64>,
}

impl Levels {
    /// Sizes in half points, as people choose them.
    fn half_points(size: f64) -> i64 {
        (size * 2.0).round() as i64
    }

    fn of(paragraphs: &[Paragraph]) -> Self {
        let mut characters: BTreeMap<i64, usize> = BTreeMap::new();
        for paragraph in paragraphs {
            *characters.entry(Self::half_points(paragraph.size)).or_default() += paragraph.text.len();
        }
        let body = characters.iter().max_by_key(|(_, count)| **count).map_or(0.0, |(size, _)| *size as f64 / 2.0);
        let mut levels = Self { body, sizes: Vec::new() };
        let mut sizes: Vec<i64> = paragraphs
            .iter()
            .filter(|paragraph| levels.is_heading(paragraph))
            .map(|paragraph| Self::half_points(paragraph.size))
            .collect();
        sizes.sort_unstable_by_key(|size| std::cmp::Reverse(*size));
        sizes.dedup();
        levels.sizes = sizes;
        levels
    }

    fn is_heading(&self, paragraph: &Paragraph) -> bool {
        paragraph.size > HEADING_SIZE * self.body
            && paragraph.text.len() <= HEADING_CHARS_MAX
            && paragraph.text.chars().any(char::is_alphabetic)
    }

    fn level(&self, paragraph: &Paragraph) -> Option<u8> {
        let size = Self::half_points(paragraph.size);
        let place = self.sizes.iter().position(|other| *other == size).filter(|_| self.is_heading(paragraph))?;
        Some(place.min(LEVELS_MAX - 1) as u8 + 1)
    }
}

/// A line with single spaces and whole letters: type joins some of them.
fn tidy(line: &str) -> String {
    let mut tidy = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            'ﬀ' => tidy.push_str("ff"),
            'ﬁ' => tidy.push_str("fi"),
            'ﬂ' => tidy.push_str("fl"),
            'ﬃ' => tidy.push_str("ffi"),
            'ﬄ' => tidy.push_str("ffl"),
            'ﬅ' | 'ﬆ' => tidy.push_str("st"),
            _ if c.is_whitespace() => {
                if !tidy.is_empty() && !tidy.ends_with(' ') {
                    tidy.push(' ');
                }
            }
            '\u{200b}' | '\u{feff}' => {}
            _ if c.is_control() => {}
            _ => tidy.push(c),
        }
    }
    tidy.truncate(tidy.trim_end().len());
    tidy
}

/// Adds a line to its paragraph, joining a word that was hyphenated between them.
fn join_line(text: &mut String, line: &str) {
    let mut ends = text.chars().rev();
    let (last, before) = (ends.next(), ends.next());
    let next = line.chars().next();
    match last {
        Some('\u{ad}') => {
            text.pop();
        }
        Some('-' | '\u{2010}') if before.is_some_and(char::is_alphabetic) && next.is_some_and(char::is_lowercase) => {
            text.pop();
        }
        // A hyphen between digits or capitals belongs there; nothing parts it from what follows.
        Some('-' | '\u{2010}') if before.is_some_and(char::is_alphanumeric) => {}
        Some(last) if is_wide(last) && next.is_some_and(is_wide) => {}
        _ => text.push(' '),
    }
    text.push_str(line);
}

/// Whether a line begins an item of a list: a bullet, or a short number with a stop or a bracket.
fn is_item(line: &str) -> bool {
    let Some((mark, rest)) = line.split_once(' ') else { return false };
    let bullet = matches!(mark, "•" | "‣" | "▪" | "◦" | "●" | "○" | "■" | "–" | "-" | "*" | "·");
    let number = mark.strip_suffix(['.', ')']).is_some_and(|number| {
        let number = number.strip_prefix('(').unwrap_or(number);
        (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    !rest.is_empty() && (bullet || number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, x: f64, y: f64, size: f64) -> Line {
        Line { text: text.to_owned(), x, end: x + text.chars().count() as f64 * size / 2.0, y, size, column: 1 }
    }

    fn read(pages: Vec<Vec<Line>>) -> (Vec<String>, Vec<BlockKind>, Vec<PlaceMark>) {
        let mut flow = Flow::default();
        for (index, lines) in pages.into_iter().enumerate() {
            flow.page(index as u32 + 1, lines);
        }
        let (text, blocks, places) = flow.finish();
        let said = blocks.iter().map(|block| text[block.range.clone()].to_owned()).collect();
        (said, blocks.into_iter().map(|block| block.kind).collect(), places)
    }

    #[test]
    fn lines_join_into_paragraphs_and_hyphenated_words_into_words() {
        let lines = vec![
            line("The river is a won-", 10.0, 10.0, 10.0),
            line("der of the well-known ﬁeld, built 1990-", 10.0, 22.0, 10.0),
            line("1995 by the A-", 10.0, 34.0, 10.0),
            line("Team.", 10.0, 46.0, 10.0),
            line("A second one.", 10.0, 66.0, 10.0),
            line("河流很", 10.0, 86.0, 10.0),
            line("长。", 10.0, 98.0, 10.0),
        ];
        let (said, _, _) = read(vec![lines]);
        assert_eq!(
            said,
            [
                "The river is a wonder of the well-known field, built 1990-1995 by the A-Team.",
                "A second one.",
                "河流很长。"
            ]
        );
    }

    #[test]
    fn an_indented_line_and_a_bullet_begin_anew() {
        let lines = vec![
            line("One line that is long enough here", 10.0, 10.0, 10.0),
            line("and goes on", 10.0, 22.0, 10.0),
            line("Indented line", 22.0, 34.0, 10.0),
            line("follows it", 10.0, 46.0, 10.0),
            line("• an item", 10.0, 58.0, 10.0),
            line("2) another", 10.0, 70.0, 10.0),
        ];
        let (said, kinds, _) = read(vec![lines]);
        assert_eq!(
            said,
            ["One line that is long enough here and goes on", "Indented line follows it", "• an item", "2) another"]
        );
        assert_eq!(kinds[2..], [BlockKind::ListItem, BlockKind::ListItem]);
    }

    #[test]
    fn large_type_makes_headings_by_rank_and_pages_have_marks() {
        let body = "Body text that says a lot more than any of the headings above it do, by far.";
        let pages = vec![
            vec![line("Title", 10.0, 10.0, 20.0), line("Part", 10.0, 40.0, 14.0), line(body, 10.0, 60.0, 10.0)],
            vec![],
            vec![line("Last page", 10.0, 10.0, 10.0)],
        ];
        let (said, kinds, places) = read(pages);
        assert_eq!(kinds[0], BlockKind::Heading { level: 1, title: "Title".to_owned() });
        assert_eq!(kinds[1], BlockKind::Heading { level: 2, title: "Part".to_owned() });
        assert_eq!(said[3], "Last page");
        let marks: Vec<String> = places.iter().map(|mark| format!("{} {}", mark.start, mark.place)).collect();
        assert_eq!(marks, ["0 page 1", &format!("{} page 3", 5 + 2 + 4 + 2 + body.len() + 2)]);
    }
}
