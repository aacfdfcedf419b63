//! Where material lives and works: the backends of the port [`claviger_core::port::Provider`].
//!
//! | module | root | for |
//! |---|---|---|
//! | [`pkcs11`] | AES-256 keys and a signing key inside a PKCS#11 token, never out | production |
//! | [`software`] | sealed under a passphrase or key file, open in the process | evaluation, named `insecure_software_root` |
//!
//! Knows rings, versions and their bytes at rest; knows nothing of principals, policy or the store.
//!
//! What it keeps true:
//! * what is wrapped or sealed here is bound to its place ([`binding`]): bytes moved from one row to another do not open;
//! * material of protection `software` is in clear only inside a handle, and wiped with it; material of protection `hsm`
//!   is never in clear outside the token;
//! * nothing here awaits a token without a deadline, and no call is made on a thread of the runtime that may block.

mod binding;
mod lru;
pub mod pkcs11;
mod ready;
mod ring_kek;
pub mod software;

pub use pkcs11::{
    CreateRoot, FewAttempts, Pkcs11Config, Pkcs11OpenError, Pkcs11Provider, Said, TokenSelector, pin_refused,
};
pub use software::{RootUnlock, SoftwareProvider, SoftwareRootError};
