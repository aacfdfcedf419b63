//! Published data that no package ships, and the tests that need it.
//!
//! Tests find what they compare with in packages, by name. `golden/absent-data.txt` lists the few whose data comes in none:
//! they run where a folder with it is named or lies beside the checkout, and are skipped elsewhere, by name and counted.
//! A test that is not on the list is never skipped, and nothing else of the checkout looks beside it (see `outside`).

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::advisories;
use crate::graph::root;

/// Names the folder of published data, for tests too.
pub(crate) const VARIABLE: &str = "CLAVIGER_VECTORS";
/// Set to `1` where nothing may be skipped or left unchecked.
const REQUIRED: &str = "CLAVIGER_REQUIRE_DATA";
const LIST: &str = "golden/absent-data.txt";
const BESIDE: &str = "../shared/data";
const AT_MOST: usize = 6;

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    package: String,
    test: String,
    data: String,
}

impl fmt::Display for Listed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}, for want of {}", self.package, self.test, self.data)
    }
}

/// The tests of the list, split by whether they can run here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Split {
    pub(crate) runnable: Vec<Listed>,
    pub(crate) skipped: Vec<Listed>,
}

/// The folder of published data: what is named, else what lies beside the checkout.
pub(crate) fn folder() -> Option<PathBuf> {
    let named = std::env::var_os(VARIABLE).map(PathBuf::from);
    named.or_else(|| root().join(BESIDE).canonicalize().ok()).filter(|folder| folder.is_dir())
}

pub(crate) fn split() -> Result<Split> {
    let split = split_by(&listed()?, folder().as_deref());
    if is_required() && !split.skipped.is_empty() {
        bail!("{REQUIRED} is set, and data is absent:\n{}", lines(&split.skipped));
    }
    Ok(split)
}

/// Checks the advisories where there is a database, and says so where there is none.
pub(crate) fn advisories() -> Result<()> {
    match advisories::present() {
        Some(place) => advisories::run(Some(&place)),
        None if is_required() => bail!("{REQUIRED} is set, and there is no advisory database"),
        None => {
            eprintln!("advisories: not checked");
            Ok(())
        }
    }
}

/// The last line of `./test`, which says that everything is good only where everything was looked at.
pub(crate) fn summary() -> Result<()> {
    let (skipped, is_checked) = (split()?.skipped, advisories::present().is_some());
    if !skipped.is_empty() {
        eprintln!("skipped:\n{}", lines(&skipped));
    }
    eprintln!("{}", verdict(skipped.len(), is_checked));
    Ok(())
}

/// What selects these tests for `cargo nextest`.
pub(crate) fn selection(tests: &[Listed]) -> String {
    let one = |listed: &Listed| format!("(package(={}) & test(={}))", listed.package, listed.test);
    tests.iter().map(one).collect::<Vec<_>>().join(" | ")
}

pub(crate) fn listed() -> Result<Vec<Listed>> {
    parse(&std::fs::read_to_string(root().join(LIST)).context(LIST)?)
}

fn is_required() -> bool {
    std::env::var_os(REQUIRED).is_some_and(|value| value == "1")
}

fn parse(text: &str) -> Result<Vec<Listed>> {
    let mut listed = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let mut words = line.split_whitespace().map(str::to_owned);
        let (package, test, data) = (words.next(), words.next(), words.next());
        let (Some(package), Some(test), Some(data), None) = (package, test, data, words.next()) else {
            bail!("{LIST}: `{line}` is not a package, a test and its data");
        };
        listed.push(Listed { package, test, data });
    }
    ensure!(listed.len() <= AT_MOST, "{LIST}: {} tests, and at most {AT_MOST} may be", listed.len());
    Ok(listed)
}

fn split_by(listed: &[Listed], folder: Option<&Path>) -> Split {
    let is_there = |listed: &&Listed| folder.is_some_and(|folder| folder.join(&listed.data).exists());
    let (runnable, skipped) = listed.iter().partition::<Vec<_>, _>(is_there);
    Split {
        runnable: runnable.into_iter().cloned().collect(),
        skipped: skipped.into_iter().cloned().collect(),
    }
}

fn lines(tests: &[Listed]) -> String {
    tests.iter().map(|listed| format!("  {listed}")).collect::<Vec<_>>().join("\n")
}

fn verdict(skipped: usize, is_checked: bool) -> String {
    let whole = if skipped == 0 && is_checked { "all good" } else { "what was looked at is good" };
    let advisories = if is_checked { "checked" } else { "not checked" };
    format!("{whole}; tests skipped for absent data: {skipped}; advisories: {advisories}")
}

#[cfg(test)]
mod tests;
