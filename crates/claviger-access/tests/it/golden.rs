//! Compares what a test printed with the file under `golden/`. `UPDATE_GOLDEN=1` rewrites the file.

use std::path::PathBuf;

pub(crate) fn check(file: &str, printed: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path(file), printed).unwrap();
    }
    assert_eq!(
        read(file),
        printed,
        "golden/{file} differs; UPDATE_GOLDEN=1 rewrites it, and the diff is the change of rule"
    );
}

pub(crate) fn read(file: &str) -> String {
    std::fs::read_to_string(path(file)).unwrap_or_default()
}

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden").join(file)
}
