//! The tour of the README, pasted as it stands.

use std::path::Path;
use std::process::Command;

use crate::instance::{CLAVIGER, Instance};

fn tour() -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let (_, section) = readme.split_once("## Five minutes").unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    block.to_owned()
}

#[test]
fn tour_of_the_readme_holds_line_by_line() {
    let dir = tempfile::tempdir().unwrap();
    let instance = Instance::start(dir.path(), &[]);
    let binary = Path::new(CLAVIGER).parent().unwrap().display().to_string();
    let script = tour().replace("$PWD/target/release", &binary);
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
    assert_eq!(
        said.matches("4111-1111").count(),
        2,
        "opened before and after the rotation, never else: {said}"
    );
    assert_eq!(said.matches("refused, as it should be").count(), 3, "{said}\n{complained}");
    instance.stop();
}

#[test]
fn quick_start_run_again_has_the_same_data() {
    let dir = tempfile::tempdir().unwrap();
    let instance = Instance::start(dir.path(), &[]);
    instance.done("administrator", &["ring", "create", "orders"], b"");
    instance.stop();
    let instance = Instance::start(dir.path(), &[]);
    let rings = instance.done("administrator", &["-o", "json", "ring", "list"], b"");
    assert!(String::from_utf8_lossy(&rings).contains("\"orders\""));
    instance.done("auditor", &["audit", "verify"], b"");
    instance.stop();
}
