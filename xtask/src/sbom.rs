//! Writes the software bill of materials of the shipped binaries: CycloneDX 1.6, JSON.
//!
//! It lists what is linked into them on Linux and, marked as excluded, what only runs while they are built. What
//! tests use is not in it. The same lock file gives the same bytes: no time, no serial number, all in order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};

use crate::graph::{self, Graph, Locked, Node, Package};
use crate::license;

const BINARIES: [&str; 2] = ["claviger", "claviger-verify"];
const PLATFORM: &str = "x86_64-unknown-linux-gnu";
const PRODUCT: &str = "claviger-product";

pub(crate) fn run(out: &Path) -> Result<()> {
    let mut text =
        serde_json::to_string_pretty(&bill(&Graph::of_platform(PLATFORM, &BINARIES)?, &graph::locked()?)?)?;
    text.push('\n');
    std::fs::write(out, text).with_context(|| format!("`{}` cannot be written", out.display()))
}

fn bill(graph: &Graph, locked: &[Locked]) -> Result<Value> {
    let reached = Reached::of(graph)?;
    let packages = graph.by_id();
    let checksums = checksums(locked);
    let mut components = Vec::new();
    let mut dependencies =
        vec![json!({ "ref": PRODUCT, "dependsOn": reached.names(&reached.roots, &packages) })];
    for id in &reached.built {
        let package = packages.get(id).context("an edge to no package")?;
        components.push(component(package, reached.linked.contains(id), &checksums)?);
        let used = reached.uses.get(id).context("a package without edges")?;
        dependencies.push(json!({ "ref": reference(package), "dependsOn": reached.names(used, &packages) }));
    }
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": product() },
        "components": components,
        "dependencies": dependencies,
    }))
}

fn product() -> Value {
    json!({
        "type": "application",
        "bom-ref": PRODUCT,
        "name": "claviger",
        "version": env!("CARGO_PKG_VERSION"),
        "licenses": [{ "expression": env!("CARGO_PKG_LICENSE") }],
    })
}

/// What the binaries are made of, by package id.
struct Reached<'a> {
    roots: BTreeSet<&'a str>,
    linked: BTreeSet<&'a str>,
    built: BTreeSet<&'a str>,
    uses: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Reached<'a> {
    fn of(graph: &'a Graph) -> Result<Self> {
        let (packages, nodes) = (graph.by_id(), graph.nodes());
        let is_binary = |package: &&Package| {
            BINARIES.contains(&package.name.as_str()) && graph.workspace_members.contains(&package.id)
        };
        let roots: BTreeSet<_> = graph.packages.iter().filter(is_binary).map(|one| one.id.as_str()).collect();
        ensure!(roots.len() == BINARIES.len(), "not all binaries are in the workspace");
        // A macro and all that only it uses run in the compiler, and so its edges do not link.
        let linked = closure(
            &roots,
            &nodes,
            |id| packages.get(id).is_some_and(|one| !one.is_macro()),
            |edge| edge.is_linked(),
        );
        let linked =
            linked.into_iter().filter(|id| packages.get(id).is_some_and(|one| !one.is_macro())).collect();
        let built = closure(&roots, &nodes, |_| true, graph::Use::is_built);
        let mut uses = BTreeMap::new();
        for id in &built {
            let node = nodes.get(id).context("a package that is not resolved")?;
            uses.insert(*id, built_by(node).collect());
        }
        Ok(Self { roots, linked, built, uses })
    }

    fn names(&self, ids: &BTreeSet<&str>, packages: &BTreeMap<&str, &Package>) -> Vec<String> {
        let mut names: Vec<_> = ids
            .iter()
            .filter(|id| self.built.contains(*id))
            .filter_map(|id| packages.get(id).map(|package| reference(package)))
            .collect();
        names.sort();
        names
    }
}

fn built_by(node: &Node) -> impl Iterator<Item = &str> {
    node.deps.iter().filter(|edge| edge.is_built()).map(|edge| edge.pkg.as_str())
}

/// Everything that the roots lead to by edges that count, from packages that count.
fn closure<'a>(
    roots: &BTreeSet<&'a str>,
    nodes: &BTreeMap<&'a str, &'a Node>,
    leads_on: impl Fn(&str) -> bool,
    counts: impl Fn(&graph::Use) -> bool,
) -> BTreeSet<&'a str> {
    let mut found = roots.clone();
    let mut open: Vec<&'a str> = roots.iter().copied().collect();
    while let Some(id) = open.pop() {
        let Some(node) = nodes.get(id).filter(|_| leads_on(id)) else { continue };
        for edge in node.deps.iter().filter(|edge| counts(edge)) {
            if found.insert(edge.pkg.as_str()) {
                open.push(edge.pkg.as_str());
            }
        }
    }
    found
}

fn checksums<'a>(locked: &'a [Locked]) -> BTreeMap<(&'a str, &'a str), &'a str> {
    let with_checksum =
        |one: &'a Locked| Some(((one.name.as_str(), one.version.as_str()), one.checksum.as_deref()?));
    locked.iter().filter_map(with_checksum).collect()
}

fn component(package: &Package, linked: bool, checksums: &BTreeMap<(&str, &str), &str>) -> Result<Value> {
    let kind = if BINARIES.contains(&package.name.as_str()) { "application" } else { "library" };
    let mut component = Map::new();
    component.insert("type".to_owned(), kind.into());
    component.insert("bom-ref".to_owned(), reference(package).into());
    component.insert("name".to_owned(), package.name.clone().into());
    component.insert("version".to_owned(), package.version.clone().into());
    component.insert("scope".to_owned(), if linked { "required" } else { "excluded" }.into());
    if let Some(description) = &package.description {
        component.insert(
            "description".to_owned(),
            description.split_whitespace().collect::<Vec<_>>().join(" ").into(),
        );
    }
    if let Some(license) = &package.license {
        component.insert("licenses".to_owned(), json!([{ "expression": license::normal(license) }]));
    }
    if package.source.is_some() {
        let checksum = checksums.get(&(package.name.as_str(), package.version.as_str()));
        let checksum = checksum.with_context(|| format!("`{}` has no checksum", package.name))?;
        component.insert("hashes".to_owned(), json!([{ "alg": "SHA-256", "content": checksum }]));
        component.insert("purl".to_owned(), reference(package).into());
    }
    Ok(component.into())
}

/// Of a crate of the registry its package URL, of our own, which are nowhere published, name and version.
fn reference(package: &Package) -> String {
    let version = package.version.replace('+', "%2B");
    let scheme = if package.source.is_some() { "pkg:cargo/" } else { "" };
    format!("{scheme}{}@{version}", package.name)
}

#[cfg(test)]
mod tests;
