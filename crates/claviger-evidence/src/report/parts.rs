//! The parts of the report, as its templates read them: texts and numbers, ready to be shown.

use std::collections::{BTreeMap, BTreeSet};

use claviger_compliance::control::{Area, ControlId, Severity, Task};
use claviger_compliance::evaluation::{Class, ControlResult, Undecided, Violation};
use claviger_compliance::{Clause, Control, Coverage, Evaluation, Framework, Verdict, mark};

use super::chart::day;
use super::words::{self, Piece, anchor, count, pieces};
use crate::disclosed::Disclosed;
use crate::dossier::Dossier;
use crate::inventory::{AlgorithmLine, GeneratorLine};
use crate::pack::instant;

/// Most violators and undecided subjects of a result that are named in the page.
const MOST_SUBJECTS: usize = 20;
/// Most keys that are listed in the page.
const MOST_KEYS: usize = 200;
/// Most rows of other tables.
pub(super) const MOST_ROWS: usize = 50;

/// The results of each control, in the order of their modes.
pub(super) type Results<'d> = BTreeMap<ControlId, Vec<&'d ControlResult>>;

/// The results of each control.
pub(super) fn results_of(evaluation: &Evaluation) -> Results<'_> {
    let mut results = Results::new();
    for result in &evaluation.results {
        results.entry(result.control).or_default().push(result);
    }
    results
}

/// The frameworks that the report shows: the one that was asked for, or all of them.
pub(super) fn frameworks<'d>(dossier: &Dossier<'d>) -> Vec<&'d Framework> {
    let catalogue = dossier.asked.catalogue;
    match dossier.asked.framework {
        Some(framework) => vec![framework],
        None => catalogue.frameworks().collect(),
    }
}

/// A result, as other places than its own refer to it.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) mode: &'static str,
    pub(super) badge: &'static str,
}

fn marks(results: &[&ControlResult]) -> Vec<Mark> {
    results
        .iter()
        .map(|result| Mark { mode: result.mode.name(), badge: words::badge(result.result) })
        .collect()
}

/// A control, as other places than its own refer to it.
#[derive(Debug)]
pub(super) struct ControlRef {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) severity: &'static str,
    pub(super) marks: Vec<Mark>,
    pub(super) because: String,
}

fn control_ref(control: &Control, results: &[&ControlResult], because: &str) -> ControlRef {
    ControlRef {
        id: control.id.to_string(),
        title: control.title.clone(),
        severity: control.severity.name(),
        marks: marks(results),
        because: because.to_owned(),
    }
}

/// How many results there are of each kind, of one severity.
#[derive(Debug)]
pub(super) struct CountRow {
    pub(super) severity: &'static str,
    pub(super) cells: Vec<Figure>,
}

/// A number, with the name by which it is pointed at.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) value: u64,
}

/// How many results there are of each kind, by severity.
pub(super) fn counts(evaluation: &Evaluation) -> Vec<CountRow> {
    let rows = evaluation.counts().into_iter().map(|(severity, counts)| CountRow {
        severity: severity.name(),
        cells: Verdict::ALL
            .into_iter()
            .map(|verdict| Figure {
                id: format!("f-count-{severity}-{}", words::style(verdict)),
                name: verdict.name().to_owned(),
                value: counts.get(&verdict).copied().unwrap_or_default(),
            })
            .collect(),
    });
    rows.collect()
}

/// How many results are of a kind.
pub(super) fn number_of(evaluation: &Evaluation, verdict: Verdict) -> u64 {
    count(evaluation.results.iter().filter(|result| result.result == verdict).count())
}

/// The controls that read FAIL, the worst first, and of one severity in the order of a key's life.
pub(super) fn failures(dossier: &Dossier<'_>, results: &Results<'_>) -> Vec<ControlRef> {
    let mut failed = Vec::new();
    for (id, of_control) in results {
        let first = of_control.iter().find(|result| result.result == Verdict::Fail);
        if let (Some(first), Some(control)) = (first, dossier.asked.catalogue.find_control(*id)) {
            failed.push((first.severity, control_ref(control, of_control, &first.because)));
        }
    }
    failed.sort_by_key(|(severity, _)| *severity);
    failed.into_iter().map(|(_, control)| control).collect()
}

/// The controls of an area that were evaluated.
pub(super) fn controls_of(dossier: &Dossier<'_>, results: &Results<'_>, area: Area) -> Vec<ControlRef> {
    let of_area = results.iter().filter(|(id, _)| id.area() == area);
    let refs = of_area.filter_map(|(id, of_control)| {
        Some(control_ref(dossier.asked.catalogue.find_control(*id)?, of_control, ""))
    });
    refs.collect()
}

/// How many keys there are of each class in each environment.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) rows: Vec<ScopeRow>,
    pub(super) more: u64,
}

/// Keys of a class in an environment.
#[derive(Debug)]
pub(super) struct ScopeRow {
    pub(super) class: String,
    pub(super) environment: String,
    pub(super) keys: u64,
    pub(super) versions: u64,
}

/// How many keys there are of each class in each environment.
pub(super) fn scope(dossier: &Dossier<'_>) -> Scope {
    let mut rows = BTreeMap::<(usize, &str), ScopeRow>::new();
    for key in &dossier.inventory.keys {
        let environment = key.environment.as_deref().unwrap_or("not said");
        let place = Class::ALL.iter().position(|class| class.name() == key.class);
        let row = rows.entry((place.unwrap_or(usize::MAX), environment)).or_insert_with(|| ScopeRow {
            class: class_words(&key.class),
            environment: environment.to_owned(),
            keys: 0,
            versions: 0,
        });
        row.keys += 1;
        row.versions += u64::from(key.versions);
    }
    let more = count(rows.len().saturating_sub(MOST_ROWS));
    Scope { rows: rows.into_values().take(MOST_ROWS).collect(), more }
}

fn class_words(class: &str) -> String {
    let meaning = match class {
        "R" => "restricted",
        "C" => "confidential",
        "I" => "internal",
        "T" => "test",
        _ => return "not known".to_owned(),
    };
    format!("{class}, {meaning}")
}

/// A row of a table: its cells.
pub(super) type Row = Vec<String>;

/// Rows, and how many more there are.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    pub(super) all: u64,
    pub(super) more: u64,
}

pub(super) fn rows<T>(all: &[T], most: usize, row: impl Fn(&T) -> Row) -> Rows {
    let rows: Vec<Row> = all.iter().take(most).map(row).collect();
    let more = count(all.len().saturating_sub(rows.len()));
    Rows { rows, all: count(all.len()), more }
}

pub(super) fn said(value: Option<&String>) -> String {
    value.cloned().unwrap_or_else(|| "\u{2013}".to_owned())
}

fn day_of(value: Option<&String>) -> String {
    value.map_or_else(|| "\u{2013}".to_owned(), |instant| day(instant))
}

/// Data assets.
pub(super) fn assets(dossier: &Dossier<'_>) -> Rows {
    rows(&dossier.inventory.assets, MOST_ROWS, |asset| {
        vec![
            asset.id.clone(),
            class_words(&asset.class),
            asset.data_class.clone(),
            asset.owner.clone(),
            day(&asset.created_at),
        ]
    })
}

/// What people declared and signed.
pub(super) fn declarations(dossier: &Dossier<'_>) -> Rows {
    rows(&dossier.inventory.declarations, MOST_ROWS, |line| {
        vec![
            format!("{} {}", line.kind, line.subject),
            line.says.clone(),
            line.declared_by.clone(),
            line.declared_at.clone(),
            said(line.from.as_ref()),
            said(line.until.as_ref()),
            said(line.withdrawn_at.as_ref()),
        ]
    })
}

/// How callers proved who they are, and how often: as far as the pack lets it out.
pub(super) fn callers(dossier: &Dossier<'_>) -> Rows {
    let kinds = dossier.asked.disclosed.map(Disclosed::kinds).unwrap_or_default();
    let kinds: Vec<(Vec<String>, u64)> = kinds.into_iter().collect();
    rows(&kinds, MOST_ROWS, |(kind, number)| kind.iter().cloned().chain([number.to_string()]).collect())
}

/// Entries that nobody chose: from what they were drawn, and which they are.
pub(super) fn samples(dossier: &Dossier<'_>) -> Rows {
    let has_shards = dossier.samples.window.len() > 1;
    let place = |(shard, entry): &(u32, u64)| {
        if has_shards { format!("{shard}/{entry}") } else { entry.to_string() }
    };
    rows(&dossier.samples.samples, usize::MAX, |sample| {
        let entries: BTreeSet<_> = sample.drawn.iter().map(|drawn| (drawn.shard, drawn.entry)).collect();
        let listed: Vec<String> = entries.iter().map(place).collect();
        vec![
            sample.of.clone(),
            sample.modes.join(", "),
            sample.subjects.to_string(),
            sample.entries.to_string(),
            entries.len().to_string(),
            listed.join(", "),
        ]
    })
}

/// The rules by which others must approve what cannot be undone.
#[derive(Debug)]
pub(super) struct Dual {
    pub(super) quorum: u32,
    pub(super) rings_without: u64,
    pub(super) lifetime: String,
    pub(super) grants: String,
    pub(super) emergency: String,
    pub(super) set: String,
}

impl Dual {
    pub(super) fn of(dossier: &Dossier<'_>) -> Self {
        let inventory = &dossier.inventory;
        let rules = &inventory.rules;
        let without = inventory.rings.iter().filter(|ring| ring.quorum == 0).count();
        let grants = rules.human_grant_lifetime.clone();
        let set_at = said(rules.set_at.as_ref());
        let set = rules.set_by.as_ref().map(|by| format!("by principal {by}, {set_at}"));
        Self {
            quorum: rules.quorum,
            rings_without: count(without),
            lifetime: rules.approval_lifetime.clone(),
            grants: grants.unwrap_or_else(|| "no end is asked for".to_owned()),
            emergency: rules.break_glass_lifetime.clone(),
            set: set.unwrap_or_else(|| "by nobody: they are those of a deployment without any".to_owned()),
        }
    }
}

/// What others were asked to approve in the period.
pub(super) fn approvals(dossier: &Dossier<'_>) -> Rows {
    rows(&dossier.inventory.approvals, MOST_ROWS, |line| {
        let decided = [line.approvers.as_slice(), line.denied_by.as_slice()].concat();
        let outcome = line.outcome.as_deref().unwrap_or("open");
        vec![
            line.action.clone(),
            line.objects.join("; "),
            line.requester.clone(),
            if line.approvers.is_empty() { "nobody".to_owned() } else { line.approvers.join("; ") },
            line.quorum.to_string(),
            format!("{} of {}", line.signatures, decided.len()),
            line.requested_at.clone(),
            outcome.to_owned(),
            said(line.ended_at.as_ref()),
        ]
    })
}

/// Keys.
pub(super) fn keys(dossier: &Dossier<'_>) -> Rows {
    rows(&dossier.inventory.keys, MOST_KEYS, |key| {
        vec![
            key.id.clone(),
            key.ring.clone(),
            key.spec.clone(),
            key.purpose.clone(),
            format!("{} / {}", key.class, key.data_class),
            said(key.environment.as_ref()),
            key.state.clone(),
            said(key.origin.as_ref()),
            key.versions.to_string(),
            day_of(key.created_at.as_ref()),
            said(key.rotates_every.as_ref()),
        ]
    })
}

/// Nodes.
pub(super) fn nodes(dossier: &Dossier<'_>) -> Rows {
    let none_of = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join("; ") };
    rows(&dossier.inventory.nodes, MOST_ROWS, |node| {
        vec![
            node.id.clone(),
            said(node.environment.as_ref()),
            node.mode.clone(),
            none_of(&node.insecure),
            node.release.clone(),
            node.build.clone(),
            none_of(&node.generators),
            none_of(&node.root_keys),
            node.reported_at.clone(),
        ]
    })
}

/// Algorithms: name, purpose, keys, versions, strength, standing for new data, its end, standing for old data, standing against quantum
/// computers.
pub(super) fn algorithms(dossier: &Dossier<'_>) -> Rows {
    rows(&dossier.inventory.algorithms, usize::MAX, |line: &AlgorithmLine| {
        vec![
            line.spec.clone(),
            line.purpose.clone(),
            line.keys.to_string(),
            line.versions.to_string(),
            line.strength_bits.to_string(),
            match dossier.asked.framework {
                Some(framework) if line.disallowed_in.contains(&framework.id) => "disallowed".to_owned(),
                _ => line.status.clone(),
            },
            line.until.as_ref().map_or_else(|| "none set".to_owned(), |until| day(until)),
            line.processes.clone(),
            line.quantum.clone(),
        ]
    })
}

/// What made the versions of each class, what the module says of itself, and what nobody but whoever says it stands for.
pub(super) fn generators(dossier: &Dossier<'_>) -> Rows {
    rows(&dossier.inventory.generators, 4 * MOST_ROWS, |line: &GeneratorLine| {
        vec![
            class_words(line.class.as_deref().unwrap_or_default()),
            line.generator.replace('_', " "),
            said(line.drbg.as_ref()),
            said(line.module.as_ref()),
            claim(line).to_owned(),
            said(line.entropy.as_ref()),
            line.versions.to_string(),
            declared(line).to_owned(),
        ]
    })
}

/// What a module says of a validation. The label of a token can be any text, and says nothing of one.
fn claim(line: &GeneratorLine) -> &'static str {
    let module = line.module.as_deref().unwrap_or_default();
    match line.generator.as_str() {
        "module_drbg" | "token_seed" if module.ends_with(" (not FIPS)") => "that it is not a validated build",
        "module_drbg" | "token_seed" if module.ends_with(" (FIPS)") || module.contains(" (FIPS module ") => {
            "that it is validated by FIPS 140"
        }
        _ => "nothing",
    }
}

/// What of a generator is declared alone.
fn declared(line: &GeneratorLine) -> &'static str {
    match line.generator.as_str() {
        "elsewhere" => "everything: how it was made is known to whoever supplied it",
        "token" => "what the token is and how it generates: no certificate is in the log",
        _ => "construction, entropy and validation: no certificate is in the log",
    }
}

/// Algorithms that a quantum computer breaks, and those that it does not, as counts of live versions.
#[derive(Debug)]
pub(super) struct Quantum {
    pub(super) rows: Rows,
    pub(super) broken_keys: u64,
    pub(super) broken_versions: u64,
    pub(super) holding_keys: u64,
    pub(super) holding_versions: u64,
}

/// How the keys stand against quantum computers.
pub(super) fn quantum(dossier: &Dossier<'_>) -> Quantum {
    let lines = &dossier.inventory.algorithms;
    let sum = |is_broken: bool, of: fn(&AlgorithmLine) -> u64| {
        lines.iter().filter(|line| line.category.is_none() == is_broken).map(of).sum::<u64>()
    };
    Quantum {
        rows: rows(lines, usize::MAX, |line| {
            vec![
                line.spec.clone(),
                line.purpose.clone(),
                line.keys.to_string(),
                line.category.map_or_else(|| "none: broken".to_owned(), |category| category.to_string()),
                line.quantum.clone(),
                said(line.basis.as_ref()),
            ]
        }),
        broken_keys: sum(true, |line| line.keys),
        broken_versions: sum(true, |line| line.versions),
        holding_keys: sum(false, |line| line.keys),
        holding_versions: sum(false, |line| line.versions),
    }
}

/// The controls of an area.
#[derive(Debug)]
pub(super) struct Chapter {
    pub(super) code: &'static str,
    pub(super) title: &'static str,
    pub(super) controls: Vec<ControlPart>,
}

/// A control with its results.
#[derive(Debug)]
pub(super) struct ControlPart {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) severity: &'static str,
    pub(super) grade: &'static str,
    pub(super) marks: Vec<Mark>,
    pub(super) statement: Vec<Piece>,
    pub(super) check: Vec<Piece>,
    pub(super) why: Vec<Piece>,
    pub(super) attestations: String,
    pub(super) waits_for: String,
    pub(super) results: Vec<ResultPart>,
    pub(super) tasks: Vec<TaskPart>,
    pub(super) clauses: Vec<ClauseRef>,
}

/// A clause that asks for a control.
#[derive(Debug)]
pub(super) struct ClauseRef {
    pub(super) anchor: String,
    pub(super) text: String,
}

/// Who does what.
#[derive(Debug)]
pub(super) struct TaskPart {
    pub(super) who: String,
    pub(super) what: Vec<Piece>,
}

/// A result.
#[derive(Debug)]
pub(super) struct ResultPart {
    pub(super) id: String,
    pub(super) mode: &'static str,
    pub(super) badge: &'static str,
    pub(super) style: &'static str,
    pub(super) because: String,
    pub(super) subjects: u64,
    pub(super) digest: String,
    pub(super) violators: u64,
    pub(super) undecided: u64,
    pub(super) figures: Vec<Figure>,
    pub(super) notes: Vec<String>,
    pub(super) missing: Vec<String>,
    pub(super) violations: Vec<ViolationPart>,
    pub(super) violations_more: String,
    pub(super) unknown: Vec<Unknown>,
    pub(super) unknown_more: String,
}

/// Something that violated a control.
#[derive(Debug)]
pub(super) struct ViolationPart {
    pub(super) subject: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) times: u64,
    pub(super) entry: String,
    pub(super) because: String,
}

/// Something of which it is not known.
#[derive(Debug)]
pub(super) struct Unknown {
    pub(super) subject: String,
    pub(super) because: String,
}

/// The controls of each area that were evaluated.
pub(super) fn chapters(dossier: &Dossier<'_>, results: &Results<'_>) -> Vec<Chapter> {
    let frameworks = frameworks(dossier);
    let mut chapters = Vec::new();
    for area in Area::ALL {
        let of_area = results.iter().filter(|(id, _)| id.area() == area);
        let parts = of_area.filter_map(|(id, of_control)| {
            let control = dossier.asked.catalogue.find_control(*id)?;
            Some(control_part(control, of_control, &frameworks))
        });
        chapters.push(Chapter { code: area.name(), title: words::area(area), controls: parts.collect() });
    }
    chapters
}

fn control_part(control: &Control, results: &[&ControlResult], frameworks: &[&Framework]) -> ControlPart {
    let mut clauses = Vec::new();
    for framework in frameworks {
        for (place, clause) in framework.clauses.iter().enumerate() {
            if clause.controls.contains(&control.id) {
                let text = format!("{} {}", framework.title, clause.id);
                clauses.push(ClauseRef { anchor: clause_anchor(framework, place), text });
            }
        }
    }
    ControlPart {
        id: control.id.to_string(),
        title: control.title.clone(),
        severity: control.severity.name(),
        grade: control.grade.name(),
        marks: marks(results),
        statement: pieces(&control.statement),
        check: pieces(&control.check),
        why: pieces(&control.why),
        attestations: control.attestations.join(", "),
        waits_for: control.waits_for.clone().unwrap_or_default(),
        results: results.iter().map(|result| result_part(result)).collect(),
        tasks: tasks(results),
        clauses,
    }
}

/// Who does what so that the results of a control hold.
fn tasks(results: &[&ControlResult]) -> Vec<TaskPart> {
    let mut all: Vec<&Task> = Vec::new();
    for task in results.iter().flat_map(|result| &result.tasks) {
        if !all.contains(&task) {
            all.push(task);
        }
    }
    all.into_iter().map(|task| TaskPart { who: task.who.clone(), what: pieces(&task.what) }).collect()
}

fn result_part(result: &ControlResult) -> ResultPart {
    let id = format!("{}-{}", result.control, result.mode);
    let figures = result.figures.iter().map(|(name, value)| Figure {
        id: format!("f-{id}-{}", anchor(name)),
        name: name.replace('_', " "),
        value: *value,
    });
    let violations = result.violations.iter().take(MOST_SUBJECTS).map(violation);
    let unknown = result.undecided_subjects.iter().take(MOST_SUBJECTS).map(unknown);
    ResultPart {
        mode: result.mode.name(),
        badge: words::badge(result.result),
        style: words::style(result.result),
        because: result.because.clone(),
        subjects: result.population.subjects,
        digest: result.population.digest.clone(),
        violators: result.violators,
        undecided: result.undecided,
        figures: figures.collect(),
        notes: result.notes.iter().cloned().collect(),
        missing: result.missing_attestations.iter().cloned().collect(),
        violations: violations.collect(),
        violations_more: more(result.violators, result.violations.len(), "report/violations.csv"),
        unknown: unknown.collect(),
        unknown_more: more(result.undecided, result.undecided_subjects.len(), "results/results.json"),
        id,
    }
}

/// How many subjects are not listed, and where they are. Of many, a result names the first and counts the others.
fn more(all: u64, named: usize, file: &str) -> String {
    let named = count(named);
    let left = all.saturating_sub(count(MOST_SUBJECTS));
    if left == 0 {
        return String::new();
    }
    let elsewhere = named.saturating_sub(count(MOST_SUBJECTS));
    if elsewhere == left {
        return format!("and {left} more, in {file}");
    }
    let counted = left.saturating_sub(elsewhere);
    format!("and {left} more: {elsewhere} of them in {file}, {counted} counted and not named")
}

fn violation(violation: &Violation) -> ViolationPart {
    let still = if violation.remediated { "mended" } else { "not mended" };
    ViolationPart {
        subject: violation.subject.clone(),
        from: instant(violation.from),
        to: violation.to.map_or_else(|| still.to_owned(), instant),
        times: violation.times,
        entry: violation.entry.map_or_else(|| "\u{2013}".to_owned(), |entry| entry.to_string()),
        because: violation.because.clone(),
    }
}

fn unknown(undecided: &Undecided) -> Unknown {
    Unknown { subject: undecided.subject.clone(), because: undecided.because.clone() }
}

/// A framework, clause by clause.
#[derive(Debug)]
pub(super) struct Regulation {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) version: String,
    pub(super) status: String,
    pub(super) pending: String,
    pub(super) clauses: Vec<ClausePart>,
    pub(super) sources: Vec<SourcePart>,
}

/// A clause.
#[derive(Debug)]
pub(super) struct ClausePart {
    pub(super) anchor: String,
    pub(super) id: String,
    pub(super) paraphrase: String,
    pub(super) controls: Vec<ControlRef>,
    pub(super) coverage: &'static str,
    pub(super) coverage_meaning: &'static str,
    pub(super) mark: String,
    pub(super) adds: String,
}

/// A source that was read.
#[derive(Debug)]
pub(super) struct SourcePart {
    pub(super) code: String,
    pub(super) read: String,
}

fn clause_anchor(framework: &Framework, place: usize) -> String {
    format!("r-{}-{}", anchor(&framework.id), place + 1)
}

/// The frameworks, clause by clause.
pub(super) fn regulations(dossier: &Dossier<'_>, results: &Results<'_>) -> Vec<Regulation> {
    frameworks(dossier).into_iter().map(|framework| regulation(dossier, framework, results)).collect()
}

fn regulation(dossier: &Dossier<'_>, framework: &Framework, results: &Results<'_>) -> Regulation {
    let catalogue = dossier.asked.catalogue;
    let mut codes = BTreeSet::new();
    let mut clauses = Vec::new();
    for (place, clause) in framework.clauses.iter().enumerate() {
        let mark = match &clause.mark {
            mark::Mark::Verified(code) => {
                codes.insert(code.as_str());
                format!("verified: {code}")
            }
            mark::Mark::Unverified => "unverified".to_owned(),
        };
        let controls: Vec<&Control> =
            clause.controls.iter().filter_map(|id| catalogue.find_control(*id)).collect();
        let refs = controls.iter().map(|control| {
            let of_control = results.get(&control.id).map(Vec::as_slice).unwrap_or_default();
            control_ref(control, of_control, "")
        });
        clauses.push(ClausePart {
            anchor: clause_anchor(framework, place),
            id: clause.id.clone(),
            paraphrase: clause.paraphrase.clone(),
            controls: refs.collect(),
            coverage: clause.coverage.name(),
            coverage_meaning: words::coverage(clause.coverage),
            mark,
            adds: adds(clause, &controls),
        });
    }
    let sources = codes.into_iter().filter_map(|code| catalogue.find_source(code));
    Regulation {
        id: anchor(&framework.id),
        title: framework.title.clone(),
        version: framework.version.clone(),
        status: framework.status.clone(),
        pending: framework.pending.clone().unwrap_or_default(),
        clauses,
        sources: sources
            .map(|source| SourcePart { code: source.code.clone(), read: source.read.clone() })
            .collect(),
    }
}

/// What the entity must add for a clause.
fn adds(clause: &Clause, controls: &[&Control]) -> String {
    let statements: BTreeSet<&str> =
        controls.iter().flat_map(|control| &control.attestations).map(String::as_str).collect();
    let statements = statements.into_iter().collect::<Vec<_>>().join(", ");
    let signed =
        if statements.is_empty() { String::new() } else { format!("Signed statements: {statements}.") };
    let own = match clause.coverage {
        Coverage::Full => "Nothing, for the keys and the log of this system; all for others.".to_owned(),
        Coverage::Mixed | Coverage::Attested => String::new(),
        Coverage::Supports => {
            let titles: Vec<String> = controls.iter().map(|control| control.title.to_lowercase()).collect();
            format!("All that the clause asks beyond: {}.", titles.join("; "))
        }
        Coverage::Outside => "All of it: nothing in this pack answers the clause.".to_owned(),
    };
    let see = clause.see.as_ref().map(|see| format!("Answered by {see}, which is not in this pack."));
    let texts = [own, signed, see.unwrap_or_default()];
    texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

/// What is to be done for a control.
#[derive(Debug)]
pub(super) struct PlanRow {
    pub(super) control: ControlRef,
    pub(super) tasks: Vec<TaskPart>,
    pub(super) missing: String,
    pub(super) waits_for: String,
}

/// The controls that are not satisfied, the worst first, with who does what.
pub(super) fn plan(dossier: &Dossier<'_>, results: &Results<'_>) -> Vec<PlanRow> {
    let mut rows: Vec<(Severity, PlanRow)> = Vec::new();
    for (id, of_control) in results {
        let open: Vec<&ControlResult> =
            of_control.iter().copied().filter(|result| !result.result.is_satisfied()).collect();
        let (Some(first), Some(control)) = (open.first(), dossier.asked.catalogue.find_control(*id)) else {
            continue;
        };
        let missing: BTreeSet<&str> =
            open.iter().flat_map(|result| &result.missing_attestations).map(String::as_str).collect();
        rows.push((
            first.severity,
            PlanRow {
                control: control_ref(control, &open, &first.because),
                tasks: tasks(&open),
                missing: missing.into_iter().collect::<Vec<_>>().join(", "),
                waits_for: control.waits_for.clone().unwrap_or_default(),
            },
        ));
    }
    rows.sort_by_key(|(severity, _)| *severity);
    rows.into_iter().map(|(_, row)| row).collect()
}

/// A result that is not decided.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) control: String,
    pub(super) mode: &'static str,
    pub(super) because: String,
}

/// Every result of a kind, with the fact that decides.
pub(super) fn of_kind(evaluation: &Evaluation, verdict: Verdict) -> Vec<Open> {
    let results = evaluation.results.iter().filter(|result| result.result == verdict);
    let open = results.map(|result| Open {
        control: result.control.to_string(),
        mode: result.mode.name(),
        because: result.because.clone(),
    });
    open.collect()
}

/// A parameter of controls.
#[derive(Debug)]
pub(super) struct ParameterPart {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) default: String,
    pub(super) basis: String,
}

/// The parameters that the evaluated controls depend on.
pub(super) fn parameters(dossier: &Dossier<'_>, results: &Results<'_>) -> Vec<ParameterPart> {
    let catalogue = dossier.asked.catalogue;
    let controls = results.keys().filter_map(|id| catalogue.find_control(*id));
    let names: BTreeSet<&str> =
        controls.flat_map(|control| &control.parameters).map(String::as_str).collect();
    let parameters = names.into_iter().filter_map(|name| catalogue.find_parameter(name));
    let parts = parameters.map(|parameter| ParameterPart {
        name: parameter.name.clone(),
        value: dossier.declared.get(&parameter.name).unwrap_or(&parameter.default).clone(),
        default: parameter.default.clone(),
        basis: parameter.basis.clone(),
    });
    parts.collect()
}

/// Texts of which no more than some are shown.
#[derive(Debug)]
pub(super) struct Capped {
    pub(super) texts: Vec<String>,
    pub(super) all: u64,
    pub(super) more: u64,
}

/// What does not hold of the log.
pub(super) fn findings(evaluation: &Evaluation) -> Capped {
    some_of(evaluation.findings.iter().cloned(), evaluation.findings.len())
}

/// What was found in entries and facts that must not be there.
pub(super) fn detected(dossier: &Dossier<'_>) -> Capped {
    let found = &dossier.detection.found;
    let texts = found.iter().map(|found| format!("{}: {}", found.place, found.kind));
    let mut capped = some_of(texts, found.len());
    capped.all += dossier.detection.more;
    capped.more += dossier.detection.more;
    capped
}

fn some_of(texts: impl Iterator<Item = String>, all: usize) -> Capped {
    let texts: Vec<String> = texts.take(MOST_ROWS).collect();
    let more = count(all.saturating_sub(texts.len()));
    Capped { texts, all: count(all), more }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_is_said_and_where_it_is() {
        let file = "report/violations.csv";
        assert_eq!(more(20, 20, file), "");
        assert_eq!(more(30, 30, file), "and 10 more, in report/violations.csv");
        let counted = "and 480 more: 80 of them in report/violations.csv, 400 counted and not named";
        assert_eq!(more(500, 100, file), counted);
    }

    #[test]
    fn a_token_claims_no_validation_by_its_label() {
        let line = |generator: &str, module: &str| GeneratorLine {
            class: Some("R".to_owned()),
            generator: generator.to_owned(),
            module: Some(module.to_owned()),
            drbg: None,
            entropy: None,
            versions: 1,
        };
        assert_eq!(claim(&line("token", "HSM (FIPS)")), "nothing");
        assert_eq!(claim(&line("module_drbg", "aws-lc 1.60.0 (FIPS)")), "that it is validated by FIPS 140");
        let other = line("module_drbg", "aws-lc 1.60.0 (not FIPS)");
        assert_eq!(claim(&other), "that it is not a validated build");
        assert!(declared(&line("elsewhere", "")).starts_with("everything"));
    }
}
