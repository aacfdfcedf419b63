//! Puts every file of the catalogue into the program: a new regulation is a new folder, and no line of code. And names the sources of all
//! that decides what a log comes to, so that results of other checks are not taken for wrong ones.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// What results are a function of, beside the log: the catalogue and its checks, what reads logs, the vocabulary of both, and the policy that
/// checks compare with.
const DECIDES: [&str; 5] = [
    "claviger-access/src/authz/roles.cedar",
    "claviger-audit/src",
    "claviger-compliance/catalogue",
    "claviger-compliance/src",
    "claviger-core/src",
];

fn main() -> Result<(), Box<dyn Error>> {
    let own = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let catalogue = own.join("catalogue");
    let mut code = String::new();
    for (name, folder) in [("CONTROLS", "controls"), ("FILES", "frameworks")] {
        let mut files = Vec::new();
        collect(&catalogue.join(folder), &["toml"], &mut files)?;
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
    let name = evaluator(own.parent().ok_or("the crate has no folder beside others")?)?;
    writeln!(code, "/// Names all that decides what a log comes to, beside the log.")?;
    writeln!(code, "pub const EVALUATOR: [u8; 8] = {name:?};")?;
    fs::write(PathBuf::from(std::env::var("OUT_DIR")?).join("catalogue.rs"), code)?;
    Ok(())
}

/// A name of the release and of every file that decides, with its path: the same sources have the same one wherever they are built.
fn evaluator(crates: &Path) -> Result<[u8; 8], Box<dyn Error>> {
    let mut files = Vec::new();
    for place in DECIDES {
        let path = crates.join(place);
        println!("cargo::rerun-if-changed={}", path.display());
        if path.is_dir() {
            collect(&path, &["rs", "toml"], &mut files)?;
        } else {
            files.push(path);
        }
    }
    files.sort();
    let mut name = Fnv(0xcbf2_9ce4_8422_2325);
    name.take(env!("CARGO_PKG_VERSION").as_bytes());
    for file in files {
        name.take(file.strip_prefix(crates)?.to_string_lossy().as_bytes());
        name.take(&fs::read(&file)?);
    }
    Ok(name.0.to_be_bytes())
}

/// FNV-1a of 64 bits, from its offset on. Enough to tell checks apart, and no protection: whoever wants two of the same name makes them. That
/// gains nothing, for results are made again and not believed.
struct Fnv(u64);

impl Fnv {
    /// Takes bytes behind their length.
    fn take(&mut self, bytes: &[u8]) {
        for byte in (bytes.len() as u64).to_be_bytes().iter().chain(bytes) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// The files of a folder, and of those in it, with one of these extensions.
fn collect(folder: &Path, extensions: &[&str], files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, extensions, files)?;
        } else if path.extension().is_some_and(|is| extensions.iter().any(|extension| is == *extension)) {
            files.push(path);
        }
    }
    Ok(())
}
