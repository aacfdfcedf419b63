//! Holds that no source reads outside of the checkout, so that a clone with nothing beside it is whole.
//!
//! A path that climbs is held against the folder that it starts from: that of the file where the compiler resolves it
//! (`include_str!`, `#[path]`, links), else that of the package. What a program puts together while it runs is not seen
//! here; the clone of `.ci/nightly` sees it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::graph::root;

/// These two look beside the checkout, to say what they found.
const MAY_LOOK: [&str; 2] = ["xtask/src/absent.rs", ".ci/run"];
/// Sources with paths; documents may speak of anything.
const SOURCES: [&str; 7] = ["rs", "toml", "py", "js", "sh", "json", ""];

pub(crate) fn run() -> Result<()> {
    let root = root();
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(&root).output().context("git")?;
    ensure!(output.status.success(), "`git ls-files` fails: which files belong to the checkout?");
    let listed = String::from_utf8(output.stdout).context("names of files")?;
    let mut faults = Vec::new();
    for name in listed.split_terminator('\0').filter(|name| is_source(name)) {
        // What git lists and somebody has just removed holds no path.
        let Ok(text) = std::fs::read_to_string(root.join(name)) else { continue };
        faults.extend(escapes(name, package_depth(&root, name), &text));
    }
    if !faults.is_empty() {
        bail!("paths that lead out of the checkout:\n{}", faults.join("\n"));
    }
    Ok(())
}

fn is_source(name: &str) -> bool {
    let extension = Path::new(name).extension().map_or("", |extension| extension.to_str().unwrap_or("?"));
    SOURCES.contains(&extension) && !MAY_LOOK.contains(&name)
}

/// How deep the folder of a file is.
fn depth(name: &str) -> usize {
    name.matches('/').count()
}

/// How deep the package of a file is: what `CARGO_MANIFEST_DIR` names.
fn package_depth(root: &Path, name: &str) -> usize {
    let folders = Path::new(name).ancestors().skip(1);
    let package = folders.into_iter().find(|folder| root.join(folder).join("Cargo.toml").is_file());
    package.map_or(0, |folder| folder.components().count())
}

fn escapes(name: &str, package_depth: usize, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let by_compiler = !name.ends_with(".rs") || line.contains("include_") || line.contains("#[path");
        // Paths in the chores are joined to the root.
        let start = match (by_compiler, name.starts_with("xtask/")) {
            (true, _) => depth(name),
            (false, true) => 0,
            (false, false) => package_depth,
        };
        if line.split(|sign: char| !is_of_a_path(sign)).any(|path| climbs_out(path, start)) {
            faults.push(format!("  {name}:{number}: {}", line.trim()));
        }
    }
    faults
}

fn is_of_a_path(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || matches!(sign, '.' | '/' | '_' | '-')
}

/// Whether a path leaves what is `start` folders above it. One that only climbs names nothing yet: what is joined to it
/// later is not seen here.
fn climbs_out(path: &str, start: usize) -> bool {
    if matches!(path.trim_end_matches('/').rsplit('/').next(), Some("..")) {
        return false;
    }
    let mut depth = Some(start);
    for part in path.split('/') {
        depth = match (depth, part) {
            (Some(depth), "..") => depth.checked_sub(1),
            (Some(depth), "" | ".") => Some(depth),
            (Some(depth), _) => depth.checked_add(1),
            (None, _) => return true,
        };
    }
    depth.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_held_against_the_folder_that_it_starts_from() {
        let up = |levels: usize| "../".repeat(levels);
        let (name, package) = ("crates/one/src/deep/file.rs", 2);
        let text = |levels: usize, how: &str| how.replace('@', &format!("\"{}a\"", up(levels)));
        for (levels, how, held) in [
            (2, "folder.join(@)", true),
            (3, "folder.join(@)", false),
            (4, "include_str!(@)", true),
            (5, "include_bytes!(@)", false),
        ] {
            assert_eq!(escapes(name, package, &text(levels, how)).is_empty(), held, "{levels} {how}");
        }
        assert_eq!(escapes("xtask/src/a.rs", 1, &text(1, "root().join(@)")).len(), 1);
        assert_eq!(escapes("conformance/a/b.py", 0, &text(3, "open(@)")).len(), 1);
        assert!(escapes("conformance/a/b.py", 0, &text(2, "open(@)")).is_empty());
        assert!(!climbs_out("..", 0) && !climbs_out(&up(2), 1));
        assert!(climbs_out(&format!("a/{}b", up(2)), 0) && !climbs_out("a/../b...c", 0));
    }

    #[test]
    fn documents_may_speak_of_anything_and_programs_may_not() {
        for (name, held) in [("a/b.rs", true), ("test", true), ("a.md", false), (".ci/run", false)] {
            assert_eq!(is_source(name), held, "{name}");
        }
    }
}
