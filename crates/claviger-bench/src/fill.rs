//! Fills an instance with keys: each by the operation that creates it, on the road, with its entry, as an administrator. No
//! row is written by anyone but the store; what comes out is an instance like any other. Only HTTP is left out.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, ensure};
use claviger_core::action::{Plane, Reasoning};
use claviger_core::grant::Conditions;
use claviger_core::key::{DataClass, Event, Labels, Origin, RequiredContext};
use claviger_core::principal::PrincipalKind;
use claviger_core::reason::{Reason, ReasonText};
use claviger_core::{Action, ListenerName, Purpose, Spec};
use claviger_server::Running;
use claviger_server::quickstart::{QuickstartOptions, Ready, quickstart};
use claviger_service::operation::{
    Call, ChangeKeyState, CreateGrant, CreateKey, CreatePrincipal, GrantOn, KeyPatch, Operation, RotateKey,
    UpdateKey,
};
use claviger_service::{ErrorKind, KeyRef, Presented, RingRef, Road};
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

/// Gives the instance in `dir` so many more principals, each with a grant on a key of its own, unless it has them.
///
/// # Errors
/// When it has another number of them, or one is not made.
pub fn peopled(dir: &Path, principals: u32) -> Result<()> {
    let mark = dir.join("principals");
    match fs::read_to_string(&mark) {
        Ok(found) => {
            let count = principals.to_string();
            ensure!(found == count, "{} has {found} principals; name another folder", dir.display());
        }
        Err(_) => {
            eprintln!("making {principals} principals");
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(Box::pin(async {
                let open = Open::new(dir).await?;
                open.each(principals, "administrator", principal).await?;
                open.each(principals, "security_officer", grant).await?;
                open.running.shutdown().await;
                anyhow::Ok(())
            }))?;
            fs::write(&mark, principals.to_string())?;
        }
    }
    Ok(())
}

/// What happens to every key in one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    Describe,
    Resume,
    Rotate,
    Suspend,
}

impl Round {
    /// A rotation, and then by turns. No key stays suspended behind the last one.
    const fn of(round: u32, rounds: u32) -> Self {
        match round % 3 {
            0 if round == 0 => Self::Rotate,
            1 if round + 1 < rounds => Self::Suspend,
            2 => Self::Resume,
            _ => Self::Describe,
        }
    }
}

/// Changes each key of the instance in `dir` so many times, unless that was done before.
///
/// # Errors
/// When it was done another number of times, or a change is refused.
pub fn changed(dir: &Path, keys: u32, rounds: u32) -> Result<()> {
    let mark = dir.join("rounds");
    match fs::read_to_string(&mark) {
        Ok(found) => {
            let count = rounds.to_string();
            ensure!(found == count, "{} has keys changed {found} times; name another folder", dir.display());
        }
        Err(_) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(Box::pin(change_open(dir, keys, rounds)))?;
            fs::write(&mark, rounds.to_string())?;
        }
    }
    Ok(())
}

async fn change_open(dir: &Path, keys: u32, rounds: u32) -> Result<()> {
    let open = Open::new(dir).await?;
    for round in 0..rounds {
        eprintln!("changing {keys} keys, {} of {rounds}", round + 1);
        match Round::of(round, rounds) {
            Round::Describe => {
                let describe = move |number| description(number, round);
                open.each(keys, "administrator", describe).await?;
            }
            Round::Resume => open.each(keys, "administrator", |number| event(number, Event::Resume)).await?,
            Round::Rotate => open.each(keys, "administrator", rotation).await?,
            Round::Suspend => {
                open.each(keys, "administrator", |number| event(number, Event::Suspend)).await?
            }
        }
    }
    open.running.shutdown().await;
    Ok(())
}

async fn fill_open(dir: &Path, keys: u32) -> Result<()> {
    let open = Open::new(dir).await?;
    open.each(keys, "administrator", key).await?;
    open.running.shutdown().await;
    Ok(())
}

/// An instance in this process.
struct Open {
    running: Running,
    ready: Ready,
}

impl Open {
    async fn new(dir: &Path) -> Result<Self> {
        let options = QuickstartOptions {
            dir: dir.to_owned(),
            evaluation: false,
            root: None,
            listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            ready_file: None,
        };
        let (running, ready) = quickstart(&options, None).await?;
        Ok(Self { running, ready })
    }

    /// Has `who` carry out so many operations, many at once.
    async fn each<O, F>(&self, count: u32, who: &str, operation: F) -> Result<()>
    where
        O: Operation + 'static,
        F: Fn(u32) -> Result<O> + Copy + Send + 'static,
    {
        let profile = self.ready.profiles.get(who).with_context(|| format!("no {who}"))?;
        let certificate = peer::certificates(&profile.with_extension("crt"))?;
        let presented = Presented::certificate(certificate.first().context("no certificate")?);
        let next = Arc::new(AtomicU32::new(0));
        let mut working = JoinSet::new();
        for _ in 0..AT_ONCE.min(count) {
            let (road, presented, next) = (self.running.road().clone(), presented.clone(), Arc::clone(&next));
            working.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return anyhow::Ok(());
                    }
                    if number > 0 && number.is_multiple_of(SAY) {
                        eprintln!("  {number}");
                    }
                    let operation = operation(number)?;
                    perform(&road, presented.clone(), operation).await?;
                }
            });
        }
        while let Some(worked) = working.join_next().await {
            worked??;
        }
        Ok(())
    }
}

fn key(number: u32) -> Result<CreateKey> {
    Ok(CreateKey {
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
        context_required: RequiredContext::default(),
        environment: None,
        activate: true,
        origin: Origin::Generated,
        rights: None,
    })
}

fn reference(number: u32) -> Result<KeyRef> {
    Ok(format!("{RING}/{}", name(number)).parse()?)
}

fn rotation(number: u32) -> Result<RotateKey> {
    Ok(RotateKey { key: reference(number)? })
}

fn event(number: u32, event: Event) -> Result<ChangeKeyState> {
    Ok(ChangeKeyState::new(reference(number)?, None, event)?)
}

fn description(number: u32, round: u32) -> Result<UpdateKey> {
    let patch = KeyPatch { description: Some(format!("round {round}")), ..KeyPatch::default() };
    Ok(UpdateKey { key: reference(number)?, patch, if_revision: None })
}

fn principal(number: u32) -> Result<CreatePrincipal> {
    let name = principal_name(number).parse()?;
    let kind = PrincipalKind::Workload;
    Ok(CreatePrincipal { name, kind, home: None, environment: None, same_person_as: None })
}

fn grant(number: u32) -> Result<CreateGrant> {
    Ok(CreateGrant {
        principal: principal_name(number).parse()?,
        on: GrantOn::Key(reference(number)?),
        operations: vec![Action::Encrypt],
        conditions: Conditions::default(),
        name: None,
        retiring: None,
    })
}

fn principal_name(number: u32) -> String {
    format!("app-{number:07}")
}

async fn perform(road: &Road, presented: Presented, operation: impl Operation) -> Result<()> {
    let call = Call {
        presented,
        source: IpAddr::V4(Ipv4Addr::LOCALHOST).into(),
        listener: ListenerName::Control,
        plane: Plane::Control,
        dry_run: false,
        request_id: None,
        idempotency_key: None,
        reason: reason_for(operation.action())?,
        operation,
    };
    match road.perform(call).await {
        // A disk that took too long: it is done, only the answer was held back.
        Err(error) if error.kind() == ErrorKind::Withheld => Ok(()),
        done => Ok(done.map(drop)?),
    }
}

/// The reason of an act that is asked for one.
fn reason_for(action: Action) -> Result<Option<Reason>> {
    let asked = action.reasoning() == Reasoning::Must;
    Ok(if asked { Some("bench".parse::<ReasonText>()?.into()) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_rotated_first_and_never_left_suspended() {
        let rounds = |count| (0..count).map(|round| Round::of(round, count)).collect::<Vec<_>>();
        assert_eq!(rounds(1), [Round::Rotate]);
        assert_eq!(rounds(2), [Round::Rotate, Round::Describe]);
        for count in 1..20 {
            let rounds = rounds(count);
            for (at, _) in rounds.iter().enumerate().filter(|(_, round)| **round == Round::Suspend) {
                assert_eq!(rounds.get(at + 1), Some(&Round::Resume), "{rounds:?}");
            }
            let mut resumed = rounds.windows(2).filter(|pair| pair[1] == Round::Resume);
            assert!(resumed.all(|pair| pair[0] == Round::Suspend), "{rounds:?}");
        }
    }
}
