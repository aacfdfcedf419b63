//! Checks of distribution.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use claviger_audit::fact::{Object, OpenCredential, OpenNode};
use claviger_audit::verify::Finding;
use claviger_audit::{Op, Outcome as Ended};
use claviger_core::key::PlaintextDataKeys;
use claviger_core::principal::{CredentialKind, Status};
use claviger_core::{CredentialId, KeyId, NodeId, PrincipalId, Timestamp};

use super::certificate::{Listed, Role, shown};
use super::common::{count, is_unreadable};
use super::generation::FEDERAL;
use super::{Check, End, Event};
use crate::algorithm::end_of_day;
use crate::evaluation::{Emptiness, Estate, Judgement, Ledger, Outcome, Period, Setting, Subject};

pub(super) const CHECKS: super::Checks = &[
    ("DIST-01", |setting| Box::new(Channels::new(setting))),
    ("DIST-02", |setting| Box::new(Releases::new(setting))),
    ("DIST-03", |setting| Box::new(NoExport::new(setting))),
    ("DIST-04", |setting| Box::new(Certificates::new(setting))),
    ("DIST-05", |setting| Box::new(Guidance::new(setting))),
];

/// Versions of TLS that channels may have.
const VERSIONS: [&str; 2] = ["1.2", "1.3"];
/// Cipher suites that they may have: authenticated encryption, with keys that are agreed on anew for each session.
const SUITES: [&str; 2] = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"];
/// One more, for who is not bound by federal rules.
const CHACHA: &str = "TLS_CHACHA20_POLY1305_SHA256";
/// Groups that hold against a quantum computer.
const HYBRID_GROUPS: [&str; 3] = ["SecP256r1MLKEM768", "SecP384r1MLKEM1024", "X25519MLKEM768"];
/// Groups that do not, and are accepted for some years.
const CLASSICAL_GROUPS: [&str; 2] = ["secp256r1", "secp384r1"];
/// One more, for who is not bound by federal rules.
const X25519: &str = "x25519";
/// The listener that serves watchers of the machine, and no callers: metrics and health.
const WATCHERS: &str = "metrics";

/// Operations that hand out a secret key in clear, by the session that asked for it.
const IN_CLEAR: [Op; 6] =
    [Op::GenerateDataKey, Op::GenerateDataKeyPair, Op::Unwrap, Op::Encapsulate, Op::Decapsulate, Op::Agree];
/// Operations that hand out a secret key that they made, wrapped alone.
const WRAPPED: [Op; 2] = [Op::GenerateDataKeyWithoutPlaintext, Op::GenerateDataKeyPairWithoutPlaintext];
/// Those that the rule of a ring can refuse.
const RULED: [Op; 2] = [Op::GenerateDataKey, Op::GenerateDataKeyPair];

/// Of a node that an older release ran.
const DIGEST_ALONE: &str =
    "which certificates it has is not listed: an older release tells the digest of their file alone";

/// What was judged of each node.
#[derive(Default)]
struct OfNodes(BTreeMap<NodeId, BTreeSet<Subject>>);

impl OfNodes {
    /// Judges what a node says now, in the place of what it said before.
    fn judge(
        &mut self,
        ledger: &mut Ledger,
        id: NodeId,
        at: Timestamp,
        judged: BTreeMap<Subject, Judgement>,
    ) {
        let before = self.0.insert(id, judged.keys().cloned().collect()).unwrap_or_default();
        for gone in before.into_iter().filter(|subject| !judged.contains_key(subject)) {
            ledger.judge(gone, at, Judgement::OutOfScope);
        }
        for (subject, judgement) in judged {
            ledger.judge(subject, at, judgement);
        }
    }
}

/// Something that was not known for one instant: it says nothing of what is before or after.
fn doubted(ledger: &mut Ledger, subject: &Subject, at: Timestamp, why: &str) {
    ledger.judge(subject.clone(), at, Judgement::unknown(why));
    ledger.judge(subject.clone(), at, Judgement::OutOfScope);
}

/// DIST-01.
struct Channels {
    ledger: Ledger,
    period: Period,
    is_federal: bool,
    /// From then on groups that a quantum computer opens are not accepted.
    classical_until: Option<Timestamp>,
    /// Shards whose node has said, since its start, how it is reached.
    reported: BTreeSet<u32>,
    of_nodes: OfNodes,
    sessions: u64,
}

impl Channels {
    fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            is_federal: setting.framework == Some(FEDERAL),
            classical_until: end_of_day(setting.text("pqc_kem_deadline")),
            reported: BTreeSet::new(),
            of_nodes: OfNodes::default(),
            sessions: 0,
        }
    }

    fn judge(&mut self, id: NodeId, at: Timestamp, node: &OpenNode) {
        let mut judged = BTreeMap::new();
        for line in &node.listeners {
            let name = line.split(' ').next().unwrap_or_default();
            let judgement = match Listener::read(line) {
                Some(listener) => self.of_listener(&listener),
                None => Judgement::unknown("what the node says of it does not read"),
            };
            judged.insert(Subject::named(format!("listener {name} of node {id}")), judgement);
        }
        if node.listeners.is_empty() {
            let why = Judgement::unknown("it has not said how it is reached");
            judged.insert(Subject::named(format!("listeners of node {id}")), why);
        } else {
            let subject = Subject::named(format!("certificate of node {id}"));
            judged.insert(subject, of_server_certificate(node, at));
        }
        self.of_nodes.judge(&mut self.ledger, id, at, judged);
    }

    fn of_listener(&self, listener: &Listener<'_>) -> Judgement {
        let Some(tls) = &listener.tls else {
            return if listener.name == WATCHERS {
                Judgement::OutOfScope
            } else {
                Judgement::violated("it serves in plaintext")
            };
        };
        let is_open = !self.is_federal;
        let bad_version = tls.versions().find(|version| !VERSIONS.contains(version));
        let bad_suite = tls.suites().find(|suite| !(SUITES.contains(suite) || is_open && *suite == CHACHA));
        let is_classical = |group: &str| CLASSICAL_GROUPS.contains(&group) || is_open && group == X25519;
        let bad_group = tls.groups().find(|group| !HYBRID_GROUPS.contains(group) && !is_classical(group));
        if let Some(version) = bad_version {
            return Judgement::violated(format!("it takes TLS {version}"));
        }
        if let Some(suite) = bad_suite {
            return Judgement::violated(format!("it takes the cipher suite {suite}, which is not allowed"));
        }
        if let Some(group) = bad_group {
            return Judgement::violated(format!("it takes the group {group}, which is not allowed"));
        }
        match (tls.groups().find(|group| is_classical(group)), self.classical_until) {
            (None, _) => Judgement::Holds,
            (Some(_), None) => Judgement::unknown(
                "the day until which groups that a quantum computer opens are accepted does not read",
            ),
            (Some(group), Some(until)) => {
                let why = format!(
                    "the time is over in which the group {group}, which a quantum computer opens, is accepted"
                );
                Judgement::HoldsUntil(until, why.into())
            }
        }
    }
}

/// Was the certificate that a node shows in force, as long as it shows it?
fn of_server_certificate(node: &OpenNode, at: Timestamp) -> Judgement {
    let (listed, _) = Listed::all(node);
    match listed.iter().find(|one| one.role == Role::Server) {
        None if node.certificates.is_empty() => Judgement::unknown(DIGEST_ALONE),
        None => Judgement::unknown("what the node says of its certificate does not read"),
        Some(server) if at < server.from => Judgement::violated("it is shown, and its time has not come"),
        Some(server) => match server.doubt(&listed) {
            Some(doubt) if at < server.until => Judgement::unknown(doubt),
            _ => {
                let why = "its time is over, and the node has not said that it shows another one";
                Judgement::HoldsUntil(server.until, why.into())
            }
        },
    }
}

/// A listener, as a node's line says it.
#[derive(Debug, PartialEq, Eq)]
struct Listener<'n> {
    name: &'n str,
    /// None where it serves in plaintext.
    tls: Option<Tls<'n>>,
}

/// What a listener takes of a handshake: words joined by `+`.
#[derive(Debug, PartialEq, Eq)]
struct Tls<'n> {
    versions: &'n str,
    suites: &'n str,
    groups: &'n str,
}

impl<'n> Listener<'n> {
    /// Reads `NAME ADDRESS plain`, or `NAME ADDRESS TLS VERSIONS SUITES GROUPS`, with what is asked of clients behind it.
    fn read(line: &'n str) -> Option<Self> {
        let mut words = line.split(' ');
        let (name, _address) = (words.next()?, words.next()?);
        let tls = match words.next()? {
            "plain" => None,
            "TLS" => Some(Tls { versions: words.next()?, suites: words.next()?, groups: words.next()? }),
            _ => return None,
        };
        Some(Self { name, tls })
    }
}

impl<'n> Tls<'n> {
    fn versions(&self) -> impl Iterator<Item = &'n str> + use<'n> {
        self.versions.split('+')
    }

    fn suites(&self) -> impl Iterator<Item = &'n str> + use<'n> {
        self.suites.split('+')
    }

    fn groups(&self) -> impl Iterator<Item = &'n str> + use<'n> {
        self.groups.split('+')
    }
}

impl Check for Channels {
    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        match event.entry.op {
            Op::NodeStart => {
                self.reported.remove(&event.shard);
            }
            Op::NodeReport => {
                self.reported.insert(event.shard);
            }
            Op::Session if self.period.holds(event.at) => {
                self.sessions += 1;
                if !self.reported.contains(&event.shard) {
                    let why = "they began before the node had said which parameters its listeners take";
                    let subject = Subject::named(format!("sessions of shard {}", event.shard));
                    doubted(&mut self.ledger, &subject, event.at, why);
                }
            }
            _ => {}
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        let Object::Node(id) = object else { return };
        if is_unreadable(&mut self.ledger, object, event.at, estate) {
            return;
        }
        if let Some(node) = estate.nodes.get(&id) {
            // It read again: what is judged of it has names of its own.
            self.ledger.judge(object, event.at, Judgement::OutOfScope);
            self.judge(id, event.at, node);
        }
    }

    fn end(self: Box<Self>, end: &End<'_>) -> Outcome {
        let lines = end.estate.nodes.values().flat_map(|node| &node.listeners);
        let (mut plain, mut with_tls, mut hybrid) = (0, 0, 0);
        for listener in lines.filter_map(|line| Listener::read(line)) {
            match listener.tls {
                None => plain += 1,
                Some(tls) => {
                    with_tls += 1;
                    hybrid += u64::from(tls.groups().any(|group| HYBRID_GROUPS.contains(&group)));
                }
            }
        }
        Outcome::of(self.ledger, "each listener takes allowed versions, suites and groups alone")
            .when_empty(Emptiness::Unknown("no node has said how it is reached"))
            .figure("listeners_with_tls", with_tls)
            .figure("listeners_with_hybrid_group", hybrid)
            .figure("listeners_in_plain", plain)
            .figure("sessions", self.sessions)
            .note("the listener `metrics` serves watchers of the machine in plain HTTP: it takes no calls, and carries no keys")
            .note("what sessions agreed on is sealed: it is bounded by what their listener takes, and that is the word of the node; hybrid-pq: the share of sessions with a hybrid group is shown by a disclosure")
            .note("a caller who shows no certificate proves himself by a token or a signature within the channel; that no call without a proof is served is decided by USE-01")
            .note("nodes have no channels to each other, and no backup is sent: this release has neither; the channel to a database on another machine is not told in the log")
    }
}

/// DIST-02.
struct Releases {
    ledger: Ledger,
    period: Period,
    counts: BTreeMap<Op, u64>,
    opened_under_refusal: u64,
}

impl Releases {
    fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            counts: BTreeMap::new(),
            opened_under_refusal: 0,
        }
    }

    fn judge_clear(&mut self, key: KeyId, event: &Event<'_>, estate: &Estate) {
        let (op, object) = (event.entry.op, Object::Key(key));
        let Some((_, ring)) = estate.ring_of(key) else {
            let why = "a key left in clear under it, and the rule of its ring is not known";
            doubted(&mut self.ledger, &object.into(), event.at, why);
            return;
        };
        let is_refused = ring.policy.plaintext_data_keys == PlaintextDataKeys::Refused;
        let is_ruled = RULED.contains(&op);
        self.opened_under_refusal += u64::from(is_refused && !is_ruled);
        let because = if event.entry.ses.is_none() {
            Some(format!("`{op}` handed out a key in clear, and its entry names no session that took it"))
        } else if is_refused && is_ruled {
            Some(format!("`{op}` handed out a data key in clear, and its ring refuses that"))
        } else {
            None
        };
        self.ledger.happened(object, event.at, event.index, because);
    }

    fn judge_wrapped(&mut self, key: KeyId, event: &Event<'_>, estate: &Estate) {
        let object = Object::Key(key);
        let Some(row) = estate.keys.get(&key) else {
            let why = "a key left wrapped under it, and how strong it is is not known";
            doubted(&mut self.ledger, &object.into(), event.at, why);
            return;
        };
        // How strong the wrapped key is is not told: 128 bits are enough for any.
        if row.spec.strength_bits() < 128 {
            let why = "a key left wrapped under it, of which nobody knows whether it needs more bits";
            doubted(&mut self.ledger, &object.into(), event.at, why);
        }
        let because = event.entry.ses.is_none().then(|| {
            format!(
                "`{}` handed out a wrapped key, and its entry names no session that took it",
                event.entry.op
            )
        });
        self.ledger.happened(object, event.at, event.index, because);
    }
}

impl Check for Releases {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        let entry = event.entry;
        if entry.out != Ended::Ok || !self.period.holds(event.at) {
            return;
        }
        let (is_clear, is_wrapped) = (IN_CLEAR.contains(&entry.op), WRAPPED.contains(&entry.op));
        if !is_clear && !is_wrapped {
            return;
        }
        *self.counts.entry(entry.op).or_default() += 1;
        match entry.key.map(KeyId::from_bytes) {
            Some(key) if is_clear => self.judge_clear(key, event, estate),
            Some(key) => self.judge_wrapped(key, event, estate),
            None => {
                let because = format!("`{}` handed out a key, and its entry names none", entry.op);
                self.ledger.happened(Subject::named("releases"), event.at, event.index, Some(because));
            }
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        for finding in &end.verified.findings {
            if let Finding::ReleasedUnrecorded { op, .. } = finding
                && (IN_CLEAR.contains(op) || WRAPPED.contains(op))
            {
                let subject = Subject::named(format!("results of {op}"));
                self.ledger.judge(subject, end.setting.as_of(), Judgement::violated(finding.to_string()));
            }
        }
        let sum = |ops: &[Op]| ops.iter().filter_map(|op| self.counts.get(op)).sum::<u64>();
        let (in_clear, wrapped) = (sum(&IN_CLEAR), sum(&WRAPPED));
        let mut outcome = Outcome::of(
            self.ledger,
            "each key that left did so to a session, wrapped or where its ring lets it out in clear",
        )
        .figure("released_in_clear", in_clear)
        .figure("released_wrapped", wrapped)
        .figure("released_in_clear_by_opening_in_refusing_rings", self.opened_under_refusal);
        for (op, released) in self.counts {
            outcome = outcome.figure(&format!("released_by_{op}"), released);
        }
        outcome
            .note("that each release matches a grant that was in force is decided by USE-01")
            .note("the recipient is the session that an entry names; which principal that was is sealed, so that releases are counted by operation and not by principal")
            .note("the rule `plaintext_data_keys` of a ring is of data keys and pairs that are made; keys that are unwrapped, and secrets that are agreed on or decapsulated, are handed to who is granted that, and counted apart")
            .note("whether what `decrypt` opened was a data key is not told; nor how strong a wrapped key is: a wrapping key of 128 bits is enough for each")
            .note("no secret key of a version leaves: this release has no export")
    }
}

/// DIST-03.
struct NoExport {
    ledger: Ledger,
}

impl NoExport {
    fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger() }
    }
}

impl Check for NoExport {
    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        let Object::Key(id) = object else { return };
        if is_unreadable(&mut self.ledger, object, event.at, estate) {
            return;
        }
        let Some(key) = estate.keys.get(&id) else { return };
        let judgement = if key.state.is_destroyed() { Judgement::OutOfScope } else { Judgement::Holds };
        self.ledger.judge(object, event.at, judgement);
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "no key can be exported, and none was")
            .when_empty(Emptiness::Passes)
            .figure("exports", 0)
            .note("no key is extractable: this release has no such rule, and neither an operation nor an entry of the log for an export of secret keys")
            .note("there is no exported copy, and so none without approval, reason, recipient or expiry; a copy of the store holds wrapped keys, which nothing but its root opens")
            .note("material that was imported may have copies where it came from: GEN-04 asks about these")
    }
}

/// DIST-04.
struct Certificates {
    ledger: Ledger,
    renew_before: Duration,
    of_principal: BTreeMap<PrincipalId, BTreeSet<CredentialId>>,
    of_nodes: OfNodes,
    /// When a session began last: then the certificate of a node was in use.
    last_session: Option<Timestamp>,
}

impl Certificates {
    fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            renew_before: setting.days("cert_renew_before_days"),
            of_principal: BTreeMap::new(),
            of_nodes: OfNodes::default(),
            last_session: None,
        }
    }

    fn judge(&mut self, principal: PrincipalId, at: Timestamp, estate: &Estate) {
        let holder = estate.principals.get(&principal);
        let ids = self.of_principal.get(&principal).into_iter().flatten();
        let rows: Vec<_> = ids.filter_map(|id| Some((*id, estate.credentials.get(id)?))).collect();
        let latest = rows.iter().filter(|(_, row)| is_valid(row)).map(|(_, row)| row.expires_at).max();
        for (id, row) in rows {
            let judgement = match holder {
                _ if !is_valid(row) => Judgement::OutOfScope,
                None if estate.unreadable.contains(&Object::Principal(principal)) => {
                    Judgement::unknown("the facts of its holder do not read")
                }
                None => Judgement::violated("nobody who holds it is known"),
                Some(holder) if holder.status == Status::Revoked => Judgement::OutOfScope,
                Some(_) if latest.is_some_and(|latest| row.expires_at < latest) => Judgement::Holds,
                Some(_) => self.of_newest(row),
            };
            self.ledger.judge(Object::Credential(id), at, judgement);
        }
    }

    fn of_newest(&self, row: &OpenCredential) -> Judgement {
        self.renewed_until(row.expires_at, "its holder has no certificate that ends later")
    }

    fn renewed_until(&self, ends: Timestamp, why: &str) -> Judgement {
        let days = self.renew_before.as_secs() / 86_400;
        let why = format!("it ends in less than {days} days, and {why}");
        Judgement::HoldsUntil(earlier(ends, self.renew_before), why.into())
    }

    fn judge_node(&mut self, id: NodeId, at: Timestamp, node: &OpenNode) {
        let (listed, is_whole) = Listed::all(node);
        let mut judged = BTreeMap::new();
        for one in &listed {
            let subject = Subject::named(format!("{} {} of node {id}", one.role, one.short_print()));
            judged.insert(subject, self.of_listed(one, &listed, at));
        }
        if !is_whole || listed.iter().all(|one| one.role != Role::Server) {
            let why = if node.certificates.is_empty() {
                DIGEST_ALONE
            } else {
                "there are more of them than the node lists, or what it says of one does not read"
            };
            let subject = Subject::named(format!("certificates of node {id}"));
            judged.insert(subject, Judgement::unknown(why));
        }
        self.of_nodes.judge(&mut self.ledger, id, at, judged);
    }

    fn of_listed(&self, one: &Listed<'_>, listed: &[Listed<'_>], at: Timestamp) -> Judgement {
        if one.owner.is_none() {
            return Judgement::violated("nobody is named who answers for it");
        }
        if at < one.from {
            return Judgement::violated("it is in use, and its time has not come");
        }
        match one.doubt(listed) {
            Some(doubt) if at < earlier(one.until, self.renew_before) => Judgement::unknown(doubt),
            _ => self.renewed_until(one.until, "the node uses it still"),
        }
    }
}

fn is_valid(row: &OpenCredential) -> bool {
    row.status == Status::Active
}

fn earlier(at: Timestamp, span: Duration) -> Timestamp {
    let span = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    Timestamp::from_micros(at.as_micros().saturating_sub(span))
}

impl Check for Certificates {
    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        if event.entry.op == Op::Session {
            self.last_session = Some(event.at);
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Credential(id) => {
                if is_unreadable(&mut self.ledger, object, event.at, estate) {
                    return;
                }
                let Some(row) = estate.credentials.get(&id) else { return };
                if row.kind == CredentialKind::Certificate {
                    self.of_principal.entry(row.principal).or_default().insert(id);
                    // Principals are recorded before their credentials, or with them.
                    self.judge(row.principal, event.at, estate);
                } else {
                    self.ledger.judge(object, event.at, Judgement::OutOfScope);
                }
            }
            Object::Principal(id) => self.judge(id, event.at, estate),
            Object::Node(id) => {
                if is_unreadable(&mut self.ledger, object, event.at, estate) {
                    return;
                }
                let Some(node) = estate.nodes.get(&id) else { return };
                self.ledger.judge(object, event.at, Judgement::OutOfScope);
                self.judge_node(id, event.at, node);
            }
            _ => {}
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let to = end.setting.as_of();
        let mut live = 0;
        for (id, row) in &end.estate.credentials {
            if row.kind != CredentialKind::Certificate || !is_valid(row) {
                continue;
            }
            if row.expires_at <= to {
                // It proves nobody any more.
                let at = row.expires_at.max(row.created_at);
                self.ledger.judge(Object::Credential(*id), at, Judgement::OutOfScope);
            } else {
                live += 1;
            }
        }
        let listed: usize = end.estate.nodes.values().map(|node| Listed::all(node).0.len()).sum();
        let outcome = Outcome::of(self.ledger, "each certificate is listed with its owner, and renewed early")
            .when_empty(Emptiness::Unknown("no certificate is listed, and no node has said which it shows"))
            .figure("live_certificates_of_principals", live)
            .figure("certificates_and_authorities_of_nodes", count(listed))
            .figure("nodes", count(end.estate.nodes.len()))
            .needs("ATT-CERT-COMPLETE")
            .note("a certificate of a principal is a credential: its owner is the principal, its purpose is to prove it, and it is revoked here; the service takes none that is revoked or has ended")
            .note("which certificate opened a session is sealed")
            .note("a principal's certificate is renewed once another one of it ends later")
            .note("what nodes list of their certificates is their own word; who answers for them is what their configuration says")
            .note("a certificate of a node that names no place which says what is revoked, and whose issuer is listed, is judged by its end alone: nobody could say of it that it is revoked")
            .note("an authority of clients is trusted because it is listed, and revoked by being taken out");
        match self.last_session.and_then(shown) {
            Some(at) => outcome.note(format!(
                "a session began last at {at}: then the certificate of its node was last in use"
            )),
            None => outcome,
        }
    }
}

/// DIST-05. It is of an instant alone, and decided at the end.
struct Guidance {
    ledger: Ledger,
    period: Period,
    released: u64,
}

impl Guidance {
    fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger(), period: setting.period, released: 0 }
    }
}

impl Check for Guidance {
    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        let is_release = event.entry.out == Ended::Ok && IN_CLEAR.contains(&event.entry.op);
        self.released += u64::from(is_release && self.period.holds(event.at));
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        if self.released > 0 {
            let why = "keys left to callers in the period, and whether one of them is a customer or a partner is not kept";
            self.ledger.judge(Subject::named("recipients"), end.setting.as_of(), Judgement::unknown(why));
        }
        Outcome::of(self.ledger, "each external recipient has the guidance")
            .figure("keys_released_in_clear", self.released)
            .needs("ATT-GUIDANCE-DELIVERED")
            .note(
                "no recipient outside is registered, and no key is exported to one: this release has neither",
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalogue;

    const DATA: &str = "data 127.0.0.1:8201 TLS 1.3 TLS_AES_256_GCM_SHA384+TLS_CHACHA20_POLY1305_SHA256 X25519MLKEM768+x25519 \
                        client-certificate=optional";

    fn channels(is_federal: bool) -> Channels {
        let catalogue = Catalogue::load().unwrap();
        let period = Period { from: Timestamp::from_micros(0), to: Timestamp::from_micros(1) };
        let setting = Setting::new(&catalogue, is_federal.then_some(FEDERAL), period);
        Channels::new(&setting)
    }

    fn judged(line: &str, is_federal: bool) -> Judgement {
        channels(is_federal).of_listener(&Listener::read(line).unwrap())
    }

    #[test]
    fn lines_of_listeners_read() {
        let data = Listener::read(DATA).unwrap();
        assert_eq!(data.name, "data");
        let tls = data.tls.unwrap();
        assert_eq!(tls.versions().collect::<Vec<_>>(), ["1.3"]);
        assert_eq!(tls.groups().collect::<Vec<_>>(), ["X25519MLKEM768", "x25519"]);
        assert_eq!(tls.suites().count(), 2);
        assert_eq!(
            Listener::read("metrics 127.0.0.1:8209 plain"),
            Some(Listener { name: "metrics", tls: None })
        );
        for bad in
            ["", "data", "data 127.0.0.1:1", "data 127.0.0.1:1 SSL 3", "data 127.0.0.1:1 TLS 1.3 SUITE"]
        {
            assert_eq!(Listener::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_listener_is_held_to_what_it_takes() {
        let until = end_of_day("2030-12-31").unwrap();
        assert!(matches!(judged(DATA, false), Judgement::HoldsUntil(at, _) if at == until));
        let hybrid = DATA.replace("+x25519", "");
        assert_eq!(judged(&hybrid, false), Judgement::Holds);
        assert_eq!(judged("metrics 127.0.0.1:8209 plain", false), Judgement::OutOfScope);
        for (from, to) in [
            ("TLS 1.3", "TLS 1.1+1.3"),
            ("TLS_AES_256_GCM_SHA384", "TLS_RSA_WITH_AES_128_CBC_SHA"),
            ("+x25519", "+ffdhe2048"),
        ] {
            assert!(matches!(judged(&DATA.replace(from, to), false), Judgement::Violated(_)), "{to}");
        }
        assert!(matches!(judged("data 127.0.0.1:8201 plain", false), Judgement::Violated(_)));
    }

    #[test]
    fn federal_rules_take_neither_chacha_nor_x25519_alone() {
        let approved = "data 127.0.0.1:1 TLS 1.3 TLS_AES_256_GCM_SHA384 X25519MLKEM768";
        assert_eq!(judged(approved, true), Judgement::Holds);
        for more in [
            "TLS_AES_256_GCM_SHA384+TLS_CHACHA20_POLY1305_SHA256 X25519MLKEM768",
            "TLS_AES_256_GCM_SHA384 x25519",
        ] {
            let line = format!("data 127.0.0.1:1 TLS 1.3 {more}");
            assert!(matches!(judged(&line, true), Judgement::Violated(_)), "{more}");
            assert!(!matches!(judged(&line, false), Judgement::Violated(_)), "{more}");
        }
    }

    #[test]
    fn there_is_no_operation_that_exports_keys() {
        let exports: Vec<_> = Op::ALL.into_iter().filter(|op| op.name().contains("export")).collect();
        assert_eq!(exports, [Op::ExportAudit]);
        for op in RULED {
            assert!(IN_CLEAR.contains(&op));
        }
    }

    fn node(certificates: &[String]) -> OpenNode {
        OpenNode {
            incarnation: 1,
            reported_at: Timestamp::from_micros(1),
            environment: None,
            mode: String::new(),
            insecure: Vec::new(),
            release: String::new(),
            build: Vec::new(),
            configuration: Vec::new(),
            policy: Vec::new(),
            hardening: Vec::new(),
            listeners: vec![DATA.to_owned()],
            clock_source: String::new(),
            generators: Vec::new(),
            domains: Vec::new(),
            released: Vec::new(),
            root_keys: Vec::new(),
            certificates: certificates.to_vec(),
        }
    }

    fn lines() -> [String; 2] {
        let rest = "owner=ops from=1970-01-02T00:00:00Z until=1970-04-11T00:00:00Z revocation=unpublished";
        ["server listeners=data sha256=AA issuer=BB", "authority sha256=BB issuer=self"]
            .map(|line| format!("{line} {rest}"))
    }

    fn day(number: u64) -> Timestamp {
        Timestamp::from_micros(number * 86_400_000_000)
    }

    #[test]
    fn a_server_certificate_is_held_to_its_time() {
        let judged = |lines: &[String], at| of_server_certificate(&node(lines), at);
        let both = lines();
        assert!(matches!(judged(&both, day(2)), Judgement::HoldsUntil(at, _) if at == day(100)));
        assert!(matches!(judged(&both, day(0)), Judgement::Violated(_)));
        for unknown in [&both[..0], &both[1..], &["further count=2".to_owned()]] {
            assert!(matches!(judged(unknown, day(2)), Judgement::Unknown(_)), "{unknown:?}");
        }
        // Of a foreign authority nobody knows whether it revoked; that the time is over is known all the same.
        assert!(matches!(judged(&both[..1], day(2)), Judgement::Unknown(_)));
        assert!(matches!(judged(&both[..1], day(101)), Judgement::HoldsUntil(at, _) if at == day(100)));
    }

    #[test]
    fn certificates_of_nodes_are_listed_owned_and_renewed_early() {
        let catalogue = Catalogue::load().unwrap();
        let period = Period { from: day(0), to: day(500) };
        let setting = Setting::new(&catalogue, None, period);
        let certificates = Certificates::new(&setting);
        let judged = |lines: &[String], at| {
            let node = node(lines);
            let (listed, _) = Listed::all(&node);
            listed.iter().map(|one| certificates.of_listed(one, &listed, at)).collect::<Vec<_>>()
        };
        let both = lines();
        let due = day(100 - 30);
        let is_due = |it: &Judgement| matches!(it, Judgement::HoldsUntil(at, _) if *at == due);
        assert!(judged(&both, day(2)).iter().all(is_due));
        let unowned = both.clone().map(|line| line.replace(" owner=ops", ""));
        for (lines, at) in [(&unowned, day(2)), (&both, day(0))] {
            assert!(judged(lines, at).iter().all(|it| matches!(it, Judgement::Violated(_))));
        }
        let unchecked = both.clone().map(|line| line.replace("unpublished", "unchecked"));
        let of_both = judged(&unchecked, day(2));
        assert!(matches!(of_both[..], [Judgement::Unknown(_), Judgement::HoldsUntil(..)]));
        // In the last days the doubt does not hide that it was not renewed.
        assert!(matches!(judged(&unchecked, due)[0], Judgement::HoldsUntil(..)));
    }

    #[test]
    fn what_a_node_lists_no_more_is_out_of_scope_and_what_it_does_not_list_is_not_known() {
        let catalogue = Catalogue::load().unwrap();
        let period = Period { from: day(0), to: day(500) };
        let setting = Setting::new(&catalogue, None, period);
        let mut certificates = Certificates::new(&setting);
        let id = NodeId::of_shard(1);
        let found = |certificates: &Certificates, name: &str| {
            certificates.ledger.find(&Subject::named(format!("{name} of node {id}"))).cloned()
        };
        certificates.judge_node(id, day(2), &node(&[]));
        assert!(matches!(found(&certificates, "certificates"), Some(Judgement::Unknown(_))));
        certificates.judge_node(id, day(3), &node(&lines()));
        assert_eq!(found(&certificates, "certificates"), Some(Judgement::OutOfScope));
        assert!(matches!(found(&certificates, "server certificate AA"), Some(Judgement::HoldsUntil(..))));
        let [server, _] = lines();
        certificates.judge_node(id, day(4), &node(&[server, "further count=1".to_owned()]));
        assert_eq!(found(&certificates, "authority of clients BB"), Some(Judgement::OutOfScope));
        assert!(matches!(found(&certificates, "certificates"), Some(Judgement::Unknown(_))));
    }

    #[test]
    fn a_certificate_is_due_before_it_ends() {
        let day = Duration::from_secs(86_400);
        assert_eq!(
            earlier(Timestamp::from_micros(0).after(day * 40), day * 30),
            Timestamp::from_micros(0).after(day * 10)
        );
        assert_eq!(earlier(Timestamp::from_micros(7), day), Timestamp::from_micros(0));
    }
}
