//! What Claviger is built from, as cargo reports it: packages, licences, sources, checksums, and who uses whom.
//!
//! `cargo metadata` knows licences and edges, `cargo tree` knows what is built, the lock file knows checksums; here
//! they become one picture. All are asked with `--locked`: a chore that judges dependencies must not change them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// What `cargo metadata` prints, as far as it is used here.
#[derive(Debug, Deserialize)]
pub(crate) struct Graph {
    pub(crate) packages: Vec<Package>,
    pub(crate) workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) description: Option<String>,
    pub(crate) license: Option<String>,
    pub(crate) source: Option<String>,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

/// One package with the packages that it uses.
#[derive(Debug, Deserialize)]
pub(crate) struct Node {
    id: String,
    pub(crate) deps: Vec<Use>,
    /// The features that somebody turns on, for tests too.
    #[serde(default)]
    pub(crate) features: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Use {
    pub(crate) pkg: String,
    dep_kinds: Vec<UseKind>,
}

#[derive(Debug, Deserialize)]
struct UseKind {
    kind: Option<String>,
}

/// One package of the lock file.
#[derive(Debug, Deserialize)]
pub(crate) struct Locked {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) checksum: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

impl Package {
    /// A macro runs while Claviger is built; none of it is in the binary.
    pub(crate) fn is_macro(&self) -> bool {
        self.targets.iter().flat_map(|target| &target.kind).any(|kind| kind == "proc-macro")
    }
}

impl Use {
    /// Whether the code is linked into what uses it.
    pub(crate) fn is_linked(&self) -> bool {
        self.dep_kinds.iter().any(|one| one.kind.is_none())
    }

    /// Whether the code is linked, or runs in the build script.
    pub(crate) fn is_built(&self) -> bool {
        self.is_linked() || self.dep_kinds.iter().any(|one| one.kind.as_deref() == Some("build"))
    }
}

impl Graph {
    /// Everything that any feature on any platform brings in, for tests too.
    pub(crate) fn of_everything() -> Result<Self> {
        Self::load(&["--all-features"], &["--workspace", "--all-features", "--target=all"])
    }

    /// What is built by default into these packages on one platform.
    pub(crate) fn of_platform(triple: &str, packages: &[&str]) -> Result<Self> {
        let mut tree = vec!["--edges=normal,build", "--target", triple];
        tree.extend(packages.iter().flat_map(|package| ["--package", package]));
        Self::load(&["--filter-platform", triple], &tree)
    }

    fn load(metadata: &[&str], tree: &[&str]) -> Result<Self> {
        let printed = cargo(&["metadata", "--format-version=1"], metadata)?;
        let graph: Self =
            serde_json::from_str(&printed).context("`cargo metadata` printed something unknown")?;
        // `cargo metadata` counts what a weak feature (`ring?/std`) names as used, and cargo builds none of it.
        let built = cargo(&["tree", "--prefix=none", "--format={p}"], tree)?;
        Ok(graph.only(&built.lines().filter_map(name_and_version).collect()))
    }

    fn only(mut self, built: &BTreeSet<(&str, &str)>) -> Self {
        self.packages.retain(|package| built.contains(&(package.name.as_str(), package.version.as_str())));
        let known: BTreeSet<String> = self.packages.iter().map(|package| package.id.clone()).collect();
        self.resolve.nodes.retain(|node| known.contains(&node.id));
        for node in &mut self.resolve.nodes {
            node.deps.retain(|edge| known.contains(&edge.pkg));
        }
        self
    }

    /// The packages by their id, in its order: the order of every report.
    pub(crate) fn by_id(&self) -> BTreeMap<&str, &Package> {
        self.packages.iter().map(|package| (package.id.as_str(), package)).collect()
    }

    pub(crate) fn nodes(&self) -> BTreeMap<&str, &Node> {
        self.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect()
    }
}

/// Of a line of `cargo tree`, such as `name v1.2.3 (proc-macro)`.
fn name_and_version(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split(' ');
    Some((words.next()?, words.next()?.strip_prefix('v')?))
}

fn cargo(command: &[&str], selection: &[&str]) -> Result<String> {
    let mut cargo = Command::new("cargo");
    cargo.args(command).arg("--locked").args(selection).current_dir(root());
    let output = cargo.output().context("cargo does not start")?;
    let reported = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`cargo {}` failed: {reported}", command.join(" "));
    String::from_utf8(output.stdout).context("cargo printed something other than text")
}

/// All packages of the lock file, also those that no feature turns on.
pub(crate) fn locked() -> Result<Vec<Locked>> {
    let text = std::fs::read_to_string(root().join("Cargo.lock")).context("Cargo.lock")?;
    let lock: Lock = toml::from_str(&text).context("Cargo.lock")?;
    Ok(lock.package)
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_does_not_build_is_not_in_the_graph() {
        let graph = Graph::of_everything().unwrap();
        let has = |name: &str| graph.packages.iter().any(|package| package.name == name);
        assert!(has("aws-lc-rs") && has("proptest") && has("xtask"));
        // In the lock file, behind a feature of `rustls-webpki` that nobody turns on.
        assert!(locked().unwrap().iter().any(|package| package.name == "ring") && !has("ring"));
    }

    #[test]
    fn lines_of_the_tree_are_read() {
        assert_eq!(name_and_version("syn v2.0.1"), Some(("syn", "2.0.1")));
        assert_eq!(name_and_version("xtask v0.1.0 (/a b/xtask) (*)"), Some(("xtask", "0.1.0")));
        assert_eq!(name_and_version(""), None);
    }
}
