//! Which blocks stand under which headings?
//!
//! Invariants:
//! - A section starts at a heading that follows something else than a heading: a heading directly above another one
//!   stays with what it heads.
//! - Boilerplate is in no section, and no section reaches across it: a chunk is one slice of the text.

use wellspring_core::limits;

use crate::parse::{Block, BlockKind};

/// What parts the headings of a path.
const SEPARATOR: &str = " > ";
/// Levels of headings that a format may have.
const LEVELS_MAX: u8 = 6;

/// Blocks under one path of headings, the headings that start it included.
#[derive(Debug, PartialEq)]
pub(super) struct Section<'b> {
    pub(super) heading: String,
    pub(super) blocks: &'b [Block],
}

/// Cuts blocks into sections. A heading that repeats the title is left out of the paths: it is read already.
pub(super) fn sections<'b>(blocks: &'b [Block], title: Option<&str>) -> Vec<Section<'b>> {
    let mut sections = Vec::new();
    let mut path: Vec<(u8, &str)> = Vec::new();
    let mut start = 0;
    let mut has_content = false;
    for (place, block) in blocks.iter().enumerate() {
        if block.kind == BlockKind::Boilerplate {
            if has_content {
                sections.push(Section { heading: joined(&path, title), blocks: &blocks[start..place] });
            }
            start = place + 1;
            has_content = false;
            continue;
        }
        let BlockKind::Heading { level, title: words } = &block.kind else {
            has_content = true;
            continue;
        };
        if has_content {
            sections.push(Section { heading: joined(&path, title), blocks: &blocks[start..place] });
            start = place;
            has_content = false;
        }
        let level = (*level).min(LEVELS_MAX);
        path.retain(|(above, _)| *above < level);
        path.push((level, words));
    }
    if start < blocks.len() {
        sections.push(Section { heading: joined(&path, title), blocks: &blocks[start..] });
    }
    sections
}

/// Joins a path from the outermost heading, dropping the outer ones that do not fit.
fn joined(path: &[(u8, &str)], title: Option<&str>) -> String {
    let mut kept = Vec::new();
    let mut room = limits::CHUNK_HEADING_CHARS_MAX;
    for (place, (_, words)) in path.iter().enumerate().rev() {
        if words.is_empty() || (place == 0 && Some(*words) == title) {
            continue;
        }
        let length = words.chars().count() + SEPARATOR.len();
        if length > room {
            if kept.is_empty() {
                kept.push(words.chars().take(room).collect::<String>().trim_end().to_owned());
            }
            break;
        }
        room -= length;
        kept.push((*words).to_owned());
    }
    kept.reverse();
    kept.join(SEPARATOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heading(level: u8, title: &str) -> Block {
        Block { range: 0..1, kind: BlockKind::Heading { level, title: title.to_owned() } }
    }

    fn prose() -> Block {
        Block { range: 0..1, kind: BlockKind::Paragraph }
    }

    fn paths(blocks: &[Block], title: Option<&str>) -> Vec<(String, usize)> {
        sections(blocks, title).into_iter().map(|section| (section.heading, section.blocks.len())).collect()
    }

    #[test]
    fn headings_form_paths_and_stay_with_what_they_head() {
        let blocks = [
            prose(),
            heading(1, "Rivers"),
            heading(2, "Rhine"),
            prose(),
            prose(),
            heading(2, "Elbe"),
            prose(),
            heading(1, "Lakes"),
            prose(),
            heading(3, "End"),
        ];
        let expected = [("", 1), ("Rivers > Rhine", 4), ("Rivers > Elbe", 2), ("Lakes", 2), ("Lakes > End", 1)];
        assert_eq!(paths(&blocks, None), expected.map(|(path, count)| (path.to_owned(), count)));
    }

    #[test]
    fn the_title_is_not_repeated_and_long_paths_keep_their_inner_end() {
        assert_eq!(paths(&[heading(1, "T"), heading(2, "A"), prose()], Some("T")), [("A".to_owned(), 3)]);
        let long = "x".repeat(limits::CHUNK_HEADING_CHARS_MAX - 10);
        assert_eq!(paths(&[heading(1, &long), heading(2, "inner end"), prose()], None), [("inner end".to_owned(), 3)]);
        let longer = "河".repeat(500);
        assert_eq!(paths(&[heading(1, &longer), prose()], None)[0].0.chars().count(), limits::CHUNK_HEADING_CHARS_MAX);
    }

    #[test]
    fn boilerplate_parts_sections_and_is_in_none() {
        let boilerplate = || Block { range: 0..1, kind: BlockKind::Boilerplate };
        let blocks = [
            boilerplate(),
            heading(1, "Rivers"),
            prose(),
            boilerplate(),
            prose(),
            prose(),
            heading(2, "Elbe"),
            boilerplate(),
        ];
        let expected = [("Rivers", 2), ("Rivers", 2), ("Rivers > Elbe", 0)];
        assert_eq!(
            paths(&blocks, None),
            expected[..2].iter().map(|(path, count)| ((*path).to_owned(), *count)).collect::<Vec<_>>()
        );
        assert!(paths(&[boilerplate(), boilerplate()], None).is_empty());
    }

    #[test]
    fn no_blocks_make_no_sections() {
        assert!(sections(&[], None).is_empty());
    }
}
