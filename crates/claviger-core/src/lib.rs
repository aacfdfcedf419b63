//! The vocabulary of Claviger, and the ports that its parts plug into.
//!
//! Everything here is a value or a trait: no I/O, no serialization, no word of any wire. Other crates agree on
//! what a key, a grant, an action or a receipt is by agreeing on this crate.
//!
//! What it keeps true:
//! * the lifecycle is one table ([`key::lifecycle`]); a state is reached by an event of it or not at all;
//! * a row is valid, and keeps what is fixed of it, by the rules of [`row`], whichever store keeps it;
//! * material is used through [`key::Protecting`] and [`key::Processing`] only, which a state either gives or refuses;
//! * a [`Permit`](permit::Permit) is made by the authorizer alone and a [`Receipt`](receipt::Receipt) by the road alone.

#[macro_use]
pub mod named;
pub mod object;

pub mod access_key;
pub mod action;
pub mod alert;
pub mod alias;
pub mod approval;
pub mod asset;
pub mod break_glass;
pub mod capacity;
pub mod change;
pub mod declaration;
pub mod governance;
pub mod grant;
pub mod id;
pub mod key;
pub mod lineage;
pub mod listener;
pub mod log_time;
pub mod name;
pub mod node;
pub mod permit;
pub mod port;
pub mod principal;
pub mod reason;
pub mod receipt;
pub mod review;
pub mod rights_review;
pub mod row;
pub mod sensitive;
pub mod source;
pub mod target;
pub mod time;

#[cfg(test)]
mod golden;

pub use access_key::AccessKeyId;
pub use action::Action;
pub use alert::Alert;
pub use alias::{Alias, AliasName, AliasScope};
pub use approval::Approval;
pub use asset::Asset;
pub use break_glass::BreakGlass;
pub use capacity::Capacity;
pub use claviger_crypto::{Purpose, Spec};
pub use declaration::Declaration;
pub use governance::Governance;
pub use id::{
    AlertId, AliasId, ApprovalId, AssetId, BreakGlassId, CredentialId, DeclarationId, GovernanceId, GrantId,
    KeyId, KeyRingId, KeyVersionId, NodeId, PrincipalId, ReasonId, ReviewId, RightsReviewId,
};
pub use listener::ListenerName;
pub use name::{KeyName, Name};
pub use review::Review;
pub use source::{OriginClass, Source, TlsParameters};
pub use target::Target;
pub use time::Timestamp;
