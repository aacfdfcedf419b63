//! `claviger ring …`.

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand};
use claviger_client::types::GiveReason;
use claviger_client::types::ring::{CreateRing, ListRings, Ring, RingPolicyPatch, SetSeparation, UpdateRing};
use claviger_client::types::text::ContextFieldText;
use claviger_core::Name;
use claviger_core::key::{
    AssetRule, ContextField, DataClass, PlaintextDataKeys, Protection, RequiredContext, RotatedKeys,
    Separation,
};
use claviger_core::named::NotAWord;

use super::paging::Paging;
use super::reason::{self, MaybeWhyArgs, WhyArgs};
use crate::failure::Failure;
use crate::input::when::parse_span;
use crate::input::word::one_of;
use crate::output::{Table, record, units};
use crate::session::Session;

/// Commands about key rings.
#[derive(Debug, Subcommand)]
pub enum RingCommand {
    /// Create a ring
    Create(CreateArgs),
    /// List rings
    List(ListArgs),
    /// Show one ring with its policy
    Show(ShowArgs),
    /// Change a ring's policy
    ///
    /// Of a ring that has keys, what asks for less than before is done by the approval of custodians alone: a lower quorum or shorter
    /// wait, slower rotation, fewer required fields, data keys in clear, grants without approval, another class.
    Update(UpdateArgs),
    /// Relax a ring's separation of duties, or make it strict again
    ///
    /// A ring that has keys is relaxed by the approval of custodians alone.
    Separation(SeparationArgs),
}

/// A new ring.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Name, bound for ever
    name: Name,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    why: MaybeWhyArgs,
}

/// Which rings.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    paging: Paging,
}

/// Which ring.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Ring, by name or id
    ring: String,
}

/// What changes.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// Ring, by name or id
    ring: String,
    #[command(flatten)]
    policy: PolicyArgs,
    /// Only if the ring still has this revision
    #[arg(long, value_name = "N")]
    if_revision: Option<u64>,
    #[command(flatten)]
    why: WhyArgs,
}

/// The rule to set.
#[derive(Debug, Args)]
pub struct SeparationArgs {
    /// Ring, by name or id
    ring: String,
    /// The rule
    #[arg(value_parser = one_of::<Separation>(Separation::ALL.map(Separation::name)))]
    separation: Separation,
    #[command(flatten)]
    why: WhyArgs,
}

/// Where a policy differs. What is not given stays, or is the default.
#[derive(Debug, Default, Args)]
pub(crate) struct PolicyArgs {
    /// Where material of new keys lives
    #[arg(long, value_parser = one_of::<Protection>(Protection::ALL.map(Protection::name)))]
    protection: Option<Protection>,
    /// How often keys rotate, as in 90d; `never` takes the rule away
    #[arg(long, value_name = "SPAN", value_parser = parse_period)]
    rotation_period: Option<Period>,
    /// Which keys the rotation period rotates; holders of a public key must be given each new one
    #[arg(long, value_name = "KEYS", value_parser = one_of::<RotatedKeys>(RotatedKeys::ALL.map(RotatedKeys::name)))]
    rotates: Option<RotatedKeys>,
    /// How long a version may protect new data; `never` is without end. Not enforced, and so refused, by this release
    #[arg(long, hide = true, value_name = "SPAN", value_parser = parse_period)]
    protect_period: Option<Period>,
    /// How long a version may process old data after that; `never` is without end. Not enforced, and so refused, by this release
    #[arg(long, hide = true, value_name = "SPAN", value_parser = parse_period)]
    process_period: Option<Period>,
    /// Least time between the wish to destroy a key and its destruction
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    destroy_waiting_period: Option<Duration>,
    /// How many custodians must approve a sensitive act, such as the destruction of a key
    #[arg(long, value_name = "M")]
    quorum: Option<u8>,
    /// Fields that the encryption context must have of each use of its keys, joined by commas; `none` takes the rule away
    #[arg(long, value_name = "FIELDS", value_parser = parse_fields)]
    context_required: Option<Fields>,
    /// What the data of its keys is, unless a key says otherwise; `none` takes the rule away
    #[arg(long, value_name = "CLASS", value_parser = one_of::<Class>(DataClass::ALL.map(DataClass::name).into_iter().chain([NO_CLASS])))]
    data_class: Option<Class>,
    /// Whether data keys, and private keys of pairs, are handed out in clear. A new ring for data of class
    /// authentication, cardholder, ephi or personal_special refuses unless another rule is given, with a reason
    #[arg(long, value_name = "RULE", value_parser = one_of::<PlaintextDataKeys>(PlaintextDataKeys::ALL.map(PlaintextDataKeys::name)))]
    plaintext_data_keys: Option<PlaintextDataKeys>,
    /// The environment of keys that name none, such as production; a ring that has keys keeps the one that it has
    #[arg(long, value_name = "NAME")]
    environment: Option<Name>,
    /// Whether uses of its keys that take an encryption context must name a data asset in it, by its id, in the field claviger:asset
    #[arg(long, value_name = "RULE", value_parser = one_of::<AssetRule>(AssetRule::ALL.map(AssetRule::name)))]
    assets: Option<AssetRule>,
    /// Whether custodians must approve each grant on the ring or its keys. They must in a new ring for data of class authentication,
    /// cardholder, ephi or personal_special, unless another rule is given
    #[arg(long, value_name = "BOOL")]
    grants_under_quorum: Option<bool>,
}

/// The class of a ring's data, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Class(Option<DataClass>);

/// The word for no class.
const NO_CLASS: &str = "none";

impl FromStr for Class {
    type Err = NotAWord;

    fn from_str(text: &str) -> Result<Self, NotAWord> {
        if text == NO_CLASS { Ok(Self(None)) } else { text.parse().map(|class| Self(Some(class))) }
    }
}

/// Fields that encryption contexts must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields(RequiredContext);

impl Fields {
    /// As a member of a request.
    pub(crate) fn to_wire(&self) -> Vec<ContextFieldText> {
        self.0.fields().iter().cloned().map(Into::into).collect()
    }
}

/// Reads names joined by commas, or `none`.
pub(crate) fn parse_fields(text: &str) -> Result<Fields, String> {
    if text == "none" {
        return Ok(Fields(RequiredContext::default()));
    }
    let fields = text.split(',').map(|name| name.parse::<ContextField>().map_err(|error| error.to_string()));
    let required = RequiredContext::new(fields.collect::<Result<Vec<_>, _>>()?);
    required.map(Fields).map_err(|error| error.to_string())
}

/// Fields that encryption contexts must have, as they are shown.
pub(super) fn shown_fields(fields: &[ContextFieldText]) -> String {
    fields.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A period, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Period {
    /// Without end.
    Never,
    /// So long.
    Span(Duration),
}

impl Period {
    /// As a member of a patch.
    pub(crate) fn to_seconds(self) -> Option<u64> {
        match self {
            Self::Never => None,
            Self::Span(span) => Some(span.as_secs()),
        }
    }
}

/// Reads a span, or `never`.
pub(crate) fn parse_period(text: &str) -> Result<Period, String> {
    if text == "never" { Ok(Period::Never) } else { parse_span(text).map(Period::Span) }
}

impl PolicyArgs {
    fn to_patch(&self) -> RingPolicyPatch {
        RingPolicyPatch {
            protection: self.protection.map(Into::into),
            rotation_period_seconds: self.rotation_period.map(Period::to_seconds),
            rotates: self.rotates.map(Into::into),
            protect_period_seconds: self.protect_period.map(Period::to_seconds),
            process_period_seconds: self.process_period.map(Period::to_seconds),
            destroy_waiting_period_seconds: self.destroy_waiting_period.map(|span| span.as_secs()),
            quorum: self.quorum,
            context_required: self.context_required.as_ref().map(Fields::to_wire),
            data_class: self.data_class.map(|Class(class)| class.map(Into::into)),
            plaintext_data_keys: self.plaintext_data_keys.map(Into::into),
            environment: self.environment.clone().map(Into::into),
            assets: self.assets.map(Into::into),
            grants_under_quorum: self.grants_under_quorum,
        }
    }
}

impl RingCommand {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let ring = match self {
            Self::List(args) => return args.run(session).await,
            Self::Create(args) => {
                let GiveReason { reason, reason_code } = args.why.into();
                let (name, policy) = (args.name.into(), args.policy.to_patch());
                client.create_ring(&CreateRing { name, policy, reason, reason_code }).await?
            }
            Self::Show(args) => client.read_ring(&args.ring).await?,
            Self::Update(args) => {
                let policy = args.policy.to_patch();
                if policy == RingPolicyPatch::default() {
                    return Err(Failure::usage("nothing to change: give at least one part of the policy"));
                }
                let GiveReason { reason, reason_code } = args.why.into();
                let update = UpdateRing { policy, reason, reason_code };
                client.update_ring(&args.ring, &update, args.if_revision).await?
            }
            Self::Separation(args) => {
                let GiveReason { reason, reason_code } = args.why.into();
                let set = SetSeparation { separation: args.separation.into(), reason, reason_code };
                client.set_ring_separation(&args.ring, &set).await?
            }
        };
        session.format.print(&ring.value, table)
    }
}

impl ListArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let fetch = async |cursor, limit| Ok(client.list_rings(&ListRings { cursor, limit }).await?.value);
        let page = self.paging.collect(fetch).await?;
        session.format.print(&page, |page| {
            let mut table = Table::new("rings", &["name", "protection", "rotation", "separation", "created"]);
            for ring in &page.items {
                table.row([
                    ring.name.to_string(),
                    ring.policy.protection.to_string(),
                    seconds(ring.policy.rotation_period_seconds, "never"),
                    ring.policy.separation.to_string(),
                    ring.created_at.to_string(),
                ]);
            }
            table.text()
        })
    }
}

/// A period in words; `none` when there is none.
pub(super) fn seconds(period: Option<u64>, none: &str) -> String {
    period.map_or_else(|| none.to_owned(), |seconds| units::span(Duration::from_secs(seconds)))
}

/// Whether others must approve a grant, in words.
pub(super) const fn grants(under_quorum: bool) -> &'static str {
    if under_quorum { "under quorum" } else { "by a security officer alone" }
}

pub(super) fn table(ring: &Ring) -> String {
    let policy = &ring.policy;
    record(&[
        ("name", ring.name.to_string()),
        ("id", ring.id.to_string()),
        ("protection", policy.protection.to_string()),
        ("rotation period", seconds(policy.rotation_period_seconds, "never")),
        ("rotates", policy.rotates.to_string()),
        ("protect period", seconds(policy.protect_period_seconds, "without end")),
        ("process period", seconds(policy.process_period_seconds, "without end")),
        ("destroy waiting period", seconds(Some(policy.destroy_waiting_period_seconds), "")),
        ("quorum", policy.quorum.to_string()),
        ("separation", policy.separation.to_string()),
        ("grants", grants(policy.grants_under_quorum).to_owned()),
        ("context required", shown_fields(&policy.context_required)),
        ("data class", policy.data_class.map(|class| class.to_string()).unwrap_or_default()),
        ("data keys in clear", policy.plaintext_data_keys.to_string()),
        ("environment", policy.environment.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("data assets", policy.assets.to_string()),
        ("reason", reason::reported(ring.reason.as_ref())),
        ("reason id", reason::id_of(ring.reason.as_ref())),
        ("created at", ring.created_at.to_string()),
        ("revision", ring.revision.to_string()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_distinguishes_never_from_not_given() {
        let args =
            PolicyArgs { rotation_period: Some(parse_period("never").unwrap()), ..PolicyArgs::default() };
        let patch = args.to_patch();
        assert_eq!((patch.rotation_period_seconds, patch.protect_period_seconds), (Some(None), None));
        let spans =
            PolicyArgs { protect_period: Some(parse_period("90d").unwrap()), ..PolicyArgs::default() };
        assert_eq!(spans.to_patch().protect_period_seconds, Some(Some(90 * 86_400)));
        assert_eq!(PolicyArgs::default().to_patch(), RingPolicyPatch::default());
        let freed = PolicyArgs { grants_under_quorum: Some(false), ..PolicyArgs::default() };
        assert_eq!(freed.to_patch().grants_under_quorum, Some(false));
        assert!(parse_period("sometimes").is_err());
        let none =
            PolicyArgs { context_required: Some(parse_fields("none").unwrap()), ..PolicyArgs::default() };
        assert_eq!(none.to_patch().context_required, Some(Vec::new()));
        assert_eq!(
            shown_fields(&parse_fields("tenant,claviger:asset").unwrap().to_wire()),
            "claviger:asset, tenant"
        );
        assert!(parse_fields("").is_err() && parse_fields("a,,b").is_err() && parse_fields("a=b").is_err());
    }
}
