//! `claviger principal leave`: a person leaves, and what is to be done then.

use std::fmt::Write as _;

use clap::Args;
use claviger_client::types::GiveReason;
use claviger_client::types::credential::Credential;
use claviger_client::types::principal::{Departure, MadePrincipal, RoleLeft};
use claviger_client::types::text::Covered;
use claviger_core::principal::{CredentialKind, PrincipalKind, Role};
use claviger_core::reason::ReasonCode;
use serde::Serialize;

use super::capacity;
use super::reason::{self, MaybeWhyArgs};
use crate::failure::Failure;
use crate::input::consent::Consent;
use crate::output::{named, record};
use crate::session::Session;

/// Who leaves.
#[derive(Debug, Args)]
pub struct LeaveArgs {
    /// Person, by name or id
    principal: String,
    #[command(flatten)]
    why: MaybeWhyArgs,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// Who left, and what follows.
#[derive(Debug, Serialize)]
struct Leaving {
    #[serde(flatten)]
    left: Departure,
    /// What is to be done, the most urgent first.
    next: Vec<Step>,
}

/// Something to do.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Step {
    because: String,
    /// One after the other; words in capitals are to be filled in.
    commands: Vec<String>,
}

impl Step {
    fn new(because: String, commands: impl IntoIterator<Item = String>) -> Self {
        Self { because, commands: commands.into_iter().collect() }
    }
}

impl LeaveArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let Self { principal, why, yes } = self;
        let question = format!(
            "`{principal}` leaves for ever: roles, credentials, grants and open requests of `{principal}` end."
        );
        Consent::of(yes).require(&question, &principal)?;
        let why = GiveReason { reason_code: Some(ReasonCode::PersonLeft.into()), ..why.into() };
        let left = session.client()?.leave(&principal, &why).await?.value;
        let leaving = Leaving { next: next(&left), left };
        session.format.print(&leaving, text)
    }
}

/// What follows.
fn next(left: &Departure) -> Vec<Step> {
    let name = &left.principal.name;
    let mut steps = Vec::new();
    if left.partial {
        let because = "not all of this could be read: a row was altered in the store".to_owned();
        steps.push(Step::new(because, ["claviger audit verify".to_owned()]));
    }
    steps.extend(left.accounts.iter().map(further_account));
    steps.extend(left.roles.iter().filter_map(|role| role_to_fill(*role, left.quorum)));
    steps.extend(left.capacities.iter().map(|held| {
        let answered = capacity::text(**held, &left.names);
        let because = format!("{name} answered for it, and nobody may do so now: {answered}");
        Step::new(because, [format!("claviger capacity give PRINCIPAL {answered} --reason TEXT")])
    }));
    steps.extend(left.approved.iter().map(|id| {
        let because = format!("{name} had approved it, which does not count any more: somebody else must");
        let commands = ["show", "approve"].map(|step| format!("claviger approval {step} {id}"));
        Step::new(because, commands)
    }));
    steps.extend(left.cancelled.iter().map(|id| {
        let because = format!("{name} had asked for it, and nobody can do it now: ask anew if it is needed");
        Step::new(because, [format!("claviger approval show {id}")])
    }));
    steps.extend(left.made_credentials.iter().map(|made| to_replace(made, left)));
    steps.extend(left.keys.iter().map(|key| {
        let because = format!("{name} answers for key {}", key.name);
        Step::new(because, [format!("claviger key update {} --owner PRINCIPAL", key.name)])
    }));
    if left.more_keys || left.more_made_credentials {
        let because = "there is more: the same command again shows it, once this is done".to_owned();
        steps.push(Step::new(because, [format!("claviger principal leave {name} --reason TEXT")]));
    }
    steps
}

fn further_account(account: &MadePrincipal) -> Step {
    let because = format!("{} is another account of the same person, and can still act", account.name);
    Step::new(because, [format!("claviger principal leave {} --reason TEXT", account.name)])
}

/// Whether a role wants another holder: there are to be more custodians than must approve, and two security officers.
fn role_to_fill(left: RoleLeft, quorum: u8) -> Option<Step> {
    let RoleLeft { role, others } = left;
    let because = match *role {
        Role::Custodian if others <= u64::from(quorum) => {
            format!("up to {quorum} custodians must approve, and {others} can: the absence of one stops it")
        }
        Role::SecurityOfficer if others < 2 => {
            format!("it takes two security officers to enter people, and {others} can be one")
        }
        Role::Administrator | Role::Auditor | Role::Operator | Role::Responder if others == 0 => {
            format!("nobody else holds the role `{role}`")
        }
        Role::Administrator
        | Role::Auditor
        | Role::Custodian
        | Role::Operator
        | Role::Responder
        | Role::SecurityOfficer => return None,
    };
    Some(Step::new(because, [format!("claviger role assign PRINCIPAL {role} --reason TEXT")]))
}

/// A credential that is replaced, and not renewed: whoever kept its secret could renew it as well.
fn to_replace(made: &Credential, left: &Departure) -> Step {
    let (holder, maker) = (named(&left.names, made.principal), &left.principal.name);
    let (kind, label) = (made.kind.to_string().replace('_', " "), &made.label);
    let because = format!(
        "{maker} made {kind} `{label}` of {holder}, and may have kept its secret: renewing it is no remedy"
    );
    let what = match *made.kind {
        CredentialKind::AccessKey => "--kind access-key --out FILE",
        CredentialKind::Certificate => "--certificate FILE",
        CredentialKind::EnrolmentCode => "--enrolment-code --out FILE",
        CredentialKind::Token => "--kind token --out FILE",
    };
    let commands = [
        format!("claviger credential create {holder} {what}"),
        format!("claviger credential revoke {} --reason TEXT", made.id),
    ];
    Step::new(because, commands)
}

/// What became of who left, and what follows, as text.
fn text(leaving: &Leaving) -> String {
    let Leaving { left, next } = leaving;
    let mut text = record(&rows(left));
    if next.is_empty() {
        text.push_str("\nNothing is left to do.\n");
        return text;
    }
    text.push_str("\nTo be done:\n");
    for Step { because, commands } in next {
        // Nothing can be done, nor said, about memory.
        let _ = write!(text, "\n* {because}\n");
        for command in commands {
            let _ = writeln!(text, "    {command}");
        }
    }
    text
}

fn rows(left: &Departure) -> Vec<(&'static str, String)> {
    let principal = &left.principal;
    let roles = left.roles.iter().map(|left| format!("{} (others with it: {})", left.role, left.others));
    let capacities = left.capacities.iter().map(|held| capacity::text(**held, &left.names));
    let keys = left.keys.iter().map(|key| key.name.to_string());
    let grants = left.grants.iter().map(|grant| {
        let on = match &grant.on {
            Covered::Key(id) => format!("key {}", named(&left.names, id)),
            Covered::Ring(id) => format!("ring {}", named(&left.names, id)),
        };
        let operations: Vec<_> = grant.operations.iter().map(ToString::to_string).collect();
        format!("{} on {on}", operations.join(" "))
    });
    let made = left.made_credentials.iter().map(|made| {
        let (kind, holder) = (made.kind.to_string().replace('_', " "), named(&left.names, made.principal));
        format!("{kind} `{}` of {holder}", made.label)
    });
    let people = left.made_principals.iter().map(|made| match *made.kind {
        PrincipalKind::Human => made.name.to_string(),
        kind => format!("{} ({kind})", made.name),
    });
    vec![
        ("name", principal.name.to_string()),
        ("id", principal.id.to_string()),
        ("status", principal.standing.to_string()),
        ("reason", reason::reported(principal.reason.as_ref())),
        ("reason id", reason::id_of(principal.reason.as_ref())),
        ("roles that ended", listed(roles, false)),
        ("capacities that ended", listed(capacities, false)),
        ("credentials that ended", listed(left.credentials.iter().map(ToString::to_string), false)),
        ("grants that ended", listed(grants, left.more_grants)),
        ("requests that were cancelled", listed(left.cancelled.iter().map(ToString::to_string), false)),
        ("approvals that do not count", listed(left.approved.iter().map(ToString::to_string), false)),
        ("owns keys", listed(keys, left.more_keys)),
        ("created", listed(people, left.more_made_principals)),
        ("made credentials", listed(made, left.more_made_credentials)),
        ("other accounts", listed(left.accounts.iter().map(|account| account.name.to_string()), false)),
    ]
}

/// All of them in one cell.
fn listed(all: impl Iterator<Item = String>, more: bool) -> String {
    let more = more.then(|| "and more".to_owned());
    all.chain(more).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01940f3e-7b1c-7d20-8c3e-5a6f1b2c3d4e";

    /// A custodian who leaves; with what else there is.
    fn departure(more: serde_json::Value) -> Departure {
        let mut json = serde_json::json!({
            "principal": {
                "id": ID, "name": "cora", "kind": "human", "standing": "revoked", "roles": [],
                "created_at": "2026-01-01T00:00:00Z", "revision": 4,
                "reason": {"code": "person_left", "text": "moves on"},
            },
            "roles": [{"role": "custodian", "others": 3}], "quorum": 2, "credentials": [ID],
            "cancelled": [], "approved": [], "keys": [], "grants": [], "made_principals": [],
            "made_credentials": [], "accounts": [],
        });
        for (name, value) in more.as_object().unwrap() {
            json[name] = value.clone();
        }
        serde_json::from_value(json).unwrap()
    }

    fn said(more: serde_json::Value) -> (String, Vec<Step>) {
        let left = departure(more);
        let leaving = Leaving { next: next(&left), left };
        (text(&leaving), leaving.next)
    }

    fn commands(steps: &[Step]) -> Vec<&str> {
        steps.iter().flat_map(|step| &step.commands).map(String::as_str).collect()
    }

    #[test]
    fn who_leaves_nothing_behind_leaves_nothing_to_do() {
        let (text, steps) = said(serde_json::json!({}));
        assert_eq!(steps, []);
        for part in ["custodian (others with it: 3)", "person_left: moves on", "\nNothing is left to do.\n"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("owns keys"), "{text}");
    }

    #[test]
    fn each_thing_left_behind_has_its_command() {
        let key = "02940f3e-7b1c-7d20-8c3e-5a6f1b2c3d4e";
        let (text, steps) = said(serde_json::json!({
            "roles": [{"role": "custodian", "others": 2}, {"role": "auditor", "others": 0}],
            "capacities": [format!("key_owner:{ID}"), "dpo"],
            "cancelled": [ID],
            "approved": [key],
            "keys": [{"id": key, "name": "orders/pan"}, {"id": ID, "name": "orders/cvv"}],
            "more_keys": true,
            "grants": [{"id": ID, "on": {"key": key}, "operations": ["encrypt", "decrypt"]}],
            "made_principals": [{"id": ID, "name": "shop", "kind": "workload"}],
            "made_credentials": [{
                "id": ID, "principal": key, "kind": "access_key", "digest": "00", "label": "sdk", "revision": 1,
                "standing": "active", "created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-04-01T00:00:00Z",
            }],
            "accounts": [{"id": ID, "name": "cora-2", "kind": "human"}],
            "partial": true,
            "names": {key: "shop"},
        }));
        assert_eq!(
            commands(&steps),
            [
                "claviger audit verify",
                "claviger principal leave cora-2 --reason TEXT",
                "claviger role assign PRINCIPAL custodian --reason TEXT",
                "claviger role assign PRINCIPAL auditor --reason TEXT",
                &format!("claviger capacity give PRINCIPAL key_owner:{ID} --reason TEXT"),
                "claviger capacity give PRINCIPAL dpo --reason TEXT",
                &format!("claviger approval show {key}"),
                &format!("claviger approval approve {key}"),
                &format!("claviger approval show {ID}"),
                "claviger credential create shop --kind access-key --out FILE",
                &format!("claviger credential revoke {ID} --reason TEXT"),
                "claviger key update orders/pan --owner PRINCIPAL",
                "claviger key update orders/cvv --owner PRINCIPAL",
                "claviger principal leave cora --reason TEXT",
            ]
        );
        for part in [
            "encrypt decrypt on key shop",
            "orders/pan, orders/cvv, and more",
            "shop (workload)",
            "access key `sdk` of shop",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.contains("\nTo be done:\n\n* not all of this could be read"), "{text}");
    }

    #[test]
    fn a_role_is_filled_before_one_more_absence_stops_something() {
        let wanted = |role: Role, others| {
            role_to_fill(RoleLeft { role: role.into(), others }, 2).map(|step| step.because)
        };
        assert!(wanted(Role::Custodian, 2).unwrap().contains("2 can"));
        assert_eq!(wanted(Role::Custodian, 3), None);
        assert!(wanted(Role::SecurityOfficer, 1).unwrap().contains("two security officers"));
        assert_eq!(wanted(Role::SecurityOfficer, 2), None);
        assert!(wanted(Role::Operator, 0).unwrap().contains("`operator`"));
        assert_eq!(wanted(Role::Administrator, 1), None);
    }

    #[test]
    fn programs_get_what_follows_as_well() {
        let left = departure(serde_json::json!({"keys": [{"id": ID, "name": "orders/pan"}]}));
        let json = serde_json::to_value(Leaving { next: next(&left), left }).unwrap();
        assert_eq!(json["principal"]["name"], "cora");
        assert_eq!(json["next"][0]["commands"][0], "claviger key update orders/pan --owner PRINCIPAL");
    }
}
