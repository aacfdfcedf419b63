//! `claviger key alias …`.

use clap::{Args, Subcommand};
use claviger_client::types::alias::{Alias, CreateAlias, ListAliases, MoveAlias};
use claviger_core::AliasName;

use super::paging::Paging;
use crate::failure::Failure;
use crate::output::{Table, named, record};
use crate::session::Session;

/// Commands about other names of keys.
#[derive(Debug, Subcommand)]
pub enum AliasCommand {
    /// Give a key another name
    Add(PutArgs),
    /// Move such a name to another key
    Move(PutArgs),
    /// Take such a name away
    Remove(RemoveArgs),
    /// List such names
    List(ListArgs),
}

/// Which name, and which key.
#[derive(Debug, Args)]
pub struct PutArgs {
    /// The alias: up to 250 characters of a-z, A-Z, 0-9, `/`, `-`, `_`
    alias: AliasName,
    /// Key, as RING/NAME or id
    key: String,
}

/// Which name.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// The alias
    alias: AliasName,
}

/// Which names.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only of this key
    #[arg(long)]
    key: Option<String>,
    /// Only of keys of this ring
    #[arg(long)]
    ring: Option<String>,
    #[command(flatten)]
    paging: Paging,
}

impl AliasCommand {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let alias = match self {
            Self::List(args) => return args.run(session).await,
            Self::Add(PutArgs { alias, key }) => {
                client.create_alias(&CreateAlias { name: alias.into(), key }).await?
            }
            Self::Move(PutArgs { alias, key }) => {
                client.move_alias(alias.as_str(), &MoveAlias { key }).await?
            }
            Self::Remove(RemoveArgs { alias }) => client.remove_alias(alias.as_str()).await?,
        };
        session.format.print(&alias.value, table)
    }
}

impl ListArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let fetch = async |cursor, limit| {
            let query = ListAliases { key: self.key.clone(), ring: self.ring.clone(), cursor, limit };
            Ok(client.list_aliases(&query).await?.value)
        };
        let page = self.paging.collect(fetch).await?;
        session.format.print(&page, |page| {
            let mut table = Table::new("aliases", &["alias", "key", "scope", "updated"]);
            for alias in &page.items {
                table.row([
                    alias.name.to_string(),
                    named(&alias.names, alias.key),
                    alias.scope.to_string(),
                    alias.updated_at.to_string(),
                ]);
            }
            table.text()
        })
    }
}

/// The names of one key, in their order.
pub(super) async fn names_of(session: &Session, key: &str) -> Result<Vec<String>, Failure> {
    let query = ListAliases { key: Some(key.to_owned()), limit: Some(1000), ..ListAliases::default() };
    let page = session.client()?.list_aliases(&query).await?.value;
    Ok(page.items.iter().map(|alias| alias.name.to_string()).collect())
}

fn table(alias: &Alias) -> String {
    record(&[
        ("alias", alias.name.to_string()),
        ("key", named(&alias.names, alias.key)),
        ("ring", named(&alias.names, alias.ring)),
        ("scope", alias.scope.to_string()),
        ("created at", alias.created_at.to_string()),
        ("updated at", alias.updated_at.to_string()),
    ])
}
