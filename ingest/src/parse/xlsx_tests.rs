//! What a workbook must come out as.

use crate::parse::archive::tests::zip_of;
use crate::parse::{BlockKind, Parsed, Refused};

const RELATIONSHIPS: &str =
    r#"<Relationships><Relationship Id="r1" Type="http://x/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const PARTS: &str = r#"<R><Relationship Id="s1" Type="http://x/worksheet" Target="worksheets/sheet1.xml"/>
    <Relationship Id="s2" Type="http://x/worksheet" Target="worksheets/sheet2.xml"/>
    <Relationship Id="s3" Type="http://x/worksheet" Target="worksheets/sheet3.xml"/>
    <Relationship Id="t" Type="http://x/styles" Target="styles.xml"/>
    <Relationship Id="u" Type="http://x/sharedStrings" Target="sharedStrings.xml"/></R>"#;
const STYLES: &str = r#"<styleSheet><numFmts><numFmt numFmtId="170" formatCode="0.0%"/></numFmts>
    <cellStyleXfs><xf numFmtId="9"/></cellStyleXfs>
    <cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="170"/></cellXfs></styleSheet>"#;
const STRINGS: &str =
    "<sst><si><t>City</t></si><si><r><t>Kö</t></r><r><t>ln</t></r><rPh><t>no</t></rPh></si><si/></sst>";

fn workbook(sheets: &str, cells: &str) -> Result<Parsed, Refused> {
    let cells =
        format!("<worksheet><dimension ref=\"A1:XFD1048576\"/><sheetData>{cells}</sheetData><x><row/></x></worksheet>");
    super::parse(&zip_of(&[
        ("_rels/.rels", RELATIONSHIPS),
        ("xl/workbook.xml", &format!("<workbook><sheets>{sheets}</sheets></workbook>")),
        ("xl/_rels/workbook.xml.rels", PARTS),
        ("xl/styles.xml", STYLES),
        ("xl/sharedStrings.xml", STRINGS),
        ("xl/worksheets/sheet1.xml", &cells),
        (
            "xl/worksheets/sheet2.xml",
            "<worksheet><sheetData><row><c t=\"inlineStr\"><is><t>second</t></is></c></row></sheetData></worksheet>",
        ),
        ("xl/worksheets/sheet3.xml", "<worksheet><sheetData><row><c><v>42</v></c></row></sheetData></worksheet>"),
    ]))
}

const ONE: &str = "<sheet name=\"Fares\" r:id=\"s1\"/>";

#[test]
fn cells_are_read_as_a_person_sees_them() {
    let cells = "<row r=\"2\"><c r=\"A2\" t=\"s\"><v>0</v></c><c r=\"B2\" t=\"inlineStr\"><is><t>Since</t></is></c>\
        <c r=\"C2\" t=\"str\"><f>\"Sha\"&amp;\"re\"</f><v>Share</v></c><c r=\"E2\" t=\"inlineStr\"><is><t>Open</t></is></c></row>\
        <row r=\"5\"><c r=\"A5\" t=\"s\"><v>1</v></c><c r=\"B5\" s=\"1\"><v>45352</v></c><c r=\"C5\" s=\"2\"><f>A1/2</f><v>0.256</v></c>\
        <c r=\"D5\" s=\"1\"/><c r=\"E5\" t=\"b\"><v>1</v></c><c r=\"F5\" t=\"s\"><v>99</v></c></row>";
    let parsed = workbook(ONE, cells).unwrap();
    assert!(parsed.is_consistent(), "{parsed:?}");
    assert_eq!(
        parsed.text,
        "Fares\n\nCity | Since | Share | Open\nCity: Köln | Since: 2024-03-01 | Share: 25.6% | Open: TRUE"
    );
    assert_eq!(parsed.blocks[0].kind, BlockKind::Heading { level: 2, title: "Fares".to_owned() });
    let places: Vec<String> = parsed.places.iter().map(|mark| mark.place.to_string()).collect();
    assert_eq!(places, ["row 1", "row 2", "row 5"]);
}

#[test]
fn hidden_sheets_are_passed_over_and_several_are_named_with_their_rows() {
    let sheets = format!("{ONE}<sheet name=\"B\" r:id=\"s2\"/><sheet name=\"C\" state=\"veryHidden\" r:id=\"s3\"/>");
    let parsed = workbook(&sheets, "<row><c><v>7</v></c></row>").unwrap();
    assert_eq!(parsed.text, "Fares\n\n7\n\nB\n\nsecond");
    let places: Vec<String> = parsed.places.iter().map(|mark| mark.place.to_string()).collect();
    assert_eq!(places, ["Fares, row 1", "Fares, row 1", "B, row 1", "B, row 1"]);
}

#[test]
fn a_cell_far_out_costs_nothing_and_one_beyond_is_refused() {
    let far = "<row r=\"1048576\"><c r=\"XFD1048576\"><v>7</v></c></row>";
    assert_eq!(workbook(ONE, far).unwrap().text, "Fares\n\n7");
    let beyond = "<row><c r=\"ZZZZZZZZZZZZZZZZZZ1\"><v>6</v></c><c r=\"XFE1\"><v>7</v></c></row>";
    assert!(workbook(ONE, beyond).unwrap_err().0.contains("columns"));
}

#[test]
fn numbers_that_lie_do_not_break_the_order_of_rows() {
    let cells = "<row r=\"9\"><c r=\"B9\"><v>1</v></c><c r=\"A9\"><v>2</v></c></row><row r=\"3\"><c s=\"999\"><v>3</v></c></row>";
    let parsed = workbook(ONE, cells).unwrap();
    assert!(parsed.is_consistent());
    assert_eq!(parsed.places.len(), 3);
}

#[test]
fn a_workbook_without_cells_holds_no_text() {
    assert_eq!(workbook(ONE, "<row/>").unwrap_err().0, "it holds no text");
    assert_eq!(workbook("", "").unwrap_err().0, "it holds no text");
}
