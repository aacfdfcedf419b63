//! How the system is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Instant;
use super::rights::RightsReview;
use super::text::{AlertRuleWord, ReasonCodeWord};

/// That the process answers. Open to everyone; says nothing of the inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`.
    #[schema(example = "ok")]
    pub status: String,
}

/// What answers here. Open to everyone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// `claviger`.
    #[schema(example = "claviger")]
    pub name: String,
    /// Its release.
    #[schema(example = "0.1.0")]
    pub version: String,
    /// Version of the interface.
    #[schema(example = "v1")]
    pub api: String,
}

/// How the system is, as far as it was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SystemStatus {
    /// Name of the deployment, the first part of its logs' origins.
    #[schema(example = "shop")]
    pub deployment: String,
    /// The environment that the deployment is; `null` when its configuration says none.
    #[serde(default)]
    #[schema(required)]
    pub environment: Option<String>,
    /// Which start of the process this is.
    pub incarnation: u64,
    /// Fence epoch.
    pub epoch: u64,
    /// Origin of this node's log.
    #[schema(example = "shop/audit/1")]
    pub log_origin: String,
    /// Entries in this node's log.
    pub log_size: u64,
    /// Cuts in the root log.
    pub root_log_size: u64,
    /// Cuts that the newest signed checkpoint covers.
    pub signed_root_log_size: u64,
    /// How many rings let one principal both administer and use their keys: `separation: relaxed`.
    pub relaxed_rings: u64,
    /// Scheduled destructions that their rings block, as of the last run of jobs.
    pub blocked_destructions: u64,
    /// How approvals stand; `null` where somebody edited a row that says so.
    #[serde(default)]
    #[schema(required)]
    pub approvals: Option<ApprovalFigures>,
    /// How access reviews stand; `null` where somebody edited a row that says so.
    #[serde(default)]
    #[schema(required)]
    pub reviews: Option<ReviewFigures>,
    /// Emergency accesses that somebody must know of.
    #[serde(default)]
    #[schema(required)]
    pub break_glass: BreakGlassFigures,
    /// What somebody must look at, and whom the server tells of it.
    #[serde(default)]
    #[schema(required)]
    pub alerts: AlertFigures,
    /// The log's time.
    pub clock: LogClock,
    /// Names of security officers that `claviger recover` made, and that nobody else has acknowledged.
    #[schema(example = json!([]))]
    pub unacknowledged_recoveries: Vec<String>,
    /// Whose last credential ends within 30 days, unless it was made for less; those that end first before others, at most 100.
    #[serde(default)]
    #[schema(required)]
    pub credentials_ending: Vec<CredentialEnding>,
    /// The rights that an older release kept, as long as not both a security officer and an auditor have confirmed them; `null` when
    /// nothing awaits that.
    #[schema(required)]
    pub unconfirmed_rights: Option<RightsReview>,
    /// What the node says of itself; `null` before it has, and where somebody edited it.
    #[serde(default)]
    #[schema(required)]
    pub node: Option<Node>,
    /// Room on the disk of the store.
    pub space: Space,
    /// Whether rows of the store are as they were written.
    pub rows: Rows,
    /// The newest scan of stored secrets since the start; `null` before the first.
    #[serde(default)]
    #[schema(required)]
    pub scan: Option<NewestScan>,
    /// The evaluation of the controls, each day.
    #[serde(default)]
    #[schema(required)]
    pub evaluation: EvaluationState,
    /// The cryptographic module.
    pub module: Module,
    /// Names of weakenings in force, each beginning with `insecure_`.
    #[schema(example = json!([]))]
    pub insecure: Vec<String>,
    /// How the module is now; `null` when it does not answer.
    #[schema(required)]
    pub provider: Option<ProviderHealth>,
}

/// How many must approve what nobody does alone, how many can, and how much waits for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalFigures {
    /// How many custodians must approve what concerns the whole deployment; 0 for nobody.
    pub quorum: u8,
    /// How many persons can: custodians with a certificate that is valid, each once whatever accounts they have.
    pub custodians: u64,
    /// Approvals that can still be decided or done; those beyond 1000 are not counted.
    pub open: u64,
}

/// How many access reviews are open, and how many of them should be closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReviewFigures {
    /// Those that are not closed.
    pub open: u64,
    /// Those of them that should have been by now.
    pub overdue: u64,
}

/// How many emergency accesses there are that somebody must know of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BreakGlassFigures {
    /// Those that are open.
    pub open: u64,
    /// Those that nobody has reviewed, the open ones among them.
    pub unreviewed: u64,
}

/// How many alerts are open, and how those are told of them whom the configuration names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlertFigures {
    /// Alerts that nobody has closed.
    pub open: u64,
    /// The same by each rule by which there are some.
    pub by_rule: Vec<OpenAlerts>,
    /// Findings since the start that raised no alert, because there were too many already; the log has them.
    pub unraised: u64,
    /// Whom the server tells of each alert that is raised, in the order of its configuration.
    pub receivers: Vec<AlertReceiver>,
}

/// How many alerts of one rule are open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenAlerts {
    /// The rule.
    pub rule: AlertRuleWord,
    /// How many.
    pub open: u64,
}

/// Somebody whom the server tells of alerts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlertReceiver {
    /// Scheme, host and port of its address; the rest of it may be a secret.
    #[schema(example = "https://alerts.example.org:443")]
    pub name: String,
    /// Alerts that it was not told of yet.
    pub waiting: u64,
    /// Alerts that it was told of since the start.
    pub delivered: u64,
    /// Attempts since the start that failed.
    pub failed: u64,
    /// Since when none has succeeded; `null` once one has.
    #[schema(required)]
    pub failing_since: Option<Instant>,
    /// Why the last one failed; `null` once one has succeeded.
    #[schema(example = "it answered 503", required)]
    pub failure: Option<String>,
}

/// A principal whose last credential ends soon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CredentialEnding {
    /// Its name.
    #[schema(example = "odile")]
    pub principal: String,
    /// Whether it holds a role.
    pub holds_role: bool,
    /// When that credential ends.
    pub ends_at: Instant,
}

/// What the node says of itself: its own word, as the log has it (`node_report`). Digests are SHA-256 in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// When it said so: at its start, or when it read its files again.
    pub reported_at: Instant,
    /// `secure`, or `insecure` where a weakening is in force.
    #[schema(example = "secure")]
    pub mode: String,
    /// The release.
    #[schema(example = "0.1.0")]
    pub release: String,
    /// Digest of the program.
    #[schema(example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    pub build: String,
    /// Digest of the configuration: of its file, and of the variables that override it.
    #[schema(example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    pub configuration: String,
    /// Digest of the built-in policy.
    #[schema(example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    pub policy: String,
    /// What the process did to harden itself, as in `memory_locked=yes`.
    #[schema(example = json!(["memory_locked=yes"]))]
    pub hardening: Vec<String>,
    /// Each listener: name, address, protocol version, cipher suites, groups, whether clients must show a certificate.
    #[schema(example = json!(["data 10.0.0.9:7401 TLS 1.3"]))]
    pub listeners: Vec<String>,
    /// Digest of the file of the server's certificate.
    #[schema(example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    pub certificate: String,
    /// Digest of the file of the authorities of clients' certificates.
    #[schema(example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    pub client_authorities: String,
    /// What the clock of the machine counts by, and what keeps it right.
    #[schema(example = "tsc; kept by chronyd")]
    pub clock_source: String,
    /// What material is drawn from: each generator with its construction and the source of its entropy.
    #[serde(default)]
    #[schema(example = json!(["module_drbg=CTR_DRBG of AWS-LC"]), required)]
    pub generators: Vec<String>,
    /// Where store and root lie and who can open what, as in `root_storage=token`; `declared:` is what the configuration says.
    #[serde(default)]
    #[schema(example = json!(["store_storage=node", "root_storage=token"]), required)]
    pub domains: Vec<String>,
    /// The keys of the root that wrap: ring KEKs and small secrets (`seal`), and material that lives in a token (`wrap`); each with
    /// its label, version, algorithm and strength in bits.
    #[serde(default)]
    #[schema(example = json!(["seal=claviger-root-seal-1 version=1 algorithm=aes-256-gcm strength=256"]), required)]
    pub root_keys: Vec<String>,
    /// The certificates that it shows (`server`, `intermediate`) and the authorities whose certificates it takes (`authority`): each
    /// with SHA-256 of the certificate, purpose, owner, key, ends, issuer, and whether its authority publishes revocations.
    #[serde(default)]
    #[schema(example = json!(["server purpose=server-authentication listeners=control sha256=E3:B0:C4:42 owner=ops key=ec-p256"]), required)]
    pub certificates: Vec<String>,
    /// How many results left the listeners since the start, as of the last hour: for each use its name and the number, as in
    /// `encrypt=12`.
    #[serde(default)]
    #[schema(example = json!(["encrypt=12"]), required)]
    pub released: Vec<String>,
}

/// The log's time, and how it stands to the server's wall clock. What cannot be undone goes by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogClock {
    /// The log's time.
    pub log_time: Instant,
    /// How many seconds the wall clock is ahead of it: time that nothing has borne out.
    pub ahead_seconds: u64,
    /// Since when, in log time, nothing is destroyed or deleted because the clock moved too far; `null` when it did not.
    #[schema(required)]
    pub held_at: Option<Instant>,
}

/// Confirms that the server's wall clock is right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmClock {
    /// What time it is by a clock of yours; within 5 minutes of the server's, or the call is refused.
    pub time: Instant,
    /// Why the clock moved, and how you know that it is right: 1 to 1024 bytes without control characters. Must
    /// be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "the battery of the clock was replaced; compared with two time servers")]
    pub reason: Option<String>,
    /// The same in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<ReasonCodeWord>,
}

/// Room on the disk of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Space {
    /// `plenty`: every call is taken. `low`: only calls that restrict are. `reserve`: those of people are, out of what was set
    /// aside for them.
    #[schema(example = "plenty")]
    pub room: String,
    /// Free bytes; `null` when the disk does not say.
    #[schema(required)]
    pub free_bytes: Option<u64>,
    /// Free bytes below which ordinary calls are refused.
    pub min_free_bytes: u64,
    /// Bytes that are to be set aside for calls that restrict.
    pub reserve_bytes: u64,
    /// Whether they are set aside now.
    pub reserve_held: bool,
    /// Calls that were refused, without an entry, for want of room since the start.
    pub refused: u64,
}

/// The rows of the store. Each is held against its tag when it is read, and all of them are once after a start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rows {
    /// Rows there were when the pass over all of them began.
    pub total: u64,
    /// Rows that it has looked at.
    pub checked: u64,
    /// Whether it came to its end.
    pub done: bool,
    /// How often a row was read since the start that somebody altered in the database. Such rows are refused.
    pub altered: u64,
}

/// The newest scan of stored secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewestScan {
    /// When it began.
    pub at: Instant,
    /// How many secrets were to be opened.
    pub scanned: u64,
    /// How many of them did not open.
    pub failed: u64,
}

/// The evaluation of the controls over the log, which the server makes each day and records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvaluationState {
    /// When the newest was recorded, in the log's time; `null` before the first.
    #[schema(required)]
    pub recorded_at: Option<Instant>,
    /// Its entry; `null` where it was recorded before the start.
    #[schema(required)]
    pub entry: Option<u64>,
    /// Whether one was missed: the newest is older than twice the time between two.
    pub missed: bool,
    /// How many failed since the start.
    pub failed: u64,
}

/// The cryptographic module, as it says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Module {
    /// `pkcs11` or `software`.
    #[schema(example = "pkcs11")]
    pub kind: String,
    /// Library or module, with its version.
    #[schema(example = "SoftHSM 2.6")]
    pub name: String,
    /// Label and serial number of the token, where there is one.
    #[schema(example = "claviger (3a5c1b2d)", required)]
    pub token: Option<String>,
    /// Whether the root key is in hardware custody, as far as the module says.
    pub root_in_token: bool,
    /// The cryptographic library that is linked, with its version and whether it is the FIPS module, as it says at run time.
    #[schema(example = "AWS-LC 1.62.0")]
    pub library: String,
    /// Whether that library is a FIPS build, and says so at run time.
    pub fips: bool,
}

/// How a module is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProviderHealth {
    /// Whether its self-tests have passed.
    pub self_test_ok: bool,
    /// Whether the root answers.
    pub root_ok: bool,
    /// Sessions open to a token; zero where there is none.
    pub sessions: u64,
}
