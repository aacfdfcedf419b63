//! Who a deployment begins with: the holders of its roles, each with a certificate and a profile.

use std::path::{Path, PathBuf};

use claviger_client::profile::{CredentialFile, ProfileFile};
use claviger_core::port::Clock as _;
use claviger_core::principal::{Principal, PrincipalKind, Role};
use claviger_core::{Name, PrincipalId, Timestamp};
use claviger_service::operation::{FirstPrincipal, Initialize};
use claviger_service::{ErrorKind, Road, ServiceError};

use crate::authority;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::error::ServerError;
use crate::files::{self, FileError};
use crate::pki::{self, Authority, Issued, PkiError};

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

/// Makes certificates for `principals` and records them as the first principals, all in one commit, with how many custodians must
/// approve what concerns the whole deployment. The certificates come first: when the commit is durable they are, and until then a
/// repetition makes new ones.
pub(crate) async fn register(
    principals: &[InitialPrincipal],
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
        let issued = authority.issue_client(&name, SystemClock.now())?;
        write_credential(&folder, principal.name, &issued)?;
        first.push(FirstPrincipal {
            name,
            kind: principal.kind,
            role: principal.role,
            certificate: issued.der,
            expires_at: issued.expires_at,
        });
    }
    let initialize = Initialize { principals: first, quorum };
    road.perform_for_system(std::sync::Arc::new(system()?), initialize).await?;
    Ok(())
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
