//! Blocks of commands in documents: what runs each, or why nothing does.
//!
//! A block (`sh`) is run by a test of its document in `tour`, unless a comment before it says otherwise:
//! `<!-- commands: .ci/NAME -->` for a script that takes the block out of the document by `.ci/block` and runs it, or
//! `<!-- commands: not run: REASON -->`. `golden/commands.txt` lists all of them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const GOLDEN: &str = "golden/commands.txt";
const NOT_RUN: &str = "not run: ";
const HEAD: &str = "\
# Blocks of commands in documents, each with what runs it, or why nothing does. UPDATE_GOLDEN=1 rewrites this file.
# `test`: a test of `claviger` (`tour`) runs all such blocks of the document, one after the other.
# A script runs the block as it stands in the document, by `.ci/block`; names of files that it has take the place of those written there.
";

/// A block of commands.
#[derive(Debug)]
pub(crate) struct Block {
    document: String,
    heading: String,
    /// Which one below its heading, from 1.
    number: usize,
    /// What the comment before it says.
    marker: Option<String>,
    pub(crate) text: String,
}

impl Block {
    fn how(&self) -> &str {
        self.marker.as_deref().unwrap_or("test")
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file of the repository.
pub(crate) fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All documents, by their paths.
fn documents() -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["", "conformance/aws", "deploy", "docs", "docs/decisions"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let name = Path::new(folder).join(entry.unwrap().file_name());
            if name.extension().is_some_and(|extension| extension == "md") {
                found.push(name.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The blocks of a document, in their order. One in a list is indented, and is read without that.
fn blocks(document: &str) -> Vec<Block> {
    let text = read(document);
    let (mut found, mut heading, mut marker): (Vec<Block>, _, _) = (Vec::new(), "", None);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let plain = line.trim_start();
        let indent = line.len() - plain.len();
        if let Some(language) = plain.strip_prefix("```") {
            let inside = lines.by_ref().take_while(|line| line.trim() != "```");
            let text: String =
                inside.map(|line| format!("{}\n", line.get(indent..).unwrap_or_default())).collect();
            if language == "sh" {
                let number = 1 + found.iter().filter(|block| block.heading == heading).count();
                let (document, heading) = (document.to_owned(), heading.to_owned());
                found.push(Block { document, heading, number, marker: marker.take(), text });
            }
        } else if let Some(rest) = line.strip_prefix('#') {
            heading = rest.trim_start_matches('#').trim_start();
        }
        assert!(
            marker.is_none() || plain.is_empty(),
            "{document}: no block follows the comment `{marker:?}`"
        );
        let comment = plain.strip_prefix("<!-- commands: ");
        marker = comment.map(|rest| rest.strip_suffix(" -->").unwrap().to_owned());
    }
    found
}

/// The commands of a document that its test runs, one block after the other.
pub(crate) fn commands(document: &str) -> String {
    let here = blocks(document).into_iter().filter(|block| block.marker.is_none());
    here.map(|block| block.text).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_block_is_run_or_has_a_reason_and_the_list_shows_which() {
    let mut printed = HEAD.to_owned();
    let (mut by_test, mut faults) = (Vec::new(), Vec::new());
    for block in documents().iter().flat_map(|document| blocks(document)) {
        let Block { document, heading, number, .. } = &block;
        let how = block.how();
        writeln!(printed, "{:<60} {how}", format!("{document} \"{heading}\" {number}")).unwrap();
        if block.marker.is_none() {
            by_test.push(document.clone());
        } else if how.starts_with(".ci/") {
            let call = format!(".ci/block {document} \"{heading}\" {number}");
            if !read(how).lines().any(|line| line.contains(&format!("{call} ")) || line.ends_with(&call)) {
                faults.push(format!("{how} does not run `{call}`"));
            }
        } else if how.strip_prefix(NOT_RUN).is_none_or(|reason| reason.len() < 8) {
            faults
                .push(format!("{document} \"{heading}\" {number}: `{how}` is neither a script nor a reason"));
        }
    }
    by_test.dedup();
    assert_eq!(
        by_test,
        crate::tour::DOCUMENTS,
        "documents with blocks of `test`, and those that `tour` runs"
    );
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(root().join(GOLDEN), &printed).unwrap();
    }
    assert_eq!(read(GOLDEN), printed, "{GOLDEN} differs; UPDATE_GOLDEN=1 rewrites it");
}

/// The table of roles in the guide is that of the policy.
#[test]
fn guide_to_people_says_of_each_role_what_the_policy_says() {
    let policy = read("golden/policy.txt");
    let (_, matrix) = policy.split_once("# Roles and kinds, nothing granted, rings strict\n").unwrap();
    let mut rows = matrix.lines().take_while(|line| !line.is_empty()).map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        words
    });
    let head = rows.next().unwrap();
    let mut table = "| action | on |".to_owned();
    let roles: Vec<_> = (2..head.len()).filter(|&at| head[at] != "no_role").take(6).collect();
    for &role in &roles {
        write!(table, " {} |", head[role].replace('_', " ")).unwrap();
    }
    table.push_str(&format!("\n|---|---|{}\n", "---|".repeat(roles.len())));
    for row in rows.filter(|row| roles.iter().any(|&role| row[role] == "role")) {
        write!(table, "| `{}` | {} |", row[0], row[1]).unwrap();
        for &role in &roles {
            table.push_str(if row[role] == "role" { " yes |" } else { " |" });
        }
        table.push('\n');
    }
    assert!(read("docs/people.md").contains(&table), "docs/people.md has another table than\n{table}");
}
