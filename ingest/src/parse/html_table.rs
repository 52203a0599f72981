//! Which tables hold data, and what is each cell's column called?
//!
//! A row is read alone, by a search and in a citation, so each cell takes the name of its column along. A table without
//! `th` that holds other tables or headings only arranges the page.
//!
//! Invariants:
//! - One pass over the tree and one over the cells; names are cut, since each is written as often as there are rows.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use ego_tree::iter::Edge;
use ego_tree::{NodeId, NodeRef};
use scraper::node::Element;
use scraper::{Html, Node};

use wellspring_core::limits;

use super::html::is_hidden;
use super::html_text::Role;

/// Rows that a header takes at most.
const HEADER_ROWS_MAX: usize = 3;
/// Bytes of a column's name.
const NAME_BYTES_MAX: usize = 80;
/// Nodes looked at for a column's name.
const NAME_NODES_MAX: usize = 200;

/// What the walk over a page must know of its tables.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// Roles of elements of tables that are not what their names say.
    pub(super) roles: HashMap<NodeId, Role>,
    /// The names of the columns of cells that have one.
    pub(super) names: HashMap<NodeId, Rc<str>>,
    /// Rows that say nothing beyond the names.
    pub(super) headers: HashSet<NodeId>,
}

#[derive(Debug)]
struct Table {
    id: NodeId,
    /// The table in whose cell it stands.
    outer: Option<usize>,
    rows: Vec<Row>,
    arranges: bool,
    has_names: bool,
}

#[derive(Debug)]
struct Row {
    id: NodeId,
    in_head: bool,
    cells: Vec<Cell>,
}

#[derive(Debug)]
struct Cell {
    id: NodeId,
    is_name: bool,
    columns: usize,
    rows: usize,
}

impl Tables {
    /// Looks through a page.
    pub(super) fn of(html: &Html) -> Self {
        let found = find(html);
        let mut tables = Self::default();
        // Whether a table stands in one of data, whose cells hold words and no tables.
        let mut in_data = vec![false; found.len()];
        for (place, table) in found.iter().enumerate() {
            in_data[place] = table.outer.is_some_and(|outer| in_data[outer] || !arranges(&found[outer]));
            let role = match (in_data[place], arranges(table)) {
                (true, _) => Some(Role::Flow),
                (false, true) => Some(Role::Block),
                (false, false) => None,
            };
            match role {
                Some(role) => {
                    let cells = table.rows.iter().flat_map(|row| row.cells.iter().map(|cell| cell.id));
                    let all = [table.id].into_iter().chain(table.rows.iter().map(|row| row.id)).chain(cells);
                    tables.roles.extend(all.map(|id| (id, role)));
                }
                None => tables.name_cells(html, table),
            }
        }
        tables
    }

    fn name_cells(&mut self, html: &Html, table: &Table) {
        let header_rows = table.rows.iter().take(HEADER_ROWS_MAX).take_while(|row| is_header(row)).count();
        if header_rows == 0 || header_rows == table.rows.len() {
            return;
        }
        let mut names: Vec<String> = Vec::new();
        let mut columns = Columns::default();
        for (place, row) in table.rows.iter().enumerate() {
            let places = columns.places_of(row);
            if place < header_rows {
                self.headers.insert(row.id);
                for (cell, column) in row.cells.iter().zip(places) {
                    let said = html.tree.get(cell.id).map(name_of).unwrap_or_default();
                    let end = (column + cell.columns).min(limits::HTML_TABLE_COLUMNS_MAX);
                    names.resize(names.len().max(end), String::new());
                    for name in names.iter_mut().take(end).skip(column) {
                        add_name(name, &said);
                    }
                }
                continue;
            }
            if place == header_rows {
                columns.names = names.iter().map(|name| Rc::from(name.as_str())).collect();
            }
            for (cell, column) in row.cells.iter().zip(places) {
                if let Some(name) = columns.names.get(column).filter(|name| !name.is_empty()) {
                    self.names.insert(cell.id, name.clone());
                }
            }
        }
    }
}

/// Whether a table only arranges the page.
fn arranges(table: &Table) -> bool {
    table.arranges && !table.has_names
}

fn is_header(row: &Row) -> bool {
    row.in_head || (!row.cells.is_empty() && row.cells.iter().all(|cell| cell.is_name))
}

/// Finds all tables, each with its own rows and cells.
fn find(html: &Html) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    // The tables that the walk is in, and whether it is in a head of theirs.
    let mut open: Vec<(usize, bool)> = Vec::new();
    let mut hidden: Option<NodeId> = None;
    for edge in html.tree.root().traverse() {
        match edge {
            Edge::Open(node) if hidden.is_none() => {
                let Node::Element(element) = node.value() else { continue };
                if is_hidden(element) {
                    hidden = Some(node.id());
                    continue;
                }
                let around = open.last().map(|(table, _)| *table);
                if let (Some(around), Some((_, in_head))) = (around, open.last_mut()) {
                    take_note(&mut tables[around], in_head, node.id(), element);
                }
                if element.name() == "table" {
                    let arranges = matches!(element.attr("role"), Some("presentation" | "none"));
                    let table = Table { id: node.id(), outer: around, rows: Vec::new(), arranges, has_names: false };
                    tables.push(table);
                    open.push((tables.len() - 1, false));
                }
            }
            Edge::Close(node) if hidden == Some(node.id()) => hidden = None,
            Edge::Close(node) if hidden.is_none() => match node.value().as_element().map(Element::name) {
                Some("table") => {
                    open.pop();
                }
                Some("thead") => {
                    if let Some((_, in_head)) = open.last_mut() {
                        *in_head = false;
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }
    tables
}

/// Adds an element to the table it stands in.
fn take_note(table: &mut Table, in_head: &mut bool, id: NodeId, element: &Element) {
    let number = |name| element.attr(name).and_then(|value| value.trim().parse::<usize>().ok()).unwrap_or(1).max(1);
    match element.name() {
        "thead" => *in_head = true,
        "tr" => table.rows.push(Row { id, in_head: *in_head, cells: Vec::new() }),
        name @ ("td" | "th") => {
            table.has_names |= name == "th";
            if let Some(row) = table.rows.last_mut() {
                let columns = number("colspan").min(limits::HTML_TABLE_COLUMNS_MAX);
                row.cells.push(Cell { id, is_name: name == "th", columns, rows: number("rowspan") });
            }
        }
        "table" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "pre" | "blockquote" => table.arranges = true,
        _ => {}
    }
}

/// Where cells stand, given those that reach down from rows above.
#[derive(Debug, Default)]
struct Columns {
    names: Vec<Rc<str>>,
    /// For each column, how many more rows are taken by a cell above.
    taken: Vec<usize>,
}

impl Columns {
    fn places_of(&mut self, row: &Row) -> Vec<usize> {
        let mut places = Vec::with_capacity(row.cells.len());
        let mut next: Vec<(usize, usize)> = Vec::new();
        let mut column = 0;
        for cell in &row.cells {
            while self.taken.get(column).is_some_and(|rows| *rows > 0) {
                column += 1;
            }
            places.push(column);
            if column < limits::HTML_TABLE_COLUMNS_MAX {
                next.extend((column..column + cell.columns).map(|column| (column, cell.rows - 1)));
            }
            column += cell.columns;
        }
        self.taken.iter_mut().for_each(|rows| *rows = rows.saturating_sub(1));
        for (column, rows) in
            next.into_iter().filter(|(column, rows)| *rows > 0 && *column < limits::HTML_TABLE_COLUMNS_MAX)
        {
            self.taken.resize(self.taken.len().max(column + 1), 0);
            self.taken[column] = rows;
        }
        places
    }
}

/// The words of a header's cell, cut to their bound.
fn name_of(cell: NodeRef<'_, Node>) -> String {
    let mut name = String::new();
    let mut hidden: Option<NodeId> = None;
    for edge in cell.traverse().take(NAME_NODES_MAX) {
        match edge {
            Edge::Open(node) if hidden.is_none() => match node.value() {
                Node::Element(element) if is_hidden(element) => hidden = Some(node.id()),
                Node::Text(text) if name.len() < NAME_BYTES_MAX => {
                    name.extend(text.chars().filter(|c| *c != '\u{ad}').take(NAME_BYTES_MAX));
                }
                Node::Element(_) => name.push(' '),
                _ => {}
            },
            Edge::Close(node) if hidden == Some(node.id()) => hidden = None,
            _ => {}
        }
    }
    let mut name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    name.truncate(name.floor_char_boundary(NAME_BYTES_MAX));
    name.trim_end().trim_end_matches(':').to_owned()
}

/// Adds a row of a header to a column's name.
fn add_name(name: &mut String, said: &str) {
    if !said.is_empty() && name != said && name.len() + said.len() < NAME_BYTES_MAX {
        if !name.is_empty() {
            name.push(' ');
        }
        name.push_str(said);
    } else if name.is_empty() {
        name.push_str(said);
    }
}
