//! `claviger asset …`.

use clap::{Args, Subcommand};
use claviger_client::types::asset::{Asset, CreateAsset, ListAssets};
use claviger_core::Name;
use claviger_core::key::DataClass;

use super::paging::Paging;
use crate::failure::Failure;
use crate::input::word::one_of;
use crate::output::{Table, named, record};
use crate::session::Session;

/// Commands about data assets.
#[derive(Debug, Subcommand)]
pub enum AssetCommand {
    /// Enter a data asset
    ///
    /// Applications say which asset they use a key for by its id, in the field `claviger:asset` of the encryption context; the log says
    /// it with each use. What is no id of an asset is recorded as unknown, or refused where the ring requires assets.
    #[command(alias = "create")]
    Add(AddArgs),
    /// List data assets
    List(ListArgs),
    /// Show one data asset
    Show(ShowArgs),
}

/// A new data asset.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Name, bound for ever
    name: Name,
    /// What its data is
    #[arg(long, value_parser = one_of::<DataClass>(DataClass::ALL.map(DataClass::name)))]
    class: DataClass,
    /// The person who answers for it, by name or id; you unless said otherwise
    #[arg(long, value_name = "PRINCIPAL")]
    owner: Option<String>,
}

/// Which data assets.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    paging: Paging,
}

/// Which data asset.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Data asset, by name or id
    asset: String,
}

impl AssetCommand {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let asset = match self {
            Self::List(args) => return args.run(session).await,
            Self::Add(args) => {
                let AddArgs { name, class, owner } = args;
                client.create_asset(&CreateAsset { name: name.into(), owner, class: class.into() }).await?
            }
            Self::Show(args) => client.read_asset(&args.asset).await?,
        };
        session.format.print(&asset.value, table)
    }
}

impl ListArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let fetch = async |cursor, limit| Ok(client.list_assets(&ListAssets { cursor, limit }).await?.value);
        let page = self.paging.collect(fetch).await?;
        session.format.print(&page, |page| {
            let mut table = Table::new("data assets", &["name", "class", "created", "id"]);
            for asset in &page.items {
                table.row([
                    asset.name.to_string(),
                    asset.class.to_string(),
                    asset.created_at.to_string(),
                    asset.id.to_string(),
                ]);
            }
            table.text()
        })
    }
}

fn table(asset: &Asset) -> String {
    record(&[
        ("name", asset.name.to_string()),
        ("id", asset.id.to_string()),
        ("class", asset.class.to_string()),
        ("owner", named(&asset.names, asset.owner)),
        ("created by", named(&asset.names, asset.created_by)),
        ("created at", asset.created_at.to_string()),
        ("revision", asset.revision.to_string()),
    ])
}
