//! Does a grammar always get on: can it be read, and does each of its rules want a character before it comes to itself?
//!
//! llama.cpp reads brackets within brackets by recursion, until its stack is full, and looks for rules that begin with
//! themselves where they do so in plain sight only: behind a part that may be empty, `root ::= ("c"*) root "a"`, it goes round
//! until no memory is left.
//!
//! Invariants:
//! - Time and memory grow with the grammar's length alone; no recursion.
//! - What is no grammar is left to llama.cpp, which says what is wrong with it.

use std::collections::HashMap;
use std::iter::Peekable;
use std::str::Chars;

use wellspring_core::limits;

use crate::form::FormError;

/// Each rule and each bracket, with its alternatives.
#[derive(Debug, Default)]
struct Grammar {
    rules: Vec<Vec<Vec<Part>>>,
    names: HashMap<String, usize>,
}

/// One part of an alternative.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// The rule or bracket; `None` for characters.
    rule: Option<usize>,
    /// Whether it may be left out.
    optional: bool,
    /// Whether it may come any number of times.
    repeated: bool,
}

/// Refuses what goes deeper than llama.cpp can follow, and what never gets on.
pub(crate) fn check(grammar: &str) -> Result<(), FormError> {
    let grammar = Grammar::read(grammar)?;
    let empty = grammar.empty();
    let is_empty = |part: &Part| part.optional || part.rule.is_some_and(|rule| empty[rule]);
    let all = || grammar.rules.iter().flatten();
    // "Any number of nothing" comes to itself too.
    if all().flatten().any(|part| part.repeated && part.rule.is_some_and(|rule| empty[rule])) {
        return Err(FormError::Endless);
    }
    if all().any(|parts| parts.split(|part| !is_empty(part)).any(|run| run.len() > limits::GRAMMAR_OPTIONS_MAX)) {
        return Err(FormError::Optional);
    }
    let begins_with = |rule: usize| {
        let parts = grammar.rules[rule].iter().flat_map(|parts| {
            let first = parts.iter().position(|part| !is_empty(part)).map_or(parts.len(), |at| at + 1);
            &parts[..first]
        });
        parts.filter_map(|part| part.rule).collect::<Vec<usize>>()
    };
    if has_cycle(grammar.rules.len(), begins_with) { Err(FormError::Endless) } else { Ok(()) }
}

impl Grammar {
    fn read(text: &str) -> Result<Self, FormError> {
        let mut grammar = Self::default();
        // The rule that is read, and the brackets within it.
        let mut open: Vec<usize> = Vec::new();
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                // A text of no characters is no part.
                '"' if characters.next_if_eq(&'"').is_some() => {}
                '"' => {
                    skip(&mut characters, '"');
                    grammar.push(&open, None);
                }
                '[' => {
                    skip(&mut characters, ']');
                    grammar.push(&open, None);
                }
                '<' => {
                    skip(&mut characters, '>');
                    grammar.push(&open, None);
                }
                '.' => grammar.push(&open, None),
                '#' => while characters.next_if(|character| *character != '\n').is_some() {},
                '(' => {
                    if open.len() > limits::GRAMMAR_DEPTH_MAX {
                        return Err(FormError::Deep);
                    }
                    let group = grammar.rule();
                    grammar.push(&open, Some(group));
                    open.push(group);
                }
                ')' if open.len() > 1 => drop(open.pop()),
                '|' => {
                    if let Some(&rule) = open.last() {
                        grammar.rules[rule].push(Vec::new());
                    }
                }
                '*' => grammar.repeat(&open, true, true),
                '+' => grammar.repeat(&open, false, true),
                '?' => grammar.repeat(&open, true, false),
                '{' => {
                    let mut bounds = String::new();
                    while let Some(character) = characters.next_if(|character| *character != '}') {
                        bounds.push(character);
                    }
                    let least = bounds.split(',').next().unwrap_or_default().trim();
                    grammar.repeat(&open, least.is_empty() || least.bytes().all(|digit| digit == b'0'), true);
                }
                _ if is_name(character) => {
                    let mut name = String::from(character);
                    while let Some(character) = characters.next_if(|character| is_name(*character)) {
                        name.push(character);
                    }
                    let rule = grammar.named(name);
                    if defines(&characters) {
                        open = vec![rule];
                        grammar.rules[rule].push(Vec::new());
                    } else {
                        grammar.push(&open, Some(rule));
                    }
                }
                _ => {}
            }
        }
        Ok(grammar)
    }

    /// A new rule; a bracket has an alternative from the start.
    fn rule(&mut self) -> usize {
        self.rules.push(vec![Vec::new()]);
        self.rules.len() - 1
    }

    fn named(&mut self, name: String) -> usize {
        if let Some(&rule) = self.names.get(&name) {
            return rule;
        }
        self.rules.push(Vec::new());
        self.names.insert(name, self.rules.len() - 1);
        self.rules.len() - 1
    }

    fn push(&mut self, open: &[usize], rule: Option<usize>) {
        if let Some(parts) = open.last().and_then(|&rule| self.rules[rule].last_mut()) {
            parts.push(Part { rule, optional: false, repeated: false });
        }
    }

    fn repeat(&mut self, open: &[usize], optional: bool, repeated: bool) {
        let parts = open.last().and_then(|&rule| self.rules[rule].last_mut());
        if let Some(part) = parts.and_then(|parts| parts.last_mut()) {
            part.optional |= optional;
            part.repeated |= repeated;
        }
    }

    /// Which rules may be nothing at all.
    fn empty(&self) -> Vec<bool> {
        let mut users: Vec<Vec<usize>> = vec![Vec::new(); self.rules.len()];
        for (rule, alternatives) in self.rules.iter().enumerate() {
            for used in alternatives.iter().flatten().filter_map(|part| part.rule) {
                users[used].push(rule);
            }
        }
        let mut empty = vec![false; self.rules.len()];
        let mut waiting: Vec<usize> = (0..self.rules.len()).collect();
        while let Some(rule) = waiting.pop() {
            let vanishes = |part: &Part| part.optional || part.rule.is_some_and(|rule| empty[rule]);
            if !empty[rule] && self.rules[rule].iter().any(|parts| parts.iter().all(vanishes)) {
                empty[rule] = true;
                waiting.extend(&users[rule]);
            }
        }
        empty
    }
}

/// Whether following `next` from some place comes back to it.
fn has_cycle(places: usize, next: impl Fn(usize) -> Vec<usize>) -> bool {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Not,
        OnTheWay,
        Left,
    }
    let mut seen = vec![Seen::Not; places];
    for start in 0..places {
        if seen[start] != Seen::Not {
            continue;
        }
        seen[start] = Seen::OnTheWay;
        let mut way = vec![(start, next(start))];
        while let Some((place, left)) = way.last_mut() {
            match left.pop() {
                Some(onward) if seen[onward] == Seen::OnTheWay => return true,
                Some(onward) if seen[onward] == Seen::Not => {
                    seen[onward] = Seen::OnTheWay;
                    way.push((onward, next(onward)));
                }
                Some(_) => {}
                None => {
                    seen[*place] = Seen::Left;
                    way.pop();
                }
            }
        }
    }
    false
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '-' || character == '_'
}

/// Whether `::=` comes next.
fn defines(characters: &Peekable<Chars<'_>>) -> bool {
    let mut ahead = characters.clone().skip_while(|character| character.is_whitespace());
    ahead.by_ref().take(3).eq("::=".chars())
}

/// Passes over what is quoted; a backslash keeps what follows it.
pub(crate) fn skip(characters: &mut Peekable<Chars<'_>>, end: char) {
    while let Some(character) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            character if character == end => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rules_that_begin_with_themselves_are_refused() {
        for grammar in [
            "root ::= root \"a\" | \"b\"",
            "root ::= (\"c\"*) root \"a\" | \"b\"",
            "root ::= \"c\"? root",
            "root ::= \"c\"{0,3} root",
            "root ::= a\na ::= b \"x\"\nb ::= e a\ne ::= \"\"? | \"y\"",
            "root ::= (\"a\"*)*",
            "root ::= \"\" root",
            "root ::= (\"a\" | )+ \"b\"",
            "root ::=\n  e root\ne ::= \"x\" |",
        ] {
            assert_eq!(check(grammar), Err(FormError::Endless), "{grammar}");
        }
    }

    #[test]
    fn what_is_too_deep_or_too_optional_is_refused() {
        for many in [200, 16_000] {
            assert_eq!(check(&format!("root ::= {}", "(".repeat(many))), Err(FormError::Deep));
            let closed = format!("root ::= {}\"a\"{}", "(".repeat(many), ")".repeat(many));
            assert_eq!(check(&closed), Err(FormError::Deep));
        }
        assert_eq!(check(&format!("root ::= {}\"b\"", "\"a\"? ".repeat(2000))), Err(FormError::Optional));
    }

    #[test]
    fn grammars_as_people_write_them_pass() {
        for grammar in [
            "root ::= \"a\" root | \"b\"",
            "root ::= [0-9]+ (\".\" [0-9]+)? \" \"*",
            "root ::= \"(((((\" [(\\](] # ((((\n",
            "root ::= object\nvalue ::= object | string\nobject ::= \"{\" ws (string \":\" ws value (\",\" ws string \":\" ws value)*)? \"}\" ws\nstring ::= \"\\\"\" [^\"]* \"\\\"\" ws\nws ::= | \" \" | \"\\n\" [ \\t]{0,20}",
            "root ::= (\n  \"a\" |\n  \"b\"\n)* \"c\"",
            "",
            ")))|*{0}",
        ] {
            assert_eq!(check(grammar), Ok(()), "{grammar}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(grammar in "([a-c]|::=|[\"\\[\\]{}()|*+?0-9,#\\\\\n<>. ]){0,60}") {
            let _ = check(&grammar);
        }
    }
}
