//! Writes the seeds of every check into `seeds/<check>/`, where the campaigns begin.

use std::path::Path;

use claviger_fuzz::{checks, seeds};

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for (name, _) in checks::ALL {
        let folder = root.join(name);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in seeds::of(name).iter().enumerate() {
            std::fs::write(folder.join(format!("{number:02}")), seed)?;
        }
    }
    Ok(())
}
