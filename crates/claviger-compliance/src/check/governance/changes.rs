//! GOV-05: what the system runs by and goes by changes with the approval of others, given before.
//!
//! What it keeps true:
//! * a program or a configuration is approved where a declaration says so that custodians approved, from its begin until it is withdrawn. One that nobody
//!   approved approves nothing;
//! * what a deployment was set up with can be approved only once it runs. It counts as approved from the set-up on, where that was done within
//!   as long as an approval lasts; whatever runs later is approved before it runs;
//! * the built-in policy is part of the program: it changes with it, and with its approval.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use claviger_audit::fact::{Object, OpenNode};
use claviger_audit::{Op, to_hex};
use claviger_core::declaration::{Build, BuildSort, Declared, PolicyFiles};
use claviger_core::reason::Why;
use claviger_core::{DeclarationId, NodeId, Timestamp};

use crate::check::approvals::{Act, Approvals, Rule, executed};
use crate::check::common::{count, is_unreadable};
use crate::check::{Check, End, Event};
use crate::evaluation::{Emptiness, Estate, Judgement, Ledger, Outcome, Period, Setting, Subject};

pub(super) struct Changes {
    ledger: Ledger,
    period: Period,
    approvals: Approvals,
    /// What nodes said last of what they run by.
    known: BTreeMap<NodeId, Digests>,
    /// Which programs each ran, one after the other.
    runs: BTreeMap<NodeId, Vec<Run>>,
    /// Programs and configurations that are approved.
    listed: BTreeMap<DeclarationId, Listed>,
    changes: u64,
    approved: u64,
}

/// What a node runs by.
#[derive(Debug, PartialEq, Eq)]
struct Digests {
    configuration: Vec<u8>,
    build: Vec<u8>,
    policy: Vec<u8>,
}

/// From when on a node ran a program, by which entry; no program where its facts do not read.
#[derive(Debug)]
struct Run {
    at: Timestamp,
    entry: u64,
    build: Option<Vec<u8>>,
}

/// Something that may run.
#[derive(Clone, Copy, Debug)]
struct Listed {
    build: Build,
    from: Timestamp,
    until: Option<Timestamp>,
}

impl Listed {
    fn is_of(&self, sort: BuildSort, digest: &[u8]) -> bool {
        self.build.sort == sort && self.build.digest == digest
    }

    fn is_on(&self, at: Timestamp) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

impl Digests {
    fn of(node: &OpenNode) -> Self {
        let OpenNode { configuration, build, policy, .. } = node;
        Self { configuration: configuration.clone(), build: build.clone(), policy: policy.clone() }
    }

    /// What changed since, and what must be approved for it: a program or a configuration; nothing that can be, where the policy changed alone.
    fn changes_since(&self, before: &Self) -> Vec<(String, Option<BuildSort>)> {
        let said = |what: &str, before: &[u8], now: &[u8]| {
            format!("its {what} changed from {} to {}", to_hex(before), to_hex(now))
        };
        let mut changes = Vec::new();
        if self.configuration != before.configuration {
            let what = said("configuration", &before.configuration, &self.configuration);
            changes.push((what, Some(BuildSort::Configuration)));
        }
        if self.build != before.build {
            changes.push((said("program", &before.build, &self.build), Some(BuildSort::Build)));
        } else if self.policy != before.policy {
            changes.push((said("built-in policy", &before.policy, &self.policy), None));
        }
        changes
    }

    fn digest(&self, sort: BuildSort) -> &[u8] {
        match sort {
            BuildSort::Build => &self.build,
            BuildSort::Configuration => &self.configuration,
        }
    }
}

impl Changes {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            approvals: Approvals::new(setting),
            known: BTreeMap::new(),
            runs: BTreeMap::new(),
            listed: BTreeMap::new(),
            changes: 0,
            approved: 0,
        }
    }

    /// Something changed; with what is wrong with its approval, in words behind that.
    fn happened(&mut self, object: Object, event: &Event<'_>, what: &str, defect: Option<&str>) {
        if self.period.holds(event.at) {
            self.changes += 1;
            self.approved += u64::from(defect.is_none());
        }
        let violation = defect.map(|defect| format!("{what}, {defect}"));
        self.ledger.happened(object, event.at, event.index, violation);
    }

    /// The same of what others are asked to approve. What is asked for with a reason is changed with one. Was it approved?
    fn changed_by(
        &mut self,
        (object, what): (Object, &str),
        (on, rule): (Option<Object>, Rule),
        event: &Event<'_>,
        estate: &Estate,
    ) -> bool {
        let Some(action) = event.entry.op.action() else { return false };
        let act = Act { action, on, rule, appointed: None };
        let is_unreasoned = || {
            let approval = executed(action, event, estate).map(|(_, approval)| approval);
            approval.is_some_and(|approval| approval.reason.and_then(Why::given).is_none())
        };
        let defect = self.approvals.defect(&act, event, estate).or_else(|| {
            (on.is_some() && is_unreasoned()).then(|| "and it was asked for without a reason".to_owned())
        });
        self.happened(object, event, what, defect.as_deref());
        defect.is_none()
    }

    fn take_node(&mut self, id: NodeId, event: &Event<'_>, estate: &Estate) {
        let Some(node) = estate.nodes.get(&id) else { return };
        let now = Digests::of(node);
        // What it says first is no change.
        let before = self.known.get(&id);
        let changes = before.map(|before| now.changes_since(before)).unwrap_or_default();
        let runs_another = before.is_none_or(|before| before.build != now.build);
        for (what, sort) in &changes {
            let defect = match sort {
                None => Some("and its program did not".to_owned()),
                Some(sort) => {
                    let digest = now.digest(*sort);
                    let is_listed = |one: &Listed| one.is_of(*sort, digest) && one.is_on(event.at);
                    let is_approved = self.listed.values().any(is_listed);
                    (!is_approved).then(|| format!("and that is not on the list of approved {sort}s"))
                }
            };
            self.happened(Object::Node(id), event, what, defect.as_deref());
        }
        if runs_another {
            let build = Some(now.build.clone());
            self.runs.entry(id).or_default().push(Run { at: event.at, entry: event.index, build });
        }
        self.known.insert(id, now);
    }

    fn take_declaration(&mut self, id: DeclarationId, event: &Event<'_>, estate: &Estate) {
        let Some(declaration) = estate.declarations.get(&id) else { return };
        let op = event.entry.op;
        let what = match &declaration.declared {
            Declared::Build(build) => format!("the list of approved {}s was changed by `{op}`", build.sort),
            Declared::Parameter(parameter) => format!("parameter {} was changed by `{op}`", parameter.name),
            Declared::Attestation(_)
            | Declared::Device(_)
            | Declared::Document(_)
            | Declared::Module(_)
            | Declared::PolicyFiles(_)
            | Declared::Supplier(_) => return,
        };
        // It says itself where its value comes from, and of one that is new nobody was shown a row.
        let by = (None, Rule::of_deployment(estate).asking(1));
        let is_approved = self.changed_by((Object::Declaration(id), &what), by, event, estate);
        if let Declared::Build(build) = declaration.declared
            && op == Op::Declare
            && is_approved
        {
            let from = build.effective_from.max(declaration.declared_at);
            self.listed.insert(id, Listed { build, from, until: None });
        }
        if let Some(listed) = self.listed.get_mut(&id) {
            // Whoever withdrew it: it is not said any more.
            listed.until = declaration.withdrawn_at;
        }
    }

    /// Judges which programs a node ran, once it is known what was approved.
    fn judge_runs(&mut self, id: NodeId, set_up: Option<Timestamp>, most: Duration) {
        let runs = self.runs.remove(&id).unwrap_or_default();
        let subject = || Subject::named(format!("program of {}", Object::Node(id)));
        for (place, run) in runs.iter().enumerate() {
            let Some(build) = &run.build else {
                let unknown = Judgement::unknown("which program it ran does not read");
                self.ledger.judge_by(subject(), run.at, unknown, Some(run.entry));
                continue;
            };
            let next = runs.get(place + 1).map(|next| next.at);
            let of_it: Vec<_> =
                self.listed.values().filter(|one| one.is_of(BuildSort::Build, build)).copied().collect();
            // The program of the set-up, from there on, if it was approved in time.
            let approved_at = of_it.iter().map(|one| one.from).min().filter(|at| {
                set_up == Some(run.at) && at.since(run.at) <= most && next.is_none_or(|next| *at < next)
            });
            let turns = of_it.iter().flat_map(|one| [Some(one.from), one.until]).flatten();
            let within = turns.filter(|at| run.at < *at && next.is_none_or(|next| *at < next));
            let points: BTreeSet<_> = within.chain([run.at]).collect();
            for at in points {
                let is_set_up = approved_at.is_some_and(|approved_at| at < approved_at);
                let is_on = is_set_up || of_it.iter().any(|one| one.is_on(at));
                let judgement = if is_on {
                    Judgement::Holds
                } else {
                    Judgement::violated(format!("{} is not on the list of approved builds", to_hex(build)))
                };
                let entry = (at == run.at).then_some(run.entry);
                self.ledger.judge_by(subject(), at, judgement, entry);
            }
        }
    }
}

impl Check for Changes {
    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        self.approvals.changed(object, event);
        let op = event.entry.op;
        match object {
            Object::Approval(_)
            | Object::Declaration(_)
            | Object::Governance(_)
            | Object::Node(_)
            | Object::Ring(_)
                if is_unreadable(&mut self.ledger, object, event.at, estate) =>
            {
                if let Object::Node(id) = object {
                    self.known.remove(&id);
                    let run = Run { at: event.at, entry: event.index, build: None };
                    self.runs.entry(id).or_default().push(run);
                }
            }
            Object::Node(id) => self.take_node(id, event, estate),
            Object::Ring(id) if matches!(op, Op::SetRingSeparation | Op::UpdateRing) => {
                let what = format!("its policy was changed by `{op}`");
                self.changed_by((object, &what), (Some(object), Rule::of_ring(id, 1)), event, estate);
            }
            Object::Governance(_) if op == Op::SetGovernance => {
                let rule = Rule::of_deployment(estate).asking(1);
                let what = "the rules of the deployment were changed";
                self.changed_by((object, what), (Some(object), rule), event, estate);
            }
            Object::Declaration(id) => self.take_declaration(id, event, estate),
            _ => {}
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let most = end.estate.rules().approval_lifetime;
        let set_up = self.runs.values().filter_map(|runs| runs.first()).map(|run| run.at).min();
        let nodes: Vec<_> = self.runs.keys().copied().collect();
        for id in nodes {
            self.judge_runs(id, set_up, most);
        }
        let to = end.setting.as_of();
        let on_list = self.listed.values().filter(|one| one.is_on(to)).count();
        let outcome =
            Outcome::of(self.ledger, "each change of program, configuration and policy was approved before")
                .when_empty(Emptiness::Unknown("no node has said what it runs by"))
                .figure("changes", self.changes)
                .figure("changes_approved", self.approved)
                .figure("approved_builds", count(on_list))
                .note("program, configuration and built-in policy are known by what the running process says of itself at its start, and when it reads its files again")
                .note("a program or a configuration is approved by a declaration of its digest that custodians approved before it ran; the first program of a deployment within as long afterwards as an approval lasts")
                .note("rules of the deployment and policies of rings are changed with the approval of others where they ask for less than before; what asks for more one person changes, and that is a change without an approval")
                .note("parameters of controls change with the program, or by a declaration that others approve");
        match newest_comparison(end.estate) {
            None => outcome.note("nobody has recorded that what is in force was held against reviewed files"),
            Some((files, times)) => outcome
                .figure("comparisons_with_files", times)
                .figure("differences_from_files", u64::from(files.differences))
                .note("comparisons of what is in force with reviewed files are the word of whoever made them: the files are kept elsewhere"),
        }
    }
}

/// The newest comparison with files of a policy, and how many there are.
fn newest_comparison(estate: &Estate) -> Option<(PolicyFiles, u64)> {
    let all = estate.declarations.values().filter_map(|declaration| match declaration.declared {
        Declared::PolicyFiles(files) if declaration.withdrawn_at.is_none() => Some(files),
        _ => None,
    });
    let times = count(all.clone().count());
    all.max_by_key(|files| files.compared_at).map(|files| (files, times))
}

#[cfg(test)]
mod tests {
    use claviger_audit::fact::{OpenApproval, OpenDeclaration, OpenRow};
    use claviger_core::Action;
    use claviger_core::key::RingPolicy;

    use super::*;
    use crate::check::governance::tests::node;
    use crate::control::Mode;
    use crate::evaluation::fixture::{ADA, CUSTODIANS, OTTO, Story, Told, at, ring, rules};

    fn told(story: Story) -> Told {
        story.told(Mode::Period)
    }

    #[test]
    fn a_change_is_approved_before_and_has_a_reason() {
        type Edit<'e> = &'e dyn Fn(&mut Story, Vec<(Object, OpenRow)>);
        let changed = |edit: Edit<'_>| {
            let mut story = Story::of("GOV-05");
            let policy = RingPolicy { quorum: 1, ..RingPolicy::default() };
            edit(&mut story, vec![ring(policy)]);
            told(story)
        };
        changed(&|story, rows| {
            story.approved_act(ADA, Op::UpdateRing, (true, &[]), rows);
        })
        .holds_of(1);
        changed(&|story, rows| story.act(Op::UpdateRing, None, rows)).is_violated("and nobody approved it");
        let unreasoned = changed(&|story, rows| {
            let asked = story.asked(ADA, Action::UpdateRing, true, &[]);
            let id = story.ask(OpenApproval { reason: None, ..asked });
            for custodian in &CUSTODIANS[..2] {
                story.approve(id, *custodian);
            }
            let done = story.executed(id);
            story.act(Op::UpdateRing, None, rows.into_iter().chain([done]).collect());
        });
        unreasoned.is_violated("asked for without a reason");
        let rules = changed(&|story, _| {
            story.approved_act(OTTO, Op::SetGovernance, (false, &[]), vec![rules(1)]);
            story.act(Op::SetGovernance, None, vec![rules(3)]);
        });
        rules.is_violated("the rules of the deployment were changed, and nobody approved it");
        assert_eq!((rules.figures["changes"], rules.figures["changes_approved"]), (2, 1));
    }

    #[test]
    fn what_changed_is_told_from_what_to_what() {
        let before = Digests::of(&node(&[], &[]));
        let now = Digests { build: vec![9], policy: vec![8], ..Digests::of(&node(&[], &[])) };
        assert_eq!(before.changes_since(&before), Vec::new());
        let changed = "its program changed from 01 to 09".to_owned();
        assert_eq!(now.changes_since(&before), [(changed, Some(BuildSort::Build))]);
        let alone = Digests { policy: vec![8], ..Digests::of(&node(&[], &[])) };
        let changed = "its built-in policy changed from 03 to 08".to_owned();
        assert_eq!(alone.changes_since(&before), [(changed, None)]);
    }

    /// A node that says which program and configuration it runs by.
    fn runs(story: &mut Story, build: u8, configuration: u8) {
        let row = OpenNode {
            build: vec![build; 32],
            configuration: vec![configuration; 32],
            policy: vec![build; 32],
            ..node(&[], &[])
        };
        let object = Object::Node(NodeId::of_shard(1));
        story.act(Op::NodeReport, None, vec![(object, OpenRow::Node(Box::new(row)))]);
    }

    /// That something may run from an instant on, in days.
    fn may_run(story: &Story, sort: BuildSort, digest: u8, from: u64) -> (Object, OpenRow) {
        let build = Build { sort, digest: [digest; 32], effective_from: at(from) };
        let declared = Declared::Build(build);
        let row =
            OpenDeclaration { declared, declared_by: ADA, declared_at: story.next(), withdrawn_at: None };
        (Object::Declaration(declaration(digest)), OpenRow::Declaration(Box::new(row)))
    }

    fn declaration(number: u8) -> DeclarationId {
        DeclarationId::from_bytes([number; 16])
    }

    fn approve(story: &mut Story, sort: BuildSort, digest: u8, from: u64) {
        let row = may_run(story, sort, digest, from);
        story.approved_act(ADA, Op::Declare, (false, &[]), vec![row]);
    }

    const PROGRAM: BuildSort = BuildSort::Build;

    #[test]
    fn programs_and_configurations_that_were_approved_before_they_ran_hold() {
        let mut story = Story::with_people("GOV-05");
        runs(&mut story, 1, 2);
        approve(&mut story, PROGRAM, 1, 0);
        approve(&mut story, PROGRAM, 3, 0);
        approve(&mut story, BuildSort::Configuration, 4, 0);
        story.wait(10);
        runs(&mut story, 3, 4);
        let told = told(story);
        // The node, its program, and three declarations.
        told.holds_of(5);
        assert_eq!((told.figures["changes"], told.figures["changes_approved"]), (5, 5));
        assert_eq!(told.figures["approved_builds"], 3);
    }

    #[test]
    fn a_program_that_is_not_on_the_list_is_named_for_as_long_as_it_runs() {
        let unlisted = "is not on the list of approved builds";
        let mut never = Story::with_people("GOV-05");
        runs(&mut never, 1, 2);
        told(never).is_violated(unlisted);

        // Approved as something else, by nobody, or from later on.
        let edits: [fn(&mut Story); 3] = [
            |story| approve(story, BuildSort::Configuration, 1, 0),
            |story| {
                let row = may_run(story, PROGRAM, 1, 0);
                story.act(Op::Declare, None, vec![row]);
            },
            |story| approve(story, PROGRAM, 1, 900),
        ];
        for edit in edits {
            let mut story = Story::with_people("GOV-05");
            runs(&mut story, 1, 2);
            edit(&mut story);
            let found = told(story);
            assert!(found.violations.iter().any(|one| one.contains(unlisted)), "{found:?}");
        }

        // What came later was to be approved before, and what the set-up ran within days.
        let mut later = Story::with_people("GOV-05");
        runs(&mut later, 1, 2);
        approve(&mut later, PROGRAM, 1, 0);
        runs(&mut later, 3, 2);
        approve(&mut later, PROGRAM, 3, 0);
        let found = told(later);
        assert_eq!(found.violations.len(), 2, "{found:?}");
        let mut late = Story::with_people("GOV-05");
        runs(&mut late, 1, 2);
        late.wait(30);
        approve(&mut late, PROGRAM, 1, 0);
        told(late).is_violated(unlisted);

        // What was withdrawn may not run any more.
        let mut withdrawn = Story::with_people("GOV-05");
        runs(&mut withdrawn, 1, 2);
        approve(&mut withdrawn, PROGRAM, 1, 0);
        let (object, row) = may_run(&withdrawn, PROGRAM, 1, 0);
        let OpenRow::Declaration(mut row) = row else { panic!("a declaration") };
        row.withdrawn_at = Some(withdrawn.next());
        let on: (bool, &[Object]) = (false, &[object]);
        withdrawn.approved_act(ADA, Op::WithdrawDeclaration, on, vec![(object, OpenRow::Declaration(row))]);
        told(withdrawn).is_violated(unlisted);
    }

    #[test]
    fn a_change_of_configuration_that_nobody_approved_is_named_with_its_digests() {
        let mut story = Story::with_people("GOV-05");
        runs(&mut story, 1, 2);
        approve(&mut story, PROGRAM, 1, 0);
        runs(&mut story, 1, 5);
        told(story).is_violated("and that is not on the list of approved configurations");
    }

    #[test]
    fn a_policy_that_changes_without_its_program_is_no_policy_of_that_program() {
        let mut story = Story::with_people("GOV-05");
        runs(&mut story, 1, 2);
        approve(&mut story, PROGRAM, 1, 0);
        let row = OpenNode {
            build: vec![1; 32],
            configuration: vec![2; 32],
            policy: vec![9; 32],
            ..node(&[], &[])
        };
        let object = Object::Node(NodeId::of_shard(1));
        story.act(Op::NodeReport, None, vec![(object, OpenRow::Node(Box::new(row)))]);
        told(story).is_violated("and its program did not");
    }

    #[test]
    fn a_node_that_does_not_read_leaves_undecided_what_it_ran() {
        let mut story = Story::with_people("GOV-05");
        runs(&mut story, 1, 2);
        approve(&mut story, PROGRAM, 1, 0);
        story.act_unread(Op::NodeReport, None, Object::Node(NodeId::of_shard(1)));
        let found = told(story);
        assert_eq!((found.violations.len(), found.undecided.len()), (0, 2), "{found:?}");
    }
}
