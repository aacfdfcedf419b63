//! What the four calls bring: JSON, whose members are checked here. Unknown members are passed over, and so are operations of
//! AWS KMS that are not known here: the protocol wants it so.

use bytes::Bytes;
use claviger_crypto::envelope::Context;
use claviger_service::operation::usage::{MOST_XKS_AAD, XksParts};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::XksError;
use crate::wire::Blob;

/// Longest plaintext, and longest ciphertext.
const MOST_DATA: usize = 4300;
/// Most bytes of ours that AWS KMS keeps with a ciphertext.
const MOST_METADATA: usize = 20;
/// Longest name of an AWS resource, in bytes.
const MOST_ARN: usize = 2048;

/// What AWS KMS says of the call that it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestMetadata {
    /// The call's name in AWS CloudTrail, whatever its form.
    pub request_id: Box<str>,
    /// All the rest that was said, by its name in the protocol: what conditions of grants are held against.
    pub context: Context,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    aws_principal_arn: Option<String>,
    aws_source_vpc: Option<String>,
    aws_source_vpce: Option<String>,
    kms_key_arn: Option<String>,
    kms_operation: Option<String>,
    kms_request_id: Option<String>,
    kms_via_service: Option<String>,
}

/// How much must be said.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asking {
    Health,
    Metadata,
    Use,
}

impl Said {
    fn check(self, asking: Asking) -> Result<RequestMetadata, XksError> {
        let request_id = required("kmsRequestId", self.kms_request_id)?;
        let pairs = [
            ("kmsOperation", self.kms_operation, true),
            ("awsPrincipalArn", self.aws_principal_arn, asking >= Asking::Metadata),
            ("kmsKeyArn", self.kms_key_arn, asking >= Asking::Use),
            ("awsSourceVpc", self.aws_source_vpc, false),
            ("awsSourceVpce", self.aws_source_vpce, false),
            ("kmsViaService", self.kms_via_service, false),
        ];
        let mut said = Vec::with_capacity(pairs.len());
        for (name, value, needed) in pairs {
            let Some(value) = value else {
                if needed {
                    return Err(missing(name));
                }
                continue;
            };
            if value.len() > MOST_ARN {
                return Err(XksError::validation(&format!("{name} has at most {MOST_ARN} bytes")));
            }
            said.push((name, value));
        }
        let context = Context::from_pairs(said);
        let context = context.map_err(|_| XksError::validation("the request metadata is too long"))?;
        Ok(RequestMetadata { request_id: request_id.into(), context })
    }
}

fn missing(member: &str) -> XksError {
    XksError::validation(&format!("{member} is missing"))
}

fn required<T>(member: &str, value: Option<T>) -> Result<T, XksError> {
    value.ok_or_else(|| missing(member))
}

/// Reads the whole body.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, XksError> {
    serde_json::from_slice(body).map_err(|error| {
        // Where, not what: the text may be a secret.
        let place = format!("line {}, column {}", error.line(), error.column());
        XksError::validation(&format!("the request cannot be read at {place}"))
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bare {
    request_metadata: Option<Said>,
}

fn bare(body: &[u8], asking: Asking) -> Result<RequestMetadata, XksError> {
    let bare: Bare = parse(body)?;
    required("requestMetadata", bare.request_metadata)?.check(asking)
}

/// The body of `health`.
///
/// # Errors
/// `ValidationException`.
pub fn health(body: &[u8]) -> Result<RequestMetadata, XksError> {
    bare(body, Asking::Health)
}

/// The body of `metadata`.
///
/// # Errors
/// `ValidationException`.
pub fn metadata(body: &[u8]) -> Result<RequestMetadata, XksError> {
    bare(body, Asking::Metadata)
}

/// The body of `encrypt`.
#[derive(Debug)]
pub struct EncryptBody {
    /// What is said of the call.
    pub request: RequestMetadata,
    /// What is to be sealed, wiped when it is dropped: 1 to 4300 bytes.
    pub plaintext: Bytes,
    /// What is authenticated with it: up to 8192 bytes.
    pub aad: Vec<u8>,
    /// Is a digest of the answer wanted, and the proof that it opens?
    pub prove: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEncrypt {
    request_metadata: Option<Said>,
    plaintext: Option<Blob>,
    encryption_algorithm: Option<String>,
    additional_authenticated_data: Option<Blob>,
    ciphertext_data_integrity_value_algorithm: Option<String>,
}

/// The body of `encrypt`.
///
/// # Errors
/// `ValidationException`; `UnsupportedOperationException` for another algorithm, and for what is longer than must be taken.
pub fn encrypt(body: &[u8]) -> Result<EncryptBody, XksError> {
    let raw: RawEncrypt = parse(body)?;
    let request = required("requestMetadata", raw.request_metadata)?.check(Asking::Use)?;
    let plaintext = data("plaintext", raw.plaintext)?;
    algorithm(raw.encryption_algorithm)?;
    let aad = aad(raw.additional_authenticated_data)?;
    let prove = match raw.ciphertext_data_integrity_value_algorithm.as_deref() {
        None => false,
        Some("SHA_256") => true,
        Some(_) => return Err(XksError::unsupported("integrity values are made with SHA_256 alone")),
    };
    Ok(EncryptBody { request, plaintext: plaintext.into_bytes(), aad, prove })
}

/// The body of `decrypt`.
#[derive(Debug)]
pub struct DecryptBody {
    /// What is said of the call.
    pub request: RequestMetadata,
    /// What was sealed: a ciphertext of 1 to 4300 bytes, and all that goes with it.
    pub parts: XksParts,
    /// What was authenticated with it: up to 8192 bytes.
    pub aad: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDecrypt {
    request_metadata: Option<Said>,
    ciphertext: Option<Blob>,
    ciphertext_metadata: Option<Blob>,
    encryption_algorithm: Option<String>,
    additional_authenticated_data: Option<Blob>,
    initialization_vector: Option<Blob>,
    authentication_tag: Option<Blob>,
}

/// The body of `decrypt`.
///
/// # Errors
/// `ValidationException`; `UnsupportedOperationException` for another algorithm, and for what is longer than must be taken.
pub fn decrypt(body: &[u8]) -> Result<DecryptBody, XksError> {
    let raw: RawDecrypt = parse(body)?;
    let request = required("requestMetadata", raw.request_metadata)?.check(Asking::Use)?;
    let ciphertext = data("ciphertext", raw.ciphertext)?;
    algorithm(raw.encryption_algorithm)?;
    let aad = aad(raw.additional_authenticated_data)?;
    let iv = sized(
        "initializationVector",
        required("initializationVector", raw.initialization_vector)?,
        &[12, 16],
    )?;
    let tag = sized("authenticationTag", required("authenticationTag", raw.authentication_tag)?, &[16])?;
    let metadata = raw.ciphertext_metadata.unwrap_or_default();
    if metadata.len() > MOST_METADATA {
        let message = format!("ciphertextMetadata has at most {MOST_METADATA} bytes");
        return Err(XksError::validation(&message));
    }
    let metadata = metadata.as_slice().to_vec();
    Ok(DecryptBody {
        request,
        parts: XksParts { ciphertext: ciphertext.into_bytes(), iv, metadata, tag },
        aad,
    })
}

fn data(member: &str, value: Option<Blob>) -> Result<Blob, XksError> {
    let value = required(member, value)?;
    match value.len() {
        0 => Err(XksError::validation(&format!("{member} is empty"))),
        1..=MOST_DATA => Ok(value),
        _ => Err(XksError::unsupported(&format!("{member} has at most {MOST_DATA} bytes"))),
    }
}

fn algorithm(name: Option<String>) -> Result<(), XksError> {
    match required("encryptionAlgorithm", name)?.as_str() {
        "AES_GCM" => Ok(()),
        _ => Err(XksError::unsupported("data is sealed with AES_GCM alone")),
    }
}

fn aad(value: Option<Blob>) -> Result<Vec<u8>, XksError> {
    let value = value.unwrap_or_default();
    if value.len() > MOST_XKS_AAD {
        let message = format!("additionalAuthenticatedData has at most {MOST_XKS_AAD} bytes");
        return Err(XksError::unsupported(&message));
    }
    Ok(value.as_slice().to_vec())
}

fn sized(member: &str, value: Blob, lengths: &[usize]) -> Result<Vec<u8>, XksError> {
    if lengths.contains(&value.len()) {
        return Ok(value.as_slice().to_vec());
    }
    let lengths: Vec<_> = lengths.iter().map(ToString::to_string).collect();
    Err(XksError::validation(&format!("{member} has {} bytes", lengths.join(" or "))))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::error::XksErrorName as N;
    use super::*;
    use crate::wire::base64;

    fn request() -> Value {
        json!({
            "awsPrincipalArn": "arn:aws:iam::123456789012:user/Alice",
            "kmsKeyArn": "arn:aws:kms:us-east-2:123456789012:/key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "kmsOperation": "SomethingNew",
            "kmsRequestId": "whatever it is",
            "kmsViaService": "ebs",
            "later": { "than": "this" },
        })
    }

    fn encryption() -> Value {
        json!({ "requestMetadata": request(), "plaintext": base64(b"data"), "encryptionAlgorithm": "AES_GCM" })
    }

    fn decryption() -> Value {
        json!({
            "requestMetadata": request(),
            "ciphertext": base64(b"data"),
            "ciphertextMetadata": base64(&[1; 17]),
            "encryptionAlgorithm": "AES_GCM",
            "initializationVector": base64(&[2; 12]),
            "authenticationTag": base64(&[3; 16]),
        })
    }

    fn with(mut body: Value, member: &str, value: Value) -> Vec<u8> {
        body[member] = value;
        body.to_string().into_bytes()
    }

    fn refusal<T>(read: Result<T, XksError>) -> N {
        read.map(drop).unwrap_err().name()
    }

    #[test]
    fn what_is_said_of_a_call_becomes_its_context() {
        let body = encrypt(encryption().to_string().as_bytes()).unwrap();
        assert_eq!(&*body.request.request_id, "whatever it is");
        let said: Vec<_> = body.request.context.pairs().collect();
        assert_eq!(said.len(), 4);
        assert_eq!(body.request.context.find("kmsViaService"), Some("ebs"));
        assert_eq!(body.request.context.find("kmsOperation"), Some("SomethingNew"));
        assert_eq!((&*body.plaintext, body.aad.len(), body.prove), (&b"data"[..], 0, false));
    }

    #[test]
    fn each_call_wants_its_own_request_metadata() {
        let least = |members: &[&str]| {
            let all = request();
            let some: serde_json::Map<_, _> =
                members.iter().map(|name| ((*name).to_owned(), all[*name].clone())).collect();
            json!({ "requestMetadata": some }).to_string().into_bytes()
        };
        assert!(health(&least(&["kmsOperation", "kmsRequestId"])).is_ok());
        assert_eq!(refusal(metadata(&least(&["kmsOperation", "kmsRequestId"]))), N::Validation);
        assert!(metadata(&least(&["kmsOperation", "kmsRequestId", "awsPrincipalArn"])).is_ok());
        for body in
            [&b""[..], b"{}", b"[]", b"null", br#"{"requestMetadata":{}}"#, br#"{"requestMetadata":null}"#]
        {
            assert_eq!(refusal(health(body)), N::Validation);
            assert_eq!(refusal(metadata(body)), N::Validation);
            assert_eq!(refusal(encrypt(body)), N::Validation);
            assert_eq!(refusal(decrypt(body)), N::Validation);
        }
        let without_key = least(&["kmsOperation", "kmsRequestId", "awsPrincipalArn"]);
        let without_key: Value = serde_json::from_slice(&without_key).unwrap();
        let body = with(encryption(), "requestMetadata", without_key["requestMetadata"].clone());
        assert_eq!(refusal(encrypt(&body)), N::Validation);
    }

    #[test]
    fn bounds_of_encryption_are_kept() {
        let longest = base64(&[7; MOST_DATA]);
        assert!(encrypt(&with(encryption(), "plaintext", json!(longest))).is_ok());
        let aad = base64(&[7; MOST_XKS_AAD]);
        assert_eq!(
            encrypt(&with(encryption(), "additionalAuthenticatedData", json!(aad))).unwrap().aad.len(),
            8192
        );
        let proved = with(encryption(), "ciphertextDataIntegrityValueAlgorithm", json!("SHA_256"));
        assert!(encrypt(&proved).unwrap().prove);
        for (member, value, name) in [
            ("plaintext", Value::Null, N::Validation),
            ("plaintext", json!(""), N::Validation),
            ("plaintext", json!("no base64"), N::Validation),
            ("plaintext", json!(base64(&[7; MOST_DATA + 1])), N::UnsupportedOperation),
            ("encryptionAlgorithm", Value::Null, N::Validation),
            ("encryptionAlgorithm", json!("AES_CBC"), N::UnsupportedOperation),
            ("additionalAuthenticatedData", json!(base64(&[7; MOST_XKS_AAD + 1])), N::UnsupportedOperation),
            ("ciphertextDataIntegrityValueAlgorithm", json!("SHA_1"), N::UnsupportedOperation),
        ] {
            assert_eq!(
                refusal(encrypt(&with(encryption(), member, value.clone()))),
                name,
                "{member} {value}"
            );
        }
        let mut long = encryption();
        long["requestMetadata"]["awsPrincipalArn"] = json!("a".repeat(2049));
        assert_eq!(refusal(encrypt(long.to_string().as_bytes())), N::Validation);
    }

    #[test]
    fn bounds_of_decryption_are_kept() {
        assert_eq!(decrypt(decryption().to_string().as_bytes()).unwrap().parts.metadata, [1; 17]);
        assert!(
            decrypt(&with(decryption(), "ciphertextMetadata", Value::Null))
                .unwrap()
                .parts
                .metadata
                .is_empty()
        );
        assert!(decrypt(&with(decryption(), "initializationVector", json!(base64(&[2; 16])))).is_ok());
        for (member, value) in [
            ("ciphertext", Value::Null),
            ("initializationVector", Value::Null),
            ("initializationVector", json!(base64(&[2; 13]))),
            ("authenticationTag", Value::Null),
            ("authenticationTag", json!(base64(&[3; 15]))),
            ("ciphertextMetadata", json!(base64(&[1; 21]))),
            ("encryptionAlgorithm", Value::Null),
        ] {
            assert_eq!(
                refusal(decrypt(&with(decryption(), member, value.clone()))),
                N::Validation,
                "{member} {value}"
            );
        }
    }

    #[test]
    fn plaintext_is_never_repeated() {
        let error = encrypt(br#"{"plaintext":"c2VjcmV0!"}"#).map(drop).unwrap_err();
        assert!(!error.message().contains("c2V"), "{}", error.message());
    }
}
