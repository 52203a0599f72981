//! What a book must come out as.

use super::*;
use crate::parse::BlockKind;
use crate::parse::archive::tests::zip_of;

const CONTAINER: &str = r#"<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>"#;
const PACKAGE: &str = r#"<!DOCTYPE package [<!ENTITY x "y">]><package><metadata><dc:title>Rivers</dc:title></metadata><manifest>
    <item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
    <item id="b" href="two%20b.xhtml" media-type="application/xhtml+xml"/>
    <item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>
    <item id="c" href="cover.jpg" media-type="image/jpeg"/>
    <item id="up" href="../../../etc/hosts" media-type="application/xhtml+xml"/>
    </manifest><spine><itemref idref="n"/><itemref idref="a"/><itemref idref="b"/><itemref idref="a"/><itemref idref="up"/><itemref idref="c"/></spine></package>"#;

fn book(encryption: &str) -> Result<Parsed, Refused> {
    parse(&zip_of(&[
        ("mimetype", "application/epub+zip"),
        ("META-INF/container.xml", CONTAINER),
        ("META-INF/encryption.xml", encryption),
        ("OEBPS/book.opf", PACKAGE),
        ("OEBPS/nav.xhtml", "<html><body><p>Contents</p></body></html>"),
        (
            "OEBPS/a.xhtml",
            "<?xml version=\"1.0\"?><html><head><title/></head><body><h1>One</h1><a id=\"p1\"/><p>First.</p></body></html>",
        ),
        (
            "OEBPS/two b.xhtml",
            "<html><head><title>x</title></head><body><h1>Two</h1><table><tr><th>City</th><th>River</th></tr><tr><td>Köln</td><td>Rhein</td></tr></table></body></html>",
        ),
    ]))
}

#[test]
fn pages_come_once_in_the_order_of_reading() {
    let parsed = book("<encryption/>").unwrap();
    assert!(parsed.is_consistent(), "{parsed:?}");
    assert_eq!(parsed.text, "One\n\nFirst.\n\nTwo\n\nCity: Köln | River: Rhein");
    assert_eq!(parsed.title.as_deref(), Some("Rivers"));
    assert_eq!(parsed.blocks[2].kind, BlockKind::Heading { level: 1, title: "Two".to_owned() });
    assert_eq!(parsed.blocks[3].kind, BlockKind::Table);
}

#[test]
fn a_locked_book_says_so_and_locked_fonts_do_not_matter() {
    let lock = |part: &str| format!("<encryption><enc:CipherReference URI=\"{part}\"/></encryption>");
    assert_eq!(book(&lock("OEBPS/two%20b.xhtml")).unwrap_err().0, "it is encrypted");
    assert!(book(&lock("OEBPS/font.otf")).is_ok());
}

#[test]
fn what_is_no_book_is_refused() {
    assert!(parse(&zip_of(&[("a", "b")])).unwrap_err().0.contains("not an electronic book"));
    assert!(parse(&zip_of(&[("META-INF/container.xml", CONTAINER)])).unwrap_err().0.contains("damaged"));
    let empty = zip_of(&[("META-INF/container.xml", CONTAINER), ("OEBPS/book.opf", "<package/>")]);
    assert_eq!(parse(&empty).unwrap_err().0, "it holds no text");
}

#[test]
fn empty_elements_are_closed_and_all_else_stays() {
    assert_eq!(
        close_empty_elements("<a id='x>'/>b<br/><!-- <i/> --><p x=1/ >"),
        "<a id='x>'></a>b<br/><!-- <i/> --><p x=1/ >"
    );
    for page in ["", "<", "a < b", "</>", "<p", "<!--", "<?x?>", "<!DOCTYPE html>", "<p>河</p>"] {
        assert_eq!(close_empty_elements(page), page);
    }
}

#[test]
fn urls_mean_parts() {
    assert_eq!(part_of_url("OEBPS/book.opf", "a%2Fb.xhtml#c").as_deref(), Some("OEBPS/a/b.xhtml"));
    assert_eq!(part_of_url("", "100%").as_deref(), Some("100%"));
    assert_eq!(part_of_url("a", "%ff"), None);
}
