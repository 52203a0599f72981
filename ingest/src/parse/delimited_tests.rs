//! What files of rows must come out as.

use super::*;

fn read(text: &str) -> Parsed {
    let parsed = parse(text, b',').unwrap();
    assert!(parsed.is_consistent(), "{parsed:?}");
    parsed
}

fn rows(parsed: &Parsed) -> Vec<String> {
    parsed.places.iter().map(|mark| mark.place.to_string()).collect()
}

#[test]
fn whatever_parts_the_cells_is_found() {
    for delimiter in [",", ";", "\t", "|"] {
        let text = ["City,River", "Köln,Rhein", "Ulm,Donau"].join("\n").replace(',', delimiter);
        assert_eq!(
            read(&text).text,
            "City | River\nCity: Köln | River: Rhein\nCity: Ulm | River: Donau",
            "{delimiter:?}"
        );
    }
    let decimal = "Ort;Preis\n".to_owned() + &"Köln;1,50\n".repeat(500);
    assert!(read(&decimal).text.contains("Ort: Köln | Preis: 1,50"));
    assert!(read("sep=;\r\na;b,c\r\nx,y;z\r\n").text.contains("a: x,y | b,c: z"));
    assert!(parse("a, b\tc\nd, e\tf\n", b'\t').unwrap().text.contains("a, b: d, e | c: f"));
}

#[test]
fn rows_are_counted_as_a_spreadsheet_program_does() {
    for line_end in ["\n", "\r\n", "\r"] {
        let text = "Name,Note\n\nAda,\"two\nlines\"\n\n\nAlan,x\n".replace('\n', line_end);
        let parsed = read(&text);
        assert_eq!(parsed.text, "Name | Note\nName: Ada | Note: two lines\nName: Alan | Note: x");
        assert_eq!(rows(&parsed), ["row 1", "row 3", "row 6"], "{line_end:?}");
    }
}

#[test]
fn ragged_rows_and_quotes_are_read() {
    let parsed = read("a,b\n1\n2,3,4\n\"say \"\"hi\"\"\",\"x,y\"\n");
    assert_eq!(parsed.text, "a | b\n\na: 1\na: 2 | b: 3 | 4\na: say \"hi\" | b: x,y");
}

#[test]
fn a_quote_that_is_never_closed_swallows_nothing() {
    let text = "Name,Note\nAda,\"open\n".to_owned() + &"Alan,x\n".repeat(2 * limits::CELL_LINES_MAX);
    let parsed = read(&text);
    assert_eq!(parsed.places.len(), 2 + 2 * limits::CELL_LINES_MAX);
    assert!(parsed.text.contains("Name: Ada | Note: \"open\nName: Alan | Note: x"));
}

#[test]
fn empty_and_endless_files_are_refused() {
    for empty in ["", "\n\n", ",,\n,,\n", " \n"] {
        assert_eq!(parse(empty, b',').unwrap_err().0, "it holds no text", "{empty:?}");
    }
    assert!(parse(&"a,b\n".repeat(limits::TABLE_ROWS_MAX + 1), b',').unwrap_err().0.contains("rows"));
    assert!(parse(&",".repeat(limits::TABLE_COLUMNS_MAX + 1), b',').unwrap_err().0.contains("columns"));
    let long_names = "a name that is rather long, ".repeat(4).replace(", ", "_");
    let wide = format!("{long_names},b\n").replace('_', " ") + &"1,2\n".repeat(1000);
    assert!(read(&wide).text.contains("Column 1: 1"), "a name that long is repeated nowhere");
}
