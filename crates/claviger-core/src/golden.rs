//! Compares what a test printed with the file under `golden/`. `UPDATE_GOLDEN=1` rewrites the file.

pub(crate) fn check(file: &str, printed: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden").join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, printed).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        kept, printed,
        "golden/{file} differs; UPDATE_GOLDEN=1 rewrites it, and the diff is the change of rule"
    );
}
