//! What there is of keys, and of what makes, guards and opens them, at the end of the period: as lines that a report shows, and as tables.
//!
//! Everything is from the open fields of facts. Names of keys, rings and people are sealed: identifiers stand in their place.

#[cfg(test)]
pub(crate) mod fixture;
mod people;
mod tables;

use std::collections::BTreeMap;
use std::time::Duration;

use claviger_audit::approval::is_signed;
use claviger_audit::fact::{
    OpenApproval, OpenCredential, OpenDeclaration, OpenKey, OpenNode, OpenRing, OpenVersion,
};
use claviger_audit::to_hex;
use claviger_compliance::algorithm::Algorithms;
use claviger_compliance::evaluation::{Class, Estate};
use claviger_compliance::{FRAMEWORKS, Period, cryptoperiod};
use claviger_core::approval::{Outcome, Verdict};
use claviger_core::declaration::Declared;
use claviger_core::key::{Generator, Origin, RingPolicy, RotatedKeys, Wrap};
use claviger_core::principal::Status;
use claviger_core::{
    ApprovalId, CredentialId, DeclarationId, KeyId, KeyRingId, KeyVersionId, NodeId, Purpose, Spec, Timestamp,
};
use serde::Serialize;

pub use self::people::{AlertLine, BreakGlassLine, OfficeLine, ReviewItemLine, ReviewLine};
use crate::dossier::Dossier;
use crate::pack::{PackFile, Unmade, instant};

/// What there is, each kind by its identifiers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Inventory {
    /// Keys.
    pub keys: Vec<KeyLine>,
    /// Versions of keys.
    pub versions: Vec<VersionLine>,
    /// Algorithms that keys are of, by purpose.
    pub algorithms: Vec<AlgorithmLine>,
    /// What versions were drawn from, by the class of their data.
    pub generators: Vec<GeneratorLine>,
    /// Rings.
    pub rings: Vec<RingLine>,
    /// Credentials.
    pub credentials: Vec<CredentialLine>,
    /// Nodes.
    pub nodes: Vec<NodeLine>,
    /// Data assets.
    pub assets: Vec<AssetLine>,
    /// What people declared and signed.
    pub declarations: Vec<DeclarationLine>,
    /// What others were asked to approve in the period.
    pub approvals: Vec<ApprovalLine>,
    /// The rules of the deployment.
    pub rules: RulesLine,
    /// Who holds roles and capacities.
    pub offices: Vec<OfficeLine>,
    /// Access reviews.
    pub reviews: Vec<ReviewLine>,
    /// What these looked at.
    pub review_items: Vec<ReviewItemLine>,
    /// Emergency access of the period.
    pub break_glass: Vec<BreakGlassLine>,
    /// Alerts of the period.
    pub alerts: Vec<AlertLine>,
}

/// A key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyLine {
    /// Its identifier.
    pub id: String,
    /// Its ring.
    pub ring: String,
    /// What it is, as in `aes-256-gcm`.
    pub spec: String,
    /// What it is for.
    pub purpose: String,
    /// What its data is.
    pub data_class: String,
    /// How closely that is held: `R`, `C`, `I` or `T`.
    pub class: String,
    /// The environment it belongs to: its own, that of its ring, or that of the deployment.
    pub environment: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Where its material is used.
    pub protection: String,
    /// Its state.
    pub state: String,
    /// Where its primary version came from; none where that is not known.
    pub origin: Option<String>,
    /// The version that protects.
    pub primary: u32,
    /// The state of that version; none where it is not known.
    pub primary_state: Option<String>,
    /// How many versions it has had.
    pub versions: u32,
    /// When it was created.
    pub created_at: Option<String>,
    /// How often it rotates by policy; none where it does not.
    pub rotates_every: Option<String>,
    /// When it may be destroyed: the end of the wait that was asked for and of the least one of its ring; none where nobody asked.
    pub destroy_at: Option<String>,
}

/// A version of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VersionLine {
    /// Its key.
    pub key: String,
    /// Its number, from 1 on.
    pub number: u32,
    /// Its state.
    pub state: String,
    /// Where its material came from.
    pub origin: String,
    /// Its strength in bits; none where that is not known. What was imported is no stronger than what it was imported under.
    pub strength_bits: Option<u32>,
    /// The generator it was drawn from.
    pub generator: String,
    /// The module that made it, in the module's own words.
    pub module: Option<String>,
    /// The construction of that generator, as nodes say it now; none where none says it.
    pub drbg: Option<String>,
    /// Where the generator has its entropy from, as nodes say it now; none where none says it.
    pub entropy: Option<String>,
    /// What its material is wrapped by; none where there is none.
    pub wrapped_by: Option<String>,
    /// How it is wrapped.
    pub wrapping_algorithm: Option<String>,
    /// What it was imported under; none for what was made here.
    pub transport: Option<String>,
    /// When it was made.
    pub created_at: Option<String>,
    /// When it was put into use.
    pub activated_at: Option<String>,
    /// From then on it protects nothing, by the cryptoperiod as it is now.
    pub protects_until: Option<String>,
    /// From then on it processes nothing; none as well where its public half goes on.
    pub processes_until: Option<String>,
    /// From then on imported material is not used any more.
    pub material_expires_at: Option<String>,
}

/// An algorithm, for a purpose that keys have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AlgorithmLine {
    /// Its name, as in `rsa-2048`.
    pub spec: String,
    /// The purpose.
    pub purpose: String,
    /// How many keys are of it that are not destroyed.
    pub keys: u64,
    /// How many of their versions are not destroyed.
    pub versions: u64,
    /// Strength in bits against classical attacks.
    pub strength_bits: u32,
    /// The security category of NIST against quantum computers; none where they break it.
    pub category: Option<u32>,
    /// Its standing for new data.
    pub status: String,
    /// The first instant at which it may not protect new data; none where no end is set.
    pub until: Option<String>,
    /// Its standing for old data.
    pub processes: String,
    /// The frameworks in which it is disallowed, whatever its standing elsewhere.
    pub disallowed_in: Vec<String>,
    /// How it stands against quantum computers.
    pub quantum: String,
    /// Where its standing comes from.
    pub basis: Option<String>,
}

/// Versions that were drawn alike, for data of one class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GeneratorLine {
    /// The class of their data: `R`, `C`, `I` or `T`; none where their key does not read.
    pub class: Option<String>,
    /// The generator.
    pub generator: String,
    /// The module, in its own words: they say whether it claims a validation.
    pub module: Option<String>,
    /// The construction of the generator, as nodes say it now.
    pub drbg: Option<String>,
    /// Where it has its entropy from, as nodes say it now.
    pub entropy: Option<String>,
    /// How many versions that are not destroyed.
    pub versions: u64,
}

/// A ring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RingLine {
    /// Its identifier.
    pub id: String,
    /// How many of its keys are not destroyed.
    pub keys: u64,
    /// Protection of keys that do not ask for one.
    pub protection: String,
    /// What the data of its keys is, unless a key says otherwise.
    pub data_class: Option<String>,
    /// The environment of keys that name none.
    pub environment: Option<String>,
    /// How often keys rotate.
    pub rotates_every: Option<String>,
    /// Which keys do.
    pub rotates: String,
    /// How long a version may protect.
    pub protect_period: Option<String>,
    /// How long it may process after that.
    pub process_period: Option<String>,
    /// The least wait before a destruction.
    pub destroy_waiting_period: String,
    /// How many custodians must approve a sensitive act.
    pub quorum: u32,
    /// Whether they must approve grants as well.
    pub grants_under_quorum: bool,
    /// Whether who administers may use.
    pub separation: String,
    /// What the encryption context must have of each use.
    pub context_required: Vec<String>,
    /// Whether data keys are handed out in clear.
    pub plaintext_data_keys: String,
    /// Whether uses must name a data asset.
    pub assets: String,
    /// The key of the root that wraps its KEK; none where that is not known.
    pub kek_wrapped_by: Option<String>,
    /// The version of that key.
    pub kek_wrapping_version: Option<u32>,
    /// How it wraps.
    pub kek_wrapping_algorithm: Option<String>,
    /// Its strength in bits.
    pub kek_wrapping_strength_bits: Option<u32>,
    /// When the ring was created.
    pub created_at: String,
}

/// A credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CredentialLine {
    /// Its identifier.
    pub id: String,
    /// Whom it proves.
    pub principal: String,
    /// What that is: human, system or workload; none where it does not read.
    pub principal_kind: Option<String>,
    /// What the credential is.
    pub kind: String,
    /// `active`, `revoked`, `expired`, or `unconfirmed` where its holder has not confirmed it yet.
    pub state: String,
    /// Who made it.
    pub created_by: Option<String>,
    /// The one that it took the place of, by a renewal or as what a code was redeemed for.
    pub renews: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// When it ends by itself.
    pub expires_at: String,
}

/// A node, in its own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeLine {
    /// Its identifier.
    pub id: String,
    /// The release.
    pub release: String,
    /// SHA-256 of the program.
    pub build: String,
    /// SHA-256 of the configuration.
    pub configuration: String,
    /// SHA-256 of the built-in policy.
    pub policy: String,
    /// `secure` or `insecure`.
    pub mode: String,
    /// The environment of the deployment.
    pub environment: Option<String>,
    /// When it said all this.
    pub reported_at: String,
    /// What its clock counts by.
    pub clock_source: String,
    /// Weakenings in force.
    pub insecure: Vec<String>,
    /// Measures of hardening.
    pub hardening: Vec<String>,
    /// Listeners.
    pub listeners: Vec<String>,
    /// Generators.
    pub generators: Vec<String>,
    /// Storage and custody domains; what a configuration declares says so.
    pub domains: Vec<String>,
    /// Keys of the root that wrap.
    pub root_keys: Vec<String>,
    /// How many certificates it shows: its own, and those between that one and its authority.
    pub certificates: u32,
    /// When the first of them ends.
    pub certificates_until: Option<String>,
}

/// A data asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AssetLine {
    /// Its identifier.
    pub id: String,
    /// What its data is.
    pub data_class: String,
    /// How closely that is held: `R`, `C`, `I` or `T`.
    pub class: String,
    /// Who answers for it.
    pub owner: String,
    /// Who entered it.
    pub created_by: String,
    /// When it was entered.
    pub created_at: String,
}

/// A declaration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeclarationLine {
    /// Its identifier.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// The parameter, the statement, or the sort of document or thing.
    pub subject: String,
    /// What is said of it.
    pub says: String,
    /// Who declared it.
    pub declared_by: String,
    /// When.
    pub declared_at: String,
    /// From when on it counts; for what was checked or reviewed, when.
    pub from: Option<String>,
    /// Until when it counts, or when it is to be looked at again.
    pub until: Option<String>,
    /// When it was withdrawn.
    pub withdrawn_at: Option<String>,
}

/// Something that others were asked to approve. What it is, beside the act and the objects, is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApprovalLine {
    /// Its identifier.
    pub id: String,
    /// The act.
    pub action: String,
    /// The ring whose rule asked for approval; none where that of the deployment did.
    pub ring: Option<String>,
    /// The objects that it was decided on, with their revisions.
    pub objects: Vec<String>,
    /// Who asked.
    pub requester: String,
    /// How many others had to approve.
    pub quorum: u32,
    /// Who they could be.
    pub eligible: String,
    /// Who approved, in the order in which they did.
    pub approvers: Vec<String>,
    /// Who denied it.
    pub denied_by: Option<String>,
    /// How many signatures of these decisions hold.
    pub signatures: u32,
    /// How many steps of a plan were done.
    pub steps_done: u32,
    /// When it was asked for.
    pub requested_at: String,
    /// From then on it could be done no more.
    pub expires_at: String,
    /// How it ended, `expired` where its time was over; none of one that can still be done.
    pub outcome: Option<String>,
    /// When it ended by an act.
    pub ended_at: Option<String>,
    /// SHA-256 of the form that approvers signed.
    pub digest: String,
}

/// The rules of the deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RulesLine {
    /// How many custodians must approve what concerns all of it.
    pub quorum: u32,
    /// How long an approval can be decided and done.
    pub approval_lifetime: String,
    /// The longest that a grant to a person lasts; none for no end.
    pub human_grant_lifetime: Option<String>,
    /// The longest that emergency access lasts.
    pub break_glass_lifetime: String,
    /// How many keys one person declares compromised in an hour.
    pub compromise_burst: u32,
    /// Who set them last; none where nobody did.
    pub set_by: Option<String>,
    /// When.
    pub set_at: Option<String>,
}

impl Inventory {
    /// What there is at the end of a period, and what others were asked to approve in it.
    #[must_use]
    pub fn of(estate: &Estate, algorithms: &Algorithms, period: Period) -> Self {
        let as_of = period.to;
        let said = SaidOfGenerators::by(estate);
        let keys = estate.keys.iter().map(|(id, key)| key_line(*id, key, estate));
        let versions = estate.versions.iter().map(|(id, version)| version_line(*id, version, estate, &said));
        let credentials = estate.credentials.iter();
        let mut sizes: BTreeMap<KeyRingId, u64> = BTreeMap::new();
        for key in estate.keys.values().filter(|key| !key.state.is_destroyed()) {
            *sizes.entry(key.ring).or_default() += 1;
        }
        let keys_of = |ring: KeyRingId| sizes.get(&ring).copied().unwrap_or_default();
        Self {
            keys: keys.collect(),
            versions: versions.collect(),
            algorithms: algorithm_lines(estate, algorithms, as_of),
            generators: generator_lines(estate, &said),
            rings: estate.rings.iter().map(|(id, ring)| ring_line(*id, ring, keys_of(*id))).collect(),
            credentials: credentials.map(|(id, row)| credential_line(*id, row, estate, as_of)).collect(),
            nodes: estate.nodes.iter().map(|(id, node)| node_line(*id, node)).collect(),
            assets: estate
                .assets
                .iter()
                .map(|(id, asset)| AssetLine {
                    id: id.to_string(),
                    data_class: asset.class.to_string(),
                    class: Class::from(asset.class).to_string(),
                    owner: asset.owner.to_string(),
                    created_by: asset.created_by.to_string(),
                    created_at: instant(asset.created_at),
                })
                .collect(),
            declarations: estate.declarations.iter().map(|(id, row)| declaration_line(*id, row)).collect(),
            approvals: approval_lines(estate, period),
            rules: rules_line(estate),
            offices: people::office_lines(estate),
            reviews: people::review_lines(estate),
            review_items: people::review_item_lines(estate),
            break_glass: people::break_glass_lines(estate, period),
            alerts: people::alert_lines(estate, period),
        }
    }
}

/// What could be decided or done at some instant of a period, in the order in which it was asked for.
fn approval_lines(estate: &Estate, period: Period) -> Vec<ApprovalLine> {
    let is_of_period = |row: &OpenApproval| {
        let until = row.ended.map_or(row.expires_at, |ended| ended.at);
        row.requested_at <= period.to && until >= period.from
    };
    let rows = estate.approvals.iter().filter(|(_, row)| is_of_period(row));
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|(id, row)| (row.requested_at, **id));
    rows.into_iter().map(|(id, row)| approval_line(*id, row, period.to)).collect()
}

fn approval_line(id: ApprovalId, row: &OpenApproval, as_of: Timestamp) -> ApprovalLine {
    let by = |verdict: Verdict| {
        let decided = row.decisions.iter().filter(move |decided| decided.verdict == verdict);
        decided.map(|decided| decided.by.to_string())
    };
    let signed = row.decisions.iter().filter(|decided| is_signed(&row.digest, decided)).count();
    let outcome = match row.ended {
        Some(ended) => Some(ended.outcome),
        None if row.expires_at <= as_of => Some(Outcome::Expired),
        None => None,
    };
    let seen = row.rows.iter().map(|seen| format!("{} at revision {}", seen.object, seen.revision));
    ApprovalLine {
        id: id.to_string(),
        action: row.action.to_string(),
        ring: row.ring.map(|ring| ring.to_string()),
        objects: seen.collect(),
        requester: row.requester.to_string(),
        quorum: u32::from(row.quorum),
        eligible: row.eligible.to_string(),
        approvers: by(Verdict::Approve).collect(),
        denied_by: by(Verdict::Deny).next(),
        signatures: u32::try_from(signed).unwrap_or(u32::MAX),
        steps_done: u32::try_from(row.done.len()).unwrap_or(u32::MAX),
        requested_at: instant(row.requested_at),
        expires_at: instant(row.expires_at),
        outcome: outcome.map(|outcome| outcome.to_string()),
        ended_at: row.ended.map(|ended| instant(ended.at)),
        digest: to_hex(&row.digest),
    }
}

fn rules_line(estate: &Estate) -> RulesLine {
    let rules = estate.rules();
    let set = estate.governance.as_ref();
    RulesLine {
        quorum: u32::from(rules.quorum),
        approval_lifetime: span(rules.approval_lifetime),
        human_grant_lifetime: rules.human_grant_lifetime.map(span),
        break_glass_lifetime: span(rules.break_glass_lifetime),
        compromise_burst: u32::from(rules.compromise_burst),
        set_by: set.map(|set| set.set_by.to_string()),
        set_at: set.map(|set| instant(set.set_at)),
    }
}

fn declaration_line(id: DeclarationId, row: &OpenDeclaration) -> DeclarationLine {
    let (says, from, until) = match &row.declared {
        Declared::Attestation(attestation) => {
            let claim = &attestation.claim;
            let scope: Vec<_> = claim.scope.iter().map(ToString::to_string).collect();
            let scope = if scope.is_empty() { "all of the deployment".to_owned() } else { scope.join("; ") };
            let says = format!(
                "text {}, about {scope}, signed by {}",
                to_hex(&claim.statement_digest),
                attestation.method
            );
            (says, Some(claim.signed_at), Some(claim.valid_until))
        }
        Declared::Build(build) => {
            (format!("SHA-256 {}", to_hex(&build.digest)), Some(build.effective_from), None)
        }
        Declared::Device(supply) | Declared::Module(supply) | Declared::Supplier(supply) => {
            let said = [
                ("standard", &supply.standard),
                ("certificate", &supply.certificate),
                ("level", &supply.level),
                ("status", &supply.status),
            ];
            let said =
                said.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)));
            (said.collect::<Vec<_>>().join("; "), supply.status_checked_at, supply.support_ends_at)
        }
        Declared::Document(document) => {
            let says = format!("SHA-256 {}", to_hex(&document.digest));
            (says, Some(document.reviewed_at), Some(document.next_review_at))
        }
        Declared::Parameter(parameter) => (parameter.value.to_string(), Some(parameter.effective_from), None),
        Declared::PolicyFiles(files) => {
            let digest = to_hex(&files.digest);
            let says = format!("{} differences from files of SHA-256 {digest}", files.differences);
            (says, Some(files.compared_at), None)
        }
    };
    DeclarationLine {
        id: id.to_string(),
        kind: row.declared.kind().to_string(),
        subject: row.declared.subject().to_owned(),
        says,
        declared_by: row.declared_by.to_string(),
        declared_at: instant(row.declared_at),
        from: from.map(instant),
        until: until.map(instant),
        withdrawn_at: row.withdrawn_at.map(instant),
    }
}

/// What nodes say of generators, by the module or the serial number of the token that they are in.
struct SaidOfGenerators {
    /// Construction and entropy, by module.
    modules: BTreeMap<String, (String, String)>,
    /// What a token says of its entropy, by serial number.
    tokens: BTreeMap<String, String>,
}

impl SaidOfGenerators {
    fn by(estate: &Estate) -> Self {
        let mut said = Self { modules: BTreeMap::new(), tokens: BTreeMap::new() };
        for line in estate.nodes.values().flat_map(|node| &node.generators) {
            // `module_drbg=CONSTRUCTION of MODULE; ENTROPY`
            let drbg = line.strip_prefix("module_drbg=").and_then(|rest| rest.split_once(" of "));
            if let Some((construction, (module, entropy))) =
                drbg.and_then(|(construction, rest)| Some((construction, rest.split_once("; ")?)))
            {
                said.modules.insert(module.to_owned(), (construction.to_owned(), entropy.to_owned()));
                continue;
            }
            // `token=that of NAME (LABEL (SERIAL)); ENTROPY`
            let token = line.strip_prefix("token=that of ").and_then(|rest| rest.rsplit_once(")); "));
            if let Some((serial, entropy)) =
                token.and_then(|(name, entropy)| Some((name.rsplit_once(" (")?.1, entropy)))
            {
                said.tokens.insert(serial.to_owned(), entropy.to_owned());
            }
        }
        said
    }

    /// Construction and entropy of what a version was drawn from.
    fn of(&self, version: &OpenVersion) -> (Option<String>, Option<String>) {
        // Nodes join their words by commas, so that they write none within one.
        let module = version.module.replace(',', ";");
        match version.generator {
            Generator::Elsewhere => (None, None),
            Generator::ModuleDrbg => self.modules.get(&module).cloned().unzip(),
            Generator::Token | Generator::TokenSeed => {
                let serial = module.rsplit_once("; serial ").map(|(_, serial)| serial);
                (None, serial.and_then(|serial| self.tokens.get(serial)).cloned())
            }
        }
    }
}

fn module_of(version: &OpenVersion) -> Option<String> {
    (!version.module.is_empty()).then(|| version.module.clone())
}

/// How often a key rotates by policy: by its own, or by its ring's.
fn schedule(key: &OpenKey, policy: Option<&RingPolicy>) -> Option<Duration> {
    let of_ring = policy.filter(|policy| match policy.rotates {
        RotatedKeys::All => true,
        RotatedKeys::Symmetric => !key.spec.is_asymmetric(),
    });
    key.rotation_period.or_else(|| of_ring?.rotation_period)
}

fn key_line(id: KeyId, key: &OpenKey, estate: &Estate) -> KeyLine {
    let primary = estate.versions.get(&KeyVersionId { key: id, number: key.primary });
    let policy = estate.ring_of(id).map(|(_, ring)| &ring.policy);
    KeyLine {
        id: id.to_string(),
        ring: key.ring.to_string(),
        spec: key.spec.to_string(),
        purpose: key.purpose.to_string(),
        data_class: key.data_class.to_string(),
        class: Class::from(key.data_class).to_string(),
        environment: estate.environment_of(id).map(str::to_owned),
        owner: Some(key.owner.to_string()),
        protection: key.protection.to_string(),
        state: key.state.to_string(),
        origin: primary.map(|version| version.origin.to_string()),
        primary: key.primary,
        primary_state: primary.map(|version| version.state.to_string()),
        versions: u32::try_from(estate.versions_of(id).count()).unwrap_or(u32::MAX),
        created_at: Some(instant(key.created_at)),
        rotates_every: schedule(key, policy).map(span),
        destroy_at: key
            .destruction
            .map(|destruction| instant(policy.map_or(destruction.at, |policy| destruction.due_at(policy)))),
    }
}

fn version_line(
    id: KeyVersionId,
    version: &OpenVersion,
    estate: &Estate,
    said: &SaidOfGenerators,
) -> VersionLine {
    let key = estate.keys.get(&id.key);
    let of_spec = key.map(|key| key.spec.strength_bits());
    let strength = match version.origin {
        Origin::Generated => of_spec,
        Origin::Imported => of_spec.zip(version.transport_strength).map(|(own, under)| own.min(under)),
    };
    let wrap = version.wrap_format.and_then(|format| Wrap { format, bytes: Vec::new() }.wrapping());
    let policy = estate.ring_of(id.key).map(|(_, ring)| &ring.policy);
    let period = key.and_then(cryptoperiod::find);
    let ends = period.zip(policy).zip(version.activated_at);
    let ends = ends.map(|((period, policy), activated_at)| period.ends(policy, activated_at));
    let (drbg, entropy) = said.of(version);
    VersionLine {
        key: id.key.to_string(),
        number: id.number,
        state: version.state.to_string(),
        origin: version.origin.to_string(),
        strength_bits: strength.map(u32::from),
        generator: version.generator.to_string(),
        module: module_of(version),
        drbg,
        entropy,
        wrapped_by: wrap.map(|(by, _)| by.to_string()),
        wrapping_algorithm: wrap.map(|(_, algorithm)| algorithm.to_owned()),
        transport: version.transport_spec.clone(),
        created_at: Some(instant(version.created_at)),
        activated_at: version.activated_at.map(instant),
        protects_until: ends.map(|ends| instant(ends.protect)),
        processes_until: ends.and_then(|ends| ends.process).map(instant),
        material_expires_at: version.material_expires_at.map(instant),
    }
}

fn algorithm_lines(estate: &Estate, algorithms: &Algorithms, as_of: Timestamp) -> Vec<AlgorithmLine> {
    let mut counts: BTreeMap<(Spec, Purpose), (u64, u64)> = BTreeMap::new();
    for (id, key) in &estate.keys {
        let (keys, versions) = counts.entry((key.spec, key.purpose)).or_default();
        if !key.state.is_destroyed() {
            *keys += 1;
            let live = estate.versions_of(*id).filter(|(_, version)| !version.state.is_destroyed());
            *versions += u64::try_from(live.count()).unwrap_or(u64::MAX);
        }
    }
    let lines = counts.into_iter().map(|((spec, purpose), (keys, versions))| {
        let row = algorithms.find(spec, purpose);
        let disallowed_in =
            FRAMEWORKS.into_iter().filter(|id| row.is_some_and(|row| row.is_disallowed_in(id)));
        let quantum = match (spec.nist_category(), row.and_then(|row| row.quantum())) {
            (Some(category), _) => format!("holds, category {category}"),
            (None, Some(until)) => {
                format!("broken by a quantum computer: planned out until {}", instant(until))
            }
            (None, None) => "broken by a quantum computer: no end is planned".to_owned(),
        };
        AlgorithmLine {
            spec: spec.to_string(),
            purpose: purpose.to_string(),
            keys,
            versions,
            strength_bits: u32::from(spec.strength_bits()),
            category: spec.nist_category().map(u32::from),
            status: algorithms.status(spec, purpose, true, as_of).to_string(),
            until: row.and_then(|row| row.permitted_until(true)).map(instant),
            processes: algorithms.status(spec, purpose, false, as_of).to_string(),
            disallowed_in: disallowed_in.map(str::to_owned).collect(),
            quantum,
            basis: row.map(|row| row.basis().to_owned()),
        }
    });
    lines.collect()
}

fn generator_lines(estate: &Estate, said: &SaidOfGenerators) -> Vec<GeneratorLine> {
    let mut lines: BTreeMap<_, GeneratorLine> = BTreeMap::new();
    for (id, version) in estate.versions.iter().filter(|(_, version)| !version.state.is_destroyed()) {
        let class = estate.class_of(id.key);
        let line = lines.entry((class, version.generator, &version.module)).or_insert_with(|| {
            let (drbg, entropy) = said.of(version);
            GeneratorLine {
                class: class.map(|class| class.to_string()),
                generator: version.generator.to_string(),
                module: module_of(version),
                drbg,
                entropy,
                versions: 0,
            }
        });
        line.versions += 1;
    }
    lines.into_values().collect()
}

fn ring_line(id: KeyRingId, ring: &OpenRing, keys: u64) -> RingLine {
    let policy = &ring.policy;
    let wrap = ring.kek_wrap.as_ref();
    RingLine {
        id: id.to_string(),
        keys,
        protection: policy.protection.to_string(),
        data_class: policy.data_class.map(|class| class.to_string()),
        environment: policy.environment.as_ref().map(|name| name.as_str().to_owned()),
        rotates_every: policy.rotation_period.map(span),
        rotates: policy.rotates.to_string(),
        protect_period: policy.protect_period.map(span),
        process_period: policy.process_period.map(span),
        destroy_waiting_period: span(policy.destroy_waiting_period),
        quorum: u32::from(policy.quorum),
        grants_under_quorum: policy.grants_under_quorum,
        separation: policy.separation.to_string(),
        context_required: policy
            .context_required
            .fields()
            .iter()
            .map(|field| field.as_str().to_owned())
            .collect(),
        plaintext_data_keys: policy.plaintext_data_keys.to_string(),
        assets: policy.assets.to_string(),
        kek_wrapped_by: wrap.map(|wrap| wrap.key.clone()),
        kek_wrapping_version: wrap.map(|wrap| wrap.version),
        kek_wrapping_algorithm: wrap.map(|wrap| wrap.algorithm.clone()),
        kek_wrapping_strength_bits: wrap.map(|wrap| u32::from(wrap.strength_bits)),
        created_at: instant(ring.created_at),
    }
}

fn credential_line(
    id: CredentialId,
    row: &OpenCredential,
    estate: &Estate,
    as_of: Timestamp,
) -> CredentialLine {
    let state = match row.status {
        Status::Active if row.expires_at <= as_of => "expired".to_owned(),
        Status::Active if row.awaits_confirmation => "unconfirmed".to_owned(),
        status => status.to_string(),
    };
    CredentialLine {
        id: id.to_string(),
        principal: row.principal.to_string(),
        principal_kind: estate.principals.get(&row.principal).map(|principal| principal.kind.to_string()),
        kind: row.kind.to_string(),
        state,
        created_by: row.created_by.map(|principal| principal.to_string()),
        renews: row.renews.map(|renewed| renewed.to_string()),
        created_at: instant(row.created_at),
        expires_at: instant(row.expires_at),
    }
}

fn node_line(id: NodeId, node: &OpenNode) -> NodeLine {
    let is_shown = |line: &&String| ["server ", "intermediate "].iter().any(|role| line.starts_with(role));
    let shown: Vec<_> = node.certificates.iter().filter(is_shown).collect();
    NodeLine {
        id: id.to_string(),
        release: node.release.clone(),
        build: to_hex(&node.build),
        configuration: to_hex(&node.configuration),
        policy: to_hex(&node.policy),
        mode: node.mode.clone(),
        environment: node.environment.clone(),
        reported_at: instant(node.reported_at),
        clock_source: node.clock_source.clone(),
        insecure: node.insecure.clone(),
        hardening: node.hardening.clone(),
        listeners: node.listeners.clone(),
        generators: node.generators.clone(),
        domains: node.domains.clone(),
        root_keys: node.root_keys.clone(),
        certificates: u32::try_from(shown.len()).unwrap_or(u32::MAX),
        certificates_until: shown.iter().filter_map(|line| end_of_certificate(line)).min().map(instant),
    }
}

/// When a certificate ends, by its line: `ROLE NAME=VALUE …`. One without an end (RFC 5280, 4.1.2.5) has one that does not read.
fn end_of_certificate(line: &str) -> Option<Timestamp> {
    let until: jiff::Timestamp =
        line.split(' ').find_map(|word| word.strip_prefix("until="))?.parse().ok()?;
    u64::try_from(until.as_microsecond()).ok().map(Timestamp::from_micros)
}

/// A span of time: in days where they are whole, in seconds else.
fn span(span: Duration) -> String {
    const DAY: u64 = 86_400;
    match span.as_secs() {
        DAY => "1 day".to_owned(),
        seconds if seconds.is_multiple_of(DAY) => format!("{} days", seconds / DAY),
        seconds => format!("{seconds} s"),
    }
}

/// The inventory as tables.
///
/// # Errors
/// None; other renderers have some.
pub fn files(dossier: &Dossier<'_>) -> Result<Vec<PackFile>, Unmade> {
    Ok(dossier.inventory.tables())
}

#[cfg(test)]
mod tests {
    use claviger_compliance::Catalogue;
    use claviger_core::key::Destruction;

    use super::*;

    fn inventory() -> Inventory {
        let catalogue = Catalogue::load().unwrap();
        Inventory::of(&fixture::estate(), catalogue.algorithms(), fixture::period())
    }

    #[test]
    fn keys_are_told_with_what_they_have_of_their_ring() {
        let inventory = inventory();
        let [data, signing, gone] = inventory.keys.as_slice() else { panic!("{:?}", inventory.keys) };
        assert_eq!(
            (data.spec.as_str(), data.purpose.as_str(), data.class.as_str()),
            ("aes-256-gcm", "encrypt", "R")
        );
        assert_eq!(
            (data.environment.as_deref(), data.rotates_every.as_deref()),
            (Some("production"), Some("365 days"))
        );
        assert_eq!((data.versions, data.primary, data.primary_state.as_deref()), (2, 2, Some("active")));
        // Its ring rotates keys alone that have no public half.
        assert_eq!((signing.rotates_every.as_deref(), signing.origin.as_deref()), (None, Some("imported")));
        assert_eq!((gone.state.as_str(), gone.versions), ("destroyed", 0));
        assert_eq!((inventory.rings.len(), inventory.rings.first().unwrap().keys), (1, 2));
    }

    #[test]
    fn versions_say_what_made_them_and_what_only_the_node_says() {
        let inventory = inventory();
        let [old, new, imported] = inventory.versions.as_slice() else { panic!("{:?}", inventory.versions) };
        assert_eq!((old.number, old.state.as_str(), new.number), (1, "deactivated", 2));
        assert_eq!((new.strength_bits, new.generator.as_str()), (Some(256), "module_drbg"));
        assert_eq!(new.drbg.as_deref(), Some("CTR_DRBG (SP 800-90A)"));
        assert_eq!(new.entropy.as_deref(), Some("seeded by the operating system"));
        assert_eq!(
            (new.wrapped_by.as_deref(), new.wrapping_algorithm.as_deref()),
            (Some("ring_kek"), Some("aes-256-gcm"))
        );
        // A year of use for cardholder data, and the table's span behind it.
        assert_eq!(new.activated_at.as_deref(), Some("2026-01-01T00:00:00.000Z"));
        assert_eq!(new.protects_until.as_deref(), Some("2027-01-01T00:00:00.000Z"));
        assert!(new.processes_until.is_some());
        // RSA-3072 that came under a key of 112 bits.
        assert_eq!((imported.strength_bits, imported.drbg.as_deref()), (Some(112), None));
        assert_eq!(
            (imported.wrapped_by.as_deref(), imported.processes_until.as_deref()),
            (Some("token_root"), None)
        );
    }

    #[test]
    fn algorithms_stand_as_the_catalogue_has_them_on_the_day() {
        let inventory = inventory();
        let [aes, rsa] = inventory.algorithms.as_slice() else { panic!("{:?}", inventory.algorithms) };
        // One of the two keys is destroyed.
        assert_eq!(
            (aes.keys, aes.versions, aes.status.as_str(), aes.until.as_deref()),
            (1, 2, "allowed", None)
        );
        assert_eq!(aes.quantum, "holds, category 5");
        assert_eq!((rsa.spec.as_str(), rsa.category, rsa.keys), ("rsa-3072", None, 1));
        assert!(rsa.quantum.starts_with("broken by a quantum computer"), "{}", rsa.quantum);
    }

    #[test]
    fn an_algorithm_that_a_framework_disallows_says_so() {
        let (catalogue, mut estate) = (Catalogue::load().unwrap(), fixture::estate());
        for key in estate.keys.values_mut() {
            (key.spec, key.purpose) = (Spec::X25519, Purpose::Agree);
        }
        let inventory = Inventory::of(&estate, catalogue.algorithms(), fixture::period());
        let [line] = inventory.algorithms.as_slice() else { panic!("{:?}", inventory.algorithms) };
        assert_eq!(
            (line.status.as_str(), line.disallowed_in.as_slice()),
            ("allowed", &["nist-800-53".to_owned()][..])
        );
    }

    #[test]
    fn a_destruction_waits_as_long_as_its_ring_asks() {
        let (catalogue, mut estate) = (Catalogue::load().unwrap(), fixture::estate());
        let scheduled_at = fixture::at("2026-05-01T00:00:00Z");
        for key in estate.keys.values_mut() {
            key.destruction = Some(Destruction { scheduled_at, at: scheduled_at, approval: None });
        }
        let inventory = Inventory::of(&estate, catalogue.algorithms(), fixture::period());
        // Thirty days, of a ring that says nothing else.
        assert!(
            inventory.keys.iter().all(|key| key.destroy_at.as_deref() == Some("2026-05-31T00:00:00.000Z"))
        );
    }

    #[test]
    fn generators_are_counted_by_class_and_credentials_end() {
        let inventory = inventory();
        let lines: Vec<_> =
            inventory.generators.iter().map(|line| (line.class.as_deref(), line.versions)).collect();
        assert_eq!(lines, [(Some("R"), 2), (Some("I"), 1)]);
        let states: Vec<_> =
            inventory.credentials.iter().map(|line| (line.kind.as_str(), line.state.as_str())).collect();
        assert_eq!(states, [("certificate", "active"), ("token", "expired"), ("access_key", "revoked")]);
        assert_eq!(inventory.assets.first().unwrap().class, "R");
        let said: Vec<_> = inventory.declarations.iter().map(|line| line.says.as_str()).collect();
        assert!(said[0] == "90" && said[1].starts_with("SHA-256 0808"), "{said:?}");
        let node = inventory.nodes.first().unwrap();
        assert_eq!(node.build, "07".repeat(32));
        // Of the authority, which ends before both, it shows none.
        assert_eq!(
            (node.certificates, node.certificates_until.as_deref()),
            (2, Some("2027-10-23T14:13:20.000Z"))
        );
    }

    #[test]
    fn approvals_of_the_period_are_told_with_who_decided_and_how_they_ended() {
        let inventory = inventory();
        let [done, open] = inventory.approvals.as_slice() else { panic!("{:?}", inventory.approvals) };
        assert_eq!((done.action.as_str(), done.outcome.as_deref()), ("schedule_destroy", Some("executed")));
        // Nobody signed what the fixture says.
        assert_eq!((done.approvers.len(), done.signatures, done.quorum), (2, 0, 2));
        assert!(done.objects[0].ends_with("at revision 3") && done.ring.is_some(), "{done:?}");
        assert_eq!((open.outcome.as_deref(), open.ring.as_deref()), (None, None));
        assert_eq!((open.approvers.len(), open.ended_at.as_deref()), (0, None));
        assert_eq!(inventory.rules.quorum, 2);
        assert_eq!(inventory.rules.human_grant_lifetime.as_deref(), Some("90 days"));
        // What was over before, and what came later, are of other periods.
        let (catalogue, mut estate) = (Catalogue::load().unwrap(), fixture::estate());
        let (from, to) = (fixture::at("2026-06-20T00:00:00Z"), fixture::at("2026-07-01T00:00:00Z"));
        let later = Period { from, to };
        let of_later = |estate: &Estate| Inventory::of(estate, catalogue.algorithms(), later).approvals;
        assert!(of_later(&estate).is_empty());
        for row in estate.approvals.values_mut() {
            row.requested_at = later.from;
            row.expires_at = later.to;
            row.ended = None;
        }
        let outcomes: Vec<_> = of_later(&estate).into_iter().filter_map(|line| line.outcome).collect();
        assert_eq!(outcomes, ["expired", "expired"]);
        estate.governance = None;
        let rules = Inventory::of(&estate, catalogue.algorithms(), later).rules;
        assert_eq!((rules.quorum, rules.set_by), (0, None));
    }

    #[test]
    fn tables_have_a_line_for_each_and_as_many_cells_as_their_head() {
        let inventory = inventory();
        let tables = inventory.tables();
        let lines = [
            inventory.keys.len(),
            inventory.versions.len(),
            inventory.algorithms.len(),
            inventory.generators.len(),
            inventory.rings.len(),
            inventory.credentials.len(),
            inventory.nodes.len(),
            inventory.assets.len(),
            inventory.declarations.len(),
            inventory.approvals.len(),
            inventory.offices.len(),
            inventory.reviews.len(),
            inventory.review_items.len(),
            inventory.break_glass.len(),
            inventory.alerts.len(),
        ];
        assert_eq!(tables.len(), lines.len());
        for (table, lines) in tables.iter().zip(lines) {
            let text = std::str::from_utf8(&table.bytes).unwrap();
            assert_eq!(text.matches("\r\n").count(), lines + 1, "{}", table.path);
            let width = text.lines().next().unwrap().split(',').count();
            for line in text.lines() {
                // Commas within quotes are of a cell.
                let outside = line.split('"').step_by(2).map(|part| part.matches(',').count());
                assert_eq!(outside.sum::<usize>() + 1, width, "{}: {line}", table.path);
            }
        }
        let rings = tables.iter().find(|table| table.path == "report/rings.csv").unwrap();
        assert!(std::str::from_utf8(&rings.bytes).unwrap().contains("\"root,seal\""));
    }

    #[test]
    fn spans_read_in_days_where_they_are_whole() {
        let said = [86_400, 7_776_000, 90, 86_401].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(said, ["1 day", "90 days", "90 s", "86401 s"]);
    }
}
