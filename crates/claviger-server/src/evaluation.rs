//! `claviger quickstart --evaluation`: a ring whose separation is relaxed, and an access key that may do everything in it, for
//! tools that know one credential only. What is made is made by those whose role it is, on the road like any other call.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use claviger_core::action::{Action, Plane, Reasoning};
use claviger_core::key::{RingPolicy, Separation};
use claviger_core::principal::PrincipalKind;
use claviger_core::reason::{Reason, ReasonText};
use claviger_core::{ListenerName, Name};
use claviger_crypto::SecretBytes;
use claviger_service::operation::{
    Call, CreateCredential, CreateGrant, CreatePrincipal, CreateRing, GrantOn, NewCredential, Operation,
    RingPatch, SetRingSeparation, UpdateRing,
};
use claviger_service::{ErrorKind, Presented, PrincipalRef, RingRef, Road, ServiceError};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::config::Config;
use crate::error::ServerError;
use crate::{bootstrap, files};

/// Ring and principal.
const RING: &str = "evaluation";
const PRINCIPAL: &str = "aws-evaluation";
/// How long its access key lives.
const LIFETIME: Duration = Duration::from_secs(366 * 86_400);

fn path(config: &Config) -> PathBuf {
    let folder = bootstrap::folder(config);
    folder.parent().unwrap_or(Path::new(".")).join("clients").join("aws-evaluation.env")
}

/// Was it made before?
pub(crate) fn was_made(config: &Config) -> bool {
    path(config).exists()
}

/// Makes what is missing, and writes where it is reached now. Gives the file with the settings.
pub(crate) async fn ensure(road: &Road, config: &Config, url: &str) -> Result<PathBuf, ServerError> {
    let path = path(config);
    let key = match std::fs::read_to_string(&path).ok().as_deref().and_then(Key::read) {
        Some(key) => key,
        None => make(road, config).await?,
    };
    if let Some(folder) = path.parent() {
        files::create_private_dir(folder)?;
    }
    files::write_private(&path, key.settings(config, url).as_bytes())?;
    Ok(path)
}

/// An access key as the file has it.
struct Key {
    id: String,
    secret: zeroize::Zeroizing<String>,
}

impl Key {
    /// The key of a file that was written before.
    fn read(text: &str) -> Option<Self> {
        let value = |name: &str| {
            let of = |line: &str| {
                line.strip_prefix("export ")?.strip_prefix(name)?.strip_prefix('=').map(str::to_owned)
            };
            text.lines().find_map(of)
        };
        let secret = value("AWS_SECRET_ACCESS_KEY")?.into();
        Some(Self { id: value("AWS_ACCESS_KEY_ID")?, secret })
    }

    /// Settings that a shell can source.
    fn settings(&self, config: &Config, url: &str) -> zeroize::Zeroizing<String> {
        let ca = std::path::absolute(&config.tls.client_ca).unwrap_or_else(|_| config.tls.client_ca.clone());
        let ca = format!("'{}'", ca.display().to_string().replace('\'', "'\\''"));
        let mut text = zeroize::Zeroizing::new(String::with_capacity(1024));
        let region = &config.aws.region;
        let _infallible = write!(
            text,
            "# For the SDKs and tools of AWS: the ring `{RING}`, in which this access key may do everything.\n\
             # Whoever reads this file may do so too.\n\
             export AWS_ENDPOINT_URL_KMS={url}\n\
             export AWS_ENDPOINT_URL_STS={url}\n\
             export AWS_CA_BUNDLE={ca}\n\
             export NODE_EXTRA_CA_CERTS={ca}\n\
             export AWS_DEFAULT_REGION={region}\n\
             export AWS_REGION={region}\n\
             export AWS_ACCESS_KEY_ID={}\n\
             export AWS_SECRET_ACCESS_KEY={}\n",
            self.id,
            self.secret.as_str(),
        );
        text
    }
}

/// Makes ring, principal, grant and access key, as far as they are not there.
async fn make(road: &Road, config: &Config) -> Result<Key, ServerError> {
    let administrator = Someone::of(road, config, "administrator")?;
    let officer = Someone::of(road, config, "security_officer")?;
    let (ring, principal): (Name, Name) = (name(RING)?, name(PRINCIPAL)?);
    let (on, to) = (RingRef::Name(ring.clone()), PrincipalRef::Name(principal.clone()));
    administrator.unless_there(CreateRing { name: ring, policy: RingPolicy::default() }).await?;
    officer.does(SetRingSeparation { ring: on.clone(), separation: Separation::Relaxed }).await?;
    // Nobody else has to approve what is done for evaluation.
    let patch = RingPatch { quorum: Some(0), ..RingPatch::default() };
    administrator.does(UpdateRing { ring: on.clone(), patch, if_revision: None }).await?;
    let create = CreatePrincipal {
        name: principal,
        kind: PrincipalKind::Workload,
        home: Some(on.clone()),
        environment: None,
        same_person_as: None,
    };
    administrator.unless_there(create).await?;
    let everything = Action::ALL.into_iter().filter(|action| action.is_grantable_when_relaxed());
    let grant = CreateGrant {
        principal: to.clone(),
        on: GrantOn::Ring(on),
        operations: everything.collect(),
        conditions: claviger_core::grant::Conditions::default(),
        name: None,
        retiring: None,
    };
    officer.does_once(grant, "quickstart-evaluation").await?;
    let what = NewCredential::AccessKey { lifetime: LIFETIME };
    let create = CreateCredential { principal: to, label: name("quickstart")?, what, to_confirm: false };
    let made = administrator.does(create).await?;
    let key = made.access_key.ok_or_else(|| ServerError::Fatal("no access key was made".to_owned()))?;
    Ok(Key { id: key.id.to_string(), secret: text(&key.secret)? })
}

#[expect(clippy::disallowed_methods, reason = "the secret goes into the one file that shows it")]
fn text(secret: &SecretBytes) -> Result<zeroize::Zeroizing<String>, ServerError> {
    let text = String::from_utf8(secret.expose().to_vec());
    Ok(text.map_err(|_| ServerError::Fatal("the access key is no text".to_owned()))?.into())
}

fn name(text: &str) -> Result<Name, ServerError> {
    text.parse().map_err(|_| ServerError::Fatal(format!("`{text}` is no name")))
}

/// One of the first people, by their certificate.
struct Someone<'a> {
    road: &'a Road,
    presented: Presented,
}

impl<'a> Someone<'a> {
    fn of(road: &'a Road, config: &Config, name: &str) -> Result<Self, ServerError> {
        let path = bootstrap::folder(config).join(format!("{name}.crt"));
        let gone = || {
            ServerError::Fatal(format!(
                "`{}` is not there: what evaluation needs is made in its name, so keep the profiles until then",
                path.display()
            ))
        };
        let pem = std::fs::read(&path).map_err(|_| gone())?;
        let certificate = CertificateDer::from_pem_slice(&pem).map_err(|_| gone())?;
        Ok(Self { road, presented: Presented::certificate(&certificate) })
    }

    /// Does it; what was done before under the same word is found, and not done again.
    async fn does_once<O: Operation>(&self, operation: O, word: &str) -> Result<O::Output, ServiceError> {
        self.perform(operation, Some(word.into())).await
    }

    async fn does<O: Operation>(&self, operation: O) -> Result<O::Output, ServiceError> {
        self.perform(operation, None).await
    }

    async fn perform<O: Operation>(
        &self,
        operation: O,
        idempotency_key: Option<Box<str>>,
    ) -> Result<O::Output, ServiceError> {
        let call = Call {
            presented: self.presented.clone(),
            source: IpAddr::V4(Ipv4Addr::LOCALHOST).into(),
            listener: ListenerName::Control,
            plane: Plane::Control,
            dry_run: false,
            request_id: None,
            idempotency_key,
            reason: reason_of(operation.action()),
            operation,
        };
        Ok(self.road.perform(call).await?.output)
    }

    async fn unless_there<O: Operation>(&self, operation: O) -> Result<(), ServiceError> {
        match self.does(operation).await {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            other => other.map(drop),
        }
    }
}

/// Why the parts of an evaluation are made, where that is asked for.
fn reason_of(action: Action) -> Option<Reason> {
    let text = "evaluation with tools that know one credential only".parse::<ReasonText>().ok()?;
    (action.reasoning() == Reasoning::Must).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_read_back() {
        let key = Key { id: "AKIAEXAMPLE".into(), secret: "a/b+c=".to_owned().into() };
        let config = "data_dir = \"d\"\n[tls]\ncertificate = \"c\"\nkey = \"k\"\nclient_ca = \"it's\"\n\
            [root]\nkind = \"insecure_software_root\"\nkey_file = \"r\"\n";
        let config = Config::from_toml(config, Path::new("/x/claviger.toml")).unwrap();
        let text = key.settings(&config, "https://127.0.0.1:7402");
        let back = Key::read(&text).unwrap();
        assert_eq!((back.id, back.secret), (key.id, key.secret));
        assert!(text.contains(r"AWS_CA_BUNDLE='/x/it'\''s'"), "{}", text.as_str());
        assert!(Key::read("").is_none());
    }
}
