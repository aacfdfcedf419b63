//! `claviger principal …`.

use clap::{Args, Subcommand};
use claviger_client::types::Pairs;
use claviger_client::types::principal::{CreatePrincipal, ListPrincipals, Principal, Recovery};
use claviger_core::principal::{PrincipalKind, Status};
use claviger_core::{Name, PrincipalId};

use super::capacity;
use super::leave::LeaveArgs;
use super::paging::Paging;
use super::reason::{self, WhyArgs};
use crate::failure::Failure;
use crate::input::consent::Consent;
use crate::input::word::one_of;
use crate::output::{Table, named, record};
use crate::session::Session;

/// Commands about principals.
#[derive(Debug, Subcommand)]
pub enum PrincipalCommand {
    /// Create a principal, without roles, grants or credentials
    ///
    /// Applications are created by an administrator, people by a security officer. Who creates a principal, or makes one of
    /// its credentials, gives it neither role nor grant: that takes a second security officer.
    #[command(
        after_help = "Example: claviger --profile administrator.toml principal create shop --kind workload"
    )]
    Create(CreateArgs),
    /// List principals
    List(ListArgs),
    /// Show one principal
    Show(ShowArgs),
    /// Revoke a principal for ever, with all that it holds
    Revoke(RevokeArgs),
    /// End a person who leaves, and show what is to be done then
    ///
    /// At once and together: the principal is revoked for ever, its roles are withdrawn, its credentials revoked, what it asked others to
    /// approve is cancelled, what it approved counts no more, and every grant that it held ends, with what was passed on from it. Grants
    /// that it gave under a role stay. It takes a security officer or a responder; the reason code is `person_left`, and all but a responder
    /// say in words why.
    ///
    /// What the person owned and made is shown, with a command for each thing that wants somebody else. Run again, the command changes nothing
    /// and shows what is still there.
    #[command(
        after_help = "Example: claviger --profile security_officer.toml principal leave ada --reason \"moves to another firm\""
    )]
    Leave(LeaveArgs),
    /// Erase who a revoked principal was, for ever
    ///
    /// The key goes under which the log has sealed its name, the addresses that it came from and what its credentials are called, and the
    /// name in its row with it: it is called by its identifier from then on. What it did stays in the log, under that identifier, and the log
    /// verifies as before. Whoever was given a disclosure, an export with names or a backup before still has what is in it.
    #[command(
        after_help = "Example: claviger principal erase carla --reason-code erasure_request --reason \"request 4711\""
    )]
    Erase(RevokeArgs),
    /// Acknowledge a security officer that `claviger recover` made
    ///
    /// Until another person with a role does, `status`, `doctor`, a metric and each start show it. Ask first, outside of this
    /// system, who ran the recovery and why: whoever has the machine and the secret of its root can.
    #[command(after_help = "Example: claviger principal acknowledge-recovery officer-3")]
    AcknowledgeRecovery(ShowArgs),
    /// Cancel the recovery that made a security officer, as a custodian: the officer is revoked for ever
    ///
    /// Within 72 hours of the recovery, as long as nobody has acknowledged it. It is revoked even where it is the last officer: whoever has the
    /// machine and the secret of its root should not have made it.
    #[command(
        after_help = "Example: claviger --profile custodian-1.toml principal cancel-recovery officer-3 --reason \"nobody of us ran it\""
    )]
    CancelRecovery(RevokeArgs),
}

/// A new principal.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Name, bound for ever
    name: Name,
    /// What it is
    #[arg(long, default_value = "workload", value_parser = one_of::<PrincipalKind>(PrincipalKind::ALL.map(PrincipalKind::name)))]
    kind: PrincipalKind,
    /// Ring, by name or id, for keys that it creates through protocols that know no rings
    #[arg(long, value_name = "RING")]
    home: Option<String>,
    /// The environment that it belongs to, for ever, such as production; that of the deployment unless said otherwise
    #[arg(long, value_name = "NAME")]
    environment: Option<Name>,
    /// Another account of the same person, by name or id, for ever: the two are one person wherever people are counted
    #[arg(long, value_name = "NAME")]
    same_person_as: Option<String>,
}

/// Which principals.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    paging: Paging,
}

/// Which principal.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Principal, by name or id
    principal: String,
}

/// Whom to revoke, whose recovery to cancel, or whom to erase.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Principal, by name or id
    principal: String,
    #[command(flatten)]
    why: WhyArgs,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl PrincipalCommand {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let principal = match self {
            Self::List(args) => return args.run(session).await,
            Self::Leave(args) => return args.run(session).await,
            Self::Create(args) => {
                let CreateArgs { name, kind, home, environment, same_person_as } = args;
                let (name, kind, environment) = (name.into(), kind.into(), environment.map(Into::into));
                let request = CreatePrincipal { name, kind, home, environment, same_person_as };
                client.create_principal(&request).await?
            }
            Self::Show(args) => client.read_principal(&args.principal).await?,
            Self::AcknowledgeRecovery(args) => client.acknowledge_recovery(&args.principal).await?,
            Self::CancelRecovery(args) => {
                let question =
                    format!("principal `{}` is revoked for ever, its name with it.", args.principal);
                Consent::of(args.yes).require(&question, &args.principal)?;
                client.cancel_recovery(&args.principal, &args.why.into()).await?
            }
            Self::Erase(args) => {
                let question = format!(
                    "who principal `{}` was is erased for ever. Nothing in the log leads to it any more.",
                    args.principal
                );
                Consent::of(args.yes).require(&question, &args.principal)?;
                client.erase_principal(&args.principal, &args.why.into()).await?
            }
            Self::Revoke(args) => {
                let question =
                    format!("principal `{}` is revoked for ever, its name with it.", args.principal);
                Consent::of(args.yes).require(&question, &args.principal)?;
                client.revoke_principal(&args.principal, &args.why.into()).await?
            }
        };
        session.format.print(&principal.value, table)
    }
}

impl ListArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let fetch =
            async |cursor, limit| Ok(client.list_principals(&ListPrincipals { cursor, limit }).await?.value);
        let page = self.paging.collect(fetch).await?;
        session.format.print(&page, |page| {
            let heads = ["name", "kind", "status", "roles", "capacities", "id"];
            let mut table = Table::new("principals", &heads);
            for principal in &page.items {
                table.row([
                    principal.name.to_string(),
                    principal.kind.to_string(),
                    principal.standing.to_string(),
                    roles(principal),
                    capacities(principal),
                    principal.id.to_string(),
                ]);
            }
            table.text()
        })
    }
}

/// How it came about, where a recovery made it.
fn recovery(principal: &Principal) -> String {
    match &principal.recovery {
        None => String::new(),
        Some(Recovery { at, acknowledged_by: None }) => format!("at {at}, NOT ACKNOWLEDGED"),
        Some(Recovery { at, acknowledged_by: Some(by) }) => {
            format!("at {at}, acknowledged by {}", named(&principal.names, by))
        }
    }
}

/// Who made something, as far as it is known.
pub(super) fn maker(created_by: Option<&PrincipalId>, names: &Pairs) -> String {
    match created_by {
        None => "not known".to_owned(),
        Some(&PrincipalId::SYSTEM) => "the system".to_owned(),
        Some(id) => named(names, id),
    }
}

/// The account that stood for the same person first.
fn same_person(principal: &Principal) -> String {
    principal.same_person_as.map(|first| named(&principal.names, first)).unwrap_or_default()
}

/// Its roles; of one who was revoked, that they ended.
fn roles(principal: &Principal) -> String {
    let roles = principal.roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match *principal.standing {
        Status::Revoked if !roles.is_empty() => format!("none any more ({roles} before)"),
        Status::Active | Status::Revoked => roles,
    }
}

/// What it answers for.
fn capacities(principal: &Principal) -> String {
    let held = principal.capacities.iter().map(|held| capacity::text(*held.capacity, &principal.names));
    held.collect::<Vec<_>>().join(", ")
}

/// One principal as text.
pub(super) fn table(principal: &Principal) -> String {
    record(&[
        ("name", principal.name.to_string()),
        ("id", principal.id.to_string()),
        ("kind", principal.kind.to_string()),
        ("status", principal.standing.to_string()),
        ("roles", roles(principal)),
        ("capacities", capacity::shown(principal)),
        ("home", principal.home.as_ref().map(|ring| named(&principal.names, ring)).unwrap_or_default()),
        ("environment", principal.environment.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("same person as", same_person(principal)),
        ("created by", maker(principal.created_by.as_deref(), &principal.names)),
        ("created at", principal.created_at.to_string()),
        ("recovery", recovery(principal)),
        ("erased at", principal.erased_at.map(|at| at.to_string()).unwrap_or_default()),
        ("reason", reason::reported(principal.reason.as_ref())),
        ("reason id", reason::id_of(principal.reason.as_ref())),
        ("revision", principal.revision.to_string()),
    ])
}
