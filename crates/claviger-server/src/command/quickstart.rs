//! `claviger quickstart`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::output::{Output, note};
use super::root::RootArgs;
use super::serve::{Signals, on_runtime, until_signalled};
use crate::config::{Config, Log, LogFormat};
use crate::error::ServerError;
use crate::hardening::Hardening;
use crate::quickstart::{Approvals, QuickstartOptions, Ready, quickstart};
use crate::telemetry;

/// Options of `quickstart`.
#[derive(Debug, Args)]
#[command(
    after_help = "Makes everybody whom a deployment needs, with all their keys in one folder: for trying things (`claviger init` makes \
nobody's key, and gives codes by which people enrol). Of its three custodians \
two must approve what nobody does alone, with `--evaluation` too: what that is for happens in the ring `evaluation`, where nobody \
else is asked, and all other rings and roles are as they always are."
)]
pub struct QuickstartArgs {
    /// Folder of the deployment; made if it is not there
    #[arg(long, value_name = "DIR", default_value = "./claviger-data")]
    dir: PathBuf,
    #[command(flatten)]
    root: RootArgs,
    /// Make a ring `evaluation` too, with an access key that may do everything in it, for AWS clients
    #[arg(long)]
    evaluation: bool,
    /// Write URLs, CA and profiles to this file, as JSON, once serving
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Address of the control plane; data is one port above, AWS KMS two, metrics nine; port 0 takes any that are free
    #[arg(long, value_name = "ADDR", value_parser = address)]
    listen: Option<SocketAddr>,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "an IP address with a port is expected, like 127.0.0.1:7400".to_owned())
}

impl QuickstartArgs {
    pub(super) fn config(&self) -> PathBuf {
        self.dir.join("claviger.toml")
    }
}

pub(super) fn run(args: QuickstartArgs, output: Output) -> Result<ExitCode, ServerError> {
    let config = args.config();
    let log = if config.exists() {
        Config::load(&config)?.log
    } else {
        Log { level: "info".to_owned(), format: LogFormat::Text }
    };
    telemetry::start(&log);
    let hardening = Hardening::apply();
    let options = QuickstartOptions {
        root: args.root.resolve()?,
        dir: args.dir,
        listen: args.listen,
        evaluation: args.evaluation,
        ready_file: args.ready_file,
    };
    on_runtime(async move {
        let signals = Signals::listen()?;
        let (running, ready) = quickstart(&options, Some(hardening)).await?;
        if ready.root == "insecure_software_root" {
            note(SOFTWARE_ROOT);
        }
        output.print(&ready, &next_steps(&ready))?;
        until_signalled(running, signals).await
    })?;
    Ok(ExitCode::SUCCESS)
}

const SOFTWARE_ROOT: &str = "warning: the root key is kept by software (insecure_software_root): good for trying things, \
not for data that matters. Whoever reads this folder has every key. A token is taken with \
`--root pkcs11 --library FILE --token LABEL --pin-file FILE` in a new folder.";

fn evaluation(ready: &Ready) -> String {
    ready.clients.get("aws").map_or_else(String::new, |path| {
        format!(
            "
Or with the tools of AWS, in the ring `evaluation`, whose access key may do everything in it:
  . {}
  aws kms create-key --description 'first steps'
",
            path.display()
        )
    })
}

/// Who must agree to what nobody does alone.
fn approvals(ready: &Ready) -> String {
    match ready.approvals {
        None => "the rows that say who approves do not read: `claviger doctor` says more".to_owned(),
        Some(Approvals { quorum: 0, .. }) => {
            "of nobody: one person alone gives roles, makes credentials for those who hold one, and changes rules".to_owned()
        }
        Some(Approvals { quorum, custodians }) => format!(
            "of {quorum} of {custodians} custodians; all profiles are in one folder here, and whoever reads it is everybody"
        ),
    }
}

fn next_steps(ready: &Ready) -> String {
    let [control, data, aws, metrics] = ready.urls.clone().into_array();
    let profile =
        |name: &str| ready.profiles.get(name).map_or_else(String::new, |path| path.display().to_string());
    format!(
        "\
Claviger serves.
  control plane  {control}
  data plane     {data}
  AWS KMS        {aws}
  metrics        {metrics}/metrics
  root           {root}
  approvals      {approvals}

Next, in another terminal:
  export CLAVIGER_PROFILE={administrator}
  claviger ring create orders
  claviger key create orders/main
  claviger --profile {security_officer} \\
    grant create app --key orders/main --operations encrypt,decrypt --reason 'first steps'
  echo hello | claviger --profile {app} encrypt --key orders/main > hello.sealed
  claviger --profile {app} decrypt < hello.sealed

What cannot be undone takes others: the first call asks, custodians approve, and the same call again does it.
  claviger key destroy orders/main --reason 'first steps'
  claviger --profile {custodian} approval list
{evaluation}
Ctrl-C stops it. The same command starts it again with the same data.",
        root = ready.root,
        administrator = profile("administrator"),
        security_officer = profile("security_officer"),
        app = profile("app"),
        custodian = profile("custodian-1"),
        approvals = approvals(ready),
        evaluation = evaluation(ready),
    )
}
