//! Who a deployment begins with: the holders of its roles, each with a code to enrol with, or with a certificate and a profile.
//!
//! What it keeps true: unless the keys of all are asked for in one place, no private key of anybody is made here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use claviger_client::profile::{CredentialFile, ProfileFile};
use claviger_core::port::Clock as _;
use claviger_core::principal::{Principal, PrincipalKind, Role};
use claviger_core::{CredentialId, Name, PrincipalId, Timestamp};
use claviger_crypto::digest::sha256;
use claviger_service::operation::{FirstCredential, FirstPrincipal, Initialize};
use claviger_service::{EnrolmentCode, ErrorKind, Road, ServiceError};
use zeroize::Zeroizing;

use crate::authority;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::error::ServerError;
use crate::files::{self, FileError};
use crate::pki::{self, Authority, Issued, LEAF_LIFETIME, PkiError};

/// One of the first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InitialPrincipal {
    /// Principal and profile bear this name.
    pub(crate) name: &'static str,
    kind: PrincipalKind,
    role: Option<Role>,
}

const fn holder(name: &'static str, role: Role) -> InitialPrincipal {
    InitialPrincipal { name, kind: PrincipalKind::Human, role: Some(role) }
}

/// The roles that a deployment cannot do without. There are two security officers: who makes a person gives it neither role
/// nor grant, so that one of them alone could enter nobody. There is one custodian more than must approve, so that the absence of
/// one stops nothing.
pub(crate) const ROLE_HOLDERS: [InitialPrincipal; 9] = [
    holder("administrator", Role::Administrator),
    holder("auditor", Role::Auditor),
    holder("custodian-1", Role::Custodian),
    holder("custodian-2", Role::Custodian),
    holder("custodian-3", Role::Custodian),
    holder("operator", Role::Operator),
    holder("responder", Role::Responder),
    holder("security_officer", Role::SecurityOfficer),
    holder("security_officer-2", Role::SecurityOfficer),
];

/// For how long the codes of the first can be redeemed: as long as any. Until two security officers have enrolled, nobody makes others.
pub(crate) const CODE_LIFETIME: Duration = Duration::from_secs(30 * 86_400);

/// The file of the authority's certificate beside the codes, which goes with each of them.
pub(crate) const AUTHORITY: &str = "ca.crt";

/// By what the first prove themselves.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Proofs<'a> {
    /// By keys that are made here, all of them in one folder.
    Certificates,
    /// By keys of their own: the persons of these requests (DER) by certificates for them, all others once they have enrolled.
    OwnKeys(&'a [(Name, Vec<u8>)]),
}

/// How many custodians a deployment begins with: no more than that can be asked to approve.
pub(crate) const CUSTODIANS: u8 = 3;

/// An application to try things with. It may do nothing until it is granted something.
pub(crate) const APP: InitialPrincipal =
    InitialPrincipal { name: "app", kind: PrincipalKind::Workload, role: None };

/// The folder of the profiles: beside the configuration.
pub(crate) fn folder(config: &Config) -> PathBuf {
    base(config).join("profiles")
}

fn base(config: &Config) -> PathBuf {
    let file = std::path::absolute(&config.file).unwrap_or_else(|_| config.file.clone());
    file.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Makes what proves `principals` and records them as the first principals, all in one commit, with how many custodians must
/// approve what concerns the whole deployment. Certificates and codes come first: when the commit is durable they are, and until then
/// a repetition makes new ones.
pub(crate) async fn register(
    principals: &[InitialPrincipal],
    proofs: Proofs<'_>,
    quorum: u8,
    authority: &Authority,
    road: &Road,
    config: &Config,
) -> Result<(), ServerError> {
    let folder = folder(config);
    files::create_private_dir(&folder)?;
    let mut first = Vec::with_capacity(principals.len());
    for principal in principals {
        let name: Name = principal.name.parse().map_err(|_| unnamed())?;
        let credential = match proofs {
            Proofs::Certificates => make_certificate(&folder, &name, authority)?,
            Proofs::OwnKeys(requests) => match requests.iter().find(|(of, _)| *of == name) {
                Some((_, request)) => enter_request(&folder, &name, request, authority)?,
                None => make_code(&folder, &name, authority)?,
            },
        };
        first.push(FirstPrincipal { name, kind: principal.kind, role: principal.role, credential });
    }
    let initialize = Initialize { principals: first, quorum };
    road.perform_for_system(std::sync::Arc::new(system()?), initialize).await?;
    Ok(())
}

/// A key and a certificate for it.
fn make_certificate(
    folder: &Path,
    name: &Name,
    authority: &Authority,
) -> Result<FirstCredential, ServerError> {
    let issued = authority.issue_client(name, SystemClock.now())?;
    forget(folder, name, &["code"])?;
    write_credential(folder, name.as_str(), &issued)?;
    Ok(FirstCredential::Certificate { der: issued.der, request: None, expires_at: issued.expires_at })
}

/// A certificate for the key that its owner has.
fn enter_request(
    folder: &Path,
    name: &Name,
    request: &[u8],
    authority: &Authority,
) -> Result<FirstCredential, ServerError> {
    let now = SystemClock.now();
    let signed = authority.sign_client(request, name, now.after(LEAF_LIFETIME), now)?;
    forget(folder, name, &["code"])?;
    files::write_public(&folder.join(format!("{name}.crt")), signed.certificate_pem.as_bytes())?;
    let (request, expires_at) = (Some(sha256(request)), signed.expires_at);
    Ok(FirstCredential::Certificate { der: signed.der, request, expires_at })
}

/// A code, by which its owner gets a certificate for a key that nobody else has seen.
#[expect(clippy::disallowed_methods, reason = "the code goes into the one file that shows it")]
fn make_code(folder: &Path, name: &Name, authority: &Authority) -> Result<FirstCredential, ServerError> {
    let id = CredentialId::random().map_err(PkiError::from)?;
    let (code, digest) = EnrolmentCode::generate(id).map_err(PkiError::from)?;
    let code = code.into_text();
    let mut line = Zeroizing::new(Vec::with_capacity(code.expose().len() + 1));
    line.extend_from_slice(code.expose());
    line.push(b'\n');
    // What an earlier run left that made certificates is of nobody.
    forget(folder, name, &["crt", "key", "toml"])?;
    files::write_public(&folder.join(AUTHORITY), authority.certificate_pem().as_bytes())?;
    files::write_private(&code_file(folder, name.as_str()), &line)?;
    Ok(FirstCredential::EnrolmentCode { id, digest, expires_at: SystemClock.now().after(CODE_LIFETIME) })
}

fn code_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.code"))
}

/// Takes away what an interrupted set-up left of another kind.
fn forget(folder: &Path, name: &Name, extensions: &[&str]) -> Result<(), ServerError> {
    for extension in extensions {
        match std::fs::remove_file(folder.join(format!("{name}.{extension}"))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(ServerError::os("what an interrupted set-up left cannot be removed")(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The codes of those among `principals` that have one here, by name.
pub(crate) fn codes(principals: &[InitialPrincipal], config: &Config) -> Vec<(&'static str, PathBuf)> {
    let folder = folder(config);
    let files = principals.iter().map(|principal| (principal.name, code_file(&folder, principal.name)));
    files.filter(|(_, file)| file.exists()).collect()
}

/// A security officer whom a recovery makes.
#[derive(Debug)]
pub(crate) struct NewOfficer<'a>(&'a Name);

impl<'a> NewOfficer<'a> {
    pub(crate) const fn new(name: &'a Name) -> Self {
        Self(name)
    }

    /// Makes a certificate and writes it with its key.
    pub(crate) fn issue(
        &self,
        authority: &Authority,
        config: &Config,
        now: Timestamp,
    ) -> Result<Issued, ServerError> {
        let folder = folder(config);
        files::create_private_dir(&folder)?;
        let issued = authority.issue_client(self.0, now)?;
        write_credential(&folder, self.0.as_str(), &issued)?;
        Ok(issued)
    }

    /// The certificate (DER) that an earlier run wrote.
    pub(crate) fn find_certificate(&self, config: &Config) -> Result<Option<Vec<u8>>, ServerError> {
        let path = folder(config).join(format!("{}.crt", self.0));
        if !path.exists() {
            return Ok(None);
        }
        let unreadable = || PkiError::Unreadable { path: path.clone() };
        let certificate = pki::read_certificates(&path)?.into_iter().next().ok_or_else(unreadable)?;
        Ok(Some(certificate.to_vec()))
    }

    /// Writes the profile that names both.
    pub(crate) fn write_profile(&self, config: &Config) -> Result<PathBuf, ServerError> {
        let path = folder(config).join(format!("{}.toml", self.0));
        let (control, data) = authority::public_urls(config);
        let text = profile(self.0.as_str(), PrincipalKind::Human, config, (&control, &data))?;
        files::write_private(&path, text.as_bytes())?;
        Ok(path)
    }
}

fn write_credential(folder: &Path, name: &str, issued: &Issued) -> Result<(), FileError> {
    let path = |extension: &str| folder.join(format!("{name}.{extension}"));
    files::write_private(&path("key"), issued.key_pem.as_bytes())?;
    files::write_private(&path("crt"), issued.certificate_pem.as_bytes())
}

/// Writes the profiles of those among `principals` that have a certificate here. Gives them by name.
pub(crate) fn write_profiles(
    principals: &[InitialPrincipal],
    config: &Config,
    urls: (&str, &str),
) -> Result<Vec<(&'static str, PathBuf)>, ServerError> {
    let folder = folder(config);
    let mut written = Vec::new();
    for principal in
        principals.iter().filter(|principal| folder.join(format!("{}.crt", principal.name)).exists())
    {
        let path = folder.join(format!("{}.toml", principal.name));
        let text = profile(principal.name, principal.kind, config, urls)?;
        if std::fs::read_to_string(&path).ok().as_deref() != Some(&text) {
            files::write_private(&path, text.as_bytes())?;
        }
        written.push((principal.name, path));
    }
    Ok(written)
}

fn profile(
    name: &str,
    kind: PrincipalKind,
    config: &Config,
    (control, data): (&str, &str),
) -> Result<String, ServerError> {
    // Applications are not served on the control plane, so their profile does not name it.
    let control = (kind != PrincipalKind::Workload).then(|| control.to_owned());
    // The authority goes along, so that the profile works wherever it is handed.
    let authority = std::fs::read_to_string(&config.tls.client_ca)
        .map_err(ServerError::os("the authority's certificate cannot be read"))?;
    let credential = CredentialFile {
        certificate: Some(format!("{name}.crt").into()),
        key: Some(format!("{name}.key").into()),
        ..CredentialFile::default()
    };
    let file = ProfileFile {
        control,
        data: Some(data.to_owned()),
        ca: None,
        authority: Some(authority),
        credential,
    };
    toml::to_string_pretty(&file)
        .map_err(|error| ServerError::Fatal(format!("a profile cannot be written: {error}")))
}

/// The system itself, which sets up and recovers.
pub(crate) fn system() -> Result<Principal, ServerError> {
    let name = "claviger".parse().map_err(|_| unnamed())?;
    Ok(Principal::new(PrincipalId::SYSTEM, name, PrincipalKind::System, Timestamp::default()))
}

fn unnamed() -> ServiceError {
    ServiceError::new(ErrorKind::Internal, "a first principal has no valid name")
}

#[cfg(test)]
mod tests {
    use claviger_core::governance::Governance;

    use super::*;

    #[test]
    fn every_role_is_taken_and_every_name_is_valid() {
        for role in Role::ALL {
            assert!(ROLE_HOLDERS.iter().any(|principal| principal.role == Some(role)), "{role}");
        }
        for principal in ROLE_HOLDERS.iter().chain([&APP]) {
            assert!(principal.name.parse::<Name>().is_ok(), "{}", principal.name);
        }
        let count = |role| ROLE_HOLDERS.iter().filter(|principal| principal.role == Some(role)).count();
        assert_eq!(count(Role::SecurityOfficer), 2);
        assert_eq!(count(Role::Custodian), usize::from(CUSTODIANS));
    }

    #[test]
    fn one_custodian_may_be_absent() {
        assert_eq!(CUSTODIANS, Governance::QUORUM + 1);
    }
}
