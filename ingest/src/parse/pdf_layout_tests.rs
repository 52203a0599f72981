//! The order in which glyphs must come out.

use proptest::prelude::*;

use super::*;

/// A text set from `x` with glyphs of half their size.
fn set(text: &str, x: f64, y: f64, size: f64) -> Vec<Placed> {
    let place = |(place, c): (usize, char)| Placed {
        text: c.to_string(),
        turn: Turn::Upright,
        x: x + place as f64 * size / 2.0,
        y,
        advance: size / 2.0,
        size,
    };
    text.chars().enumerate().map(place).collect()
}

fn said(glyphs: Vec<Placed>) -> Vec<String> {
    lay_out(glyphs).into_iter().map(|line| line.text).collect()
}

#[test]
fn words_come_from_gaps_with_or_without_spaces() {
    let mut glyphs = set("one two", 0.0, 10.0, 10.0);
    glyphs.extend(set("three", 39.0, 10.0, 10.0));
    // Chinese is not parted by a gap.
    glyphs.extend(set("河流", 0.0, 30.0, 10.0));
    glyphs.extend(set("很长", 14.0, 30.0, 10.0));
    assert_eq!(said(glyphs), ["one two three", "河流很长"]);
}

#[test]
fn columns_are_read_one_after_the_other_below_what_spans_them() {
    let mut glyphs = Vec::new();
    // Drawn line by line across, as some programs do.
    for row in 0..4 {
        let y = 60.0 + 12.0 * f64::from(row);
        glyphs.extend(set(&format!("left column line {row}"), 0.0, y, 10.0));
        glyphs.extend(set(&format!("right column line {row}"), 130.0, y, 10.0));
    }
    glyphs.extend(set("A title that spans both of the columns", 0.0, 20.0, 12.0));
    glyphs.extend(set("page 7", 95.0, 140.0, 10.0));
    let said = said(glyphs);
    assert_eq!(said[0], "A title that spans both of the columns");
    assert_eq!(said[1..3], ["left column line 0", "left column line 1"]);
    assert_eq!(said[5], "right column line 0");
    assert_eq!(said[9], "page 7");
}

#[test]
fn rows_of_a_table_stay_whole() {
    let mut glyphs = Vec::new();
    for (row, (city, river)) in [("City", "River"), ("Köln", "Rhein"), ("Dresden", "Elbe")].into_iter().enumerate() {
        glyphs.extend(set(city, 0.0, 20.0 + 14.0 * row as f64, 10.0));
        glyphs.extend(set(river, 80.0, 20.0 + 14.0 * row as f64, 10.0));
    }
    assert_eq!(said(glyphs), ["City River", "Köln Rhein", "Dresden Elbe"]);
}

#[test]
fn raised_and_lowered_figures_stay_on_their_line() {
    let mut glyphs = set("E = mc", 0.0, 50.0, 10.0);
    glyphs.extend(set("2", 30.0, 45.0, 7.0));
    glyphs.extend(set("and H", 38.0, 50.0, 10.0));
    glyphs.extend(set("2", 63.0, 53.0, 7.0));
    glyphs.extend(set("O", 66.5, 50.0, 10.0));
    glyphs.extend(set("The next line", 0.0, 62.0, 10.0));
    assert_eq!(said(glyphs), ["E = mc2 and H2O", "The next line"]);
}

#[test]
fn bold_by_drawing_twice_says_it_once() {
    let mut glyphs = set("Bold words", 0.0, 10.0, 10.0);
    glyphs.extend(set("Bold words", 0.4, 10.0, 10.0));
    assert_eq!(said(glyphs), ["Bold words"]);
    let twice: Vec<Placed> = set("letter", 0.0, 10.0, 10.0)
        .into_iter()
        .flat_map(|glyph| [glyph.clone(), Placed { x: glyph.x + 0.3, ..glyph }])
        .collect();
    assert_eq!(said(twice), ["letter"]);
}

#[test]
fn turned_writing_follows_the_page() {
    let mut glyphs: Vec<Placed> = set("margin note", 0.0, 0.0, 10.0)
        .into_iter()
        .map(|glyph| Placed { turn: Turn::Left, x: 5.0, y: 300.0 - glyph.x, ..glyph })
        .collect();
    glyphs.extend(set("The page itself says more.", 30.0, 50.0, 10.0));
    assert_eq!(said(glyphs), ["The page itself says more.", "margin note"]);
    let vertical = |text: &str, x: f64| -> Vec<Placed> {
        let down = |(place, c): (usize, char)| Placed {
            text: c.to_string(),
            turn: Turn::Vertical,
            x,
            y: 10.0 * place as f64,
            advance: 10.0,
            size: 10.0,
        };
        text.chars().enumerate().map(down).collect()
    };
    let glyphs = [vertical("川は流れる", 50.0), vertical("海へ向かう", 30.0)].concat();
    assert_eq!(said(glyphs), ["川は流れる", "海へ向かう"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_glyph_comes_out_once(places in proptest::collection::vec((0u16..600, 0u16..800, 4u8..30), 0..300)) {
        let glyphs: Vec<Placed> = places
            .iter()
            .enumerate()
            .map(|(index, (x, y, size))| Placed {
                // All different, so that none is a double.
                text: char::from_u32(0x4e00 + index as u32).unwrap().to_string(),
                turn: Turn::Upright,
                x: f64::from(*x),
                y: f64::from(*y),
                advance: f64::from(*size) / 2.0,
                size: f64::from(*size),
            })
            .collect();
        let mut expected: Vec<char> = glyphs.iter().flat_map(|glyph| glyph.text.chars()).collect();
        let lines = lay_out(glyphs.clone());
        let mut found: Vec<char> =
            lines.iter().flat_map(|line| line.text.chars()).filter(|c| !c.is_whitespace()).collect();
        expected.sort_unstable();
        found.sort_unstable();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(lay_out(glyphs), lines);
    }
}
