//! The documents of a made-up evaluation in which every verdict occurs.

use std::collections::BTreeMap;

use claviger_audit::verify::Verified;
use claviger_compliance::evaluation::{Undecided, Violation};
use claviger_compliance::{Period, Scan, Verdict};
use claviger_core::Timestamp;

use super::*;

fn at(second: u64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

/// Of all controls; verdicts go round, so that each occurs.
fn evaluation(catalogue: &Catalogue) -> Evaluation {
    let period = Period { from: at(1_767_225_600), to: at(1_772_323_200) };
    let mut evaluation = Scan::new(catalogue, None, period).finish(&Verified::default());
    evaluation.log.origin = "log.example".to_owned();
    for (result, verdict) in evaluation.results.iter_mut().zip(Verdict::ALL.into_iter().cycle()) {
        set(catalogue, result, verdict);
    }
    evaluation
}

fn set(catalogue: &Catalogue, result: &mut ControlResult, verdict: Verdict) {
    result.result = verdict;
    result.because = "what decides".to_owned();
    (result.violators, result.violations, result.undecided) = (0, Vec::new(), 0);
    result.undecided_subjects.clear();
    result.missing_attestations.clear();
    result.tasks = match verdict {
        Verdict::Pass | Verdict::NotApplicable => Vec::new(),
        _ => catalogue.find_control(result.control).unwrap().mend.clone(),
    };
    match verdict {
        Verdict::Fail => {
            let violation = Violation {
                subject: "key-1".to_owned(),
                from: at(1),
                to: None,
                times: 1,
                remediated: false,
                because: "it is broken".to_owned(),
                entry: Some(7),
            };
            (result.violators, result.violations) = (1, vec![violation]);
        }
        Verdict::Indeterminate => {
            let undecided = Undecided { subject: "key-2".to_owned(), because: "no fact".to_owned() };
            (result.undecided, result.undecided_subjects) = (1, vec![undecided]);
        }
        Verdict::NeedsAttestation => {
            result.missing_attestations.insert("ATT-EXAMPLE".to_owned());
        }
        Verdict::Pass | Verdict::NotApplicable => {}
    }
}

fn basis<'d>(catalogue: &'d Catalogue, evaluation: &'d Evaluation) -> Basis<'d> {
    let framework = catalogue.find_framework("pci-dss");
    Basis {
        pack: "0".repeat(32),
        catalogue,
        framework,
        evaluation,
        declarations: &[],
        results: "ab".repeat(32),
    }
}

/// The documents of [`evaluation`].
fn made() -> BTreeMap<&'static str, Value> {
    let catalogue = Catalogue::load().unwrap();
    let evaluation = evaluation(&catalogue);
    documents(&basis(&catalogue, &evaluation)).into_iter().collect()
}

/// Has somebody look at every value with the name that it is a member by; items of a list have the list's.
fn walk<'v>(name: &str, value: &'v Value, look: &mut dyn FnMut(&str, &'v Value)) {
    look(name, value);
    match value {
        Value::Array(all) => all.iter().for_each(|value| walk(name, value, look)),
        Value::Object(members) => members.iter().for_each(|(name, value)| walk(name, value, look)),
        _ => {}
    }
}

/// All texts that are members of one of these names.
fn texts<'v>(document: &'v Value, names: &[&str]) -> Vec<&'v str> {
    let mut found = Vec::new();
    walk("", document, &mut |name, value| {
        if names.contains(&name) {
            found.extend(value.as_str());
        }
    });
    found
}

fn is_token(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && characters.all(|c| c.is_alphanumeric() || ".-_".contains(c))
}

fn ids(catalogue: &Catalogue) -> Vec<String> {
    catalogue.controls().map(|control| control_id(control.id)).collect()
}

fn find<'v>(results: &'v Value, list: &str, title: &str) -> Option<&'v Value> {
    let all = results["assessment-results"]["results"][0][list].as_array().unwrap();
    all.iter().find(|one| one["title"].as_str().unwrap().starts_with(title))
}

#[test]
fn every_control_is_in_the_catalogue_and_answered_by_a_component_once() {
    let (made, catalogue) = (made(), Catalogue::load().unwrap());
    let groups = made["catalog"]["catalog"]["groups"].as_array().unwrap();
    let controls = groups.iter().flat_map(|group| group["controls"].as_array().unwrap());
    assert_eq!(controls.map(|control| control["id"].as_str().unwrap()).collect::<Vec<_>>(), ids(&catalogue));
    let answered = texts(&made["component-definition"], &["control-id"]);
    let distinct: BTreeSet<_> = answered.iter().map(|id| (*id).to_owned()).collect();
    assert_eq!(answered.len(), distinct.len());
    assert_eq!(distinct, ids(&catalogue).into_iter().collect::<BTreeSet<_>>());
}

#[test]
fn the_profile_has_the_controls_of_the_framework_and_the_clauses_that_ask_for_them() {
    let (made, catalogue) = (made(), Catalogue::load().unwrap());
    let framework = catalogue.find_framework("pci-dss").unwrap();
    let expected: Vec<_> = catalogue.profile(framework).into_iter().map(control_id).collect();
    assert_eq!(texts(&made["profile"], &["with-ids"]), expected);
    let altered = made["profile"]["profile"]["modify"]["alters"].as_array().unwrap();
    let clauses = altered.iter().flat_map(|one| one["adds"][0]["props"].as_array().unwrap()).count();
    assert_eq!(clauses, framework.clauses.iter().map(|clause| clause.controls.len()).sum::<usize>());
    let set = texts(&made["profile"], &["param-id"]);
    let known: BTreeSet<_> = texts(&made["catalog"]["catalog"]["params"], &["id"]).into_iter().collect();
    assert!(!set.is_empty() && set.iter().all(|id| known.contains(id)));
}

#[test]
fn nothing_is_empty_but_what_says_that_all_is_meant() {
    for (file, document) in made() {
        walk("", &document, &mut |name, value| {
            let is_empty = match value {
                Value::Null => true,
                Value::Array(all) => all.is_empty(),
                Value::Object(members) => members.is_empty(),
                Value::String(text) => text.trim().is_empty(),
                _ => false,
            };
            assert!(!is_empty || name == "include-all", "{file}: {name}");
        });
    }
}

#[test]
fn names_are_tokens_and_titles_and_values_are_one_line() {
    for (file, document) in made() {
        let ids = ["control-id", "objective-id", "target-id", "param-id", "with-ids"];
        let tokens = [ids.as_slice(), &["name", "class", "reason"]].concat();
        for text in texts(&document, &tokens) {
            assert!(is_token(text), "{file}: {text}");
        }
        for text in texts(&document, &["title", "value", "values", "label", "version", "text", "type"]) {
            assert_eq!(text, line(text), "{file}");
        }
    }
    assert_eq!((line(" a\n b "), line("")), ("a b".to_owned(), "-".to_owned()));
}

#[test]
fn identifiers_are_unique_in_a_document_and_of_one_pack() {
    let catalogue = Catalogue::load().unwrap();
    let evaluation = evaluation(&catalogue);
    let basis = basis(&catalogue, &evaluation);
    let other = Basis { pack: "1".repeat(32), ..basis.clone() };
    assert_eq!(documents(&basis), documents(&basis));
    for ((file, document), (_, elsewhere)) in documents(&basis).iter().zip(documents(&other)) {
        let all = texts(document, &["uuid"]);
        let distinct: BTreeSet<_> = all.iter().copied().collect();
        assert_eq!(all.len(), distinct.len(), "{file}");
        assert!(texts(&elsewhere, &["uuid"]).iter().all(|uuid| !distinct.contains(uuid)), "{file}");
    }
    assert_eq!(IDENTIFIERS, Uuid::new_v5(&Uuid::NAMESPACE_URL, NAMESPACE.as_bytes()));
}

#[test]
fn whatever_is_referred_to_is_there() {
    let made = made();
    for (file, document) in &made {
        let model = document.as_object().unwrap().values().next().unwrap();
        let resources: BTreeSet<_> = texts(&model["back-matter"], &["uuid"]).into_iter().collect();
        let fragments = texts(document, &["href"]).into_iter().filter_map(|href| href.strip_prefix('#'));
        let fragments: BTreeSet<_> = fragments.collect();
        assert_eq!(fragments, resources, "{file}: each resource, and no other");
    }
    let plan: BTreeSet<_> = texts(&made["assessment-plan"], &["uuid"]).into_iter().collect();
    let objectives: BTreeSet<_> = texts(&made["catalog"], &["id"]).into_iter().collect();
    for (file, document) in &made {
        let own: BTreeSet<_> = texts(document, &["uuid"]).into_iter().collect();
        let names = ["observation-uuid", "risk-uuid", "finding-uuid"];
        assert!(texts(document, &names).iter().all(|uuid| own.contains(uuid)), "{file}");
        let names = ["actor-uuid", "activity-uuid", "component-uuid", "subject-uuid"];
        assert!(texts(document, &names).iter().all(|uuid| plan.contains(uuid)), "{file}");
        let names = ["control-id", "objective-id", "target-id"];
        assert!(texts(document, &names).iter().all(|id| objectives.contains(id)), "{file}");
    }
}

#[test]
fn each_verdict_has_its_form() {
    let catalogue = Catalogue::load().unwrap();
    let evaluation = evaluation(&catalogue);
    let made: BTreeMap<_, _> = documents(&basis(&catalogue, &evaluation)).into_iter().collect();
    let results = &made["assessment-results"];
    let mut seen = BTreeSet::new();
    for result in &evaluation.results {
        seen.insert(result.result);
        let title = format!("{}, {}:", result.control, result.mode);
        let observation = find(results, "observations", &title).unwrap();
        assert_eq!(observation["props"][0]["value"], result.result.name());
        assert_eq!(observation["collected"], instant(evaluation.as_of));
        let finding = find(results, "findings", &title);
        let said = finding.map(|one| {
            let status = &one["target"]["status"];
            (status["state"].as_str().unwrap(), status["reason"].as_str().unwrap())
        });
        let lacking = finding.and_then(|one| one["target"]["status"]["remarks"].as_str());
        let (expected, named) = match result.result {
            Verdict::Pass => (Some(("satisfied", "pass")), None),
            Verdict::Fail => (Some(("not-satisfied", "fail")), Some("key-1: it is broken")),
            Verdict::NeedsAttestation => (Some(("not-satisfied", "needs-attestation")), Some("ATT-EXAMPLE")),
            Verdict::Indeterminate => (Some(("not-satisfied", "indeterminate")), Some("key-2: no fact")),
            Verdict::NotApplicable => (None, None),
        };
        assert_eq!(said, expected, "{title}");
        assert_eq!(lacking.is_some(), named.is_some(), "{title}");
        assert!(named.is_none_or(|named| lacking.unwrap().contains(named)), "{title}");
        let risk = find(results, "risks", &title);
        assert_eq!(risk.is_some(), result.result == Verdict::Fail, "{title}");
        assert!(risk.is_none_or(|risk| risk["status"] == "open"), "{title}");
        assert_eq!(finding.is_some_and(|one| one.get("related-risks").is_some()), risk.is_some(), "{title}");
        let entries = texts(&observation["relevant-evidence"], &["value"]);
        assert_eq!(entries, if result.result == Verdict::Fail { vec!["7"] } else { vec![] }, "{title}");
    }
    assert_eq!(seen.len(), Verdict::ALL.len());
}

#[test]
fn a_control_with_nothing_in_scope_is_excluded_and_one_with_a_mode_in_scope_is_not() {
    let catalogue = Catalogue::load().unwrap();
    let mut evaluation = evaluation(&catalogue);
    for result in &mut evaluation.results {
        let named = (result.control.to_string(), result.mode);
        let is_void = matches!((named.0.as_str(), named.1), ("GEN-01", _) | ("GEN-02", Mode::State));
        set(&catalogue, result, if is_void { Verdict::NotApplicable } else { Verdict::Pass });
    }
    let made: BTreeMap<_, _> = documents(&basis(&catalogue, &evaluation)).into_iter().collect();
    let reviewed = &made["assessment-results"]["assessment-results"]["results"][0]["reviewed-controls"];
    let controls = &reviewed["control-selections"][0];
    assert_eq!(texts(&controls["exclude-controls"], &["control-id"]), ["gen-01"]);
    assert_eq!(texts(&controls["include-controls"], &["control-id"]), ids(&catalogue));
    let objectives = &reviewed["control-objective-selections"][0]["exclude-objectives"];
    assert_eq!(
        texts(objectives, &["objective-id"]),
        ["gen-01_obj.state", "gen-01_obj.period", "gen-02_obj.state"]
    );
    assert!(!made.contains_key("poam"), "nothing is open");
}

#[test]
fn the_plan_of_action_has_each_open_result_with_who_mends_it() {
    let catalogue = Catalogue::load().unwrap();
    let evaluation = evaluation(&catalogue);
    let made: BTreeMap<_, _> = documents(&basis(&catalogue, &evaluation)).into_iter().collect();
    let plan = &made["poam"]["plan-of-action-and-milestones"];
    let open: Vec<_> = evaluation.results.iter().filter(|result| !result.result.is_satisfied()).collect();
    let (items, risks) = (plan["poam-items"].as_array().unwrap(), plan["risks"].as_array().unwrap());
    assert_eq!((items.len(), risks.len()), (open.len(), open.len()));
    for (result, risk) in open.into_iter().zip(risks) {
        let expected = if result.result == Verdict::Fail { "open" } else { "investigating" };
        assert_eq!(risk["status"], expected);
        let remediations = risk.get("remediations").and_then(Value::as_array).map_or(0, Vec::len);
        assert_eq!(remediations, result.tasks.len() + result.missing_attestations.len());
    }
}

#[test]
fn without_a_framework_all_controls_are_in_the_profile() {
    let catalogue = Catalogue::load().unwrap();
    let evaluation = evaluation(&catalogue);
    let basis = Basis { framework: None, ..basis(&catalogue, &evaluation) };
    let made: BTreeMap<_, _> = documents(&basis).into_iter().collect();
    assert_eq!(texts(&made["profile"], &["with-ids"]), ids(&catalogue));
    assert!(made["profile"]["profile"]["modify"].get("alters").is_none());
}

#[test]
fn nothing_is_called_compliant() {
    for (file, document) in made() {
        assert!(!document.to_string().contains("compliant with"), "{file}");
    }
}

#[test]
fn statements_that_people_signed_are_attestations_with_their_text_and_no_name() {
    let catalogue = Catalogue::load().unwrap();
    let evaluation = evaluation(&catalogue);
    let policy = catalogue.find_statement("ATT-POLICY").unwrap();
    let signed = DeclarationLine {
        id: "00000000-0000-4000-8000-000000000001".to_owned(),
        kind: "attestation".to_owned(),
        subject: policy.id.clone(),
        says: format!("text {}, about all of the deployment", to_hex(&policy.digest())),
        declared_by: "00000000-0000-4000-8000-000000000002".to_owned(),
        declared_at: "2026-01-02T00:00:00.000Z".to_owned(),
        from: Some("2026-01-02T00:00:00.000Z".to_owned()),
        until: Some("2027-01-02T00:00:00.000Z".to_owned()),
        withdrawn_at: None,
    };
    let old = DeclarationLine { says: "text 00, about all".to_owned(), ..signed.clone() };
    let withdrawn = DeclarationLine { withdrawn_at: Some(signed.declared_at.clone()), ..signed.clone() };
    let parameter = DeclarationLine { kind: "parameter".to_owned(), ..signed.clone() };
    let declarations = [signed, old, withdrawn, parameter];
    let basis = Basis { declarations: &declarations, ..basis(&catalogue, &evaluation) };
    let document = assessment_results::document(&basis);
    let found = document["assessment-results"]["results"][0]["attestations"].as_array().unwrap().clone();
    assert_eq!(found.len(), 2);
    let part = &found[0]["parts"][0];
    assert!(part["prose"].as_str().unwrap().starts_with(&policy.text), "{part}");
    assert_eq!((&part["title"], part["props"].as_array().unwrap().len()), (&json!("ATT-POLICY"), 3));
    // A text that the catalogue does not have is not put into anybody's mouth.
    assert_eq!(found[1]["parts"][0]["prose"], "text 00, about all");
}
