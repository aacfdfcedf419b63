//! Who can reach what nobody should reach alone: one person, or two together, with whatever they can make first.
//!
//! | module | what it holds |
//! |---|---|
//! | `facts` | the rows that bear on it, by person |
//! | `powers` | what the built-in policy gives to whom |
//! | `rulings` | what becomes of an act: done, held up until others approve, or refused |
//! | `coalition` | as whom some persons can act, and the shortest way to each goal |
//! | `classes` | all persons and pairs, those with equal rights together |
//!
//! Everything here is a function of its arguments. What it keeps true:
//! * what becomes of an act is asked of the policy and of the checks that a call meets as well; a test of the service holds the two
//!   against each other, and goes each way that is found;
//! * whoever can be made counts as much as whoever is there: people, applications, their credentials, roles and grants;
//! * a person is known by all accounts together, and acts also as whoever has a credential that this person made and may have kept;
//! * emergency access takes three where anybody must approve anything: who opens it, who approves it, and its holder, whom neither of them
//!   made. A capacity, a plan, and the end of a recovery give nobody a way that there is not without them;
//! * nothing that is found is left out because it is well known: exceptions are named beside it, and are few.

mod classes;
mod coalition;
mod facts;
mod powers;
mod rulings;
#[cfg(test)]
mod tests;

use std::fmt;

use claviger_core::capacity::Capacity;
use claviger_core::principal::{PrincipalKind, Role};
use claviger_core::{Action, Name};

pub use facts::{Facts, Rows};
pub use powers::{sample_key, sample_ring};
pub use rulings::Ruling;

use crate::authz::{Authorizer, PolicyError};
use rulings::Judge;

/// What nobody should reach alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Goal {
    /// What a key of a ring with strict separation protects, without a credential that an application has of its own. What others granted a
    /// person is that person's to use.
    Plaintext,
    /// An act that others must approve, without them.
    Quorum,
    /// A change of the record, or of who reads it, by one who acts. That a reader is taken away is no such change: to stop somebody is one
    /// person's act, and is in the record.
    Record,
    /// That a rule asks for less, and nobody else saw it before: of the deployment, a parameter of its controls, or a ring with strict
    /// separation that has keys, or a key of it.
    Weakening,
}

claviger_core::named! {
    /// Text that is not a goal.
    Goal, "a goal" {
        Plaintext = "plaintext",
        Quorum = "quorum",
        Record = "record",
        Weakening = "weakening",
    }
}

impl Goal {
    /// Its number, from 1 on.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Plaintext => 1,
            Self::Quorum => 2,
            Self::Record => 3,
            Self::Weakening => 4,
        }
    }

    /// The goal of that number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|goal| goal.number() == number)
    }

    /// What it is, in a few words.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext of a key of a strict ring, without an application's own credential",
            Self::Quorum => "a sensitive act without those who must approve it",
            Self::Record => "a change of the record, or of who reads it, by one who acts",
            Self::Weakening => "a rule that asks for less before anybody else has seen it",
        }
    }
}

/// Which rules hold. All of them do, but in tests of what each is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Who makes a credential of one who has rights did not give them, and others approve it.
    pub credentials: bool,
    /// A ring can put grants under its quorum.
    pub grants: bool,
    /// Others approve the import of material for restricted data, and into keys in use.
    pub imports: bool,
    /// Who made a principal, or one of its credentials, gives it nothing.
    pub makers: bool,
    /// Accounts of one person are one person.
    pub persons: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { credentials: true, grants: true, imports: true, makers: true, persons: true }
    }
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum AnalysisError {
    /// A name of something that is made up is none.
    #[error("a name cannot be made up")]
    Name(#[from] claviger_core::name::NotAName),
    /// The built-in policy does not hold together.
    #[error("the policies could not be evaluated")]
    Policy(#[from] PolicyError),
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Two persons together as well, and not each person alone only.
    pub pairs: bool,
    /// Only this goal.
    pub goal: Option<Goal>,
    /// Whoever ran the set-up as well, with what was kept of it, beside naming them.
    pub founder: bool,
}

/// Somebody in a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One who is there, by name.
    Principal(Name),
    /// One whom somebody makes first, by number.
    Puppet(u16),
    /// Whoever set the deployment up.
    SetUp,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Principal(name) => name.fmt(f),
            Self::Puppet(number) => write!(f, "puppet-{number}"),
            Self::SetUp => f.write_str("the set-up"),
        }
    }
}

/// An act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Asks others for several acts at once.
    ApplyPlan {
        /// Which.
        acts: Vec<Self>,
    },
    /// Gives a capacity, which lets its holder sign statements, and nothing else.
    AssignCapacity {
        /// To whom.
        to: Subject,
        /// Which.
        capacity: Capacity,
    },
    /// Gives a role.
    AssignRole {
        /// To whom.
        to: Subject,
        /// Which.
        role: Role,
    },
    /// Ends an officer whom a recovery made.
    CancelRecovery {
        /// Whom.
        of: Subject,
    },
    /// Makes a code to enrol with.
    CreateCode {
        /// For whom.
        of: Subject,
    },
    /// Makes a credential.
    CreateCredential {
        /// For whom.
        of: Subject,
    },
    /// Grants a use of the keys of a ring.
    CreateGrant {
        /// To whom.
        to: Subject,
        /// The ring.
        ring: Name,
        /// The use.
        action: Action,
    },
    /// Makes a principal.
    CreatePrincipal {
        /// Whom.
        puppet: Subject,
        /// A person or an application.
        kind: PrincipalKind,
    },
    /// Imports material, and so knows it. The key is of the class that its ring says.
    ImportMaterial {
        /// The ring of the key.
        ring: Name,
        /// Is the key in use, or a new one?
        is_in_use: bool,
    },
    /// Keeps the secret of a credential that was made for another.
    Keep {
        /// Whose credential it is.
        of: Subject,
        /// Is it a code to enrol with?
        is_code: bool,
    },
    /// Opens emergency access to a key of a ring.
    OpenBreakGlass {
        /// For whom.
        holder: Subject,
        /// The ring of the key.
        ring: Name,
    },
    /// Does another sensitive act, of the kind that asks for less than before where there is one.
    Perform {
        /// Which.
        action: Action,
        /// On which ring, or on a key of which, where it is on one.
        ring: Option<Name>,
    },
    /// Uses a key of a ring.
    Use {
        /// The ring.
        ring: Name,
        /// How.
        action: Action,
    },
}

impl Act {
    /// The action that it is; `None` where nothing is asked of the deployment.
    #[must_use]
    pub const fn action(&self) -> Option<Action> {
        match self {
            Self::ApplyPlan { .. } => Some(Action::ApplyPlan),
            Self::AssignCapacity { .. } => Some(Action::AssignCapacity),
            Self::AssignRole { .. } => Some(Action::AssignRole),
            Self::CancelRecovery { .. } => Some(Action::CancelRecovery),
            Self::CreateCode { .. } | Self::CreateCredential { .. } => Some(Action::CreateCredential),
            Self::CreateGrant { .. } => Some(Action::CreateGrant),
            Self::CreatePrincipal { .. } => Some(Action::CreatePrincipal),
            Self::ImportMaterial { .. } => Some(Action::ImportMaterial),
            Self::Keep { .. } => None,
            Self::OpenBreakGlass { .. } => Some(Action::OpenBreakGlass),
            Self::Perform { action, .. } | Self::Use { action, .. } => Some(*action),
        }
    }

    /// The command that does it, with capitals for what whoever does it chooses; of what no command does, what it is.
    #[must_use]
    pub fn command(&self) -> String {
        let in_ring = |ring: &Option<Name>| ring.as_ref().map_or_else(|| "RING".to_owned(), Name::to_string);
        match self {
            Self::ApplyPlan { .. } => "claviger apply -f DIR --reason TEXT".to_owned(),
            Self::AssignCapacity { to, capacity } => {
                format!("claviger capacity give {to} {capacity} --reason TEXT")
            }
            Self::AssignRole { to, role } => format!("claviger role assign {to} {role} --reason TEXT"),
            Self::CancelRecovery { of } => format!("claviger principal cancel-recovery {of} --reason TEXT"),
            Self::CreateCode { of } => format!("claviger credential create {of} --enrolment-code --out FILE"),
            Self::CreateCredential { of } => format!("claviger credential create {of} --certificate FILE"),
            Self::CreateGrant { to, ring, action } => {
                let what = format!("--ring {ring} --operations {action} --until 1d");
                format!("claviger grant create {to} {what} --reason TEXT")
            }
            Self::CreatePrincipal { puppet, kind } => {
                format!("claviger principal create {puppet} --kind {kind}")
            }
            Self::ImportMaterial { ring, is_in_use: true } => {
                format!("claviger key import {ring}/KEY --material FILE --new-material")
            }
            Self::ImportMaterial { ring, is_in_use: false } => {
                format!("claviger key import {ring}/KEY --material FILE")
            }
            Self::Keep { of, is_code: false } => {
                format!("keeps the secret of a credential that it made for {of}")
            }
            Self::Keep { of, is_code: true } => {
                format!("keeps the code that it made for {of}, and redeems it: `claviger enrol`")
            }
            Self::OpenBreakGlass { holder, ring } => {
                format!("claviger break-glass open --holder {holder} --key {ring}/KEY --reason TEXT")
            }
            Self::Perform { action, ring } => match action {
                Action::Declare => "claviger declaration add parameter NAME VALUE --basis TEXT".to_owned(),
                Action::EraseReason => "claviger reason erase ID --reason TEXT".to_owned(),
                Action::ScheduleDestroy => {
                    format!("claviger key destroy {}/KEY --reason TEXT", in_ring(ring))
                }
                Action::SetGovernance => {
                    "claviger governance set --approval-lifetime 30d --reason TEXT".to_owned()
                }
                Action::SetRingSeparation => {
                    format!("claviger ring separation {} relaxed --reason TEXT", in_ring(ring))
                }
                Action::UpdateKey => {
                    format!("claviger key update {}/KEY --data-class internal", in_ring(ring))
                }
                Action::UpdateRing => {
                    let ring = in_ring(ring);
                    format!("claviger ring update {ring} --destroy-waiting-period 7d --reason TEXT")
                }
                Action::WithdrawDeclaration => "claviger declaration withdraw ID --reason TEXT".to_owned(),
                other => other.to_string(),
            },
            Self::Use { ring, action } => match action {
                Action::Decrypt => format!("claviger decrypt FILE --key {ring}/KEY"),
                Action::Unwrap => format!("claviger unwrap FILE --key {ring}/KEY"),
                Action::Decapsulate => format!("claviger decapsulate FILE --key {ring}/KEY"),
                Action::Agree => format!("claviger agree --key {ring}/KEY --peer FILE"),
                other => other.to_string(),
            },
        }
    }
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// As whom it is done.
    pub by: Subject,
    /// What is done.
    pub act: Act,
    /// As whom it is approved first.
    pub approved_by: Vec<Subject>,
}

impl Step {
    pub(crate) const fn of(by: Subject, act: Act) -> Self {
        Self { by, act, approved_by: Vec::new() }
    }

    /// How many acts it is: what others approve is asked for, approved by each, and done.
    pub(crate) fn acts(&self) -> usize {
        match self.approved_by.len() {
            0 => 1,
            approvals => approvals + 2,
        }
    }
}

/// Persons with equal rights, one or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The roles of all accounts that one of them has.
    pub roles: Vec<Role>,
    /// The names of some of them: the first is the one in the path.
    pub names: Vec<Name>,
    /// How many they are.
    pub count: u64,
}

/// Persons who reach a goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterExample {
    /// Which goal.
    pub goal: Goal,
    /// Who: one, or two together of whom none does alone; nobody where it is whoever ran the set-up.
    pub members: Vec<Member>,
    /// How many persons, or pairs, of these reach it so.
    pub count: u64,
    /// The shortest way.
    pub path: Vec<Step>,
}

/// What is known of every deployment, or of this one, and is nobody's rights.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum ExceptionKind {
    /// Whoever set the deployment up made the credentials of others, or the codes that they came of, and may have kept their secrets.
    Founder,
    /// People whom others granted uses that show what keys of strict rings protect.
    Granted,
    /// Who made live credentials of applications that use keys of strict rings, and may have kept their secrets.
    KeptSecret,
    /// Whoever holds the machine and the secret of the root.
    MachineAndPin,
    /// Nobody knows who made some principals or credentials.
    UnknownMaker,
}

claviger_core::named! {
    /// Text that is not a kind of exception.
    ExceptionKind, "a kind of exception" {
        Founder = "founder",
        Granted = "granted",
        KeptSecret = "kept_secret",
        MachineAndPin = "machine_and_pin",
        UnknownMaker = "unknown_maker",
    }
}

impl ExceptionKind {
    /// What it is, in a sentence.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Founder => {
                "the set-up made the credentials of these, or their codes to enrol with: whoever ran it may have kept them, and act as \
                 all of these, until each has a key of their own and signs that it is (`claviger attest ATT-ENROLMENT --scope \
                 credential:ID`)"
            }
            Self::Granted => "these persons were granted uses that show what keys of strict rings protect",
            Self::KeptSecret => {
                "these made credentials of applications that use keys of strict rings, and may have kept their secrets"
            }
            Self::MachineAndPin => {
                "whoever holds the machine and the secret of the root makes a security officer (`claviger recover`), and can change \
                 what serves"
            }
            Self::UnknownMaker => {
                "an older release did not keep who made these principals or credentials: their makers may act as them"
            }
        }
    }
}

/// What is known, and is named rather than counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// What it is.
    pub kind: ExceptionKind,
    /// Whom it is about: the names of some.
    pub names: Vec<Name>,
    /// How many they are; of credentials kept of applications, how many applications.
    pub count: u64,
    /// What is reached so.
    pub goals: Vec<Goal>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Analysis {
    /// Who reaches what they should not: by goals, and those with the shortest paths first.
    pub found: Vec<CounterExample>,
    /// How many more there are.
    pub left_off: u64,
    /// What is known of the deployment.
    pub named: Vec<Exception>,
    /// On what it rests.
    pub looked_at: LookedAt,
}

/// On what an analysis rests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

/// Says who can reach what.
#[derive(Debug)]
pub struct Analyzer<'f>(Judge<'f>);

impl<'f> Analyzer<'f> {
    /// Of these facts, where these rules hold.
    ///
    /// # Errors
    /// [`AnalysisError`] where the built-in policy cannot be asked.
    pub fn new(facts: &'f Facts, authorizer: &Authorizer, rules: Rules) -> Result<Self, AnalysisError> {
        Judge::new(facts, authorizer, rules).map(Self)
    }

    /// What becomes of an act of somebody, done to somebody who is there; `None` of those who are not, and of what no call does.
    #[must_use]
    pub fn ruling(&self, by: &Name, act: &Act) -> Option<Ruling> {
        self.0.ruling(self.0.facts.find_by_name(by)?, act)
    }

    /// Who reaches what. `check` is asked before each piece of the work, and ends it where it fails.
    ///
    /// # Errors
    /// Those of `check`.
    pub fn analyze<E>(
        &self,
        question: Question,
        check: impl FnMut() -> Result<(), E>,
    ) -> Result<Analysis, E> {
        classes::analyze(&self.0, question, check)
    }
}
