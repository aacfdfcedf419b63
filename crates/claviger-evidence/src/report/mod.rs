//! The report that people read: one page that needs nothing beside it, the tables that are too long for it, and the same in short.
//!
//! What it keeps true: every count of a result carries an id, so that a reader can point at it and a program can hold it against
//! `results/results.json`; nothing is added up to one figure; what is not known is said where it would have stood; nothing of a text is
//! taken for markup; and the page loads nothing.

mod chart;
mod parts;
mod people;
mod tables;
mod text;
mod words;

use askama::Template;
use claviger_audit::to_hex;
use claviger_compliance::control::Area;
use claviger_compliance::{Coverage, Evaluation, Verdict};
use claviger_core::Timestamp;

use self::chart::{Bars, Hierarchy, Timeline};
use self::parts::{
    Capped, Chapter, ControlRef, CountRow, Dual, Figure, Open, ParameterPart, PlanRow, Quantum, Regulation,
    Results, Rows, Scope,
};
use crate::dossier::Dossier;
use crate::pack::{self, PackFile, Unmade, instant};
use crate::page;

/// What no reader may take from a report.
const NO_JUDGEMENT: &str = "This report says what was evaluated, and the result of each control. It does not say that an organization \
     meets a regulation: that is for people to judge, and no number here stands for it.";

/// The files of a pack, and what each is.
const FILES: [(&str, &str); 40] = [
    ("MANIFEST.json", "every file with its size and SHA-256, the pack id, the log and the period"),
    (
        "MANIFEST.sig",
        "signatures of the manifest by the key of the root log and by the evidence key; absent if nobody was asked",
    ),
    ("READ-ME-FIRST.md", "how to verify the pack in five minutes"),
    ("LIMITS.md", "what is not shown"),
    ("verify.html", "the page at the end of this report, alone"),
    ("report/report.html", "this report"),
    ("report/report.md", "the same in short"),
    ("report/results.csv", "every result"),
    ("report/violations.csv", "every violation that a result names"),
    ("report/clauses.csv", "every clause with its controls and results"),
    ("report/keys.csv", "every key"),
    ("report/versions.csv", "every version of a key"),
    ("report/algorithms.csv", "algorithms by purpose"),
    ("report/generators.csv", "what made the keys of each class"),
    ("report/rings.csv", "every ring, with its policy and what wraps its KEK"),
    ("report/credentials.csv", "every credential"),
    ("report/nodes.csv", "every node, in its own words"),
    ("report/assets.csv", "data assets"),
    ("report/declarations.csv", "what people declared and signed"),
    ("report/approvals.csv", "what others were asked to approve in the period, and what they decided"),
    ("report/capacities.csv", "who holds roles and capacities"),
    ("report/reviews.csv", "access reviews, with what they looked at as a digest"),
    ("report/review_items.csv", "every item of these reviews, with what was decided and by whom"),
    ("report/break_glass.csv", "emergency access of the period, with who approved and reviewed it"),
    ("report/alerts.csv", "alerts of the period, and who looked at them"),
    (
        "report/sessions.csv",
        "every session of the period, as far as this pack says who it was; absent if it says nothing",
    ),
    ("report/names.csv", "names of objects, as far as this pack says them; absent if it says none"),
    ("results/results.json", "every result, as it was evaluated"),
    ("results/inputs.json", "all that the results depend on"),
    ("state/objects.jsonl", "all objects at the end of the period"),
    ("state/proof.json", "what that state follows from"),
    ("oscal/", "OSCAL 1.2.1: catalogue, profile, component definition, plan, results, plan of action"),
    ("cbom/cbom.json", "cryptographic bill of materials (CycloneDX)"),
    ("samples.json", "entries that nobody chose, each with the proof that the log has it"),
    ("redaction.json", "what is withheld, and what the level of this pack lets out"),
    ("disclosure/who.disclosure", "who called, at that level; absent if the pack says nothing of it"),
    ("log/root/checkpoint", "the newest checkpoint, signed"),
    ("log/root.vkey", "the key of the root log: compare it with one from elsewhere"),
    ("log/", "the log as it was exported, byte for byte"),
    ("tiles/", "hashes by which a browser checks a sample of a long log; absent beside a short one"),
];

const STYLE: &str = include_str!("../../templates/report.css");

/// The page.
#[derive(Template)]
#[template(path = "report.html")]
struct Report {
    policy: String,
    style_sheet: String,
    verifier: String,
    no_judgement: &'static str,
    origin: String,
    from: String,
    to: String,
    from_day: String,
    to_day: String,
    span_days: u64,
    as_of: String,
    told: String,
    caution: String,
    framework: String,
    pack_id: String,
    cuts: u64,
    entries: u64,
    root: String,
    catalogue: String,
    facts_as_of: String,
    vkey: String,
    fingerprint: String,
    controls: u64,
    results: u64,
    findings: Capped,
    found: Vec<Found>,
    verdicts: Vec<&'static str>,
    meanings: Vec<Meaning>,
    counts: Vec<CountRow>,
    bars: Bars,
    failures: Vec<ControlRef>,
    failures_all: u64,
    failed: u64,
    undecided: u64,
    needing: u64,
    waiting: u64,
    scope: Scope,
    sizes: Vec<Figure>,
    assets: Rows,
    hierarchy: Hierarchy,
    algorithms: Rows,
    generators: Rows,
    nodes: Rows,
    keys: Rows,
    chapters: Vec<Chapter>,
    audit: Vec<Chapter>,
    governance: Vec<Chapter>,
    dual: Dual,
    approvals: Rows,
    offices: Rows,
    reviews: Rows,
    emergencies: Rows,
    alerts: Rows,
    contents: Vec<Contents>,
    detected: Capped,
    detected_entries: u64,
    detected_fields: u64,
    shards: u64,
    snapshots: u64,
    unknown_before: u64,
    timeline: Timeline,
    regulations: Vec<Regulation>,
    coverages: Vec<Meaning>,
    quantum: Quantum,
    plan: Vec<PlanRow>,
    limits: Vec<&'static str>,
    open: Vec<Open>,
    needs: Vec<Open>,
    parameters: Vec<ParameterPart>,
    declarations: Rows,
    redaction: &'static str,
    lets_out: &'static str,
    callers: Rows,
    samples: Rows,
    no_samples: String,
    files: Vec<Meaning>,
    version: &'static str,
}

/// A word, and what it means.
#[derive(Debug)]
struct Meaning {
    word: &'static str,
    meaning: &'static str,
}

/// How many results are of a kind.
#[derive(Debug)]
struct Found {
    id: String,
    badge: &'static str,
    number: u64,
    meaning: &'static str,
}

/// The controls of an area, in the index.
#[derive(Debug)]
struct Contents {
    code: &'static str,
    title: &'static str,
    controls: Vec<ControlRef>,
}

/// The report.
///
/// # Errors
/// When the page cannot be written, which its templates rule out.
pub fn files(dossier: &Dossier<'_>) -> Result<Vec<PackFile>, Unmade> {
    let results = parts::results_of(&dossier.evaluation);
    let page = Report::of(dossier, &results).render()?;
    Ok(vec![
        PackFile::new("report/report.html", page),
        text::file(dossier, &results),
        tables::results(dossier),
        tables::violations(dossier),
        tables::clauses(dossier, &results),
    ])
}

/// What the page may load and run: nothing but its own style, and the one script that it ends with.
fn policy() -> String {
    let (script, style) = (page::source_of(page::script()), page::source_of(&style_sheet()));
    format!("default-src 'none'; script-src {script}; style-src {style}; base-uri 'none'; form-action 'none'")
}

fn style_sheet() -> String {
    format!("{STYLE}{}", page::style())
}

/// From when on the log tells of the period; empty where it tells of all of it.
fn told(evaluation: &Evaluation) -> String {
    match evaluation.known_from {
        None => "nothing of this period".to_owned(),
        Some(from) if from > evaluation.period.to => "nothing of this period".to_owned(),
        Some(from) if from > evaluation.period.from => {
            format!("only the time from {} on; what happened before is not known", instant(from))
        }
        Some(_) => String::new(),
    }
}

/// What whoever asked chose, and a reader should know before any result; empty where there is nothing.
fn caution(dossier: &Dossier<'_>) -> String {
    let (period, live) = (dossier.asked.period, dossier.verified.live_state);
    let newest = Timestamp::from_micros(dossier.verified.cut_at);
    let mut said = Vec::new();
    if newest > period.to {
        let newest = instant(newest);
        said.push(format!("The log goes on until {newest}: what happened after the period is in no result."));
    }
    let usual = dossier.asked.catalogue.find_parameter("period_days");
    let usual = usual.and_then(|known| known.default.parse::<u64>().ok()).unwrap_or_default();
    let days = dossier.span().as_secs() / 86_400;
    if days < usual {
        said.push(format!(
            "The period has {days} days, not {usual}: what was mended before it is in no result."
        ));
    }
    if !dossier.declared.is_empty() {
        let names: Vec<_> = dossier.declared.keys().map(String::as_str).collect();
        said.push(format!("Declared otherwise than by default: {}.", names.join(", ")));
    }
    if !live.is_compared() {
        said.push(format!("Live rows were {live}."));
    }
    said.join(" ")
}

impl Report {
    fn of(dossier: &Dossier<'_>, results: &Results<'_>) -> Self {
        let (evaluation, catalogue) = (&dossier.evaluation, dossier.asked.catalogue);
        let mut failures = parts::failures(dossier, results);
        let failures_all = words::count(failures.len());
        failures.truncate(5);
        let waiting = results.keys().filter_map(|id| catalogue.find_control(*id));
        let waiting = waiting.filter(|control| control.waits_for.is_some()).count();
        let (chapters, audit, governance) = chapters(dossier, results);
        let (redaction, lets_out) = pack::level(dossier);
        Self {
            policy: policy(),
            style_sheet: style_sheet(),
            verifier: page::section(),
            no_judgement: NO_JUDGEMENT,
            origin: evaluation.log.origin.clone(),
            from: instant(evaluation.period.from),
            to: instant(evaluation.period.to),
            from_day: chart::day(&instant(evaluation.period.from)),
            to_day: chart::day(&instant(evaluation.period.to)),
            span_days: dossier.span().as_secs() / 86_400,
            as_of: instant(evaluation.as_of),
            told: told(evaluation),
            caution: caution(dossier),
            framework: dossier.asked.framework.map_or_else(
                || "all controls of the catalogue, shown by every framework".to_owned(),
                |framework| format!("{} {}", framework.title, framework.version),
            ),
            pack_id: pack::id(dossier),
            cuts: evaluation.log.size,
            entries: evaluation.log.entries,
            root: evaluation.log.root.clone(),
            catalogue: evaluation.catalogue.clone(),
            facts_as_of: catalogue.facts_as_of.clone(),
            fingerprint: to_hex(&dossier.key.digest()),
            vkey: dossier.key.to_string(),
            controls: words::count(results.len()),
            results: words::count(evaluation.results.len()),
            findings: parts::findings(evaluation),
            found: Verdict::ALL.map(|verdict| found(evaluation, verdict)).into(),
            verdicts: Verdict::ALL.map(words::badge).to_vec(),
            meanings: Verdict::ALL
                .map(|verdict| Meaning { word: words::badge(verdict), meaning: words::meaning(verdict) })
                .into(),
            counts: parts::counts(evaluation),
            bars: Bars::of(evaluation),
            failures,
            failures_all,
            failed: parts::number_of(evaluation, Verdict::Fail),
            undecided: parts::number_of(evaluation, Verdict::Indeterminate),
            needing: parts::number_of(evaluation, Verdict::NeedsAttestation),
            waiting: words::count(waiting),
            scope: parts::scope(dossier),
            sizes: sizes(dossier),
            assets: parts::assets(dossier),
            hierarchy: Hierarchy::of(&dossier.inventory),
            algorithms: parts::algorithms(dossier),
            generators: parts::generators(dossier),
            nodes: parts::nodes(dossier),
            keys: parts::keys(dossier),
            contents: contents(dossier, results),
            chapters,
            audit,
            governance,
            dual: Dual::of(dossier),
            approvals: parts::approvals(dossier),
            offices: people::offices(dossier),
            reviews: people::reviews(dossier),
            emergencies: people::emergencies(dossier),
            alerts: people::alerts(dossier),
            detected: parts::detected(dossier),
            detected_entries: dossier.detection.entries,
            detected_fields: dossier.detection.fields,
            shards: words::count(dossier.verified.shards.len()),
            snapshots: dossier.verified.snapshots,
            unknown_before: dossier.verified.unknown_before,
            timeline: Timeline::of(evaluation),
            regulations: parts::regulations(dossier, results),
            coverages: Coverage::ALL
                .map(|coverage| Meaning { word: coverage.name(), meaning: words::coverage(coverage) })
                .into(),
            quantum: parts::quantum(dossier),
            plan: parts::plan(dossier, results),
            limits: pack::LIMITS.to_vec(),
            open: parts::of_kind(evaluation, Verdict::Indeterminate),
            needs: parts::of_kind(evaluation, Verdict::NeedsAttestation),
            parameters: parts::parameters(dossier, results),
            declarations: parts::declarations(dossier),
            redaction,
            lets_out,
            callers: parts::callers(dossier),
            samples: parts::samples(dossier),
            no_samples: dossier.samples.why_none.clone().unwrap_or_default(),
            files: FILES.map(|(word, meaning)| Meaning { word, meaning }).into(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// How many results are of a kind.
fn found(evaluation: &Evaluation, verdict: Verdict) -> Found {
    Found {
        id: format!("f-cover-{}", words::style(verdict)),
        badge: words::badge(verdict),
        number: parts::number_of(evaluation, verdict),
        meaning: words::short(verdict),
    }
}

/// How many there are of each kind of object.
fn sizes(dossier: &Dossier<'_>) -> Vec<Figure> {
    let inventory = &dossier.inventory;
    let all = [
        ("rings", inventory.rings.len()),
        ("keys", inventory.keys.len()),
        ("versions", inventory.versions.len()),
        ("algorithms", inventory.algorithms.len()),
        ("nodes", inventory.nodes.len()),
        ("credentials", inventory.credentials.len()),
        ("data assets", inventory.assets.len()),
        ("declarations", inventory.declarations.len()),
        ("approvals", inventory.approvals.len()),
        ("access reviews", inventory.reviews.len()),
        ("emergency accesses", inventory.break_glass.len()),
        ("alerts", inventory.alerts.len()),
    ];
    let figures = all.map(|(name, number)| Figure {
        id: format!("f-scope-{}", words::anchor(name)),
        name: name.to_owned(),
        value: words::count(number),
    });
    figures.into()
}

/// The controls by area: those of a key's life, the log's, and those of governance.
fn chapters(dossier: &Dossier<'_>, results: &Results<'_>) -> (Vec<Chapter>, Vec<Chapter>, Vec<Chapter>) {
    let (mut life, mut audit, mut governance) = (Vec::new(), Vec::new(), Vec::new());
    for chapter in parts::chapters(dossier, results) {
        match chapter.code {
            code if code == Area::Audit.name() => audit.push(chapter),
            code if code == Area::Governance.name() => governance.push(chapter),
            _ => life.push(chapter),
        }
    }
    (life, audit, governance)
}

/// The index by a key's life.
fn contents(dossier: &Dossier<'_>, results: &Results<'_>) -> Vec<Contents> {
    let of_area = |area: Area| Contents {
        code: area.name(),
        title: words::area(area),
        controls: parts::controls_of(dossier, results, area),
    };
    Area::ALL.map(of_area).into()
}

#[cfg(test)]
mod tests;
