//! Puts every file of the catalogue into the program: a new regulation is a new folder, and no line of code.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let catalogue = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("catalogue");
    println!("cargo::rerun-if-changed={}", catalogue.display());
    let mut code = String::new();
    for (name, folder) in [("CONTROLS", "controls"), ("FILES", "frameworks")] {
        let mut files = Vec::new();
        collect(&catalogue.join(folder), &mut files)?;
        files.sort();
        writeln!(code, "pub(crate) const {name}: &[(&str, &str)] = &[")?;
        for file in files {
            let within = file.strip_prefix(&catalogue)?.display().to_string();
            writeln!(code, "    ({within:?}, include_str!({:?})),", file.display().to_string())?;
        }
        writeln!(code, "];")?;
    }
    // For command lines, which list them before they read anything.
    let mut names = Vec::new();
    for entry in fs::read_dir(catalogue.join("frameworks"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    writeln!(code, "/// The names of the frameworks, in order.")?;
    writeln!(code, "pub const FRAMEWORKS: [&str; {}] = {names:?};", names.len())?;
    fs::write(PathBuf::from(std::env::var("OUT_DIR")?).join("catalogue.rs"), code)?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    Ok(())
}
