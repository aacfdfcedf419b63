//! The profile: where a deployment is, whom to trust there, and who one is.
//!
//! ```toml
//! control = "https://127.0.0.1:7400"
//! data = "https://127.0.0.1:7401"
//! ca = "../ca.pem"                # or `authority`, with the PEM text itself
//!
//! [credential]
//! certificate = "alice.pem"      # with `key`; or `token`, or `token_file`
//! key = "alice.key"
//! ```
//!
//! Paths are relative to the profile's folder. A file that holds a secret is read only when nobody but its owner may.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use claviger_core::declaration::SigningMethod;
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

use crate::types::SecretText;

/// Longest file that a profile refers to, and longest profile, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Where a deployment is, whom to trust there, and who one is: with all files read.
#[derive(Debug)]
pub struct Profile {
    /// Address of the control plane, if the profile has one.
    pub control: Option<String>,
    /// Address of the data plane, if the profile has one.
    pub data: Option<String>,
    /// The authorities that vouch for the servers: these and no others.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Who one is.
    pub credential: ProfileCredential,
}

/// Who one is.
#[derive(Debug)]
pub enum ProfileCredential {
    /// The holder of a certificate.
    Certificate {
        /// The certificate, then those that lead to its authority.
        chain: Vec<CertificateDer<'static>>,
        /// Its private key.
        key: PrivateKeyDer<'static>,
    },
    /// Nobody: for the calls that are open to everyone.
    None,
    /// The bearer of a token.
    Token(SecretText),
}

impl ProfileCredential {
    /// The certificate (DER), where it is one.
    #[must_use]
    pub fn certificate(&self) -> Option<&[u8]> {
        match self {
            Self::Certificate { chain, .. } => chain.first().map(|certificate| certificate.as_ref()),
            Self::None | Self::Token(_) => None,
        }
    }

    /// Signs a message by the key of the certificate. `None` where there is none, or its key cannot sign so.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Option<(SigningMethod, Vec<u8>)> {
        let Self::Certificate { key, .. } = self else { return None };
        let key = any_supported_type(key).ok()?;
        let signer = key.choose_scheme(&METHODS.map(|(scheme, _)| scheme))?;
        let (_, method) = METHODS.into_iter().find(|(scheme, _)| *scheme == signer.scheme())?;
        Some((method, signer.sign(message).ok()?))
    }

    /// Signs a message in one's own name: with all that it takes to check who signed it.
    ///
    /// # Errors
    /// [`CannotSign`], which says what the profile lacks.
    pub fn sign_as_holder(&self, message: &[u8]) -> Result<HolderSignature, CannotSign> {
        let certificate = self.certificate().ok_or(CannotSign::NoCertificate)?;
        let (method, signature) = self.sign(message).ok_or(CannotSign::Key)?;
        Ok(HolderSignature { certificate: certificate.to_vec(), method, signature })
    }
}

/// A signature by the key of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HolderSignature {
    /// The certificate (DER).
    pub certificate: Vec<u8>,
    /// How it is signed.
    pub method: SigningMethod,
    /// The signature.
    pub signature: Vec<u8>,
}

/// Why a profile signs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotSign {
    /// The key of its certificate does not sign.
    #[error(
        "the key of the profile's certificate signs nothing; keys on P-256 or P-384, Ed25519 and RSA keys do"
    )]
    Key,
    /// It has no certificate.
    #[error("people sign by the key of a certificate, and the profile has none")]
    NoCertificate,
}

/// How certificates' keys sign messages.
const METHODS: [(SignatureScheme, SigningMethod); 4] = [
    (SignatureScheme::ED25519, SigningMethod::Ed25519),
    (SignatureScheme::ECDSA_NISTP256_SHA256, SigningMethod::EcdsaP256Sha256),
    (SignatureScheme::ECDSA_NISTP384_SHA384, SigningMethod::EcdsaP384Sha384),
    (SignatureScheme::RSA_PSS_SHA256, SigningMethod::RsaPssSha256),
];

/// A profile as its file says it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileFile {
    /// Address of the control plane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// Address of the data plane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// File of authorities, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The authorities themselves, PEM, in the place of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// Who one is.
    #[serde(default, skip_serializing_if = "CredentialFile::is_empty")]
    pub credential: CredentialFile,
}

impl ProfileFile {
    /// Reads the profile at `path` as it is written, and nothing that it refers to.
    ///
    /// # Errors
    /// [`ProfileError`]; among others when it holds a token and can be read by others than its owner.
    pub fn read(path: &Path) -> Result<Self, ProfileError> {
        let text = read(path, Privacy::Open)?;
        let wrong = |reason: String| ProfileError::Format { path: path.to_owned(), reason };
        let text = std::str::from_utf8(text.as_slice()).map_err(|_| wrong("it is not UTF-8".into()))?;
        // The parser's own message quotes the line, which may hold a token.
        let file: Self = toml::from_str(text).map_err(|error| wrong(error.message().to_owned()))?;
        if file.credential.token.is_some() {
            read(path, Privacy::Owner)?;
        }
        Ok(file)
    }

    /// The profile as its file has it.
    ///
    /// # Errors
    /// [`ProfileError::Format`], which the profiles that there are never give.
    pub fn to_text(&self, path: &Path) -> Result<SecretText, ProfileError> {
        let text = toml::to_string_pretty(self);
        let wrong = |reason: String| ProfileError::Format { path: path.to_owned(), reason };
        text.map(SecretText::new).map_err(|error| wrong(error.to_string()))
    }
}

/// The credential of a profile as its file says it: `certificate` and `key`, or `token`, or `token_file`, or nothing.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialFile {
    /// File of the certificate and those that lead to its authority, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// File of its private key, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// The token itself; the profile is then a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretText>,
    /// File of the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
}

impl CredentialFile {
    const fn is_empty(&self) -> bool {
        self.certificate.is_none() && self.key.is_none() && self.token.is_none() && self.token_file.is_none()
    }
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Whom to trust is not said, or twice.
    #[error("`{}` must have `ca`, a file, or `authority`, the certificates themselves in PEM form", .0.display())]
    Authority(PathBuf),
    /// A file holds no certificate.
    #[error("`{}` holds no certificate in PEM form", .0.display())]
    Certificate(PathBuf),
    /// The credential is said in more than one way, or by halves.
    #[error("the credential of `{}` must be `certificate` and `key`, or `token`, or `token_file`", .0.display())]
    Credential(PathBuf),
    /// A file of a secret may be read or written by others.
    #[error("`{}` can be read by others than its owner; run `chmod 600 {}`", .0.display(), .0.display())]
    Exposed(PathBuf),
    /// The profile is not what a profile is.
    #[error("`{}` is not a profile: {reason}", path.display())]
    Format {
        /// The profile.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file holds no private key.
    #[error("`{}` holds no private key in PEM form", .0.display())]
    Key(PathBuf),
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// A file is longer than any such file is.
    #[error("`{}` is longer than 1 MiB", .0.display())]
    TooLong(PathBuf),
    /// A file holds no token.
    #[error("`{}` holds no token", .0.display())]
    Token(PathBuf),
    /// An address is not one that begins with `https://`.
    #[error("`{0}` is not an address that begins with `https://`")]
    Url(String),
}

impl Profile {
    /// Reads the profile at `path` and the files that it refers to.
    ///
    /// # Errors
    /// [`ProfileError`]; among others when a file of a secret can be read by others than its owner.
    pub fn load(path: &Path) -> Result<Self, ProfileError> {
        Self::from_file(ProfileFile::read(path)?, path)
    }

    /// The profile that a file at `path` would be, with the files that it refers to. Errors name that path.
    ///
    /// # Errors
    /// [`ProfileError`]; among others when a file of a secret can be read by others than its owner.
    pub fn from_file(file: ProfileFile, path: &Path) -> Result<Self, ProfileError> {
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        for url in file.control.iter().chain(&file.data) {
            parse_url(url)?;
        }
        let authorities = match (&file.ca, &file.authority) {
            (Some(file), None) => certificates(&folder.join(file))?,
            (None, Some(pem)) => certificates_of(pem.as_bytes(), path)?,
            _ => return Err(ProfileError::Authority(path.to_owned())),
        };
        let credential = match file.credential {
            CredentialFile {
                certificate: Some(certificate),
                key: Some(key),
                token: None,
                token_file: None,
            } => ProfileCredential::Certificate {
                chain: certificates(&folder.join(certificate))?,
                key: private_key(&folder.join(key))?,
            },
            CredentialFile { certificate: None, key: None, token: Some(token), token_file: None } => {
                ProfileCredential::Token(token)
            }
            CredentialFile { certificate: None, key: None, token: None, token_file: Some(file) } => {
                ProfileCredential::Token(token(&folder.join(file))?)
            }
            none if none.is_empty() => ProfileCredential::None,
            _ => return Err(ProfileError::Credential(path.to_owned())),
        };
        Ok(Self { control: file.control, data: file.data, authorities, credential })
    }
}

/// Checks that `text` is an address of a server and nothing more.
pub(crate) fn parse_url(text: &str) -> Result<String, ProfileError> {
    let wrong = || ProfileError::Url(text.to_owned());
    let uri: http::Uri = text.parse().map_err(|_| wrong())?;
    let bare = uri.path() == "/"
        && uri.query().is_none()
        && uri.authority().is_some_and(|a| !a.as_str().contains('@'));
    if uri.scheme_str() != Some("https") || !bare {
        return Err(wrong());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

enum Privacy {
    Open,
    Owner,
}

fn read(path: &Path, privacy: Privacy) -> Result<crate::types::secret_json::WipingBuffer, ProfileError> {
    let failed = |source| ProfileError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if matches!(privacy, Privacy::Owner) && open_to_others(&metadata) {
        return Err(ProfileError::Exposed(path.to_owned()));
    }
    let mut buffer = crate::types::secret_json::WipingBuffer::with_capacity(4096);
    let copied = std::io::copy(&mut file.by_ref().take(MAX_FILE + 1), &mut buffer).map_err(failed)?;
    if copied > MAX_FILE { Err(ProfileError::TooLong(path.to_owned())) } else { Ok(buffer) }
}

#[cfg(unix)]
fn open_to_others(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn open_to_others(_metadata: &std::fs::Metadata) -> bool {
    false
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ProfileError> {
    certificates_of(read(path, Privacy::Open)?.as_slice(), path)
}

/// The certificates of a text, of which errors say that it is in `path`.
fn certificates_of(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, ProfileError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(ProfileError::Certificate(path.to_owned())),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, ProfileError> {
    let pem = read(path, Privacy::Owner)?;
    PrivateKeyDer::from_pem_slice(pem.as_slice()).map_err(|_| ProfileError::Key(path.to_owned()))
}

fn token(path: &Path) -> Result<SecretText, ProfileError> {
    let bytes = read(path, Privacy::Owner)?;
    let wrong = || ProfileError::Token(path.to_owned());
    let text = std::str::from_utf8(bytes.as_slice()).map_err(|_| wrong())?.trim();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(wrong());
    }
    Ok(SecretText::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate =
                rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap().self_signed(&key).unwrap();
            folder.put("ca.pem", &certificate.pem(), 0o644);
            folder.put("alice.pem", &certificate.pem(), 0o644);
            folder.put("alice.key", &key.serialize_pem(), 0o600);
            folder.put("token", "clv_abc\n", 0o600);
            folder
        }

        fn put(&self, name: &str, text: &str, mode: u32) -> PathBuf {
            let path = self.0.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            path
        }

        fn load(&self, credential: &str) -> Result<Profile, ProfileError> {
            let text =
                format!("control = \"https://localhost:7400\"\nca = \"ca.pem\"\n[credential]\n{credential}");
            Profile::load(&self.put("profile.toml", &text, 0o644))
        }
    }

    #[test]
    fn paths_are_relative_to_the_profile() {
        let folder = Folder::new();
        let profile = folder.load("certificate = \"alice.pem\"\nkey = \"alice.key\"").unwrap();
        assert!(matches!(profile.credential, ProfileCredential::Certificate { .. }));
        assert_eq!(profile.authorities.len(), 1);
        let profile = folder.load("token_file = \"token\"").unwrap();
        assert!(matches!(profile.credential, ProfileCredential::Token(token) if token.reveal() == "clv_abc"));
        assert!(matches!(folder.load("").unwrap().credential, ProfileCredential::None));
    }

    #[test]
    fn the_key_of_a_certificate_signs_and_a_token_does_not() {
        let folder = Folder::new();
        let holder = folder.load("certificate = \"alice.pem\"\nkey = \"alice.key\"").unwrap().credential;
        assert!(holder.certificate().is_some_and(|der| der.first() == Some(&0x30)));
        let (method, signature) = holder.sign(b"a statement").unwrap();
        assert_eq!((method, signature.first()), (SigningMethod::EcdsaP256Sha256, Some(&0x30)));
        let signed = holder.sign_as_holder(b"a decision").unwrap();
        assert_eq!(Some(signed.certificate.as_slice()), holder.certificate());
        assert_eq!(signed.method, SigningMethod::EcdsaP256Sha256);
        let bearer = folder.load("token_file = \"token\"").unwrap().credential;
        assert!(bearer.certificate().is_none() && bearer.sign(b"a statement").is_none());
        assert_eq!(bearer.sign_as_holder(b"a decision"), Err(CannotSign::NoCertificate));
    }

    #[test]
    fn authorities_are_in_a_file_or_in_the_profile_and_not_in_both() {
        let folder = Folder::new();
        let pem = std::fs::read_to_string(folder.0.path().join("ca.pem")).unwrap();
        let load = |trust: &str| {
            let text = format!("control = \"https://localhost:7400\"\n{trust}");
            Profile::load(&folder.put("profile.toml", &text, 0o644))
        };
        let inside = format!("authority = \"\"\"\n{pem}\"\"\"\n");
        assert_eq!(load(&inside).unwrap().authorities, load("ca = \"ca.pem\"\n").unwrap().authorities);
        for trust in ["", &format!("ca = \"ca.pem\"\n{inside}")] {
            assert!(matches!(load(trust), Err(ProfileError::Authority(_))), "{trust}");
        }
        assert!(matches!(load("authority = \"none\"\n"), Err(ProfileError::Certificate(_))));
    }

    #[test]
    fn a_profile_that_is_written_again_says_the_same() {
        let folder = Folder::new();
        folder.load("certificate = \"alice.pem\"\nkey = \"alice.key\"").unwrap();
        let path = folder.0.path().join("profile.toml");
        let mut file = ProfileFile::read(&path).unwrap();
        file.credential.certificate = Some("next.pem".into());
        let text = file.to_text(&path).unwrap();
        std::fs::write(&path, text.reveal()).unwrap();
        let again = ProfileFile::read(&path).unwrap();
        assert_eq!(again.credential.certificate, Some("next.pem".into()));
        assert_eq!((again.credential.key, again.ca), (Some("alice.key".into()), Some("ca.pem".into())));
        assert_eq!(again.control.as_deref(), Some("https://localhost:7400"));
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused_with_the_remedy() {
        let folder = Folder::new();
        for mode in [0o640, 0o604, 0o620] {
            let key = std::fs::read_to_string(folder.0.path().join("alice.key")).unwrap();
            folder.put("alice.key", &key, mode);
            let refused = folder.load("certificate = \"alice.pem\"\nkey = \"alice.key\"").unwrap_err();
            assert!(matches!(refused, ProfileError::Exposed(_)));
            assert!(refused.to_string().contains("chmod 600"), "{refused}");
        }
        // A token in the profile makes the profile a secret.
        assert!(matches!(folder.load("token = \"clv_abc\""), Err(ProfileError::Exposed(_))));
    }

    #[test]
    fn half_a_credential_is_none() {
        let folder = Folder::new();
        for credential in ["certificate = \"alice.pem\"", "token_file = \"token\"\nkey = \"alice.key\""] {
            assert!(matches!(folder.load(credential), Err(ProfileError::Credential(_))), "{credential}");
        }
        assert!(matches!(folder.load("tokenfile = \"token\""), Err(ProfileError::Format { .. })));
    }

    #[test]
    fn messages_never_quote_a_token() {
        let folder = Folder::new();
        let refused = folder.load("token = \"clv_secret\" trailing").unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains("clv_secret"));
    }

    #[test]
    fn addresses_are_https_and_bare() {
        for good in ["https://localhost:7400", "https://kms.example/", "https://[::1]:7400"] {
            assert!(parse_url(good).is_ok(), "{good}");
        }
        for bad in ["http://localhost", "localhost:7400", "https://a/b", "https://a?b", "https://u:p@a", ""] {
            assert!(parse_url(bad).is_err(), "{bad}");
        }
    }
}
