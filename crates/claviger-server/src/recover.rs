//! `claviger recover`: makes one security officer on the machine of a deployment where nobody is left who could.
//!
//! What it keeps true: it takes the data directory, so no server runs beside it, and the root's own secret, of which it makes
//! one attempt. It makes one security officer and nothing else; no job runs. The certificate and its key are on the disk
//! before the one commit that makes the officer, and until that commit a repetition makes new ones; after it, a repetition
//! only writes what is missing of the profile.

use std::path::PathBuf;

use claviger_core::Name;
use claviger_core::port::Clock as _;
use claviger_core::principal::Principal;
use claviger_service::Presented;
use claviger_service::operation::Recover;
use claviger_store::failpoint;

use crate::authority;
use crate::bootstrap::{self, NewOfficer};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::deployment::{Deployment, Jobs, LostTail};
use crate::error::ServerError;
use crate::root::Making;

/// Whom to make.
#[derive(Debug)]
pub struct RecoverOptions {
    /// The configuration of the deployment.
    pub config: PathBuf,
    /// Name of the new security officer.
    pub name: Name,
}

/// Who was made.
#[derive(Debug)]
pub struct Recovered {
    /// The name.
    pub name: Name,
    /// The profile, with certificate and key beside it.
    pub profile: PathBuf,
}

/// Makes the security officer.
///
/// # Errors
/// [`ServerError`]. Nobody was made then, unless the error says that the profile could not be written: then run it again.
pub async fn recover(options: &RecoverOptions) -> Result<Recovered, ServerError> {
    let config = Config::load(&options.config)?;
    let deployment = Deployment::open(&config, Making::Never, None, LostTail::Refuse).await?;
    if !deployment.is_set_up().await? {
        return Err(ServerError::NotSetUp { data_dir: config.data_dir, config: config.file });
    }
    let officer = NewOfficer::new(&options.name);
    let was_made = match deployment.find_principal(&options.name).await? {
        None => false,
        Some(found) if is_this_one(&found, &officer, &config, &deployment).await? => true,
        Some(_) => return Err(ServerError::NameTaken(options.name.clone())),
    };
    if !was_made {
        let authority = authority::load_authority(&config.tls)?;
        let issued = officer.issue(&authority, &config, SystemClock.now())?;
        failpoint("recover-issued");
        let operation =
            Recover { name: options.name.clone(), certificate: issued.der, expires_at: issued.expires_at };
        let at_work = deployment.start(&config, Jobs::Off).await?;
        let made =
            at_work.road.perform_for_system(std::sync::Arc::new(bootstrap::system()?), operation).await;
        failpoint("recover-made");
        at_work.stop().await;
        made?;
    }
    drop(deployment);
    let profile = officer.write_profile(&config)?;
    Ok(Recovered { name: options.name.clone(), profile })
}

/// Is this the officer whom an earlier run made, and whose certificate lies here? That run was ended before its last step.
async fn is_this_one(
    found: &Principal,
    officer: &NewOfficer<'_>,
    config: &Config,
    deployment: &Deployment,
) -> Result<bool, ServerError> {
    let Some(certificate) = officer.find_certificate(config)? else { return Ok(false) };
    if !found.awaits_acknowledgement() {
        return Ok(false);
    }
    let Presented::Certificate { digest } = Presented::certificate(&certificate) else { return Ok(false) };
    let credential = deployment.find_credential(&digest).await?;
    Ok(credential
        .is_some_and(|credential| credential.principal == found.id && credential.is_live(SystemClock.now())))
}
