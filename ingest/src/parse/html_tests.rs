//! What a page must come out as.

use super::*;
use crate::parse::BlockKind;

fn read(page: &str) -> Parsed {
    let parsed = parse(page).unwrap();
    assert!(parsed.is_consistent(), "{parsed:?}");
    parsed
}

#[test]
fn a_page_reads_as_a_reader_sees_it() {
    let parsed = read(
        "<!doctype html><html><head><title> The  River </title><style>x{}</style></head><body><script>var a;</script>\
         <h1>Long <em>rivers</em></h1>\n<p>One\n  two<b> three</b>.<p>Four<br>five&nbsp;six\
         <ul><li>a<li><p>b</p><p>more</p></ul><pre>\n  let x;\n\n  y\n</pre><blockquote>said</blockquote>\
         <div hidden>no</div><div style='Display: none'>no</div></body></html>",
    );
    assert_eq!(parsed.title.as_deref(), Some("The River"));
    assert_eq!(
        parsed.text,
        "Long rivers\n\nOne two three.\n\nFour\nfive six\n\n- a\n- b\n\nmore\n\n  let x;\n\n  y\n\nsaid"
    );
    let kinds: Vec<BlockKind> = parsed.blocks.into_iter().map(|block| block.kind).collect();
    assert_eq!(
        kinds,
        [
            BlockKind::Heading { level: 1, title: "Long rivers".to_owned() },
            BlockKind::Paragraph,
            BlockKind::Paragraph,
            BlockKind::ListItem,
            BlockKind::ListItem,
            BlockKind::ListItem,
            BlockKind::Code,
            BlockKind::Quote,
        ]
    );
}

#[test]
fn tables_become_rows_of_cells() {
    let parsed = read("<p>Before<table><tr><th>City<th><p>River</p><tr><td>Köln<td>Rhein</table>after");
    assert_eq!(parsed.text, "Before\n\nCity | River\nKöln | Rhein\n\nafter");
    assert_eq!(parsed.blocks[1].kind, BlockKind::Table);
}

#[test]
fn a_page_without_a_title_is_named_by_its_heading() {
    assert_eq!(read("<h2>no</h2><h1>Yes</h1>").title.as_deref(), Some("Yes"));
    assert_eq!(read("<svg><title>icon</title></svg><p>text").title, None);
    assert_eq!(read("").blocks, []);
}

#[test]
fn hostile_depth_is_refused_and_hostile_length_is_not() {
    assert!(parse(&"<div>".repeat(200_000)).is_err());
    assert!(parse(&"<table><tr><td>".repeat(100_000)).is_err());
    for page in [
        "<p>a<b>".repeat(20_000),
        "<".repeat(100_000),
        "<li>a".repeat(50_000),
        "&".repeat(100_000),
        "<br>".repeat(100_000),
    ] {
        read(&page);
    }
}

#[test]
fn i7_a_tag_with_more_attributes_than_its_bound_is_refused() {
    let tag = |attributes: usize| {
        let attributes: String = (0..attributes).map(|number| format!(" a{number}=1")).collect();
        format!("<p{attributes}>text</p>")
    };
    assert!(parse(&tag(limits::HTML_ATTRIBUTES_MAX + 1)).is_err());
    assert_eq!(read(&tag(1000)).text, "text");
}
