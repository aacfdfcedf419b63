//! Uses of keys: `encrypt`, `sign`, `random` and their kin.

mod agree;
mod datakey;
mod deliver;
mod encapsulate;
pub(crate) mod envelope;
mod mac;
mod public_key;
mod random;
mod seal;
mod sign;
mod wrap;

pub(crate) use agree::AgreeArgs;
pub(crate) use datakey::DatakeyArgs;
pub(crate) use encapsulate::{DecapsulateArgs, EncapsulateArgs};
pub(crate) use mac::{MacArgs, VerifyMacArgs};
pub(crate) use public_key::PublicKeyArgs;
pub(crate) use random::RandomArgs;
pub(crate) use seal::{DecryptArgs, EncryptArgs, ReencryptArgs};
pub(crate) use sign::{SignArgs, VerifyArgs};
pub(crate) use wrap::{UnwrapArgs, WrapArgs};

use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;
use crate::file::placed::ForceArgs;
use crate::input::bytes::Source;
use crate::output::Encoding;

/// The largest plaintext of one direct call, in bytes.
pub(crate) const MAX_DIRECT: u64 = 64 * 1024;
/// The largest ciphertext of one direct call as text: two characters for each byte of plaintext, header, nonce and tag.
pub(crate) const MAX_CIPHERTEXT_TEXT: u64 = 2 * (MAX_DIRECT + 1024) + 2;
/// The largest message that is signed or authenticated whole, in bytes.
pub(crate) const MAX_MESSAGE: u64 = 1024 * 1024;
/// The largest signature, tag, capsule or public key, in bytes.
pub(crate) const MAX_SMALL: u64 = 64 * 1024;

/// Where bytes come from.
#[derive(Debug, Clone, Args)]
pub(crate) struct InputArgs {
    /// File to read; `-` is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    input: Source,
}

/// Where bytes go to.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutputArgs {
    /// File to write; standard output unless said otherwise
    #[arg(short = 'O', long = "out", value_name = "FILE")]
    out: Option<PathBuf>,
    /// Form of the bytes; raw to files and pipes, base64 to terminals unless said otherwise
    #[arg(long, value_enum)]
    encoding: Option<Encoding>,
    #[command(flatten)]
    force: ForceArgs,
}

impl OutputArgs {
    /// Fails when the file could not take its name.
    fn check(&self) -> Result<(), Failure> {
        self.force.check(&self.out)
    }
}

/// The encryption context.
#[derive(Debug, Clone, Args)]
pub(crate) struct ContextArgs {
    /// Pair of the encryption context, the same again to decrypt; may be given many times
    #[arg(long = "context", value_name = "NAME=VALUE", value_parser = crate::input::pair::parse)]
    context: Vec<(String, String)>,
}
