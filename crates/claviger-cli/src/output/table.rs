//! Tables: a head in capitals, no lines, so that they are as easy to read as to cut.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table as Drawn};

/// A table that grows row by row.
#[derive(Debug)]
pub(crate) struct Table {
    drawn: Drawn,
    rows: usize,
    what: &'static str,
}

impl Table {
    /// An empty table of `what` (in the plural) with these column heads.
    pub(crate) fn new(what: &'static str, heads: &[&str]) -> Self {
        let mut drawn = plain();
        drawn.set_header(heads.iter().map(|head| head.to_uppercase()));
        Self { drawn, rows: 0, what }
    }

    /// One row more.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.drawn.add_row(cells);
        self.rows += 1;
    }

    /// The text. A table without rows says that there are none.
    pub(crate) fn text(&self) -> String {
        if self.rows == 0 { format!("no {}", self.what) } else { trimmed(&self.drawn) }
    }
}

/// One thing with its fields below each other. Fields without a value are left out.
pub(crate) fn record(fields: &[(&str, String)]) -> String {
    let mut drawn = plain();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        drawn.add_row([(*name).to_owned(), value.clone()]);
    }
    trimmed(&drawn)
}

fn plain() -> Drawn {
    let mut drawn = Drawn::new();
    drawn.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    drawn
}

fn trimmed(drawn: &Drawn) -> String {
    drawn.lines().map(|line| format!("{}\n", line.trim_start_matches(' ').trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_has_a_head_and_aligned_rows() {
        let mut table = Table::new("keys", &["name", "state"]);
        assert_eq!(table.text(), "no keys");
        table.row(["orders/pan".into(), "active".into()]);
        table.row(["a".into(), "suspended".into()]);
        assert_eq!(table.text(), "NAME        STATE\norders/pan  active\na           suspended\n");
    }

    #[test]
    fn record_leaves_out_what_is_not_there() {
        let text =
            record(&[("name", "orders".into()), ("rotation", String::new()), ("state", "active".into())]);
        assert_eq!(text, "name   orders\nstate  active\n");
    }
}
