//! Data key pairs.

use claviger_crypto::SecretBytes;
use claviger_service::KeyRef;
use claviger_service::operation::usage::{
    GenerateDataKeyPair, GenerateDataKeyPairWithoutPlaintext, PairSpec, SealedKeyPair, UseKey,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{Answer, Answered};
use crate::error::AwsError;
use crate::names;
use crate::realm::Realm;
use crate::session::Session;
use crate::wire::{Pairs, Violations, base64, context, grant_tokens, no_recipient};

const SPECS: [&str; 12] = [
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "ECC_NIST_P256",
    "ECC_NIST_P384",
    "ECC_NIST_P521",
    "ECC_SECG_P256K1",
    "SM2",
    "ECC_NIST_EDWARDS25519",
    "ML_KEM_512",
    "ML_KEM_768",
    "ML_KEM_1024",
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    encryption_context: Option<Pairs>,
    key_id: Option<String>,
    key_pair_spec: Option<String>,
    grant_tokens: Option<Vec<String>>,
    recipient: Option<Value>,
    dry_run: Option<bool>,
}

struct Asked {
    wanted: KeyRef,
    spec: PairSpec,
    name: String,
    context: claviger_crypto::envelope::Context,
}

impl Input {
    fn read(&self, realm: &Realm) -> Result<Asked, AwsError> {
        let mut violations = Violations::default();
        let key = violations.key_id(self.key_id.clone());
        let name = violations.required_word("keyPairSpec", self.key_pair_spec.clone(), SPECS);
        let tokens = grant_tokens(self.grant_tokens.as_ref(), &mut violations);
        violations.done()?;
        tokens?;
        no_recipient(self.recipient.as_ref())?;
        let unsupported = || AwsError::unsupported(format!("no module here makes pairs of {name}"));
        let spec = names::SPECS.iter().find(|row| row.name == name).and_then(|row| row.spec);
        let spec = spec.and_then(|spec| PairSpec::new(spec).ok()).ok_or_else(unsupported)?;
        Ok(Asked {
            wanted: realm.wanted(&key)?,
            spec,
            name: name.clone(),
            context: context(self.encryption_context.as_ref())?,
        })
    }
}

fn answer(realm: &Realm, name: &str, pair: &SealedKeyPair) -> Value {
    let version = claviger_core::KeyVersionId { key: pair.key, number: pair.version };
    json!({
        "PrivateKeyCiphertextBlob": base64(&pair.sealed),
        "PublicKey": base64(&pair.public),
        "KeyId": realm.key_arn(pair.key),
        "KeyPairSpec": name,
        "KeyMaterialId": super::metadata::material_id(version),
    })
}

pub(crate) async fn generate(session: &Session<'_>, input: Input) -> Answered {
    let Asked { wanted, spec, name, context } = input.read(session.realm())?;
    let what = UseKey::new(wanted.clone(), GenerateDataKeyPair { spec, context });
    let done = session.perform_or_try(&wanted, what, input.dry_run).await?;
    let private: &SecretBytes = &done.output.private;
    let answer = answer(session.realm(), &name, &done.output.pair);
    Ok(Answer::with_secret(&answer, "PrivateKeyPlaintext", private)?.recorded(done.receipt))
}

pub(crate) async fn generate_without_plaintext(session: &Session<'_>, input: Input) -> Answered {
    let Asked { wanted, spec, name, context } = input.read(session.realm())?;
    let what = UseKey::new(wanted.clone(), GenerateDataKeyPairWithoutPlaintext { spec, context });
    let done = session.perform_or_try(&wanted, what, input.dry_run).await?;
    Ok(Answer::json(&answer(session.realm(), &name, &done.output))?.recorded(done.receipt))
}
