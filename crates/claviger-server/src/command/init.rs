//! `claviger init`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::TypedValueParser;
use claviger_core::Name;
use claviger_core::governance::Governance;
use claviger_core::port::Clock as _;

use super::output::Output;
use super::pin::PinArgs;
use super::root::RootArgs;
use super::serve::on_runtime;
use crate::clock::SystemClock;
use crate::config::{Log, LogFormat};
use crate::error::ServerError;
use crate::hardening::Hardening;
use crate::init::{InitOptions, SetUp, init, renew, sign};
use crate::telemetry;

/// Options of `init`.
#[derive(Debug, Args)]
#[command(
    after_help = "Makes the data directory, the certificates that are missing, the root, and the first principals with a \
certificate and a profile each, beside the configuration under `profiles/`. Hand these over, and keep no copy. Interrupted, \
run it again: it goes on where it was."
)]
pub struct InitArgs {
    /// Configuration; written first if it is not there
    #[arg(long, value_name = "FILE", env = "CLAVIGER_CONFIG", default_value = "/etc/claviger/claviger.toml")]
    pub(super) config: PathBuf,
    #[command(flatten)]
    root: RootArgs,
    #[command(flatten)]
    pin: PinArgs,
    /// One more name or address that the server is reached by; may be given many times
    #[arg(long = "san", value_name = "NAME")]
    names: Vec<String>,
    /// Name of the deployment, the origin of its logs; a random one unless said otherwise
    #[arg(long, value_name = "NAME")]
    deployment: Option<Name>,
    /// How many custodians must approve what concerns the whole deployment: roles, credentials of those who hold one, rules
    ///
    /// `init` makes three custodians. With 0, one person alone can do all of that, and `doctor` and every evaluation say so.
    #[arg(long, value_name = "N", default_value_t = Governance::QUORUM, value_parser = quorums())]
    quorum: u8,
    /// Only make a new certificate for the server, from the deployment's authority
    #[arg(long)]
    renew: bool,
    /// Only sign a certificate request (PKCS #10, PEM or DER) of a person or an application, by the deployment's authority
    #[arg(long, value_name = "REQUEST", requires = "principal", conflicts_with_all = ["renew", "names"])]
    sign: Option<PathBuf>,
    /// With `--sign`: for whom, by the name of the principal
    #[arg(long = "for", value_name = "NAME", requires = "sign")]
    principal: Option<Name>,
    /// With `--sign`: file for the certificate [default: the request's name, with `.crt`]
    #[arg(long, value_name = "FILE", requires = "sign")]
    out: Option<PathBuf>,
}

/// No more can be asked to approve than there are custodians.
fn quorums() -> impl TypedValueParser<Value = u8> {
    clap::value_parser!(u8).range(0..=i64::from(SetUp::CUSTODIANS))
}

pub(super) fn run(args: InitArgs, output: Output) -> Result<ExitCode, ServerError> {
    telemetry::start(&Log { level: "warn".to_owned(), format: LogFormat::Text });
    let _ = Hardening::apply();
    if args.renew {
        let path = renew(&args.config, &args.names)?;
        let reported = serde_json::json!({ "certificate": path });
        let text = format!(
            "new certificate in `{}`; `systemctl reload claviger`, or SIGHUP, puts it to use",
            path.display()
        );
        output.print(&reported, &text)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let (Some(request), Some(principal)) = (&args.sign, &args.principal) {
        let out = args.out.clone().unwrap_or_else(|| request.with_extension("crt"));
        let expires_at = sign(&args.config, request, principal, &out)?;
        let reported = serde_json::json!({ "certificate": out });
        let days = expires_at.since(SystemClock.now()).as_secs() / 86_400;
        let text = format!(
            "certificate of `{principal}` for {days} days in `{out}`\n  \
             next: a security officer enters it by `claviger credential create {principal} --certificate {out}`; where it renews a \
             credential, its holder puts it to use by `claviger credential renew --certificate {out} --key KEY`",
            out = out.display()
        );
        output.print(&reported, &text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let root = args.root.resolve()?;
    let options = InitOptions {
        config: args.config,
        root,
        few_attempts: args.pin.few_attempts(),
        names: args.names,
        deployment: args.deployment,
        quorum: args.quorum,
    };
    let set_up = on_runtime(init(&options))?;
    let profiles: serde_json::Map<_, _> = set_up
        .profiles
        .iter()
        .map(|(name, path)| ((*name).to_owned(), path.display().to_string().into()))
        .collect();
    let reported = serde_json::json!({
        "config": set_up.config, "root": set_up.root, "quorum": set_up.quorum, "profiles": profiles,
    });
    output.print(&reported, &next_steps(&set_up))?;
    Ok(ExitCode::SUCCESS)
}

fn next_steps(set_up: &SetUp) -> String {
    let folder =
        set_up.profiles.first().and_then(|(_, path)| path.parent()).unwrap_or(std::path::Path::new("."));
    format!(
        "\
the deployment is set up; its root is in: {root}
{approvals}

next:
  1. hand each of the profiles in `{folder}` to its owner, and keep no copy:
     {names}
  2. move `ca.key` to a place that is offline; it is needed only for new certificates
  3. check:  claviger doctor --config {config}
  4. serve:  claviger serve --config {config}",
        root = set_up.root,
        approvals = approvals(set_up.quorum),
        folder = folder.display(),
        names = set_up.profiles.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
        config = set_up.config.display(),
    )
}

/// What of the deployment one person cannot do alone.
fn approvals(quorum: u8) -> String {
    let custodians = SetUp::CUSTODIANS;
    match quorum {
        0 => "warning: no approval is asked for: one person alone gives roles, makes credentials for those who hold one, and changes rules; \
              `claviger governance set --quorum 2` changes that"
            .to_owned(),
        _ if quorum == custodians => format!(
            "{quorum} of {custodians} custodians must approve roles, credentials of those who hold one, and rules; warning: that is all of \
             them, so that the absence of one stops it"
        ),
        _ => format!(
            "{quorum} of {custodians} custodians must approve roles, credentials of those who hold one, and rules: `claviger approval list`"
        ),
    }
}
