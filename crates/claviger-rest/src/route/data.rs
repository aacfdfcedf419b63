//! The data plane's rows.

use axum::routing::MethodFilter;
use claviger_client::types::header::{ALGORITHM, CONTEXT, PREHASHED, SIGNATURE, TAG, VERSION};
use claviger_client::types::page::{Batch, BatchAnswer};
use claviger_client::types::usage as wire;
use claviger_core::Action;
use claviger_core::action::Surface;

use super::control::{open_rows, own_rows};
use super::row::{Row, row};
use crate::operation::{system, usage};
use crate::wire::usage::WireUse;

const GET: MethodFilter = MethodFilter::GET;
const POST: MethodFilter = MethodFilter::POST;

/// The route of a batch, from the one of a single use.
macro_rules! batch {
    ($verb:literal, $id:literal, $request:ty, $answer:ty) => {
        batch!($verb, $id, $request, $answer, usage::in_batch::<$request>)
    };
    ($verb:literal, $id:literal, $request:ty, $answer:ty, $handler:expr) => {
        row(
            POST,
            concat!("/v1/keys/{key}/", $verb, "/batch"),
            concat!($id, "_batch"),
            concat!("`", $id, "` for up to 1000 items in one call."),
            $handler,
        )
        .takes::<Batch<$request>>()
        .gives::<BatchAnswer<$answer>>()
    };
}

pub(super) fn rows() -> Vec<Row> {
    [open_rows(), own_rows(), seal_rows(), sign_rows(), wrap_rows(), secret_rows(), other_rows()]
        .into_iter()
        .flatten()
        .collect()
}

fn seal_rows() -> Vec<Row> {
    vec![
        in_json::<wire::Encrypt>("/v1/keys/{key}/encrypt", "encrypt", "Encrypts.")
            .takes::<wire::Encrypt>()
            .takes_octets(&[CONTEXT])
            .gives::<wire::Sealed>()
            .gives_octets(),
        batch!("encrypt", "encrypt", wire::Encrypt, wire::Sealed),
        in_json::<wire::Decrypt>("/v1/keys/{key}/decrypt", "decrypt", "Decrypts.")
            .takes::<wire::Decrypt>()
            .takes_octets(&[CONTEXT])
            .gives::<wire::Opened>()
            .gives_octets(),
        batch!("decrypt", "decrypt", wire::Decrypt, wire::Opened),
        row(
            POST,
            "/v1/decrypt",
            "decrypt_by_header",
            "Decrypts with the key that the ciphertext names.",
            usage::decrypt_by_header,
        )
        .takes::<wire::Decrypt>()
        .takes_octets(&[CONTEXT])
        .gives::<wire::Opened>()
        .gives_octets(),
        row(
            POST,
            "/v1/keys/{key}/reencrypt",
            "reencrypt",
            "Decrypts under one version, encrypts under the newest or under another key, and shows nothing.",
            usage::reencrypt,
        )
        .takes::<wire::Reencrypt>()
        .gives::<wire::Sealed>(),
        batch!("reencrypt", "reencrypt", wire::Reencrypt, wire::Sealed),
        row(POST, "/v1/keys/{key}/datakey", "generate_data_key", "Makes a data key.", usage::data_key)
            .may_take::<wire::GenerateDataKey>()
            .gives::<wire::DataKey>(),
        batch!("datakey", "generate_data_key", wire::GenerateDataKey, wire::DataKey, usage::data_key_batch),
    ]
}

fn sign_rows() -> Vec<Row> {
    vec![
        in_json::<wire::Sign>("/v1/keys/{key}/sign", "sign", "Signs.")
            .takes::<wire::Sign>()
            .takes_octets(&[ALGORITHM, PREHASHED])
            .gives::<wire::Signed>()
            .gives_octets(),
        batch!("sign", "sign", wire::Sign, wire::Signed),
        in_json::<wire::Verify>("/v1/keys/{key}/verify", "verify", "Verifies a signature.")
            .takes::<wire::Verify>()
            .takes_octets(&[SIGNATURE, ALGORITHM, PREHASHED, VERSION])
            .gives::<wire::Verified>(),
        batch!("verify", "verify", wire::Verify, wire::Verified),
        in_json::<wire::Mac>("/v1/keys/{key}/mac", "mac", "Makes a message authentication code.")
            .takes::<wire::Mac>()
            .takes_octets(&[])
            .gives::<wire::Maced>()
            .gives_octets(),
        batch!("mac", "mac", wire::Mac, wire::Maced),
        in_json::<wire::VerifyMac>(
            "/v1/keys/{key}/verify-mac",
            "verify_mac",
            "Checks a message authentication code.",
        )
        .takes::<wire::VerifyMac>()
        .takes_octets(&[TAG, VERSION])
        .gives::<wire::Verified>(),
        batch!("verify-mac", "verify_mac", wire::VerifyMac, wire::Verified),
    ]
}

fn wrap_rows() -> Vec<Row> {
    vec![
        in_json::<wire::Wrap>("/v1/keys/{key}/wrap", "wrap", "Wraps a key of the caller's.")
            .takes::<wire::Wrap>()
            .gives::<wire::Sealed>(),
        batch!("wrap", "wrap", wire::Wrap, wire::Sealed),
        in_json::<wire::Unwrap>("/v1/keys/{key}/unwrap", "unwrap", "Unwraps a key of the caller's.")
            .takes::<wire::Unwrap>()
            .gives::<wire::Opened>(),
        batch!("unwrap", "unwrap", wire::Unwrap, wire::Opened),
    ]
}

fn secret_rows() -> Vec<Row> {
    vec![
        row(
            POST,
            "/v1/keys/{key}/encapsulate",
            "encapsulate",
            "Makes a shared secret for the holder of a key (KEM).",
            usage::encapsulate,
        )
        .may_take::<wire::Encapsulate>()
        .gives::<wire::Capsule>(),
        batch!("encapsulate", "encapsulate", wire::Encapsulate, wire::Capsule),
        in_json::<wire::Decapsulate>(
            "/v1/keys/{key}/decapsulate",
            "decapsulate",
            "Takes a shared secret out of its capsule (KEM).",
        )
        .takes::<wire::Decapsulate>()
        .gives::<wire::Opened>(),
        batch!("decapsulate", "decapsulate", wire::Decapsulate, wire::Opened),
        in_json::<wire::Agree>(
            "/v1/keys/{key}/agree",
            "agree",
            "Agrees on a shared secret with a peer (ECDH).",
        )
        .takes::<wire::Agree>()
        .gives::<wire::Opened>(),
        batch!("agree", "agree", wire::Agree, wire::Opened),
    ]
}

fn other_rows() -> Vec<Row> {
    vec![
        row(
            GET,
            "/v1/keys/{key}/public-key",
            "read_public_key",
            "Reads a public key.",
            usage::read_public_key,
        )
        .asks::<wire::ReadPublicKey>()
        .gives::<wire::PublicKey>(),
        row(POST, "/v1/random", "random", "Draws random bytes.", usage::random)
            .takes::<wire::Random>()
            .gives::<wire::Drawn>(),
        row(GET, "/openapi.json", "openapi", "Gives this document.", system::openapi),
    ]
}

fn in_json<Q: WireUse + 'static>(path: &'static str, id: &'static str, summary: &'static str) -> Row {
    row(POST, path, id, summary, usage::in_json::<Q>)
}

/// The use that a path asks for: its last word, without `batch`. Whatever is no use counts as none, so that no word of a caller becomes a
/// label.
pub(crate) fn use_of(path: &str) -> Option<Action> {
    let path = path.strip_suffix("/batch").unwrap_or(path);
    let word = path.rsplit('/').next()?;
    let action = match word {
        "datakey" => Some(Action::GenerateDataKey),
        "verify-mac" => Some(Action::VerifyMac),
        "public-key" => Some(Action::ReadPublicKey),
        word => word.parse().ok(),
    };
    action.filter(|action: &Action| action.surface() == Surface::Data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_that_is_a_use_is_counted_as_one() {
        for route in rows() {
            let path = route.path.replace("{key}", "orders%2Fmain");
            let is_use = route.path.starts_with("/v1/keys/")
                || ["/v1/decrypt", "/v1/random"].contains(&route.path.trim_end_matches("/batch"));
            assert_eq!(use_of(&path).is_some(), is_use, "{}", route.path);
        }
    }

    #[test]
    fn words_of_callers_are_no_labels() {
        for path in ["/v1/keys/create_key", "/v1/secret-name", "/", "/v1/keys/a%2Fb/explode"] {
            assert_eq!(use_of(path), None, "{path}");
        }
        assert_eq!(use_of("/v1/keys/a%2Fb/sign/batch"), Some(Action::Sign));
    }
}
