//! What ciphertexts look like outside: header, context, direct ciphertexts and the file envelope.

pub mod context;
pub mod direct;
pub mod header;
pub mod stream;

pub use context::Context;
pub use header::Header;
