//! Who can reach what nobody should reach alone, and who can do what.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Instant;
use super::text::{
    ActionWord, CapacityText, GrantIdText, KeyIdText, KeyNameText, KeyRingIdText, NameText, PrincipalIdText,
    RoleWord, SeparationWord,
};

/// What to look for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnalyzeAccess {
    /// So many persons together at most: 1, or 2; 1 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 2)]
    pub size: Option<u8>,
    /// Only this goal: 1 is plaintext of a key of a strict ring, 2 a sensitive act without those who must approve it, 3 a change of the
    /// record or of who reads it, 4 a rule that asks for less before anybody else has seen it. All of them unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4)]
    pub goal: Option<u8>,
    /// Whoever ran the set-up as well, by what may have been kept of it; without this they are named, and not among what is found.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub founder: bool,
}

/// Who can reach what nobody should reach alone, with whatever they can make first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessAnalysis {
    /// Who reaches what they should not: by goals, and those with the shortest paths first.
    pub found: Vec<CounterExample>,
    /// How many more there are.
    pub left_off: u64,
    /// What is known of the deployment, and is named rather than counted.
    pub named: Vec<AccessException>,
    /// On what it rests.
    pub looked_at: LookedAt,
}

/// Persons who reach a goal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CounterExample {
    /// Number of the goal.
    #[schema(minimum = 1, maximum = 4)]
    pub goal: u8,
    /// The goal, in a word.
    #[schema(example = "plaintext")]
    pub goal_name: String,
    /// Who: one, or two together of whom none does alone. Those with equal rights are told together. Nobody, where it is whoever ran the
    /// set-up.
    pub members: Vec<AccessMember>,
    /// How many persons, or pairs, of these reach it so.
    pub count: u64,
    /// The shortest way.
    pub path: Vec<AccessStep>,
}

/// Persons with equal rights, one or more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessMember {
    /// The roles that each of them has.
    pub roles: Vec<RoleWord>,
    /// The names of some: the first is the one in the path.
    pub names: Vec<NameText>,
    /// How many they are.
    pub count: u64,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessStep {
    /// As whom it is done: a name; `puppet-` and a number for somebody who is made first.
    #[schema(example = "sophie")]
    pub by: String,
    /// The action that it is. Absent where nothing is asked of the deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionWord>,
    /// The command that does it, with capitals for what whoever does it chooses; of what no command does, what it is.
    #[schema(example = "claviger credential create app --certificate FILE")]
    pub command: String,
    /// As whom it is approved before it is done.
    #[schema(example = json!(["carl", "cora"]))]
    pub approved_by: Vec<String>,
}

/// Something that is known of the deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessException {
    /// What kind it is: `founder`, `granted`, `kept_secret`, `machine_and_pin` or `unknown_maker`.
    #[schema(example = "machine_and_pin")]
    pub kind: String,
    /// What it is, in a sentence.
    #[schema(example = "whoever holds the machine and the secret of the root makes a security officer")]
    pub text: String,
    /// Whom it is about: the names of some.
    pub names: Vec<NameText>,
    /// How many they are; of secrets kept of applications, how many applications.
    pub count: u64,
    /// The numbers of the goals that are reached so.
    pub goals: Vec<u32>,
}

/// On what an analysis rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LookedAt {
    /// Persons, each once whatever accounts they have.
    pub persons: u64,
    /// Principals.
    pub principals: u64,
    /// Credentials that are live.
    pub credentials: u64,
    /// Grants that no act has ended.
    pub grants: u64,
    /// Rings.
    pub rings: u64,
    /// Those of them with strict separation that have keys: of others nothing is kept apart.
    pub strict_rings: u64,
    /// Classes of persons with equal rights.
    pub classes: u64,
}

/// What to report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportAccess {
    /// As things stood at this instant, by the log's time; as they stand unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Instant>,
    /// Where to begin: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many principals to look at, at most: 1 to 1000, 100 unless said otherwise. Each has as many lines as it has rights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// Who can do what across all keys: one page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessReport {
    /// What is on it, in the order of names.
    pub items: Vec<AccessLine>,
    /// Where the next page begins, for `?cursor=`; `null` after the last. Opaque.
    #[schema(required)]
    pub next: Option<String>,
    /// Of which instant it is; absent when it is as things stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<AccessAsOf>,
}

/// An instant that is past, as the facts of the log say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessAsOf {
    /// The instant that was asked about.
    pub at: Instant,
    /// How many entries of the log lie before it.
    pub entries: u64,
    /// The instant of the last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_entry_at: Option<Instant>,
}

/// What a principal can do, by one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessLine {
    /// Identifier of the principal.
    pub principal: PrincipalIdText,
    /// The principal's name.
    pub principal_name: NameText,
    /// With which keys.
    pub on: AccessOn,
    /// May do what.
    pub actions: Vec<ActionWord>,
    /// By which rule, in words: `capacity` of somebody who may do nothing, and answers for something.
    #[schema(example = "grant")]
    pub rule: String,
    /// The grant, when the rule is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantIdText>,
    /// Under which conditions, in words; absent when it holds always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<String>,
    /// What the principal answers for, which gives no right: the same in all its lines. Absent where that is nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capacities: Vec<CapacityText>,
}

/// With which keys somebody can do something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessOn {
    /// Every key; of rings with this separation where one is said.
    Every(EveryKey),
    /// One key.
    Key(OneKey),
    /// Every key of a ring, those to come included.
    Ring(OneRing),
}

/// Every key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EveryKey {
    /// Only of rings with this separation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separation: Option<SeparationWord>,
}

/// A key, by identifier and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OneKey {
    /// Its identifier.
    pub id: KeyIdText,
    /// Its full name.
    pub name: KeyNameText,
}

/// A ring, by identifier and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OneRing {
    /// Its identifier.
    pub id: KeyRingIdText,
    /// Its name.
    pub name: NameText,
}
