//! Holds the fuzz targets against the checks that they drive.
//!
//! What it keeps true: a check of `checks::ALL` has one target in `fuzz/Cargo.toml`, one file of that name that drives
//! this very check, and seeds to begin from. That the seeds are good ones, the tests of `claviger-server` say.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// What the fuzz workspace says of its targets, as text.
struct Workspace {
    /// Names of binaries in the manifest.
    binaries: BTreeSet<String>,
    /// Targets' names and sources.
    files: Vec<(String, String)>,
    /// Names and functions in `checks::ALL`.
    checks: Vec<(String, String)>,
    /// The source of the seeds.
    seeds: String,
}

pub(crate) fn run() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("fuzz");
    let faults = Workspace::read(&root)?.faults();
    if !faults.is_empty() {
        bail!("fuzz targets that are not what they should be:\n{}", faults.join("\n"));
    }
    Ok(())
}

impl Workspace {
    fn read(root: &Path) -> Result<Self> {
        let text = |path: &str| std::fs::read_to_string(root.join(path)).with_context(|| path.to_owned());
        Ok(Self {
            binaries: binaries(&text("Cargo.toml")?)?,
            files: files(&root.join("fuzz_targets"))?,
            checks: checks(&text("src/checks/mod.rs")?),
            seeds: text("src/seeds/mod.rs")?,
        })
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, function) in &self.checks {
            if !self.binaries.contains(name) {
                faults.push(format!("  {name} is no binary of fuzz/Cargo.toml"));
            }
            let call = format!("claviger_fuzz::checks::{function}(bytes)");
            match self.files.iter().find(|(file, _)| file == name) {
                None => faults.push(format!("  {name} has no file in fuzz/fuzz_targets")),
                Some((_, source)) if !source.contains(&call) => {
                    faults.push(format!("  {name} does not drive checks::{function}"));
                }
                Some(_) => {}
            }
            if !self.seeds.contains(&format!("\"{name}\" =>")) {
                faults.push(format!("  {name} has no seeds"));
            }
        }
        let known = |name: &str| self.checks.iter().any(|(check, _)| check == name);
        let named = self.binaries.iter().chain(self.files.iter().map(|(name, _)| name));
        let strays: BTreeSet<_> = named.filter(|name| !known(name)).collect();
        faults.extend(strays.into_iter().map(|name| format!("  {name} is not in checks::ALL")));
        faults
    }
}

fn binaries(manifest: &str) -> Result<BTreeSet<String>> {
    let table: toml::Table = manifest.parse().context("fuzz/Cargo.toml")?;
    let bins = table.get("bin").and_then(toml::Value::as_array).context("no binaries in fuzz/Cargo.toml")?;
    Ok(bins.iter().filter_map(|bin| bin.get("name")?.as_str()).map(str::to_owned).collect())
}

fn files(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).context("fuzz/fuzz_targets")? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).context("a target without name")?;
        files.push((name.to_owned(), std::fs::read_to_string(&path)?));
    }
    Ok(files)
}

/// The rows of `checks::ALL`: `("name", module::function),`.
fn checks(source: &str) -> Vec<(String, String)> {
    let row = |line: &str| {
        let (name, function) = line.trim().strip_prefix("(\"")?.strip_suffix("),")?.split_once("\", ")?;
        Some((name.to_owned(), function.to_owned()))
    };
    source.lines().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(seeds: &str) -> Workspace {
        Workspace {
            binaries: binaries("[[bin]]\nname = \"note\"").unwrap(),
            files: vec![("note".into(), "{ claviger_fuzz::checks::log::note(bytes); }".into())],
            checks: checks("pub const ALL: [Check; 1] = [\n    (\"note\", log::note),\n];"),
            seeds: seeds.into(),
        }
    }

    #[test]
    fn a_check_with_target_and_seeds_is_whole() {
        assert!(workspace("\"note\" => vec![]").faults().is_empty());
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(workspace("").faults(), ["  note has no seeds"]);
        let mut other = workspace("\"note\" =>");
        other.checks = vec![("note".into(), "log::cut".into())];
        assert_eq!(other.faults(), ["  note does not drive checks::log::cut"]);
        other.checks = vec![("cut".into(), "log::cut".into())];
        assert_eq!(
            other.faults(),
            [
                "  cut is no binary of fuzz/Cargo.toml",
                "  cut has no file in fuzz/fuzz_targets",
                "  cut has no seeds",
                "  note is not in checks::ALL",
            ]
        );
    }
}
