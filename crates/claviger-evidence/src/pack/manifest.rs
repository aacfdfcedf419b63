//! `MANIFEST.json`: every file of a pack with its size and digest.

use claviger_audit::{sha256, to_hex};
use claviger_compliance::Period;
use claviger_compliance::evaluation::LogHead;
use serde::{Deserialize, Serialize};

use super::inputs::{self, Inputs};
use super::{Unmade, canonical};
use crate::dossier::Dossier;

/// Where the manifest lies.
pub const MANIFEST: &str = "MANIFEST.json";
/// Where its signature lies: a note by the key of the root log.
pub const SIGNATURE: &str = "MANIFEST.sig";
/// The folder of the export, with its `/`.
pub const LOG: &str = "log/";

const FORMAT: &str = "claviger-evidence-pack/1";
/// More than any pack has: a log of a thousand million entries has eight million files.
const MOST_FILES: usize = 16_000_000;

/// A file as the manifest has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Where it lies.
    pub path: String,
    /// Its bytes.
    pub size: u64,
    /// Their SHA-256.
    pub sha256: String,
}

impl Listed {
    /// A file with these bytes.
    #[must_use]
    pub fn new(path: impl Into<String>, bytes: &[u8]) -> Self {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self { path: path.into(), size, sha256: to_hex(&sha256(bytes)) }
    }
}

/// The manifest of a pack.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Form of this file.
    pub format: String,
    /// Identifier of the pack.
    pub pack: String,
    /// The program that made it.
    pub program: String,
    /// Its release.
    pub version: String,
    /// Version of the catalogue.
    pub catalogue: String,
    /// The framework whose controls are evaluated; none for all of the catalogue's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framework: Option<String>,
    /// The instant of results of state.
    pub as_of: String,
    /// The period.
    pub period: Period,
    /// The log.
    pub log: LogHead,
    /// All files but the manifest and its signature, ascending by path.
    pub files: Vec<Listed>,
}

/// Why bytes are no manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotAManifest {
    /// Not of its form.
    #[error("it does not read: {0}")]
    Json(#[from] serde_json::Error),
    /// Of another form.
    #[error("its form is `{0}`, which this release does not know")]
    Form(String),
    /// Written in another way than the one that there is.
    #[error("it is not in canonical JSON (RFC 8785)")]
    NotCanonical,
    /// More files than a pack has.
    #[error("it names more files than a pack has")]
    TooMany,
    /// A path that leads out of the pack, or has several spellings.
    #[error("`{0}` is no path of a file in a pack")]
    Path(String),
    /// A path that is there twice, or not in its order.
    #[error("`{0}` is there twice, or not in its order")]
    Order(String),
}

impl Manifest {
    /// The manifest of a pack with these files, in any order.
    ///
    /// # Errors
    /// When something of it has no form in JSON.
    pub fn of(dossier: &Dossier<'_>, mut files: Vec<Listed>) -> Result<Self, Unmade> {
        let Inputs { program, version, catalogue, framework, as_of, period, log, .. } = Inputs::of(dossier)?;
        files.sort_unstable();
        let catalogue = catalogue.version;
        let (format, pack) = (FORMAT.to_owned(), inputs::id(dossier));
        Ok(Self { format, pack, program, version, catalogue, framework, as_of, period, log, files })
    }

    /// Its bytes.
    ///
    /// # Errors
    /// When something of it has no form in JSON.
    pub fn bytes(&self) -> Result<Vec<u8>, Unmade> {
        Ok(canonical(self)?)
    }

    /// Reads a manifest: in its one encoding, each file once, in its order, and none outside the pack.
    ///
    /// # Errors
    /// [`NotAManifest`].
    pub fn read(bytes: &[u8]) -> Result<Self, NotAManifest> {
        let manifest: Self = serde_json::from_slice(bytes)?;
        if manifest.format != FORMAT {
            return Err(NotAManifest::Form(manifest.format));
        }
        if manifest.files.len() > MOST_FILES {
            return Err(NotAManifest::TooMany);
        }
        let mut before: Option<&str> = None;
        for Listed { path, .. } in &manifest.files {
            if !is_path(path) || [MANIFEST, SIGNATURE].contains(&path.as_str()) {
                return Err(NotAManifest::Path(path.clone()));
            }
            if before.is_some_and(|before| before >= path.as_str()) {
                return Err(NotAManifest::Order(path.clone()));
            }
            before = Some(path);
        }
        if canonical(&manifest)? == bytes { Ok(manifest) } else { Err(NotAManifest::NotCanonical) }
    }
}

/// Is it a path within a pack, in its one spelling?
fn is_path(path: &str) -> bool {
    let is_name = |name: &str| {
        let bytes_fit =
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
        bytes_fit && !name.is_empty() && name != "." && name != ".."
    };
    path.split('/').all(is_name)
}

#[cfg(test)]
mod tests {
    use claviger_core::Timestamp;

    use super::*;

    fn manifest(paths: &[&str]) -> Manifest {
        let at = Timestamp::from_micros(7);
        Manifest {
            format: FORMAT.to_owned(),
            pack: "00".repeat(16),
            program: "claviger".to_owned(),
            version: "1".to_owned(),
            catalogue: "1".to_owned(),
            framework: None,
            as_of: "1970-01-01T00:00:00.000007Z".to_owned(),
            period: Period { from: at, to: at },
            log: LogHead { origin: "d/audit/root".to_owned(), size: 1, root: String::new(), entries: 1 },
            files: paths.iter().map(|path| Listed::new(*path, path.as_bytes())).collect(),
        }
    }

    fn read(paths: &[&str]) -> Result<Manifest, NotAManifest> {
        Manifest::read(&manifest(paths).bytes().unwrap())
    }

    #[test]
    fn manifest_reads_back_in_its_one_encoding() {
        let good = manifest(&["LIMITS.md", "log/root.vkey", "report/report.html"]);
        let bytes = good.bytes().unwrap();
        assert_eq!(Manifest::read(&bytes).unwrap(), good);
        let spaced = [bytes.as_slice(), b" "].concat();
        assert!(matches!(Manifest::read(&spaced), Err(NotAManifest::NotCanonical)));
        let pretty = serde_json::to_vec_pretty(&good).unwrap();
        assert!(matches!(Manifest::read(&pretty), Err(NotAManifest::NotCanonical)));
        let other = Manifest { format: "claviger-evidence-pack/2".to_owned(), ..good };
        assert!(matches!(Manifest::read(&other.bytes().unwrap()), Err(NotAManifest::Form(_))));
        assert!(matches!(Manifest::read(b"{}"), Err(NotAManifest::Json(_))));
    }

    #[test]
    fn no_path_leads_out_of_the_pack_and_each_is_there_once() {
        for path in [
            "",
            "/etc/passwd",
            "../root.vkey",
            "log/../../x",
            "log//x",
            "log/",
            "./x",
            "log\\x",
            "a b",
            "log/\u{e9}",
            "c:x",
            "a\0b",
            MANIFEST,
            SIGNATURE,
        ] {
            assert!(matches!(read(&[path]), Err(NotAManifest::Path(_))), "{path:?}");
        }
        for paths in [&["a", "a"][..], &["b", "a"]] {
            assert!(matches!(read(paths), Err(NotAManifest::Order(_))), "{paths:?}");
        }
        assert!(read(&["1/tile/entries/000.p/44", "1/tile/entries/x001/000"]).is_ok());
    }
}
