//! `claviger approval …`: what somebody asked for that others must approve.
//!
//! What it keeps true: nobody signs what was not shown, or what this program made no words of; the key that signs stays where it is.

mod look;
mod rendering;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use claviger_audit::approval::signed_bytes;
use claviger_client::profile::CannotSign;
use claviger_client::types::GiveReason;
use claviger_client::types::approval::{
    Approval, ApprovalEnded, ApprovalState, DecideApproval, Decision, ExecutedApproval, ExecutedResult,
    ListApprovals, NamedPrincipal, WhichApprovals,
};
use claviger_client::{Client, Profile};
use claviger_core::ApprovalId;
use claviger_core::approval::Verdict;

use super::paging::Paging;
use super::reason::{self, WhyArgs};
use super::{break_glass, credential, declaration, governance, grant, key, principal, ring};
use crate::clock;
use crate::failure::Failure;
use crate::file::placed::ForceArgs;
use crate::input::consent::Consent;
use crate::output::{Table, note, record};
use crate::session::Session;
use look::Look;

/// Commands about approvals.
#[derive(Debug, Subcommand)]
pub enum ApprovalCommand {
    /// List what others must approve
    List(ListArgs),
    /// Show what is asked for, as the bytes say it that approvers sign
    ///
    /// The bytes are taken apart on this machine: what is done, who asks, what each field is before and after, what follows, who else must
    /// approve, and until when. With `-o json` by identifiers. Exit code 4 if the server shows another request than its bytes have.
    Show(ShowArgs),
    /// Look at what is asked for, and approve it by a signature of the key of your certificate
    ///
    /// It is shown as by `show`, and done only while nothing of it has changed. No token approves, and nobody approves what an account of
    /// the same person asked for, or a role or capacity that they would get.
    Approve(ApproveArgs),
    /// Deny what is asked for, by a signature; one denial is enough
    ///
    /// Nothing comes of it then, and the same is not asked for again before its time is over, but for another reason.
    Deny(DenyArgs),
    /// Have done what you asked for, once it is approved
    ///
    /// The same as to give the command again that asked for it. Where a file went with that, as a certificate or wrapped material, the
    /// command itself is given again: no copy is kept.
    Execute(ExecuteArgs),
    /// Give up what you asked for; a security officer or a responder stops what others asked for
    Cancel(CancelArgs),
}

/// Which approvals.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Those that can still be decided or done, those of which nothing comes any more, or all
    #[arg(long, default_value = "open")]
    state: Which,
    #[command(flatten)]
    paging: Paging,
}

/// A choice of approvals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// All
    All,
    /// Of which nothing comes any more
    Ended,
    /// Which can still be decided or done
    Open,
}

/// Which approval.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Approval, by id
    #[arg(value_name = "ID")]
    approval: ApprovalId,
}

/// What to approve.
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// Approval, by id
    #[arg(value_name = "ID")]
    approval: ApprovalId,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// What to deny.
#[derive(Debug, Args)]
pub struct DenyArgs {
    /// Approval, by id
    #[arg(value_name = "ID")]
    approval: ApprovalId,
    #[command(flatten)]
    why: WhyArgs,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// What to have done.
#[derive(Debug, Args)]
pub struct ExecuteArgs {
    /// Approval, by id
    #[arg(value_name = "ID")]
    approval: ApprovalId,
    /// File for the secret of a credential, made anew and for you alone (0600)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
}

/// What to give up.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// Approval, by id
    #[arg(value_name = "ID")]
    approval: ApprovalId,
    #[command(flatten)]
    why: WhyArgs,
}

impl ApprovalCommand {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::List(args) => args.run(session).await,
            Self::Show(args) => args.run(session).await,
            Self::Approve(args) => args.run(session).await,
            Self::Deny(args) => args.run(session).await,
            Self::Execute(args) => args.run(session).await,
            Self::Cancel(args) => {
                let cancelled = session.client()?.cancel_approval(args.approval, &args.why.into()).await?;
                session.format.print(&cancelled.value, table)
            }
        }
    }
}

impl ListArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let state = match self.state {
            Which::All => None,
            Which::Ended => Some(WhichApprovals::Ended),
            Which::Open => Some(WhichApprovals::Open),
        };
        let fetch = async |cursor, limit| {
            let query = ListApprovals { state: state.map(Into::into), cursor, limit };
            Ok(client.list_approvals(&query).await?.value)
        };
        let page = self.paging.collect(fetch).await?;
        session.format.print(&page, |page| {
            let heads = ["id", "act", "asked by", "approved", "state", "until"];
            let mut table = Table::new("approvals", &heads);
            for one in &page.items {
                table.row([
                    one.id.to_string(),
                    one.action.to_string(),
                    called(&one.requester),
                    format!("{} of {}", one.approved, one.quorum),
                    one.state.to_string(),
                    one.expires_at.to_string(),
                ]);
            }
            table.text()
        })
    }
}

impl ShowArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let look = Look::at(&session.client()?, self.approval).await?;
        session.format.print(&look.document(), |_| look.text(clock::now()))
    }
}

impl ApproveArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let (profile, client) = signer(session)?;
        let look = Look::at(&client, self.approval).await?;
        let text = look.text(clock::now());
        if let Err(refused) = look.require_decidable(clock::now()) {
            note(&text);
            return Err(refused);
        }
        consent(self.yes, &text, Verdict::Approve)?;
        let decide = signed(&look, Verdict::Approve, &profile)?;
        let decided = client.decide_approval(self.approval, Verdict::Approve, &decide).await?.value;
        session.format.print(&decided, table)?;
        note(&next(&look, &decided));
        Ok(())
    }
}

impl DenyArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let (profile, client) = signer(session)?;
        let look = Look::at(&client, self.approval).await?;
        consent(self.yes, &look.text(clock::now()), Verdict::Deny)?;
        let GiveReason { reason, reason_code } = self.why.into();
        let decide = DecideApproval { reason, reason_code, ..signed(&look, Verdict::Deny, &profile)? };
        let decided = client.decide_approval(self.approval, Verdict::Deny, &decide).await?.value;
        session.format.print(&decided, table)
    }
}

impl ExecuteArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        // Asked before a secret exists: one that nobody could store would have to be revoked again.
        self.force.check(&self.out)?;
        let executed = session.client()?.execute_approval(self.approval).await?.value;
        if let ExecutedResult::Credential(created) = &executed.result {
            return credential::hand_over(session, created, self.out.as_ref(), self.force);
        }
        if self.out.is_some() {
            note("no secret came of it: `--out` was left alone");
        }
        session.format.print(&executed, executed_table)
    }
}

/// The profile, which must have a certificate to sign with, and a client for it.
fn signer(session: &Session) -> Result<(Profile, Client), Failure> {
    let profile = Profile::load(session.profile_path()?)?;
    if profile.credential.certificate().is_none() {
        return Err(unsigned(CannotSign::NoCertificate));
    }
    Ok((profile, session.client()?))
}

fn unsigned(why: CannotSign) -> Failure {
    let failure = Failure::usage(format!("a decision is signed: {why}"));
    let advice =
        "name a profile with `certificate` and `key`: `claviger credential create --certificate` enters one";
    match why {
        CannotSign::Key => failure,
        CannotSign::NoCertificate => failure.advise(advice),
    }
}

/// Shows what is decided on, and asks, unless that was answered before.
fn consent(yes: bool, shown: &str, verdict: Verdict) -> Result<(), Failure> {
    let consent = Consent::of(yes);
    if consent == Consent::Given {
        note(shown);
    }
    consent.require(&format!("{shown}\nYou {verdict} this in your own name."), verdict.name())
}

/// A decision on what was looked at, signed now.
fn signed(look: &Look, verdict: Verdict, profile: &Profile) -> Result<DecideApproval, Failure> {
    let (digest, now) = (look.digest(), clock::now());
    let bytes = signed_bytes(&digest, verdict, now);
    let signature = profile.credential.sign_as_holder(&bytes).map_err(unsigned)?;
    Ok(DecideApproval::signed(digest, now, signature))
}

/// What comes after an approval.
fn next(look: &Look, decided: &Approval) -> String {
    let (id, who) = (&decided.id, called(&decided.requester));
    match *decided.state {
        ApprovalState::Ready => format!(
            "{}: enough have approved. {who} has it done: `claviger approval execute {id}`, or the same command again",
            look.title()
        ),
        _ => format!(
            "{}: {} of {} have approved; others go on with `claviger approval approve {id}`",
            look.title(),
            decided.approved,
            decided.quorum
        ),
    }
}

fn called(one: &NamedPrincipal) -> String {
    one.name.as_ref().map_or_else(|| one.id.to_string(), ToString::to_string)
}

/// An approval in short, without what it asks for: that is what `show` takes apart.
fn table(approval: &Approval) -> String {
    let said = |one: &Decision| format!("{} by {} at {}", one.verdict, called(&one.by), one.at);
    let over = |end: &ApprovalEnded| format!("{} at {} by {}", end.outcome, end.at, called(&end.by));
    record(&[
        ("approval", approval.id.to_string()),
        ("act", approval.action.to_string()),
        ("state", approval.state.to_string()),
        ("asked by", called(&approval.requester)),
        ("approved", format!("{} of {}", approval.approved, approval.quorum)),
        ("decisions", approval.decisions.iter().map(said).collect::<Vec<_>>().join(", ")),
        ("steps done", steps_done(approval)),
        ("until", approval.expires_at.to_string()),
        ("ended", approval.ended.as_ref().map(over).unwrap_or_default()),
        ("reason", reason::reported(approval.reason.as_ref())),
    ])
}

/// How many steps of a plan were done; nothing of what is none.
fn steps_done(approval: &Approval) -> String {
    match approval.done.len() {
        0 => String::new(),
        count => count.to_string(),
    }
}

fn executed_table(executed: &ExecutedApproval) -> String {
    let result = match &executed.result {
        ExecutedResult::BreakGlass(access) => break_glass::table(access),
        ExecutedResult::Credential(created) => credential::table(&created.credential),
        ExecutedResult::Declaration(declaration) => declaration::table(declaration),
        ExecutedResult::Governance(rules) => governance::table(rules),
        ExecutedResult::Grant(grant) => grant::table(grant),
        ExecutedResult::Key(key) => key::table(key),
        ExecutedResult::Plan(plan) => table(plan),
        ExecutedResult::Principal(principal) => principal::table(principal),
        ExecutedResult::Reason(reason) => {
            record(&[("reason id", reason::id_of(Some(reason))), ("reason", reason::reported(Some(reason)))])
        }
        ExecutedResult::Ring(ring) => ring::table(ring),
    };
    let head = record(&[
        ("done", executed.action.to_string()),
        ("approval", executed.approval.to_string()),
        ("entry", executed.entry.to_string()),
    ]);
    format!("{head}\n{result}")
}

#[cfg(test)]
mod tests;
