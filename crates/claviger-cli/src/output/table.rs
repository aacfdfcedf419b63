//! Tables: a head in capitals, no lines, so that they are as easy to read as to cut.
//!
//! On a terminal cells are wrapped at spaces, and no word is cut. Where even the longest words do not fit beside each other, each row
//! is shown by itself, its cells below each other.

use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Table as Drawn, Width};

/// What stands between two columns.
const BETWEEN: usize = 2;

/// A table that grows row by row.
#[derive(Debug)]
pub(crate) struct Table {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
    what: &'static str,
}

impl Table {
    /// An empty table of `what` (in the plural) with these column heads.
    pub(crate) fn new(what: &'static str, heads: &[&str]) -> Self {
        Self { heads: heads.iter().map(|head| (*head).to_owned()).collect(), rows: Vec::new(), what }
    }

    /// One row more.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The text. A table without rows says that there are none.
    pub(crate) fn text(&self) -> String {
        self.text_within(terminal())
    }

    fn text_within(&self, width: Option<u16>) -> String {
        if self.rows.is_empty() {
            return format!("no {}", self.what);
        }
        let Some(width) = width else { return trimmed(&self.drawn(None)) };
        let least: usize = (0..self.heads.len()).map(|at| usize::from(self.longest_word(at)) + BETWEEN).sum();
        if least > usize::from(width) {
            let rows = self.rows.iter().map(|row| {
                let fields: Vec<_> = self.heads.iter().map(String::as_str).zip(row.iter().cloned()).collect();
                record_within(&fields, Some(width))
            });
            return rows.collect::<Vec<_>>().join("\n");
        }
        trimmed(&self.drawn(Some(width)))
    }

    fn drawn(&self, width: Option<u16>) -> Drawn {
        let mut drawn = plain(width);
        drawn.set_header(self.heads.iter().map(|head| head.to_uppercase()));
        for row in &self.rows {
            drawn.add_row(row);
        }
        spaced(&mut drawn);
        if width.is_some() {
            for at in 0..self.heads.len() {
                let least = self.longest_word(at).saturating_add(u16::try_from(BETWEEN).unwrap_or_default());
                if let Some(column) = drawn.column_mut(at) {
                    column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
                }
            }
        }
        drawn
    }

    /// The length of the longest word of a column.
    fn longest_word(&self, at: usize) -> u16 {
        let cells = self.rows.iter().filter_map(|row| row.get(at)).chain(self.heads.get(at));
        let words = cells.flat_map(|cell| cell.split_whitespace()).map(|word| word.chars().count());
        words.max().and_then(|longest| u16::try_from(longest).ok()).unwrap_or_default()
    }
}

/// One thing with its fields below each other. Fields without a value are left out.
pub(crate) fn record(fields: &[(&str, String)]) -> String {
    record_within(fields, terminal())
}

fn record_within(fields: &[(&str, String)], width: Option<u16>) -> String {
    let mut drawn = plain(width);
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        drawn.add_row([(*name).to_owned(), value.clone()]);
    }
    spaced(&mut drawn);
    if let Some(names) = drawn.column_mut(0) {
        names.set_constraint(ColumnConstraint::ContentWidth);
    }
    trimmed(&drawn)
}

/// The width of the terminal, where there is one.
fn terminal() -> Option<u16> {
    Drawn::new().width()
}

/// A table without lines; of any width where none is given.
fn plain(width: Option<u16>) -> Drawn {
    let mut drawn = Drawn::new();
    drawn.load_style(NOTHING);
    match width {
        Some(width) => drawn.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
        None => drawn.set_content_arrangement(ContentArrangement::Disabled),
    };
    drawn
}

/// Lets nothing stand before the first column, and two spaces between columns.
fn spaced(drawn: &mut Drawn) {
    let behind = u16::try_from(BETWEEN).unwrap_or_default();
    for column in drawn.column_iter_mut() {
        column.set_padding((0, behind));
    }
}

fn trimmed(drawn: &Drawn) -> String {
    drawn.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_has_a_head_and_aligned_rows() {
        let mut table = Table::new("keys", &["name", "state"]);
        assert_eq!(table.text_within(None), "no keys");
        table.row(["orders/pan".into(), "active".into()]);
        table.row(["a".into(), "suspended".into()]);
        assert_eq!(table.text_within(None), "NAME        STATE\norders/pan  active\na           suspended\n");
    }

    #[test]
    fn record_leaves_out_what_is_not_there() {
        let text =
            record(&[("name", "orders".into()), ("rotation", String::new()), ("state", "active".into())]);
        assert_eq!(text, "name   orders\nstate  active\n");
    }

    /// What a list of grants looks like.
    fn grants() -> Table {
        let mut table = Table::new("grants", &["id", "principal", "operations", "is"]);
        for principal in ["shop", "the-other-application"] {
            table.row([
                "0196f0a4-0000-7000-8000-000000000000".into(),
                principal.into(),
                "encrypt, decrypt, generate_data_key_without_plaintext".into(),
                "ended: revoked at 2026-11-23T10:00:00Z by otto (the shop was closed for good)".into(),
            ]);
        }
        table
    }

    #[test]
    fn no_word_is_cut_and_nothing_is_wider_than_the_terminal() {
        let table = grants();
        for width in [60_u16, 80, 100, 120, 160, 300] {
            let text = table.text_within(Some(width));
            assert!(text.lines().all(|line| line.chars().count() <= usize::from(width)), "{width}\n{text}");
            let words: Vec<_> = text.split_whitespace().collect();
            for word in [
                "0196f0a4-0000-7000-8000-000000000000",
                "the-other-application",
                "generate_data_key_without_plaintext",
                "2026-11-23T10:00:00Z",
            ] {
                assert!(words.contains(&word), "{word} at {width}\n{text}");
            }
        }
        // Where columns do not fit beside each other, rows are shown by themselves.
        assert!(table.text_within(Some(60)).starts_with("id          0196f0a4"));
        assert!(table.text_within(Some(160)).starts_with("ID "));
    }
}
