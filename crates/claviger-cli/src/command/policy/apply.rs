//! Makes a deployment what files say: what one person may do is done, and others are asked for the rest at once.
//!
//! What it keeps true:
//! * nothing is taken away, and nothing is done that the comparison does not have;
//! * what was asked for before is not asked for again: an open plan that has nothing but what is still to be done is that plan, and once it is
//!   approved its steps are done, those first that are still missing;
//! * what is refused is told, and keeps nothing else from being done.

use std::collections::BTreeSet;

use claviger_audit::approval::Form;
use claviger_audit::governed::Governed;
use claviger_client::types::approval::{Approval, ApprovalState, ListApprovals, WhichApprovals};
use claviger_client::types::plan::AskPlan;
use claviger_client::types::{Base64Bytes, GiveReason, Problem};
use claviger_client::{Client, ClientError};
use claviger_core::approval::Approval as CoreApproval;
use claviger_core::{Action, ApprovalId};
use serde::Serialize;

use super::acts::{Stage, same};
use super::compare::{Difference, Item, compare};
use super::files::Files;
use super::live::Live;
use crate::clock;
use crate::command::paging::Paging;
use crate::failure::Failure;
use crate::output::{Table, note};

/// How often it is looked again what is left, at most.
const ROUNDS: usize = 16;
/// How many bytes of acts go into one call, so that they can be one plan.
const MAX_ACTS: usize = 56 * 1024;
/// What a call answers that others must approve first.
const PENDING: &str = "approval-required";
/// What it answers that is too much at once.
const TOO_LARGE: &str = "too-large";

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Applied {
    /// What was done, in this order.
    pub(super) done: Vec<String>,
    /// What others must approve first.
    pub(super) waits: Vec<Waits>,
    /// What was refused.
    pub(super) refused: Vec<Refused>,
}

/// What waits for an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Waits {
    pub(super) approval: String,
    pub(super) steps: Vec<String>,
}

/// What was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Refused {
    pub(super) what: String,
    pub(super) code: String,
    pub(super) why: String,
}

/// Something that others must approve.
#[derive(Debug, Clone)]
struct Awaited {
    title: String,
    act: Governed,
}

impl Applied {
    /// For people.
    pub(super) fn text(&self) -> String {
        let mut parts = Vec::new();
        if !self.done.is_empty() {
            let mut table = Table::new("acts", &["done"]);
            self.done.iter().for_each(|done| table.row([done.clone()]));
            parts.push(table.text());
        }
        if !self.waits.is_empty() {
            let mut table = Table::new("acts", &["waits for approval", "step"]);
            for Waits { approval, steps } in &self.waits {
                steps.iter().for_each(|step| table.row([approval.clone(), step.clone()]));
            }
            parts.push(table.text());
        }
        if !self.refused.is_empty() {
            let mut table = Table::new("acts", &["refused", "why", "code"]);
            for Refused { what, why, code } in &self.refused {
                table.row([what.clone(), why.clone(), code.clone()]);
            }
            parts.push(table.text());
        }
        if parts.is_empty() { "nothing to do".to_owned() } else { parts.join("\n") }
    }

    /// How the command ends.
    ///
    /// # Errors
    /// With what waits for others; or else with what was refused.
    pub(super) fn end(&self) -> Result<(), Failure> {
        let first =
            self.waits.first().and_then(|waits| Some((waits, waits.approval.parse::<ApprovalId>().ok()?)));
        if let Some((waits, id)) = first {
            let count: usize = self.waits.iter().map(|waits| waits.steps.len()).sum();
            let plans =
                if self.waits.len() > 1 { format!(" in {} plans", self.waits.len()) } else { String::new() };
            let acts =
                if count == 1 { "1 act waits".to_owned() } else { format!("{count} acts{plans} wait") };
            let message = format!("{acts} for the approval of others");
            let failure = Failure::pending(PENDING, 403, message, id);
            return Err(failure.advise(format!(
                "others look at it and approve it: `claviger approval approve {}`; then the same command again does it",
                waits.approval
            )));
        }
        if self.refused.is_empty() {
            return Ok(());
        }
        let count = self.refused.len();
        Err(Failure::failed(format!("{count} of what the files say was refused"))
            .advise("what one role may not, another may: who holds it runs the same command"))
    }
}

/// Does what can be done.
///
/// # Errors
/// Those of the calls, but for what a single act is refused with.
pub(super) async fn apply(client: &Client, files: &Files, why: GiveReason) -> Result<Applied, Failure> {
    let mut applying = Applying { client, files, why, applied: Applied::default(), failed: BTreeSet::new() };
    for _ in 0..ROUNDS {
        // What was refused may be possible since something else was done.
        applying.applied.refused.clear();
        applying.applied.waits.clear();
        applying.failed.clear();
        let awaited = applying.settle().await?;
        let (ready, rest) = applying.covered(awaited).await?;
        let mut was_done = false;
        for waits in ready {
            was_done |= applying.execute(waits).await?;
        }
        was_done |= applying.ask(rest).await?;
        if !was_done {
            break;
        }
    }
    Ok(applying.applied)
}

struct Applying<'a> {
    client: &'a Client,
    files: &'a Files,
    why: GiveReason,
    applied: Applied,
    /// What was refused, and is not tried again before something else was done.
    failed: BTreeSet<String>,
}

impl Applying<'_> {
    /// Does all that nobody else must approve; gives what others must.
    async fn settle(&mut self) -> Result<Vec<Awaited>, Failure> {
        for _ in 0..ROUNDS {
            let live = Live::read(self.client).await?;
            let difference = compare(self.files, &live, clock::now());
            let mut awaited = Vec::new();
            let mut was_done = false;
            for stage in Stage::ALL {
                was_done = self.stage(stage, &live, &difference, &mut awaited).await?;
                if was_done {
                    // What follows may rest on it.
                    break;
                }
            }
            if !was_done {
                self.miss(&live, &difference);
                return Ok(awaited);
            }
        }
        Err(Failure::failed("others change the same things all the time").advise("try again in a moment"))
    }

    /// Does what one stage has of what nobody must approve. Was anything done?
    async fn stage(
        &mut self,
        stage: Stage,
        live: &Live,
        difference: &Difference,
        awaited: &mut Vec<Awaited>,
    ) -> Result<bool, Failure> {
        let (mut was_done, mut acts) = (false, Vec::new());
        let items = difference.items.iter().filter(|item| item.edit.stage() == stage);
        let items: Vec<_> = items.filter(|item| !self.failed.contains(&item.key())).collect();
        for item in items {
            if item.edit.creates() {
                was_done |= self.perform(item, live).await?;
            } else if let Some(act) = item.edit.to_governed(live, clock::now()) {
                acts.push((item, act));
            }
        }
        for some in chunks(&acts, |(_, act)| act.encode().len()) {
            let plan = self.plan(some.iter().map(|(_, act)| act));
            let checked = self.client.check_plan(&plan).await?.value.acts;
            for ((item, act), checked) in some.iter().zip(checked) {
                match (checked.approvers, checked.refused) {
                    (Some(0), _) => was_done |= self.perform(item, live).await?,
                    (Some(_), _) => awaited.push(Awaited { title: item.title(), act: act.clone() }),
                    (None, Some(refused)) => self.refuse(item, refused.code, refused.detail),
                    (None, None) => {
                        self.refuse(item, "failed".to_owned(), "the server did not say".to_owned())
                    }
                }
            }
        }
        Ok(was_done)
    }

    /// Tells what could not be asked for, because what it names was refused.
    fn miss(&mut self, live: &Live, difference: &Difference) {
        for item in difference.items.iter().filter(|item| !item.edit.creates()) {
            if item.edit.to_governed(live, clock::now()).is_none() {
                self.refuse(item, "not-found".to_owned(), "something that it names is not there".to_owned());
            }
        }
    }

    fn refuse(&mut self, item: &Item, code: String, why: String) {
        if self.failed.insert(item.key()) {
            self.applied.refused.push(Refused { what: item.title(), code, why });
        }
    }

    /// Does one thing by a call of its own. Was it done?
    async fn perform(&mut self, item: &Item, live: &Live) -> Result<bool, Failure> {
        let done = Box::pin(item.edit.perform(self.client, live, &self.why, clock::now())).await;
        match done {
            Ok(()) => {
                self.applied.done.push(item.title());
                note(&format!("done: {}", item.title()));
                Ok(true)
            }
            Err(ClientError::Problem(problem)) if is_of_act(&problem) => {
                let Problem { code, detail, title, .. } = *problem;
                self.refuse(item, code, detail.unwrap_or(title));
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn plan<'g>(&self, acts: impl Iterator<Item = &'g Governed>) -> AskPlan {
        let GiveReason { reason, reason_code } = self.why.clone();
        AskPlan { acts: acts.map(|act| Base64Bytes::from(act.encode())).collect(), reason, reason_code }
    }

    /// Takes out what open plans have: those that can be done, and those that others must approve yet. The rest is to be asked for.
    async fn covered(&mut self, awaited: Vec<Awaited>) -> Result<(Vec<Waits>, Vec<Awaited>), Failure> {
        let (mut ready, mut rest) = (Vec::new(), awaited);
        if rest.is_empty() {
            return Ok((ready, rest));
        }
        for approval in self.open_plans().await? {
            let Some(left) = left_of(&approval) else { continue };
            let places: Option<Vec<_>> =
                left.iter().map(|act| rest.iter().position(|one| same(&one.act) == *act)).collect();
            let Some(places) = places.filter(|places| !places.is_empty()) else { continue };
            let steps = places.iter().filter_map(|at| rest.get(*at)).map(|one| one.title.clone()).collect();
            let waits = Waits { approval: approval.id.to_string(), steps };
            let mut place = 0;
            rest.retain(|_| {
                place += 1;
                !places.contains(&(place - 1))
            });
            if *approval.state == ApprovalState::Ready {
                ready.push(waits)
            } else {
                self.applied.waits.push(waits)
            }
        }
        Ok((ready, rest))
    }

    async fn open_plans(&self) -> Result<Vec<Approval>, Failure> {
        let client = self.client;
        let fetch = async |cursor, limit| {
            let query = ListApprovals { state: Some(WhichApprovals::Open.into()), cursor, limit };
            Ok(client.list_approvals(&query).await?.value)
        };
        let open = Paging::all().collect(fetch).await?.items;
        let mut plans = Vec::new();
        for one in open.into_iter().filter(|one| *one.action == Action::ApplyPlan) {
            // What is asked for is in no list.
            plans.push(client.read_approval(one.id.0).await?.value);
        }
        Ok(plans)
    }

    /// Has a plan done that is approved. Was anything done?
    async fn execute(&mut self, waits: Waits) -> Result<bool, Failure> {
        let id: ApprovalId = waits
            .approval
            .parse()
            .map_err(|_| Failure::failed("the identifier of an approval does not read"))?;
        match self.client.execute_approval(id).await {
            Ok(_) => {
                note(&format!("done: approval {id}"));
                self.applied.done.extend(waits.steps);
                Ok(true)
            }
            // Somebody else asked for the same, and has it done.
            Err(ClientError::Problem(problem)) if ["denied", PENDING].contains(&problem.code.as_str()) => {
                self.applied.waits.push(waits);
                Ok(false)
            }
            Err(error) => Err(Failure::from(error).advise(
                "steps before it were done; run the same command again: it asks anew for what is left",
            )),
        }
    }

    /// Asks others for what is left. Was anything done, because they had approved just that?
    async fn ask(&mut self, rest: Vec<Awaited>) -> Result<bool, Failure> {
        let mut was_done = false;
        let mut parts: Vec<Vec<Awaited>> =
            chunks(&rest, |one| one.act.encode().len()).map(<[_]>::to_vec).collect();
        parts.reverse();
        while let Some(mut part) = parts.pop() {
            let steps: Vec<_> = part.iter().map(|one| one.title.clone()).collect();
            match self.client.ask_plan(&self.plan(part.iter().map(|one| &one.act))).await {
                Ok(_) => {
                    self.applied.done.extend(steps);
                    was_done = true;
                }
                Err(error) => match (error.approval(), error) {
                    (Some(id), ClientError::Problem(problem)) if problem.code == PENDING => {
                        self.applied.waits.push(Waits { approval: id.to_string(), steps });
                    }
                    // It rests on more things than one plan can.
                    (_, ClientError::Problem(problem)) if problem.code == TOO_LARGE && part.len() > 1 => {
                        let behind = part.split_off(part.len() / 2);
                        parts.extend([behind, part]);
                    }
                    (_, ClientError::Problem(problem)) if is_of_act(&problem) => {
                        let Problem { code, detail, title, .. } = *problem;
                        let why = detail.unwrap_or(title);
                        self.applied.refused.push(Refused { what: steps.join(", "), code, why });
                    }
                    (_, error) => return Err(error.into()),
                },
            }
        }
        Ok(was_done)
    }
}

/// What of an open plan was not done, as it is compared; nothing of one that this program cannot take apart.
fn left_of(approval: &Approval) -> Option<Vec<Governed>> {
    let form = Form::decode(approval.form.as_ref()?.as_ref()).ok()?;
    let Governed::ApplyPlan { acts, reason: _ } = form.act().ok()? else { return None };
    let is_done = |step: u16| approval.done.iter().any(|done| done.step == step);
    let left = (0_u16..).zip(&acts).filter(|(step, _)| !is_done(*step));
    left.map(|(_, act)| Governed::decode_act(act).ok().map(|act| same(&act))).collect()
}

/// Is it this act that was refused, and not the call as such?
fn is_of_act(problem: &Problem) -> bool {
    problem.status < 500 && problem.code != "unauthenticated"
}

/// Parts of a list that are one plan each, by number and length.
fn chunks<T>(items: &[T], length: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    let mut rest = items;
    std::iter::from_fn(move || {
        let mut sum = 0;
        let fits = |item: &&T| {
            sum += length(*item);
            sum <= MAX_ACTS
        };
        let count = rest.iter().take(CoreApproval::MOST_STEPS).take_while(fits).count().max(1);
        let (part, behind) = rest.split_at_checked(count)?;
        rest = behind;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use claviger_core::approval::Eligible;
    use claviger_core::principal::Role;
    use claviger_core::{PrincipalId, Timestamp};
    use serde_json::json;

    use super::*;
    use crate::failure::Exit;

    const ID: ApprovalId = ApprovalId::from_bytes([1; 16]);

    fn give(number: u8) -> Governed {
        Governed::AssignRole {
            principal: PrincipalId::from_bytes([number; 16]),
            role: Role::Auditor,
            reason: None,
        }
    }

    fn parameter(at: u64) -> Governed {
        let declared =
            claviger_core::declaration::Declared::Parameter(claviger_core::declaration::Parameter {
                name: "access_review_days".parse().unwrap(),
                value: "90".parse().unwrap(),
                effective_from: Timestamp::from_micros(at),
            });
        Governed::Declare { declared, text: "as asked".to_owned() }
    }

    fn plan(acts: &[Governed], done: &[u16]) -> Approval {
        let form = Form {
            deployment: "shop".parse().unwrap(),
            id: ID,
            action: Action::ApplyPlan,
            asked: Governed::ApplyPlan { acts: acts.iter().map(Governed::encode).collect(), reason: None }
                .encode(),
            salt: [7; 16],
            requester: PrincipalId::from_bytes([4; 16]),
            ring: None,
            rows: Vec::new(),
            quorum: 2,
            eligible: Eligible::Custodians,
            requested_at: Timestamp::from_micros(1),
            expires_at: Timestamp::from_micros(2),
            reason: None,
        };
        let done: Vec<_> = done.iter().map(|step| json!({"step": step})).collect();
        let json = json!({
            "id": ID.to_string(), "action": "apply_plan", "state": "open",
            "requester": {"id": PrincipalId::from_bytes([4; 16]).to_string()}, "ring": null, "quorum": 2,
            "eligible": "custodians", "approved": 0, "requested_at": "2026-01-01T00:00:00Z",
            "expires_at": "2026-01-08T00:00:00Z", "digest": "ab".repeat(32), "rows": [], "decisions": [], "done": done,
            "ended": null, "revision": 1,
        });
        Approval { form: Some(form.encode().into()), ..serde_json::from_value(json).unwrap() }
    }

    #[test]
    fn what_is_left_of_a_plan_is_compared_whenever_it_was_asked_for() {
        assert_eq!(left_of(&plan(&[give(1), parameter(7)], &[0])), Some(vec![same(&parameter(9))]));
        assert_eq!(left_of(&plan(&[give(1), give(2)], &[])), Some(vec![give(1), give(2)]));
        assert_ne!(same(&give(1)), same(&give(2)));
        let unshown = Approval { form: None, ..plan(&[give(1)], &[]) };
        assert_eq!(left_of(&unshown), None);
    }

    #[test]
    fn parts_are_no_longer_than_a_plan() {
        let lengths = |items: &[usize]| chunks(items, |item| *item).map(<[_]>::len).collect::<Vec<_>>();
        assert_eq!(lengths(&[]), [0; 0]);
        assert_eq!(lengths(&[1; 130]), [64, 64, 2]);
        assert_eq!(lengths(&[30_000; 3]), [1, 1, 1]);
        // One that is too long by itself is for the deployment to refuse.
        assert_eq!(lengths(&[100_000, 1]), [1, 1]);
    }

    #[test]
    fn what_waits_comes_before_what_was_refused() {
        let waits = Waits { approval: ID.to_string(), steps: vec!["give role auditor to ada".to_owned()] };
        let refused =
            Refused { what: "create key a/b".to_owned(), code: "denied".to_owned(), why: "no".to_owned() };
        let applied = Applied { waits: vec![waits], refused: vec![refused], ..Applied::default() };
        let failure = applied.end().unwrap_err();
        assert_eq!((failure.exit(), failure.approval()), (Exit::Pending, Some(ID.to_string().as_str())));
        let text = applied.text();
        assert!(text.contains("give role auditor to ada") && text.contains("create key a/b"), "{text}");
        let applied = Applied { waits: Vec::new(), ..applied };
        assert_eq!(applied.end().unwrap_err().exit(), Exit::Failed);
        assert!(Applied::default().end().is_ok());
        assert_eq!(Applied::default().text(), "nothing to do");
    }
}
