//! Says what is wrong with a deployment on this machine, and what to do. Changes nothing.

mod certificates;
mod host;
mod receivers;
mod state;

use std::path::Path;

use claviger_provider::FewAttempts;
use serde::Serialize;

use crate::config::Config;

/// The check of the PIN: the token refused it, locked it, or was not shown it.
pub const PIN: &str = "pin";

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Not at all.
    Ok,
    /// It works, and should be better.
    Warning,
    /// It does not work, or must not go on like this.
    Wrong,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, message: message.into(), advice: None }
    }

    fn warning(check: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, level: Level::Warning, message: message.into(), advice: Some(advice.into()) }
    }

    fn wrong(check: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, level: Level::Wrong, message: message.into(), advice: Some(advice.into()) }
    }
}

/// Looks at everything that the configuration at `path` speaks of.
pub async fn examine(path: &Path, few_attempts: FewAttempts) -> Vec<Finding> {
    let mut config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => {
            let advice = "correct the file; `claviger init` writes one with every key explained";
            return vec![Finding::wrong("config", error.to_string(), advice)];
        }
    };
    config.few_attempts = few_attempts;
    let mut findings = vec![Finding::ok("config", format!("`{}` reads and is valid", path.display()))];
    findings.extend(host::permissions(&config));
    findings.extend(certificates::all(&config));
    findings.extend(state::all(&config).await);
    findings.extend(receivers::all(&config).await);
    findings.push(host::clock(&config));
    findings.push(host::memory());
    findings.extend(host::disk(&config.data_dir, config.space));
    findings.push(host::descriptors(&config.limits));
    findings
}
