//! `claviger credential …`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use claviger_client::types::SecretText;
use claviger_client::types::credential::{
    AccessKeySecret, CreateCredential, CreatedCredential, Credential, ListCredentials, NewAccessKey,
    NewCertificate, NewCredential, NewEnrolmentCode, NewToken,
};
use claviger_core::lineage::How;
use claviger_core::principal::CredentialKind;
use claviger_core::{CredentialId, Name, Timestamp};
use serde::Serialize;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::paging::Paging;
use super::principal::maker;
use super::reason::{self, WhyArgs};
use super::renew::RenewArgs;
use crate::clock;
use crate::failure::Failure;
use crate::file::placed::{ForceArgs, Placed, Privacy};
use crate::input::bytes::Source;
use crate::input::{pem, when};
use crate::output::{Released, Table, named, note, record, release, warn};
use crate::session::Session;

/// The longest certificate file, in bytes.
pub(super) const MAX_CERTIFICATE: u64 = 64 * 1024;

/// How long a credential is valid unless said otherwise.
const LIFETIME: Duration = Duration::from_secs(90 * 86_400);
/// The same for a short-lived access key.
const SHORT_LIFETIME: Duration = Duration::from_secs(3600);
/// The same for a code to enrol with.
const CODE_LIFETIME: Duration = Duration::from_secs(7 * 86_400);

/// Commands about credentials.
#[derive(Debug, Subcommand)]
pub enum CredentialCommand {
    /// Give a principal a credential: a new token or access key, a code to enrol with, or a certificate that it holds
    ///
    /// A person begins with a code (`--enrolment-code`): whoever gets it redeems it once by `claviger enrol`, for a certificate for a key that
    /// nobody else has seen. The code does nothing else.
    ///
    /// An access key signs requests (AWS Signature Version 4) and is for applications only. A principal may hold several
    /// credentials at once. To rotate one, create a second, bring the application over, then revoke the first.
    ///
    /// An administrator makes the credentials of applications, a security officer those of people. A principal that holds a
    /// role or a capacity, or uses keys of a strict ring, gets a further one from itself, or from a security officer who gave it none of
    /// them, which custodians must approve; or else the person itself confirms it (`--to-confirm`), by a certificate that it has.
    #[command(
        after_help = "Example: claviger --profile administrator.toml credential create shop --token --out shop.token"
    )]
    Create(CreateArgs),
    /// Confirm a credential of your own that was made with `--to-confirm`, by the certificate of the profile
    ///
    /// Look at it first: `claviger credential show` says who made it, when, and its fingerprint. One that you do not know is not confirmed, and
    /// a security officer revokes it.
    Confirm(ShowArgs),
    /// Renew the credential of the profile, in the last third of its life
    ///
    /// For a certificate a new key is made here, and never leaves this machine; the server issues a certificate for it, if the key of its
    /// authority is there. Where it is not, `--request` writes a request, whoever keeps the authority's key signs it (`claviger init
    /// --sign`), and `--certificate` takes what was issued into use. The profile names the new credential from then on, and the old one ends
    /// within a day. Run again within that day, what was made before is revoked and another one made.
    ///
    /// Credentials that renewed each other are one line: whoever revokes one of them revokes all, and the line ends at an age that the
    /// server says. Then somebody else makes a new credential, as for somebody who is new.
    Renew(RenewArgs),
    /// List credentials
    List(ListArgs),
    /// Show one credential
    Show(ShowArgs),
    /// Revoke a credential, at once and on every node
    Revoke(RevokeArgs),
}

/// A new credential.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["kind", "token", "enrolment_code", "certificate"])))]
pub struct CreateArgs {
    /// For whom: principal, by name or id
    principal: String,
    /// A word that distinguishes it from others
    #[arg(long, default_value = "default")]
    label: Name,
    /// A credential of this kind, made by the deployment and shown once
    #[arg(long, value_name = "KIND")]
    kind: Option<MadeKind>,
    /// An access key that goes with a session token and lives up to 12 hours
    #[arg(long, requires = "kind")]
    short_lived: bool,
    /// The same as `--kind token`
    #[arg(long)]
    token: bool,
    /// A code by which a person enrols, once: the same as `--kind enrolment-code`
    #[arg(long)]
    enrolment_code: bool,
    /// The certificate that the principal presents (PEM or DER); in PEM, followed by those between it and its authority
    #[arg(long, value_name = "FILE")]
    certificate: Option<Source>,
    /// How long it is valid, of a certificate counted from its begin [default: 90d; 7d for a code, 1h for a short-lived access key]
    #[arg(long, visible_alias = "ttl", value_name = "SPAN", value_parser = when::parse_span)]
    lifetime: Option<Duration>,
    /// Until when a certificate is valid as a credential: RFC 3339, or so long from now
    #[arg(long, value_name = "TIME", value_parser = when::parse, requires = "certificate", conflicts_with_all = ["lifetime", "kind", "token", "enrolment_code"])]
    until: Option<when::When>,
    /// File for the secret, made anew and for you alone (0600); an access key as variables of the environment
    #[arg(long, value_name = "FILE", conflicts_with = "certificate")]
    out: Option<PathBuf>,
    /// Of a person who has another certificate: it proves nothing until that person confirms it, and nobody else need approve it
    #[arg(long, requires = "certificate", conflicts_with_all = ["kind", "token", "enrolment_code"])]
    to_confirm: bool,
    #[command(flatten)]
    force: ForceArgs,
}

/// What the deployment can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MadeKind {
    /// An identifier and a secret that signs requests
    AccessKey,
    /// A code by which a person enrols, once
    EnrolmentCode,
    /// A bearer token
    Token,
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

/// Which credential to revoke.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Credential, by id
    credential: CredentialId,
    #[command(flatten)]
    why: WhyArgs,
}

impl CredentialCommand {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Create(args) => args.run(session).await,
            Self::Confirm(args) => {
                let answer = session.client()?.confirm_credential(args.credential).await?;
                session.format.print(&answer.value, table)
            }
            Self::Renew(args) => args.run(session).await,
            Self::List(args) => args.run(session).await,
            Self::Show(args) => {
                let all = list(session, &Paging::all(), None).await?.items;
                let found = all.into_iter().find(|credential| *credential.id == args.credential);
                let found =
                    found.ok_or_else(|| Failure::failed(format!("no credential `{}`", args.credential)))?;
                session.format.print(&found, table)
            }
            Self::Revoke(args) => {
                let why = args.why.into();
                let answer = session.client()?.revoke_credential(args.credential, &why).await?;
                session.format.print(&answer.value, table)
            }
        }
    }
}

/// What is printed of a credential that was made: its secret only when no file takes it.
#[derive(Serialize)]
struct Made<'a> {
    #[serde(flatten)]
    credential: &'a Credential,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a SecretText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_access_key: Option<&'a SecretText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_token: Option<&'a SecretText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrolment_code: Option<&'a SecretText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_file: Option<&'a PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_file: Option<&'a PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_file: Option<&'a PathBuf>,
}

impl<'a> Made<'a> {
    fn new(created: &'a CreatedCredential, out: Option<&'a PathBuf>) -> Self {
        let (token, key) = (created.token.as_ref(), created.access_key.as_ref());
        let code = created.enrolment_code.as_ref();
        let shown = |secret: Option<&'a SecretText>| secret.filter(|_| out.is_none());
        Self {
            credential: &created.credential,
            token: shown(token),
            secret_access_key: shown(key.map(|key| &key.secret_access_key)),
            session_token: shown(key.and_then(|key| key.session_token.as_ref())),
            enrolment_code: shown(code),
            token_file: token.and(out),
            access_key_file: key.and(out),
            code_file: code.and(out),
        }
    }
}

/// A secret as a file or a pipe takes it, with its name for people.
struct Secret {
    text: SecretText,
    what: &'static str,
}

impl Secret {
    fn of(created: &CreatedCredential) -> Option<Self> {
        let of = |text: &SecretText, what| Self { text: joined(&[text.reveal()]), what };
        let token = created.token.as_ref().map(|token| of(token, "the token"));
        let code = created.enrolment_code.as_ref().map(|code| of(code, "the code"));
        token.or(code).or_else(|| created.access_key.as_ref().map(Self::of_access_key))
    }

    /// As variables of the environment, the form that a shell and the SDKs' users know.
    fn of_access_key(key: &AccessKeySecret) -> Self {
        let id = key.access_key_id.to_string();
        let mut parts =
            vec!["AWS_ACCESS_KEY_ID=", &id, "\nAWS_SECRET_ACCESS_KEY=", key.secret_access_key.reveal()];
        if let Some(token) = &key.session_token {
            parts.extend(["\nAWS_SESSION_TOKEN=", token.reveal()]);
        }
        Self { text: joined(&parts), what: "the access key" }
    }
}

/// The parts as one text, without copies that are left behind.
pub(super) fn joined(parts: &[&str]) -> SecretText {
    let mut text = String::with_capacity(parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| text.push_str(part));
    SecretText::new(text)
}

impl CreateArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        // Asked before the secret exists: one that nobody could store would have to be revoked again.
        self.force.check(&self.out)?;
        if self.short_lived && self.kind != Some(MadeKind::AccessKey) {
            return Err(Failure::usage("`--short-lived` goes with `--kind access-key`"));
        }
        let request = CreateCredential {
            principal: self.principal.clone(),
            label: self.label.clone().into(),
            credential: self.new_credential()?,
            to_confirm: self.to_confirm,
        };
        let created = session.client()?.create_credential(&request).await;
        let created = created.map_err(|error| again(error.into(), &request))?.value;
        hand_over(session, &created, self.out.as_ref(), self.force)?;
        if self.to_confirm {
            let id = &created.credential.id;
            note(&format!(
                "its holder confirms it, by a certificate that they have: claviger credential confirm {id}"
            ));
        }
        Ok(())
    }

    fn is_code(&self) -> bool {
        self.enrolment_code || self.kind == Some(MadeKind::EnrolmentCode)
    }

    fn new_credential(&self) -> Result<NewCredential, Failure> {
        let usual = match (self.short_lived, self.is_code()) {
            (true, _) => SHORT_LIFETIME,
            (false, true) => CODE_LIFETIME,
            (false, false) => LIFETIME,
        };
        let lifetime = self.lifetime.unwrap_or(usual);
        let lifetime_seconds = lifetime.as_secs();
        Ok(match (&self.certificate, self.kind) {
            (Some(source), _) => {
                let (der, chain) = pem::first_and_rest(&source.read(MAX_CERTIFICATE)?, "CERTIFICATE")?;
                let now = clock::now();
                let ends_at =
                    self.until.map_or_else(|| ends_at(&der, lifetime, now), |until| until.after(now));
                NewCredential::Certificate(NewCertificate {
                    der: der.into(),
                    chain: chain.into_iter().map(Into::into).collect(),
                    expires_at: ends_at.into(),
                })
            }
            (None, Some(MadeKind::AccessKey)) => {
                NewCredential::AccessKey(NewAccessKey { lifetime_seconds, short_lived: self.short_lived })
            }
            (None, _) if self.is_code() => {
                NewCredential::EnrolmentCode(NewEnrolmentCode { lifetime_seconds })
            }
            (None, Some(MadeKind::EnrolmentCode | MadeKind::Token) | None) => {
                NewCredential::Token(NewToken { lifetime_seconds })
            }
        })
    }
}

/// When a certificate ends as a credential: so long after its begin, so that the same command asks for the same; or after now, where that
/// is over.
fn ends_at(der: &[u8], lifetime: Duration, now: Timestamp) -> Timestamp {
    let begin = X509Certificate::from_der(der)
        .ok()
        .and_then(|(_, certificate)| u64::try_from(certificate.validity().not_before.timestamp()).ok())
        .map_or(now, |seconds| Timestamp::from_micros(seconds.saturating_mul(1_000_000)));
    let end = begin.after(lifetime);
    if end > now { end } else { now.after(lifetime) }
}

/// What to do once a credential was approved: no copy of a certificate is kept, and with another end it is another request.
fn again(failure: Failure, request: &CreateCredential) -> Failure {
    match (&request.credential, failure.pending_approval()) {
        (NewCredential::Certificate(certificate), Some(approval)) => {
            let advice = format!(
                "others look at it and approve it: `claviger approval approve {approval}`; then give this command again, with `--until {}` and \
                 without `--lifetime`",
                certificate.expires_at
            );
            failure.advise(advice)
        }
        _ => failure,
    }
}

/// Gives a credential that was made to whom it was made for: its secret into the file `out`, or onto stdout.
pub(super) fn hand_over(
    session: &Session,
    created: &CreatedCredential,
    out: Option<&PathBuf>,
    force: ForceArgs,
) -> Result<(), Failure> {
    let secret = Secret::of(created);
    if let (Some(secret), Some(out)) = (&secret, out) {
        store(secret, out, force, created)?;
    }
    let shown = secret.filter(|_| out.is_none());
    if session.format.is_for_programs() {
        if let Some(secret) = shown.filter(|_| crate::output::stdout_is_terminal()) {
            warn(&format!("{} is shown on the terminal; `--out FILE` keeps it off the screen", secret.what));
        }
        return session.format.print(&Made::new(created, out), |_| String::new());
    }
    match shown {
        // The secret alone goes to stdout, so that it can be piped to where it belongs.
        Some(Secret { text, what }) => {
            note(&table(&created.credential));
            let bytes = text.reveal().as_bytes();
            release(Released { bytes, privacy: Privacy::Owner, what }, None, None)
        }
        None => session.format.print(&created.credential, table),
    }
}

fn store(secret: &Secret, out: &Path, force: ForceArgs, created: &CreatedCredential) -> Result<(), Failure> {
    let line = joined(&[secret.text.reveal(), "\n"]);
    let stored = Placed::write(out, Privacy::Owner, force.existing(), line.reveal().as_bytes());
    if stored.is_err() {
        note(&format!(
            "{} was made but could not be stored; revoke it: claviger credential revoke {} --reason 'not stored'",
            secret.what, created.credential.id
        ));
    }
    stored
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
                Table::new("credentials", &["id", "principal", "kind", "label", "created by", "is"]);
            for credential in &page.items {
                table.row([
                    credential.id.to_string(),
                    named(&credential.names, credential.principal),
                    credential.kind.to_string(),
                    credential.label.to_string(),
                    maker(credential.created_by.as_deref(), &credential.names),
                    state(credential),
                ]);
            }
            table.text()
        })
    }
}

/// Until when it proves its principal, or what ended it, when, by whom and why.
fn state(credential: &Credential) -> String {
    let Some(ended) = &credential.ended else {
        let until = credential.expires_at;
        return match (credential.awaits_confirmation, *credential.kind) {
            (true, _) => format!("waits until {until} for its holder to confirm it"),
            (false, CredentialKind::EnrolmentCode) => format!("can be redeemed until {until}"),
            (false, _) => format!("active until {until}"),
        };
    };
    let how = match *ended.how {
        How::PrincipalRevoked => format!("{} was revoked", named(&credential.names, credential.principal)),
        how => how.to_string().replace('_', " "),
    };
    let at = ended.at.map(|at| format!(" at {at}")).unwrap_or_default();
    let by = ended.by.map(|by| format!(" by {}", named(&credential.names, by))).unwrap_or_default();
    let why =
        ended.reason.as_ref().map(|why| format!(" ({})", reason::reported(Some(why)))).unwrap_or_default();
    format!("ended: {how}{at}{by}{why}")
}

pub(super) fn table(credential: &Credential) -> String {
    let access_key_id = credential.access_key_id.as_ref();
    record(&[
        ("id", credential.id.to_string()),
        ("principal", named(&credential.names, credential.principal)),
        ("kind", credential.kind.to_string()),
        ("access key id", access_key_id.map_or_else(String::new, ToString::to_string)),
        ("label", credential.label.to_string()),
        ("sha-256", credential.digest.clone()),
        ("is", state(credential)),
        ("created by", maker(credential.created_by.as_deref(), &credential.names)),
        ("renews", credential.renews.map_or_else(String::new, |id| id.to_string())),
        ("created at", credential.created_at.to_string()),
        ("expires at", credential.expires_at.to_string()),
        ("reason id", reason::id_of(credential.reason.as_ref())),
    ])
}

#[cfg(test)]
mod tests {
    use claviger_core::ApprovalId;
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn a_certificate_is_valid_from_its_begin_so_that_the_same_command_asks_for_the_same() {
        let params = CertificateParams::new(vec!["ada".into()]).unwrap();
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        let (_, read) = X509Certificate::from_der(&der).unwrap();
        let begin = u64::try_from(read.validity().not_before.timestamp()).unwrap();
        let after = |days: u64| Timestamp::from_micros((begin + days * 86_400) * 1_000_000);
        let days = |days: u64| Duration::from_secs(days * 86_400);
        assert_eq!(ends_at(&der, days(90), after(1)), after(90));
        assert_eq!(ends_at(&der, days(90), after(2)), after(90));
        assert_eq!(ends_at(&der, days(90), after(100)), after(190));
        assert_eq!(ends_at(b"none", days(1), after(1)), after(2));
    }

    #[test]
    fn an_approved_certificate_is_asked_for_with_the_same_end_again() {
        let expires_at = "2027-01-31T00:00:00.000007Z".parse().unwrap();
        let certificate = NewCertificate { der: vec![1].into(), chain: Vec::new(), expires_at };
        let request = |credential| CreateCredential {
            principal: "ada".to_owned(),
            label: "laptop".parse::<Name>().unwrap().into(),
            credential,
            to_confirm: false,
        };
        let pending = || Failure::pending("approval-required", 403, "why", ApprovalId::from_bytes([1; 16]));
        let advised = |credential| again(pending(), &request(credential)).to_string();
        let said = advised(NewCredential::Certificate(certificate));
        assert!(said.contains("--until 2027-01-31T00:00:00.000007Z"), "{said}");
        let said = advised(NewCredential::Token(NewToken { lifetime_seconds: 60 }));
        assert!(said.contains("approval execute") && !said.contains("--until"), "{said}");
        let when = when::parse("2027-01-31T00:00:00.000007Z").unwrap();
        assert_eq!(when.after(clock::now()), expires_at.0);
    }

    #[test]
    fn what_ended_is_shown_with_when_who_and_why() {
        let id = "01010101-0101-0101-0101-010101010101";
        let credential = |ended: serde_json::Value| {
            let json = serde_json::json!({
                "id": id, "principal": id, "kind": "token", "digest": "00", "label": "laptop", "standing": "active",
                "created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-04-01T00:00:00Z", "names": {id: "carla"},
                "revision": 1, "ended": ended,
            });
            state(&serde_json::from_value(json).unwrap())
        };
        assert_eq!(credential(serde_json::Value::Null), "active until 2026-04-01T00:00:00Z");
        let of_kind = |kind: &str, awaits: bool| {
            let json = serde_json::json!({
                "id": id, "principal": id, "kind": kind, "digest": "00", "label": "laptop", "standing": "active",
                "awaits_confirmation": awaits, "created_at": "2026-01-01T00:00:00Z",
                "expires_at": "2026-04-01T00:00:00Z", "revision": 1,
            });
            state(&serde_json::from_value(json).unwrap())
        };
        let redeemed = "can be redeemed until 2026-04-01T00:00:00Z";
        assert_eq!(of_kind("enrolment_code", false), redeemed);
        let waits = "waits until 2026-04-01T00:00:00Z for its holder to confirm it";
        assert_eq!(of_kind("certificate", true), waits);
        let expired = serde_json::json!({"how": "expired", "at": "2026-04-01T00:00:00Z"});
        assert_eq!(credential(expired), "ended: expired at 2026-04-01T00:00:00Z");
        let left = serde_json::json!({
            "how": "principal_revoked", "at": "2026-02-01T00:00:00Z", "by": id, "reason": {"text": "left"},
        });
        assert_eq!(credential(left), "ended: carla was revoked at 2026-02-01T00:00:00Z by carla (left)");
    }
}
