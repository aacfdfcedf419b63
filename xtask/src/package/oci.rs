//! An image in the layout of the Open Container Initiative (image format specification 1.1), written to be the same each time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::Release;
use crate::cargo::said;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A layout that is being written.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    folder: PathBuf,
    release: &'a Release,
    /// Descriptors of the layers, digests of what is in them, and what made each.
    layers: Vec<Value>,
    contents: Vec<String>,
    history: Vec<Value>,
}

impl<'a> Layout<'a> {
    pub(super) fn new(folder: &Path, release: &'a Release) -> Result<Self> {
        fs::create_dir_all(folder.join("blobs/sha256"))?;
        fs::write(folder.join("oci-layout"), json!({ "imageLayoutVersion": "1.0.0" }).to_string())?;
        let (layers, contents, history) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { folder: folder.to_owned(), release, layers, contents, history })
    }

    /// Adds a layer: a folder of a tree with all in it, owned by one user.
    pub(super) fn add(&mut self, tree: &Path, folder: &str, owner: u32, about: &str) -> Result<()> {
        let layer = self.folder.join("layer.tar");
        archive(self.release, tree, folder, &layer, owner)?;
        self.contents.push(format!("sha256:{}", digest(&layer)?));
        said(Command::new("gzip").args(["-9", "--no-name", "--force"]).arg(&layer))?;
        let descriptor = self.keep(&self.folder.join("layer.tar.gz"), LAYER)?;
        self.layers.push(descriptor);
        self.history.push(json!({ "created": self.created()?, "created_by": about }));
        Ok(())
    }

    /// Writes what is said about the image. Gives the digest of its manifest, by which it is named.
    pub(super) fn finish(&self, config: &Value) -> Result<String> {
        let config = json!({
            "created": self.created()?,
            "architecture": self.release.architecture,
            "os": "linux",
            "config": config,
            "rootfs": { "type": "layers", "diff_ids": self.contents },
            "history": self.history,
        });
        let config = self.write(&config, CONFIG)?;
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": self.layers });
        let mut manifest = self.write(&manifest, MANIFEST)?;
        let digest = manifest.get("digest").and_then(Value::as_str).context("no digest")?.to_owned();
        if let Some(members) = manifest.as_object_mut() {
            let name = json!({ "org.opencontainers.image.ref.name": self.release.version });
            members.insert("annotations".to_owned(), name);
        }
        let index = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [manifest] });
        fs::write(self.folder.join("index.json"), index.to_string())?;
        Ok(digest.trim_start_matches("sha256:").to_owned())
    }

    /// Packs the layout into one file.
    pub(super) fn pack(&self, path: &Path) -> Result<()> {
        archive(self.release, &self.folder, ".", path, 0)
    }

    fn write(&self, value: &Value, kind: &str) -> Result<Value> {
        let path = self.folder.join("document.json");
        fs::write(&path, value.to_string())?;
        self.keep(&path, kind)
    }

    /// Moves a file to where its digest says; gives its descriptor.
    fn keep(&self, path: &Path, kind: &str) -> Result<Value> {
        let (digest, size) = (digest(path)?, fs::metadata(path)?.len());
        fs::rename(path, self.folder.join("blobs/sha256").join(&digest))?;
        Ok(json!({ "mediaType": kind, "digest": format!("sha256:{digest}"), "size": size }))
    }

    fn created(&self) -> Result<String> {
        let at = format!("@{}", self.release.epoch);
        said(Command::new("date").args(["--utc", "--date", &at, "+%Y-%m-%dT%H:%M:%SZ"]))
    }
}

fn digest(path: &Path) -> Result<String> {
    let said = said(Command::new("sha256sum").arg("--binary").arg(path))?;
    Ok(said.split_whitespace().next().context("sha256sum")?.to_owned())
}

/// Packs a folder of a tree: in the order of names, at the time of the release, without names of users of this machine.
fn archive(release: &Release, tree: &Path, folder: &str, path: &Path, owner: u32) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--numeric-owner", "--format=posix"]);
    tar.arg("--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime");
    tar.arg(format!("--mtime=@{}", release.epoch));
    tar.args([format!("--owner={owner}"), format!("--group={owner}")]);
    said(tar.arg("--create").arg("--file").arg(path).arg("--directory").arg(tree).arg(folder)).map(drop)
}
