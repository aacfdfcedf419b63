//! The demonstration itself, from an instance that starts to a log that is verified.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use claviger_audit::{Op, Outcome, VerifierKey};
use claviger_client::types::audit::SearchAudit;
use claviger_client::types::key::{ChangeState, CreateKey, ExplainKey};
use claviger_client::types::ring::{CreateRing, RingPolicyPatch};
use claviger_client::types::usage::{Decrypt, Reencrypt};
use claviger_client::types::{GiveReason, Instant, Pairs, Text, key};
use claviger_client::{Client, ClientError};
use claviger_core::key::{DataClass, Event, State};
use claviger_core::reason::ReasonCode;
use claviger_core::{Action, Purpose, Spec};

use super::approval;
use super::evidence;
use super::instance::Instance;
use super::pack;
use super::people::{GRANTED, People, application_at, token_file};
use super::steps::{Shown, Steps, check};
use super::tree::{self, MadeAs, Original};
use super::{RunArgs, data};
use crate::clock;
use crate::command::audit::offline::key_in;
use crate::failure::Failure;
use crate::input::pair::Bound;
use crate::output::units;
use crate::progress;
use crate::session::client_of;

const RING: &str = "demo";
const KEY: &str = "demo/records";
/// How the row of the key begins behind its identifiers: ring, name, purpose, spec, protection and class of data, one behind the other.
const RECORD: &str = "demorecordsencryptaes-256-gcmsoftwareephi";

/// Everything that the steps share.
pub(super) struct Play<'a> {
    args: &'a RunArgs,
    dir: PathBuf,
    people: People,
    files: Vec<Original>,
    /// Log entry of a refusal, to be proved at the end.
    refusal: Option<u64>,
    /// An instant at which the grant was in force, to be asked about at the end.
    granted_at: Option<Instant>,
}

impl Play<'_> {
    fn plain(&self) -> PathBuf {
        self.args.input.clone().unwrap_or_else(|| self.dir.join("plain"))
    }

    fn sealed(&self) -> PathBuf {
        self.dir.join("protected")
    }

    /// What is made on the way and not worth keeping.
    fn scratch(&self) -> PathBuf {
        self.dir.join("scratch")
    }

    fn pack(&self) -> PathBuf {
        self.dir.join("evidence-pack")
    }

    /// The key of the root log as it was held against the instance's word when the log was exported: not the one that lies in the pack.
    fn root_key(&self) -> Result<VerifierKey, Failure> {
        key_in(&self.dir.join("log"))
    }

    /// A protected file of the kind, to try things with.
    fn example(&self, kind: MadeAs) -> Result<&Original, Failure> {
        let direct =
            |file: &&Original| (file.len <= crate::command::usage::MAX_DIRECT) == (kind == MadeAs::Direct);
        let found = self.files.iter().find(direct).or_else(|| self.files.first());
        found.ok_or_else(|| Failure::failed("there are no files"))
    }
}

/// Plays the whole.
///
/// # Errors
/// Those of the first step that does not hold.
pub(super) async fn play(args: &RunArgs, dir: &Path, steps: &mut Steps) -> Result<(), Failure> {
    // Stopped when this function ends, however it ends.
    let instance = steps.take("start an instance of its own", start(dir)).await?;
    let plain = args.input.clone().unwrap_or_else(|| dir.join("plain"));
    let files = steps.take("survey the files to protect", survey(args, &plain)).await?;
    let people = steps.take("create two applications, each with a token", gather(&instance, dir)).await?;
    let mut play = Play { args, dir: dir.to_owned(), people, files, refusal: None, granted_at: None };
    let play = &mut play;
    steps.take("create a key ring and a key", create_key(play)).await?;
    steps.take("grant one application uses of the key", grant(play)).await?;
    steps.take("protect every file", protect(play)).await?;
    steps.take("look for plaintext in the protected files", look_for_plaintext(play)).await?;
    steps.take("refuse everybody who was granted nothing", refuse_others(play)).await?;
    steps.take("rotate the key; what was protected still opens", rotate(play)).await?;
    steps.take("open every file and compare SHA-256", open_all(play)).await?;
    steps.take("suspend the key: refused at once; resume: opens again", suspend(play)).await?;
    steps.take("revoke the grant: refused at once", withdraw(play)).await?;
    steps.take("declare the key compromised: refused at once", compromise(play)).await?;
    steps.take("destroy another key: one asks, two others approve", destroy(play, &instance)).await?;
    steps.take("ask the log who used the key, and from where", ask_who(play)).await?;
    steps.take("ask who could have used it when the grant was new", ask_who_could(play)).await?;
    steps.take("prove by the log that the refusal is in it", prove(play)).await?;
    steps.take("export the log and verify it offline, on a copy", verify_log(play)).await?;
    steps.take("change one byte of another copy: detected", detect_change(play)).await?;
    steps.take("make an evidence pack, signed by the instance", make_pack(play, &instance)).await?;
    steps.take("edit a row in a copy of the database: named, refused", detect_edit(play, instance)).await?;
    steps.take("make every file of the pack again from its log, offline", hold_pack(play)).await?;
    steps.take("change one byte of a copy of the pack: detected", detect_change_of_pack(play)).await?;
    let scratch = play.scratch();
    fs::remove_dir_all(&scratch).map_err(|error| Failure::file(&scratch, &error))
}

async fn start(dir: &Path) -> Result<(Instance, Shown), Failure> {
    let instance = Instance::start(dir).await?;
    let shown = Shown::words(format!(
        "control {}, data {}, root: {}",
        instance.ready.urls.control, instance.ready.urls.data, instance.ready.root
    ));
    Ok((instance, shown))
}

async fn survey(args: &RunArgs, plain: &Path) -> Result<(Vec<Original>, Shown), Failure> {
    if args.input.is_none() {
        let bar = progress::bytes("writing", Some(u64::from(args.megabytes) * 1024 * 1024));
        data::write(plain, args.megabytes, |bytes| bar.inc(bytes))
            .map_err(|error| Failure::file(plain, &error))?;
        bar.finish_and_clear();
    }
    let surveyed = tree::survey(plain)?;
    let (files, bytes) = (surveyed.files.len(), surveyed.files.iter().map(|file| file.len).sum());
    let passed_over = surveyed.words_on_passed_over();
    let text = format!("{files} files, {}, in `{}`{passed_over}", units::bytes(bytes), plain.display());
    Ok((surveyed.files, Shown::work(text, bytes)))
}

async fn gather(instance: &Instance, dir: &Path) -> Result<(People, Shown), Failure> {
    let people = People::gather(instance, dir).await?;
    Ok((people, Shown::words("their tokens were shown once, and are in files for their owner alone")))
}

fn new_key(name: &str) -> Result<CreateKey, Failure> {
    Ok(CreateKey {
        ring: RING.to_owned(),
        name: name.parse().map(Text).map_err(|_| not_a_name())?,
        purpose: Purpose::Encrypt.into(),
        spec: Spec::Aes256Gcm.into(),
        protection: None,
        data_class: Some(DataClass::Ephi.into()),
        description: String::new(),
        owner: None,
        labels: Pairs::default(),
        rotation_period_seconds: Some(Duration::from_secs(90 * 86_400).as_secs()),
        origin: None,
        context_required: Vec::new(),
        environment: None,
        activate: true,
    })
}

fn not_a_name() -> Failure {
    Failure::failed("not a name")
}

async fn create_key(play: &Play<'_>) -> Result<((), Shown), Failure> {
    let administrator = &play.people.administrator;
    administrator
        .create_ring(&CreateRing {
            name: RING.parse().map(Text).map_err(|_| not_a_name())?,
            policy: RingPolicyPatch::default(),
            reason: None,
            reason_code: None,
        })
        .await?;
    let key = administrator.create_key(&new_key("records")?).await?.value;
    Ok(((), Shown::words(format!("`{}`, {}, {}, id {}", key.name, key.spec, key.state, key.id))))
}

async fn grant(play: &mut Play<'_>) -> Result<((), Shown), Failure> {
    let grant = play.people.grant(KEY).await?;
    play.granted_at = Some(clock::now().into());
    let explained = play.people.auditor.explain_key(KEY, &ExplainKey::default()).await?.value;
    let users: Vec<_> = users(&explained);
    check(users == [GRANTED], || {
        format!("the explanation names other users of the key: {}", users.join(", "))
    })?;
    Ok((
        (),
        Shown::words(format!(
            "grant {}; the explanation of the key names `{GRANTED}` as its one user",
            grant.id
        )),
    ))
}

/// Who may use material, by the explanation of the key.
fn users(explained: &key::Explanations) -> Vec<String> {
    let mut users: Vec<_> = explained
        .items
        .iter()
        .filter(|line| line.action.is_grantable() && *line.action != Action::ReadPublicKey)
        .map(|line| line.principal_name.to_string())
        .collect();
    users.sort();
    users.dedup();
    users
}

async fn protect(play: &Play<'_>) -> Result<((), Shown), Failure> {
    let (plain, sealed) = (play.plain(), play.sealed());
    let made = tree::protect(&play.people.granted, KEY, &play.files, (&plain, &sealed)).await?;
    let direct = made.iter().filter(|made| made.kind == MadeAs::Direct).count();
    check(made.iter().all(|made| made.version == 1), || "a file is not under version 1".to_owned())?;
    let bytes = play.files.iter().map(|file| file.len).sum();
    Ok((
        (),
        Shown::work(format!("{direct} files in one call each, {} as envelopes", made.len() - direct), bytes),
    ))
}

async fn look_for_plaintext(play: &Play<'_>) -> Result<((), Shown), Failure> {
    let leaking = tree::leaking(&play.files, &play.sealed())?;
    check(leaking.is_empty(), || format!("plaintext is in: {}", leaking.join(", ")))?;
    Ok(((), Shown::words("none of it is there")))
}

async fn refuse_others(play: &mut Play<'_>) -> Result<((), Shown), Failure> {
    let file = play.example(MadeAs::Direct)?.clone();
    let sealed = read(&file.sealed_in(&play.sealed()))?;
    let bound = file.bound()?;
    let people = &play.people;
    let decrypt = |client: Client, pairs: Pairs| {
        let request = Decrypt { ciphertext: sealed.clone().into(), context: pairs };
        async move { client.decrypt(KEY, &request).await.map(|_| ()) }
    };
    let refusal = refused(
        "the administrator",
        &[403, 404],
        decrypt(people.administrator.clone(), bound.pairs.clone()).await,
    )?;
    refused(
        "the security officer",
        &[403, 404],
        decrypt(people.security_officer.clone(), bound.pairs.clone()).await,
    )?;
    refused(
        "the other application",
        &[403, 404],
        decrypt(people.other_app.clone(), bound.pairs.clone()).await,
    )?;
    let other = Bound::of(&[("dataset".to_owned(), "another".to_owned())])?;
    refused(
        "the application outside its data set",
        &[403, 404],
        decrypt(people.granted.clone(), other.pairs).await,
    )?;
    let mut swapped = bound.pairs.clone();
    swapped.0.insert("file".to_owned(), "another".to_owned());
    refused(
        "the application with another file's context",
        &[400],
        decrypt(people.granted.clone(), swapped).await,
    )?;
    refused(
        "the application on the control plane",
        &[401, 403, 404],
        people.granted.read_key(KEY).await.map(|_| ()),
    )?;
    play.refusal = refusal;
    Ok((
        (),
        Shown::words(
            "six live calls were refused: administrator, security officer, another application, and the application with another context or on the control plane",
        ),
    ))
}

/// Holds a call against the statuses that refuse it. Gives the log entry that records the refusal.
fn refused(who: &str, statuses: &[u16], result: Result<(), ClientError>) -> Result<Option<u64>, Failure> {
    match result {
        Ok(()) => Err(Failure::unverified(format!("{who} was not refused"))),
        Err(ClientError::Problem(problem)) if statuses.contains(&problem.status) => Ok(problem.entry),
        Err(other) => Err(Failure::from(other).during(&format!("{who} was to be refused, but"))),
    }
}

async fn rotate(play: &Play<'_>) -> Result<((), Shown), Failure> {
    let key = play.people.administrator.rotate_key(KEY).await?.value;
    check(key.primary == 2, || format!("the protecting version is {}", key.primary))?;
    let file = play.example(MadeAs::Envelope)?;
    let (old, new) = (file.sealed_in(&play.sealed()), play.scratch().join("rotated.clv"));
    tree::open_one(&play.people.granted, file, (&old, &play.scratch().join("rotated"))).await?;
    let made =
        tree::protect_one(&play.people.granted, KEY, file, (&play.plain().join(&file.name), &new)).await?;
    check(made.version == 2, || format!("new data is under version {}", made.version))?;
    let direct = play.example(MadeAs::Direct)?;
    let path = direct.sealed_in(&play.sealed());
    let request = Reencrypt {
        ciphertext: read(&path)?.into(),
        context: direct.bound()?.pairs,
        to: None,
        to_context: None,
    };
    // A data set without small files has no direct ciphertext to bring forward.
    if direct.len > crate::command::usage::MAX_DIRECT {
        return Ok(((), Shown::words("version 2 protects new data; old data opens")));
    }
    let again = play.people.granted.reencrypt(KEY, &request).await?.value;
    check(again.version == 2, || format!("re-encrypted data is under version {}", again.version))?;
    Ok((
        (),
        Shown::words(
            "version 2 protects new data; old data opens, and is moved to version 2 without being shown",
        ),
    ))
}

async fn open_all(play: &Play<'_>) -> Result<((), Shown), Failure> {
    let opened = play.dir.join("opened");
    let bytes = tree::open(&play.people.granted, &play.files, (&play.sealed(), &opened)).await?;
    Ok(((), Shown::work(format!("{} files are, byte for byte, what they were", play.files.len()), bytes)))
}

/// Tries to open one file, and says how that went.
async fn try_to_open(play: &Play<'_>) -> Result<Result<(), Failure>, Failure> {
    let file = play.example(MadeAs::Envelope)?;
    let sealed = file.sealed_in(&play.sealed());
    Ok(tree::open_one(&play.people.granted, file, (&sealed, &play.scratch().join("tried"))).await)
}

fn refused_with(what: &str, statuses: &[u16], result: Result<(), Failure>) -> Result<(), Failure> {
    match result {
        Ok(()) => Err(Failure::unverified(format!("{what}: it was not refused"))),
        Err(failure) if failure.status().is_some_and(|status| statuses.contains(&status)) => Ok(()),
        Err(failure) => Err(failure.during(what)),
    }
}

async fn suspend(play: &Play<'_>) -> Result<((), Shown), Failure> {
    let responder = &play.people.responder;
    let code = ReasonCode::CompromiseSuspected;
    let change = ChangeState { reason_code: Some(code.into()), ..ChangeState::default() };
    responder.change_key_state(KEY, Event::Suspend, &change).await?;
    refused_with("the key is suspended", &[409], try_to_open(play).await?)?;
    let why = responder.read_key(KEY).await?.value.reason.and_then(|reason| reason.code);
    check(why == Some(code.into()), || format!("the key says why as {why:?}"))?;
    play.people.administrator.change_key_state(KEY, Event::Resume, &ChangeState::default()).await?;
    try_to_open(play).await?.map_err(|failure| failure.during("the key is resumed"))?;
    let shown = format!(
        "the first call after the answer was refused, and the key says why (`{code}`); after resuming, the next one was not"
    );
    Ok(((), Shown::words(shown)))
}

async fn withdraw(play: &Play<'_>) -> Result<((), Shown), Failure> {
    let query = claviger_client::types::grant::ListGrants {
        principal: Some(GRANTED.to_owned()),
        ..Default::default()
    };
    let officer = &play.people.security_officer;
    let grants = officer.list_grants(&query).await?.value.items;
    let why = GiveReason { reason: Some("shown in the demonstration".to_owned()), reason_code: None };
    for grant in &grants {
        officer.revoke_grant(*grant.id, &why).await?;
    }
    check(grants.len() == 1, || format!("there were {} grants", grants.len()))?;
    refused_with("the grant is revoked", &[403, 404], try_to_open(play).await?)?;
    play.people.grant(KEY).await?;
    try_to_open(play).await?.map_err(|failure| failure.during("the grant is given anew"))?;
    Ok(((), Shown::words("the first call after the answer was refused; given anew, the next one was not")))
}

async fn compromise(play: &Play<'_>) -> Result<((), Shown), Failure> {
    let change =
        ChangeState { reason: Some("shown in the demonstration".to_owned()), ..ChangeState::default() };
    let key = play.people.responder.change_key_state(KEY, Event::Compromise, &change).await?.value;
    refused_with("the key is compromised", &[409], try_to_open(play).await?)?;
    let back = play.people.administrator.change_key_state(KEY, Event::Resume, &ChangeState::default()).await;
    refused("the way back", &[409], back.map(|_| ()))?;
    Ok((
        (),
        Shown::words(format!("`{KEY}` is {}: it opens nothing more, and there is no way back", key.state)),
    ))
}

async fn destroy(play: &Play<'_>, instance: &Instance) -> Result<((), Shown), Failure> {
    let People { administrator, auditor, .. } = &play.people;
    let key = administrator.create_key(&new_key("spent")?).await?.value.name.to_string();
    let text = approval::destroy(administrator, auditor, instance, &key).await?;
    Ok(((), Shown::words(text)))
}

async fn ask_who(play: &Play<'_>) -> Result<((), Shown), Failure> {
    let auditor = &play.people.auditor;
    let key = auditor.read_key(KEY).await?.value.id;
    let mut query = SearchAudit {
        key: Some(key),
        operation: Some(Op::Decrypt.code()),
        outcome: Some(Outcome::Ok.code()),
        limit: Some(1000),
        ..SearchAudit::default()
    };
    let (mut uses, mut users, mut places) = (0, BTreeSet::new(), BTreeSet::new());
    loop {
        let page = auditor.search_audit(&query).await?.value;
        for entry in page.items {
            uses += 1;
            let who = entry.who.unwrap_or_default();
            users.insert(who.name.unwrap_or(who.state));
            places.extend(who.address);
        }
        query.size = Some(page.size);
        match page.next {
            Some(next) => query.from = next,
            None => break,
        }
    }
    let known = users.iter().map(String::as_str).eq([GRANTED]);
    check(uses > 0 && known && !places.is_empty(), || format!("{uses} uses, by {users:?}, from {places:?}"))?;
    let places: Vec<_> = places.into_iter().collect();
    let shown = format!("it was opened {uses} times, by `{GRANTED}` alone, from {}", places.join(", "));
    Ok(((), Shown::words(shown)))
}

async fn ask_who_could(play: &Play<'_>) -> Result<((), Shown), Failure> {
    let query = ExplainKey { at: play.granted_at };
    let then = play.people.auditor.explain_key(KEY, &query).await?.value;
    let users = users(&then);
    let state = then.as_of.map(|then| *then.key_state);
    check(users == [GRANTED] && state == Some(State::Active), || {
        format!("the key was {state:?} then, and its users {users:?}")
    })?;
    Ok((
        (),
        Shown::words(format!("`{GRANTED}` alone, and the key was active: it has been compromised since")),
    ))
}

async fn prove(play: &Play<'_>) -> Result<((), Shown), Failure> {
    let entry =
        play.refusal.ok_or_else(|| Failure::unverified("a refusal came without its entry in the log"))?;
    let text = evidence::prove(&play.people.auditor, entry, &play.dir.join("refusal.proof")).await?;
    Ok(((), Shown::words(text)))
}

async fn verify_log(play: &Play<'_>) -> Result<((), Shown), Failure> {
    let (log, copy) = (play.dir.join("log"), play.dir.join("log-copy"));
    let text = evidence::export_and_verify(&play.people.auditor, &log, &copy).await?;
    Ok(((), Shown::words(text)))
}

async fn detect_change(play: &Play<'_>) -> Result<((), Shown), Failure> {
    let text = evidence::change_and_detect(&play.dir.join("log"), &play.dir.join("log-changed"))?;
    Ok(((), Shown::words(text)))
}

async fn make_pack(play: &Play<'_>, instance: &Instance) -> Result<((), Shown), Failure> {
    let text = pack::make(instance.profile("auditor")?, &play.pack())?;
    Ok(((), Shown::words(text)))
}

async fn hold_pack(play: &Play<'_>) -> Result<((), Shown), Failure> {
    let text = pack::hold_all(&play.pack(), &play.root_key()?)?;
    Ok(((), Shown::words(text)))
}

async fn detect_change_of_pack(play: &Play<'_>) -> Result<((), Shown), Failure> {
    let changed = play.scratch().join("pack-changed");
    let text = pack::change_and_detect(&play.pack(), &changed, &play.root_key()?)?;
    Ok(((), Shown::words(text)))
}

/// The instance stops, and somebody who has a copy of its database brings a compromised key back in it: as a row that says so, and nothing else.
async fn detect_edit(play: &Play<'_>, instance: Instance) -> Result<((), Shown), Failure> {
    drop(instance);
    let copy = play.scratch().join("edited");
    evidence::copy_tree(&play.dir.join("deployment"), &copy.join("deployment"))?;
    let (from, to) = (State::Compromised.name(), State::Deactivated.name());
    evidence::edit_key_row(&copy.join("deployment/data/store.db"), RECORD, (from, to))?;
    let edited = Instance::start(&copy).await?;
    let client = application_at(GRANTED, &edited.ready, &copy, &play.dir.join(token_file(GRANTED)))?;
    let file = play.example(MadeAs::Envelope)?;
    let sealed = file.sealed_in(&play.sealed());
    let tried = tree::open_one(&client, file, (&sealed, &play.scratch().join("tried"))).await;
    refused_with("the row is edited", &[500], tried)?;
    let auditor = edited.profile("auditor").and_then(client_of)?;
    let found = evidence::find_edit(&auditor, &copy.join("log")).await?;
    let named = found.iter().find(|finding| finding.contains(": key ") && finding.contains("another state "));
    let named = named.ok_or_else(|| Failure::unverified(format!("the row is not named: {found:?}")))?;
    let shown =
        format!("a compromised key said that it was {to}: its use was refused; `audit verify`: {named}");
    Ok(((), Shown::words(shown)))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::file(path, &error))
}

#[cfg(test)]
mod tests {
    use claviger_client::types::Problem;

    use super::*;

    fn problem(status: u16) -> ClientError {
        ClientError::Problem(Box::new(Problem { entry: Some(5), ..Problem::new(status, "x", "x") }))
    }

    #[test]
    fn only_the_expected_refusal_counts_as_one() {
        assert_eq!(refused("a", &[403], Err(problem(403))).unwrap(), Some(5));
        assert!(refused("a", &[403], Err(problem(500))).is_err());
        assert!(refused("a", &[403], Ok(())).unwrap_err().to_string().contains("was not refused"));
        assert!(refused("a", &[403], Err(ClientError::Transport("gone".into()))).is_err());
        assert!(refused_with("a", &[409], Err(problem(409).into())).is_ok());
        assert!(refused_with("a", &[409], Err(problem(403).into())).is_err());
    }

    #[test]
    fn users_of_a_key_are_those_who_use_material() {
        let line = |name: &str, action: Action| key::Explanation {
            principal: claviger_core::PrincipalId::from_bytes([1; 16]).into(),
            principal_name: Text(name.parse().unwrap()),
            action: action.into(),
            rule: "r".into(),
            grant: None,
            conditions: None,
        };
        let items = vec![
            line("app", Action::Encrypt),
            line("app", Action::Decrypt),
            line("admin", Action::RotateKey),
        ];
        assert_eq!(users(&key::Explanations { items, as_of: None }), ["app"]);
    }
}
