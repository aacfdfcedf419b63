//! The commands, one module per noun.

mod access;
mod alert;
pub(crate) mod alias;
mod approval;
mod asset;
mod attest;
mod audit;
mod break_glass;
mod capacity;
mod clock;
mod compliance;
mod credential;
mod declaration;
mod demo;
mod enrol;
mod governance;
mod grant;
mod key;
mod leave;
mod material;
mod paging;
mod policy;
mod principal;
mod reason;
mod renew;
mod review;
mod rights;
mod ring;
mod role;
mod status;
pub(crate) mod usage;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::failure::Failure;
use crate::hints::Call;
use crate::session::Session;

/// Everything that the command line does as a client of a deployment.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// How the deployment is: root, log, checkpoints, what weakens it
    Status,
    /// The log's time, by which keys are destroyed
    #[command(subcommand)]
    Clock(ClockCommand),
    /// Key rings and their policy
    #[command(subcommand)]
    Ring(RingCommand),
    /// Keys and their lives
    #[command(subcommand)]
    Key(KeyCommand),
    /// Data assets: what keys protect
    #[command(subcommand)]
    Asset(AssetCommand),
    /// Declarations: parameters, documents, suppliers, devices, modules, signed statements
    #[command(subcommand)]
    Declaration(DeclarationCommand),
    /// Sign a statement of the catalogue, with the certificate of the profile
    Attest(AttestArgs),
    /// Encrypt a file or standard input
    Encrypt(EncryptArgs),
    /// Decrypt what `encrypt` made
    Decrypt(DecryptArgs),
    /// Bring a ciphertext under the newest version of its key, without showing the plaintext
    Reencrypt(ReencryptArgs),
    /// Make a data key, sealed and in clear
    Datakey(DatakeyArgs),
    /// Sign a message
    Sign(SignArgs),
    /// Verify a signature; exit code 4 if it is wrong
    Verify(VerifyArgs),
    /// Make a message authentication code
    Mac(MacArgs),
    /// Check a message authentication code; exit code 4 if it is wrong
    VerifyMac(VerifyMacArgs),
    /// Wrap key material of your own
    Wrap(WrapArgs),
    /// Unwrap what `wrap` made
    Unwrap(UnwrapArgs),
    /// Make a shared secret for the holder of a key (KEM)
    Encapsulate(EncapsulateArgs),
    /// Take a shared secret out of its capsule (KEM)
    Decapsulate(DecapsulateArgs),
    /// Agree on a shared secret with a peer (ECDH)
    Agree(AgreeArgs),
    /// Draw random bytes from the deployment's generator
    Random(RandomArgs),
    /// Read a public key
    PublicKey(PublicKeyArgs),
    /// Principals: people, workloads, systems
    #[command(subcommand)]
    Principal(PrincipalCommand),
    /// Roles of people
    #[command(subcommand)]
    Role(RoleCommand),
    /// Capacities of people: what they answer for, and so which statements are theirs to sign
    #[command(subcommand)]
    Capacity(CapacityCommand),
    /// Grants: which application may use which key, for what
    #[command(subcommand)]
    Grant(GrantCommand),
    /// All rights by name, and the confirmation of those that an older release kept
    #[command(subcommand)]
    Rights(RightsCommand),
    /// Who can reach what nobody should reach alone, and who can do what across all keys
    #[command(subcommand)]
    Access(AccessCommand),
    /// Credentials: what proves a principal
    #[command(subcommand)]
    Credential(CredentialCommand),
    /// Redeem a code for a certificate, with a key that is made here and that nobody else sees
    ///
    /// Whoever sets a deployment up, or a security officer, gives each person a code, which is good once. The key is made on this machine, the
    /// server issues a certificate for it, and a profile names both. No profile is needed for it.
    Enrol(EnrolArgs),
    /// Approvals: what one person asked for that others must approve
    #[command(subcommand)]
    Approval(ApprovalCommand),
    /// Emergency access: a person without a role uses named keys for some hours, and another one reviews it
    #[command(subcommand)]
    BreakGlass(BreakGlassCommand),
    /// Alerts: what the server found that somebody must look at
    #[command(subcommand)]
    Alert(AlertCommand),
    /// The rules of the deployment: how many must approve, and for how long rights last
    #[command(subcommand)]
    Governance(GovernanceCommand),
    /// Show what would change to make the deployment what files say: by name, with what of it others must approve
    ///
    /// The files are all `*.toml` of a directory: `[governance]`, `[[ring]]`, `[[principal]]`, `[[asset]]`, `[[key]]`, `[[grant]]`, `[[parameter]]`,
    /// by names alone. What they do not say is left as it is. What is there and in no file is told and stays; of a kind that no file mentions
    /// nothing is told. Nothing is changed.
    Plan(PlanArgs),
    /// Make the deployment what files say
    ///
    /// What you may do alone is done at once, in an order in which it can be. For the rest one plan is asked for, which others approve as a
    /// whole: the command ends with exit code 3 and the identifier of the approval, and given again it does the steps. Cut off, it goes on where
    /// it was. Nothing is ever taken away.
    Apply(ApplyArgs),
    /// Write out what there is
    #[command(subcommand)]
    Export(ExportCommand),
    /// Hold the deployment against files; exit code 4 if it differs
    Drift(DriftArgs),
    /// Reasons that people gave
    #[command(subcommand)]
    Reason(ReasonCommand),
    /// The audit log, and proofs of what it says
    #[command(subcommand)]
    Audit(AuditCommand),
    /// What regulations ask of keys: controls, the clauses that ask for them, and what holds by the log
    #[command(subcommand)]
    Compliance(ComplianceCommand),
    /// The main job on real files, start to finish, every step checked
    Demo(DemoArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Write manual pages
    Man(ManArgs),
}

pub(crate) use access::AccessCommand;
pub(crate) use alert::AlertCommand;
pub(crate) use approval::ApprovalCommand;
pub(crate) use asset::AssetCommand;
pub(crate) use attest::AttestArgs;
pub(crate) use audit::AuditCommand;
pub(crate) use break_glass::BreakGlassCommand;
pub(crate) use capacity::CapacityCommand;
pub(crate) use clock::ClockCommand;
pub(crate) use compliance::ComplianceCommand;
pub(crate) use credential::CredentialCommand;
pub(crate) use declaration::DeclarationCommand;
pub(crate) use demo::DemoArgs;
pub(crate) use enrol::EnrolArgs;
pub(crate) use governance::GovernanceCommand;
pub(crate) use grant::GrantCommand;
pub(crate) use key::KeyCommand;
pub(crate) use policy::{ApplyArgs, DriftArgs, ExportCommand, PlanArgs};
pub(crate) use principal::PrincipalCommand;
pub(crate) use reason::ReasonCommand;
pub(crate) use rights::RightsCommand;
pub(crate) use ring::RingCommand;
pub(crate) use role::RoleCommand;
pub(crate) use usage::{
    AgreeArgs, DatakeyArgs, DecapsulateArgs, DecryptArgs, EncapsulateArgs, EncryptArgs, MacArgs,
    PublicKeyArgs, RandomArgs, ReencryptArgs, SignArgs, UnwrapArgs, VerifyArgs, VerifyMacArgs, WrapArgs,
};

/// Which shell.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Where to.
#[derive(Debug, Clone, Args)]
pub struct ManArgs {
    /// Directory for the pages; it is made
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

impl Command {
    /// What it asks for, as far as hints differ by it.
    pub(crate) fn call(&self) -> Call {
        match self {
            Self::Demo(_) => Call::Demonstration,
            Self::Encrypt(_) => Call::Encrypt,
            Self::Mac(_) | Self::VerifyMac(_) => Call::Mac,
            Self::Sign(_) | Self::Verify(_) => Call::Sign,
            Self::Wrap(_) => Call::Wrap,
            Self::Agree(_)
            | Self::Datakey(_)
            | Self::Decapsulate(_)
            | Self::Decrypt(_)
            | Self::Encapsulate(_)
            | Self::PublicKey(_)
            | Self::Random(_)
            | Self::Reencrypt(_)
            | Self::Unwrap(_) => Call::Use,
            Self::Access(_)
            | Self::Alert(_)
            | Self::Apply(_)
            | Self::Approval(_)
            | Self::Asset(_)
            | Self::Attest(_)
            | Self::Audit(_)
            | Self::BreakGlass(_)
            | Self::Capacity(_)
            | Self::Clock(_)
            | Self::Completions(_)
            | Self::Compliance(_)
            | Self::Credential(_)
            | Self::Declaration(_)
            | Self::Drift(_)
            | Self::Enrol(_)
            | Self::Export(_)
            | Self::Governance(_)
            | Self::Grant(_)
            | Self::Key(_)
            | Self::Man(_)
            | Self::Plan(_)
            | Self::Principal(_)
            | Self::Reason(_)
            | Self::Rights(_)
            | Self::Ring(_)
            | Self::Role(_)
            | Self::Status => Call::Manage,
        }
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Status => status::run(session).await,
            Self::Clock(command) => command.run(session).await,
            Self::Ring(command) => command.run(session).await,
            Self::Key(command) => command.run(session).await,
            Self::Asset(command) => command.run(session).await,
            Self::Declaration(command) => command.run(session).await,
            Self::Attest(args) => args.run(session).await,
            Self::Encrypt(args) => args.run(session).await,
            Self::Decrypt(args) => args.run(session).await,
            Self::Reencrypt(args) => args.run(session).await,
            Self::Datakey(args) => args.run(session).await,
            Self::Sign(args) => args.run(session).await,
            Self::Verify(args) => args.run(session).await,
            Self::Mac(args) => args.run(session).await,
            Self::VerifyMac(args) => args.run(session).await,
            Self::Wrap(args) => args.run(session).await,
            Self::Unwrap(args) => args.run(session).await,
            Self::Encapsulate(args) => args.run(session).await,
            Self::Decapsulate(args) => args.run(session).await,
            Self::Agree(args) => args.run(session).await,
            Self::Random(args) => args.run(session).await,
            Self::PublicKey(args) => args.run(session).await,
            Self::Principal(command) => command.run(session).await,
            Self::Role(command) => command.run(session).await,
            Self::Capacity(command) => command.run(session).await,
            Self::Grant(command) => command.run(session).await,
            Self::Rights(command) => command.run(session).await,
            Self::Access(command) => command.run(session).await,
            Self::Credential(command) => command.run(session).await,
            Self::Enrol(args) => args.run(session).await,
            Self::Approval(command) => command.run(session).await,
            Self::BreakGlass(command) => command.run(session).await,
            Self::Alert(command) => command.run(session).await,
            Self::Governance(command) => command.run(session).await,
            Self::Plan(args) => args.run(session).await,
            Self::Apply(args) => args.run(session).await,
            Self::Export(command) => command.run(session).await,
            Self::Drift(args) => args.run(session).await,
            Self::Reason(command) => command.run(session).await,
            Self::Audit(command) => command.run(session).await,
            Self::Compliance(command) => command.run(session).await,
            Self::Demo(args) => args.run(session).await,
            Self::Completions(args) => crate::docs::completions(crate::part(), args.shell),
            Self::Man(args) => crate::docs::man(crate::part(), &args.out),
        }
    }
}
