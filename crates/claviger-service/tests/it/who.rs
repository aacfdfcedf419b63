//! Who did what: answers of the log, held against a plain model; what is disclosed of it; and what an erasure leaves.

#![expect(clippy::indexing_slicing, reason = "what is out of bounds here is a test that fails")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use claviger_access::Presented;
use claviger_audit::entry::Entry;
use claviger_audit::op::{Op, Outcome};
use claviger_audit::session::{DisclosedField, DisclosedFields, Disclosure, Level, TLS_VERSION};
use claviger_audit::tile::{parse_facts, push_facts};
use claviger_audit::verify::Finding;
use claviger_core::action::Plane;
use claviger_core::key::{Event, KeyRecord};
use claviger_core::object::Object;
use claviger_core::port::Store as _;
use claviger_core::principal::{CredentialKind, PrincipalKind, Role};
use claviger_core::{
    Action, CredentialId, KeyId, PrincipalId, Purpose, Source, Spec, Timestamp, TlsParameters,
};
use claviger_crypto::envelope::Context;
use claviger_service::log::{EntryFilter, SearchPage, SearchedEntry, SessionOf};
use claviger_service::operation::usage::{Encrypt, UseKey};
use claviger_service::operation::{
    ChangeKeyState, CreateCredential, DiscloseAudit, ErasePrincipal, ListCredentials, NewCredential,
    Operation, ReadEntries, ReadKey, RevokePrincipal, SearchAudit,
};
use claviger_service::{Call, ErrorKind, KeyRef, PrincipalRef, Released, ServiceError};

use crate::deployment::{DAY, Deployment, certificate_of, reason_of};
use crate::evidence::{hold, replay_edited};

const TLS: TlsParameters = TlsParameters { version: 0x0304, cipher_suite: 0x1302, group: Some(0x11ec) };
/// The places of auditor and responder among the callers.
const VERA: usize = 2;
const RITA: usize = 3;
const OLD_GROUP: TlsParameters = TlsParameters { group: Some(0x001d), ..TLS };

/// A caller at an address.
#[derive(Clone, Debug)]
struct Caller {
    name: &'static str,
    principal: PrincipalId,
    credential: CredentialId,
    presented: Presented,
    source: Source,
}

/// A deployment, and who made which entry of its log.
struct History {
    deployment: Deployment,
    callers: Vec<Caller>,
    /// By index: the caller whose entry, or whose session, it is, if it has a session at all.
    owners: Vec<Option<usize>>,
    keys: Vec<KeyRecord>,
    random: u64,
}

impl History {
    /// People and applications, two keys, and two credentials and addresses of one application.
    async fn begin(seed: u64) -> Self {
        let more = vec![("rita".to_owned(), PrincipalKind::Human, Some(Role::Responder))];
        let deployment = Deployment::build_among(false, more).await;
        let mut history = Self { deployment, callers: vec![], owners: vec![], keys: vec![], random: seed };
        let at = |address: &str, tls| Source { address: address.parse().unwrap(), tls };
        for (name, source) in [
            ("ada", at("10.0.0.1", Some(TLS))),
            ("otto", at("10.0.0.2", Some(TLS))),
            ("vera", at("127.0.0.1", None)),
            ("rita", at("192.0.2.9", Some(TLS))),
            ("ada", at("2001:db8::1", Some(OLD_GROUP))),
            ("app", at("10.1.0.1", Some(TLS))),
            ("outsider", at("198.51.100.7", Some(TLS))),
        ] {
            history.join(name, None, source).await;
        }
        let what = NewCredential::Token { lifetime: DAY * 300 };
        let principal = PrincipalRef::Name("app".parse().unwrap());
        let made = CreateCredential { principal, label: "second".parse().unwrap(), what, to_confirm: false };
        let made = history.act(0, made).await.unwrap().output.credential;
        let token = (made.id, Presented::Token { digest: made.digest });
        history.join("app", Some(token.clone()), at("10.1.0.1", Some(OLD_GROUP))).await;
        history.join("app", Some(token), at("10.1.0.2", Some(TLS))).await;
        for name in ["cards", "tokens"] {
            let before = history.deployment.log_size().await;
            let key = history.deployment.key(name, Purpose::Encrypt, Spec::Aes256Gcm).await;
            history.deployment.grant(&key, &[Action::Encrypt]).await;
            history.keys.push(key);
            history.own_setup(before).await;
        }
        for who in 0..history.callers.len() {
            history.act_of(who).await;
        }
        history
    }

    async fn join(
        &mut self,
        name: &'static str,
        credential: Option<(CredentialId, Presented)>,
        source: Source,
    ) {
        let found = self.deployment.store.find_principal_by_name(&name.parse().unwrap()).await.unwrap();
        let principal = found.unwrap().id;
        let (credential, presented) = match credential {
            Some(given) => given,
            None => {
                let page = claviger_core::port::store::Page { after: None, limit: 10 };
                let all = self.deployment.store.list_credentials(Some(principal), page).await.unwrap();
                (all[0].id, Presented::certificate(&certificate_of(name)))
            }
        };
        self.callers.push(Caller { name, principal, credential, presented, source });
    }

    /// What the deployment's own helpers did since: by whom, their sessions say.
    async fn own_setup(&mut self, before: u64) {
        let names =
            ["ada", "otto"].map(|name| self.callers.iter().position(|caller| caller.name == name).unwrap());
        // They call from this machine, without TLS: callers of their own.
        let here = Source { address: IpAddr::from([127, 0, 0, 1]), tls: None };
        let mut own = [0; 2];
        for (own, at) in own.iter_mut().zip(names) {
            let caller = Caller { source: here, ..self.callers[at].clone() };
            let known = self
                .callers
                .iter()
                .position(|known| known.credential == caller.credential && known.source == caller.source);
            *own = known.unwrap_or_else(|| {
                self.callers.push(caller);
                self.callers.len() - 1
            });
        }
        self.owners.resize(usize::try_from(before).unwrap(), Some(VERA));
        for (_, entry) in entries(&self.deployment, before).await {
            let granting = entry.op == Op::CreateGrant;
            self.owners.push(Some(own[usize::from(granting)]));
        }
        // A session stands before the first entry that is of it.
        for at in (usize::try_from(before).unwrap()..self.owners.len()).rev() {
            if self.is_session(at).await {
                self.owners[at] = self.owners[at + 1];
            }
        }
    }

    async fn is_session(&self, at: usize) -> bool {
        let found = entries(&self.deployment, at as u64).await;
        found.first().is_some_and(|(_, entry)| entry.op == Op::Session)
    }

    async fn act<O: Operation>(
        &mut self,
        who: usize,
        operation: O,
    ) -> Result<Released<O::Output>, ServiceError> {
        let before = self.deployment.log_size().await;
        // What lies between is what these tests read, as the auditor.
        self.owners.resize(usize::try_from(before).unwrap(), Some(VERA));
        let caller = &self.callers[who];
        let surface = operation.action().surface();
        let plane: Plane = surface.into();
        let call = Call {
            presented: caller.presented.clone(),
            source: caller.source,
            listener: surface.into(),
            plane,
            dry_run: false,
            request_id: None,
            idempotency_key: None,
            reason: reason_of(plane, operation.action()),
            operation,
        };
        let done = self.deployment.road.perform(call).await;
        let after = self.deployment.log_size().await;
        self.owners.resize(usize::try_from(after).unwrap(), Some(who));
        done
    }

    fn pick(&mut self, below: usize) -> usize {
        // xorshift64*
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        usize::try_from(self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % below
    }

    async fn random_act(&mut self) {
        let who = self.pick(self.callers.len());
        self.act_of(who).await;
    }

    async fn act_of(&mut self, who: usize) {
        let key = self.pick(2);
        let key = KeyRef::Id(self.keys[key].key.id);
        if self.callers[who].name == "app" || self.callers[who].name == "outsider" {
            let what = Encrypt { plaintext: vec![1; 20].into(), context: Context::EMPTY, algorithm: None };
            let _ = self.act(who, UseKey::new(key, what)).await;
        } else if self.pick(4) == 0 {
            let event = if self.pick(2) == 0 { Event::Suspend } else { Event::Resume };
            let _ = self.act(who, ChangeKeyState::new(key, None, event).unwrap()).await;
        } else {
            let _ = self.act(who, ReadKey { key }).await;
        }
    }
}

/// All entries from `from` on, as they are.
async fn entries(deployment: &Deployment, from: u64) -> Vec<(u64, Entry<'static>)> {
    let (mut all, mut next) = (Vec::new(), from);
    let size = deployment.log_size().await;
    while next < size {
        let read = ReadEntries { from: next, limit: 1000, filter: EntryFilter::default() };
        let page = deployment.ask("vera", read).await.unwrap().output;
        for found in page.entries.into_iter().filter(|found| found.index < size) {
            let entry = Entry::decode(&found.bytes).unwrap();
            let owned = Entry {
                enc: entry.enc.map(|bytes| bytes.into_owned().into()),
                reference: entry.reference.map(|bytes| bytes.into_owned().into()),
                ..entry
            };
            all.push((found.index, owned));
            next = found.index + 1;
        }
    }
    all
}

/// All pages of a search, by the auditor.
async fn search(
    deployment: &Deployment,
    limit: u32,
    what: impl Fn() -> SearchAudit,
) -> Result<Vec<SearchedEntry>, ServiceError> {
    let (mut all, mut from, mut size) = (Vec::new(), what().from, what().size);
    loop {
        let page: SearchPage =
            deployment.ask("vera", SearchAudit { from, size, limit, ..what() }).await?.output;
        assert_eq!(page.undecided, 0);
        assert!(size.is_none_or(|size| size == page.size), "all pages are of one log");
        assert!(page.entries.len() <= limit as usize);
        all.extend(page.entries);
        size = Some(page.size);
        match page.next {
            Some(next) => from = next,
            None => return Ok(all),
        }
    }
}

fn anything() -> SearchAudit {
    SearchAudit {
        from: 0,
        size: None,
        limit: 1000,
        filter: EntryFilter::default(),
        principal: None,
        credential: None,
    }
}

fn by_name(name: &str) -> PrincipalRef {
    PrincipalRef::Name(name.parse().unwrap())
}

/// What lies beside the entries of a bundle, by place.
type Bundle = BTreeMap<u8, Vec<u8>>;
type EditBundle<'a> = &'a dyn Fn(&mut Bundle);

/// A question, as the model understands it.
#[derive(Clone, Debug, Default)]
struct Question {
    principal: Option<PrincipalId>,
    credential: Option<CredentialId>,
    key: Option<KeyId>,
    operation: Option<u16>,
    outcome: Option<u8>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    from: u64,
    size: Option<u64>,
}

impl Question {
    fn random(history: &mut History, size: u64, last: Timestamp) -> Self {
        let maybe = |history: &mut History| history.pick(2) == 0;
        let at = history.pick(history.callers.len());
        let caller = history.callers[at].clone();
        let days = |history: &mut History| {
            let back = DAY * u32::try_from(history.pick(32)).unwrap()
                + Duration::from_secs(history.pick(90_000) as u64);
            Timestamp::from_micros(last.as_micros() - u64::try_from(back.as_micros()).unwrap())
        };
        let ops = [Action::Encrypt, Action::ReadKey, Action::SuspendKey];
        Self {
            principal: maybe(history).then_some(caller.principal),
            credential: maybe(history).then_some(caller.credential),
            key: maybe(history).then(|| history.keys[0].key.id),
            operation: maybe(history).then(|| ops[history.pick(3)].code()),
            outcome: (history.pick(3) == 0).then(|| [Outcome::Ok, Outcome::Denied][history.pick(2)].code()),
            since: maybe(history).then(|| days(history)),
            until: (history.pick(3) == 0).then(|| days(history)),
            from: if history.pick(3) == 0 { history.pick(usize::try_from(size).unwrap()) as u64 } else { 0 },
            size: (history.pick(3) == 0).then(|| history.pick(usize::try_from(size).unwrap()) as u64),
        }
    }

    fn asked(&self) -> SearchAudit {
        SearchAudit {
            from: self.from,
            size: self.size,
            limit: 1000,
            filter: EntryFilter {
                key: self.key,
                operation: self.operation,
                outcome: self.outcome,
                refused: false,
                since: self.since,
                until: self.until,
                asset: None,
            },
            principal: self.principal.map(PrincipalRef::Id),
            credential: self.credential,
        }
    }

    fn takes(&self, index: u64, entry: &Entry<'_>, owner: Option<&Caller>) -> bool {
        (self.from..self.size.unwrap_or(u64::MAX)).contains(&index)
            && self.principal.is_none_or(|id| owner.is_some_and(|owner| owner.principal == id))
            && self.credential.is_none_or(|id| owner.is_some_and(|owner| owner.credential == id))
            && self.key.is_none_or(|key| entry.key == Some(*key.as_bytes()))
            && self.operation.is_none_or(|op| entry.op.code() == op)
            && self.outcome.is_none_or(|outcome| entry.out.code() == outcome)
            && self.since.is_none_or(|since| entry.t >= since.as_micros())
            && self.until.is_none_or(|until| entry.t < until.as_micros())
    }
}

async fn answers_are_those_of_a_plain_model(seed: u64) {
    let mut history = History::begin(seed).await;
    for _ in 0..30 {
        for _ in 0..8 {
            history.random_act().await;
        }
        // Wall clocks are set, by less than what a search allows for.
        let off = i64::try_from(history.pick(1200)).unwrap() - 600;
        history.deployment.clock.set_wall_off(off);
        history.deployment.clock.advance(DAY);
    }
    history.deployment.clock.set_wall_off(0);
    let size = history.owners.len() as u64;
    let logged: Vec<_> =
        entries(&history.deployment, 0).await.into_iter().filter(|(index, _)| *index < size).collect();
    let last = Timestamp::from_micros(logged.iter().map(|(_, entry)| entry.t).max().unwrap());
    for round in 0..60 {
        let mut question = Question::random(&mut history, size, last);
        // What is asked later is in the log later.
        question.size = Some(question.size.unwrap_or(size).min(size));
        let limit = [1000, 7][round % 2];
        let found = match search(&history.deployment, limit, || question.asked()).await {
            Ok(found) => found,
            Err(refused) => {
                let of_another = history.callers.iter().all(|caller| {
                    Some(caller.principal) != question.principal
                        || Some(caller.credential) != question.credential
                });
                assert!(of_another, "{question:?}: {refused}");
                continue;
            }
        };
        let owner =
            |index: u64| history.owners[usize::try_from(index).unwrap()].map(|owner| &history.callers[owner]);
        let expected: Vec<_> = logged
            .iter()
            .filter(|(index, entry)| {
                let owner = owner(*index).filter(|_| entry.ses.is_some() || entry.op == Op::Session);
                question.takes(*index, entry, owner)
            })
            .map(|(index, _)| *index)
            .collect();
        let indexes: Vec<_> = found.iter().map(|entry| entry.found.index).collect();
        assert_eq!(indexes, expected, "seed {seed}: {question:?}");
        for entry in &found {
            match (&entry.session, owner(entry.found.index)) {
                (Some(SessionOf::Known(seen)), Some(owner)) => {
                    assert_eq!(seen.name.as_ref().map(ToString::to_string).as_deref(), Some(owner.name));
                    assert_eq!(seen.principal, owner.principal);
                    let seen = &seen.seen;
                    assert_eq!(seen.credential, Some(owner.credential));
                    assert_eq!(seen.address, Some(owner.source.address));
                    assert_eq!(seen.group, owner.source.tls.and_then(|tls| tls.group));
                }
                (None, _) => {
                    let (_, logged) = &logged[usize::try_from(entry.found.index).unwrap()];
                    assert!(logged.ses.is_none() && logged.op != Op::Session);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    hold(&history.deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_over_thirty_days_are_those_of_a_plain_model() {
    for seed in [1, 0x9e37_79b9_7f4a_7c15] {
        answers_are_those_of_a_plain_model(seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_one_per_credential_address_day_and_parameters() {
    let mut history = History::begin(7).await;
    let read = |history: &History| ReadKey { key: KeyRef::Id(history.keys[0].key.id) };
    let mut indexes = Vec::new();
    let rita = history.callers.iter().position(|caller| caller.name == "rita").unwrap();
    let base = history.callers[rita].source;
    for source in [
        base,
        base,
        Source { tls: Some(OLD_GROUP), ..base },
        Source { address: "192.0.2.10".parse().unwrap(), ..base },
        base,
    ] {
        history.callers[rita].source = source;
        let read = read(&history);
        indexes.push(history.act(rita, read).await.unwrap().receipt.index());
    }
    history.deployment.clock.advance(DAY);
    let again = read(&history);
    indexes.push(history.act(rita, again).await.unwrap().receipt.index());
    let all = entries(&history.deployment, 0).await;
    let of: Vec<_> =
        indexes.into_iter().map(|index| all[usize::try_from(index).unwrap()].1.ses.unwrap()).collect();
    assert!(of[0] == of[1] && of[0] == of[4], "{of:?}");
    let mut distinct = vec![of[0], of[2], of[3], of[5]];
    distinct.dedup();
    assert_eq!(distinct.len(), 4, "{of:?}");
    let committed = |session: u64| all[usize::try_from(session).unwrap()].1.session_commitment();
    assert!(distinct.iter().all(|session| committed(*session).is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_is_for_readers_of_the_log_and_is_an_entry() {
    let mut history = History::begin(3).await;
    history.random_act().await;
    let ada = history.callers[0].principal;
    for (who, allowed) in [("vera", true), ("otto", true), ("rita", true), ("ada", false)] {
        let asked = SearchAudit { principal: Some(by_name("ada")), ..anything() };
        match history.deployment.ask(who, asked).await {
            Ok(done) => {
                assert!(allowed, "{who}");
                let (_, entry) = entries(&history.deployment, done.receipt.index()).await.remove(0);
                assert_eq!(entry.op, Op::SearchAudit);
                let about = [&[4], ada.as_bytes().as_slice()].concat();
                assert_eq!(entry.reference.as_deref(), Some(about.as_slice()));
            }
            Err(refused) => assert!(!allowed && refused.kind() == ErrorKind::Denied, "{who}: {refused}"),
        }
        let asked = DiscloseAudit { from: 0, to: 1, level: Level::Full };
        let done = history.deployment.ask(who, asked).await;
        assert_eq!(done.is_ok(), who == "vera", "{who}");
    }
    let key = history.keys[0].key.id;
    let asked =
        SearchAudit { filter: EntryFilter { key: Some(key), ..EntryFilter::default() }, ..anything() };
    let done = history.deployment.ask("vera", asked).await.unwrap();
    let (_, entry) = entries(&history.deployment, done.receipt.index()).await.remove(0);
    assert_eq!(entry.key, Some(*key.as_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_attempts_with_a_credential_are_found_by_it() {
    let mut history = History::begin(4).await;
    let app = history.callers.iter().position(|caller| caller.name == "app").unwrap();
    let credential = history.callers[app].credential;
    let revoke = claviger_service::operation::RevokeCredential { credential };
    history.act(1, revoke).await.unwrap();
    let what = Encrypt { plaintext: vec![1; 20].into(), context: Context::EMPTY, algorithm: None };
    let refused = history.act(app, UseKey::new(KeyRef::Id(history.keys[0].key.id), what)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unauthenticated);
    let found =
        search(&history.deployment, 1000, || SearchAudit { credential: Some(credential), ..anything() });
    let found = found.await.unwrap();
    assert_eq!(found.last().map(|entry| entry.found.index), refused.entry());
    let other = SearchAudit { credential: Some(credential), principal: Some(by_name("ada")), ..anything() };
    let refused = history.deployment.ask("vera", other).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
}

/// The whole log, disclosed.
async fn disclose(deployment: &Deployment, level: Level) -> Disclosure {
    let to = deployment.log_size().await;
    let (mut from, mut sessions, mut names) = (0, BTreeMap::new(), BTreeMap::new());
    loop {
        let page = deployment.ask("vera", DiscloseAudit { from, to, level }).await.unwrap().output;
        sessions.extend(page.sessions.into_iter().map(|session| (session.entry, session)));
        names.extend(page.names.into_iter().map(|name| (name.object, name)));
        match page.next {
            Some(next) => from = next,
            None => {
                let (sessions, names) = (sessions.into_values().collect(), names.into_values().collect());
                return Disclosure { origin: page.origin, from: 0, to, level, sessions, names };
            }
        }
    }
}

async fn findings(deployment: &Deployment, disclosure: &Disclosure) -> Vec<Finding> {
    replay_edited(deployment, &|_, bytes| Some(bytes), Some(disclosure)).await.findings
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_disclosed_is_what_the_log_commits_to_and_all_of_it() {
    let mut history = History::begin(5).await;
    for _ in 0..30 {
        history.random_act().await;
    }
    let deployment = &history.deployment;
    for level in Level::ALL {
        let reported = disclose(deployment, level).await;
        assert_eq!(Disclosure::decode(&reported.encode().unwrap()), Ok(reported.clone()));
        assert_eq!(findings(deployment, &reported).await, [], "{level}");
        let seen: Vec<_> = reported.sessions.iter().map(|session| session.seen().unwrap()).collect();
        assert!(seen.len() > 8 && seen.iter().all(|seen| seen.method.is_some()));
        assert!(seen.iter().any(|seen| seen.method == Some(CredentialKind::Token)));
        assert!(seen.iter().all(|seen| seen.principal.is_some() == (level != Level::Minimal)));
        assert!(seen.iter().all(|seen| seen.address.is_some() == (level == Level::Full)));
        let name = |object| reported.name(object).map(str::to_owned);
        let ada = name(Object::Principal(history.callers[0].principal));
        assert_eq!(ada.as_deref(), (level == Level::Full).then_some("ada"));
        let cards = name(Object::Key(history.keys[0].key.id));
        assert_eq!(cards.as_deref(), (level != Level::Minimal).then_some("cards"));
    }
    // Whatever is put there in the place of what is true is found.
    let reported = disclose(deployment, Level::Full).await;
    let codes = |findings: Vec<Finding>| findings.iter().map(Finding::code).collect::<Vec<_>>();
    let mut other = reported.clone();
    other.sessions.remove(3);
    assert_eq!(codes(findings(deployment, &other).await), ["disclosure-incomplete"]);
    let mut other = reported.clone();
    let DisclosedFields::Each(fields) = &mut other.sessions[2].fields else { panic!() };
    let Some(DisclosedField::Open { value, .. }) = fields.get_mut(&claviger_audit::session::METHOD) else {
        panic!()
    };
    *value = b"\x65token".to_vec();
    assert_eq!(codes(findings(deployment, &other).await), ["disclosed-session"]);
    let mut other = reported.clone();
    let DisclosedFields::Each(fields) = &mut other.sessions[2].fields else { panic!() };
    fields.remove(&TLS_VERSION).or_else(|| fields.remove(&claviger_audit::session::ADDRESS)).unwrap();
    assert_eq!(codes(findings(deployment, &other).await), ["disclosed-session"]);
    let mut other = reported.clone();
    let (one, two) = (other.sessions[1].entry, other.sessions[2].entry);
    other.sessions.swap(1, 2);
    (other.sessions[1].entry, other.sessions[2].entry) = (one, two);
    assert_eq!(codes(findings(deployment, &other).await), ["disclosed-session"; 2]);
    let mut other = reported.clone();
    other.names[0].value = b"\x63eve".to_vec();
    assert_eq!(codes(findings(deployment, &other).await), ["disclosed-name"]);
    let other = Disclosure { origin: "other/audit/1".to_owned(), ..reported.clone() };
    assert_eq!(codes(findings(deployment, &other).await), ["disclosure-of-another-log"]);
    let beyond = Disclosure { to: reported.to + 1_000_000, ..reported };
    assert!(codes(findings(deployment, &beyond).await).contains(&"disclosure-beyond-log"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_edited_taken_out_or_exchanged_is_found_without_a_key() {
    let mut history = History::begin(6).await;
    for _ in 0..10 {
        history.random_act().await;
    }
    let all = entries(&history.deployment, 0).await;
    let sessions: Vec<_> =
        all.iter().filter(|(_, entry)| entry.op == Op::Session).map(|(at, _)| *at).collect();
    assert!(sessions.len() > 2 && sessions.iter().all(|at| *at < 256));
    let places: Vec<_> = sessions.iter().map(|at| u8::try_from(*at).unwrap()).collect();
    let edits: [(&str, usize, EditBundle<'_>); 4] = [
        ("session-missing", 1, &|bundle| drop(bundle.remove(&places[0]))),
        ("session-altered", 1, &|bundle| {
            let bytes = bundle.get_mut(&places[1]).unwrap();
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
        }),
        ("session-altered", 2, &|bundle| {
            let (one, two) = (bundle[&places[0]].clone(), bundle[&places[1]].clone());
            bundle.extend([(places[0], two), (places[1], one)]);
        }),
        ("session-altered", 1, &|bundle| drop(bundle.insert(places[0], vec![0x80]))),
    ];
    for (code, count, edit) in &edits {
        let edited = |name: &str, bytes: Vec<u8>| {
            if !name.contains("tile/facts/000") {
                return Some(bytes);
            }
            let parsed = parse_facts(&bytes).unwrap();
            let mut bundle: Bundle =
                parsed.into_iter().map(|(place, facts)| (place, facts.to_vec())).collect();
            edit(&mut bundle);
            let mut written = Vec::new();
            for (place, facts) in bundle {
                push_facts(&mut written, place, &facts).unwrap();
            }
            Some(written)
        };
        let found = replay_edited(&history.deployment, &edited, None).await.findings;
        let codes: Vec<_> = found.iter().map(Finding::code).collect();
        assert_eq!(codes, vec![*code; *count], "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_a_person_ends_what_leads_to_them_and_nothing_else() {
    let mut history = History::begin(8).await;
    for _ in 0..40 {
        history.random_act().await;
    }
    let (rita, key) = (history.callers[RITA].principal, history.keys[0].key.id);
    let is_hers = |owner: &Option<usize>| owner.is_some_and(|owner| history.callers[owner].principal == rita);
    let hers: Vec<u64> =
        (0..).zip(&history.owners).filter(|(_, owner)| is_hers(owner)).map(|(index, _)| index).collect();
    let deployment = &history.deployment;
    let before = search(deployment, 1000, || SearchAudit { principal: Some(by_name("rita")), ..anything() });
    let before = before.await.unwrap();
    assert!(before.len() > 2, "{}", before.len());
    let disclosed_before = disclose(deployment, Level::Full).await;

    let by_id = || PrincipalRef::Id(rita);
    deployment.ask("otto", RevokePrincipal { principal: by_id() }).await.unwrap();
    deployment.ask("otto", ErasePrincipal { principal: by_id() }).await.unwrap();

    // The log holds, what is live is what it yields, and what somebody was given before holds too.
    hold(deployment).await;
    assert_eq!(findings(deployment, &disclosed_before).await, []);
    // Nothing leads to the person any more, by neither way.
    for asked in [by_name("rita"), by_id()] {
        let asked = SearchAudit { principal: Some(asked), ..anything() };
        let refused = deployment.ask("vera", asked).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotFound);
    }
    let size = history.owners.len() as u64;
    let found = search(deployment, 1000, || SearchAudit { size: Some(size), ..anything() }).await.unwrap();
    for entry in &found {
        let is_hers = hers.contains(&entry.found.index);
        match &entry.session {
            Some(SessionOf::Erased) => assert!(is_hers),
            Some(SessionOf::Known(caller)) => assert!(!is_hers && caller.name.is_some()),
            Some(other) => panic!("{other:?}"),
            None => {}
        }
    }
    let reported = disclose(deployment, Level::Full).await;
    assert_eq!(findings(deployment, &reported).await, []);
    let closed =
        reported.sessions.iter().filter(|session| matches!(session.fields, DisclosedFields::None(_)));
    assert!(closed.count() >= 1);
    assert_eq!(reported.name(Object::Principal(rita)), None);
    // Names of keys, reasons, and who by pseudonym are as they were.
    assert_eq!(reported.name(Object::Key(key)), Some("cards"));
    let read = deployment.ask("vera", ReadKey { key: KeyRef::Id(key) }).await.unwrap().output;
    assert_eq!(read.name().to_string(), "orders/cards");
    let credentials = ListCredentials {
        principal: Some(by_name("app")),
        page: claviger_core::port::store::Page { after: None, limit: 10 },
    };
    assert_eq!(deployment.ask("vera", credentials).await.unwrap().output.len(), 2);
}
