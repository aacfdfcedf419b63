//! `claviger key …`.

use std::time::Duration;

use clap::{Args, Subcommand};
use claviger_client::types::key::{
    ChangeState, CreateKey, ExplainKey, Explanations, Key, KeyAsOf, KeyVersion, ListKeys, ListVersions,
    ScheduleDestroy, UpdateKey,
};
use claviger_client::types::{GiveReason, Page, Pairs};
use claviger_core::key::{DataClass, Event, Origin, Protection, State};
use claviger_core::{KeyName, Name, Purpose, Spec};

use super::alias::{self, AliasCommand};
use super::material::{ImportArgs, ParametersArgs, RemoveArgs};
use super::paging::Paging;
use super::reason::{self, MaybeWhyArgs, WhyArgs};
use super::ring::{Fields, Period, parse_fields, parse_period, seconds, shown_fields};
use crate::clock;
use crate::failure::Failure;
use crate::input::consent::Consent;
use crate::input::when::parse_span;
use crate::input::word::one_of;
use crate::input::{pair, when};
use crate::output::{Table, named, record};
use crate::session::Session;

/// Commands about keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Create a key with its first version
    Create(CreateArgs),
    /// List keys
    List(ListArgs),
    /// Show one key
    Show(KeyArgs),
    /// Show the versions of a key
    Versions(VersionsArgs),
    /// Change what is said about a key
    Update(UpdateArgs),
    /// Make a new version that protects from now on; older ones go on processing
    Rotate(KeyArgs),
    /// Put a key into use
    Activate(StepArgs<MaybeWhyArgs>),
    /// Take a key out of use for a while
    Suspend(StepArgs<WhyArgs>),
    /// Bring a key back from suspension
    Resume(StepArgs<MaybeWhyArgs>),
    /// End a key's protecting; it goes on processing
    Deactivate(FinalArgs),
    /// Declare a key compromised: used for nothing more, and there is no way back
    Compromise(FinalArgs),
    /// Ask for a public key to wrap material for, and a token that goes with the material
    ImportParameters(ParametersArgs),
    /// Import material into a key that was created with `--imported`
    ///
    /// In a strict ring nobody alone imports into a key that is in use, or into one for authentication or cardholder data, ePHI or
    /// special categories of personal data.
    Import(ImportArgs),
    /// Remove imported material; the same can be imported again
    RemoveMaterial(RemoveArgs),
    /// Take a key out of use at once, and destroy it at the end of a waiting period
    ///
    /// Where its ring has a quorum, custodians must approve: the command asks for that, and ends with exit code 3 and the identifier of the
    /// approval. Once it is approved, the same command again, or `claviger approval execute ID`, begins the wait. At its end the approval
    /// is judged again.
    Destroy(DestroyArgs),
    /// End the waiting period without destroying; the key stays out of use
    CancelDestroy(CancelDestroyArgs),
    /// Other names of keys, which can move
    #[command(subcommand)]
    Alias(AliasCommand),
    /// Who can do what with a key, and by which rule
    Explain(ExplainArgs),
}

/// Which key.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// Key, as RING/NAME or id
    key: String,
}

/// Which versions of a key.
#[derive(Debug, Args)]
pub struct VersionsArgs {
    /// Key, as RING/NAME or id
    key: String,
    #[command(flatten)]
    paging: Paging,
}

/// A new key.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Full name, as RING/NAME, bound for ever
    name: KeyName,
    /// The one thing it is for
    #[arg(long, default_value = "encrypt", value_parser = one_of::<Purpose>(Purpose::ALL.map(Purpose::name)))]
    purpose: Purpose,
    /// Algorithm and size; the usual one for its purpose unless said otherwise
    #[arg(long, value_parser = one_of::<Spec>(Spec::ALL.map(Spec::name)))]
    spec: Option<Spec>,
    /// Where its material lives; the ring's rule unless said otherwise
    #[arg(long, value_parser = one_of::<Protection>(Protection::ALL.map(Protection::name)))]
    protection: Option<Protection>,
    /// What its data is; as its ring says unless said otherwise, or else confidential
    #[arg(long, value_name = "CLASS", value_parser = one_of::<DataClass>(DataClass::ALL.map(DataClass::name)))]
    data_class: Option<DataClass>,
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// Who answers for it, by name or id; you unless said otherwise
    #[arg(long, value_name = "PRINCIPAL")]
    owner: Option<String>,
    /// A label; may be given many times
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = pair::parse)]
    labels: Vec<(String, String)>,
    /// How often it rotates, as in 90d; the ring's rule unless said otherwise
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    rotation_period: Option<Duration>,
    /// Make no material: it is imported (`key import`), and the key comes into use with it
    #[arg(long, conflicts_with = "pre_active")]
    imported: bool,
    /// Fields that the encryption context must have of each use, joined by commas, beside those that its ring asks for
    #[arg(long, value_name = "FIELDS", value_parser = parse_fields)]
    context_required: Option<Fields>,
    /// The environment that it belongs to, for ever, such as production; that of its ring unless said otherwise
    #[arg(long, value_name = "NAME")]
    environment: Option<Name>,
    /// Leave it pre-active: made, but not in use until `key activate`
    #[arg(long)]
    pre_active: bool,
}

/// Which keys.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only of this ring
    #[arg(long)]
    ring: Option<String>,
    /// Only in this state
    #[arg(long, value_parser = one_of::<State>(State::ALL.map(State::name)))]
    state: Option<State>,
    #[command(flatten)]
    paging: Paging,
}

/// What changes.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// Key, as RING/NAME or id
    key: String,
    /// What its data is
    #[arg(long, value_name = "CLASS", value_parser = one_of::<DataClass>(DataClass::ALL.map(DataClass::name)))]
    data_class: Option<DataClass>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Who answers for it, by name or id
    #[arg(long, value_name = "PRINCIPAL")]
    owner: Option<String>,
    /// All labels anew; may be given many times
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = pair::parse, conflicts_with = "no_labels")]
    labels: Vec<(String, String)>,
    /// Take all labels away
    #[arg(long)]
    no_labels: bool,
    /// How often it rotates, as in 90d; `ring` is the ring's rule
    #[arg(long, value_name = "SPAN", value_parser = parse_rotation)]
    rotation_period: Option<Period>,
    /// Fields that the encryption context must have of each use, joined by commas; `none` takes the rule away
    #[arg(long, value_name = "FIELDS", value_parser = parse_fields)]
    context_required: Option<Fields>,
    /// The environment that it belongs to, for ever; what has one keeps it
    #[arg(long, value_name = "NAME")]
    environment: Option<Name>,
    /// Only if the key still has this revision
    #[arg(long, value_name = "N")]
    if_revision: Option<u64>,
}

/// A step of the lifecycle.
#[derive(Debug, Args)]
pub struct StepArgs<W: Args> {
    /// Key, as RING/NAME or id
    key: String,
    /// Only this version; the whole key unless said otherwise
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    version: Option<u32>,
    #[command(flatten)]
    why: W,
}

/// A step without a way back.
#[derive(Debug, Args)]
pub struct FinalArgs {
    /// Key, as RING/NAME or id
    key: String,
    /// Only this version; the whole key unless said otherwise
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    version: Option<u32>,
    #[command(flatten)]
    why: WhyArgs,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// Which key, and how long to wait.
#[derive(Debug, Args)]
pub struct DestroyArgs {
    /// Key, as RING/NAME or id
    key: String,
    /// How long to wait, as in 30d, from a day to 365; a bare number is days. As long as the ring says unless said otherwise
    #[arg(long = "in", value_name = "SPAN", value_parser = parse_wait)]
    wait: Option<Duration>,
    #[command(flatten)]
    why: WhyArgs,
}

/// Which key waits no more.
#[derive(Debug, Args)]
pub struct CancelDestroyArgs {
    /// Key, as RING/NAME or id
    key: String,
    #[command(flatten)]
    why: MaybeWhyArgs,
}

/// Which key, and who with it.
#[derive(Debug, Args)]
#[command(after_help = "Example: claviger key explain orders/pan --at 2026-03-01T00:00:00Z

With --at it is who could have used the key then, whatever changed since: roles, grants and what they rested on, the policy of the ring \
and the state of the key are rebuilt from the facts of the log, and of today's rows only what never changes is read: names, and the ring \
of the key. The question is an entry of the log, with the instant.")]
pub struct ExplainArgs {
    /// Key, as RING/NAME or id
    key: String,
    /// Only this principal, by name or id
    #[arg(long)]
    principal: Option<String>,
    /// As things stood at this instant (RFC 3339), or so long ago (2h), by the log's time; without it as they stand
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    at: Option<when::When>,
}

fn parse_wait(text: &str) -> Result<Duration, String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let span = parse_span(&if is_number { format!("{text}d") } else { text.to_owned() })?;
    let days = |count: u64| Duration::from_secs(count * 86_400);
    if (days(1)..=days(365)).contains(&span) {
        Ok(span)
    } else {
        Err("a span from 1d to 365d is expected".to_owned())
    }
}

fn parse_rotation(text: &str) -> Result<Period, String> {
    if text == "ring" { Ok(Period::Never) } else { parse_period(text).and_then(span_only) }
}

fn span_only(period: Period) -> Result<Period, String> {
    match period {
        Period::Never => Err("a span is expected, or `ring` for the ring's rule".to_owned()),
        span @ Period::Span(_) => Ok(span),
    }
}

/// The spec that a purpose usually has.
fn usual_spec(purpose: Purpose) -> Spec {
    match purpose {
        Purpose::Agree => Spec::X25519,
        Purpose::Encapsulate => Spec::MlKem768,
        Purpose::Encrypt => Spec::Aes256Gcm,
        Purpose::Mac => Spec::HmacSha256,
        Purpose::Sign => Spec::Ed25519,
        Purpose::Wrap => Spec::Aes256Kwp,
    }
}

impl CreateArgs {
    fn to_request(&self) -> Result<CreateKey, Failure> {
        let spec = self.spec.unwrap_or_else(|| usual_spec(self.purpose));
        if !spec.allows(self.purpose) {
            let purposes: Vec<_> = spec.purposes().iter().map(|purpose| purpose.name()).collect();
            let detail =
                format!("a key of `{spec}` cannot serve `{}`, only {}", self.purpose, purposes.join(" or "));
            return Err(Failure::usage(detail));
        }
        Ok(CreateKey {
            ring: self.name.ring.to_string(),
            name: self.name.key.clone().into(),
            purpose: self.purpose.into(),
            spec: spec.into(),
            protection: self.protection.map(Into::into),
            data_class: self.data_class.map(Into::into),
            description: self.description.clone(),
            owner: self.owner.clone(),
            labels: Pairs(pair::to_map(&self.labels, "label")?),
            rotation_period_seconds: self.rotation_period.map(|span| span.as_secs()),
            origin: self.imported.then_some(Origin::Imported.into()),
            context_required: self.context_required.as_ref().map(Fields::to_wire).unwrap_or_default(),
            environment: self.environment.clone().map(Into::into),
            activate: !self.pre_active,
        })
    }
}

impl UpdateArgs {
    fn to_request(&self) -> Result<UpdateKey, Failure> {
        let labels = if self.labels.is_empty() && !self.no_labels {
            None
        } else {
            Some(Pairs(pair::to_map(&self.labels, "label")?))
        };
        let update = UpdateKey {
            data_class: self.data_class.map(Into::into),
            description: self.description.clone(),
            owner: self.owner.clone(),
            labels,
            rotation_period_seconds: self.rotation_period.map(Period::to_seconds),
            context_required: self.context_required.as_ref().map(Fields::to_wire),
            environment: self.environment.clone().map(Into::into),
        };
        if update == UpdateKey::default() {
            return Err(Failure::usage("nothing to change: give at least one of the options"));
        }
        Ok(update)
    }
}

impl KeyCommand {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let key = match self {
            Self::List(args) => return args.run(session).await,
            Self::Explain(args) => return args.run(session).await,
            Self::Versions(args) => {
                let fetch = async |cursor, limit| {
                    Ok(client.list_key_versions(&args.key, &ListVersions { cursor, limit }).await?.value)
                };
                let versions = args.paging.collect(fetch).await?;
                return session.format.print(&versions, versions_table);
            }
            Self::Create(args) => client.create_key(&args.to_request()?).await?,
            Self::Show(args) => return args.show(session).await,
            Self::Alias(command) => return command.run(session).await,
            Self::ImportParameters(args) => return args.run(session).await,
            Self::Import(args) => return args.run(session).await,
            Self::RemoveMaterial(args) => args.run(session).await?,
            Self::Destroy(args) => args.run(session).await?,
            Self::CancelDestroy(args) => client.cancel_destroy(&args.key, &args.why.into()).await?,
            Self::Update(args) => client.update_key(&args.key, &args.to_request()?, args.if_revision).await?,
            Self::Rotate(args) => client.rotate_key(&args.key).await?,
            Self::Activate(args) => args.step(session, Event::Activate).await?,
            Self::Suspend(args) => args.step(session, Event::Suspend).await?,
            Self::Resume(args) => args.step(session, Event::Resume).await?,
            Self::Deactivate(args) => args.deactivate(session).await?,
            Self::Compromise(args) => args.compromise(session).await?,
        };
        session.format.print(&key.value, table)
    }
}

/// What changes a key gives.
pub(super) type KeyAnswer = claviger_client::Answer<Key>;

impl KeyArgs {
    async fn show(self, session: &Session) -> Result<(), Failure> {
        let key = session.client()?.read_key(&self.key).await?.value;
        let aliases = alias::names_of(session, &self.key).await?.join(", ");
        let with_aliases = |key: &Key| {
            let mut rows = rows(key);
            rows.insert(2, ("aliases", aliases));
            record(&rows)
        };
        session.format.print(&key, with_aliases)
    }
}

impl DestroyArgs {
    async fn run(self, session: &Session) -> Result<KeyAnswer, Failure> {
        let waiting_seconds = self.wait.map(|wait| wait.as_secs());
        let GiveReason { reason, reason_code } = self.why.into();
        let wish = ScheduleDestroy { waiting_seconds, reason, reason_code };
        Ok(session.client()?.schedule_destroy(&self.key, &wish).await?)
    }
}

impl<W: Args + Into<GiveReason>> StepArgs<W> {
    async fn step(self, session: &Session, event: Event) -> Result<KeyAnswer, Failure> {
        let change = change(self.version, self.why);
        Ok(session.client()?.change_key_state(&self.key, event, &change).await?)
    }
}

fn change(version: Option<u32>, why: impl Into<GiveReason>) -> ChangeState {
    let GiveReason { reason, reason_code } = why.into();
    ChangeState { version, reason, reason_code }
}

impl FinalArgs {
    async fn deactivate(self, session: &Session) -> Result<KeyAnswer, Failure> {
        self.step(session, Event::Deactivate, "will protect nothing more, and still decrypt and verify").await
    }

    async fn compromise(self, session: &Session) -> Result<KeyAnswer, Failure> {
        self.step(session, Event::Compromise, "will be used for nothing more, not even to decrypt").await
    }

    async fn step(self, session: &Session, event: Event, outcome: &str) -> Result<KeyAnswer, Failure> {
        let what = match self.version {
            Some(number) => format!("version {number} of key `{}`", self.key),
            None => format!("key `{}` with all its versions", self.key),
        };
        let question = format!(
            "{what} {outcome}. There is no way back.\n\
             To take it out of use for a while, `claviger key suspend` is the step."
        );
        Consent::of(self.yes).require(&question, &self.key)?;
        let change = change(self.version, self.why);
        Ok(session.client()?.change_key_state(&self.key, event, &change).await?)
    }
}

impl ListArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let fetch = async |cursor, limit| {
            let query =
                ListKeys { ring: self.ring.clone(), state: self.state.map(Into::into), cursor, limit };
            Ok(client.list_keys(&query).await?.value)
        };
        let page = self.paging.collect(fetch).await?;
        session.format.print(&page, |page| {
            let heads = ["name", "state", "purpose", "spec", "protection", "class", "version"];
            let mut table = Table::new("keys", &heads);
            for key in &page.items {
                table.row([
                    key.name.to_string(),
                    key.state.to_string(),
                    key.purpose.to_string(),
                    key.spec.to_string(),
                    key.protection.to_string(),
                    key.data_class.to_string(),
                    key.primary.to_string(),
                ]);
            }
            table.text()
        })
    }
}

impl ExplainArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let at = self.at.map(|at| at.before(clock::now()).into());
        let mut explained = session.client()?.explain_key(&self.key, &ExplainKey { at }).await?.value;
        if let Some(principal) = &self.principal {
            explained.items.retain(|line| {
                line.principal_name.as_str() == principal || line.principal.to_string() == *principal
            });
        }
        session.format.print(&explained, explained_table)
    }
}

pub(super) fn table(key: &Key) -> String {
    record(&rows(key))
}

fn rows(key: &Key) -> Vec<(&'static str, String)> {
    let labels: Vec<_> = key.labels.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
    vec![
        ("name", key.name.to_string()),
        ("id", key.id.to_string()),
        ("state", key.state.to_string()),
        ("reason", reason::reported(key.reason.as_ref())),
        ("reason id", reason::id_of(key.reason.as_ref())),
        ("purpose", key.purpose.to_string()),
        ("spec", key.spec.to_string()),
        ("protection", key.protection.to_string()),
        ("data class", key.data_class.to_string()),
        ("description", key.description.clone()),
        ("owner", named(&key.names, key.owner)),
        ("labels", labels.join(", ")),
        ("rotation period", seconds(key.rotation_period_seconds, "as the ring says")),
        ("context required", shown_fields(&key.context_required)),
        ("environment", key.environment.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("protecting version", key.primary.to_string()),
        ("destroyed at", key.destroy_at.map(|at| at.to_string()).unwrap_or_default()),
        ("destruction", blocked(key)),
        ("destruction approved by", key.destroy_approval.map(|id| id.to_string()).unwrap_or_default()),
        ("key policy", policy(key)),
        ("created at", key.created_at.to_string()),
        ("revision", key.revision.to_string()),
    ]
}

fn blocked(key: &Key) -> String {
    match key.destroy_blocked_by.as_deref() {
        None => String::new(),
        Some(by) => format!(
            "held by the {by} of its ring, which asks for an approval that is not there, or is valid no more: `key destroy` asks for another \
             one, `key cancel-destroy` ends the schedule"
        ),
    }
}

fn policy(key: &Key) -> String {
    match key.key_policy.as_deref() {
        None => String::new(),
        Some("as_put") => "as it was put".to_owned(),
        Some(_) => "not as it was put: rights that it gave have ended since; `grant list --key` shows which"
            .to_owned(),
    }
}

/// Where the material of a version is from, and whether it is there.
fn material(version: &KeyVersion) -> String {
    match version.material_expires_at {
        _ if !version.has_material => format!("{}, none", version.origin),
        Some(at) => format!("{} until {at}", version.origin),
        None => version.origin.to_string(),
    }
}

/// How often a version was used; `+` while older entries of the log are still being counted.
fn uses(version: &KeyVersion) -> String {
    match &version.uses {
        Some(uses) => {
            let more = if uses.counting { "+" } else { "" };
            format!("{}{more}", uses.protected.saturating_add(uses.processed))
        }
        None => version.protect_uses.to_string(),
    }
}

fn versions_table(versions: &Page<KeyVersion>) -> String {
    let mut table = Table::new(
        "versions",
        &["version", "state", "effective", "material", "generator", "module", "uses", "created", "reason"],
    );
    for version in &versions.items {
        let number =
            if version.primary { format!("{} *", version.number) } else { version.number.to_string() };
        table.row([
            number,
            version.state.to_string(),
            version.effective_state.to_string(),
            material(version),
            version.generator.to_string(),
            version.module.clone(),
            uses(version),
            version.created_at.to_string(),
            reason::reported(version.reason.as_ref()),
        ]);
    }
    table.text()
}

/// One line for each principal and rule; the document for programs has one for each action.
fn explained_table(explained: &Explanations) -> String {
    let mut lines: Vec<([String; 3], Vec<&'static str>)> = Vec::new();
    for item in &explained.items {
        let by = match &item.grant {
            Some(grant) => format!("{} {grant}", item.rule),
            None => item.rule.clone(),
        };
        let line = [item.principal_name.to_string(), by, item.conditions.clone().unwrap_or_default()];
        match lines.iter_mut().find(|(known, _)| *known == line) {
            Some((_, actions)) => actions.push(item.action.name()),
            None => lines.push((line, vec![item.action.name()])),
        }
    }
    let (what, may) = match &explained.as_of {
        Some(_) => ("principals who could do anything with it", "could"),
        None => ("principals who can do anything with it", "may"),
    };
    let mut table = Table::new(what, &["principal", "by", "if", may]);
    for ([principal, by, conditions], actions) in lines {
        table.row([principal, by, conditions, actions.join(", ")]);
    }
    explained.as_of.as_ref().map(as_of_text).unwrap_or_default() + &table.text()
}

/// How the key stood, and what that means for those who had rights on it.
fn as_of_text(then: &KeyAsOf) -> String {
    let of = then.newest_entry_at.map_or_else(String::new, |at| format!(", the last of {at}"));
    let used = match (&then.destroy_at, *then.key_state) {
        (Some(at), _) => format!("to be destroyed at {at}, and used for nothing"),
        (None, state) if state.protects() => format!("{state}"),
        (None, state) if state.processes() => format!("{state}: used for old data only"),
        (None, state) => format!("{state}: used for nothing"),
    };
    format!("As of {}, behind {} entries{of}. The key was {used}.\n\n", then.at, then.entries)
}

#[cfg(test)]
mod tests {
    use claviger_client::types::Text;
    use claviger_client::types::key::Explanation;
    use claviger_core::Action::{Decrypt, Encrypt, RotateKey};
    use claviger_core::Timestamp;

    use super::*;

    #[test]
    fn every_purpose_has_a_usual_spec_that_serves_it() {
        for purpose in Purpose::ALL {
            assert!(usual_spec(purpose).allows(purpose), "{purpose}");
        }
    }

    fn create(spec: Option<Spec>) -> CreateArgs {
        CreateArgs {
            name: "orders/pan".parse().unwrap(),
            purpose: Purpose::Encrypt,
            spec,
            protection: None,
            data_class: Some(DataClass::Cardholder),
            description: String::new(),
            owner: None,
            labels: vec![("team".into(), "a".into())],
            rotation_period: None,
            imported: false,
            context_required: None,
            environment: None,
            pre_active: true,
        }
    }

    #[test]
    fn spec_that_cannot_serve_the_purpose_is_a_usage_error() {
        let failure = create(Some(Spec::Ed25519)).to_request().unwrap_err();
        assert!(failure.to_string().contains("only sign"), "{failure}");
        let request = create(None).to_request().unwrap();
        assert_eq!(
            (request.ring.as_str(), request.activate, *request.spec),
            ("orders", false, Spec::Aes256Gcm)
        );
    }

    #[test]
    fn explanation_groups_what_one_rule_gives_to_one_principal() {
        let item = |name: &str, action: claviger_core::Action, rule: &str| Explanation {
            principal: claviger_core::PrincipalId::from_bytes([1; 16]).into(),
            principal_name: Text(name.parse().unwrap()),
            action: action.into(),
            rule: rule.into(),
            grant: None,
            conditions: None,
        };
        let items = vec![
            item("app", Encrypt, "grant"),
            item("eve", RotateKey, "role"),
            item("app", Decrypt, "grant"),
        ];
        let mut explained = Explanations { items, as_of: None };
        let text = explained_table(&explained);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("encrypt, decrypt"), "{text}");
        let then = |state: State, destroy_at| KeyAsOf {
            at: Timestamp::from_micros(2_000_000).into(),
            entries: 7,
            newest_entry_at: Some(Timestamp::from_micros(1_000_000).into()),
            key_state: state.into(),
            destroy_at,
        };
        explained.as_of = Some(then(State::Suspended, None));
        let past = explained_table(&explained);
        let head = "As of 1970-01-01T00:00:02Z, behind 7 entries, the last of 1970-01-01T00:00:01Z. \
                    The key was suspended: used for nothing.\n\n";
        assert!(past.starts_with(head) && past.contains("encrypt, decrypt"), "{past}");
        let text = |state, destroy_at| as_of_text(&then(state, destroy_at));
        assert!(text(State::Active, None).ends_with("The key was active.\n\n"));
        assert!(text(State::Deactivated, None).contains("deactivated: used for old data only"));
        let at = Some(Timestamp::from_micros(9_000_000).into());
        assert!(text(State::Suspended, at).contains("to be destroyed at 1970-01-01T00:00:09Z"));
    }

    #[test]
    fn rotation_of_a_key_is_a_span_or_the_rings_rule() {
        assert_eq!(parse_rotation("ring"), Ok(Period::Never));
        assert!(parse_rotation("1d").is_ok());
        assert!(parse_rotation("never").is_err());
    }
}
