//! One look at an approval: its bytes checked and taken apart, and held against the rows as they are.
//!
//! What it keeps true:
//! * what is shown is what the bytes say that would be signed; of the server's answer come names, texts, decisions, and rows as they stand;
//! * a row stands before an arrow only at the revision that was decided on.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use claviger_audit::Receipt;
use claviger_audit::approval::{ApprovalError, Form};
use claviger_audit::declaration::deployment_of;
use claviger_audit::governed::Governed;
use claviger_client::types::approval::{Approval, ApprovalState, NamedPrincipal};
use claviger_client::types::declaration::{Declared as DeclaredThere, ListDeclarations};
use claviger_client::types::text::{ObjectText, Sha256};
use claviger_client::types::{Instant, Page, Reason};
use claviger_client::{Client, ClientError};
use claviger_compliance::Catalogue;
use claviger_core::approval::{Eligible, SeenRow, Verdict};
use claviger_core::declaration::{DeclarationKind, Declared, Parameter};
use claviger_core::object::Object;
use claviger_core::reason::Why;
use claviger_core::{ApprovalId, Name, PrincipalId, Timestamp};
use serde::Serialize;

use super::rendering::{
    Change, Estate, MARK, Names, Rendered, Row, harmless, objects, of_server, parts, rendered,
};
use crate::clock;
use crate::command::reason::reported;
use crate::failure::Failure;
use crate::output::{record, units};

/// An approval as it was looked at.
#[derive(Debug)]
pub(super) struct Look {
    /// As the server shows it.
    pub(super) approval: Approval,
    /// The bytes that approvers sign, taken apart.
    form: Form,
    /// What is asked for, with names.
    asked: Rendered,
    /// The same, with identifiers.
    identified: Rendered,
    /// Which steps of a plan were done.
    done: BTreeSet<u16>,
    names: Names,
    /// Roles of who asks.
    roles: String,
    rows: Rows,
}

/// What the rows are that it was decided on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
struct Rows {
    /// Those that changed since.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    moved: Vec<Moved>,
    /// Those that the deployment does not show to the caller.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hidden: Vec<ObjectText>,
    /// Those that no call shows: the deployment looks at them when the act is done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread: Vec<ObjectText>,
}

/// A row that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Moved {
    object: ObjectText,
    /// The revision that was decided on.
    seen: u64,
    /// Its revision at present.
    now: u64,
}

/// An approval as programs read it.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    #[serde(flatten)]
    approval: &'a Approval,
    deployment: String,
    asked: &'a Rendered,
    #[serde(flatten)]
    rows: &'a Rows,
}

impl Look {
    /// Reads an approval, and what it is about.
    ///
    /// # Errors
    /// Exit code 4 where the server shows another approval than the one that would be signed; others when it refuses, or asks for something
    /// that this program does not know.
    pub(super) async fn at(client: &Client, id: ApprovalId) -> Result<Self, Failure> {
        let answer = client.read_approval(id).await?;
        let deployment = named_by(answer.receipt.as_deref())?;
        let approval = answer.value;
        let (form, act) = opened(&approval, id, &deployment)?;
        let (mut estate, rows) = looked_at(client, &form, &approval).await?;
        learn(&approval, &mut estate.names);
        let mut roles = String::new();
        let known: BTreeSet<_> = form.rows.iter().map(|seen| seen.object).collect();
        let asker = Object::Principal(form.requester);
        for object in objects(&act).into_iter().chain([asker]).collect::<BTreeSet<_>>() {
            if known.contains(&object) && object != asker {
                continue;
            }
            if let Some(row) = find(client, object).await? {
                row.teach(&mut estate.names);
                if let (Row::Principal(row), true) = (&row, object == asker) {
                    roles = row.roles.iter().map(|role| role.to_string()).collect::<Vec<_>>().join(", ");
                }
            }
        }
        for part in parts(&act) {
            if let Governed::Declare { declared: Declared::Parameter(parameter), .. } = part
                && let Some(value) = in_force(client, &parameter).await?
            {
                estate.in_force.insert(parameter.name.to_string(), value);
            }
        }
        Self::of(approval, form, &act, estate, rows, roles)
    }

    fn of(
        approval: Approval,
        form: Form,
        act: &Governed,
        estate: Estate,
        rows: Rows,
        roles: String,
    ) -> Result<Self, Failure> {
        let asked = rendered(act, &estate).ok_or_else(|| unknown(act.word()))?;
        let (names, done) = (estate.names.clone(), estate.done.clone());
        let unnamed = Estate { names: Names::default(), ..estate };
        let identified = rendered(act, &unnamed).ok_or_else(|| unknown(act.word()))?;
        Ok(Self { approval, form, asked, identified, done, names, roles, rows })
    }

    /// What is done, in a few words.
    pub(super) fn title(&self) -> &str {
        &self.asked.title
    }

    /// SHA-256 of what approvers sign.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.form.digest()
    }

    /// For programs: with identifiers.
    pub(super) fn document(&self) -> Document<'_> {
        Document {
            approval: &self.approval,
            deployment: self.form.deployment.to_string(),
            asked: &self.identified,
            rows: &self.rows,
        }
    }

    /// Can it be approved, as far as this side sees?
    ///
    /// # Errors
    /// When it ended, or something of it was not shown as it was decided on.
    pub(super) fn require_decidable(&self, now: Timestamp) -> Result<(), Failure> {
        if !is_open(&self.approval) || now >= self.form.expires_at {
            let state = if is_open(&self.approval) { ApprovalState::Expired } else { *self.approval.state };
            return Err(Failure::failed(format!("it is {state}: nothing is left to approve")));
        }
        if let Some(moved) = self.rows.moved.first() {
            let what = self.shown(*moved.object);
            let message = format!("it cannot be done any more: changed since it was asked for: {what}");
            let advice = "who asked for it asks again: that is another approval";
            return Err(Failure::failed(message).advise(advice));
        }
        if let Some(hidden) = self.rows.hidden.first() {
            let what = self.shown(**hidden);
            let message = format!("you are not shown {what}, and so not what would change");
            return Err(Failure::failed(message).advise("somebody who may read it approves instead"));
        }
        Ok(())
    }

    /// For people: all of it, with names.
    pub(super) fn text(&self, now: Timestamp) -> String {
        let mut text = format!("{}\n\n{}", self.asked.title, record(&self.head(now)));
        changes(&self.asked, &mut text);
        for (step, asked) in (0_u16..).zip(&self.asked.steps) {
            let of = self.asked.steps.len();
            let done = if self.done.contains(&step) { ", done" } else { "" };
            let _ = write!(text, "\nSTEP {} of {of}{done}: {}\n", u32::from(step) + 1, asked.title);
            changes(asked, &mut text);
            let _ = write!(text, "\n{}\n", asked.consequence);
        }
        let _ = write!(text, "\n{}\n", self.asked.consequence);
        for Moved { object, seen, now } in &self.rows.moved {
            let what = self.shown(**object);
            let _ = write!(
                text,
                "\nCHANGED: {what}: at revision {now} now, at {seen} when this was asked for. It cannot be done any more.\n"
            );
        }
        for object in &self.rows.hidden {
            let _ = write!(text, "\nNOT SHOWN to you: {}\n", self.shown(**object));
        }
        for object in &self.rows.unread {
            let what = self.shown(**object);
            let _ = write!(
                text,
                "\n{what}: no call shows it; that it did not change is looked at when this is done\n"
            );
        }
        let _ = write!(
            text,
            "\n{MARK} names and texts as the server says them, and so is what stands before an arrow. What is signed has identifiers: `-o json` \
             shows them.\n"
        );
        text
    }

    fn head(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        let Form { id, deployment, requester, requested_at, expires_at, .. } = &self.form;
        let roles = if self.roles.is_empty() { String::new() } else { format!(" ({}{MARK})", self.roles) };
        let rule = match self.form.ring {
            Some(ring) => format!("ring {}", self.names.of(ring)),
            None => "the deployment".to_owned(),
        };
        vec![
            ("approval", id.to_string()),
            ("deployment", deployment.to_string()),
            ("asked by", format!("{}{roles}", self.names.principal(*requester))),
            ("why", self.why()),
            ("asked at", Instant(*requested_at).to_string()),
            ("until", until(*expires_at, now)),
            ("rule of", rule),
            ("must approve", self.must()),
            ("so far", self.so_far()),
            ("state", self.approval.state.to_string()),
            ("fingerprint", fingerprint(&self.form.digest())),
        ]
    }

    /// Why it is asked for.
    fn why(&self) -> String {
        let shown = reported(self.approval.reason.as_ref());
        match self.form.reason {
            _ if !shown.is_empty() => of_server(&shown),
            Some(Why::Given(id)) => format!("reason {id}, which the server does not show"),
            Some(Why::Unasked(_)) => "nobody was asked".to_owned(),
            None => "nobody said".to_owned(),
        }
    }

    /// Who must approve.
    fn must(&self) -> String {
        let who = match (self.form.eligible, self.form.quorum) {
            (Eligible::Custodians, 1) => "custodian",
            (Eligible::Custodians, _) => "custodians",
            (Eligible::Responders, 1) => "responder or security officer",
            (Eligible::Responders, _) => "responders or security officers",
            (Eligible::RoleHolders, 1) => "person who holds a role",
            (Eligible::RoleHolders, _) => "persons who hold a role, because there are too few custodians",
        };
        let others = match self.form.eligible {
            Eligible::Custodians | Eligible::RoleHolders => "other than who asks",
            Eligible::Responders => {
                "other than who asks, who gets it, and who made that account or a credential of it"
            }
        };
        format!("{} {who}, {others}", self.form.quorum)
    }

    /// Who decided, and who is missing.
    fn so_far(&self) -> String {
        let mut said: Vec<_> = self
            .approval
            .decisions
            .iter()
            .map(|decision| {
                let verb = match *decision.verdict {
                    Verdict::Approve => "approved",
                    Verdict::Deny => "denied",
                };
                format!("{} {verb}", self.names.principal(*decision.by.id))
            })
            .collect();
        match self.form.quorum.saturating_sub(self.approval.approved) {
            _ if !is_open(&self.approval) => {}
            0 => said.push("enough".to_owned()),
            missing if said.is_empty() => said.push(format!("nobody; {missing} must")),
            missing => said.push(format!("{missing} more must")),
        }
        said.join(", ")
    }

    /// A row, as it is called.
    fn shown(&self, object: Object) -> String {
        match object {
            Object::Governance(_) => "the rules of the deployment".to_owned(),
            object => {
                let kind = object.kind().name().replace('_', " ");
                format!("{kind} {}", self.names.of(object.shown_id()))
            }
        }
    }
}

/// The deployment that a receipt is of.
fn named_by(receipt: Option<&str>) -> Result<Name, Failure> {
    let receipt = receipt.and_then(|wire| Receipt::parse(wire).ok());
    let name = receipt.as_ref().and_then(|receipt| deployment_of(&receipt.origin)?.parse().ok());
    name.ok_or_else(|| Failure::failed("the answer has no receipt that names the deployment"))
}

/// The bytes of an approval and the act in them, both of which must be what the server says.
fn opened(approval: &Approval, id: ApprovalId, deployment: &Name) -> Result<(Form, Governed), Failure> {
    let bytes =
        approval.form.as_ref().ok_or_else(|| Failure::failed("the answer has no bytes to look at"))?;
    let broken = |error: ApprovalError| {
        Failure::unverified(format!("the bytes that would be signed do not read: {error}"))
    };
    let form = Form::decode(bytes.as_ref()).map_err(broken)?;
    let differs = [
        ("approval", form.id != id || *approval.id != id),
        ("deployment", form.deployment != *deployment),
        ("digest", Sha256(form.digest()) != *approval.digest),
        ("act", form.action != *approval.action),
        ("person who asks", form.requester != *approval.requester.id),
        ("reason", approval.reason.as_ref().is_some_and(|given| !is_reason(given, form.reason))),
    ];
    if let Some((what, _)) = differs.into_iter().find(|(_, differs)| *differs) {
        let message = format!("the server shows another {what} than the bytes that would be signed");
        let advice = "sign nothing, and tell a security officer and an auditor";
        return Err(Failure::unverified(message).advise(advice));
    }
    let act = form.act().map_err(|_| unknown(form.action.name()))?;
    Ok((form, act))
}

/// Is this the reason that was given, or none where none was?
fn is_reason(shown: &Reason, given: Option<Why>) -> bool {
    match given {
        Some(Why::Given(id)) => shown.id.is_some_and(|shown| *shown == id),
        Some(Why::Unasked(_)) | None => shown.id.is_none() && shown.code.is_none() && shown.text.is_none(),
    }
}

/// An act that this program cannot take apart is shown in no words at all.
fn unknown(word: &str) -> Failure {
    let message =
        format!("this program cannot take apart what `{word}` asks for here, and shows nothing of it");
    Failure::failed(message).advise("use the `claviger` of the release that the deployment runs")
}

fn is_open(approval: &Approval) -> bool {
    matches!(*approval.state, ApprovalState::Open | ApprovalState::Ready)
}

/// Names in the approval itself.
fn learn(approval: &Approval, names: &mut Names) {
    names.learn_all(&approval.names);
    let mut person = |one: &NamedPrincipal| {
        if let Some(name) = &one.name {
            names.learn(one.id, name);
        }
    };
    person(&approval.requester);
    approval.decisions.iter().for_each(|decision| person(&decision.by));
    if let Some(ended) = &approval.ended {
        person(&ended.by);
    }
    for row in &approval.rows {
        if let Some(name) = &row.name {
            names.learn(row.object.shown_id(), name);
        }
    }
    if let Some(ring) = &approval.ring
        && let Some(name) = &ring.name
    {
        names.learn(ring.id, name);
    }
}

/// Rows that were decided on, as they are now. What came of an approval has changed them: of one that ended nothing but names is taken.
async fn looked_at(client: &Client, form: &Form, approval: &Approval) -> Result<(Estate, Rows), Failure> {
    let is_open = is_open(approval);
    let (mut estate, mut rows) = (Estate::default(), Rows::default());
    estate.done = approval.done.iter().map(|done| done.step).collect();
    for &SeenRow { object, revision: shown } in &form.rows {
        let seen = left_by_steps(approval, object).unwrap_or(shown);
        if !is_shown(object) {
            rows.unread.push(object.into());
            continue;
        }
        let Some(row) = find(client, object).await? else {
            rows.hidden.push(object.into());
            continue;
        };
        row.teach(&mut estate.names);
        let now = row.revision();
        if now == seen && is_open {
            estate.rows.insert(object, row);
        } else if is_open {
            rows.moved.push(Moved { object: object.into(), seen, now });
        }
    }
    Ok((estate, if is_open { rows } else { Rows::default() }))
}

/// The revision that a row has since a step of the plan wrote it, if one did.
fn left_by_steps(approval: &Approval, object: Object) -> Option<u64> {
    let mut moved = approval.done.iter().rev().flat_map(|done| &done.moved);
    moved.find(|seen| *seen.object == object).map(|seen| seen.revision)
}

/// Is there a call that shows its row?
const fn is_shown(object: Object) -> bool {
    match object {
        Object::Declaration(_)
        | Object::Governance(_)
        | Object::Grant(_)
        | Object::Key(_)
        | Object::Principal(_)
        | Object::Ring(_) => true,
        Object::Alert(_)
        | Object::Alias(_)
        | Object::Approval(_)
        | Object::Asset(_)
        | Object::BreakGlass(_)
        | Object::Credential(_)
        | Object::Node(_)
        | Object::Reason(_)
        | Object::Review(_)
        | Object::RightsReview(_)
        | Object::Version(_) => false,
    }
}

/// With which codes the deployment says that it shows something to others alone.
const HIDDEN: [&str; 2] = ["denied", "not-found"];

/// A row, where the deployment shows it to the caller.
async fn find(client: &Client, object: Object) -> Result<Option<Row>, Failure> {
    let found = match object {
        Object::Declaration(id) => {
            client.read_declaration(id).await.map(|read| Row::Declaration(Box::new(read.value)))
        }
        Object::Governance(_) => {
            client.read_governance().await.map(|read| Row::Governance(Box::new(read.value)))
        }
        Object::Grant(id) => client.read_grant(id).await.map(|read| Row::Grant(Box::new(read.value))),
        Object::Key(id) => client.read_key(&id.to_string()).await.map(|read| Row::Key(Box::new(read.value))),
        Object::Principal(PrincipalId::SYSTEM) => return Ok(None),
        Object::Principal(id) => {
            client.read_principal(&id.to_string()).await.map(|read| Row::Principal(Box::new(read.value)))
        }
        Object::Ring(id) => {
            client.read_ring(&id.to_string()).await.map(|read| Row::Ring(Box::new(read.value)))
        }
        _ => return Ok(None),
    };
    match found {
        Ok(row) => Ok(Some(row)),
        Err(ClientError::Problem(problem)) if HIDDEN.contains(&problem.code.as_str()) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The value that a parameter has now: the declared one that began last, or else the default.
async fn in_force(client: &Client, parameter: &Parameter) -> Result<Option<String>, Failure> {
    let now = Instant(clock::now());
    let (mut newest, mut cursor): (Option<(Instant, String)>, _) = (None, None);
    loop {
        let query = ListDeclarations {
            kind: Some(DeclarationKind::Parameter.into()),
            subject: Some(parameter.name.clone().into()),
            cursor,
            limit: None,
        };
        let Page { items, next } = client.list_declarations(&query).await?.value;
        for one in items.into_iter().filter(|one| one.withdrawn_at.is_none()) {
            if let DeclaredThere::Parameter(declared) = one.declared
                && declared.effective_from <= now
                && newest.as_ref().is_none_or(|(begins, _)| *begins <= declared.effective_from)
            {
                newest = Some((declared.effective_from, declared.value.to_string()));
            }
        }
        match next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    let catalogue = Catalogue::load().map_err(|error| Failure::failed(error.to_string()))?;
    let default = catalogue.find_parameter(parameter.name.as_str()).map(|known| known.default.to_string());
    Ok(newest.map(|(_, value)| value).or(default))
}

/// What changes, thing by thing.
fn changes(asked: &Rendered, text: &mut String) {
    for of in distinct(&asked.changes) {
        let changes = asked.changes.iter().filter(|change| change.of == of);
        let lines: Vec<_> = changes.map(|change| (change.field, arrow(change))).collect();
        let _ = write!(text, "\n{of}\n");
        for line in record(&lines).lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
}

/// What changes are of, each once, in their order.
fn distinct(changes: &[Change]) -> Vec<&str> {
    let mut of: Vec<&str> = changes.iter().map(|change| change.of.as_str()).collect();
    of.dedup();
    of
}

fn arrow(change: &Change) -> String {
    match &change.before {
        Some(before) => format!("{} -> {}", harmless(before), change.after),
        None => change.after.clone(),
    }
}

/// An instant, and how far off it is.
fn until(at: Timestamp, now: Timestamp) -> String {
    let minutes = at.since(now).as_secs() / 60;
    let left = units::span(Duration::from_secs(minutes * 60));
    let how = if now < at { format!("{left} from now") } else { "which is over".to_owned() };
    format!("{}, {how}", Instant(at))
}

/// A digest in groups, to read it out to somebody.
fn fingerprint(digest: &[u8; 32]) -> String {
    let groups: Vec<_> = digest.chunks(4).map(hex::encode).collect();
    groups.join(" ")
}

#[cfg(test)]
mod tests;
