//! What rows must say.

use proptest::prelude::*;

use super::*;

fn read(rows: &[&[&str]]) -> Parsed {
    let mut text = TableText::default();
    let mut writer = text.table(None);
    for (number, cells) in (1..).zip(rows) {
        let mut row = Row::new(number);
        for (column, said) in cells.iter().enumerate() {
            row.push(column, said).unwrap();
        }
        writer.row(row).unwrap();
    }
    writer.finish().unwrap();
    text.finish(None).unwrap()
}

#[test]
fn each_row_brings_its_columns_names() {
    let parsed =
        read(&[&["City", "River", "Length:"], &["Köln", "", "1233"], &[], &["Ulm", " Donau\n", "2857", "long"]]);
    assert_eq!(
        parsed.text,
        "City | River | Length:\nCity: Köln | Length: 1233\nCity: Ulm | River: Donau | Length: 2857 | long"
    );
    let numbers: Vec<String> = parsed.places.iter().map(|mark| mark.place.to_string()).collect();
    assert_eq!(numbers, ["row 1", "row 2", "row 4"]);
    assert_eq!(parsed.blocks.len(), 1);
    assert!(parsed.is_consistent());
}

#[test]
fn words_above_a_table_are_not_its_header() {
    let parsed =
        read(&[&["Fares of 2026"], &["Zone", "Adult", "Child"], &["1", "2.80", "1.40"], &["2", "3.60", "1.80"]]);
    assert_eq!(
        parsed.text,
        "Fares of 2026\n\nZone | Adult | Child\nZone: 1 | Adult: 2.80 | Child: 1.40\nZone: 2 | Adult: 3.60 | Child: 1.80"
    );
    assert_eq!(parsed.blocks.len(), 2);
}

#[test]
fn a_table_without_a_header_numbers_its_columns() {
    for first in [&["1", "2.5"][..], &["x", "x"]] {
        let parsed = read(&[first, &["3", "4"]]);
        assert_eq!(parsed.text, format!("Column 1: {} | Column 2: {}\nColumn 1: 3 | Column 2: 4", first[0], first[1]));
    }
    let parsed = read(&[&["Ada", "1815-12-10", "7"], &["Alan", "1912-06-23", "9"]]);
    assert!(parsed.text.starts_with("Column 1: Ada"), "dates and amounts above dates and amounts: {}", parsed.text);
    let years = read(&[&["Region", "2023", "2024"], &["North", "1.5", "1.7"]]);
    assert!(years.text.ends_with("Region: North | 2023: 1.5 | 2024: 1.7"), "{}", years.text);
}

#[test]
fn a_single_column_is_a_list_unless_it_is_named() {
    assert_eq!(read(&[&["Name"], &["Ada"], &["Alan"]]).text, "Name\n\nName: Ada\n\nName: Alan");
    assert_eq!(read(&[&["buy some milk"], &["call the bank"]]).text, "buy some milk\n\ncall the bank");
}

#[test]
fn bounds_are_refusals() {
    let mut text = TableText::default();
    let mut writer = text.table(None);
    let filled = |number| {
        let mut row = Row::new(number);
        row.push(0, "x").unwrap();
        row
    };
    for number in 1..=limits::TABLE_ROWS_MAX as u32 {
        writer.row(filled(number)).unwrap();
    }
    assert!(writer.row(filled(u32::MAX)).unwrap_err().0.contains("rows"));
    assert!(Row::new(1).push(limits::TABLE_COLUMNS_MAX, "x").is_err());
    assert!(TableText::default().finish(None).is_err());
}

proptest! {
    #[test]
    fn every_cell_is_said_on_the_line_of_its_row(rows in prop::collection::vec(prop::collection::vec("[a-z0-9 ]{0,6}", 0..5), 1..40)) {
        let cells: Vec<Vec<&str>> = rows.iter().map(|row| row.iter().map(String::as_str).collect()).collect();
        let rows: Vec<&[&str]> = cells.iter().map(Vec::as_slice).collect();
        prop_assume!(rows.iter().any(|row| row.iter().any(|said| !said.trim().is_empty())));
        let parsed = read(&rows);
        prop_assert!(parsed.is_consistent());
        for (index, mark) in parsed.places.iter().enumerate() {
            let end = parsed.places.get(index + 1).map_or(parsed.text.len(), |next| next.start);
            let line = parsed.text[mark.start..end].trim_end();
            prop_assert!(!line.contains('\n'));
            let Place::Row { number, .. } = mark.place else { unreachable!() };
            for said in rows[number as usize - 1] {
                let tidy: Vec<&str> = said.split_whitespace().collect();
                prop_assert!(line.contains(&tidy.join(" ")), "{line:?} lacks {said:?}");
            }
        }
    }
}
