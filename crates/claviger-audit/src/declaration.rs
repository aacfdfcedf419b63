//! The one encoding of what is declared, and what is signed of it.
//!
//! What it keeps true:
//! * each value has one encoding (deterministic CBOR, RFC 8949, 4.2.1), and only that one is decoded;
//! * an encoding keeps its meaning: a number stays with its field, and a field that comes later is one that can be absent;
//! * who attests signs all that is stated, the deployment and the key that it is signed by included, and can be held to it by whoever has
//!   the facts: it takes no key of the deployment. The same text in another deployment is another text.
//!
//! ```text
//! body    = {0: kind, 1: .., 2: ..}
//! claim   = {1: deployment, 2: statement, 3: digest of its text, 4: scope, 5: signed_at, 6: valid_until, 7: evidence, 8: public key}
//! signed  = "claviger/attestation/v1" || 0x00 || claim
//! ```

use claviger_core::declaration::{
    Attestation, Build, Claim, DeclarationKind, Declared, Document, Parameter, Plain, PolicyFiles, Supply,
};
use claviger_core::object::{Kind, Object};
use claviger_core::{CredentialId, Declaration, PrincipalId};

use crate::cbor::{self, Fields, MapError, Pairs, Reader, bytes, fixed, instant, word};
use crate::signature;

/// What the signature of an attestation is bound to.
const DOMAIN: &[u8] = b"claviger/attestation/v1\0";

/// Why bytes are not what can be declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeclarationError {
    /// Not the map that a declaration of that kind is.
    #[error(transparent)]
    Map(#[from] MapError),
    /// More bytes than a declaration has.
    #[error("longer than 16 KiB")]
    TooLong,
}

/// The encoding of what is declared.
#[must_use]
pub fn encode(declared: &Declared) -> Vec<u8> {
    let mut pairs = Pairs::default();
    pairs.text(0, declared.kind().name());
    match declared {
        Declared::Attestation(attestation) => {
            put_claim(&mut pairs, &attestation.claim);
            pairs.bytes(9, attestation.credential.as_bytes());
            pairs.text(10, attestation.method.name());
            pairs.bytes(11, &attestation.signature);
        }
        Declared::Build(build) => {
            pairs.text(1, build.sort.name());
            pairs.bytes(2, &build.digest);
            pairs.uint(3, build.effective_from.as_micros());
        }
        Declared::Device(supply) | Declared::Module(supply) | Declared::Supplier(supply) => {
            put_supply(&mut pairs, supply);
        }
        Declared::Document(document) => {
            pairs.text(1, document.sort.name());
            pairs.bytes(2, &document.digest);
            pairs.uint(3, document.reviewed_at.as_micros());
            pairs.uint(4, document.next_review_at.as_micros());
            pairs.list(5, &document.covers, |out, covered| cbor::put_text(out, covered.as_str()));
        }
        Declared::Parameter(parameter) => {
            pairs.text(1, parameter.name.as_str());
            pairs.text(2, parameter.value.as_str());
            pairs.uint(3, parameter.effective_from.as_micros());
        }
        Declared::PolicyFiles(files) => {
            pairs.bytes(1, &files.digest);
            pairs.uint(2, u64::from(files.differences));
            pairs.uint(3, files.compared_at.as_micros());
        }
    }
    pairs.finish()
}

/// Reads an encoding.
///
/// # Errors
/// [`DeclarationError`] for everything that [`encode`] does not write, and for what is not sound.
pub fn decode(bytes: &[u8]) -> Result<Declared, DeclarationError> {
    if bytes.len() > Declaration::MAX_BODY {
        return Err(DeclarationError::TooLong);
    }
    let declared = cbor::whole_map(bytes, take)?;
    // A list that is there and empty reads, and is not what is written.
    if declared.is_sound() && encode(&declared) == bytes { Ok(declared) } else { Err(MapError::Value.into()) }
}

fn take(fields: &mut Fields<'_, '_>) -> Result<Declared, MapError> {
    let kind: DeclarationKind = fields.need(0, word)?;
    Ok(match kind {
        DeclarationKind::Attestation => Declared::Attestation(Box::new(take_attestation(fields)?)),
        DeclarationKind::Build => Declared::Build(take_build(fields)?),
        DeclarationKind::Device => Declared::Device(take_supply(fields)?),
        DeclarationKind::Document => Declared::Document(take_document(fields)?),
        DeclarationKind::Module => Declared::Module(take_supply(fields)?),
        DeclarationKind::Parameter => Declared::Parameter(take_parameter(fields)?),
        DeclarationKind::PolicyFiles => Declared::PolicyFiles(take_policy_files(fields)?),
        DeclarationKind::Supplier => Declared::Supplier(take_supply(fields)?),
    })
}

/// The bytes that are signed of a claim.
#[must_use]
pub fn signed_bytes(claim: &Claim) -> Vec<u8> {
    let mut pairs = Pairs::default();
    put_claim(&mut pairs, claim);
    [DOMAIN, &pairs.finish()].concat()
}

/// Has the holder of its public key signed it?
#[must_use]
pub fn is_signed(attestation: &Attestation) -> bool {
    let claim = &attestation.claim;
    signature::attests(attestation.method, &claim.public_key, &signed_bytes(claim), &attestation.signature)
}

/// The deployment that a log is of, by the origin of the log: what statements are signed for.
#[must_use]
pub fn deployment_of(origin: &str) -> Option<&str> {
    origin.split_once("/audit/").map(|(deployment, _)| deployment)
}

/// The `SubjectPublicKeyInfo` of a certificate (RFC 5280, 4.1), as it stands there; `None` for what is no certificate.
#[must_use]
pub fn public_key_of(certificate: &[u8]) -> Option<&[u8]> {
    let (certificate, end) = Element::split(certificate)?;
    let (tbs, _) = Element::split(certificate.content_of(SEQUENCE)?)?;
    let mut rest = tbs.content_of(SEQUENCE)?;
    let (first, behind) = Element::split(rest)?;
    if first.tag == VERSION {
        rest = behind;
    }
    // Serial number, algorithm, issuer, validity, subject.
    for tag in [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE] {
        let (element, behind) = Element::split(rest)?;
        element.content_of(tag)?;
        rest = behind;
    }
    let (key, _) = Element::split(rest)?;
    key.content_of(SEQUENCE)?;
    end.is_empty().then_some(key.whole)
}

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// An element in DER (X.690, 8.1).
struct Element<'a> {
    tag: u8,
    whole: &'a [u8],
    content: &'a [u8],
}

impl<'a> Element<'a> {
    /// The first element, and what is behind it.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&[tag, first], behind) = bytes.split_first_chunk()?;
        let (length, behind) = match first {
            0..=0x7f => (usize::from(first), behind),
            // No certificate is longer than four digits say.
            0x81..=0x84 => {
                let (digits, behind) = behind.split_at_checked(usize::from(first & 0x7f))?;
                let length = digits.iter().fold(0, |length: u64, digit| (length << 8) | u64::from(*digit));
                (usize::try_from(length).ok()?, behind)
            }
            _ => return None,
        };
        let (content, rest) = behind.split_at_checked(length)?;
        let whole = bytes.get(..bytes.len().checked_sub(rest.len())?)?;
        Some((Self { tag, whole, content }, rest))
    }

    /// Its content, if it is one of that tag.
    fn content_of(&self, tag: u8) -> Option<&'a [u8]> {
        (self.tag == tag).then_some(self.content)
    }
}

fn put_claim(pairs: &mut Pairs, claim: &Claim) {
    pairs.text(1, claim.deployment.as_str());
    pairs.text(2, claim.statement.as_str());
    pairs.bytes(3, &claim.statement_digest);
    pairs.list(4, &claim.scope, |out, object| {
        cbor::put_bytes(out, &[&[object.kind().code()], object.id().as_slice()].concat());
    });
    pairs.uint(5, claim.signed_at.as_micros());
    pairs.uint(6, claim.valid_until.as_micros());
    pairs.list(7, &claim.evidence, |out, digest| cbor::put_bytes(out, digest));
    pairs.bytes(8, &claim.public_key);
}

fn put_supply(pairs: &mut Pairs, supply: &Supply) {
    pairs.text(1, supply.sort.as_str());
    for (number, words) in
        [(2, &supply.standard), (3, &supply.certificate), (4, &supply.level), (5, &supply.status)]
    {
        if let Some(words) = words {
            pairs.text(number, words.as_str());
        }
    }
    for (number, at) in [(6, supply.status_checked_at), (7, supply.support_ends_at)] {
        if let Some(at) = at {
            pairs.uint(number, at.as_micros());
        }
    }
    if let Some(responsible) = supply.responsible {
        pairs.bytes(8, responsible.as_bytes());
    }
}

fn take_attestation(fields: &mut Fields<'_, '_>) -> Result<Attestation, MapError> {
    let claim = Claim {
        deployment: fields.need(1, word)?,
        statement: fields.need(2, word)?,
        statement_digest: fields.need(3, fixed)?,
        scope: fields.list(4, Declared::MOST_ITEMS, object)?,
        signed_at: fields.need(5, instant)?,
        valid_until: fields.need(6, instant)?,
        evidence: fields.list(7, Declared::MOST_ITEMS, fixed)?,
        public_key: fields.need(8, bytes)?,
    };
    Ok(Attestation {
        claim,
        credential: CredentialId::from_bytes(fields.need(9, fixed)?),
        method: fields.need(10, word)?,
        signature: fields.need(11, bytes)?,
    })
}

fn take_build(fields: &mut Fields<'_, '_>) -> Result<Build, MapError> {
    Ok(Build {
        sort: fields.need(1, word)?,
        digest: fields.need(2, fixed)?,
        effective_from: fields.need(3, instant)?,
    })
}

fn take_document(fields: &mut Fields<'_, '_>) -> Result<Document, MapError> {
    Ok(Document {
        sort: fields.need(1, word)?,
        digest: fields.need(2, fixed)?,
        reviewed_at: fields.need(3, instant)?,
        next_review_at: fields.need(4, instant)?,
        covers: fields.list(5, Declared::MOST_ITEMS, word)?,
    })
}

fn take_parameter(fields: &mut Fields<'_, '_>) -> Result<Parameter, MapError> {
    Ok(Parameter {
        name: fields.need(1, word)?,
        value: fields.need(2, word)?,
        effective_from: fields.need(3, instant)?,
    })
}

fn take_policy_files(fields: &mut Fields<'_, '_>) -> Result<PolicyFiles, MapError> {
    Ok(PolicyFiles {
        digest: fields.need(1, fixed)?,
        differences: fields.need(2, |reader| Ok(reader.small()?))?,
        compared_at: fields.need(3, instant)?,
    })
}

fn take_supply(fields: &mut Fields<'_, '_>) -> Result<Supply, MapError> {
    Ok(Supply {
        sort: fields.need(1, word)?,
        standard: fields.find(2, word::<Plain>)?,
        certificate: fields.find(3, word::<Plain>)?,
        level: fields.find(4, word::<Plain>)?,
        status: fields.find(5, word::<Plain>)?,
        status_checked_at: fields.find(6, instant)?,
        support_ends_at: fields.find(7, instant)?,
        responsible: fields.find(8, fixed)?.map(PrincipalId::from_bytes),
    })
}

fn object(reader: &mut Reader<'_>) -> Result<Object, MapError> {
    let (kind, id) = reader.bytes()?.split_first().ok_or(MapError::Value)?;
    let kind = Kind::from_code(*kind).ok_or(MapError::Value)?;
    Object::from_id(kind, id).ok_or(MapError::Value)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use claviger_core::declaration::{BuildSort, DocumentSort, SigningMethod};
    use claviger_core::{AssetId, KeyId, KeyVersionId, Timestamp};
    use proptest::prelude::*;

    use super::*;

    /// `SubjectPublicKeyInfo` of an Ed25519 key up to its bytes (RFC 8410).
    const ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

    const fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn plain(text: &str) -> Plain {
        text.parse().unwrap()
    }

    fn supply() -> Supply {
        Supply {
            sort: plain("hsm"),
            standard: Some(plain("FIPS 140-3")),
            certificate: Some(plain("4711")),
            level: Some(plain("3")),
            status: None,
            status_checked_at: Some(at(7)),
            support_ends_at: None,
            responsible: Some(PrincipalId::from_bytes([5; 16])),
        }
    }

    fn attestation(key: &Ed25519KeyPair) -> Attestation {
        let version = KeyVersionId { key: KeyId::from_bytes([8; 16]), number: 2 };
        let claim = Claim {
            deployment: "shop".parse().unwrap(),
            statement: plain("ATT-POLICY"),
            statement_digest: [1; 32],
            scope: vec![Object::Asset(AssetId::from_bytes([9; 16])), Object::Version(version)],
            signed_at: at(10),
            valid_until: at(20),
            evidence: vec![[2; 32], [3; 32]],
            public_key: [ED25519, key.public_key().as_ref()].concat(),
        };
        let signed = key.sign(&signed_bytes(&claim));
        let signature = AsRef::<[u8]>::as_ref(&signed).to_vec();
        let credential = CredentialId::from_bytes([4; 16]);
        Attestation { claim, credential, method: SigningMethod::Ed25519, signature }
    }

    fn all() -> Vec<Declared> {
        let document = Document {
            sort: DocumentSort::Policy,
            digest: [6; 32],
            reviewed_at: at(1),
            next_review_at: at(2),
            covers: vec![plain("GOV-01"), plain("period_days")],
        };
        vec![
            Declared::Attestation(Box::new(attestation(&Ed25519KeyPair::generate().unwrap()))),
            Declared::Device(supply()),
            Declared::Document(document.clone()),
            Declared::Document(Document { covers: Vec::new(), ..document }),
            Declared::Module(supply()),
            Declared::Parameter(Parameter {
                name: plain("access_review_days"),
                value: plain("90"),
                effective_from: at(3),
            }),
            Declared::Supplier(Supply {
                standard: None,
                certificate: None,
                level: None,
                status_checked_at: None,
                responsible: None,
                ..supply()
            }),
            Declared::Build(Build { sort: BuildSort::Configuration, digest: [7; 32], effective_from: at(4) }),
            Declared::PolicyFiles(PolicyFiles { digest: [8; 32], differences: 0, compared_at: at(5) }),
        ]
    }

    #[test]
    fn each_value_has_one_encoding() {
        for declared in all() {
            let bytes = encode(&declared);
            assert_eq!(decode(&bytes), Ok(declared.clone()));
            assert!(decode(&[&bytes[..], &[0]].concat()).is_err(), "{declared:?}");
            for length in 0..bytes.len() {
                assert!(decode(&bytes[..length]).is_err(), "{declared:?}, {length}");
            }
        }
    }

    #[test]
    fn bodies_are_bounded_and_sound() {
        assert_eq!(decode(&[0; Declaration::MAX_BODY + 1]), Err(DeclarationError::TooLong));
        let parameter = |name: &str, more: &[u8]| {
            let mut pairs = Pairs::default();
            pairs.text(0, "parameter");
            pairs.text(1, name);
            pairs.text(2, "90");
            pairs.uint(3, 1);
            let mut bytes = pairs.finish();
            bytes[0] += u8::from(!more.is_empty());
            decode(&[&bytes[..], more].concat())
        };
        assert!(parameter("days", &[]).is_ok());
        assert_eq!(parameter("d\u{e4}ys", &[]), Err(DeclarationError::Map(MapError::Value)));
        assert_eq!(parameter("days", &[4, 0]), Err(DeclarationError::Map(MapError::Field(4))));
        let mut pairs = Pairs::default();
        pairs.text(0, "exception");
        assert_eq!(decode(&pairs.finish()), Err(DeclarationError::Map(MapError::Value)));
        // An empty list that is written, and one that is too long.
        let document = |covers: &[Plain], written: &[u8]| {
            let mut pairs = Pairs::default();
            pairs.text(0, "document");
            pairs.text(1, "plan");
            pairs.bytes(2, &[1; 32]);
            pairs.uint(3, 1);
            pairs.uint(4, 2);
            pairs.list(5, covers, |out, covered| cbor::put_text(out, covered.as_str()));
            let mut bytes = pairs.finish();
            bytes[0] += u8::from(!written.is_empty());
            decode(&[&bytes[..], written].concat())
        };
        assert!(document(&[plain("a")], &[]).is_ok());
        assert_eq!(document(&[], &[5, 0x80]), Err(DeclarationError::Map(MapError::Value)));
        let many: Vec<_> = (0..65).map(|_| plain("a")).collect();
        assert_eq!(document(&many, &[]), Err(DeclarationError::Map(MapError::Value)));
        // A digest of another length, and a number that is too large.
        let files = |digest: &[u8], differences: u64| {
            let mut pairs = Pairs::default();
            pairs.text(0, "policy_files");
            pairs.bytes(1, digest);
            pairs.uint(2, differences);
            pairs.uint(3, 1);
            decode(&pairs.finish())
        };
        assert!(files(&[1; 32], u64::from(u32::MAX)).is_ok());
        assert!(files(&[1; 31], 0).is_err() && files(&[1; 32], u64::from(u32::MAX) + 1).is_err());
    }

    #[test]
    fn nothing_that_was_signed_can_be_another_thing() {
        let key = Ed25519KeyPair::generate().unwrap();
        let signed = attestation(&key);
        assert!(is_signed(&signed));
        let edits: [fn(&mut Attestation); 10] = [
            |one| one.claim.deployment = "another".parse().unwrap(),
            |one| one.claim.statement = plain("ATT-OTHER"),
            |one| one.claim.statement_digest[0] ^= 1,
            |one| one.claim.scope.clear(),
            |one| one.claim.signed_at = at(11),
            |one| one.claim.valid_until = at(21),
            |one| one.claim.evidence.clear(),
            |one| one.claim.public_key = [ED25519, &[7; 32]].concat(),
            |one| one.method = SigningMethod::EcdsaP256Sha256,
            |one| one.signature[0] ^= 1,
        ];
        for edit in edits {
            let mut edited = signed.clone();
            edit(&mut edited);
            assert!(!is_signed(&edited), "{edited:?}");
        }
    }

    #[test]
    fn the_logs_of_a_deployment_name_it() {
        assert_eq!(
            (deployment_of("shop/audit/1"), deployment_of("shop/audit/root")),
            (Some("shop"), Some("shop"))
        );
        assert_eq!((deployment_of("shop"), deployment_of("")), (None, None));
    }

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, 0x82], &u16::try_from(content.len()).unwrap().to_be_bytes()[..], content].concat()
    }

    #[test]
    fn public_key_of_a_certificate_is_found_with_and_without_a_version() {
        let key = [ED25519, &[7; 32]].concat();
        for version in [der(VERSION, &[2, 1, 2]), Vec::new()] {
            let empty = der(SEQUENCE, &[]);
            let fields = [&version[..], &[2, 1, 5], &empty, &empty, &empty, &empty, &key, &empty].concat();
            let tbs = der(SEQUENCE, &fields);
            let certificate = der(SEQUENCE, &[&tbs[..], &empty, &[3, 1, 0]].concat());
            assert_eq!(public_key_of(&certificate), Some(key.as_slice()));
            assert_eq!(public_key_of(&[&certificate[..], &[0]].concat()), None);
            assert_eq!(public_key_of(&certificate[..certificate.len() - 1]), None);
        }
        assert_eq!(public_key_of(&[]), None);
    }

    proptest! {
        #[test]
        fn what_is_read_encodes_to_the_same_bytes(which in 0..9_usize, at in any::<usize>(), byte: u8, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut edited = encode(&all()[which]);
            let at = at % edited.len();
            edited[at] = byte;
            for bytes in [edited, bytes] {
                if let Ok(read) = decode(&bytes) {
                    prop_assert_eq!(encode(&read), bytes.clone());
                }
                let _ = public_key_of(&bytes);
            }
        }
    }
}
