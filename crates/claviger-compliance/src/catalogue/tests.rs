use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::*;
use crate::control::{Area, Mode, Severity};

fn catalogue() -> Catalogue {
    Catalogue::load().unwrap()
}

#[test]
fn catalogue_has_all_controls_and_every_row_of_the_mappings() {
    let catalogue = catalogue();
    let count = |area| catalogue.controls().filter(|control| control.id.area() == area).count();
    assert_eq!(Area::ALL.map(count), [7, 5, 7, 11, 7, 5, 6, 11, 11]);
    let grades = |grade| catalogue.controls().filter(|control| control.grade == grade).count();
    assert_eq!(Grade::ALL.map(grades), [3, 36, 31]);
    let critical = catalogue.controls().filter(|control| control.severity == Severity::Critical).count();
    assert!(critical > 0 && catalogue.core.len() == 16);
    let rows = catalogue.frameworks().map(|framework| (framework.id.as_str(), framework.clauses.len()));
    let wanted = [
        ("dora", 22),
        ("gdpr", 27),
        ("hipaa", 29),
        ("iso-27001", 26),
        ("nis2", 23),
        ("nist-800-53", 32),
        ("nydfs", 7),
        ("pci-dss", 82),
        ("soc2", 15),
    ];
    assert_eq!(rows.collect::<Vec<_>>(), wanted);
}

#[test]
fn clauses_controls_and_codes_are_those_of_the_golden_file() {
    let catalogue = catalogue();
    let mut table = String::from(
        "# framework × clause × controls × coverage × mark. UPDATE_GOLDEN=1 rewrites this file.\n",
    );
    for framework in catalogue.frameworks() {
        writeln!(table, "== {} {} ({})", framework.id, framework.version, framework.title).unwrap();
        for clause in &framework.clauses {
            let controls = clause.controls.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            let controls = clause.see.as_ref().map_or(controls, |see| format!("see {see}"));
            writeln!(table, "{}  {}  {}  {}", clause.coverage, clause.mark, clause.id, controls).unwrap();
        }
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/frameworks.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), table);
}

#[test]
fn control_set_of_a_framework_is_its_clauses_and_the_core() {
    let catalogue = catalogue();
    for framework in catalogue.frameworks() {
        let set = catalogue.profile(framework);
        assert!(set.is_superset(&catalogue.core) && set.is_superset(&framework.controls()));
        assert!(set.iter().all(|id| catalogue.core.contains(id) || framework.asking(*id).next().is_some()));
    }
    let all: BTreeSet<_> =
        catalogue.frameworks().flat_map(|framework| catalogue.profile(framework)).collect();
    let asked_by_none: Vec<_> =
        catalogue.controls().filter(|control| !all.contains(&control.id)).map(|control| control.id).collect();
    assert!(asked_by_none.is_empty(), "{asked_by_none:?}");
}

type Files<T> = Vec<(&'static str, T)>;

/// The files with one text changed in the first of each kind that has it.
fn changed(from: &str, to: &str) -> Result<Catalogue, CatalogueError> {
    let edited = |files: &[(&'static str, &str)]| -> Files<String> {
        let first = files.iter().position(|(_, text)| text.contains(from));
        let edit =
            |at, text: &str| if Some(at) == first { text.replacen(from, to, 1) } else { text.to_owned() };
        files.iter().enumerate().map(|(at, (name, text))| (*name, edit(at, text))).collect()
    };
    let (controls, frameworks) = (edited(EMBEDDED.controls), edited(EMBEDDED.frameworks));
    let catalogue = EMBEDDED.catalogue.replacen(from, to, 1);
    let texts = Texts {
        catalogue: &catalogue,
        controls: &borrowed(&controls),
        frameworks: &borrowed(&frameworks),
        ..EMBEDDED
    };
    Catalogue::of(texts)
}

fn borrowed(files: &Files<String>) -> Files<&str> {
    files.iter().map(|(name, text)| (*name, text.as_str())).collect()
}

#[test]
fn files_that_do_not_fit_together_are_refused_by_name() {
    assert_eq!(changed("nothing has this text", "").unwrap(), catalogue());
    for (from, to, said) in [
        ("id = \"GEN-02\"", "id = \"GEN-01\"", "GEN-01: it is there twice"),
        (", \"GEN-05\"", ", \"GEN-55\"", "there is no control GEN-55"),
        ("V:GDPR", "V:GDPX", "there is no source `GDPX`"),
        ("coverage = \"A\"", "coverage = \"F\"", "it is decided by machine, and"),
        ("coverage = \"M\"", "coverage = \"O\"", "its coverage does not fit what answers it"),
        ("parameters = [\"allowed_generators\"]", "parameters = [\"x\"]", "there is no parameter `x`"),
        ("grade = \"mixed\"", "grade = \"full\"", "its grade does not fit"),
        ("modes = [\"state\", \"period\"]", "modes = []", "it is decided of no instant"),
        ("severity = \"high\"", "severity = \"huge\"", "huge"),
        ("core = [", "unknown = 1\ncore = [", "unknown"),
        ("[V:PCI-4.0]", "[V:PCI-9]", "there is no source `PCI-9`"),
    ] {
        let refused = changed(from, to).unwrap_err().to_string();
        assert!(refused.contains(said), "{from} -> {to}: {refused}");
    }
}

#[test]
fn texts_of_controls_are_whole() {
    for control in catalogue().controls() {
        for text in control.texts() {
            assert!(text.ends_with('.') && text.len() > 4, "{}: {text}", control.id);
        }
        assert!(control.modes.is_sorted() && !control.title.is_empty());
        assert_eq!(control.modes.contains(&Mode::State), !matches!(control.modes.as_slice(), [Mode::Period]));
    }
}
