//! How does a JSON value read, line by line?
//!
//! One line a leaf, `path: value`, in the order of the file. A block holds what belongs together: a member of the
//! outermost object, or a record, which is an object in an array near the top; plain members next to each other share
//! one.
//!
//! Invariants:
//! - A value takes one line: line ends in a string become spaces.
//! - Numbers stand as written; empty strings, arrays and objects say nothing and have no line.

use wellspring_core::limits;
use wellspring_core::place::{Place, PlaceMark};

use super::json_scan::{Sink, Stop, scan};
use super::{Block, BlockKind, Parsed, Refused, tidy_title};

/// Reads one value. Its title is the text that an outermost object has under `title`.
pub(super) fn parse(content: &str) -> Result<Parsed, Refused> {
    let mut records = Records::default();
    records.start();
    match scan(content, &mut records) {
        Ok(()) => {}
        Err(Stop::Broken(at)) => {
            let line = content.as_bytes()[..at.min(content.len())].iter().filter(|byte| **byte == b'\n').count() + 1;
            return Err(Refused::because(format!("it is not valid JSON from line {line} on")));
        }
        Err(stop) => return Err(refusal(stop)),
    }
    let title = records.title.take();
    let (text, groups) = records.finish();
    let places = lines_of(content, &groups);
    let blocks = groups.into_iter().map(|group| group.block).collect();
    Ok(Parsed { text, title, blocks, places })
}

/// The refusal of a value that is valid as far as it was read.
pub(super) fn refusal(stop: Stop) -> Refused {
    Refused::because(match stop {
        Stop::TooDeep => format!("its values are nested more than {} deep", limits::JSON_DEPTH_MAX),
        Stop::Full => format!("its text is longer than {} bytes", limits::TEXT_BYTES_MAX),
        Stop::Broken(_) => "it is not valid JSON".to_owned(),
    })
}

/// Marks the line of the file that each group begins on; a file of one line needs none.
fn lines_of(content: &str, groups: &[Group]) -> Vec<PlaceMark> {
    if !content.trim().contains('\n') {
        return Vec::new();
    }
    let (mut line, mut counted) = (1, 0);
    let mark = |group: &Group| {
        line += content.as_bytes()[counted..group.at].iter().filter(|byte| **byte == b'\n').count() as u32;
        counted = group.at;
        PlaceMark { start: group.block.range.start, place: Place::Line { number: line } }
    };
    groups.iter().map(mark).collect()
}

/// A block and where in the content it begins.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) block: Block,
    pub(super) at: usize,
}

/// Writes leaves as lines and groups them into blocks; several values may follow each other.
#[derive(Debug, Default)]
pub(super) struct Records {
    text: String,
    groups: Vec<Group>,
    /// The names and elements around the next leaf.
    path: Vec<Step>,
    /// What the lines of the open block have in common; a value's plain members have the default.
    group: Option<GroupKey>,
    /// The member and the element of the outermost two levels that are being read, numbered from 1.
    top: usize,
    second: usize,
    second_at: usize,
    title: Option<String>,
}

#[derive(Debug)]
enum Step {
    Name(String),
    Element(usize),
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct GroupKey {
    top: usize,
    second: usize,
}

impl Records {
    /// Begins a value: its lines share no block with what came before.
    pub(super) fn start(&mut self) {
        self.group = None;
        self.path.clear();
    }

    /// How many blocks there are so far.
    pub(super) fn blocks(&self) -> usize {
        self.groups.len()
    }

    /// The text and its blocks with their places in the content.
    pub(super) fn finish(self) -> (String, Vec<Group>) {
        (self.text, self.groups)
    }

    fn enter(&mut self, step: Step, at: usize) {
        self.path.push(step);
        match self.path.len() {
            1 => {
                self.top += 1;
                self.second_at = at;
            }
            2 => {
                self.second += 1;
                if matches!(self.path[1], Step::Element(_)) {
                    self.second_at = at;
                }
            }
            _ => {}
        }
    }

    fn group_of_leaf(&self) -> GroupKey {
        match self.path.as_slice() {
            // A plain member, or an element of an array of such.
            [] | [_] => GroupKey::default(),
            [Step::Name(_), Step::Element(_), _, ..] => GroupKey { top: self.top, second: self.second },
            _ => GroupKey { top: self.top, second: 0 },
        }
    }

    /// The names that lead to a leaf. The place of a plain value in an array says little and is left out.
    fn path_of_leaf(&self) -> String {
        let steps = match self.path.as_slice() {
            [before @ .., Step::Element(_)] => before,
            all => all,
        };
        // A record of an outermost array is told from its neighbours by what it says.
        let steps = match steps {
            [Step::Element(_), rest @ ..] => rest,
            all => all,
        };
        let mut path = String::new();
        for step in steps {
            match step {
                Step::Name(name) if path.is_empty() => path.push_str(name),
                Step::Name(name) => {
                    path.push('.');
                    path.push_str(name);
                }
                Step::Element(index) => path.push_str(&format!("[{index}]")),
            }
        }
        let cut = path.len().saturating_sub(limits::JSON_PATH_BYTES_MAX);
        path.split_off(path.ceil_char_boundary(cut))
    }
}

impl Sink for Records {
    fn name(&mut self, name: &str, at: usize) {
        let mut name = one_line(name);
        name.truncate(name.floor_char_boundary(limits::JSON_PATH_BYTES_MAX));
        self.enter(Step::Name(name), at);
    }

    fn element(&mut self, index: usize, at: usize) {
        self.enter(Step::Element(index), at);
    }

    fn leave(&mut self) {
        self.path.pop();
    }

    fn leaf(&mut self, value: &str, is_text: bool) -> Result<(), Stop> {
        let value = one_line(value);
        if value.is_empty() {
            return Ok(());
        }
        if is_text && self.title.is_none() && matches!(self.path.as_slice(), [Step::Name(name)] if name == "title") {
            self.title = tidy_title(&value);
        }
        let key = self.group_of_leaf();
        let goes_on = self.group == Some(key);
        if !self.text.is_empty() {
            self.text.push_str(if goes_on { "\n" } else { "\n\n" });
        }
        let start = self.text.len();
        let path = self.path_of_leaf();
        if !path.is_empty() {
            self.text.push_str(&path);
            self.text.push_str(": ");
        }
        self.text.push_str(&value);
        let end = self.text.len();
        match self.groups.last_mut().filter(|_| goes_on) {
            Some(group) => group.block.range.end = end,
            None => self
                .groups
                .push(Group { block: Block { range: start..end, kind: BlockKind::Table }, at: self.second_at }),
        }
        self.group = Some(key);
        if end > limits::TEXT_BYTES_MAX { Err(Stop::Full) } else { Ok(()) }
    }
}

/// A text on one line, without control characters.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.trim().chars() {
        match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => {
                if !line.ends_with(' ') {
                    line.push(' ');
                }
            }
            _ if c.is_control() => {}
            _ => line.push(c),
        }
    }
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(content: &str) -> Vec<String> {
        let parsed = parse(content).unwrap();
        assert!(parsed.is_consistent(), "{parsed:?}");
        parsed.blocks.iter().map(|block| parsed.text[block.range.clone()].to_owned()).collect()
    }

    #[test]
    fn members_and_records_are_blocks_of_lines() {
        let content = r#"{
  "title": "Rivers",
  "count": 2.50,
  "tags": ["long", "old"],
  "rivers": [
    {"name": "Rhine", "length": {"km": 1230}},
    {"name": "Elbe\nor Labe", "note": "", "ports": ["Hamburg", "Dresden"]}
  ],
  "source": {"by": "me", "year": 1990},
  "checked": true
}"#;
        assert_eq!(
            blocks(content),
            [
                "title: Rivers\ncount: 2.50",
                "tags: long\ntags: old",
                "rivers[0].name: Rhine\nrivers[0].length.km: 1230",
                "rivers[1].name: Elbe or Labe\nrivers[1].ports: Hamburg\nrivers[1].ports: Dresden",
                "source.by: me\nsource.year: 1990",
                "checked: true",
            ]
        );
        let parsed = parse(content).unwrap();
        assert_eq!(parsed.title.as_deref(), Some("Rivers"));
        let lines: Vec<String> = parsed.places.iter().map(|mark| mark.place.to_string()).collect();
        assert_eq!(lines, ["line 2", "line 4", "line 6", "line 7", "line 9", "line 10"]);
    }

    #[test]
    fn an_array_of_records_has_a_block_for_each() {
        assert_eq!(blocks(r#"[{"a": 1, "b": [{"c": 2}]}, {"a": 3}, 4, 5]"#), ["a: 1\nb[0].c: 2", "a: 3", "4\n5"]);
        assert_eq!(blocks("\"alone\""), ["alone"]);
        assert_eq!(blocks("[[], {}, \"\"]"), [""; 0]);
        assert_eq!(parse("[{\"a\": 1}]").unwrap().places, []);
    }

    #[test]
    fn refusals_name_the_line_and_nothing_else() {
        let Refused(reason) = parse("{\n\"a\": 1,\n\"secret\" 2}").unwrap_err();
        assert_eq!(reason, "it is not valid JSON from line 3 on");
        assert!(parse(&"[".repeat(200)).unwrap_err().0.contains("nested"));
    }

    #[test]
    fn long_names_do_not_multiply() {
        let name = "n".repeat(100_000);
        let members: Vec<String> = (0..5000).map(|index| format!("\"{index}\": 1")).collect();
        let parsed = parse(&format!("{{\"{name}\": {{{}}}}}", members.join(","))).unwrap();
        assert!(parsed.text.len() < 5000 * (limits::JSON_PATH_BYTES_MAX + 10));
        assert!(parsed.text.ends_with(".4999: 1"));
    }
}
