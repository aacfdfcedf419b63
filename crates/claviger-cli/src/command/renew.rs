//! `claviger credential renew`.
//!
//! What it keeps true: a private key is made where it is used, and leaves only for the file that its owner alone reads; the profile
//! names the new credential once the server has it and its files are whole, and until then the old one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use claviger_client::profile::{CredentialFile, ProfileFile};
use claviger_client::types::SecretText;
use claviger_client::types::credential::{
    CertificateRequest, Credential, RenewCredential, Renewal, RenewedCredential, RenewingCertificate,
    RenewingToken,
};
use claviger_client::types::text::CredentialIdText;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use serde::Serialize;

use super::credential::{MAX_CERTIFICATE, joined, table};
use crate::clock;
use crate::failure::Failure;
use crate::file::placed::{Existing, Placed, Privacy};
use crate::input::bytes::Source;
use crate::input::{pem, when};
use crate::output::{note, record, warn};
use crate::session::Session;

/// The label of a certificate in PEM.
pub(super) const CERTIFICATE: &str = "CERTIFICATE";
/// The same of a request (RFC 7468, 7).
const REQUEST: &str = "CERTIFICATE REQUEST";

/// What to do when what was made could not be stored.
const AGAIN: &str = "run it again: it ends what was made now, and makes another";

/// How the credential of the profile is renewed.
#[derive(Debug, Args)]
pub struct RenewArgs {
    /// Only make a new key and a certificate request for it, in this file; the key goes beside it, as `.key`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["certificate", "lifetime"])]
    request: Option<PathBuf>,
    /// The certificate that was issued for the request (PEM), followed by those between it and its authority
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// The private key of that certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// How long the next one is valid, at most as long as the one before [default: as long]
    #[arg(long, visible_alias = "ttl", value_name = "SPAN", value_parser = when::parse_span)]
    lifetime: Option<Duration>,
}

/// What the profile has.
#[derive(Debug, PartialEq, Eq)]
enum Held {
    Certificate(PathBuf),
    Token,
    TokenFile(PathBuf),
}

impl Held {
    fn of(credential: &CredentialFile) -> Result<Self, Failure> {
        match credential {
            CredentialFile { certificate: Some(certificate), .. } => {
                Ok(Self::Certificate(certificate.clone()))
            }
            CredentialFile { token_file: Some(file), .. } => Ok(Self::TokenFile(file.clone())),
            CredentialFile { token: Some(_), .. } => Ok(Self::Token),
            _ => Err(Failure::usage("the profile has no credential that could be renewed")),
        }
    }
}

/// What is printed of a credential that was renewed. Its secret is in the file that takes it, and nowhere else.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    credential: &'a Credential,
    before: &'a Credential,
    #[serde(skip_serializing_if = "<[CredentialIdText]>::is_empty")]
    replaced: &'a [CredentialIdText],
    profile: &'a Path,
    #[serde(flatten)]
    files: &'a Files,
}

/// Where the new credential is.
#[derive(Default, Serialize)]
struct Files {
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_file: Option<PathBuf>,
}

impl RenewArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        if let Some(request) = &self.request {
            return write_request(request, session);
        }
        let path = session.profile_path()?;
        let mut profile = ProfileFile::read(path)?;
        let held = Held::of(&profile.credential)?;
        let old = profile.credential.certificate.iter().chain(&profile.credential.key);
        let old: Vec<_> = old.map(|file| beside(path, file).display().to_string()).collect();
        let (renewed, files) = match (&held, &self.certificate, &self.key) {
            (_, Some(certificate), Some(key)) => {
                self.by_certificate(session, &mut profile, certificate, key).await?
            }
            (Held::Certificate(certificate), ..) => {
                self.by_request(session, &mut profile, &beside(path, certificate)).await?
            }
            (Held::Token, ..) => self.by_token(session, &mut profile, None).await?,
            (Held::TokenFile(file), ..) => {
                self.by_token(session, &mut profile, Some(beside(path, file))).await?
            }
        };
        write_profile(path, &profile)?;
        let report = Report {
            credential: &renewed.credential,
            before: &renewed.before,
            replaced: &renewed.replaced,
            profile: path,
            files: &files,
        };
        session.format.print(&report, |report| table(report.credential))?;
        note(&format!(
            "`{}` names it from now on; the one before ends at {}",
            path.display(),
            renewed.before.expires_at
        ));
        if !old.is_empty() {
            note(&format!("its files are of no use from then on: {}", old.join(", ")));
        }
        if !renewed.replaced.is_empty() {
            let ids: Vec<_> = renewed.replaced.iter().map(ToString::to_string).collect();
            warn(&format!(
                "it was renewed before, and what renewed it is revoked now: {}; if that was not you, somebody else has your credential: inform a security officer",
                ids.join(", ")
            ));
        }
        Ok(())
    }

    async fn renew(&self, session: &Session, credential: Renewal) -> Result<RenewedCredential, Failure> {
        let renewed = session.client()?.renew_credential(&RenewCredential { credential }).await;
        renewed.map(|answer| answer.value).map_err(|error| {
            let failure = Failure::from(error);
            let advice = match failure.code() {
                "wrong-state" => {
                    "a new one is made for an application by an administrator, for a person by a security officer: `claviger credential create`"
                }
                "unsupported" => {
                    "claviger credential renew --request next.csr; have it signed by `claviger init --sign next.csr` where `ca.key` is; then claviger credential renew --certificate next.crt --key next.key"
                }
                _ => return failure,
            };
            failure.advise(advice)
        })
    }

    fn lifetime_seconds(&self) -> Option<u64> {
        self.lifetime.map(|span| span.as_secs())
    }

    /// By a certificate that somebody issued.
    async fn by_certificate(
        &self,
        session: &Session,
        profile: &mut ProfileFile,
        certificate: &Path,
        key: &Path,
    ) -> Result<(RenewedCredential, Files), Failure> {
        let bytes = Source::File(certificate.to_owned()).read(MAX_CERTIFICATE)?;
        if !bytes.trim_ascii_start().starts_with(b"-----BEGIN ") {
            let message = format!("`{}` is no PEM text, which a profile asks for", certificate.display());
            return Err(Failure::usage(message)
                .advise("openssl x509 -inform der -in CERTIFICATE -out CERTIFICATE.pem"));
        }
        let (der, chain) = pem::first_and_rest(&bytes, CERTIFICATE)?;
        let whole = |file: &Path| std::path::absolute(file).map_err(|error| Failure::file(file, &error));
        let (certificate, key) = (whole(certificate)?, whole(key)?);
        std::fs::metadata(&key).map_err(|error| Failure::file(&key, &error))?;
        let renewing = RenewingCertificate {
            der: der.into(),
            chain: chain.into_iter().map(Into::into).collect(),
            expires_at: self.lifetime.map(|span| clock::now().after(span).into()),
        };
        let renewed = self.renew(session, Renewal::Certificate(renewing)).await?;
        profile.credential = CredentialFile {
            certificate: Some(certificate.clone()),
            key: Some(key.clone()),
            ..CredentialFile::default()
        };
        let files = Files { certificate_file: Some(certificate), key_file: Some(key), ..Files::default() };
        Ok((renewed, files))
    }

    /// By one that the server issues.
    async fn by_request(
        &self,
        session: &Session,
        profile: &mut ProfileFile,
        old: &Path,
    ) -> Result<(RenewedCredential, Files), Failure> {
        let made = NewKey::make(&stem(old))?;
        let request =
            CertificateRequest { der: made.request.into(), lifetime_seconds: self.lifetime_seconds() };
        let renewed = self.renew(session, Renewal::Request(request)).await?;
        let issued = renewed.certificate.as_ref().ok_or_else(|| {
            Failure::failed("the server renewed the certificate and did not show it").advise("run it again")
        })?;
        let (certificate, key) = free_names(old);
        Placed::write(&key, Privacy::Owner, Existing::Keep, made.key.reveal().as_bytes())
            .map_err(|failure| failure.advise(AGAIN))?;
        let text = pem::encode(issued.as_ref(), CERTIFICATE);
        Placed::write(&certificate, Privacy::Others, Existing::Keep, text.as_bytes())
            .map_err(|failure| failure.advise(AGAIN))?;
        profile.credential.certificate =
            Some(named_beside(profile.credential.certificate.as_deref(), &certificate));
        profile.credential.key = Some(named_beside(profile.credential.certificate.as_deref(), &key));
        let files = Files { certificate_file: Some(certificate), key_file: Some(key), ..Files::default() };
        Ok((renewed, files))
    }

    /// By a token, which goes into the file that held the one before, or into the profile itself.
    async fn by_token(
        &self,
        session: &Session,
        profile: &mut ProfileFile,
        file: Option<PathBuf>,
    ) -> Result<(RenewedCredential, Files), Failure> {
        let token = RenewingToken { lifetime_seconds: self.lifetime_seconds() };
        let mut renewed = self.renew(session, Renewal::Token(token)).await?;
        let token = renewed.token.take().ok_or_else(|| {
            Failure::failed("the server renewed the token and did not show it").advise("run it again")
        })?;
        match &file {
            Some(file) => {
                let line = joined(&[token.reveal(), "\n"]);
                write_anew(file, Privacy::Owner, line.reveal().as_bytes())
                    .map_err(|failure| failure.advise(AGAIN))?;
            }
            None => profile.credential.token = Some(token),
        }
        Ok((renewed, Files { token_file: file, ..Files::default() }))
    }
}

/// A new key, and the request for a certificate that it signed.
pub(super) struct NewKey {
    /// The private key in PEM (PKCS #8).
    pub(super) key: SecretText,
    /// The request in DER (PKCS #10).
    pub(super) request: Vec<u8>,
}

impl NewKey {
    pub(super) fn make(name: &str) -> Result<Self, Failure> {
        let failed = |error: rcgen::Error| Failure::failed(format!("no key could be made: {error}"));
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let request = params.serialize_request(&key).map_err(failed)?;
        Ok(Self { key: SecretText::new(key.serialize_pem()), request: request.der().to_vec() })
    }
}

/// What is printed of a request.
#[derive(Serialize)]
struct Written<'a> {
    request_file: &'a Path,
    key_file: &'a Path,
}

/// Makes a key and a request, for somebody else to sign.
fn write_request(request: &Path, session: &Session) -> Result<(), Failure> {
    let key = request.with_extension("key");
    if key == request {
        return Err(Failure::usage("the request cannot end in `.key`: that is the private key's file"));
    }
    let made = NewKey::make(&stem(request))?;
    let another = |failure: Failure| failure.advise("name another file: a key that is there may be in use");
    let text = pem::encode(&made.request, REQUEST);
    Placed::write(&key, Privacy::Owner, Existing::Keep, made.key.reveal().as_bytes()).map_err(another)?;
    Placed::write(request, Privacy::Others, Existing::Keep, text.as_bytes()).map_err(another)?;
    let written = Written { request_file: request, key_file: &key };
    session.format.print(&written, |written| {
        record(&[
            ("request", written.request_file.display().to_string()),
            ("key", written.key_file.display().to_string()),
        ])
    })?;
    note(&format!(
        "have the request signed, by `claviger init --sign {}` or an authority of your own; then: claviger credential renew --certificate FILE --key {}",
        request.display(),
        key.display()
    ));
    Ok(())
}

/// Puts the profile in place of the one that was read. What only its owner could read stays so.
fn write_profile(path: &Path, profile: &ProfileFile) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    let about = std::fs::metadata(path).map_err(|error| Failure::file(path, &error))?;
    let is_private = about.permissions().mode() & 0o077 == 0;
    let privacy = if is_private { Privacy::Owner } else { Privacy::Others };
    write_anew(path, privacy, profile.to_text(path)?.reveal().as_bytes())
}

/// Puts other bytes in place of a file that was read before: under the name that it has behind all links, as it was read.
fn write_anew(path: &Path, privacy: Privacy, bytes: &[u8]) -> Result<(), Failure> {
    let path = std::fs::canonicalize(path).map_err(|error| Failure::file(path, &error))?;
    Placed::write(&path, privacy, Existing::Replace, bytes)
}

/// A file that a profile names.
fn beside(profile: &Path, file: &Path) -> PathBuf {
    profile.parent().unwrap_or_else(|| Path::new(".")).join(file)
}

/// How the profile names `new`, which lies beside the file that it named `old`.
fn named_beside(old: Option<&Path>, new: &Path) -> PathBuf {
    match (old, new.file_name()) {
        (Some(old), Some(name)) => old.with_file_name(name),
        _ => new.to_owned(),
    }
}

/// The name of a file without its extension, and without the day that an earlier renewal put there.
fn stem(file: &Path) -> String {
    let stem =
        file.file_stem().map_or_else(|| "claviger".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let is_dated = |day: &str| day.len() >= 8 && day.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    match stem.rsplit_once('-') {
        Some((name, day)) if is_dated(day) && !name.is_empty() => name.to_owned(),
        _ => stem,
    }
}

/// Names for certificate and key that nothing bears, beside the old certificate: with the day of today, and a number if need be.
fn free_names(old: &Path) -> (PathBuf, PathBuf) {
    let micros = i64::try_from(clock::now().as_micros()).unwrap_or(i64::MAX);
    let day = jiff::Timestamp::from_microsecond(micros)
        .map_or_else(|_| "next".to_owned(), |at| at.strftime("%Y%m%d").to_string());
    let stem = stem(old);
    let names = |number: u32| {
        let number = if number == 0 { String::new() } else { format!(".{number}") };
        let name = |extension: &str| old.with_file_name(format!("{stem}-{day}{number}.{extension}"));
        (name("crt"), name("key"))
    };
    let is_free = |(certificate, key): &(PathBuf, PathBuf)| !certificate.exists() && !key.exists();
    (0..1000).map(names).find(is_free).unwrap_or_else(|| names(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_the_day_and_take_the_place_of_none() {
        let dir = tempfile::tempdir().unwrap();
        let old = dir.path().join("alice.crt");
        let (certificate, key) = free_names(&old);
        assert_eq!(certificate.with_extension("key"), key);
        std::fs::write(&certificate, "").unwrap();
        let (second, _) = free_names(&certificate);
        assert_ne!(second, certificate);
        for of in [&old, &certificate, &second] {
            assert_eq!(stem(of), "alice", "{}", of.display());
        }
        assert_eq!(stem(Path::new("shop-2.crt")), "shop-2");
        assert_eq!(named_beside(Some(Path::new("pki/alice.crt")), &second).parent(), Some(Path::new("pki")));
    }

    #[test]
    fn request_is_signed_by_a_key_that_only_its_owner_reads() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let request = dir.path().join("next.csr");
        let session =
            Session::new(crate::globals::Globals { profile: None, output: crate::output::Format::Json });
        write_request(&request, &session).unwrap();
        let key = std::fs::metadata(dir.path().join("next.key")).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
        let der = pem::der(&std::fs::read(&request).unwrap(), REQUEST).unwrap();
        assert!(rcgen::CertificateSigningRequestParams::from_der(&der.into()).is_ok());
        // Nothing is overwritten.
        assert!(write_request(&request, &session).is_err());
        assert!(write_request(&dir.path().join("other.key"), &session).is_err());
    }

    #[test]
    fn what_the_profile_has_is_distinguished() {
        let of = |credential: &CredentialFile| Held::of(credential);
        let certificate = CredentialFile { certificate: Some("a.crt".into()), ..CredentialFile::default() };
        assert_eq!(of(&certificate).unwrap(), Held::Certificate("a.crt".into()));
        let token = CredentialFile { token_file: Some("t".into()), ..CredentialFile::default() };
        assert_eq!(of(&token).unwrap(), Held::TokenFile("t".into()));
        assert!(of(&CredentialFile::default()).is_err());
    }
}
