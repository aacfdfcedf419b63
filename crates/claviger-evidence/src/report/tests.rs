use std::collections::BTreeSet;

use claviger_audit::verify::{Files, LiveState, NoFile};
use claviger_audit::{SigningKey, VerifierKey};
use claviger_compliance::control::Mode;
use claviger_compliance::evaluation::{Undecided, Violation};
use claviger_compliance::{Catalogue, Framework, Period};

use super::*;
use crate::dossier::Asked;
use crate::inventory::{AssetLine, Inventory, KeyLine, fixture};

const HOSTILE: &str = "\"><script>alert('x')</script>&";

/// A log of which nothing is there.
struct Nothing;

impl Files for Nothing {
    fn read(&self, _name: &str) -> Result<Vec<u8>, NoFile> {
        Err(NoFile::Missing)
    }
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

fn key() -> VerifierKey {
    SigningKey::from_seed("d/audit/root", &[7; 32]).unwrap().verifier_key().clone()
}

fn dossier<'c>(catalogue: &'c Catalogue, framework: Option<&'c Framework>) -> Dossier<'c> {
    let period = Period { from: at(0), to: at(31_536_000) };
    let asked = Asked { catalogue, framework, period, disclosed: None };
    Dossier::gather(&Nothing, &key(), asked, &mut |_| {}).unwrap()
}

/// The first result of the period, as one that many violated.
fn violate(dossier: &mut Dossier<'_>, subject: &str) {
    let results = &mut dossier.evaluation.results;
    let result = results.iter_mut().find(|result| result.mode == Mode::Period).unwrap();
    let violation = |number: u64| Violation {
        subject: format!("{subject} {number}"),
        from: at(1000 * number),
        to: (number.is_multiple_of(2)).then(|| at(1000 * number + 86_400)),
        times: 1,
        remediated: number.is_multiple_of(2),
        because: format!("because of {subject}"),
        entry: Some(number),
    };
    result.result = Verdict::Fail;
    result.because = format!("{subject} did it");
    result.violators = 250;
    result.violations = (0..100).map(violation).collect();
    result.undecided = 1;
    result.undecided_subjects = vec![Undecided { subject: subject.to_owned(), because: subject.to_owned() }];
    result.notes.insert(subject.to_owned());
    result.figures.insert(subject.to_owned(), 3);
}

fn key_line(number: u64) -> KeyLine {
    KeyLine {
        id: format!("00000000-0000-4000-8000-{number:012}"),
        ring: "00000000-0000-4000-8000-00000000000r".to_owned(),
        spec: "aes-256-gcm".to_owned(),
        purpose: "encrypt".to_owned(),
        data_class: "cardholder".to_owned(),
        class: "R".to_owned(),
        environment: Some(HOSTILE.to_owned()),
        owner: None,
        protection: "software".to_owned(),
        state: "active".to_owned(),
        origin: Some("generated".to_owned()),
        primary: 1,
        primary_state: Some("active".to_owned()),
        versions: 1,
        created_at: Some("2026-03-01T12:00:00.000Z".to_owned()),
        rotates_every: None,
        destroy_at: None,
    }
}

fn file_of(dossier: &Dossier<'_>, path: &str) -> String {
    let file = files(dossier).unwrap().into_iter().find(|file| file.path == path).unwrap();
    String::from_utf8(file.bytes).unwrap()
}

fn page_of(dossier: &Dossier<'_>) -> String {
    file_of(dossier, "report/report.html")
}

/// A page without its style and without the page that it ends with: what this module writes of it.
fn own_text(page: &str) -> String {
    let (head, rest) = page.split_once("<style>").unwrap();
    let (_, body) = rest.split_once("</style>").unwrap();
    [head, body].concat().replace(&page::section(), "")
}

/// The values of an attribute.
fn values<'p>(page: &'p str, attribute: &str) -> Vec<&'p str> {
    let begin = format!(" {attribute}=\"");
    page.split(begin.as_str()).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn nothing_that_a_log_holds_becomes_markup() {
    let catalogue = Catalogue::load().unwrap();
    let mut dossier = dossier(&catalogue, None);
    violate(&mut dossier, HOSTILE);
    dossier.evaluation.log.origin = HOSTILE.to_owned();
    dossier.evaluation.findings.push(HOSTILE.to_owned());
    dossier.inventory.keys.push(key_line(1));
    dossier.inventory.assets.push(AssetLine {
        id: HOSTILE.to_owned(),
        data_class: HOSTILE.to_owned(),
        class: HOSTILE.to_owned(),
        owner: HOSTILE.to_owned(),
        created_by: HOSTILE.to_owned(),
        created_at: HOSTILE.to_owned(),
    });
    let page = page_of(&dossier);
    assert!(!page.contains(HOSTILE) && !page.contains("<script>alert"));
    assert!(page.contains("&lt;script&gt;") || page.contains("&#60;script&#62;"));
    assert_eq!(page.matches("<script").count(), page::section().matches("<script").count());
    assert!(!file_of(&dossier, "report/report.md").contains("<script"));
}

#[test]
fn counts_of_results_stand_under_their_ids() {
    let catalogue = Catalogue::load().unwrap();
    let mut dossier = dossier(&catalogue, None);
    violate(&mut dossier, "keys_by_class");
    let page = page_of(&dossier);
    for result in &dossier.evaluation.results {
        let own = [
            ("subjects", result.population.subjects),
            ("violators", result.violators),
            ("undecided", result.undecided),
        ];
        let others = result.figures.iter().map(|(name, value)| (name.as_str(), *value));
        for (name, value) in own.into_iter().chain(others) {
            let cell = format!("id=\"f-{}-{}-{name}\">{value}</dd>", result.control, result.mode);
            assert_eq!(page.matches(&cell).count(), 1, "{cell}");
        }
    }
    for row in parts::counts(&dossier.evaluation) {
        for Figure { id, value, .. } in row.cells {
            assert!(page.contains(&format!("id=\"{id}\">{value}</td>")), "{id}");
        }
    }
}

#[test]
fn every_control_and_every_clause_is_there() {
    let catalogue = Catalogue::load().unwrap();
    for framework in [None, catalogue.find_framework("pci-dss")] {
        let dossier = dossier(&catalogue, framework);
        let page = page_of(&dossier);
        let ids: BTreeSet<_> = values(&page, "id").into_iter().collect();
        let (results, clauses) =
            (file_of(&dossier, "report/results.csv"), file_of(&dossier, "report/clauses.csv"));
        for result in &dossier.evaluation.results {
            let (control, mode) = (result.control.to_string(), result.mode);
            assert!(ids.contains(control.as_str()), "{control}");
            assert!(ids.contains(format!("{control}-{mode}").as_str()), "{control}, {mode}");
        }
        assert_eq!(results.lines().count(), dossier.evaluation.results.len() + 1);
        let shown = framework.map_or_else(|| catalogue.frameworks().collect(), |framework| vec![framework]);
        let mut all = 0;
        for framework in shown {
            all += framework.clauses.len();
            let last = format!("r-{}-{}", framework.id, framework.clauses.len());
            assert!(ids.contains(last.as_str()), "{last}");
        }
        assert_eq!(clauses.lines().count(), all + 1);
    }
}

#[test]
fn whatever_is_referred_to_is_there_once_and_nothing_is_loaded() {
    let catalogue = Catalogue::load().unwrap();
    let mut dossier = dossier(&catalogue, None);
    violate(&mut dossier, "key 1");
    dossier.inventory.keys.extend((0..3).map(key_line));
    for (number, environment) in (3..).zip(["eu.west", "eu-west", "eu_west"]) {
        let environment = Some(environment.to_owned());
        dossier.inventory.keys.push(KeyLine { environment, ..key_line(number) });
    }
    let page = page_of(&dossier);
    let all = values(&page, "id");
    let ids: BTreeSet<_> = all.iter().copied().collect();
    let twice: Vec<_> = ids.iter().filter(|id| all.iter().filter(|one| one == id).count() > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    for reference in values(&page, "href") {
        let id = reference.strip_prefix('#').unwrap_or_else(|| panic!("`{reference}` leads out of the page"));
        assert!(ids.contains(id), "{id}");
    }
    for labels in values(&page, "aria-labelledby") {
        assert!(labels.split(' ').all(|id| ids.contains(id)), "{labels}");
    }
    for loads in [" src=", "<link", "@import", "url(http", "href=\"http", "<iframe", "<object", "<img"] {
        assert!(!own_text(&page).contains(loads), "{loads}");
    }
    let said = page.split("http-equiv=\"Content-Security-Policy\" content=\"").nth(1).unwrap();
    let said = said.split('"').next().unwrap().replace("&#39;", "'");
    assert_eq!(said, policy());
    let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    assert!(said.contains(&page::source_of(page::script())) && said.contains(&page::source_of(style)));
    assert!(values(&page, "style").is_empty());
}

#[test]
fn dual_control_is_shown_with_its_rules_and_what_others_were_asked() {
    let catalogue = Catalogue::load().unwrap();
    let mut dossier = dossier(&catalogue, None);
    let page = page_of(&dossier);
    assert!(page.contains("nobody: the quorum is <span id=\"f-dual-quorum\">0</span>"));
    assert!(page.contains("Nobody was asked to approve anything in the period."));
    dossier.inventory = Inventory::of(&fixture::estate(), catalogue.algorithms(), fixture::period());
    let page = page_of(&dossier);
    for words in [
        "<span id=\"f-dual-quorum\">2</span> custodians",
        "2 of <span id=\"f-dual-approvals\">2</span>",
        "<td>0 of 2</td>",
        "<td>executed</td>",
        "<td>open</td>",
        "<dd>90 days</dd>",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn reviews_emergency_access_alerts_and_capacities_are_shown() {
    let catalogue = Catalogue::load().unwrap();
    let mut dossier = dossier(&catalogue, None);
    let page = page_of(&dossier);
    for words in [
        "No access review was opened.",
        "None was open in the period.",
        "No alert was open in the period.",
        "Nobody holds one.",
    ] {
        assert!(page.contains(words), "{words}");
    }
    dossier.inventory = Inventory::of(&fixture::estate(), catalogue.algorithms(), fixture::period());
    for line in &mut dossier.inventory.alerts {
        line.subject = Some(HOSTILE.to_owned());
    }
    let page = page_of(&dossier);
    for words in [
        "1 of <span id=\"f-reviews\">1</span>",
        "<td>open, due 2026-06-20T00:00:00.000Z</td>",
        "1 of <span id=\"f-emergencies\">1</span>",
        "<td>justified</td>",
        "1 of <span id=\"f-alerts\">1</span>",
        "<th scope=\"row\">break glass opened</th>",
        "2 of <span id=\"f-offices\">2</span>",
        "<td>executive</td>",
        "<dt>Emergency access lasts for at most</dt>",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains(HOSTILE));
}

#[test]
fn no_figure_stands_for_all_and_no_word_says_that_a_regulation_is_met() {
    let catalogue = Catalogue::load().unwrap();
    let mut dossier = dossier(&catalogue, None);
    violate(&mut dossier, "key 1");
    for text in [own_text(&page_of(&dossier)), file_of(&dossier, "report/report.md")] {
        let lower = text.to_lowercase();
        for word in ["%", "percent", "compliant", "compliance score", "certified"] {
            assert!(!lower.contains(word), "{word}");
        }
        assert!(text.contains(NO_JUDGEMENT));
    }
}

#[test]
fn a_log_that_does_not_hold_is_said_before_anything_else() {
    let catalogue = Catalogue::load().unwrap();
    let mut dossier = dossier(&catalogue, None);
    assert!(!dossier.evaluation.findings.is_empty());
    let page = page_of(&dossier);
    let finding = page.find("The log does not hold in all its parts").unwrap();
    assert!(finding < page.find("<dl class=\"facts\">").unwrap());
    assert!(file_of(&dossier, "report/report.md").contains("## The log has findings"));
    dossier.evaluation.findings.clear();
    assert!(!page_of(&dossier).contains("The log does not hold in all its parts"));
}

#[test]
fn a_period_that_the_log_does_not_tell_of_is_said() {
    let catalogue = Catalogue::load().unwrap();
    let mut dossier = dossier(&catalogue, None);
    assert!(page_of(&dossier).contains("<dd>nothing of this period</dd>"));
    assert!(file_of(&dossier, "report/report.md").contains("- what the log tells: nothing of this period"));
    dossier.evaluation.known_from = Some(at(86_400));
    let page = page_of(&dossier);
    assert!(page.contains("the time from 1970-01-02T00:00:00.000Z on") && page.contains("class=\"untold\""));
    dossier.evaluation.known_from = Some(at(0));
    let page = page_of(&dossier);
    assert!(!page.contains("What the log tells") && !page.contains("class=\"untold\""));
}

#[test]
fn what_was_chosen_is_said_on_the_cover() {
    let catalogue = Catalogue::load().unwrap();
    let mut dossier = dossier(&catalogue, None);
    let said = |dossier: &Dossier<'_>, words: &str| {
        let page = page_of(dossier);
        let cover = page.split_once("<section id=\"summary\">").unwrap().0;
        let is_said = cover.contains(words);
        assert_eq!(file_of(dossier, "report/report.md").contains(words), is_said, "{words}");
        is_said
    };
    assert!(said(&dossier, "Live rows were not compared"));
    dossier.verified.live_state = LiveState::Compared { rows: 1, entries_before: 1, entries_after: 1 };
    dossier.verified.cut_at = dossier.asked.period.to.as_micros();
    assert!(!said(&dossier, "To know first") && !said(&dossier, "to know first"));
    dossier.verified.cut_at += 1_000_000;
    assert!(said(&dossier, "The log goes on until 1971-01-01T00:00:01.000Z"));
    dossier.asked.period.from = dossier.asked.period.to;
    assert!(said(&dossier, "The period has 0 days, not 365"));
    dossier.declared.insert("access_review_days".to_owned(), "1000".to_owned());
    assert!(said(&dossier, "otherwise than by default: access_review_days."));
}

#[test]
fn limits_are_those_of_the_pack() {
    let catalogue = Catalogue::load().unwrap();
    let dossier = dossier(&catalogue, None);
    let (page, text) = (page_of(&dossier), file_of(&dossier, "report/report.md"));
    for limit in pack::LIMITS {
        assert!(page.contains(&limit.replace('\'', "&#39;")) && text.contains(limit), "{limit}");
    }
}

#[test]
fn what_is_not_listed_is_counted_and_the_page_stays_small() {
    let catalogue = Catalogue::load().unwrap();
    let mut dossier = dossier(&catalogue, None);
    let key = |number| KeyLine { environment: Some(format!("environment-{number}")), ..key_line(number) };
    dossier.inventory.keys.extend((0..100_000).map(key));
    for result in &mut dossier.evaluation.results {
        result.violators = 100_000;
        result.violations = (0..100)
            .map(|number| Violation {
                subject: format!("key 00000000-0000-4000-8000-{number:012}, version 1"),
                from: at(number),
                to: None,
                times: 1,
                remediated: false,
                because: "it was used after the end of its cryptoperiod, which is that of its class"
                    .to_owned(),
                entry: Some(number),
            })
            .collect();
    }
    let page = page_of(&dossier);
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    assert!(page.contains("and 99800 more, in report/keys.csv"));
    assert!(page.contains("and 99950 more, see report/keys.csv"));
    let left = "and 99980 more: 80 of them in report/violations.csv, 99900 counted and not named";
    assert!(page.contains(left));
    let named = dossier.evaluation.results.len() * 100;
    assert_eq!(file_of(&dossier, "report/violations.csv").lines().count(), named + 1);
}

#[test]
fn two_makings_are_the_same_bytes() {
    let catalogue = Catalogue::load().unwrap();
    let make = || files(&dossier(&catalogue, None)).unwrap();
    assert_eq!(make(), make());
}

#[test]
fn headings_go_down_one_step_at_a_time() {
    let catalogue = Catalogue::load().unwrap();
    let mut dossier = dossier(&catalogue, None);
    for _ in 0..2 {
        let page = page_of(&dossier);
        let mut before = 0;
        for rest in page.split("<h").skip(1) {
            let Some(level) = rest.chars().next().and_then(|one| one.to_digit(10)) else { continue };
            let text: String = rest.chars().take(60).collect();
            assert!(level <= before + 1, "<h{text}");
            before = level;
        }
        assert_eq!(page.matches("<h1").count(), 1);
        let scoped = page.matches("<th scope=\"").count();
        assert_eq!(page.matches("<th").count(), scoped + page.matches("<thead").count());
        dossier.evaluation.findings.clear();
    }
}
