//! What a PDF must come out as, over files built here.

use wellspring_core::place::Place;

use super::*;
use crate::parse::BlockKind;

/// A file of pages with these drawing instructions, in Helvetica named F1 and a Chinese standard font named F2.
fn pdf(pages: &[&str], trailer: &str) -> Vec<u8> {
    let kids: Vec<String> = (0..pages.len()).map(|page| format!("{} 0 R", 10 + 2 * page)).collect();
    let mut objects = vec![
        (1, "<< /Type /Catalog /Pages 2 0 R >>".to_owned()),
        (2, format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), pages.len())),
        (3, "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned()),
        (
            4,
            "<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H /DescendantFonts [5 0 R] >>"
                .to_owned(),
        ),
        (
            5,
            "<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /CIDSystemInfo << /Registry (Adobe) \
             /Ordering (GB1) /Supplement 0 >> /DW 1000 /FontDescriptor << /Type /FontDescriptor /FontName \
             /STSong-Light /Flags 6 >> >>"
                .to_owned(),
        ),
        (6, "<< /Title (The long rivers) >>".to_owned()),
    ];
    for (page, drawing) in pages.iter().enumerate() {
        objects.push((
            10 + 2 * page,
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {} 0 R /Resources << /Font << /F1 3 0 \
                 R /F2 4 0 R >> >> >>",
                11 + 2 * page
            ),
        ));
        objects.push((11 + 2 * page, format!("<< /Length {} >>\nstream\n{drawing}\nendstream", drawing.len())));
    }
    let mut file = "%PDF-1.4\n".to_owned();
    let mut table = "xref\n0 1\n0000000000 65535 f \n".to_owned();
    for (number, object) in objects {
        table.push_str(&format!("{number} 1\n{:010} 00000 n \n", file.len()));
        file.push_str(&format!("{number} 0 obj\n{object}\nendobj\n"));
    }
    let start = file.len();
    let trailer = format!("trailer\n<< /Size 1000 /Root 1 0 R /Info 6 0 R {trailer} >>");
    file.push_str(&format!("{table}{trailer}\nstartxref\n{start}\n%%EOF\n"));
    file.into_bytes()
}

fn read(pages: &[&str]) -> Parsed {
    let file = pdf(pages, "");
    let parsed = parse(&file).unwrap();
    assert!(parsed.is_consistent(), "{parsed:?}");
    assert_eq!(parse(&file).unwrap(), parsed, "the same bytes give the same text");
    parsed
}

#[test]
fn pages_become_paragraphs_with_their_numbers() {
    let parsed = read(&[
        "BT /F1 20 Tf 72 720 Td (Rivers) Tj /F1 11 Tf 0 -40 Td (The Rhine is a ri-) Tj 0 -14 Td [(ver of) -400 \
         (Europe and flows north.)] TJ ET",
        "",
        "BT /F1 11 Tf 72 720 Td (It ends in the sea.) Tj ET",
    ]);
    assert_eq!(parsed.title.as_deref(), Some("The long rivers"));
    assert_eq!(parsed.text, "Rivers\n\nThe Rhine is a river of Europe and flows north.\n\nIt ends in the sea.");
    assert_eq!(parsed.blocks[0].kind, BlockKind::Heading { level: 1, title: "Rivers".to_owned() });
    let places: Vec<Place> = parsed.places.iter().map(|mark| mark.place.clone()).collect();
    assert_eq!(places, [Place::Page { number: 1 }, Place::Page { number: 3 }]);
    assert_eq!(parsed.places[1].start, parsed.text.find("It ends").unwrap());
}

#[test]
fn chinese_in_a_font_that_is_not_in_the_file_is_read_by_its_encoding() {
    let parsed = read(&["BT /F2 12 Tf 72 720 Td <6CB36D415F88957F3002> Tj ET"]);
    assert_eq!(parsed.text, "河流很长。");
}

#[test]
fn text_stroked_over_its_filling_is_read_once() {
    let parsed = read(&["BT /F1 12 Tf 2 Tr 72 720 Td (Once) Tj ( and) Tj ( for all) Tj ET"]);
    assert_eq!(parsed.text, "Once and for all");
}

#[test]
fn pages_without_text_are_refused_by_a_token() {
    for pages in [&["0 0 100 100 re f", ""][..], &[]] {
        let Refused(reason) = parse(&pdf(pages, "")).unwrap_err();
        assert!(reason.starts_with("no_text: "), "{reason}");
    }
}

#[test]
fn broken_and_encrypted_files_are_refused() {
    for content in [&b""[..], b"%PDF-1.7", b"%PDF-1.7\ntrailer\n<< /Root 1 0 R >>", b"\0\0\0\0"] {
        assert!(parse(content).is_err(), "{content:?}");
    }
    let file = pdf(
        &["BT /F1 12 Tf (x) Tj ET"],
        "/ID [<00> <00>] /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <0000000000000000000000000000000000000000000\
         000000000000000000000> /U <0000000000000000000000000000000000000000000000000000000000000000> >>",
    );
    let Refused(reason) = parse(&file).unwrap_err();
    assert_eq!(reason, "it is encrypted and asks for a password");
}

#[test]
fn a_file_cut_short_or_overwritten_ends_in_a_result() {
    let file = pdf(&["BT /F1 11 Tf 72 720 Td (The Rhine is a river.) Tj ET"], "");
    for end in (0..file.len()).step_by(37) {
        let _ = parse(&file[..end]);
        let mut overwritten = file.clone();
        overwritten[end] = b'<';
        if let Ok(parsed) = parse(&overwritten) {
            assert!(parsed.is_consistent());
        }
    }
}

#[test]
fn titles_are_decoded_by_their_mark() {
    assert_eq!(decode_string(b"\xfe\xff\x6c\xb3\x6d\x41"), "河流");
    assert_eq!(decode_string(b"Flu\xdf\r\n"), "Fluß");
    assert_eq!(decode_string("\u{feff}Fluß".as_bytes()), "Fluß");
    assert_eq!(title_of(b"(anonymous)"), None);
    assert_eq!(title_of(b"Microsoft Word - rivers.doc").as_deref(), Some("rivers.doc"));
}
