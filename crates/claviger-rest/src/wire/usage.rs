//! Uses of keys: each wire request says which use it is, and how the use's result is answered.

use bytes::Bytes;
use claviger_client::types::usage as wire;
use claviger_crypto::SecretBytes;
use claviger_service::operation::usage as service;
use claviger_service::operation::usage::KeyUse;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::context_from_wire;
use crate::error::Failure;

/// A request on the wire that is one use of one key.
pub(crate) trait WireUse: DeserializeOwned + Send {
    /// The use.
    type Use: KeyUse;
    /// The answer on the wire.
    type Answer: Serialize + Send;
    /// Whether the answer holds a secret.
    const SECRET: bool;

    /// The use that is asked for.
    fn into_use(self) -> Result<Self::Use, Failure>;

    /// The answer to it.
    fn answer(output: <Self::Use as KeyUse>::Output) -> Self::Answer;
}

/// A secret as it came, for a use to read: no copy, wiped when the call is over.
fn secret_in(secret: claviger_client::types::SecretBase64) -> Bytes {
    Bytes::from_owner(SecretBytes::into_body(secret.into_inner()))
}

fn sealed(output: service::Sealed) -> wire::Sealed {
    wire::Sealed { ciphertext: output.ciphertext.into(), key: output.key.into(), version: output.version }
}

fn opened(output: service::Opened) -> wire::Opened {
    wire::Opened { plaintext: output.plaintext.into(), key: output.key.into(), version: output.version }
}

pub(crate) fn verified(output: &service::Verified) -> wire::Verified {
    wire::Verified { valid: output.valid, key: output.key.into(), version: output.version }
}

macro_rules! uses {
    ($($request:ident => $use:ident, $secret:literal, $answer:ident:
        |$asked:ident| $from:expr, |$output:ident| $to:expr;)+) => {$(
        impl WireUse for wire::$request {
            type Use = service::$use;
            type Answer = wire::$answer;
            const SECRET: bool = $secret;

            fn into_use(self) -> Result<Self::Use, Failure> {
                let $asked = self;
                Ok($from)
            }

            fn answer($output: <Self::Use as KeyUse>::Output) -> Self::Answer {
                $to
            }
        }
    )+};
}

uses! {
    Encrypt => Encrypt, false, Sealed:
        |asked| service::Encrypt { context: context_from_wire(&asked.context)?, plaintext: secret_in(asked.plaintext), algorithm: None },
        |output| sealed(output);
    Decrypt => Decrypt, true, Opened:
        |asked| service::Decrypt { context: context_from_wire(&asked.context)?, ciphertext: asked.ciphertext.0, algorithm: None },
        |output| opened(output);
    Reencrypt => Reencrypt, false, Sealed:
        |asked| {
            if asked.to.is_some() || asked.to_context.is_some() {
                return Err(Failure::invalid("`to_context` goes with `to`, and `to` with single calls only"));
            }
            service::Reencrypt { context: context_from_wire(&asked.context)?, ciphertext: asked.ciphertext.0 }
        },
        |output| sealed(output);
    Sign => Sign, false, Signed:
        |asked| service::Sign {
            algorithm: asked.algorithm.map(|word| word.0),
            message: asked.message.0,
            prehashed: asked.prehashed,
        },
        |output| wire::Signed {
            signature: output.signature.into(),
            algorithm: output.algorithm.into(),
            key: output.key.into(),
            version: output.version,
        };
    Verify => Verify, false, Verified:
        |asked| service::Verify {
            algorithm: asked.algorithm.map(|word| word.0),
            message: asked.message.0,
            prehashed: asked.prehashed,
            signature: asked.signature.0,
            version: asked.version,
        },
        |output| verified(&output);
    Mac => Mac, false, Maced:
        |asked| service::Mac { data: asked.data.0, spec: None },
        |output| wire::Maced { tag: output.tag.into(), key: output.key.into(), version: output.version };
    VerifyMac => VerifyMac, false, Verified:
        |asked| service::VerifyMac { data: asked.data.0, tag: asked.tag.0, version: asked.version, spec: None },
        |output| verified(&output);
    Wrap => Wrap, false, Sealed:
        |asked| service::Wrap { material: secret_in(asked.material) },
        |output| sealed(output);
    Unwrap => Unwrap, true, Opened:
        |asked| service::Unwrap { wrapped: asked.wrapped.0 },
        |output| opened(output);
    Encapsulate => Encapsulate, true, Capsule:
        |asked| { let wire::Encapsulate {} = asked; service::Encapsulate {} },
        |output| wire::Capsule {
            ciphertext: output.ciphertext.into(),
            secret: output.secret.into(),
            key: output.key.into(),
            version: output.version,
        };
    Decapsulate => Decapsulate, true, Opened:
        |asked| service::Decapsulate { ciphertext: asked.ciphertext.0, version: asked.version },
        |output| opened(output);
    Agree => Agree, true, Opened:
        |asked| service::Agree { peer: asked.peer.0, version: asked.version },
        |output| opened(service::Opened { plaintext: output.secret, key: output.key, version: output.version });
}

/// A data key that is handed out in clear too.
pub(crate) struct ShownDataKey(pub(crate) wire::GenerateDataKey);

/// A data key that is handed out sealed only.
pub(crate) struct SealedDataKey(pub(crate) wire::GenerateDataKey);

macro_rules! data_keys {
    ($($name:ident => $use:ident, $secret:literal: |$output:ident| $plaintext:expr;)+) => {$(
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                wire::GenerateDataKey::deserialize(deserializer).map(Self)
            }
        }

        impl WireUse for $name {
            type Use = service::$use;
            type Answer = wire::DataKey;
            const SECRET: bool = $secret;

            fn into_use(self) -> Result<Self::Use, Failure> {
                let context = context_from_wire(&self.0.context)?;
                Ok(service::$use { bytes: self.0.bytes, context, algorithm: None })
            }

            fn answer($output: <Self::Use as KeyUse>::Output) -> wire::DataKey {
                wire::DataKey {
                    plaintext: $plaintext,
                    ciphertext: $output.ciphertext.into(),
                    key: $output.key.into(),
                    version: $output.version,
                }
            }
        }
    )+};
}

data_keys! {
    ShownDataKey => GenerateDataKey, true: |output| Some(output.plaintext.into());
    SealedDataKey => GenerateDataKeyWithoutPlaintext, false: |output| None;
}
