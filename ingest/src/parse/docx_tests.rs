//! What a text document must come out as.

use crate::parse::archive::tests::zip_of;
use crate::parse::{BlockKind, Parsed, Refused};

const RELATIONSHIPS: &str = r#"<Relationships><Relationship Id="r1" Type="http://x/officeDocument" Target="word/document.xml"/></Relationships>"#;
const PARTS: &str = r#"<Relationships><Relationship Id="r1" Type="http://x/styles" Target="styles.xml"/>
    <Relationship Id="r2" Type="http://x/footnotes" Target="footnotes.xml"/>
    <Relationship Id="r3" Type="http://x/hyperlink" Target="http://example.org/" TargetMode="External"/></Relationships>"#;
const STYLES: &str = r#"<w:styles>
    <w:style w:styleId="Kop1"><w:name w:val="heading 1"/></w:style>
    <w:style w:styleId="Own"><w:name w:val="Own"/><w:basedOn w:val="Kop2"/></w:style>
    <w:style w:styleId="Kop2"><w:name w:val="Chapter"/><w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>
    <w:style w:styleId="Ring"><w:name w:val="Ring"/><w:basedOn w:val="Ring"/></w:style>
    <w:style w:styleId="T"><w:name w:val="toc 1"/></w:style>
    </w:styles>"#;

fn document(body: &str, core: &str) -> Result<Parsed, Refused> {
    let body = format!("<w:document><w:body>{body}</w:body></w:document>");
    let notes = "<w:footnotes><w:footnote w:type=\"separator\"><w:p><w:r><w:t>line</w:t></w:r></w:p></w:footnote>\
                 <w:footnote w:id=\"2\"><w:p><w:r><w:t>The note.</w:t></w:r></w:p></w:footnote></w:footnotes>";
    let content = zip_of(&[
        ("_rels/.rels", RELATIONSHIPS),
        ("word/_rels/document.xml.rels", PARTS),
        ("word/document.xml", &body),
        ("word/styles.xml", STYLES),
        ("word/footnotes.xml", if body.contains("footnoteReference") { notes } else { "<w:footnotes/>" }),
        ("docProps/core.xml", core),
    ]);
    super::parse(&content)
}

fn read(body: &str) -> Parsed {
    let parsed = document(body, "<x/>").unwrap();
    assert!(parsed.is_consistent(), "{parsed:?}");
    parsed
}

fn paragraph(style: &str, words: &str) -> String {
    format!("<w:p><w:pPr><w:pStyle w:val=\"{style}\"/></w:pPr><w:r><w:t>{words}</w:t></w:r></w:p>")
}

#[test]
fn styles_make_headings_by_name_by_outline_and_by_their_base() {
    let body = ["Kop1", "Own", "Heading3", "Ring", "T"].map(|style| paragraph(style, style)).concat();
    let body = format!("{body}<w:p><w:pPr><w:outlineLvl w:val=\"3\"/></w:pPr><w:r><w:t>direct</w:t></w:r></w:p>");
    let parsed = read(&body);
    assert_eq!(parsed.text, "Kop1\n\nOwn\n\nHeading3\n\nRing\n\ndirect", "a table of contents is left out");
    let levels: Vec<Option<u8>> = parsed
        .blocks
        .iter()
        .map(|block| match block.kind {
            BlockKind::Heading { level, .. } => Some(level),
            _ => None,
        })
        .collect();
    assert_eq!(levels, [Some(1), Some(2), Some(3), None, Some(4)]);
    assert_eq!(parsed.title.as_deref(), Some("Kop1"));
}

#[test]
fn text_is_what_a_reader_sees() {
    let parsed = read(
        "<w:p><w:pPr><w:tabs><w:tab w:val=\"left\"/></w:tabs></w:pPr><w:r><w:t>One</w:t><w:tab/><w:t>two</w:t><w:br/>\
         <w:t xml:space=\"preserve\">three </w:t></w:r><w:hyperlink><w:r><w:t>four</w:t></w:r></w:hyperlink>\
         <w:ins><w:r><w:t>, new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText><w:t>x</w:t></w:r></w:del>\
         <w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>\
         <w:r><w:rPr><w:vanish w:val=\"0\"/></w:rPr><w:t>!</w:t></w:r>\
         <w:r><w:instrText>PAGE</w:instrText><w:footnoteReference w:id=\"2\"/></w:r></w:p>",
    );
    assert_eq!(parsed.text, "One two\nthree four, new!\n\nThe note.");
}

#[test]
fn lists_tables_and_boxes_keep_their_form() {
    let item = |words| {
        format!("<w:p><w:pPr><w:numPr><w:numId w:val=\"1\"/></w:numPr></w:pPr><w:r><w:t>{words}</w:t></w:r></w:p>")
    };
    let cell = |words| format!("<w:tc>{}</w:tc>", paragraph("Kop1", words));
    let nested = format!("<w:tc><w:tbl><w:tr>{}{}</w:tr></w:tbl></w:tc>", cell("x"), cell("y"));
    let shape = format!(
        "<w:p><w:r><w:t>before</w:t><mc:AlternateContent><mc:Choice><w:txbxContent>{0}</w:txbxContent>\
        </mc:Choice><mc:Fallback>{0}</mc:Fallback></mc:AlternateContent></w:r><w:r><w:t>after</w:t></w:r></w:p>",
        paragraph("x", "box")
    );
    let parsed = read(&format!(
        "{}{}<w:tbl><w:tr>{}{}</w:tr><w:tr>{}{nested}</w:tr></w:tbl>{shape}",
        item("a"),
        item("b"),
        cell("City"),
        cell("River"),
        cell("Köln"),
    ));
    assert_eq!(parsed.text, "- a\n- b\n\nCity | River\nKöln | x y\n\nbefore\n\nbox\n\nafter");
    assert_eq!(parsed.blocks[2].kind, BlockKind::Table);
    assert_eq!(parsed.blocks[0].kind, BlockKind::ListItem);
}

#[test]
fn the_properties_name_the_document() {
    let body = paragraph("Kop1", "Heading");
    let named = document(&body, "<cp:coreProperties><dc:title> The  plan </dc:title></cp:coreProperties>").unwrap();
    assert_eq!(named.title.as_deref(), Some("The plan"));
    let unnamed = document(&body, "<c><dc:title>Word Document</dc:title></c>").unwrap();
    assert_eq!(unnamed.title.as_deref(), Some("Heading"));
}

#[test]
fn hostile_and_empty_documents_are_refused_in_words_for_people() {
    let reason = |body: &str| document(body, "<x/>").unwrap_err().0;
    assert_eq!(reason("<w:p/>"), "it holds no text");
    assert!(reason(&"<w:tbl><w:tr><w:tc>".repeat(100_000)).contains("nested"));
    assert!(reason("<w:p></w:r>").contains("not well-formed"));
    let other = super::parse(&zip_of(&[("a", "b")])).unwrap_err().0;
    assert!(other.contains("not a document of an office suite"), "{other}");
    let missing = super::parse(&zip_of(&[("_rels/.rels", RELATIONSHIPS)])).unwrap_err().0;
    assert_eq!(missing, "it holds no text");
}

#[test]
fn many_paragraphs_in_chinese_are_read_the_same_each_time() {
    let body = "<w:p><w:r><w:t>河流很长。</w:t></w:r></w:p>".repeat(5000);
    let parsed = read(&body);
    assert_eq!(parsed.blocks.len(), 5000);
    assert_eq!(parsed, read(&body));
}
