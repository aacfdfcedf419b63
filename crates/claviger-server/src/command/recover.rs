//! `claviger recover`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use claviger_core::Name;

use super::output::Output;
use super::serve::on_runtime;
use crate::config::{Log, LogFormat};
use crate::error::ServerError;
use crate::hardening::Hardening;
use crate::recover::{RecoverOptions, Recovered, recover};
use crate::telemetry;

/// Options of `recover`.
#[derive(Debug, Args)]
#[command(
    after_help = "For a deployment whose security officers are all revoked, or whose credentials have all expired. It runs on the \
machine, with the server stopped and the secret of the root, of which it makes one attempt, and with the key of the authority \
(`ca.key`) beside its certificate. It makes one security officer, with a certificate and a profile under `profiles/`, and \
nothing else. The log has an entry of its own kind; `status`, `doctor`, a metric and each start show it until another person \
with a role acknowledges it. Interrupted, run it again.\n\nOne security officer alone gives no roles to people that it entered; \
where no other is left, recover two. What custodians must approve they must approve of recovered officers too, and a recovered \
officer approves nothing until another person has acknowledged it.\n\nExample: claviger recover --config /etc/claviger/claviger.toml --name officer-3"
)]
pub struct RecoverArgs {
    /// Configuration
    #[arg(long, value_name = "FILE", env = "CLAVIGER_CONFIG", default_value = "/etc/claviger/claviger.toml")]
    pub(super) config: PathBuf,
    /// Name of the new security officer, one that was never used
    #[arg(long, value_name = "NAME")]
    name: Name,
}

pub(super) fn run(args: RecoverArgs, output: Output) -> Result<ExitCode, ServerError> {
    telemetry::start(&Log { level: "error".to_owned(), format: LogFormat::Text });
    let _ = Hardening::apply();
    let options = RecoverOptions { config: args.config, name: args.name };
    let recovered = on_runtime(recover(&options))?;
    let reported = serde_json::json!({ "name": recovered.name.as_str(), "profile": recovered.profile });
    output.print(&reported, &next_steps(&recovered))?;
    Ok(ExitCode::SUCCESS)
}

fn next_steps(Recovered { name, profile }: &Recovered) -> String {
    format!(
        "\
`{name}` is a security officer now

next:
  1. hand the profile `{profile}` to its owner, and keep no copy
  2. move `ca.key` back to where it is offline
  3. serve again; another person with a role acknowledges it:  claviger principal acknowledge-recovery {name}
  4. let the new officer create people and credentials; a second officer gives them their roles, once custodians have approved it",
        profile = profile.display(),
    )
}
