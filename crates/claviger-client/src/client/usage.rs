//! Uses of keys, in JSON; [`raw`](super::raw) has those that carry the bytes as they are.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::transport::{Plane, segment};
use super::{Client, Reply};
use crate::types::page::{Batch, BatchAnswer};
use crate::types::usage::{
    Agree, Capsule, DataKey, Decapsulate, Decrypt, Drawn, Encapsulate, Encrypt, GenerateDataKey, Mac, Maced,
    Opened, PublicKey, Random, ReadPublicKey, Reencrypt, Sealed, Sign, Signed, Unwrap, Verified, Verify,
    VerifyMac, Wrap,
};

macro_rules! uses {
    ($($(#[$doc:meta])+ $one:ident, $many:ident, $verb:literal: $request:ident => $answer:ident;)+) => {
        #[expect(clippy::missing_errors_doc, reason = "every call fails as `ClientError` says, and says so in its type")]
        impl Client {
            $(
                $(#[$doc])+
                pub async fn $one(&self, key: &str, what: &$request) -> Reply<$answer> {
                    self.use_key(key, $verb, what).await
                }

                #[doc = concat!("[`Client::", stringify!($one), "`] for 1 to 1000 items in one call.")]
                pub async fn $many(&self, key: &str, batch: &Batch<$request>) -> Reply<BatchAnswer<$answer>> {
                    self.use_key(key, concat!($verb, "/batch"), batch).await
                }
            )+
        }
    };
}

uses! {
    /// Encrypts.
    encrypt, encrypt_batch, "encrypt": Encrypt => Sealed;
    /// Decrypts.
    decrypt, decrypt_batch, "decrypt": Decrypt => Opened;
    /// Decrypts under one version and encrypts under the newest, and shows nothing.
    reencrypt, reencrypt_batch, "reencrypt": Reencrypt => Sealed;
    /// Makes a data key.
    generate_data_key, generate_data_key_batch, "datakey": GenerateDataKey => DataKey;
    /// Signs.
    sign, sign_batch, "sign": Sign => Signed;
    /// Verifies a signature.
    verify, verify_batch, "verify": Verify => Verified;
    /// Makes a message authentication code.
    mac, mac_batch, "mac": Mac => Maced;
    /// Checks a message authentication code.
    verify_mac, verify_mac_batch, "verify-mac": VerifyMac => Verified;
    /// Wraps a key of the caller's.
    wrap, wrap_batch, "wrap": Wrap => Sealed;
    /// Unwraps a key of the caller's.
    unwrap, unwrap_batch, "unwrap": Unwrap => Opened;
    /// Makes a shared secret for the holder of a key (KEM).
    encapsulate, encapsulate_batch, "encapsulate": Encapsulate => Capsule;
    /// Takes a shared secret out of its capsule (KEM).
    decapsulate, decapsulate_batch, "decapsulate": Decapsulate => Opened;
    /// Agrees on a shared secret with a peer (ECDH).
    agree, agree_batch, "agree": Agree => Opened;
}

#[expect(
    clippy::missing_errors_doc,
    reason = "every call fails as `ClientError` says, and says so in its type"
)]
impl Client {
    /// Decrypts with the key that the ciphertext names.
    pub async fn decrypt_by_header(&self, what: &Decrypt) -> Reply<Opened> {
        self.use_of("/v1/decrypt".into()).json(what).answer().await
    }

    /// Reads a public key.
    pub async fn read_public_key(&self, key: &str, which: &ReadPublicKey) -> Reply<PublicKey> {
        self.get(Plane::Data, format!("/v1/keys/{}/public-key", segment(key))).query(which).answer().await
    }

    /// Draws random bytes.
    pub async fn random(&self, what: &Random) -> Reply<Drawn> {
        self.use_of("/v1/random".into()).json(what).answer().await
    }

    async fn use_key<Q: Serialize, A: DeserializeOwned>(&self, key: &str, verb: &str, what: &Q) -> Reply<A> {
        self.use_of(format!("/v1/keys/{}/{verb}", segment(key))).json(what).answer().await
    }
}
