//! The page that verifies a pack in a browser: opened from disk, with no network, by a key that the reader pastes.
//!
//! It is one script without libraries, which whoever doubts it reads (`page/verify.js`). A page inside a pack can lie, and says so: the
//! auditor's program prints the same page.
//!
//! Invariant: the policy of the page lets this one script and this one style in and no connection out, and nothing that a pack holds
//! becomes markup.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_audit::sha256;
use claviger_audit::tile::Resource;

use crate::dossier::Dossier;
use crate::pack::{PackFile, Unmade};
use crate::tree::Tree;

/// Where the page lies in a pack.
pub const PAGE: &str = "verify.html";

const SCRIPT: &str = include_str!("page/verify.js");
const STYLE: &str = include_str!("page/verify.css");
const SECTION: &str = include_str!("page/verify.html");

/// Up to so many entries the page hashes all of them, and needs no tiles.
const ALL_UP_TO: u64 = 200_000;
/// The level of the tiles that are kept: it is made of the hashes of full bundles.
const LEVEL: u8 = 1;
/// A full tile: 256 hashes.
const TILE_BYTES: usize = 256 * 32;

/// The page as a file of a pack.
///
/// # Errors
/// None: the page is the same for every pack.
pub fn files(_dossier: &Dossier<'_>) -> Result<Vec<PackFile>, Unmade> {
    Ok(vec![PackFile::new(PAGE, standalone())])
}

/// The page alone, as the auditor's program prints it.
#[must_use]
pub fn standalone() -> String {
    let (script, style) = (source_of(SCRIPT), source_of(STYLE));
    format!(
        "\
<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src {script}; style-src {style}; base-uri 'none'; form-action 'none'\">
<meta name=\"referrer\" content=\"no-referrer\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>Verify an evidence pack</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>Verify an evidence pack</h1>
{section}</main>
</body>
</html>
",
        section = section()
    )
}

/// The same as a section of another page, which takes [`style`] into its own style and [`script`] into its policy.
#[must_use]
pub fn section() -> String {
    format!("{SECTION}<script>{SCRIPT}</script>\n")
}

/// The script of the page.
#[must_use]
pub const fn script() -> &'static str {
    SCRIPT
}

/// The style of the section. All of it is about the section alone.
#[must_use]
pub const fn style() -> &'static str {
    STYLE
}

/// What lets a script or a style with this text into a page (CSP 3, 2.3.1: `hash-source`).
#[must_use]
pub fn source_of(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(sha256(text.as_bytes())))
}

/// What the page needs to check a sample of a long log: the hash of each full bundle, as tiles (C2SP tlog-tiles, level 1) under
/// `tiles/<shard>/`. None for a log whose entries the page hashes all.
pub(crate) fn tiles(trees: &BTreeMap<u32, Tree>) -> Vec<PackFile> {
    let entries = trees.values().fold(0, |sum: u64, tree| sum.saturating_add(tree.size()));
    if entries <= ALL_UP_TO { Vec::new() } else { tiles_of(trees) }
}

fn tiles_of(trees: &BTreeMap<u32, Tree>) -> Vec<PackFile> {
    let mut tiles = Vec::new();
    for (shard, tree) in trees {
        let hashes: Vec<u8> = tree.bundles().flatten().copied().collect();
        for (index, tile) in (0..).zip(hashes.chunks(TILE_BYTES)) {
            if let Some(place) = Resource::tile(LEVEL, index, tree.size()) {
                tiles.push(PackFile::new(format!("tiles/{shard}/{place}"), tile));
            }
        }
    }
    tiles
}

#[cfg(test)]
mod tests {
    use claviger_audit::tile::full_tile_root;
    use claviger_audit::tree::leaf_hash;

    use super::*;
    use crate::tree::fixture;

    /// What lies between the only two tags of this name.
    fn inside<'a>(page: &'a str, tag: &str) -> &'a str {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        assert_eq!((page.matches(&open).count(), page.matches(&close).count()), (1, 1), "{tag}");
        page.split_once(&open).unwrap().1.split_once(&close).unwrap().0
    }

    #[test]
    fn policy_lets_the_one_script_and_the_one_style_in_and_nothing_out() {
        let page = standalone();
        let policy = page.split_once("content=\"default-src 'none'; ").unwrap().1.split_once('"').unwrap().0;
        let (script, style) = (inside(&page, "script"), inside(&page, "style"));
        assert_eq!(
            policy,
            format!(
                "script-src {}; style-src {}; base-uri 'none'; form-action 'none'",
                source_of(script),
                source_of(style)
            )
        );
        assert_eq!((script, style), (SCRIPT, STYLE));
        // Known answer of another implementation: printf 'alert(1)' | openssl dgst -sha256 -binary | base64
        assert_eq!(source_of("alert(1)"), "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='");
    }

    #[test]
    fn script_makes_no_markup_runs_no_text_and_asks_nobody() {
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "document.write",
            "eval(",
            "Function(",
            "import(",
            "setTimeout(\"",
        ] {
            assert!(!SCRIPT.contains(word), "{word}");
        }
        for word in
            ["fetch(", "XMLHttpRequest", "WebSocket", "sendBeacon", "http:", "https:", "Storage", "cookie"]
        {
            assert!(!standalone().contains(word), "{word}");
        }
        for tag in ["<!--", "<script", "</script"] {
            assert!(!SCRIPT.contains(tag), "{tag}");
        }
        for attribute in [" style=", " onclick=", " src=", " href="] {
            assert!(!SECTION.contains(attribute), "{attribute}");
        }
    }

    #[test]
    fn all_that_the_script_names_is_in_the_section() {
        let named: Vec<_> =
            SCRIPT.split("at(\"").skip(1).map(|rest| rest.split_once('"').unwrap().0).collect();
        assert!(named.len() > 10);
        for name in named {
            assert_eq!(SECTION.matches(&format!("id=\"verify-{name}\"")).count(), 1, "{name}");
        }
        assert!(SCRIPT.contains(&format!("const ALL_UP_TO = {ALL_UP_TO};")));
        assert!(section().contains("A page inside a pack can lie."));
    }

    /// The trees of shards of such sizes, in which each entry is its own index.
    fn trees(sizes: &[(u32, u64)]) -> BTreeMap<u32, Tree> {
        let tree = |(shard, size): &(u32, u64)| {
            let log = shard.to_string();
            (*shard, Tree::grow(&fixture::log(&log, *size), &log, *size, &mut |_, _| {}).unwrap())
        };
        sizes.iter().map(tree).collect()
    }

    #[test]
    fn tiles_hold_the_hashes_of_full_bundles() {
        let tiles = tiles_of(&trees(&[(7, 600)]));
        let root = |first: u64| {
            let leaves: Vec<_> = (first..first + 256).map(|index| leaf_hash(&index.to_be_bytes())).collect();
            full_tile_root(&leaves).unwrap()
        };
        let expected = [root(0), root(256)].concat();
        assert_eq!(tiles, [PackFile::new("tiles/7/tile/1/000.p/2", expected)]);
    }

    #[test]
    fn a_log_that_is_hashed_as_a_whole_has_no_tiles() {
        assert!(tiles(&trees(&[(0, 150_000), (1, 50_000)])).is_empty());
        assert_eq!(tiles(&trees(&[(0, 150_000), (1, 50_001)])).len(), 4);
        assert!(tiles(&BTreeMap::new()).is_empty());
    }
}
