//! What Markdown must come out as.

use super::*;

fn blocks(text: &str) -> Vec<(String, BlockKind)> {
    let parsed = parse(text.to_owned());
    assert!(parsed.is_consistent());
    assert_eq!(parsed.text, text);
    parsed.blocks.into_iter().map(|block| (text[block.range].to_owned(), block.kind)).collect()
}

fn plain(text: &str, kind: BlockKind) -> (String, BlockKind) {
    (text.to_owned(), kind)
}

#[test]
fn every_kind_of_block_keeps_its_marks() {
    let text = "# The *River*\n\nOne\ntwo.\n\n- a\n- b\n  - c\n\n> said\n> so\n\n```rust\nlet x;\n```\n\n| h |\n|---|\n| 1 |\n";
    let heading = BlockKind::Heading { level: 1, title: "The River".to_owned() };
    assert_eq!(
        blocks(text),
        [
            plain("# The *River*", heading),
            plain("One\ntwo.", BlockKind::Paragraph),
            plain("- a", BlockKind::ListItem),
            plain("- b", BlockKind::ListItem),
            plain("- c", BlockKind::ListItem),
            plain("said\n> so", BlockKind::Quote),
            plain("```rust\nlet x;\n```", BlockKind::Code),
            plain("| h |\n|---|\n| 1 |", BlockKind::Table),
        ]
    );
}

#[test]
fn an_item_with_several_paragraphs_keeps_its_marker_once() {
    assert_eq!(
        blocks("1. first\n\n   more\n\n2. **second** thing\n"),
        [
            plain("1. first", BlockKind::ListItem),
            plain("more", BlockKind::ListItem),
            plain("2. **second** thing", BlockKind::ListItem),
        ]
    );
}

#[test]
fn front_matter_names_the_title_and_is_no_block() {
    let parsed = parse("---\ntitle: \"Long rivers\"\ntags: [a]\n---\n# Heading\n\ntext\n".to_owned());
    assert_eq!(parsed.title.as_deref(), Some("Long rivers"));
    assert_eq!(&parsed.text[parsed.blocks[0].range.clone()], "# Heading");
    let toml = parse("+++\ntitle = 'T'\n+++\ntext".to_owned());
    assert_eq!((toml.title.as_deref(), toml.blocks.len()), (Some("T"), 1));
    assert_eq!(parse("---\nnever closed\n\n# H\n".to_owned()).title.as_deref(), Some("H"));
}

#[test]
fn the_first_heading_of_level_one_is_the_title() {
    let parsed = parse("## Before\n\nSetext `code`\n======\n\n# Later\n".to_owned());
    assert_eq!(parsed.title.as_deref(), Some("Setext code"));
}

#[test]
fn footnotes_html_and_line_ends_stay_in_the_text() {
    let kinds: Vec<BlockKind> =
        blocks("a[^1]\r\n\r\n[^1]: note\r\n\r\n<div>x</div>\r\n").into_iter().map(|b| b.1).collect();
    assert_eq!(kinds, [BlockKind::Paragraph, BlockKind::Paragraph, BlockKind::Paragraph]);
}

#[test]
fn hostile_depth_is_only_long() {
    for text in
        [">".repeat(100_000), "[".repeat(100_000), "- ".repeat(50_000), "*a ".repeat(100_000), "`".repeat(100_000)]
    {
        let parsed = parse(text);
        assert!(parsed.is_consistent());
    }
}
