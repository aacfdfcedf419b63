//! `claviger credential …`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use claviger_client::types::credential::{
    CreateCredential, CreatedCredential, Credential, ListCredentials, NewCertificate, NewCredential, NewToken,
};
use claviger_client::types::grant::Revoke;
use claviger_core::{CredentialId, Name};
use serde::Serialize;

use super::paging::Paging;
use crate::clock;
use crate::failure::Failure;
use crate::file::placed::{Placed, Privacy};
use crate::input::bytes::Source;
use crate::input::{pem, when};
use crate::output::{Released, Table, note, record, release, warn};
use crate::session::Session;

/// The longest certificate file, in bytes.
const MAX_CERTIFICATE: u64 = 64 * 1024;

/// Commands about credentials.
#[derive(Debug, Subcommand)]
pub enum CredentialCommand {
    /// Give a principal a credential: a new token, or a certificate that it holds
    Create(CreateArgs),
    /// List credentials
    List(ListArgs),
    /// Show one credential
    Show(ShowArgs),
    /// Withdraw a credential, at once and on every node
    Revoke(RevokeArgs),
}

/// A new credential.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["token", "certificate"])))]
pub struct CreateArgs {
    /// For whom: principal, by name or id
    principal: String,
    /// A word to tell it from others
    #[arg(long, default_value = "default")]
    label: Name,
    /// A bearer token, made by the deployment and shown once
    #[arg(long)]
    token: bool,
    /// The certificate that the principal presents (PEM or DER)
    #[arg(long, value_name = "FILE")]
    certificate: Option<Source>,
    /// How long it counts
    #[arg(long, default_value = "90d", value_name = "SPAN", value_parser = when::parse_span)]
    lifetime: Duration,
    /// File for the token, made anew and for you alone (0600)
    #[arg(long, value_name = "FILE", conflicts_with = "certificate")]
    out: Option<PathBuf>,
}

/// Which credentials.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only of this principal
    #[arg(long)]
    principal: Option<String>,
    #[command(flatten)]
    paging: Paging,
}

/// Which credential.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Credential, by id
    credential: CredentialId,
}

/// Which credential to withdraw.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Credential, by id
    credential: CredentialId,
    /// Why; for the trace of the deployment, the log holds no free text
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl CredentialCommand {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Create(args) => args.run(session).await,
            Self::List(args) => args.run(session).await,
            Self::Show(args) => {
                let all = list(session, &Paging::all(), None).await?.items;
                let found = all.into_iter().find(|credential| *credential.id == args.credential);
                let found =
                    found.ok_or_else(|| Failure::failed(format!("no credential `{}`", args.credential)))?;
                session.format.print(&found, table)
            }
            Self::Revoke(args) => {
                let revoke = Revoke { reason: args.reason };
                let answer = session.client()?.revoke_credential(args.credential, &revoke).await?;
                session.format.print(&answer.value, table)
            }
        }
    }
}

/// What is printed of a credential that was made: its token only when no file takes it.
#[derive(Serialize)]
struct Made<'a> {
    #[serde(flatten)]
    credential: &'a Credential,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_file: Option<&'a PathBuf>,
}

impl CreateArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        if let Some(out) = self.out.as_ref().filter(|out| out.exists()) {
            // Asked before the token exists: one that nobody could store would have to be withdrawn again.
            return Err(Failure::usage(format!("`{}` is there already", out.display())));
        }
        let request = CreateCredential {
            principal: self.principal.clone(),
            label: self.label.clone().into(),
            credential: self.new_credential()?,
        };
        let created = session.client()?.create_credential(&request).await?.value;
        self.hand_over(session, &created)
    }

    fn new_credential(&self) -> Result<NewCredential, Failure> {
        Ok(match &self.certificate {
            Some(source) => NewCredential::Certificate(NewCertificate {
                der: pem::der(&source.read(MAX_CERTIFICATE)?, "CERTIFICATE")?.into(),
                expires_at: clock::now().after(self.lifetime).into(),
            }),
            None => NewCredential::Token(NewToken { lifetime_seconds: self.lifetime.as_secs() }),
        })
    }

    fn hand_over(&self, session: &Session, created: &CreatedCredential) -> Result<(), Failure> {
        let token = created.token.as_ref().map(|token| token.reveal());
        if let (Some(token), Some(out)) = (token, &self.out) {
            let stored = Placed::write_new(out, Privacy::Owner, format!("{token}\n").as_bytes());
            if stored.is_err() {
                note(&format!(
                    "the token was made but could not be stored; withdraw it: claviger credential revoke {} --reason 'not stored'",
                    created.credential.id
                ));
            }
            stored?;
        }
        let shown = token.filter(|_| self.out.is_none());
        if session.format.is_for_programs() {
            if shown.is_some() && crate::output::stdout_is_terminal() {
                warn("the token is shown on the terminal; `--out FILE` keeps it off the screen");
            }
            let made = Made { credential: &created.credential, token: shown, token_file: self.out.as_ref() };
            return session.format.print(&made, |_| String::new());
        }
        match shown {
            // The token alone goes to stdout, so that it can be piped to where it belongs.
            Some(token) => {
                note(&table(&created.credential));
                release(
                    Released { bytes: token.as_bytes(), privacy: Privacy::Owner, what: "the token" },
                    None,
                    None,
                )
            }
            None => session.format.print(&created.credential, table),
        }
    }
}

async fn list(
    session: &Session,
    paging: &Paging,
    principal: Option<&String>,
) -> Result<claviger_client::types::Page<Credential>, Failure> {
    let client = session.client()?;
    let fetch = async |cursor, limit| {
        let query = ListCredentials { principal: principal.cloned(), cursor, limit };
        Ok(client.list_credentials(&query).await?.value)
    };
    paging.collect(fetch).await
}

impl ListArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let page = list(session, &self.paging, self.principal.as_ref()).await?;
        session.format.print(&page, |page| {
            let mut table =
                Table::new("credentials", &["id", "principal", "kind", "label", "standing", "expires"]);
            for credential in &page.items {
                table.row([
                    credential.id.to_string(),
                    credential.principal.to_string(),
                    credential.kind.to_string(),
                    credential.label.to_string(),
                    credential.standing.to_string(),
                    credential.expires_at.to_string(),
                ]);
            }
            table.text()
        })
    }
}

fn table(credential: &Credential) -> String {
    record(&[
        ("id", credential.id.to_string()),
        ("principal", credential.principal.to_string()),
        ("kind", credential.kind.to_string()),
        ("label", credential.label.to_string()),
        ("sha-256", credential.digest.clone()),
        ("standing", credential.standing.to_string()),
        ("created at", credential.created_at.to_string()),
        ("expires at", credential.expires_at.to_string()),
    ])
}
