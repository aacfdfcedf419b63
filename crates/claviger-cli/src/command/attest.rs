//! `claviger attest`: a person signs a statement of the catalogue, with the key of the profile's certificate.
//!
//! What it keeps true: what is signed was shown before; the private key stays where it is.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use claviger_audit::Receipt;
use claviger_audit::declaration::{deployment_of, public_key_of, signed_bytes};
use claviger_client::types::Instant;
use claviger_client::types::declaration::{Attest, ListDeclarations};
use claviger_client::types::text::Sha256;
use claviger_client::{Client, Profile};
use claviger_compliance::{Catalogue, Statement};
use claviger_core::Name;
use claviger_core::declaration::{Claim, Plain};
use claviger_core::object::Object;
use claviger_crypto::digest::sha256;

use super::declaration::{MAX_DOCUMENT, table};
use crate::clock;
use crate::failure::Failure;
use crate::input::bytes::Source;
use crate::input::consent::Consent;
use crate::input::when::{self, When};
use crate::session::Session;

/// What is stated.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: claviger --profile alice.toml attest ATT-POLICY --valid-until 180d --evidence policy.pdf"
)]
pub struct AttestArgs {
    /// The statement; `claviger compliance explain CONTROL` says which a control needs
    #[arg(value_parser = statements())]
    statement: String,
    /// An object that it is about, as in `asset:ID`; may be given many times. The whole deployment unless said otherwise
    #[arg(long = "scope", value_name = "OBJECT", value_parser = object)]
    scope: Vec<Object>,
    /// Until when it is good: RFC 3339, or so long from now [default: as long as such a statement is good]
    #[arg(long, value_name = "WHEN", value_parser = when::parse)]
    valid_until: Option<When>,
    /// A file that it rests on, of which nothing but its SHA-256 is sent; may be given many times
    #[arg(long = "evidence", value_name = "FILE")]
    evidence: Vec<Source>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// One of the statements that there are.
fn statements() -> impl TypedValueParser<Value = String> {
    let catalogue = Catalogue::load();
    let ids = catalogue.iter().flat_map(Catalogue::statements).map(|statement| statement.id.clone());
    PossibleValuesParser::new(ids.collect::<Vec<_>>())
}

/// An object as people write it: `kind:id`.
fn object(text: &str) -> Result<Object, String> {
    let expected = || "an object is written as its kind, a colon and its id, as in `asset:ID`".to_owned();
    text.replacen(':', " ", 1).parse().map_err(|_| expected())
}

impl AttestArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let catalogue = Catalogue::load().map_err(|error| Failure::failed(error.to_string()))?;
        let statement = catalogue
            .find_statement(&self.statement)
            .ok_or_else(|| Failure::usage(format!("no statement `{}`", self.statement)))?;
        let profile = Profile::load(session.profile_path()?)?;
        let certificate = profile.credential.certificate().ok_or_else(|| {
            Failure::usage("a statement is signed by a certificate, and the profile has none")
                .advise("name a profile with `certificate` and `key`: `claviger credential create --certificate` enters one")
        })?;
        let client = session.client()?;
        let claim = self.claim(statement, deployment(&client).await?, certificate)?;
        let question = shown(statement, &claim);
        Consent::of(self.yes).require(&question, &statement.id)?;
        let attest = signed(claim, &profile, certificate)?;
        let done = client.attest(&attest).await?;
        session.format.print(&done.value, table)
    }

    fn claim(&self, statement: &Statement, deployment: Name, certificate: &[u8]) -> Result<Claim, Failure> {
        let now = clock::now();
        let longest = now.after(statement.validity());
        let valid_until = self.valid_until.map_or(longest, |when| when.after(now));
        if valid_until > longest {
            let message = format!("{} is good for {} days at most", statement.id, statement.valid_days);
            return Err(
                Failure::usage(message).advise("leave `--valid-until` out, or give an earlier instant")
            );
        }
        let public_key = public_key_of(certificate)
            .ok_or_else(|| Failure::failed("the certificate of the profile does not read"))?;
        let digest = |file: &Source| -> Result<[u8; 32], Failure> { Ok(sha256(&file.read(MAX_DOCUMENT)?)) };
        let evidence = self.evidence.iter().map(digest).collect::<Result<_, _>>()?;
        let id: Result<Plain, _> = statement.id.parse();
        Ok(Claim {
            deployment,
            statement: id.map_err(|_| Failure::failed("the statement has a name that cannot be signed"))?,
            statement_digest: statement.digest(),
            scope: self.scope.clone(),
            signed_at: now,
            valid_until,
            evidence,
            public_key: public_key.to_vec(),
        })
    }
}

/// The deployment that the profile leads to, as the receipt of a call names it. Whoever has a role or a capacity may make that call.
async fn deployment(client: &Client) -> Result<Name, Failure> {
    let query = ListDeclarations { limit: Some(1), ..ListDeclarations::default() };
    let receipt = client.list_declarations(&query).await?.receipt;
    let receipt = receipt.and_then(|wire| Receipt::parse(&wire).ok());
    let name = receipt.as_ref().and_then(|receipt| deployment_of(&receipt.origin)?.parse().ok());
    name.ok_or_else(|| Failure::failed("the answer has no receipt that names the deployment"))
}

/// What is signed, as its signer reads it.
fn shown(statement: &Statement, claim: &Claim) -> String {
    let scope: Vec<_> = claim.scope.iter().map(ToString::to_string).collect();
    let scope = if scope.is_empty() { "all of it".to_owned() } else { scope.join(", ") };
    format!(
        "{}\ndeployment: {}\nabout: {scope}\nasked of: {}\ngood until: {}\nevidence: {} files\n\nYou sign this in your own name.",
        statement.shown(),
        claim.deployment,
        statement.signer,
        Instant(claim.valid_until),
        claim.evidence.len(),
    )
}

/// The claim with its signature.
fn signed(claim: Claim, profile: &Profile, certificate: &[u8]) -> Result<Attest, Failure> {
    let (method, signature) = profile.credential.sign(&signed_bytes(&claim)).ok_or_else(|| {
        Failure::failed("the key of the profile's certificate signs no statements")
            .advise("keys on P-256 or P-384, Ed25519 and RSA keys do")
    })?;
    Ok(Attest {
        statement: claim.statement.into(),
        statement_sha256: Sha256(claim.statement_digest).into(),
        scope: claim.scope.into_iter().map(Into::into).collect(),
        signed_at: claim.signed_at.into(),
        valid_until: claim.valid_until.into(),
        evidence: claim.evidence.into_iter().map(|digest| Sha256(digest).into()).collect(),
        certificate: certificate.to_vec().into(),
        method: method.into(),
        signature: signature.into(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use claviger_audit::declaration::is_signed;
    use claviger_core::declaration::Attestation;
    use claviger_core::{AssetId, CredentialId};
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: AttestArgs,
    }

    fn parse(words: &[&str]) -> Result<AttestArgs, clap::Error> {
        let line = ["attest"].iter().chain(words);
        <Line as clap::Parser>::try_parse_from(line).map(|line| line.args)
    }

    fn shop() -> Name {
        "shop".parse().unwrap()
    }

    /// A profile with a certificate of its own.
    fn profile(dir: &Path) -> Profile {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec!["localhost".into()]).unwrap().self_signed(&key).unwrap();
        std::fs::write(dir.join("alice.pem"), certificate.pem()).unwrap();
        std::fs::write(dir.join("alice.key"), key.serialize_pem()).unwrap();
        std::fs::set_permissions(dir.join("alice.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
        let text = "control = \"https://localhost:7400\"\nca = \"alice.pem\"\n[credential]\n\
                    certificate = \"alice.pem\"\nkey = \"alice.key\"\n";
        std::fs::write(dir.join("alice.toml"), text).unwrap();
        Profile::load(&dir.join("alice.toml")).unwrap()
    }

    #[test]
    fn what_is_signed_is_what_was_shown_and_holds_for_the_certificate() {
        let (dir, catalogue) = (tempfile::tempdir().unwrap(), Catalogue::load().unwrap());
        let profile = profile(dir.path());
        let certificate = profile.credential.certificate().unwrap();
        let evidence = dir.path().join("policy.pdf");
        std::fs::write(&evidence, "a policy").unwrap();
        let asset = AssetId::from_bytes([7; 16]);
        let args = parse(&[
            "ATT-POLICY",
            "--scope",
            &format!("asset:{asset}"),
            "--valid-until",
            "30d",
            "--evidence",
            evidence.to_str().unwrap(),
        ])
        .unwrap();
        let statement = catalogue.find_statement("ATT-POLICY").unwrap();
        let claim = args.claim(statement, shop(), certificate).unwrap();
        let question = shown(statement, &claim);
        for said in [statement.text.as_str(), "deployment: shop\n", &format!("asset {asset}")] {
            assert!(question.contains(said), "{question}");
        }
        assert_eq!(claim.scope, [Object::Asset(asset)]);
        assert_eq!(claim.evidence, [sha256(b"a policy")]);
        assert_eq!(claim.statement_digest, statement.digest());
        let attest = signed(claim.clone(), &profile, certificate).unwrap();
        let signature = attest.signature.as_ref().to_vec();
        let credential = CredentialId::from_bytes([1; 16]);
        assert!(is_signed(&Attestation { claim, credential, method: attest.method.0, signature }));
    }

    #[test]
    fn only_statements_of_the_catalogue_are_signed_and_for_no_longer_than_it_says() {
        let (dir, catalogue) = (tempfile::tempdir().unwrap(), Catalogue::load().unwrap());
        let profile = profile(dir.path());
        let certificate = profile.credential.certificate().unwrap();
        assert!(parse(&["ATT-NOTHING"]).is_err() && parse(&["ATT-POLICY", "--scope", "asset"]).is_err());
        let statement = catalogue.find_statement("ATT-POLICY").unwrap();
        assert!(parse(&["ATT-POLICY"]).unwrap().claim(statement, shop(), certificate).is_ok());
        let longer = parse(&["ATT-POLICY", "--valid-until", "366d"]).unwrap();
        let refused = longer.claim(statement, shop(), certificate).unwrap_err();
        assert!(refused.to_string().contains("365 days"), "{refused}");
    }
}
