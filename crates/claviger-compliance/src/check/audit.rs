//! Checks of the log itself.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use claviger_audit::cut::ShardState;
use claviger_audit::fact::{Object, OpenPrincipal};
use claviger_audit::verify::{Finding, Verified};
use claviger_audit::{Entry, Op, Outcome as Ended};
use claviger_core::principal::{Role, Status};
use claviger_core::target::TargetKind;
use claviger_core::{GrantId, PrincipalId, Timestamp};

use super::common::is_unreadable;
use super::rules::{Rules, administers};
use super::{Check, CutSeen, End, Event, is_of_state};
use crate::detector::{Kind, scan_entry, scan_fact};
use crate::evaluation::{Emptiness, Estate, Judgement, Ledger, Outcome, Period, Setting, Subject};

pub(super) const CHECKS: super::Checks = &[
    ("AUD-01", |setting| Box::new(Reconciled::new(setting))),
    ("AUD-02", |setting| Box::new(WholeRecords::new(setting))),
    ("AUD-03", |setting| Box::new(TamperEvident::new(setting))),
    ("AUD-04", |setting| Box::new(Anchored::new(setting))),
    ("AUD-05", |setting| Box::new(NoGaps::new(setting))),
    ("AUD-06", |setting| Box::new(LogReaders::new(setting))),
    ("AUD-07", |setting| Box::new(Retention::new(setting))),
    ("AUD-10", |setting| Box::new(LiveState::new(setting))),
    ("AUD-11", |setting| Box::new(NoSecrets::new(setting))),
];

/// What is done to read the log, and to hand it on under a signature.
const READS: [Op; 5] = [Op::ReadAudit, Op::ExportAudit, Op::SearchAudit, Op::DiscloseAudit, Op::SignEvidence];
/// What the house does of itself, without a session: at set-up and recovery, and when something is due.
const OF_HOUSE: [Op; 11] = [
    Op::CreateCredential,
    Op::CreatePrincipal,
    Op::DeactivateKey,
    Op::DeactivateVersion,
    Op::DestroyKey,
    Op::Initialize,
    Op::Recover,
    Op::RemoveImportedMaterial,
    Op::RotateKey,
    Op::ScanStore,
    Op::Snapshot,
];
/// What says that something of the log is not there, and not that anything is another than it was.
const MISSING: [&str; 2] = ["entries-missing", "file-missing"];
/// What breaks the sequence of entries, or says that something happened without one.
const BREAKS: [&str; 12] = [
    "cut-out-of-order",
    "entries-altered",
    "entries-missing",
    "entry-out-of-order",
    "fact-missing",
    "forked",
    "released-unrecorded",
    "rolled-back",
    "root-log-altered",
    "shard-dropped",
    "shard-forked",
    "shard-went-back",
];
/// What is wrong with the sessions that entries name.
const OF_SESSIONS: [&str; 3] = ["session-altered", "session-missing", "session-unknown"];

/// The first finding of some codes, and how many there are.
fn first_of(verified: &Verified, is_meant: impl Fn(&str) -> bool) -> Option<(&Finding, usize)> {
    let mut findings = verified.findings.iter().filter(|finding| is_meant(finding.code()));
    let first = findings.next()?;
    Some((first, 1 + findings.count()))
}

/// What is said of such findings.
fn told((first, number): (&Finding, usize)) -> String {
    let code = first.code();
    match number {
        1 => format!("{code}: {first}"),
        more => format!("{code}: {first}, and {} more findings", more - 1),
    }
}

/// Judges that something is not known.
fn not_known(ledger: &mut Ledger, what: &str, at: Timestamp, why: impl Into<String>) {
    ledger.judge(Subject::named(what), at, Judgement::unknown(why));
}

/// A time without a cut that was longer than it may be, or that goes on.
#[derive(Debug)]
struct Silence {
    /// The first entry in it.
    first: u64,
    /// The cut that ends it.
    to: Timestamp,
    /// Since when the node has been at work in it.
    since: Option<Timestamp>,
    /// The newest entry.
    last: Option<Timestamp>,
    /// Has the node said that it stops?
    is_stopped: bool,
    /// The longest time in it that a node was at work.
    longest: Duration,
}

impl Silence {
    const fn new(from: Option<Timestamp>, to: Timestamp, first: u64) -> Self {
        Self { first, to, since: from, last: None, is_stopped: false, longest: Duration::ZERO }
    }

    fn see(&mut self, op: Op, at: Timestamp) {
        if op == Op::NodeStart {
            // The time between an end and a start is nobody's.
            if let (Some(since), Some(last)) = (self.since, self.last) {
                self.longest = self.longest.max(last.since(since));
            }
            self.since = Some(at);
            self.is_stopped = false;
        }
        self.since.get_or_insert(at);
        self.is_stopped |= op == Op::NodeStop;
        self.last = Some(at);
    }

    /// The longest time in it that a node was at work, if it goes on until then.
    fn longest_until(&self, to: Timestamp) -> Duration {
        let (Some(since), Some(last)) = (self.since, self.last) else { return self.longest };
        let end = if self.is_stopped { last } else { last.max(to) };
        self.longest.max(end.since(since))
    }
}

/// Times without a cut that were longer than a limit.
#[derive(Debug)]
struct Silences {
    limit: Duration,
    cuts: u64,
    newest: Option<Timestamp>,
    /// Sizes of shards at the newest cut.
    sizes: BTreeMap<u32, u64>,
    /// Those in which a shard grew, by the shard and its size at their ends.
    found: BTreeMap<(u32, u64), Silence>,
    /// Those in which nothing was recorded: begin and end.
    quiet: BTreeSet<(Timestamp, Timestamp)>,
    /// What is recorded behind the newest cut, by shard.
    uncut: BTreeMap<u32, Silence>,
    /// Shards whose node has said that it stops.
    stopped: BTreeSet<u32>,
}

/// A time without a cut in which entries were recorded for longer than the limit.
#[derive(Debug)]
struct TooLong {
    shard: u32,
    /// The first of the entries.
    entry: u64,
    at: Timestamp,
    length: Duration,
}

impl TooLong {
    fn subject(&self) -> Subject {
        Subject::named(format!("entries from {} on of shard {}", self.entry, self.shard))
    }
}

impl Silences {
    const fn longer_than(limit: Duration) -> Self {
        Self {
            limit,
            cuts: 0,
            newest: None,
            sizes: BTreeMap::new(),
            found: BTreeMap::new(),
            quiet: BTreeSet::new(),
            uncut: BTreeMap::new(),
            stopped: BTreeSet::new(),
        }
    }

    fn cut(&mut self, seen: &CutSeen<'_>) {
        self.cuts += 1;
        let before = self.newest.replace(seen.at);
        let is_long = before.is_none_or(|before| seen.at.since(before) > self.limit);
        for head in &seen.cut.shards {
            let first = self.sizes.insert(head.shard, head.size).unwrap_or_default();
            if !is_long {
                continue;
            }
            if head.size > first {
                self.found.insert((head.shard, head.size), Silence::new(before, seen.at, first));
            } else if head.state == ShardState::Active
                && let Some(before) = before
            {
                self.quiet.insert((before, seen.at));
            }
        }
    }

    fn see(&mut self, event: &Event<'_>) {
        let (shard, op) = (event.shard, event.entry.op);
        match op {
            Op::NodeStart => {
                self.stopped.remove(&shard);
            }
            Op::NodeStop => {
                self.stopped.insert(shard);
            }
            _ => {}
        }
        let is_cut = self.sizes.get(&shard).is_some_and(|size| event.index < *size);
        let behind = (Bound::Excluded((shard, event.index)), Bound::Unbounded);
        let next = self.found.range_mut(behind).next();
        let silence = next.filter(|((of, _), silence)| *of == shard && silence.first <= event.index);
        let newest = self.newest;
        match silence {
            Some((_, silence)) => silence.see(op, event.at),
            None if is_cut => {}
            None => {
                let uncut = self.uncut.entry(shard);
                uncut.or_insert_with(|| Silence::new(newest, event.at, event.index)).see(op, event.at);
            }
        }
    }

    /// Those in which entries were recorded for longer than the limit, at an instant.
    fn too_long(&self, as_of: Timestamp) -> Vec<TooLong> {
        let ended = self.found.iter().map(|((shard, _), silence)| (*shard, silence, silence.to));
        let open = self.uncut.iter().map(|(shard, silence)| (*shard, silence, as_of));
        let all = ended.chain(open).map(|(shard, silence, at)| {
            let length = silence.longest_until(at);
            TooLong { shard, entry: silence.first, at, length }
        });
        all.filter(|found| found.length > self.limit).collect()
    }

    /// Does the log end, without a stop, longer than the limit before the instant?
    fn ends_early(&self, as_of: Timestamp) -> bool {
        self.newest.is_none_or(|newest| as_of.since(newest) > self.limit)
            && self.uncut.is_empty()
            && !self.sizes.keys().all(|shard| self.stopped.contains(shard))
    }
}

/// AUD-01.
struct Reconciled {
    ledger: Ledger,
    period: Period,
    /// Results of uses that entries record since the newest start of each node, by its shard.
    recorded: BTreeMap<u32, BTreeMap<Op, u64>>,
    /// How many of them lie behind the newest count of each node.
    uncounted: BTreeMap<u32, u64>,
    /// How many lay behind the last count of nodes that were started again.
    never_counted: u64,
    counts: u64,
}

impl Reconciled {
    fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            recorded: BTreeMap::new(),
            uncounted: BTreeMap::new(),
            never_counted: 0,
            counts: 0,
        }
    }
}

/// Are its results counted where they leave?
fn is_counted(op: Op) -> bool {
    op.uses_material() || op == Op::Random
}

/// Reads `encrypt=12`.
fn read_count(word: &str) -> Option<(Op, u64)> {
    let (op, number) = word.split_once('=')?;
    Some((Op::from_name(op)?, number.parse().ok()?))
}

impl Check for Reconciled {
    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        let op = event.entry.op;
        if op == Op::NodeStart {
            self.recorded.remove(&event.shard);
            let lost = self.uncounted.remove(&event.shard).unwrap_or_default();
            self.never_counted += if self.period.holds(event.at) { lost } else { 0 };
        } else if event.entry.out == Ended::Ok && is_counted(op) {
            *self.recorded.entry(event.shard).or_default().entry(op).or_default() += 1;
            *self.uncounted.entry(event.shard).or_default() += 1;
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        let Object::Node(id) = object else { return };
        if event.entry.op != Op::ReleasedResults || is_unreadable(&mut self.ledger, object, event.at, estate)
        {
            return;
        }
        let Some(node) = estate.nodes.get(&id) else { return };
        self.counts += u64::from(self.period.holds(event.at));
        self.uncounted.remove(&event.shard);
        for word in &node.released {
            let Some((op, released)) = read_count(word) else {
                let because = format!("it counts `{word}`, which is no operation of the log");
                self.ledger.happened(object, event.at, event.index, Some(because));
                continue;
            };
            let recorded = self.recorded.get(&event.shard).and_then(|recorded| recorded.get(&op));
            let recorded = recorded.copied().unwrap_or_default();
            let because = (released > recorded).then(|| {
                format!("{released} results of `{op}` left the node since its start, and the log records {recorded}")
            });
            let subject = Subject::named(format!("{object} {op}"));
            self.ledger.happened(subject, event.at, event.index, because);
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let to = end.setting.as_of();
        let why = "no operations are made whose absence from the log would show what it leaves out";
        not_known(&mut self.ledger, "canaries", to, why);
        let why = "only results of uses are counted where they leave: changes, refusals and reads of metadata are not";
        not_known(&mut self.ledger, "operations other than uses", to, why);
        if self.never_counted > 0 {
            let why = format!(
                "{} recorded results lie behind the last count of a node that was started again without another one",
                self.never_counted
            );
            not_known(&mut self.ledger, "results before a restart", to, why);
        }
        Outcome::of(self.ledger, "no more results left a node than entries record")
            .figure("counts_compared", self.counts)
            .figure("results_behind_last_count", self.uncounted.values().sum())
            .note("more may be recorded than left: a caller that went away is recorded, and gets nothing")
            .note("no operation can be left out of the log by configuration")
    }
}

/// AUD-02.
struct WholeRecords {
    ledger: Ledger,
    period: Period,
    /// Operations that an entry was found whole of.
    seen: BTreeSet<Op>,
    entries: u64,
    lacking: u64,
    of_house: u64,
    /// Sessions that say nothing of who is behind them.
    bare_sessions: u64,
    nobodys: u64,
}

impl WholeRecords {
    fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            seen: BTreeSet::new(),
            entries: 0,
            lacking: 0,
            of_house: 0,
            bare_sessions: 0,
            nobodys: 0,
        }
    }
}

/// Is it an act of the house? What it did, a rule permitted; a snapshot and a scan are asked of nobody.
fn is_of_house(entry: &Entry<'_>) -> bool {
    let is_asked = !matches!(entry.op, Op::ScanStore | Op::Snapshot);
    let is_permitted = !is_asked || entry.out != Ended::Ok || entry.pol.is_some();
    entry.ses.is_none() && OF_HOUSE.contains(&entry.op) && is_permitted
}

/// What an entry lacks. Operation and outcome stand in each: others do not decode.
fn lacking(entry: &Entry<'_>) -> Option<&'static str> {
    if entry.t == 0 {
        return Some("a time");
    }
    match entry.op {
        Op::AuthenticationFailure => {
            return Some("an origin: it names the credential, and not where the call came from");
        }
        Op::MalformedRequest if entry.ses.is_none() => return Some("an actor: it names no session"),
        Op::Session if entry.act.is_none() => return Some("an actor"),
        _ => {}
    }
    let action = entry.op.action()?;
    if entry.ses.is_none() && !is_of_house(entry) {
        return Some("an actor: it names no session, and is no act of the house");
    }
    // What was refused may not have come to what it was about.
    if entry.out != Ended::Ok {
        return None;
    }
    let has_object = match action.target_kind() {
        TargetKind::Key => entry.key.is_some(),
        TargetKind::Grant | TargetKind::Principal | TargetKind::Ring => {
            entry.key.is_some() || entry.reference.is_some() || entry.fct.is_some()
        }
        TargetKind::System => true,
    };
    (!has_object).then_some("what it was done to")
}

impl Check for WholeRecords {
    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        if !self.period.holds(event.at) {
            return;
        }
        let entry = event.entry;
        self.entries += 1;
        self.of_house += u64::from(entry.op.action().is_some() && is_of_house(entry));
        self.bare_sessions += u64::from(entry.op == Op::Session && entry.session_commitment().is_none());
        self.nobodys += u64::from(entry.op == Op::UnauthenticatedCount);
        let lacks = lacking(entry);
        if lacks.is_some() {
            self.lacking += 1;
        } else if !self.seen.insert(entry.op) {
            return;
        }
        let because = lacks.map(|what| format!("its entry lacks {what}"));
        self.ledger.happened(Subject::named(entry.op.name()), event.at, event.index, because);
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let to = end.setting.as_of();
        let wrong = first_of(end.verified, |code| OF_SESSIONS.contains(&code));
        let sessions = match wrong {
            Some(wrong) => Judgement::violated(told(wrong)),
            None if self.bare_sessions > 0 => Judgement::unknown(format!(
                "{} sessions do not commit to who is behind them: an older release recorded them",
                self.bare_sessions
            )),
            None if self.entries == 0 => Judgement::OutOfScope,
            None => Judgement::Holds,
        };
        self.ledger.judge(Subject::named("sessions"), to, sessions);
        if self.nobodys > 0 {
            let why = "calls without a credential are counted by listener each second: where each came from is not kept";
            not_known(&mut self.ledger, "calls without a credential", to, why);
        }
        Outcome::of(self.ledger, "every entry says what was done, when, how it ended, in whose session and to what")
            .figure("entries", self.entries)
            .figure("entries_lacking", self.lacking)
            .figure("entries_of_house", self.of_house)
            .note("an entry names its session, and the session commits to principal, credential, method and origin, sealed: that these are a principal of that time and a known origin, a disclosure of the range shows, and is checked against the log")
            .note("an act without a session, of the kinds that the service does of itself, is the house's")
    }
}

/// AUD-03.
struct TamperEvident {
    ledger: Ledger,
    silences: Silences,
}

impl TamperEvident {
    fn new(setting: &Setting<'_>) -> Self {
        let limit = setting.seconds("checkpoint_s").saturating_mul(5);
        Self { ledger: setting.ledger(), silences: Silences::longer_than(limit) }
    }

    fn of_log(&self, verified: &Verified) -> Judgement {
        if let Some(wrong) = first_of(verified, |code| !is_of_state(code) && !MISSING.contains(&code)) {
            return Judgement::violated(told(wrong));
        }
        if let Some(missing) = first_of(verified, |code| MISSING.contains(&code)) {
            return Judgement::unknown(told(missing));
        }
        match self.silences.cuts {
            0 => Judgement::unknown("it has no checkpoint of that time"),
            _ => Judgement::Holds,
        }
    }
}

impl Check for TamperEvident {
    fn cut(&mut self, cut: &CutSeen<'_>) {
        self.silences.cut(cut);
    }

    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        self.silences.see(event);
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let to = end.setting.as_of();
        let of_log = self.of_log(end.verified);
        self.ledger.judge(Subject::named("log"), to, of_log);
        for found in self.silences.too_long(to) {
            let seconds = found.length.as_secs();
            let because = format!("no checkpoint was made for {seconds} s while entries were recorded");
            self.ledger.happened(found.subject(), found.at, found.entry, Some(because));
        }
        if self.silences.ends_early(to) {
            let why = "the newest checkpoint lies long before the end of the period, and the node had not stopped: what came behind it is not here";
            not_known(&mut self.ledger, "end of the log", to, why);
        }
        Outcome::of(self.ledger, "all entries are those that signed checkpoints commit to, each one grown from the one before")
            .figure("checkpoints", self.silences.cuts)
            .figure("entries_verified", end.verified.entries())
            .note("the key that signs checkpoints is in the root, and no call of anybody uses it for anything else; it has no period of validity of its own")
            .note("that nobody keeps a second log under the same key, checkpoints show that others hold: `claviger-verify --known-checkpoint`")
    }
}

/// AUD-04.
struct Anchored {
    ledger: Ledger,
}

impl Anchored {
    fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger() }
    }
}

impl Check for Anchored {
    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        let Object::Node(id) = object else { return };
        if is_unreadable(&mut self.ledger, object, event.at, estate) {
            return;
        }
        let Some(node) = estate.nodes.get(&id) else { return };
        let judgement = if node.mode == "insecure" {
            Judgement::unknown(
                "self-anchored only, which its insecure mode may be; whether its log is copied off the host is not kept",
            )
        } else {
            Judgement::violated(
                "self-anchored only: nobody but the operator signs its checkpoints or stamps their time, and no other host says that it has a copy",
            )
        };
        self.ledger.judge(object, event.at, judgement);
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "checkpoints are anchored, and the log is copied off the host")
            .when_empty(Emptiness::Unknown("no node has said what it is"))
            .needs("ATT-WITNESS-INDEPENDENT")
            .note("self-anchored only: this release knows no witness and no copy of the log on another host")
    }
}

/// AUD-05.
struct NoGaps {
    ledger: Ledger,
    period: Period,
    silences: Silences,
    /// Shards whose node has started and has not said that it stops.
    running: BTreeSet<u32>,
    /// Starts that no stop came before.
    after_no_stop: u64,
}

impl NoGaps {
    fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            silences: Silences::longer_than(setting.seconds("heartbeat_s")),
            running: BTreeSet::new(),
            after_no_stop: 0,
        }
    }
}

impl Check for NoGaps {
    fn cut(&mut self, cut: &CutSeen<'_>) {
        self.silences.cut(cut);
    }

    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        self.silences.see(event);
        match event.entry.op {
            Op::AcceptLostTail => {
                let because = "the newest part of it was lost, and the node served on".to_owned();
                self.ledger.happened(Subject::named("log"), event.at, event.index, Some(because));
            }
            Op::NodeStart => {
                let had_not_stopped = !self.running.insert(event.shard);
                self.after_no_stop += u64::from(had_not_stopped && self.period.holds(event.at));
            }
            Op::NodeStop => {
                self.running.remove(&event.shard);
            }
            _ => {}
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let to = end.setting.as_of();
        if let Some(broken) = first_of(end.verified, |code| BREAKS.contains(&code)) {
            self.ledger.judge(Subject::named("log"), to, Judgement::violated(told(broken)));
        }
        for found in self.silences.too_long(to) {
            let seconds = found.length.as_secs();
            let because =
                format!("no heartbeat for {seconds} s while the node was at work: the log was not cut");
            self.ledger.happened(found.subject(), found.at, found.entry, Some(because));
        }
        let quiet = self.silences.quiet.iter().filter(|(_, until)| self.period.holds(*until)).count();
        if quiet > 0 {
            let why = format!(
                "{quiet} times the log was neither cut nor written for too long, without a stop: whether calls were served meanwhile, nothing shows"
            );
            not_known(&mut self.ledger, "silence", to, why);
        }
        if self.silences.ends_early(to) {
            let why = "the log ends long before the end of the period, and the node had not stopped";
            not_known(&mut self.ledger, "end of the log", to, why);
        }
        if self.after_no_stop > 0 {
            let why = format!(
                "{} times a node started that had not said that it stops: what ended it is not kept",
                self.after_no_stop
            );
            not_known(&mut self.ledger, "ends without a stop", to, why);
        }
        let why = "failures of logging have no records with begin, end, cause and remedy, and nobody is alerted of them yet";
        not_known(&mut self.ledger, "failures of logging", to, why);
        Outcome::of(self.ledger, "nothing happened without an entry, and logging never ceased while a node was at work")
            .figure("starts_without_a_stop_before", self.after_no_stop)
            .figure("silences", u64::try_from(quiet).unwrap_or(u64::MAX))
            .note("it fails closed: no result leaves and no row is written before its entry is durable; there is no setting for it, and no pause")
            .note("the cuts of the log are its heartbeat: an idle node makes one each minute")
    }
}

/// AUD-06.
struct LogReaders {
    ledger: Ledger,
    period: Period,
    allowed: BTreeSet<Role>,
    /// The roles to which the policy of this release gives the log to read.
    reading: BTreeSet<Role>,
    rules: Rules,
    /// Grants to administer keys, by who holds them.
    administering: BTreeMap<PrincipalId, BTreeSet<GrantId>>,
    reads: BTreeMap<Op, u64>,
    refused: u64,
}

impl LogReaders {
    fn new(setting: &Setting<'_>) -> Self {
        let allowed = setting.catalogue.find_parameter("audit_reader_roles");
        let allowed = allowed.map_or("", |parameter| parameter.default.as_str());
        let rules = Rules::read();
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            allowed: allowed.split(", ").filter_map(|role| role.parse().ok()).collect(),
            reading: rules.roles_that(|action| READS.contains(&action.into())),
            rules,
            administering: BTreeMap::new(),
            reads: BTreeMap::new(),
            refused: 0,
        }
    }

    fn judge(&mut self, id: PrincipalId, at: Timestamp, estate: &Estate) {
        let Some(principal) = estate.principals.get(&id) else { return };
        let reads = principal.roles.iter().any(|role| self.reading.contains(role));
        let judgement = if reads && principal.status == Status::Active {
            Judgement::of(self.conflict(id, principal, at, estate))
        } else {
            Judgement::OutOfScope
        };
        self.ledger.judge(Object::Principal(id), at, judgement);
    }

    /// What one who reads the log must not have beside.
    fn conflict(
        &self,
        id: PrincipalId,
        principal: &OpenPrincipal,
        at: Timestamp,
        estate: &Estate,
    ) -> Option<String> {
        if let Some(role) = principal.roles.iter().find(|role| !self.allowed.contains(role)) {
            return Some(format!("it reads the log, and holds role {role}"));
        }
        let mut grants = self.administering.get(&id)?.iter();
        let grant = grants.find(|grant| {
            estate.grants.get(*grant).is_some_and(|grant| {
                grant.status == Status::Active && grant.until.is_none_or(|until| until > at)
            })
        })?;
        Some(format!("it reads the log, and administers keys by grant {grant}"))
    }
}

impl Check for LogReaders {
    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        let op = event.entry.op;
        if READS.contains(&op) && self.period.holds(event.at) {
            if event.entry.out == Ended::Ok {
                *self.reads.entry(op).or_default() += 1;
            } else {
                self.refused += 1;
            }
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Grant(_) | Object::Node(_) | Object::Principal(_)
                if is_unreadable(&mut self.ledger, object, event.at, estate) => {}
            Object::Principal(id) => self.judge(id, event.at, estate),
            Object::Grant(id) => {
                let Some(grant) = estate.grants.get(&id) else { return };
                if grant.operations.iter().any(|action| administers(*action)) {
                    self.administering.entry(grant.principal).or_default().insert(id);
                    self.judge(grant.principal, event.at, estate);
                }
            }
            Object::Node(id) => {
                let Some(node) = estate.nodes.get(&id) else { return };
                let judgement = if self.rules.are_those_of(&node.policy) {
                    Judgement::Holds
                } else {
                    Judgement::unknown(
                        "it decides by another built-in policy than that of this release: who reads the log by that is not known here",
                    )
                };
                self.ledger.judge(object, event.at, judgement);
            }
            _ => {}
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let to = end.setting.as_of();
        let holders: Vec<_> = self.administering.keys().copied().collect();
        for holder in holders {
            self.judge(holder, to, end.estate);
        }
        if end.estate.nodes.is_empty() && !end.estate.principals.is_empty() {
            let why = "no node has said by which policy it decides";
            not_known(&mut self.ledger, "policy", to, why);
        }
        let mut outcome = Outcome::of(self.ledger, "only who should reads the log, and nobody can change it")
            .figure("reads_refused", self.refused)
            .note("no action changes, deletes or shortens the log, so that nobody can be given it; whoever has the machine can, and is found out by AUD-03")
            .note("reads and exports are calls like any other, recorded before they are answered; a copy of the store that is taken on the machine is not a call")
            .note("nobody is given the log by a grant: it is read by role alone");
        for op in READS {
            let number = self.reads.get(&op).copied().unwrap_or_default();
            outcome = outcome.figure(&format!("entries_{op}"), number);
        }
        outcome
    }
}

/// AUD-07.
struct Retention {
    ledger: Ledger,
    /// Shards whose first entry was seen.
    seen: BTreeSet<u32>,
    has_cuts: bool,
}

impl Retention {
    fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger(), seen: BTreeSet::new(), has_cuts: false }
    }
}

impl Check for Retention {
    fn cut(&mut self, cut: &CutSeen<'_>) {
        if std::mem::replace(&mut self.has_cuts, true) {
            return;
        }
        let because = (cut.number != 0).then(|| format!("its oldest checkpoint is number {}", cut.number));
        self.ledger.judge(Subject::named("checkpoints"), cut.at, Judgement::of(because));
    }

    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        if !self.seen.insert(event.shard) {
            return;
        }
        let op = event.entry.op;
        let because = if event.index != 0 {
            Some(format!("its oldest entry is number {}, and nothing prunes it", event.index))
        } else if !matches!(op, Op::Initialize | Op::NodeStart) {
            Some(format!("its first entry is `{op}`, with which no log begins"))
        } else {
            None
        };
        let subject = Subject::named(format!("log of shard {}", event.shard));
        self.ledger.judge_by(subject, event.at, Judgement::of(because), Some(event.index));
    }

    fn end(self: Box<Self>, end: &End<'_>) -> Outcome {
        let age = end.first.map_or(Duration::ZERO, |first| end.setting.as_of().since(first));
        Outcome::of(self.ledger, "the log is there from its first entry on")
            .when_empty(Emptiness::Unknown("the log has neither entries nor checkpoints of that time"))
            .figure("days_kept", age.as_secs() / 86_400)
            .figure("days_to_be_kept", end.setting.number("log_retention_days"))
            .figure("entries_kept", end.verified.entries())
            .note("nothing is pruned: all of the log is in the store, and all of it can be searched there")
            .note("that no older log was thrown away as a whole, a checkpoint shows that others hold: `claviger-verify --known-checkpoint`")
    }
}

/// AUD-10.
struct LiveState {
    ledger: Ledger,
    oldest: Duration,
    /// When the newest snapshot was recorded.
    snapshot: Option<Timestamp>,
}

impl LiveState {
    fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger(), oldest: setting.hours("snapshot_max_age_h"), snapshot: None }
    }

    /// Of snapshots; before the first one is due, there is nothing to say.
    fn of_snapshots(&self, end: &End<'_>) -> Judgement {
        if let Some(wrong) = first_of(end.verified, |code| code == "snapshot-differs") {
            return Judgement::violated(told(wrong));
        }
        let hours = self.oldest.as_secs() / 3600;
        match self.snapshot.or(end.first) {
            Some(since) if end.setting.as_of() <= since.after(self.oldest) => {
                if self.snapshot.is_some() {
                    Judgement::Holds
                } else {
                    Judgement::OutOfScope
                }
            }
            _ => Judgement::unknown(format!("the log does not commit to the state of the last {hours} h")),
        }
    }
}

impl Check for LiveState {
    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        if event.entry.op == Op::Snapshot && event.entry.out == Ended::Ok {
            self.snapshot = Some(event.at);
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let (to, verified) = (end.setting.as_of(), end.verified);
        let mut differs = false;
        for finding in &verified.findings {
            if let Finding::StateDiffers { object, field } = finding {
                differs = true;
                let because = format!("live is another {field} than the log yields");
                self.ledger.judge(*object, to, Judgement::violated(because));
            }
        }
        let broken = first_of(verified, |code| !is_of_state(code) && code != "snapshot-differs");
        let live = match broken {
            Some(broken) => Judgement::unknown(format!(
                "the log does not hold, so that its replay shows nothing: {}",
                told(broken)
            )),
            None if end.first.is_none_or(|first| first > to) => {
                Judgement::unknown("the log does not tell of that time")
            }
            None if !verified.live_state.is_compared() => {
                Judgement::unknown(format!("live rows were {}", verified.live_state))
            }
            None if differs => Judgement::violated("some of them differ from the log"),
            None => Judgement::Holds,
        };
        self.ledger.judge(Subject::named("live rows"), to, live);
        let snapshots = self.of_snapshots(end);
        self.ledger.judge(Subject::named("snapshots"), to, snapshots);
        Outcome::of(self.ledger, "live rows are what the log yields, and so is each snapshot")
            .figure("snapshots_verified", verified.snapshots)
            .figure("entries_before_facts", verified.unknown_before)
            .note("live rows are those of the export, whichever instant is asked about, held against the log as it stood while they were read")
            .note("the log is replayed from its first fact on; what an older release recorded without facts is taken from the entry in which it was recorded how rows stood")
    }
}

/// AUD-11.
struct NoSecrets {
    ledger: Ledger,
    period: Period,
    /// Entries and open fields of the period that were looked into.
    entries: u64,
    fields: u64,
    /// How often each kind of thing was found, whenever it was recorded.
    found: BTreeMap<Kind, u64>,
}

impl NoSecrets {
    fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            entries: 0,
            fields: 0,
            found: BTreeMap::new(),
        }
    }

    /// What is in the log once stays there: it is found from then on, and in each period.
    fn violates(&mut self, subject: impl Into<Subject>, event: &Event<'_>, place: &str, kind: Kind) {
        *self.found.entry(kind).or_default() += 1;
        let because = format!("{place} of entry {} holds what detectors call `{kind}`", event.index);
        let judgement = Judgement::violated(because);
        self.ledger.judge_by(subject.into(), event.at, judgement, Some(event.index));
    }
}

impl Check for NoSecrets {
    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        let mut fields = 0;
        for kind in scan_entry(event.entry) {
            self.violates(
                Subject::named(format!("entries of {}", event.entry.op)),
                event,
                "the reference",
                kind,
            );
        }
        for fact in event.facts {
            fields += scan_fact(fact, &mut |field, kind| {
                self.violates(fact.object, event, &format!("the field {field} in the facts"), kind);
            });
        }
        if self.period.holds(event.at) {
            if self.entries == 0 {
                self.ledger.happened(Subject::named("entries and facts"), event.at, event.index, None);
            }
            self.entries += 1;
            self.fields += fields;
        }
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        let mut outcome = Outcome::of(
            self.ledger,
            "neither entries nor open fields of facts hold numbers of cards or accounts, secrets or addresses of people, and each field of a fact is in the schema, and sealed where that asks for it",
        )
        .when_empty(Emptiness::Unknown("the log has no entries of that time"))
        .figure("entries_looked_into", self.entries)
        .figure("open_fields_looked_into", self.fields);
        for kind in Kind::ALL {
            let found = self.found.get(&kind).copied().unwrap_or_default();
            outcome = outcome.figure(&format!("found_{kind}"), found);
        }
        outcome
            .note("what is sealed is not looked into: names, labels, conditions and reasons open with keys of people and objects, and end with them")
            .note("the files of an evidence pack are looked into when it is made, and one that holds any of it is not made")
            .note("no plaintext, context or answer has a place in the schema of entries: each entry decodes by it or is a finding, and what callers choose stands there as tags under keys")
    }
}

#[cfg(test)]
mod tests {
    use claviger_audit::Cut;
    use claviger_audit::cut::ShardHead;
    use claviger_audit::fact::{Fact, Field};
    use claviger_core::KeyId;

    use super::*;
    use crate::Catalogue;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    fn cut(silences: &mut Silences, number: u64, second: u64, size: u64) {
        let (state, root) = (ShardState::Active, [0; 32]);
        let head = ShardHead { shard: 1, state, incarnation: 1, size, root, epoch: 1 };
        let cut = Cut {
            t: second * 1_000_000,
            cut_no: number,
            epoch: 1,
            shards: vec![head],
            erase_generation: None,
            capsule_hash: None,
            row_tags: None,
            rows: None,
        };
        silences.cut(&CutSeen { number, at: at(second), cut: &cut });
    }

    fn see(silences: &mut Silences, index: u64, second: u64, op: Op) {
        let entry = Entry::new(second * 1_000_000, 1, op, Ended::Ok);
        silences.see(&Event { shard: 1, index, at: at(second), entry: &entry, facts: &[] });
    }

    fn lengths(silences: &Silences, as_of: u64) -> Vec<(u64, u64)> {
        silences.too_long(at(as_of)).iter().map(|found| (found.entry, found.length.as_secs())).collect()
    }

    #[test]
    fn entries_between_distant_cuts_are_found_and_those_around_a_stop_are_not() {
        let mut silences = Silences::longer_than(Duration::from_secs(300));
        for (number, second, size) in [(0, 10, 1), (1, 20, 3), (2, 1000, 4), (3, 1001, 4), (4, 2001, 6)] {
            cut(&mut silences, number, second, size);
        }
        for (index, second, op) in [
            (0, 9, Op::NodeStart),
            (1, 15, Op::Encrypt),
            (2, 19, Op::NodeStop),
            (3, 999, Op::NodeStart),
            (4, 1500, Op::Encrypt),
            (5, 1600, Op::Encrypt),
        ] {
            see(&mut silences, index, second, op);
        }
        assert_eq!(lengths(&silences, 2001), [(4, 1000)]);
        assert!(!silences.ends_early(at(2100)) && silences.ends_early(at(2400)));
    }

    #[test]
    fn a_crash_counts_as_long_as_entries_show_that_the_node_was_at_work() {
        for (last, expected) in [(30, vec![]), (500, vec![(1, 490)])] {
            let mut silences = Silences::longer_than(Duration::from_secs(300));
            cut(&mut silences, 0, 10, 1);
            cut(&mut silences, 1, 9000, 3);
            see(&mut silences, 0, 9, Op::NodeStart);
            see(&mut silences, 1, last, Op::Encrypt);
            see(&mut silences, 2, 8999, Op::NodeStart);
            assert_eq!(lengths(&silences, 9000), expected);
        }
    }

    #[test]
    fn what_is_never_cut_is_found_and_silence_without_entries_is_kept_apart() {
        let mut silences = Silences::longer_than(Duration::from_secs(300));
        cut(&mut silences, 0, 10, 1);
        cut(&mut silences, 1, 800, 1);
        see(&mut silences, 0, 9, Op::NodeStart);
        see(&mut silences, 1, 801, Op::Encrypt);
        assert!(lengths(&silences, 900).is_empty());
        assert_eq!(lengths(&silences, 1200), [(1, 400)]);
        assert_eq!(silences.quiet, BTreeSet::from([(at(10), at(800))]));
    }

    #[test]
    fn counts_are_read() {
        assert_eq!(read_count("encrypt=12"), Some((Op::Encrypt, 12)));
        for word in ["encrypt", "encrypt=", "encrypt=-1", "nothing=1"] {
            assert_eq!(read_count(word), None, "{word}");
        }
    }

    #[test]
    fn log_is_read_by_the_roles_that_the_policy_names() {
        let readers = Rules::read().roles_that(|action| READS.contains(&action.into()));
        assert_eq!(readers, BTreeSet::from([Role::Auditor, Role::Responder, Role::SecurityOfficer]));
    }

    #[test]
    fn entries_that_lack_something_are_found() {
        let encrypt = Entry::new(1, 1, Op::Encrypt, Ended::Ok);
        assert!(lacking(&encrypt).is_some_and(|what| what.starts_with("an actor")));
        let encrypt = Entry { ses: Some(3), ..encrypt };
        assert_eq!(lacking(&encrypt), Some("what it was done to"));
        assert_eq!(lacking(&Entry { key: Some([7; 16]), ..encrypt.clone() }), None);
        assert_eq!(lacking(&Entry { out: Ended::Denied, ..encrypt.clone() }), None);
        assert_eq!(lacking(&Entry { t: 0, ..encrypt }), Some("a time"));
        let rotate = Entry { key: Some([7; 16]), ..Entry::new(1, 1, Op::RotateKey, Ended::Ok) };
        assert!(lacking(&rotate).is_some(), "nothing permitted it");
        assert_eq!(lacking(&Entry { pol: Some([1; 8]), ..rotate }), None);
        assert_eq!(lacking(&Entry::new(1, 1, Op::NodeStart, Ended::Ok)), None);
    }

    fn key_with(number: u16, text: &str) -> Fact {
        let mut cbor = Vec::new();
        claviger_audit::cbor::put_text(&mut cbor, text);
        let fields = [(number, Field::Open(cbor))].into();
        Fact { object: Object::Key(KeyId::from_bytes([7; 16])), revision: 1, fields, sealed: None }
    }

    /// The check of a period, once it has seen facts with the seconds of their entries.
    fn looked_into(period: (u64, u64), facts: &[(u64, Fact)]) -> NoSecrets {
        let catalogue = Catalogue::load().unwrap();
        let period = Period { from: at(period.0), to: at(period.1) };
        let mut check = NoSecrets::new(&Setting { catalogue: &catalogue, framework: None, period });
        for (index, (second, fact)) in (0..).zip(facts) {
            let entry = Entry::new(second * 1_000_000, 1, Op::CreateKey, Ended::Ok);
            let facts = std::slice::from_ref(fact);
            let event = Event { shard: 1, index, at: at(*second), entry: &entry, facts };
            check.entry(&event, &Estate::default());
        }
        check
    }

    #[test]
    fn what_must_not_be_recorded_violates_from_then_on_and_is_not_repeated() {
        let (clean, secret) = (key_with(20, "production"), key_with(20, "4111111111111111"));
        let key = Subject::from(secret.object);
        let of_clean = looked_into((10, 20), &[(11, clean.clone()), (12, clean.clone())]);
        assert_eq!((of_clean.ledger.find(&key), of_clean.ledger.len()), (None, 1));
        assert_eq!((of_clean.entries, of_clean.fields), (2, 2));
        // Before the period as well: the log still has it.
        for second in [5, 15] {
            let check = looked_into((10, 20), &[(second, secret.clone()), (16, clean.clone())]);
            let because =
                "the field environment in the facts of entry 0 holds what detectors call `card_number`";
            assert_eq!(check.ledger.find(&key), Some(&Judgement::violated(because)));
            assert_eq!(check.found, BTreeMap::from([(Kind::CardNumber, 1)]));
        }
        assert!(looked_into((10, 20), &[]).ledger.is_empty());
    }

    #[test]
    fn a_name_that_is_recorded_unsealed_violates() {
        let named = key_with(2, "orders");
        let check = looked_into((10, 20), &[(11, named.clone())]);
        let because = "the field name in the facts of entry 0 holds what detectors call `unsealed_field`";
        assert_eq!(check.ledger.find(&Subject::from(named.object)), Some(&Judgement::violated(because)));
        assert!(!format!("{:?}", check.ledger).contains("orders"));
    }
}
