//! Commands of documents, pasted as they stand.

use std::path::Path;
use std::process::Command;

use crate::instance::{CLAVIGER, Instance};

/// A document of the repository.
fn read(document: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(document);
    std::fs::read_to_string(path).unwrap()
}

/// The blocks of commands in a text, one after the other.
fn commands(text: &str) -> String {
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    blocks.collect::<Vec<_>>().join("\n")
}

/// Runs commands where a quick start is at work. Gives what they printed.
fn pasted(instance: &Instance, script: &str) -> String {
    let folder = Path::new(CLAVIGER).parent().unwrap().display().to_string();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
    let output = crate::instance::unset(Command::new("bash"))
        .args(["-euo", "pipefail", "-c", script])
        .env("PATH", path)
        .current_dir(&instance.dir)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn tour_of_the_readme_holds_line_by_line() {
    let dir = tempfile::tempdir().unwrap();
    let instance = Instance::start(dir.path(), &[]);
    let readme = read("README.md");
    let (_, section) = readme.split_once("## Five minutes").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let said = pasted(&instance, &commands(section));
    assert_eq!(
        said.matches("4111-1111").count(),
        2,
        "opened before and after the rotation, never else: {said}"
    );
    assert_eq!(said.matches("refused, as it should be").count(), 3, "{said}");
    instance.stop();
}

#[test]
fn guide_to_rest_holds_line_by_line() {
    let dir = tempfile::tempdir().unwrap();
    let instance = Instance::start(dir.path(), &[]);
    let url = |plane: &str| instance.ready["urls"][plane].as_str().unwrap().trim_end_matches('/').to_owned();
    let script = commands(&read("docs/rest.md"))
        .replace("https://127.0.0.1:7400", &url("control"))
        .replace("https://127.0.0.1:7401", &url("data"));
    let said = pasted(&instance, &script);
    assert!(said.contains(r#""plaintext":"NDExMS0xMTEx""#) && said.contains("4111-1111"), "{said}");
    assert!(said.contains(r#""code":"denied""#) && said.contains(r#""code":"bad-ciphertext""#), "{said}");
    assert_eq!(said.matches("refused, as it should be").count(), 2, "{said}");
    let tokens: Vec<_> = said.lines().filter(|line| line.contains(r#""name":"shop/tokens""#)).collect();
    assert!(matches!(tokens[..], [one, two] if one == two), "{said}");
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
