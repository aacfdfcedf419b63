//! `claviger capacity …`: what persons answer for.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use claviger_client::Client;
use claviger_client::types::Pairs;
use claviger_client::types::principal::{HeldCapacity, ListPrincipals, Principal};
use claviger_core::Capacity;
use claviger_core::principal::Status;
use serde::Serialize;

use super::paging::Paging;
use super::principal;
use super::reason::WhyArgs;
use crate::failure::Failure;
use crate::output::{Table, named};
use crate::session::Session;

/// Commands about capacities.
#[derive(Debug, Subcommand)]
pub enum CapacityCommand {
    /// Say that a person answers for something, and so signs the statements that ask for it
    ///
    /// Capacities: `ciso`, `dpo` (data protection officer), `executive`, `privacy_officer`, `risk_owner`; `asset_owner:ASSET` and
    /// `key_owner:KEY`, by name or id. They let nobody do anything else. Nobody says it of themselves, or of a person whose certificate they
    /// made. Custodians must approve: the command asks for that, and ends with exit code 3 and the identifier of the approval.
    #[command(alias = "assign")]
    Give(CapacityArgs),
    /// Say that a person answers for something no more
    Withdraw(CapacityArgs),
    /// What persons answer for, and for what nobody does
    List(ListArgs),
}

/// Who, and for what.
#[derive(Debug, Args)]
pub struct CapacityArgs {
    /// Person, by name or id
    principal: String,
    /// Capacity, as in `dpo` or `key_owner:orders/pan`
    #[arg(value_parser = parse)]
    capacity: Named,
    #[command(flatten)]
    why: WhyArgs,
}

/// All of them.
#[derive(Debug, Args)]
pub struct ListArgs {}

/// A capacity, as it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    /// Of a data asset, by name or id.
    AssetOwner(String),
    /// Of a key, by full name or id.
    KeyOwner(String),
    /// By itself.
    Known(Capacity),
}

/// Reads a capacity. `-` is understood for `_`, as in every word.
fn parse(text: &str) -> Result<Named, String> {
    match text.split_once(':') {
        Some((word, of)) if !of.is_empty() => match word.replace('-', "_").as_str() {
            "asset_owner" => return Ok(Named::AssetOwner(of.to_owned())),
            "key_owner" => return Ok(Named::KeyOwner(of.to_owned())),
            _ => {}
        },
        Some(_) => {}
        None => {
            if let Ok(capacity) = text.replace('-', "_").parse() {
                return Ok(Named::Known(capacity));
            }
        }
    }
    Err("`ciso`, `dpo`, `executive`, `privacy_officer`, `risk_owner`, `asset_owner:ASSET` or `key_owner:KEY` is expected"
        .to_owned())
}

impl Named {
    /// The capacity, with the identifier of what it is of.
    async fn resolved(self, client: &Client) -> Result<Capacity, Failure> {
        Ok(match self {
            Self::AssetOwner(asset) => match asset.parse() {
                Ok(id) => Capacity::AssetOwner(id),
                Err(_) => Capacity::AssetOwner(*client.read_asset(&asset).await?.value.id),
            },
            Self::KeyOwner(key) => match key.parse() {
                Ok(id) => Capacity::KeyOwner(id),
                Err(_) => Capacity::KeyOwner(*client.read_key(&key).await?.value.id),
            },
            Self::Known(capacity) => capacity,
        })
    }
}

impl CapacityCommand {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let principal = match self {
            Self::List(_) => return list(session).await,
            Self::Give(args) => {
                let capacity = args.capacity.resolved(&client).await?;
                client.assign_capacity(&args.principal, capacity, &args.why.into()).await?
            }
            Self::Withdraw(args) => {
                let capacity = args.capacity.resolved(&client).await?;
                client.withdraw_capacity(&args.principal, capacity, &args.why.into()).await?
            }
        };
        session.format.print(&principal.value, principal::table)
    }
}

/// A capacity, and who holds it.
#[derive(Debug, Serialize, PartialEq, Eq)]
struct Holders {
    /// In its one spelling.
    capacity: String,
    /// The same, with the name of what it is of.
    shown: String,
    principals: Vec<String>,
}

async fn list(session: &Session) -> Result<(), Failure> {
    let client = session.client()?;
    let fetch =
        async |cursor, limit| Ok(client.list_principals(&ListPrincipals { cursor, limit }).await?.value);
    let principals = Paging::all().collect(fetch).await?.items;
    session.format.print(&holders(&principals), |holders| {
        let mut table = Table::new("capacities", &["capacity", "held by"]);
        for line in holders {
            table.row([line.shown.clone(), line.principals.join(", ")]);
        }
        table.text()
    })
}

/// Those that are of nothing in particular, each, and the others as far as somebody holds them.
fn holders(principals: &[Principal]) -> Vec<Holders> {
    let whole =
        [Capacity::Ciso, Capacity::Dpo, Capacity::Executive, Capacity::PrivacyOfficer, Capacity::RiskOwner];
    let mut held: BTreeMap<Capacity, (String, Vec<String>)> = whole
        .into_iter()
        .map(|capacity| (capacity, (text(capacity, &Pairs::default()), Vec::new())))
        .collect();
    for principal in principals.iter().filter(|one| *one.standing == Status::Active) {
        for HeldCapacity { capacity, .. } in &principal.capacities {
            let shown = text(**capacity, &principal.names);
            let line = held.entry(**capacity).or_insert_with(|| (shown, Vec::new()));
            line.1.push(principal.name.to_string());
        }
    }
    let line = |(capacity, (shown, principals)): (Capacity, (String, Vec<String>))| Holders {
        capacity: capacity.to_string(),
        shown,
        principals,
    };
    held.into_iter().map(line).collect()
}

/// A capacity, with the name of what it is of.
pub(super) fn text(capacity: Capacity, names: &Pairs) -> String {
    match capacity {
        Capacity::AssetOwner(id) => format!("{}:{}", capacity.word(), named(names, id)),
        Capacity::KeyOwner(id) => format!("{}:{}", capacity.word(), named(names, id)),
        Capacity::Ciso
        | Capacity::Dpo
        | Capacity::Executive
        | Capacity::PrivacyOfficer
        | Capacity::RiskOwner => capacity.word().to_owned(),
    }
}

/// Those of a person, each with who said so.
pub(super) fn shown(principal: &Principal) -> String {
    let one = |held: &HeldCapacity| {
        let giver = principal::maker(Some(&held.given_by), &principal.names);
        format!("{} (given by {giver})", text(*held.capacity, &principal.names))
    };
    principal.capacities.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "01940f3e-7b1c-7d20-8c3e-5a6f1b2c3d4e";
    const OTTO: &str = "02940f3e-7b1c-7d20-8c3e-5a6f1b2c3d4e";

    fn person(name: &str, standing: &str, capacities: &[&str]) -> Principal {
        let held: Vec<_> = capacities
            .iter()
            .map(|capacity| serde_json::json!({"capacity": capacity, "given_by": OTTO}))
            .collect();
        let json = serde_json::json!({
            "id": KEY, "name": name, "kind": "human", "standing": standing, "roles": [], "capacities": held,
            "created_at": "2026-01-01T00:00:00Z", "revision": 2, "names": {KEY: "orders/pan", OTTO: "otto"},
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn capacities_are_given_by_name_and_in_either_spelling() {
        assert_eq!(parse("dpo"), Ok(Named::Known(Capacity::Dpo)));
        assert_eq!(parse("privacy-officer"), Ok(Named::Known(Capacity::PrivacyOfficer)));
        assert_eq!(parse("key-owner:orders/pan"), Ok(Named::KeyOwner("orders/pan".to_owned())));
        assert_eq!(parse("asset_owner:patients"), Ok(Named::AssetOwner("patients".to_owned())));
        for wrong in ["", "boss", "dpo:x", "key_owner", "key_owner:", "owner:x"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn who_holds_what_is_told_and_so_is_what_nobody_holds() {
        let key_owner = format!("key_owner:{KEY}");
        let people = [
            person("dana", "active", &["dpo", &key_owner]),
            person("gone", "revoked", &["ciso"]),
            person("dora", "active", &["dpo"]),
        ];
        let told: Vec<_> =
            holders(&people).into_iter().map(|line| (line.shown, line.principals.join(" "))).collect();
        let line = |shown: &str, held_by: &str| (shown.to_owned(), held_by.to_owned());
        assert_eq!(
            told,
            [
                line("ciso", ""),
                line("dpo", "dana dora"),
                line("executive", ""),
                line("key_owner:orders/pan", "dana"),
                line("privacy_officer", ""),
                line("risk_owner", ""),
            ]
        );
        assert_eq!(shown(&people[0]), "dpo (given by otto), key_owner:orders/pan (given by otto)");
    }
}
