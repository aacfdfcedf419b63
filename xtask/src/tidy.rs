//! Holds the workspace against its own rules: dependencies between crates against `arrows.toml`, fuzz targets against their
//! checks, the service unit against what the guide says of it, documents against the files that they name; sources stay inside
//! of the checkout.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

type Arrows = BTreeMap<String, Vec<String>>;

pub(crate) fn run() -> Result<()> {
    arrows()?;
    crate::targets::run()?;
    crate::exposure::run()?;
    crate::links::run()?;
    crate::outside::run()
}

fn arrows() -> Result<()> {
    let allowed = allowed()?;
    let output = Command::new("cargo").args(["metadata", "--format-version=1", "--no-deps"]).output()?;
    ensure!(output.status.success(), "`cargo metadata` failed");
    let found = found(&serde_json::from_slice(&output.stdout)?)?;
    let faults = faults(&allowed, &found);
    if !faults.is_empty() {
        bail!("arrows that `arrows.toml` does not draw:\n{}", faults.join("\n"));
    }
    Ok(())
}

fn allowed() -> Result<Arrows> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("arrows.toml");
    let table: toml::Table = std::fs::read_to_string(&path).context("arrows.toml")?.parse()?;
    let may_use = table.get("may_use").and_then(|value| value.as_table()).context("`may_use` is missing")?;
    let list = |value: &toml::Value| -> Option<Vec<String>> {
        value.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect()
    };
    may_use
        .iter()
        .map(|(name, used)| Ok((name.clone(), list(used).with_context(|| format!("`{name}` is no list"))?)))
        .collect()
}

fn found(metadata: &Value) -> Result<Arrows> {
    let packages = metadata.get("packages").and_then(Value::as_array).context("no packages")?;
    let mut arrows = Arrows::new();
    for package in packages {
        let name = package.get("name").and_then(Value::as_str).context("a package without name")?;
        let dependencies =
            package.get("dependencies").and_then(Value::as_array).context("no dependencies")?;
        let used = dependencies
            .iter()
            .filter(|one| one.get("path").is_some() && one.get("kind") != Some(&"dev".into()));
        let used =
            used.filter_map(|one| one.get("name").and_then(Value::as_str)).map(str::to_owned).collect();
        arrows.insert(name.to_owned(), used);
    }
    Ok(arrows)
}

fn faults(allowed: &Arrows, found: &Arrows) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, used) in found {
        let Some(may) = allowed.get(name) else {
            faults.push(format!("  {name} has no row"));
            continue;
        };
        faults.extend(used.iter().filter(|one| !may.contains(one)).map(|one| format!("  {name} -> {one}")));
    }
    faults.extend(
        allowed.keys().filter(|name| !found.contains_key(*name)).map(|name| format!("  {name} is no crate")),
    );
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrows(rows: &[(&str, &[&str])]) -> Arrows {
        rows.iter()
            .map(|(name, used)| ((*name).to_owned(), used.iter().map(|one| (*one).to_owned()).collect()))
            .collect()
    }

    #[test]
    fn an_arrow_that_is_not_drawn_is_a_fault_and_so_is_a_crate_without_row() {
        let allowed = arrows(&[("a", &["b"]), ("b", &[])]);
        assert!(faults(&allowed, &arrows(&[("a", &["b"]), ("b", &[])])).is_empty());
        assert_eq!(faults(&allowed, &arrows(&[("a", &[]), ("b", &["a"])])), ["  b -> a"]);
        assert_eq!(faults(&allowed, &arrows(&[("a", &[]), ("b", &[]), ("c", &[])])), ["  c has no row"]);
        assert_eq!(faults(&allowed, &arrows(&[("a", &[])])), ["  b is no crate"]);
    }
}
