//! Tables as CSV (RFC 4180), safe to open in a spreadsheet.

use crate::pack::PackFile;

/// What makes a spreadsheet take a cell for a formula, at its begin.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A table: a head, and rows of as many cells. Lines end with CRLF.
///
/// A cell that a spreadsheet would take for a formula has a `'` before it; no other cell is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    text: String,
}

impl Table {
    /// A table with the names of its columns.
    #[must_use]
    pub(crate) fn new(head: &[&str]) -> Self {
        let mut table = Self { text: String::new() };
        table.row(head);
        table
    }

    /// Puts a row behind the others.
    pub(crate) fn row(&mut self, cells: &[&str]) {
        for (place, cell) in cells.iter().enumerate() {
            if place > 0 {
                self.text.push(',');
            }
            self.cell(cell);
        }
        self.text.push_str("\r\n");
    }

    /// The table as a file of a pack.
    #[must_use]
    pub(crate) fn file(self, path: &str) -> PackFile {
        PackFile::new(path, self.text)
    }

    fn cell(&mut self, cell: &str) {
        let guard = if cell.starts_with(FORMULA) { "'" } else { "" };
        let is_plain = !cell.contains([',', '"', '\r', '\n']) && cell.trim() == cell;
        if is_plain {
            self.text.push_str(guard);
            self.text.push_str(cell);
            return;
        }
        self.text.push('"');
        self.text.push_str(guard);
        for (place, piece) in cell.split('"').enumerate() {
            if place > 0 {
                self.text.push_str("\"\"");
            }
            self.text.push_str(piece);
        }
        self.text.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(cells: &[&str]) -> String {
        let mut table = Table { text: String::new() };
        table.row(cells);
        table.text
    }

    #[test]
    fn cells_are_quoted_where_they_must_be_and_nowhere_else() {
        assert_eq!(written(&["a", "b c", ""]), "a,b c,\r\n");
        assert_eq!(written(&["a,b", "say \"x\"", "\""]), "\"a,b\",\"say \"\"x\"\"\",\"\"\"\"\r\n");
        assert_eq!(written(&["a\nb", "a\r\nb", " a", "a "]), "\"a\nb\",\"a\r\nb\",\" a\",\"a \"\r\n");
    }

    #[test]
    fn no_cell_is_a_formula() {
        for start in FORMULA {
            let cell = format!("{start}1+cmd|' /C calc'!A0");
            let line = written(&[&cell]);
            assert!(line.trim_start_matches('"').starts_with('\''), "{line:?}");
        }
        assert_eq!(written(&["=HYPERLINK(\"x\",\"y\")"]), "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"\r\n");
        assert_eq!(written(&["a=b", "1-2", "3"]), "a=b,1-2,3\r\n");
    }

    #[test]
    fn a_table_begins_with_its_head() {
        let mut table = Table::new(&["id", "state"]);
        table.row(&["1", "active"]);
        let file = table.file("report/keys.csv");
        assert_eq!(
            (file.path.as_str(), file.bytes.as_slice()),
            ("report/keys.csv", &b"id,state\r\n1,active\r\n"[..])
        );
    }
}
