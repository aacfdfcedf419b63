//! The AWS KMS API, so that the software people already run just works: the JSON 1.1 protocol over one endpoint, requests
//! signed by Signature Version 4, and the external key store (XKS) proxy on the same signatures.
//!
//! | module | what it holds |
//! |---|---|
//! | [`plane`] | the endpoint: from a request to the operation, from its answer to a response |
//! | [`realm`] | partition, region and account, and the ARNs made of them |
//! | `wanted` | the key that a request means |
//! | [`sigv4`] | what a signed request says of who signed it: parsing, canonicalization |
//! | `session` | one call and its way down the road |
//! | `operation` | what each operation does |
//! | `intake`, `limits` | a request on its way in: its body in bounds, who signed it |
//! | `request` | its content type, and the name it gets |
//! | `wire`, `names` | JSON 1.1; this protocol's words for what the service has |
//! | `answer`, [`error`] | what is written to a response |
//! | [`decode`] | everything that reads foreign bytes, for fuzzing |
//! | `sts` | the one operation of STS that tools ask first |
//! | [`xks`] | the external key store proxy: four calls that AWS KMS itself makes |
//!
//! What it keeps true:
//! * an operation or condition that has no meaning here is refused, never passed over;
//! * plaintext leaves in memory that is wiped, and comes in by it;
//! * no input panics, and none grows memory beyond [`AwsLimits`].

mod answer;
pub mod decode;
pub mod error;
mod intake;
mod limits;
mod names;
mod operation;
pub mod plane;
pub mod realm;
mod request;
mod session;
pub mod sigv4;
mod sts;
mod wanted;
mod wire;
pub mod xks;

pub use intake::Unread;
pub use limits::AwsLimits;
pub use plane::{Kms, use_of};
pub use realm::{NotARealm, Realm};
pub use xks::XksProxy;
