//! `claviger enrol`: a person redeems a code, on a machine of their own.
//!
//! What it keeps true: the private key is made here, and leaves only for the file that its owner alone reads; the code comes from a file
//! or from standard input, and is never an argument; nothing that is there is overwritten; a code that is not redeemed leaves no files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use claviger_client::profile::{CredentialFile, ProfileFile};
use claviger_client::types::SecretText;
use claviger_client::types::credential::{Credential, Enrol, EnrolledCredential};
use claviger_client::{Client, Profile};
use claviger_core::Name;
use serde::Serialize;

use super::credential::{MAX_CERTIFICATE, table};
use super::renew::{CERTIFICATE, NewKey};
use crate::failure::Failure;
use crate::file::placed::{Existing, Placed, Privacy};
use crate::input::bytes::Source;
use crate::input::{pem, when};
use crate::output::note;
use crate::session::Session;

/// The longest file of a code, in bytes.
const MAX_CODE: u64 = 4096;
/// What codes begin with.
const PREFIX: &str = "cve_";
/// What files are called whose code came from standard input.
const NAME: &str = "claviger";

/// Where to enrol, and by which code.
#[derive(Debug, Args)]
pub struct EnrolArgs {
    /// Address of the deployment, where people call it
    #[arg(long, value_name = "URL")]
    url: String,
    /// The authority of its certificate (PEM), which came with the code
    #[arg(long, value_name = "FILE")]
    ca: Source,
    /// The code; `-` for standard input
    #[arg(long, value_name = "FILE")]
    code_file: Source,
    /// Folder for the key, the certificate and the profile; it is made, for you alone
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What the three files are called, without extension [default: as the file of the code]
    #[arg(long)]
    label: Option<Name>,
    /// How long the certificate is valid, at most 397d [default: 397d]
    #[arg(long, visible_alias = "ttl", value_name = "SPAN", value_parser = when::parse_span)]
    lifetime: Option<Duration>,
}

/// What is printed of an enrolment. The secret is in its file, and nowhere else.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    credential: &'a Credential,
    name: String,
    profile: &'a Path,
    certificate_file: &'a Path,
    key_file: &'a Path,
}

/// The files of one who enrols.
struct Files {
    key: PathBuf,
    certificate: PathBuf,
    profile: PathBuf,
}

impl Files {
    fn of(folder: &Path, stem: &str) -> Self {
        let file = |extension: &str| folder.join(format!("{stem}.{extension}"));
        Self { key: file("key"), certificate: file("crt"), profile: file("toml") }
    }

    /// The profile that names the other two. They lie beside it, and the authority goes along.
    fn as_profile(&self, url: &str, authority: &str) -> ProfileFile {
        let beside = |file: &Path| file.file_name().map(PathBuf::from);
        ProfileFile {
            control: Some(url.to_owned()),
            data: None,
            ca: None,
            authority: Some(authority.to_owned()),
            credential: CredentialFile {
                certificate: beside(&self.certificate),
                key: beside(&self.key),
                ..CredentialFile::default()
            },
        }
    }
}

impl EnrolArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        if (&self.ca, &self.code_file) == (&Source::Stdin, &Source::Stdin) {
            return Err(Failure::usage("standard input is one thing: the authority or the code"));
        }
        let authority = self.authority()?;
        let code = self.code()?;
        let client = self.client(&authority, code)?;
        make_private(&self.out)?;
        let files = Files::of(&self.out, &self.stem());
        // Before the code is spent: what could not be stored would be lost, and the code with it.
        let certificate = Placed::create(&files.certificate, Privacy::Others, Existing::Keep)?;
        let profile = Placed::create(&files.profile, Privacy::Owner, Existing::Keep)?;
        let made = NewKey::make(&self.stem())?;
        Placed::write(&files.key, Privacy::Owner, Existing::Keep, made.key.reveal().as_bytes())?;
        let enrol = Enrol {
            request: made.request.into(),
            lifetime_seconds: self.lifetime.map(|span| span.as_secs()),
        };
        let enrolled = match client.enrol(&enrol).await {
            Ok(answer) => answer.value,
            Err(error) => {
                // A key without a certificate is of no use, and in the way of another attempt.
                let _ = std::fs::remove_file(&files.key);
                return Err(in_words(error.into()));
            }
        };
        let text = pem::encode(enrolled.certificate.as_ref(), CERTIFICATE);
        let text_of_profile = files.as_profile(&self.url, &authority).to_text(&files.profile)?;
        store(certificate, text.as_bytes(), &enrolled)?;
        store(profile, text_of_profile.reveal().as_bytes(), &enrolled)?;
        report(session, &enrolled, &files)
    }

    fn authority(&self) -> Result<String, Failure> {
        let bytes = self.ca.read(MAX_CERTIFICATE)?;
        let text = std::str::from_utf8(&bytes).ok().filter(|text| text.contains("-----BEGIN CERTIFICATE"));
        text.map(str::to_owned).ok_or_else(|| {
            Failure::usage("the authority is no certificate in PEM")
                .advise("whoever gave you the code has it: `ca.crt` beside the codes")
        })
    }

    fn code(&self) -> Result<SecretText, Failure> {
        let bytes = self.code_file.read(MAX_CODE)?;
        let text = std::str::from_utf8(&bytes).ok().map(str::trim);
        match text.filter(|text| text.starts_with(PREFIX) && text.bytes().all(|b| b.is_ascii_graphic())) {
            Some(text) => Ok(SecretText::new(text.to_owned())),
            None => Err(Failure::usage("that is no code to enrol with, which begins with `cve_`").advise(
                "a security officer makes one: `claviger credential create NAME --enrolment-code --out FILE`",
            )),
        }
    }

    fn client(&self, authority: &str, code: SecretText) -> Result<Client, Failure> {
        let file = ProfileFile {
            control: Some(self.url.clone()),
            data: None,
            ca: None,
            authority: Some(authority.to_owned()),
            credential: CredentialFile { token: Some(code), ..CredentialFile::default() },
        };
        let named = match &self.ca {
            Source::File(file) => file.clone(),
            Source::Stdin => PathBuf::from("-"),
        };
        Ok(Client::new(&Profile::from_file(file, &named)?)?)
    }

    fn stem(&self) -> String {
        let of_file = match &self.code_file {
            Source::File(file) => file.file_stem().map(|stem| stem.to_string_lossy().into_owned()),
            Source::Stdin => None,
        };
        self.label.as_ref().map(Name::to_string).or(of_file).unwrap_or_else(|| NAME.to_owned())
    }
}

/// Says who somebody is now, and what is to be compared and signed.
fn report(session: &Session, enrolled: &EnrolledCredential, files: &Files) -> Result<(), Failure> {
    let (name, credential) = (enrolled.name.to_string(), &enrolled.credential);
    let report = Report {
        credential,
        name: name.clone(),
        profile: &files.profile,
        certificate_file: &files.certificate,
        key_file: &files.key,
    };
    session.format.print(&report, |report| table(report.credential))?;
    let (profile, digest, id) = (files.profile.display(), &credential.digest, &credential.id);
    note(&format!("you are `{name}`: `--profile {profile}`; the code is spent, and its file can go"));
    note(&format!(
        "the certificate's SHA-256 is {digest}: whoever gave you the code sees the same, by `claviger credential list --principal {name}`"
    ));
    note(&format!(
        "who holds a role signs that the key is theirs alone: claviger --profile {profile} attest ATT-ENROLMENT --scope credential:{id}"
    ));
    Ok(())
}

/// A folder that nobody else opens, unless it is there.
fn make_private(folder: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| Failure::file(folder, &error))
}

/// Puts a file in its place, once the code is spent.
fn store(mut file: Placed, bytes: &[u8], enrolled: &EnrolledCredential) -> Result<(), Failure> {
    use std::io::Write as _;
    let path = file.target().to_owned();
    let written = file.write_all(bytes).map_err(|error| Failure::file(&path, &error));
    written.and_then(|()| file.commit()).map_err(|failure| {
        failure.advise(format!(
            "the code is spent, and what it gave could not be stored: have {} revoked, and another code made",
            enrolled.credential.id
        ))
    })
}

fn in_words(failure: Failure) -> Failure {
    let advice = match failure.code() {
        "unauthenticated" => {
            "the code is spent, has expired or was revoked, or is of another deployment: ask whoever gave it to you. If you did not redeem it, \
             somebody else did: have a security officer look at once"
        }
        "unsupported" => {
            "the operator puts `ca.key` back beside `ca.crt` while people enrol; the code is still good"
        }
        _ => return failure,
    };
    failure.advise(advice)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: EnrolArgs,
    }

    fn args(words: &[&str]) -> EnrolArgs {
        let line = ["enrol", "--url", "https://localhost:7400"].iter().chain(words);
        <Line as clap::Parser>::try_parse_from(line).map(|line| line.args).unwrap()
    }

    #[test]
    fn files_are_called_as_the_code_unless_they_are_called_otherwise() {
        let of = |words: &[&str]| args(&[["--ca", "ca.crt", "--out", "d"].as_slice(), words].concat()).stem();
        assert_eq!(of(&["--code-file", "codes/ada.code"]), "ada");
        assert_eq!(of(&["--code-file", "-"]), "claviger");
        assert_eq!(of(&["--code-file", "codes/ada.code", "--label", "laptop"]), "laptop");
    }

    #[test]
    fn the_profile_names_what_lies_beside_it_and_holds_the_authority() {
        let files = Files::of(Path::new("d"), "ada");
        let profile = files.as_profile("https://localhost:7400", "the authority");
        assert_eq!(profile.credential.certificate, Some("ada.crt".into()));
        assert_eq!(profile.credential.key, Some("ada.key".into()));
        assert!(profile.credential.token.is_none() && profile.ca.is_none());
        assert_eq!(profile.authority.as_deref(), Some("the authority"));
    }

    #[test]
    fn what_is_no_code_and_no_authority_is_refused_and_not_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (ca, token) = (file("ca.crt", "nothing"), file("token", "cvg_secret\n"));
        let asked = args(&["--ca", &ca, "--code-file", &token, "--out", "d"]);
        assert!(asked.authority().is_err());
        let refused = asked.code().unwrap_err().to_string();
        assert!(refused.contains("enrolment-code") && !refused.contains("cvg_secret"), "{refused}");
        let code = file("code", " cve_abc\n");
        let asked = args(&["--ca", &ca, "--code-file", &code, "--out", "d"]);
        assert_eq!(asked.code().unwrap().reveal(), "cve_abc");
    }

    #[tokio::test]
    async fn a_code_that_is_not_redeemed_leaves_nothing_and_what_is_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let key = rcgen::KeyPair::generate().unwrap();
        let authority = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
        std::fs::write(path("ca.crt"), authority.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(path("ada.code"), "cve_abc\n").unwrap();
        let session =
            || Session::new(crate::globals::Globals { profile: None, output: crate::output::Format::Json });
        let (ca, code) = (path("ca.crt").display().to_string(), path("ada.code").display().to_string());
        let asked = |out: &str| {
            let files = ["--ca", ca.as_str(), "--code-file", code.as_str(), "--out", out];
            let line = ["enrol", "--url", "https://127.0.0.1:1"].iter().chain(&files);
            <Line as clap::Parser>::try_parse_from(line).map(|line| line.args).unwrap()
        };
        let out = path("out").display().to_string();
        // Nobody listens there.
        assert!(asked(&out).run(&session()).await.is_err());
        assert_eq!(std::fs::read_dir(path("out")).unwrap().count(), 0);
        assert_eq!(std::fs::metadata(path("out")).unwrap().permissions().mode() & 0o777, 0o700);
        for taken in ["ada.key", "ada.crt", "ada.toml"] {
            std::fs::write(path("out").join(taken), "mine").unwrap();
            let refused = asked(&out).run(&session()).await.unwrap_err();
            assert!(refused.to_string().contains(taken), "{refused}");
            assert_eq!(std::fs::read_to_string(path("out").join(taken)).unwrap(), "mine");
            std::fs::remove_file(path("out").join(taken)).unwrap();
        }
    }
}
