//! What documents point to is there: links, and paths of this repository in code spans. Every document below `docs/` is in the
//! index, `docs/README.md`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::cargo::said;
use crate::graph::root;

/// Folders whose files documents name by their path from the root.
const FOLDERS: [&str; 9] =
    [".ci/", "conformance/", "crates/", "deploy/", "docs/", "fuzz/", "golden/", "xtask/", "migrations/"];
const INDEX: &str = "docs/README.md";

pub(crate) fn run() -> Result<()> {
    let root = root();
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"];
    let listed = said(Command::new("git").args(list).current_dir(&root))?;
    let documents: Vec<PathBuf> =
        listed.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect();
    let mut faults = Vec::new();
    let mut indexed = Vec::new();
    for document in documents.iter().filter(|document| root.join(document).exists()) {
        let text = std::fs::read_to_string(root.join(document))?;
        let folder = document.parent().unwrap_or(Path::new(""));
        for link in links(&text) {
            let target = folder.join(link);
            if document == Path::new(INDEX) {
                indexed.push(plain(&target));
            }
            if !root.join(&target).exists() {
                faults.push(format!("  {}: no file is at the end of the link `{link}`", document.display()));
            }
        }
        let absent = paths(&text).filter(|path| !root.join(path).exists());
        faults.extend(absent.map(|path| format!("  {}: there is no `{path}`", document.display())));
    }
    let below_docs =
        documents.iter().filter(|document| document.starts_with("docs") && root.join(document).exists());
    let missing = below_docs.filter(|document| **document != Path::new(INDEX) && !indexed.contains(document));
    faults.extend(missing.map(|document| format!("  {INDEX} does not name {}", document.display())));
    ensure!(faults.is_empty(), "documents point to what is not there:\n{}", faults.join("\n"));
    Ok(())
}

/// The files that links of a document lead to, as they are written; places on the web and in the document itself are not looked at.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| {
        let target = rest.split_once(')')?.0.split('#').next()?;
        let is_file = !target.is_empty() && !target.contains("://") && !target.contains(char::is_whitespace);
        is_file.then_some(target)
    })
}

/// Paths from the root in code spans. One with a pattern or a word to be replaced in it is none.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter(|span| {
        let is_plain = |c: char| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || "/._-".contains(c) || c.is_ascii_uppercase()
        };
        FOLDERS.iter().any(|folder| span.starts_with(folder))
            && span.chars().all(is_plain)
            && !span.contains("TARGET")
    })
}

/// The path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => drop(plain.pop()),
            std::path::Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_paths_are_found_and_what_is_none_is_not() {
        let text = "[a](docs/a.md) [b](b.md#part) [c](https://example.org) [d](#here) `docs/x.md` `docs/N.md x` `golden/*.txt`";
        assert_eq!(links(text).collect::<Vec<_>>(), ["docs/a.md", "b.md"]);
        assert_eq!(paths(text).collect::<Vec<_>>(), ["docs/x.md"]);
        assert_eq!(plain(Path::new("docs/./a/../b.md")), Path::new("docs/b.md"));
    }
}
