//! The walk that feeds all checks, and the results at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use claviger_audit::cut::Cut;
use claviger_audit::declaration::deployment_of;
use claviger_audit::fact::{Object, OpenRow};
use claviger_audit::verify::{Files, NotVerified, SeenEntry, Verified, Watcher};
use claviger_audit::{Hash, Op, Outcome as Ended, VerifierKey};
use claviger_core::Timestamp;

use super::estate::Estate;
use super::ledger::Said;
use super::outcome::{Emptiness, Outcome};
use super::result::{ControlResult, Evaluation, LogHead, Period, Population, Verdict};
use super::run::{RecordedRun, Remade, remake};
use super::said::{self, Parameters, Signed};
use super::setting::{Declared, Setting};
use crate::check::{self, Check, CutSeen, End, Event};
use crate::control::{Control, ControlId, Mode, Task};
use crate::{Catalogue, Framework};

/// What a result is about, object by object.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The control.
    pub control: ControlId,
    /// Of when.
    pub mode: Mode,
    /// The population, as the result has it.
    pub population: &'a Population,
    /// Its objects, ascending. It may have other subjects beside them.
    pub objects: &'a [Object],
}

/// Looks on while a log is verified, and has all checks look on.
pub struct Scan<'c> {
    setting: Setting<'c>,
    framework: Option<&'c Framework>,
    controls: BTreeSet<ControlId>,
    checks: Vec<(ControlId, Box<dyn Check>)>,
    estate: Estate,
    /// Size and root of the root log.
    root: (u64, Hash),
    /// How many entries each shard had at the newest cut that is not behind the instant.
    sizes: BTreeMap<u32, u64>,
    /// How many they had at the first cut that is not before the begin of the period, and at the first one behind its end.
    begun: Option<BTreeMap<u32, u64>>,
    ended: Option<BTreeMap<u32, u64>>,
    /// The instant of the first entry, and of that behind which the whole state is known, where it was not from the first on.
    first: Option<Timestamp>,
    recorded: Option<Timestamp>,
    /// The newest run of the period, and what it came to when it was made again.
    newest_run: Option<RecordedRun>,
    remade: Option<(u64, Remade)>,
}

impl std::fmt::Debug for Scan<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scan").field("controls", &self.controls).finish_non_exhaustive()
    }
}

impl<'c> Scan<'c> {
    /// Of all controls of the catalogue, or of those of a framework, by the parameters of the catalogue.
    #[must_use]
    pub fn new(catalogue: &'c Catalogue, framework: Option<&'c Framework>, period: Period) -> Self {
        let of = framework.map(|framework| framework.id.as_str());
        Self::by(Setting::new(catalogue, of, period), framework)
    }

    /// The same by parameters that are declared otherwise: those of [`Self::declared`], of a scan of the same log before this one.
    #[must_use]
    pub fn with(self, declared: &'c Declared) -> Self {
        Self::by(Setting { declared, ..self.setting }, self.framework)
    }

    fn by(setting: Setting<'c>, framework: Option<&'c Framework>) -> Self {
        let catalogue = setting.catalogue;
        let controls = match framework {
            Some(framework) => catalogue.profile(framework),
            None => catalogue.controls().map(|control| control.id).collect(),
        };
        let made = |id: &ControlId| Some((*id, check::find(*id)?(&setting)));
        let checks = controls.iter().filter_map(made).collect();
        Self {
            setting,
            framework,
            controls,
            checks,
            estate: Estate::default(),
            root: (0, Hash::default()),
            sizes: BTreeMap::new(),
            begun: None,
            ended: None,
            first: None,
            recorded: None,
            newest_run: None,
            remade: None,
        }
    }

    /// The parameters that are declared and in force at the instant, once the log was walked over. Checks are made before they are known:
    /// where there are some, the log is walked over again, by a scan that has them. What is not taken so passes nothing that depends on it.
    #[must_use]
    pub fn declared(&self) -> Declared {
        said::parameters(self.setting.catalogue, &self.estate, self.setting.period).declared
    }

    /// Makes the newest run of the period again that the log records, in a second walk over the same files; without it the control that asks
    /// for it is not known. `seen` is called for each entry. To be asked once the log was walked over.
    ///
    /// # Errors
    /// [`NotVerified`].
    pub fn remaking(
        mut self,
        files: &dyn Files,
        key: &VerifierKey,
        seen: &mut dyn FnMut(),
    ) -> Result<Self, NotVerified> {
        let is_asked = self.checks.iter().any(|(id, _)| check::asks_for_runs(*id));
        if let Some(RecordedRun { index, run: Some(run), .. }) = self.newest_run.filter(|_| is_asked) {
            self.was_remade(Some((index, remake(files, key, self.setting.catalogue, &run, seen)?)));
        }
        Ok(self)
    }

    /// The newest run of the period, as far as the log was walked over.
    #[must_use]
    pub const fn newest_run(&self) -> Option<RecordedRun> {
        self.newest_run
    }

    /// What the run of an entry came to when it was made again.
    pub(crate) const fn was_remade(&mut self, remade: Option<(u64, Remade)>) {
        self.remade = remade;
    }

    /// The results, once the log was walked over.
    #[must_use]
    pub fn finish(self, verified: &Verified) -> Evaluation {
        self.finish_with_estate(verified).0
    }

    /// The results, and all objects at the instant.
    #[must_use]
    pub fn finish_with_estate(self, verified: &Verified) -> (Evaluation, Estate) {
        self.finish_telling(verified, &mut |_| ())
    }

    /// The same; `tell` is told of each result what it is about.
    #[must_use]
    pub fn finish_telling(
        self,
        verified: &Verified,
        tell: &mut dyn FnMut(&Told<'_>),
    ) -> (Evaluation, Estate) {
        let Self { setting, framework, controls, checks, estate, root, first, recorded, remade, .. } = self;
        let (catalogue, period) = (setting.catalogue, setting.period);
        let known_from = recorded.or(first);
        let end = End { estate: &estate, setting: &setting, verified, first, remade };
        let mut outcomes: BTreeMap<_, _> =
            checks.into_iter().map(|(id, check)| (id, check.end(&end))).collect();
        let doubt = Doubt::of(verified, known_from, period);
        let deployment = deployment_of(&verified.origin).unwrap_or_default();
        let beside = Beside {
            setting,
            parameters: said::parameters(catalogue, &estate, period),
            unread: estate.unreadable.iter().find(|one| matches!(one, Object::Declaration(_))).copied(),
            signed: said::statements(catalogue, &estate, deployment, period.to),
        };
        let mut results = Vec::new();
        for control in controls.iter().filter_map(|id| catalogue.find_control(*id)) {
            let outcome = outcomes.remove(&control.id);
            for mode in &control.modes {
                results.push(match &outcome {
                    Some(outcome) => decided(control, *mode, outcome, &doubt, &beside, tell),
                    None => undecided(control, *mode, period),
                });
            }
        }
        let evaluation = Evaluation {
            catalogue: catalogue.version.clone(),
            framework: framework.map(|framework| framework.id.clone()),
            log: LogHead {
                origin: verified.origin.clone(),
                size: root.0,
                root: claviger_audit::to_hex(&root.1),
                entries: verified.entries(),
            },
            as_of: period.to,
            period,
            known_from,
            findings: verified
                .findings
                .iter()
                .map(|finding| format!("{}: {finding}", finding.code()))
                .collect(),
            results,
        };
        (evaluation, estate)
    }
}

impl Scan<'_> {
    /// Was this entry there at the end of the period? To be asked once all cuts were shown.
    #[must_use]
    pub fn counts(&self, seen: &SeenEntry<'_>) -> bool {
        self.instant_of(seen) <= self.setting.period.to
    }

    /// When an entry counts as made. Its clock may be wrong; cuts have the log's time. What was cut until an instant was there at that
    /// instant, and no clock takes it out; what came behind a cut was not there before that, and no clock puts it there.
    fn instant_of(&self, seen: &SeenEntry<'_>) -> Timestamp {
        let Period { from, to } = self.setting.period;
        let is_behind = |sizes: Option<&BTreeMap<u32, u64>>| {
            sizes.is_some_and(|sizes| seen.index >= sizes.get(&seen.shard).copied().unwrap_or_default())
        };
        let at = Timestamp::from_micros(seen.entry.t);
        let at = if is_behind(self.begun.as_ref()) { at.max(from) } else { at };
        if self.sizes.get(&seen.shard).is_some_and(|size| seen.index < *size) {
            at.min(to)
        } else if is_behind(self.ended.as_ref()) {
            at.max(to.after(Duration::from_micros(1)))
        } else {
            at
        }
    }
}

impl Watcher for Scan<'_> {
    fn cut(&mut self, number: u64, cut: &Cut) {
        let at = Timestamp::from_micros(cut.t);
        let Period { from, to } = self.setting.period;
        let sizes = || cut.shards.iter().map(|head| (head.shard, head.size)).collect();
        if at >= from {
            self.begun.get_or_insert_with(sizes);
        }
        if at > to {
            self.ended.get_or_insert_with(sizes);
            return;
        }
        self.sizes.extend(cut.shards.iter().map(|head| (head.shard, head.size)));
        for (_, check) in &mut self.checks {
            check.cut(&CutSeen { number, at, cut });
        }
    }

    fn entry(&mut self, seen: &SeenEntry<'_>) {
        let at = self.instant_of(seen);
        self.first.get_or_insert(at);
        if seen.entry.op == Op::RecordState {
            self.recorded = Some(at);
        }
        // What is behind the instant is not looked at: it was not there.
        if at > self.setting.period.to {
            return;
        }
        if seen.entry.op == Op::RecordEvaluation
            && seen.entry.out == Ended::Ok
            && self.setting.period.holds(at)
        {
            self.newest_run = Some(RecordedRun::of(seen.index, at, seen.entry));
        }
        let event = Event { shard: seen.shard, index: seen.index, at, entry: seen.entry, facts: seen.facts };
        for (_, check) in &mut self.checks {
            check.entry(&event, &self.estate);
        }
        for fact in seen.facts {
            match seen.objects.find(&fact.object) {
                None => self.estate.put(fact.object, None),
                Some(current) => match OpenRow::read(fact.object, &current.fields()) {
                    Ok(row) => self.estate.put(fact.object, Some(row)),
                    Err(_) => self.estate.cannot_read(fact.object),
                },
            }
        }
        for fact in seen.facts {
            for (_, check) in &mut self.checks {
                check.changed(fact.object, &event, &self.estate);
            }
        }
    }

    fn root(&mut self, size: u64, root: &Hash) {
        self.root = (size, *root);
    }
}

/// Why no control can be said to hold.
struct Doubt {
    /// Of both modes.
    always: Option<String>,
    /// Of the period alone.
    of_period: Option<String>,
}

impl Doubt {
    fn of(verified: &Verified, known_from: Option<Timestamp>, period: Period) -> Self {
        let is_of_log = |code: &str| !check::is_of_state(code);
        let broken = verified.findings.iter().find(|finding| is_of_log(finding.code()));
        let always = match broken {
            Some(finding) => Some(format!("the log does not hold: {}: {finding}", finding.code())),
            None if verified.shards.len() > 1 => {
                Some("the log has several shards, which have no common order".to_owned())
            }
            None if known_from.is_none_or(|from| from > period.to) => {
                Some("the log does not tell the state of that time".to_owned())
            }
            None => None,
        };
        let recorded_later = verified.unknown_before > 0 && known_from.is_some_and(|from| from > period.from);
        let of_period = recorded_later.then(|| {
            format!("not decidable before entry {}: what lies there has no facts", verified.unknown_before)
        });
        Self { always, of_period }
    }

    fn of_mode(&self, mode: Mode) -> Option<&str> {
        let of_period = self.of_period.as_deref().filter(|_| mode == Mode::Period);
        self.always.as_deref().or(of_period)
    }
}

/// What stands beside a check: what people declared and signed.
struct Beside<'a> {
    setting: Setting<'a>,
    parameters: Parameters,
    /// A declaration that does not read.
    unread: Option<Object>,
    /// Statements that were signed.
    signed: Signed,
}

impl Beside<'_> {
    /// What a reader should know of a result of this control.
    fn notes(&self, control: &Control, outcome: &Outcome) -> BTreeSet<String> {
        let default = |name: &str| self.setting.catalogue.find_parameter(name).map(|known| &known.default);
        let declared = control.parameters.iter().filter_map(|name| {
            let (value, default) = (self.setting.declared.get(name)?, default(name)?);
            Some(format!("parameter {name} is declared as {value}; its default is {default}"))
        });
        let refused = control.parameters.iter().filter_map(|name| {
            let (value, default) = (self.parameters.refused.get(name)?, default(name)?);
            Some(format!("parameter {name} does not take {value}, and goes by its default, {default}"))
        });
        let Signed { good, open } = &self.signed;
        let signed =
            outcome.attestations.iter().filter_map(|name| good.get(name).or(open.get(name)).cloned());
        outcome.notes.iter().cloned().chain(declared).chain(refused).chain(signed).collect()
    }

    /// Why the parameters do not decide this control.
    fn doubt(&self, control: &Control, mode: Mode) -> Option<String> {
        let names = &control.parameters;
        if let Some(object) = self.unread.filter(|_| !names.is_empty()) {
            return Some(format!("{object} does not read, and may be a parameter"));
        }
        let Parameters { declared, changed, .. } = &self.parameters;
        names.iter().find_map(|name| {
            if declared.get(name) != self.setting.declared.get(name) {
                return Some(format!("what is declared of parameter {name} is not what checks went by"));
            }
            let since = changed.get(name).filter(|_| mode == Mode::Period)?;
            Some(format!(
                "parameter {name} was another one until {}: ask for a period that begins then",
                said::shown(*since)
            ))
        })
    }
}

fn decided(
    control: &Control,
    mode: Mode,
    outcome: &Outcome,
    doubt: &Doubt,
    beside: &Beside<'_>,
    tell: &mut dyn FnMut(&Told<'_>),
) -> ControlResult {
    let said = match mode {
        Mode::State => outcome.ledger.of_state(),
        Mode::Period => outcome.ledger.of_period(),
    };
    let of_log = doubt.of_mode(mode).filter(|_| !check::decides_on_the_log(control.id));
    let doubt = of_log.map(str::to_owned).or_else(|| beside.doubt(control, mode));
    let missing = if outcome.attestations.is_empty() || said.population.subjects == 0 {
        BTreeSet::new()
    } else {
        let is_missing = |name: &&String| !beside.signed.good.contains_key(*name);
        outcome.attestations.iter().filter(is_missing).cloned().collect()
    };
    let (result, because) = verdict(&said, outcome, doubt.as_deref(), &missing);
    tell(&Told { control: control.id, mode, population: &said.population, objects: &said.objects });
    let Said { population, violators, violations, undecided, undecided_subjects, .. } = said;
    ControlResult {
        control: control.id,
        mode,
        severity: control.severity,
        result,
        because,
        population,
        violators,
        violations,
        undecided,
        undecided_subjects,
        figures: outcome.figures.clone(),
        notes: beside.notes(control, outcome),
        missing_attestations: if result == Verdict::NeedsAttestation { missing } else { BTreeSet::new() },
        tasks: tasks(control, result),
    }
}

fn verdict(
    said: &Said,
    outcome: &Outcome,
    doubt: Option<&str>,
    missing: &BTreeSet<String>,
) -> (Verdict, String) {
    let subjects = said.population.subjects;
    if let Some(first) = said.violations.first() {
        let because = format!("{} of {subjects}: {}: {}", said.violators, first.subject, first.because);
        return (Verdict::Fail, because);
    }
    if let Some(doubt) = doubt {
        return (Verdict::Indeterminate, doubt.to_owned());
    }
    if let Some(first) = said.undecided_subjects.first() {
        let because =
            format!("not known of {} of {subjects}: {}: {}", said.undecided, first.subject, first.because);
        return (Verdict::Indeterminate, because);
    }
    if subjects == 0 {
        match outcome.emptiness {
            Emptiness::NotApplicable => return (Verdict::NotApplicable, "nothing is in scope".to_owned()),
            Emptiness::Unknown(why) => return (Verdict::Indeterminate, why.to_owned()),
            Emptiness::Passes => {}
        }
    }
    if let Some(first) = missing.first() {
        let others = missing.len() - 1;
        let more = if others == 0 { String::new() } else { format!(", and {others} more") };
        let because = format!("{}; the statement {first} is missing{more}", outcome.holds);
        return (Verdict::NeedsAttestation, because);
    }
    (Verdict::Pass, format!("{subjects} of {subjects}: {}", outcome.holds))
}

/// Of a control that has no check: the facts are not kept yet.
fn undecided(control: &Control, mode: Mode, period: Period) -> ControlResult {
    let said = super::ledger::Ledger::new(period).of_state();
    let waits_for = control.waits_for.as_deref().unwrap_or("a check");
    ControlResult {
        control: control.id,
        mode,
        severity: control.severity,
        result: Verdict::Indeterminate,
        because: format!("this release does not keep what decides it: {waits_for}"),
        population: said.population,
        violators: 0,
        violations: Vec::new(),
        undecided: 0,
        undecided_subjects: Vec::new(),
        figures: Default::default(),
        notes: BTreeSet::new(),
        missing_attestations: BTreeSet::new(),
        tasks: Vec::new(),
    }
}

fn tasks(control: &Control, result: Verdict) -> Vec<Task> {
    if result.is_satisfied() { Vec::new() } else { control.mend.clone() }
}

#[cfg(test)]
mod tests {
    use claviger_audit::Entry;
    use claviger_audit::cut::{ShardHead, ShardState};
    use claviger_audit::fact::OpenDeclaration;
    use claviger_audit::verify::{Finding, Objects};
    use claviger_core::declaration::{self, Parameter};
    use claviger_core::{DeclarationId, PrincipalId};

    use super::*;
    use crate::evaluation::{Judgement, Ledger, Subject};

    fn at(second: u64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    /// Walks over cuts, each an instant and the size of the shard, and entries, each an instant and an operation.
    fn evaluated(
        period: (u64, u64),
        cuts: &[(u64, u64)],
        entries: &[(u64, Op)],
        verified: &Verified,
    ) -> Evaluation {
        let catalogue = Catalogue::load().unwrap();
        let mut scan = Scan::new(&catalogue, None, Period { from: at(period.0), to: at(period.1) });
        for (number, (second, size)) in (0..).zip(cuts) {
            let (state, size, root) = (ShardState::Active, *size, [0; 32]);
            let head = ShardHead { shard: 1, state, incarnation: 1, size, root, epoch: 1 };
            scan.cut(
                number,
                &Cut {
                    t: second * 1_000_000,
                    cut_no: number,
                    epoch: 1,
                    shards: vec![head],
                    erase_generation: None,
                    capsule_hash: None,
                    row_tags: None,
                    rows: None,
                },
            );
        }
        let objects = Objects::default();
        for (index, (second, op)) in (0..).zip(entries) {
            let entry = Entry::new(second * 1_000_000, 1, *op, Ended::Ok);
            scan.entry(&SeenEntry { shard: 1, index, entry: &entry, facts: &[], objects: &objects });
        }
        scan.finish(verified)
    }

    fn of<'e>(evaluation: &'e Evaluation, control: &str) -> &'e ControlResult {
        evaluation.results.iter().find(|result| result.control.to_string() == control).unwrap()
    }

    /// The controls that read as satisfied.
    fn satisfied(evaluation: &Evaluation) -> BTreeSet<String> {
        let satisfied = evaluation.results.iter().filter(|result| result.result.is_satisfied());
        satisfied.map(|result| result.control.to_string()).collect()
    }

    const LOG: [(u64, Op); 3] = [(1, Op::NodeStart), (12, Op::SelfTest), (15, Op::SelfTest)];

    #[test]
    fn what_was_cut_counts_whatever_its_clock_said_and_what_came_later_does_not() {
        let seen = |to: u64, cuts: &[(u64, u64)], entries: &[(u64, Op)]| {
            let evaluation = evaluated((2, to), cuts, entries, &Verified::default());
            of(&evaluation, "AUD-02").figures.get("entries").copied().unwrap_or_default()
        };
        assert_eq!(seen(20, &[(1, 1), (20, 3)], &LOG), 2, "the first one is before the period");
        // A clock that is a day ahead.
        let ahead = [LOG[0], (86_412, Op::SelfTest), (15, Op::SelfTest), (16, Op::SelfTest)];
        assert_eq!(
            seen(20, &[(1, 1), (20, 3)], &ahead),
            3,
            "the last one is not cut, and its clock is not behind the end"
        );
        assert_eq!(seen(13, &[(1, 1), (20, 3)], &ahead), 0, "none was cut by then");
        assert_eq!(seen(13, &[(1, 1), (13, 2), (20, 3)], &ahead), 1);
    }

    #[test]
    fn what_came_behind_a_cut_is_not_put_before_it_by_a_clock_that_is_behind() {
        let seen = |to: u64, cuts: &[(u64, u64)], entries: &[(u64, Op)]| {
            let evaluation = evaluated((10, to), cuts, entries, &Verified::default());
            of(&evaluation, "AUD-02").figures.get("entries").copied().unwrap_or_default()
        };
        // The last one says that it is of the time before the period, in which it was not there yet.
        let behind = [LOG[0], (12, Op::SelfTest), (5, Op::SelfTest)];
        let cuts = [(1, 1), (11, 1), (13, 2), (20, 3)];
        assert_eq!(seen(20, &cuts, &behind), 2);
        assert_eq!(seen(20, &[(1, 1), (20, 3)], &behind), 1, "no cut shows that it came so late");
        // And here that it is of the period, behind whose end it came.
        let late = [LOG[0], (12, Op::SelfTest), (12, Op::SelfTest)];
        assert_eq!(seen(13, &[(1, 1), (13, 2), (14, 2), (20, 3)], &late), 1);
        assert_eq!(seen(13, &cuts, &late), 2, "no cut shows that it came so late");
    }

    #[test]
    fn nothing_passes_of_a_time_that_the_log_does_not_tell_of() {
        let cuts = [(1, 1), (20, 3)];
        let verified = Verified::default();
        let none = BTreeSet::new();
        assert!(satisfied(&evaluated((0, 20), &cuts, &LOG, &verified)).contains("GOV-09"));
        let before = evaluated((0, 0), &cuts, &LOG, &verified);
        assert_eq!((satisfied(&before), before.known_from), (none.clone(), Some(at(1))));
        assert_eq!(satisfied(&evaluated((0, 20), &[], &[], &verified)), none);
        let broken = Verified { findings: vec![Finding::RootLogAltered], ..Verified::default() };
        assert_eq!(satisfied(&evaluated((0, 20), &cuts, &LOG, &broken)), none);
        let several = Verified { shards: [(1, 3), (2, 1)].into(), ..Verified::default() };
        let of_the_log = BTreeSet::from(["AUD-03".to_owned()]);
        assert_eq!(satisfied(&evaluated((0, 20), &cuts, &LOG, &several)), of_the_log);
    }

    #[test]
    fn what_an_older_release_kept_no_facts_of_is_not_decided() {
        let entries = [LOG[0], (10, Op::RecordState), (14, Op::RecordState), (15, Op::SelfTest)];
        let verified = Verified { unknown_before: 3, ..Verified::default() };
        let result = |from: u64, to: u64, mode: Mode| {
            let evaluation = evaluated((from, to), &[(1, 1), (20, 4)], &entries, &verified);
            assert_eq!(evaluation.known_from, Some(at(14)));
            // It has no subject, and so nothing but the doubt decides it.
            let mut of_mode = evaluation.results.iter().filter(|result| result.mode == mode);
            of_mode.any(|result| result.result == Verdict::NotApplicable)
        };
        assert!(result(14, 20, Mode::State) && result(14, 20, Mode::Period));
        assert!(result(2, 20, Mode::State) && !result(2, 20, Mode::Period));
        // The state was half recorded.
        assert!(!result(2, 12, Mode::State) && !result(12, 12, Mode::Period));
    }

    #[test]
    fn a_parameter_that_was_not_taken_changed_or_does_not_read_passes_nothing_that_goes_by_it() {
        let catalogue = Catalogue::load().unwrap();
        let object = Object::Declaration(DeclarationId::from_bytes([7; 16]));
        let declared = |second: u64| {
            let (name, value) = ("exception_max_days".parse().unwrap(), "30".parse().unwrap());
            let row = OpenDeclaration {
                declared: declaration::Declared::Parameter(Parameter { name, value, effective_from: at(0) }),
                declared_by: PrincipalId::from_bytes([1; 16]),
                declared_at: at(second),
                withdrawn_at: None,
            };
            Some(OpenRow::Declaration(Box::new(row)))
        };
        let results = |row: Option<OpenRow>, taken: &Declared| {
            let period = Period { from: at(2), to: at(20) };
            let mut scan = Scan::new(&catalogue, None, period).with(taken);
            let (objects, entry) = (Objects::default(), Entry::new(1_000_000, 1, Op::NodeStart, Ended::Ok));
            scan.entry(&SeenEntry { shard: 1, index: 0, entry: &entry, facts: &[], objects: &objects });
            match row {
                Some(row) => scan.estate.put(object, Some(row)),
                None => scan.estate.cannot_read(object),
            }
            let evaluation = scan.finish(&Verified::default());
            let of_it = evaluation.results.iter().filter(|one| one.control.to_string() == "GOV-09");
            of_it.map(|one| (one.mode, one.result)).collect::<BTreeMap<_, _>>()
        };
        let both = |state, period| BTreeMap::from([(Mode::State, state), (Mode::Period, period)]);
        let (holds, unknown) = (Verdict::NotApplicable, Verdict::Indeterminate);
        let (none, taken) = (Declared::new(), Declared::from([("exception_max_days".into(), "30".into())]));
        assert_eq!(results(declared(1), &taken), both(holds, holds));
        assert_eq!(results(declared(1), &none), both(unknown, unknown));
        assert_eq!(results(declared(10), &taken), both(holds, unknown));
        assert_eq!(results(declared(30), &none), both(holds, holds), "it is of a later time");
        assert_eq!(results(None, &none), both(unknown, unknown));
    }

    #[test]
    fn fail_comes_before_doubt_and_doubt_before_what_is_missing() {
        let period = Period { from: at(0), to: at(20) };
        let subject = || Subject::named("it");
        let verdict_of = |judgement: Judgement, doubt: Option<&str>, emptiness: Emptiness| {
            let mut ledger = Ledger::new(period);
            ledger.judge(subject(), at(5), judgement);
            let outcome = Outcome::of(ledger, "it holds").needs("ATT-IT").when_empty(emptiness);
            let said = outcome.ledger.of_state();
            let is_empty = said.population.subjects == 0;
            let missing = if is_empty { BTreeSet::new() } else { outcome.attestations.clone() };
            verdict(&said, &outcome, doubt, &missing).0
        };
        let (none, some) = (None, Some("the log does not hold"));
        let (violated, unknown) = (Judgement::violated("it broke"), Judgement::unknown("nobody said"));
        for (judgement, doubt, emptiness, expected) in [
            (violated, some, Emptiness::NotApplicable, Verdict::Fail),
            (Judgement::Holds, some, Emptiness::NotApplicable, Verdict::Indeterminate),
            (unknown, none, Emptiness::NotApplicable, Verdict::Indeterminate),
            (Judgement::Holds, none, Emptiness::NotApplicable, Verdict::NeedsAttestation),
            (Judgement::OutOfScope, some, Emptiness::NotApplicable, Verdict::Indeterminate),
            (Judgement::OutOfScope, none, Emptiness::NotApplicable, Verdict::NotApplicable),
            (Judgement::OutOfScope, none, Emptiness::Unknown("there should be one"), Verdict::Indeterminate),
            (Judgement::OutOfScope, none, Emptiness::Passes, Verdict::Pass),
        ] {
            let shown = format!("{judgement:?}, {doubt:?}, {emptiness:?}");
            assert_eq!(verdict_of(judgement, doubt, emptiness), expected, "{shown}");
        }
    }

    #[test]
    fn a_framework_has_its_controls_and_the_core_alone_and_comes_to_the_same_of_them() {
        let catalogue = Catalogue::load().unwrap();
        let period = Period { from: at(0), to: at(20) };
        let all = Scan::new(&catalogue, None, period).finish(&Verified::default());
        let framework = catalogue.find_framework("nydfs").unwrap();
        let some = Scan::new(&catalogue, Some(framework), period).finish(&Verified::default());
        assert_eq!(some.framework.as_deref(), Some("nydfs"));
        let profile = catalogue.profile(framework);
        let of_all = all.results.iter().filter(|result| profile.contains(&result.control));
        let named = |result: &ControlResult| (result.control, result.mode, result.result);
        assert_eq!(some.results.iter().map(named).collect::<Vec<_>>(), of_all.map(named).collect::<Vec<_>>());
    }
}
