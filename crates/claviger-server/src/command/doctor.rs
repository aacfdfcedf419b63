//! `claviger doctor`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::output::Output;
use super::pin::PinArgs;
use super::serve::on_runtime;
use crate::doctor::{Finding, Level, PIN, examine};
use crate::error::ServerError;

/// Options of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Configuration
    #[arg(long, value_name = "FILE", env = "CLAVIGER_CONFIG", default_value = "/etc/claviger/claviger.toml")]
    pub(super) config: PathBuf,
    #[command(flatten)]
    pin: PinArgs,
}

/// Exit code 1 if anything is wrong, 5 if it is the PIN; warnings alone are 0.
pub(super) fn run(args: &DoctorArgs, output: Output) -> Result<ExitCode, ServerError> {
    let findings = on_runtime(async { Ok(examine(&args.config, args.pin.few_attempts()).await) })?;
    output.print(&findings, &table(&findings))?;
    Ok(exit_code(&findings))
}

fn exit_code(findings: &[Finding]) -> ExitCode {
    let mut wrong = findings.iter().filter(|finding| finding.level == Level::Wrong).peekable();
    match (wrong.peek().is_some(), wrong.any(|finding| finding.check == PIN)) {
        (_, true) => ExitCode::from(ServerError::PIN_EXIT_CODE),
        (true, false) => ExitCode::FAILURE,
        (false, false) => ExitCode::SUCCESS,
    }
}

fn table(findings: &[Finding]) -> String {
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn line(finding: &Finding) -> String {
    let mark = match finding.level {
        Level::Ok => "ok     ",
        Level::Warning => "warning",
        Level::Wrong => "WRONG  ",
    };
    let said = format!("{mark}  {:<12} {}", finding.check, finding.message);
    match &finding.advice {
        Some(advice) => format!("{said}\n         {:<12} do: {advice}", ""),
        None => said,
    }
}
