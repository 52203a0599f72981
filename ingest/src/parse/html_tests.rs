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
fn rows_of_a_table_stand_alone() {
    let parsed = read("<p>Before<table><tr><th>City<th><p>River</p><tr><td>Köln<td>Rhein</table>after");
    assert_eq!(parsed.text, "Before\n\nCity: Köln | River: Rhein\n\nafter");
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

fn text_of(page: &str) -> String {
    read(page).text
}

#[test]
fn tables_without_names_and_rows_with_names_of_their_own() {
    assert_eq!(text_of("<table><tr><td>a<td>b<tr><td>c<td></table>"), "a | b\nc");
    assert_eq!(text_of("<table><tr><th>only<th>names</table>"), "only | names");
    let page = "<table><thead><tr><th>City:<th>River<th>km</thead><tbody><tr><th>Köln<td>Rhein<td>\
                <tr><td>Wien<td><p>Donau</p><p>and Wien</p><td>2850</table>";
    assert_eq!(text_of(page), "City: Köln | River: Rhein\nCity: Wien | River: Donau and Wien | km: 2850");
}

#[test]
fn cells_over_several_columns_and_rows_keep_the_others_in_place() {
    let page = "<table><tr><th rowspan=2>City<th colspan=2>River<tr><th>Name<th>Length\
                <tr><td rowspan=2>Passau<td>Donau<td>2850<tr><td>Inn<td>517<tr><td colspan=2>Köln<td>1230</table>";
    assert_eq!(
        text_of(page),
        "City: Passau | River Name: Donau | River Length: 2850\nCity: Passau | River Name: Inn | River Length: 517\n\
         City: Köln | River Length: 1230"
    );
    // What a page claims decides nothing.
    assert_eq!(text_of("<table><tr><th colspan=999999999>a<tr><td rowspan=99999999999>b<td>c</table>"), "a: b | a: c");
}

#[test]
fn a_cell_that_reaches_down_is_said_in_each_of_its_rows() {
    let page = "<table><tr><th>No<th>Name<th>Deck<tr><td rowspan=2>1<td>Ann<td>A<tr><td>Ben<td rowspan=2>B<tr><td>2<td>Cas\
                <tr><td>3<td>Dee<td>C</table>";
    assert_eq!(
        text_of(page),
        "No: 1 | Name: Ann | Deck: A\nNo: 1 | Name: Ben | Deck: B\nNo: 2 | Name: Cas | Deck: B\n\
         No: 3 | Name: Dee | Deck: C"
    );
    assert_eq!(text_of("<table><tr><td rowspan=2>1<td>a<tr><td>b</table>"), "1 | a\n1 | b", "without names too");
    assert_eq!(text_of("<table><tr><td rowspan=3>1<td>a<tr><tr><td>b</table>"), "1 | a\n1 | b");
    // A header that claims to reach down is no value, and neither is a long text.
    let page = "<table><tr><th rowspan=9>No<th>Name<tr><td>Ann<tr><td>Ben</table>";
    assert_eq!(text_of(page), "Name: Ann\nName: Ben");
    let long = prose(600);
    let page = format!("<table><tr><td rowspan=2>{long}<td>a<tr><td>b</table>");
    assert_eq!(text_of(&page), format!("{long} | a\nb"));
}

#[test]
fn i7_what_reaches_down_is_said_again_so_often_and_no_more() {
    let rows = 20_000;
    let page = format!("<table><tr>{}{}</table>", "<td rowspan=100000>x".repeat(900), "<tr><td>y".repeat(rows));
    let text = text_of(&page);
    assert_eq!(text.matches('x').count(), 900 + limits::HTML_TABLE_REPEATS_MAX);
    assert_eq!(text.matches('y').count(), rows);
}

#[test]
fn tables_that_arrange_the_page_are_no_rows() {
    let page = "<table><tr><td><h2>News</h2><p>One.</p><table><tr><th>a<tr><td>1</table><td><p>Two.</p></table>";
    let parsed = read(page);
    assert_eq!(parsed.text, "News\n\nOne.\n\na: 1\n\nTwo.");
    assert_eq!(parsed.blocks[2].kind, BlockKind::Table);
    assert_eq!(parsed.blocks[3].kind, BlockKind::Paragraph);
    // A table in a cell of data is words.
    let page = "<table><tr><th>City<th>Rivers<tr><td>Passau<td><table><tr><td>Inn<td>Ilz</table></table>";
    assert_eq!(text_of(page), "City: Passau | Rivers: Inn Ilz");
}

/// Prose of about so many characters.
fn prose(chars: usize) -> String {
    "The river flows past the old city. ".repeat(chars.div_ceil(35)).trim_end().to_owned()
}

#[test]
fn what_is_in_the_way_is_left_out() {
    let prose = prose(600);
    let page = format!(
        "<body><header><a href=/>Site</a></header><nav><a href=/a>A</a></nav><div class='cookie-banner'><p>We use \
         cookies.</p></div><h1>River</h1><p>{prose}</p><aside>Read also</aside><form><label>Mail</label><input></form>\
         <div class='site-menu'><a href=1>one</a> <a href=2>two</a></div><footer>All rights reserved</footer></body>"
    );
    assert_eq!(text_of(&page), format!("River\n\n{prose}"));
}

#[test]
fn the_main_part_is_read_alone_with_its_own_header_and_remarks() {
    let prose = prose(600);
    for (open, close) in [("<main>", "</main>"), ("<div role=main>", "</div>"), ("<article>", "</article>")] {
        let page = format!(
            "<body><div>Logo and slogan</div>loose{open}<header><h1>River</h1><p>By Ann</p></header><p>{prose}</p><aside>A \
             remark.</aside><footer>Sources</footer>{close}<div>Most read</div></body>"
        );
        assert_eq!(text_of(&page), format!("River\n\nBy Ann\n\n{prose}\n\nA remark.\n\nSources"), "{open}");
    }
    let page = format!("<body><article><p>{prose}</p></article><article><p>Two.</p></article></body>");
    assert_eq!(text_of(&page), format!("{prose}\n\nTwo."));
}

#[test]
fn a_short_main_part_is_read_alone_too() {
    let around = |main: &str| {
        format!(
            "<body><header>SITEHEADER <a href=/>HOMELINK</a></header><nav><a href=/a>NAVLINK</a></nav>{main}\
             <aside>ASIDETEXT</aside><footer>FOOTERTEXT</footer></body>"
        )
    };
    assert_eq!(
        text_of(&around("<main><h1>Ferry</h1><p>It leaves at 22:15.</p></main>")),
        "Ferry\n\nIt leaves at 22:15."
    );
    assert_eq!(text_of(&around("<div role=main>At 22:15.</div>")), "At 22:15.");
    assert_eq!(text_of(&around("<article><p>At 22:15.</p></article>")), "At 22:15.");
    assert_eq!(text_of(&around("<main><nav>Up</nav><p>It leaves at 22:15.</p></main>")), "It leaves at 22:15.");
    // A main part without text is none.
    assert!(text_of(&around("<main> </main>")).contains("ASIDETEXT"));
}

#[test]
fn content_is_never_taken_for_what_is_in_the_way() {
    let prose = prose(600);
    // The main part says next to nothing; all is in a form, as one framework builds its pages; all is navigation.
    assert_eq!(text_of(&format!("<main><p>Short.</p></main><div>{prose}</div>")), format!("Short.\n\n{prose}"));
    assert_eq!(text_of(&format!("<form><p>{prose}</p></form>")), prose);
    assert_eq!(text_of("<nav><a href=1>One</a></nav>"), "One");
    assert_eq!(text_of("<p>foo<aside>bar</aside>"), "foo\n\nbar");
    assert_eq!(text_of("foo<article>bar</article>"), "foo\n\nbar");
    assert_eq!(
        text_of(&format!("<div class=sidebar-layout><p>{prose}</p></div><p>End.</p>")),
        format!("{prose}\n\nEnd.")
    );
    assert_eq!(text_of(&format!("<header><h1>River</h1></header><p>{prose}</p>")), format!("River\n\n{prose}"));
    // A page without any of these is read whole, links too.
    let links = "<li><a href=1>river</a>".repeat(9);
    assert!(text_of(&format!("<p>{prose}</p><ul>{links}</ul>")).ends_with("- river"));
    assert!(!text_of(&format!("<nav>N</nav><p>{prose}</p><ul>{links}</ul>")).contains("- river"));
}

#[test]
fn hostile_tables_are_only_long() {
    for page in [
        format!("<table><tr><th>{}</th>{}", "name ".repeat(1000), "<tr><td>a".repeat(20_000)),
        format!("<table><tr>{}", "<th colspan=1000 rowspan=1000>a".repeat(2000)),
        "<table><tr><td rowspan=9999 colspan=999>a".repeat(200),
        "<nav><main><article>a".repeat(200),
    ] {
        read(&page);
    }
}
