//! `claviger role …`.

use clap::{Args, Subcommand};
use claviger_client::types::principal::{ListPrincipals, Principal};
use claviger_core::principal::{Role, Status};
use serde::Serialize;

use super::paging::Paging;
use super::principal;
use super::reason::WhyArgs;
use crate::failure::Failure;
use crate::input::word::one_of;
use crate::output::Table;
use crate::session::Session;

/// Commands about roles.
#[derive(Debug, Subcommand)]
pub enum RoleCommand {
    /// Give a principal a role
    ///
    /// Custodians must approve: the command asks for that, and ends with exit code 3 and the identifier of the approval.
    #[command(alias = "create")]
    Assign(RoleArgs),
    /// Take a role from a principal
    #[command(alias = "revoke")]
    Withdraw(RoleArgs),
    /// What roles there are, and who holds them
    List(ListArgs),
    /// Who holds one role
    Show(ShowArgs),
}

/// Who, and which.
#[derive(Debug, Args)]
pub struct RoleArgs {
    /// Principal, by name or id
    principal: String,
    /// Role
    #[arg(value_parser = one_of::<Role>(Role::ALL.map(Role::name)))]
    role: Role,
    #[command(flatten)]
    why: WhyArgs,
}

/// All of them.
#[derive(Debug, Args)]
pub struct ListArgs {}

/// Which role.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Role
    #[arg(value_parser = one_of::<Role>(Role::ALL.map(Role::name)))]
    role: Role,
}

/// A role and its holders.
#[derive(Debug, Serialize, PartialEq, Eq)]
struct Holders {
    role: &'static str,
    may: &'static str,
    principals: Vec<String>,
}

impl RoleCommand {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let principal = match self {
            Self::List(_) => return list(session, &Role::ALL).await,
            Self::Show(args) => return list(session, &[args.role]).await,
            Self::Assign(args) => client.assign_role(&args.principal, args.role, &args.why.into()).await?,
            Self::Withdraw(args) => {
                client.withdraw_role(&args.principal, args.role, &args.why.into()).await?
            }
        };
        session.format.print(&principal.value, principal::table)
    }
}

async fn list(session: &Session, roles: &[Role]) -> Result<(), Failure> {
    let client = session.client()?;
    let fetch =
        async |cursor, limit| Ok(client.list_principals(&ListPrincipals { cursor, limit }).await?.value);
    let principals = Paging::all().collect(fetch).await?.items;
    let holders: Vec<_> = roles
        .iter()
        .map(|role| Holders {
            role: role.name(),
            may: purpose(*role),
            principals: principals
                .iter()
                .filter(|principal| holds(principal, *role))
                .map(|principal| principal.name.to_string())
                .collect(),
        })
        .collect();
    session.format.print(&holders, |holders| {
        let mut table = Table::new("roles", &["role", "is there to", "held by"]);
        for line in holders {
            table.row([line.role.to_owned(), line.may.to_owned(), line.principals.join(", ")]);
        }
        table.text()
    })
}

/// Does it hold the role? Nobody does who was revoked.
fn holds(principal: &Principal, role: Role) -> bool {
    *principal.standing == Status::Active && principal.roles.iter().any(|held| **held == role)
}

/// What a role is there for.
pub(super) fn purpose(role: Role) -> &'static str {
    match role {
        Role::Administrator => "administer rings and keys",
        Role::Auditor => "read everything, change nothing",
        Role::Custodian => "approve sensitive acts, hold a share of the root",
        Role::Operator => "run the deployment",
        Role::Responder => "take keys out of use at once",
        Role::SecurityOfficer => "give and revoke rights",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_who_was_revoked_holds_a_role() {
        let auditor = |standing: &str| -> Principal {
            let id = "01940f3e-7b1c-7d20-8c3e-5a6f1b2c3d4e";
            let json = serde_json::json!({
                "id": id, "name": "vera", "kind": "human", "standing": standing, "roles": ["auditor"],
                "created_at": "2026-01-01T00:00:00Z", "revision": 2,
            });
            serde_json::from_value(json).unwrap()
        };
        let (here, gone) = (auditor("active"), auditor("revoked"));
        assert!(holds(&here, Role::Auditor) && !holds(&here, Role::Operator));
        assert!(!holds(&gone, Role::Auditor));
        assert!(principal::table(&gone).contains("none any more (auditor before)"));
        assert!(!principal::table(&here).contains("none any more"));
    }
}
