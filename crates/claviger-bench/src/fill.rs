//! Fills an instance with keys: each by the operation that creates it, on the road, with its entry, as an administrator. No
//! row is written by anyone but the store; what comes out is an instance like any other. Only HTTP is left out.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, ensure};
use claviger_core::action::Plane;
use claviger_core::key::{DataClass, Labels};
use claviger_core::{Purpose, Spec};
use claviger_server::quickstart::{QuickstartOptions, quickstart};
use claviger_service::operation::{Call, CreateKey};
use claviger_service::{ErrorKind, Presented, RingRef, Road};
use tokio::task::JoinSet;

use crate::instance::Instance;
use crate::peer;

/// The ring of all keys.
pub const RING: &str = "scale";
/// Calls at once: what waits together is committed together. One principal may not have more waiting than 128.
const AT_ONCE: u32 = 128;
/// After how many keys something is said.
const SAY: u32 = 50_000;

/// The name of a key.
#[must_use]
pub fn name(number: u32) -> String {
    format!("k{number:07}")
}

/// The path to encrypt under a key.
#[must_use]
pub fn path(number: u32) -> String {
    format!("/v1/keys/{RING}%2F{}/encrypt", name(number))
}

/// Makes an instance in `dir` that holds so many keys, all of which its application may encrypt under.
///
/// # Errors
/// When a key is not created.
pub fn fill(dir: &Path, keys: u32) -> Result<()> {
    let server = Instance::start(dir)?;
    server.run("administrator", &["ring", "create", RING])?;
    let grant = ["grant", "create", "app", "--ring", RING, "--operations", "encrypt", "--reason", "bench"];
    server.run("security_officer", &grant)?;
    server.stop()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(Box::pin(fill_open(dir, keys)))
}

/// The same, unless it was done before.
///
/// # Errors
/// When it was done with another number of keys, or a key is not created.
pub fn filled(dir: &Path, keys: u32) -> Result<()> {
    let mark = dir.join("keys");
    match fs::read_to_string(&mark) {
        Ok(found) => {
            ensure!(found == keys.to_string(), "{} holds {found} keys; name another folder", dir.display());
        }
        Err(_) => {
            eprintln!("creating {keys} keys");
            fill(dir, keys)?;
            fs::write(&mark, keys.to_string())?;
        }
    }
    Ok(())
}

async fn fill_open(dir: &Path, keys: u32) -> Result<()> {
    let options = QuickstartOptions {
        dir: dir.to_owned(),
        evaluation: false,
        root: None,
        listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
        ready_file: None,
    };
    let (running, ready) = quickstart(&options, None).await?;
    let profile = ready.profiles.get("administrator").context("no administrator")?;
    let certificate = peer::certificates(&profile.with_extension("crt"))?;
    let presented = Presented::certificate(certificate.first().context("no certificate")?);
    let next = Arc::new(AtomicU32::new(0));
    let mut working = JoinSet::new();
    for _ in 0..AT_ONCE.min(keys) {
        working.spawn(create(running.road().clone(), presented.clone(), Arc::clone(&next), keys));
    }
    while let Some(worked) = working.join_next().await {
        worked??;
    }
    running.shutdown().await;
    Ok(())
}

async fn create(road: Road, presented: Presented, next: Arc<AtomicU32>, keys: u32) -> Result<()> {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= keys {
            return Ok(());
        }
        if number > 0 && number.is_multiple_of(SAY) {
            eprintln!("  {number} keys");
        }
        let operation = CreateKey {
            ring: RingRef::Name(RING.parse()?),
            name: Some(name(number).parse()?),
            purpose: Purpose::Encrypt,
            spec: Spec::Aes256Gcm,
            protection: None,
            data_class: Some(DataClass::Confidential),
            description: String::new(),
            owner: None,
            labels: Labels::default(),
            rotation_period: None,
            context_required: claviger_core::key::RequiredContext::default(),
            environment: None,
            activate: true,
            origin: claviger_core::key::Origin::Generated,
            rights: None,
        };
        let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let (request_id, idempotency_key) = (None, None);
        let call = Call {
            presented: presented.clone(),
            source: source.into(),
            plane: Plane::Control,
            dry_run: false,
            request_id,
            idempotency_key,
            reason: None,
            operation,
        };
        match road.perform(call).await {
            // A disk that took too long: the key is there, only the answer was held back.
            Err(error) if error.kind() == ErrorKind::Withheld => {}
            done => drop(done?),
        }
    }
}
