//! What a presentation must come out as.

use wellspring_core::place::{Place, place_at};

use crate::parse::archive::tests::zip_of;
use crate::parse::{BlockKind, Parsed, Refused};

const RELATIONSHIPS: &str = r#"<Relationships><Relationship Id="r1" Type="http://x/officeDocument" Target="/ppt/presentation.xml"/></Relationships>"#;

fn shape(placeholder: &str, paragraphs: &str) -> String {
    let placeholder = if placeholder.is_empty() { String::new() } else { format!("<p:ph type=\"{placeholder}\"/>") };
    format!("<p:sp><p:nvSpPr><p:nvPr>{placeholder}</p:nvPr></p:nvSpPr><p:txBody>{paragraphs}</p:txBody></p:sp>")
}

fn paragraph(words: &str) -> String {
    format!("<a:p><a:r><a:t>{words}</a:t></a:r></a:p>")
}

/// A presentation of these slides; the file of the second comes first, as after a slide was moved.
fn presentation(slides: [&str; 2], notes: &str) -> Result<Parsed, Refused> {
    let slides = slides.map(|shapes| format!("<p:sld><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"));
    super::parse(&zip_of(&[
        ("_rels/.rels", RELATIONSHIPS),
        (
            "ppt/presentation.xml",
            "<p:p><p:sldIdLst><p:sldId id=\"256\" r:id=\"b\"/><p:sldId id=\"257\" r:id=\"a\"/></p:sldIdLst></p:p>",
        ),
        (
            "ppt/_rels/presentation.xml.rels",
            r#"<R><Relationship Id="a" Type="http://x/slide" Target="slides/slide1.xml"/><Relationship Id="b" Type="http://x/slide" Target="slides/slide2.xml"/></R>"#,
        ),
        ("ppt/slides/slide2.xml", &slides[0]),
        ("ppt/slides/slide1.xml", &slides[1]),
        (
            "ppt/slides/_rels/slide2.xml.rels",
            r#"<R><Relationship Id="n" Type="http://x/notesSlide" Target="../notesSlides/n1.xml"/></R>"#,
        ),
        ("ppt/notesSlides/n1.xml", &format!("<p:notes>{notes}</p:notes>")),
    ]))
}

#[test]
fn slides_come_in_their_order_with_titles_first_and_notes_last() {
    let first = [
        shape("", &paragraph("A box")),
        shape("body", &(paragraph("point") + "<a:p><a:pPr><a:buNone/></a:pPr><a:r><a:t>prose</a:t></a:r></a:p>")),
        shape("ctrTitle", &paragraph("Rivers")),
        shape("sldNum", &paragraph("1")),
        "<p:graphicFrame><a:tbl><a:tr><a:tc><a:txBody>".to_owned()
            + &paragraph("City")
            + "</a:txBody></a:tc><a:tc>"
            + &paragraph("River")
            + "</a:tc></a:tr><a:tr><a:tc>"
            + &paragraph("Köln")
            + "</a:tc><a:tc>"
            + &paragraph("Rhein")
            + "</a:tc></a:tr></a:tbl></p:graphicFrame>",
    ]
    .concat();
    let notes = shape("sldImg", &paragraph("no"))
        + &shape("body", &paragraph("Speak slowly."))
        + &shape("sldNum", &paragraph("1"));
    let parsed = presentation([&first, &shape("", &paragraph("untitled"))], &notes).unwrap();
    assert!(parsed.is_consistent(), "{parsed:?}");
    assert_eq!(
        parsed.text,
        "Rivers\n\nA box\n\n- point\n\nprose\n\nCity | River\nKöln | Rhein\n\nSpeak slowly.\n\nSlide 2\n\nuntitled"
    );
    assert_eq!(parsed.blocks[0].kind, BlockKind::Heading { level: 2, title: "Rivers".to_owned() });
    assert_eq!(parsed.title.as_deref(), Some("Rivers"));
    let place_of = |words: &str| place_at(&parsed.places, parsed.text.find(words).unwrap()).cloned();
    assert_eq!(place_of("Rivers"), Some(Place::Slide { number: 1 }));
    assert_eq!(place_of("slowly"), Some(Place::Slide { number: 1 }));
    assert_eq!(place_of("untitled"), Some(Place::Slide { number: 2 }));
}

#[test]
fn slides_without_text_are_no_text() {
    assert_eq!(presentation(["", "<p:pic/>"], "").unwrap_err().0, "it holds no text");
}

#[test]
fn deep_groups_are_refused_and_a_lost_slide_is_passed_over() {
    assert!(presentation([&"<p:grpSp>".repeat(5000), ""], "").unwrap_err().0.contains("nested"));
    let content = zip_of(&[("_rels/.rels", RELATIONSHIPS), ("ppt/presentation.xml", "<p><sldId r:id=\"gone\"/></p>")]);
    assert_eq!(super::parse(&content).unwrap_err().0, "it holds no text");
}
