//! Which tables hold data, and what is each cell's column called?
//!
//! A row is read alone, by a search and in a citation, so each cell takes the name of its column along, and one that
//! reaches down over several rows is said in each. A table without `th` that holds other tables or headings only arranges
//! the page.
//!
//! Invariants:
//! - One pass over the tree and one over the cells; names are cut, since each is written as often as there are rows.
//! - What is said again is whole, short, and bounded in number over the page.

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
/// Nodes looked at for a column's name, or for a value.
const NAME_NODES_MAX: usize = 200;
/// Bytes of a cell that is said again in the rows below; a longer one is a text, not a value.
const VALUE_BYTES_MAX: usize = 200;

/// What the walk over a page must know of its tables.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// Roles of elements of tables that are not what their names say.
    pub(super) roles: HashMap<NodeId, Role>,
    /// The names of the columns of cells that have one.
    pub(super) names: HashMap<NodeId, Rc<str>>,
    /// Rows that say nothing beyond the names.
    pub(super) headers: HashSet<NodeId>,
    /// What cells of rows above say here: before the cell of this id, or at the end of the row of this id.
    pub(super) from_above: HashMap<NodeId, Vec<Above>>,
    /// How many there are, over the page.
    repeats: usize,
}

/// A cell that reaches down from a row above.
#[derive(Debug, Clone)]
pub(super) struct Above {
    pub(super) name: Option<Rc<str>>,
    pub(super) said: Rc<str>,
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
        // Names without values are values.
        let header_rows = if header_rows == table.rows.len() { 0 } else { header_rows };
        let mut names: Vec<String> = Vec::new();
        let mut columns = Columns::default();
        for (place, row) in table.rows.iter().enumerate() {
            let is_header = place < header_rows;
            let laid = columns.lay(html, row, !is_header && self.repeats < limits::HTML_TABLE_REPEATS_MAX);
            if is_header {
                self.headers.insert(row.id);
                for laid in laid {
                    let Laid::Own { column, cell } = laid else { continue };
                    let (said, _) =
                        html.tree.get(cell.id).map(|cell| words_of(cell, NAME_BYTES_MAX)).unwrap_or_default();
                    let end = (column + cell.columns).min(limits::HTML_TABLE_COLUMNS_MAX);
                    names.resize(names.len().max(end), String::new());
                    for name in names.iter_mut().take(end).skip(column) {
                        add_name(name, said.trim_end_matches(':'));
                    }
                }
                continue;
            }
            if place == header_rows {
                columns.names = names.iter().map(|name| Rc::from(name.as_str())).collect();
            }
            self.take_row(row, laid, &columns);
        }
    }

    /// Names the cells of a row of values, and adds those that reach down into it.
    fn take_row(&mut self, row: &Row, laid: Vec<Laid<'_>>, columns: &Columns) {
        if row.cells.is_empty() {
            return;
        }
        let mut waiting = Vec::new();
        for laid in laid {
            match laid {
                Laid::Above { column, said } if self.repeats < limits::HTML_TABLE_REPEATS_MAX => {
                    self.repeats += 1;
                    waiting.push(Above { name: columns.name(column), said });
                }
                Laid::Above { .. } => {}
                Laid::Own { column, cell } => {
                    if !waiting.is_empty() {
                        self.from_above.insert(cell.id, std::mem::take(&mut waiting));
                    }
                    if let Some(name) = columns.name(column) {
                        self.names.insert(cell.id, name);
                    }
                }
            }
        }
        if !waiting.is_empty() {
            self.from_above.insert(row.id, waiting);
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
    /// Rows laid so far.
    rows: usize,
    /// For each column, the cell above that takes it.
    taken: Vec<Reach>,
}

/// A cell that reaches down.
#[derive(Debug, Clone, Default)]
struct Reach {
    /// The first row that it does not reach.
    until: usize,
    /// What it says, where that is a value; and its first column.
    said: Option<Rc<str>>,
    column: usize,
}

/// What stands in a row, from left to right.
#[derive(Debug)]
enum Laid<'r> {
    Own { column: usize, cell: &'r Cell },
    Above { column: usize, said: Rc<str> },
}

impl Columns {
    fn name(&self, column: usize) -> Option<Rc<str>> {
        self.names.get(column).filter(|name| !name.is_empty()).cloned()
    }

    /// The cells of the next row in their columns; those of rows above and what cells of this row say to those below only
    /// where it `has_values`.
    fn lay<'r>(&mut self, html: &Html, row: &'r Row, has_values: bool) -> Vec<Laid<'r>> {
        let mut laid = Vec::with_capacity(row.cells.len());
        let mut next: Vec<(std::ops::Range<usize>, Reach)> = Vec::new();
        let mut column = 0;
        for cell in &row.cells {
            column = self.pass_taken(column, has_values, &mut laid);
            laid.push(Laid::Own { column, cell });
            let end = (column + cell.columns).min(limits::HTML_TABLE_COLUMNS_MAX);
            if cell.rows > 1 && column < end {
                let words = html.tree.get(cell.id).filter(|_| has_values).map(|cell| words_of(cell, VALUE_BYTES_MAX));
                let said = words.filter(|(said, is_whole)| *is_whole && !said.is_empty()).map(|(said, _)| said.into());
                next.push((column..end, Reach { until: self.rows.saturating_add(cell.rows), said, column }));
            }
            column += cell.columns;
        }
        while has_values && column < self.taken.len() {
            column = self.pass_taken(column, true, &mut laid).max(column + 1);
        }
        for (columns, reach) in next {
            self.taken.resize(self.taken.len().max(columns.end), Reach::default());
            self.taken[columns].fill(reach);
        }
        self.rows += 1;
        laid
    }

    /// The first column from this one on that no cell above takes; what those say is laid, where it is wanted.
    fn pass_taken(&self, mut column: usize, has_values: bool, laid: &mut Vec<Laid<'_>>) -> usize {
        while let Some(reach) = self.taken.get(column).filter(|reach| reach.until > self.rows) {
            if let Some(said) = reach.said.as_ref().filter(|_| has_values && reach.column == column) {
                laid.push(Laid::Above { column, said: said.clone() });
            }
            column += 1;
        }
        column
    }
}

/// The words of a cell, cut to a bound, and whether they are all of it.
fn words_of(cell: NodeRef<'_, Node>, bytes_max: usize) -> (String, bool) {
    let mut said = String::new();
    let mut hidden: Option<NodeId> = None;
    let mut edges = cell.traverse();
    for edge in edges.by_ref().take(NAME_NODES_MAX) {
        match edge {
            Edge::Open(node) if hidden.is_none() => match node.value() {
                Node::Element(element) if is_hidden(element) => hidden = Some(node.id()),
                Node::Text(text) if said.len() <= bytes_max => {
                    said.extend(text.chars().filter(|c| *c != '\u{ad}').take(bytes_max + 1));
                }
                Node::Element(_) => said.push(' '),
                _ => {}
            },
            Edge::Close(node) if hidden == Some(node.id()) => hidden = None,
            _ => {}
        }
    }
    let mut said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_whole = said.len() <= bytes_max && edges.next().is_none();
    said.truncate(said.floor_char_boundary(bytes_max));
    said.truncate(said.trim_end().len());
    (said, is_whole)
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
