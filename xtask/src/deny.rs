//! Holds every dependency against `deny.toml`: licences, banned crates and features, sources.
//!
//! `deny.toml` is written in the language of `cargo-deny`, which the nightly run asks the same questions. They are
//! asked here as well because building that tool takes longer than all the other checks of a commit together, and
//! because the rules need nothing but what cargo reports. A rule of `deny.toml` that this file does not know
//! is an error: nobody shall believe that it is held.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::graph::{Graph, Package, root};
use crate::license;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The rules of `deny.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rules {
    pub(crate) advisories: Advisories,
    bans: Bans,
    licenses: Licenses,
    #[serde(rename = "sources")]
    _sources: Sources,
}

/// Which advisories are known and bearable, each with its reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Advisories {
    pub(crate) ignore: Vec<Exemption>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exemption {
    pub(crate) id: String,
    pub(crate) reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Bans {
    deny: BTreeSet<String>,
    features: Vec<BannedFeatures>,
    #[serde(rename = "multiple-versions")]
    _multiple_versions: Named,
    #[serde(rename = "wildcards")]
    _wildcards: Free,
}

/// Features of a crate that nobody may turn on, a test as little as what ships: one build of the workspace has both.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BannedFeatures {
    #[serde(rename = "crate")]
    of: String,
    deny: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Licenses {
    allow: BTreeSet<String>,
    #[serde(rename = "private")]
    _private: Private,
}

/// Our own crates carry the licence of the workspace and are not judged.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Private {
    #[serde(rename = "ignore")]
    _ignore: bool,
}

/// Only the public registry is a source; both rules must say so.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Sources {
    #[serde(rename = "unknown-registry")]
    _unknown_registry: Denied,
    #[serde(rename = "unknown-git")]
    _unknown_git: Denied,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Denied {
    Deny,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Named {
    Warn,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Free {
    Allow,
}

pub(crate) fn run() -> Result<()> {
    let (rules, graph) = (rules()?, Graph::of_everything()?);
    let faults = faults(&rules, &graph);
    if !faults.is_empty() {
        bail!("dependencies that `deny.toml` refuses:\n{}", faults.join("\n"));
    }
    Ok(())
}

pub(crate) fn rules() -> Result<Rules> {
    let text = std::fs::read_to_string(root().join("deny.toml")).context("deny.toml")?;
    toml::from_str(&text).context("deny.toml")
}

fn faults(rules: &Rules, graph: &Graph) -> Vec<String> {
    let (by_id, used) = (graph.by_id(), graph.nodes());
    let ours: BTreeSet<&str> = graph.workspace_members.iter().map(String::as_str).collect();
    let foreign: BTreeMap<_, _> =
        by_id.into_iter().filter(|(id, _)| used.contains_key(id) && !ours.contains(id)).collect();
    let features = |id: &str| used.get(id).map(|node| &node.features);
    foreign
        .iter()
        .flat_map(|(id, package)| {
            let banned = features(id).into_iter().flat_map(|on| banned_features(rules, package, on));
            faults_of(rules, package).into_iter().chain(banned)
        })
        .collect()
}

fn banned_features<'a>(
    rules: &'a Rules,
    package: &'a Package,
    on: &'a BTreeSet<String>,
) -> impl Iterator<Item = String> + 'a {
    let of_it = rules.bans.features.iter().filter(|banned| banned.of == package.name);
    of_it.flat_map(|banned| banned.deny.intersection(on)).map(|feature| {
        let (name, version) = (&package.name, &package.version);
        format!("  {name} {version} has the banned feature `{feature}`; `cargo tree -e features -i {name}` shows who wants it")
    })
}

fn faults_of(rules: &Rules, package: &Package) -> Vec<String> {
    let (name, version) = (&package.name, &package.version);
    let mut faults = Vec::new();
    if rules.bans.deny.contains(name) {
        faults.push(format!("  {name} {version} is banned"));
    }
    if package.source.as_deref() != Some(CRATES_IO) {
        let source = package.source.as_deref().unwrap_or("a folder outside the workspace");
        faults.push(format!("  {name} {version} comes from {source}"));
    }
    match &package.license {
        None => faults.push(format!("  {name} {version} names no licence")),
        Some(license) if !license::is_satisfied(license, &rules.licenses.allow) => {
            faults.push(format!("  {name} {version} is under `{license}`"));
        }
        Some(_) => {}
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn foreign(name: &str, license: Value, source: Value) -> Value {
        let id = format!("x#{name}");
        json!({ "id": id, "name": name, "version": "1.0.0", "license": license, "source": source, "targets": [] })
    }

    fn judged(packages: Vec<Value>) -> Vec<String> {
        let node = |one: &Value| json!({ "id": one["id"], "deps": [], "features": ["std", "tls12"] });
        let nodes: Vec<_> = packages.iter().map(node).collect();
        let graph = json!({ "packages": packages, "workspace_members": [], "resolve": { "nodes": nodes } });
        faults(&rules().unwrap(), &serde_json::from_value(graph).unwrap())
    }

    #[test]
    fn a_permissive_crate_of_the_registry_passes() {
        assert!(judged(vec![foreign("good", json!("MIT OR GPL-3.0"), json!(CRATES_IO))]).is_empty());
    }

    #[test]
    fn bans_licences_and_sources_each_name_the_crate() {
        let git = json!("git+https://example.org/it");
        let faults = judged(vec![
            foreign("copyleft", json!("GPL-3.0"), json!(CRATES_IO)),
            foreign("foreign", json!("MIT"), git),
            foreign("nameless", Value::Null, json!(CRATES_IO)),
            foreign("path", json!("MIT"), Value::Null),
            foreign("ring", json!("ISC"), json!(CRATES_IO)),
        ]);
        assert_eq!(
            faults,
            [
                "  copyleft 1.0.0 is under `GPL-3.0`",
                "  foreign 1.0.0 comes from git+https://example.org/it",
                "  nameless 1.0.0 names no licence",
                "  path 1.0.0 comes from a folder outside the workspace",
                "  ring 1.0.0 is banned",
            ]
        );
    }

    #[test]
    fn a_banned_feature_is_named_with_its_crate() {
        let crates_io = json!(CRATES_IO);
        let faults = judged(vec![
            foreign("other", json!("MIT"), crates_io.clone()),
            foreign("rustls", json!("MIT"), crates_io),
        ]);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with("  rustls 1.0.0 has the banned feature `tls12`"), "{faults:?}");
    }

    #[test]
    fn a_rule_that_is_not_held_here_is_refused() {
        let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
        assert!(toml::from_str::<Rules>(&text).is_ok());
        assert!(toml::from_str::<Rules>(&text.replace("[bans]", "[bans]\nskip = []")).is_err());
        assert!(
            toml::from_str::<Rules>(&text.replace("unknown-git = \"deny\"", "unknown-git = \"allow\""))
                .is_err()
        );
    }
}
