//! What holds for every command.

use std::path::PathBuf;

use clap::Args;

use crate::output::Format;

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Globals {
    /// Profile to use: where the deployment is, whom to trust, and the credential
    #[arg(long, global = true, env = "CLAVIGER_PROFILE", hide_env_values = true, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Form of the result on stdout, and of errors on stderr
    #[arg(short = 'o', long, global = true, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    pub output: Format,
}
