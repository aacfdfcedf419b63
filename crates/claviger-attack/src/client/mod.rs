//! What an attacker speaks.

pub mod aws;
pub mod http;
pub mod tls;
pub mod watch;

pub use aws::AccessKey;
pub use http::{Answer, Connection, get, post};
pub use tls::{Identity, Route};
