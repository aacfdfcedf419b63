//! What the REST interface speaks, and a client that speaks it.
//!
//! * [`types`]: the wire types, one file per noun; the server and every client agree by sharing them.
//! * [`profile`]: where a deployment is, whom to trust there, and who one is: the file behind `--profile`.
//! * [`client`]: the typed asynchronous HTTP client.
//!
//! Invariants: the client trusts the profile's authorities and no other; it follows no redirect; it repeats a call only
//! when the server said that nothing happened, and repeating is safe; secrets are wiped and print nothing.

pub mod client;
pub mod profile;
pub mod types;

pub use client::{Answer, Client, ClientError};
pub use profile::{Profile, ProfileError};
