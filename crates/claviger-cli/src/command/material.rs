//! Material that is imported: `claviger key import-parameters`, `import` and `remove-material`.

use std::path::PathBuf;

use clap::Args;
use claviger_client::Client;
use claviger_client::types::GiveReason;
use claviger_client::types::key::{
    AskImport, ImportMaterial, ImportParameters, ImportedMaterial, RemoveMaterial,
};
use claviger_core::Spec;
use claviger_crypto::random::ModuleRandom;
use claviger_crypto::{CryptoError, PublicKey, SecretBytes, WrappingAlgorithm};

use super::key::KeyAnswer;
use super::reason::MaybeWhyArgs;
use crate::clock;
use crate::failure::Failure;
use crate::file::placed::{ForceArgs, Placed, Privacy};
use crate::input::bytes::Source;
use crate::input::consent::Consent;
use crate::input::word::one_of;
use crate::input::{pem, when};
use crate::output::record;
use crate::session::Session;

/// The longest material, wrapped or not, in bytes; an RSA-4096 key in PKCS #8 has about 2400.
const MAX_MATERIAL: u64 = 16 * 1024;
/// The kinds of keys that material is wrapped for.
const TRANSPORT: [Spec; 3] = [Spec::Rsa2048, Spec::Rsa3072, Spec::Rsa4096];
/// The longest token, in bytes.
const MAX_TOKEN: u64 = 8 * 1024;

/// How material is wrapped.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct WrappingArgs {
    /// The wrapping algorithm
    #[arg(
        long,
        value_name = "ALGORITHM",
        default_value = "rsa-aes-key-wrap-sha256",
        value_parser = one_of::<WrappingAlgorithm>(WrappingAlgorithm::ALL.map(WrappingAlgorithm::name))
    )]
    wrapping: WrappingAlgorithm,
    /// For what kind of key
    #[arg(long, value_name = "SPEC", default_value = "rsa-4096", value_parser = one_of::<Spec>(TRANSPORT.map(Spec::name)))]
    wrapping_spec: Spec,
}

/// What is needed to wrap material elsewhere.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  claviger key import-parameters orders/pan --wrapping rsaes-oaep-sha256 --public-key wrap.pem --import-token import.token
  openssl pkeyutl -encrypt -pubin -inkey wrap.pem -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 \\
    -in material -out material.wrapped
  claviger key import orders/pan --wrapped material.wrapped --import-token import.token")]
pub struct ParametersArgs {
    /// Key, as RING/NAME or id
    key: String,
    #[command(flatten)]
    wrapping: WrappingArgs,
    /// File for the public key (PEM)
    #[arg(long, value_name = "FILE")]
    public_key: PathBuf,
    /// File for the token that goes with the material
    #[arg(long, value_name = "FILE")]
    import_token: PathBuf,
    #[command(flatten)]
    force: ForceArgs,
}

/// What to import.
#[derive(Debug, Args)]
#[command(
    group(clap::ArgGroup::new("what").required(true).args(["material", "wrapped"])),
    after_help = "Example:
  claviger key create orders/pan --imported
  claviger key import orders/pan --material aes.key --expires 365d"
)]
pub struct ImportArgs {
    /// Key, as RING/NAME or id
    key: String,
    /// The material, which is wrapped here and leaves this machine wrapped: the bytes of a symmetric key, PKCS #8 (PEM or DER) of a
    /// private one; `-` is standard input
    #[arg(long, value_name = "FILE")]
    material: Option<Source>,
    #[command(flatten)]
    wrapping: WrappingArgs,
    /// The material, wrapped elsewhere for the key of `key import-parameters`
    #[arg(long, value_name = "FILE", requires = "import_token", conflicts_with_all = ["wrapping", "wrapping_spec"])]
    wrapped: Option<Source>,
    /// The token that came with that key
    #[arg(long, value_name = "FILE", requires = "wrapped", conflicts_with = "material")]
    import_token: Option<Source>,
    /// When the material expires, as a span or an instant; never unless said otherwise
    #[arg(long, value_name = "WHEN", value_parser = when::parse)]
    expires: Option<when::When>,
    /// It is other material than the key had: it protects from the next `key rotate` on
    #[arg(long)]
    new_material: bool,
    /// Only if it is the material of this version
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    version: Option<u32>,
}

/// Whose material to remove.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: claviger key remove-material orders/pan --yes --reason 'kept in the safe until January'"
)]
pub struct RemoveArgs {
    /// Key, as RING/NAME or id
    key: String,
    /// Of this version; of the protecting one unless said otherwise
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    version: Option<u32>,
    #[command(flatten)]
    why: MaybeWhyArgs,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl WrappingArgs {
    fn to_request(self) -> AskImport {
        AskImport { wrapping: self.wrapping.into(), wrapping_spec: self.wrapping_spec.into() }
    }

    /// Wraps material for the key that was given.
    fn wrap(self, parameters: &ImportParameters, material: &SecretBytes) -> Result<Vec<u8>, Failure> {
        let given = PublicKey::from_spki(self.wrapping_spec, parameters.public_key.as_ref());
        let given =
            given.map_err(|error| Failure::failed(format!("the public key of the deployment: {error}")))?;
        self.wrapping.wrap(&given, material, &mut ModuleRandom).map_err(|error| match error {
            CryptoError::InputTooLarge => {
                Failure::usage(format!("the material is too long for {}", self.wrapping))
                    .advise("leave `--wrapping` out, or give `--wrapping rsa-aes-key-wrap-sha256`")
            }
            other => Failure::failed(format!("the material cannot be wrapped: {other}")),
        })
    }
}

impl ParametersArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        self.force.check([&self.public_key, &self.import_token])?;
        let existing = self.force.existing();
        let wish = self.wrapping.to_request();
        let parameters = session.client()?.read_import_parameters(&self.key, &wish).await?.value;
        let public_key = pem::encode(parameters.public_key.as_ref(), "PUBLIC KEY");
        Placed::write(&self.public_key, Privacy::Others, existing, public_key.as_bytes())?;
        Placed::write(&self.import_token, Privacy::Owner, existing, parameters.import_token.as_ref())?;
        session.format.print(&parameters, |parameters| {
            record(&[
                ("key", parameters.key.to_string()),
                ("wrapping", parameters.wrapping.to_string()),
                ("wrapping key", parameters.wrapping_spec.to_string()),
                ("public key", self.public_key.display().to_string()),
                ("import token", self.import_token.display().to_string()),
                ("taken until", parameters.expires_at.to_string()),
            ])
        })
    }
}

impl ImportArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let (import_token, wrapped_material) = self.wrapped(&client).await?;
        let request = ImportMaterial {
            import_token: import_token.into(),
            wrapped_material: wrapped_material.into(),
            expires_at: self.expires.map(|at| at.after(clock::now()).into()),
            new_material: self.new_material,
            version: self.version,
        };
        let imported = client.import_material(&self.key, &request).await;
        let imported = imported.map_err(|error| self.again(error.into()))?.value;
        session.format.print(&imported, shown)
    }

    /// What to do once an import was approved: no material is kept, and what is wrapped anew is another request.
    fn again(&self, failure: Failure) -> Failure {
        let Some(approval) = failure.pending_approval() else { return failure };
        let advice = if self.wrapped.is_some() {
            format!(
                "others look at it and approve it: `claviger approval approve {approval}`; then give this command again, before the token \
                 ends"
            )
        } else {
            format!(
                "material that is wrapped anew is another request: give this one up (`claviger approval cancel {approval}`), and import by `key \
                 import-parameters` and `--wrapped`, whose files can be sent again"
            )
        };
        failure.advise(advice)
    }

    /// Token and wrapped material: as they came, or made here.
    async fn wrapped(&self, client: &Client) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        if let (Some(wrapped), Some(token)) = (&self.wrapped, &self.import_token) {
            return Ok((token.read(MAX_TOKEN)?.to_vec(), wrapped.read(MAX_MATERIAL)?.to_vec()));
        }
        let source =
            self.material.as_ref().ok_or_else(|| Failure::usage("no material: give `--material`"))?;
        let read = source.open()?.read_to_end(MAX_MATERIAL)?;
        let material = SecretBytes::new(pem::der(&read, "PRIVATE KEY")?);
        drop(SecretBytes::new(read));
        if material.is_empty() {
            return Err(Failure::usage("the material is empty"));
        }
        let parameters = client.read_import_parameters(&self.key, &self.wrapping.to_request()).await?.value;
        let wrapped = self.wrapping.wrap(&parameters, &material)?;
        Ok((parameters.import_token.as_ref().to_vec(), wrapped))
    }
}

impl RemoveArgs {
    pub(super) async fn run(self, session: &Session) -> Result<KeyAnswer, Failure> {
        let what = match self.version {
            Some(number) => format!("version {number} of key `{}`", self.key),
            None => format!("key `{}`", self.key),
        };
        let question = format!(
            "{what} will open and seal nothing until the same material is imported again, and nobody here keeps a copy."
        );
        Consent::of(self.yes).require(&question, &self.key)?;
        let GiveReason { reason, reason_code } = self.why.into();
        let wish = RemoveMaterial { version: self.version, reason, reason_code };
        Ok(session.client()?.remove_material(&self.key, &wish).await?)
    }
}

fn shown(imported: &ImportedMaterial) -> String {
    let key = &imported.key;
    let waits = imported.version > key.primary;
    record(&[
        ("name", key.name.to_string()),
        ("id", key.id.to_string()),
        ("state", key.state.to_string()),
        ("version", imported.version.to_string()),
        ("protects", if waits { "after the next `claviger key rotate`" } else { "now" }.to_owned()),
    ])
}
