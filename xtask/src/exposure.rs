//! Holds what `docs/production.md` quotes of `systemd-analyze security` against `deploy/claviger.service`.
//!
//! Releases of systemd weigh differently: only the one that the guide names is asked, and a machine without it is content.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

const UNIT: &str = "deploy/claviger.service";
const GUIDE: &str = "docs/production.md";

pub(crate) fn run() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("");
    let guide = std::fs::read_to_string(root.join(GUIDE)).context(GUIDE)?;
    let (release, quoted) = (release(&guide)?, quoted(&guide)?);
    let Some(said) = analyze(&["--version"], &root) else { return Ok(()) };
    if !said.starts_with(&format!("systemd {release} ")) {
        return Ok(());
    }
    let said = analyze(&["security", "--offline=true", "--no-pager", UNIT], &root)
        .with_context(|| format!("`systemd-analyze security` refuses {UNIT}"))?;
    let reported = findings(&said);
    if reported != quoted {
        bail!(
            "{GUIDE} quotes what systemd {release} does not say of {UNIT}; it says:\n{}",
            reported.join("\n")
        );
    }
    Ok(())
}

/// What it prints, or nothing where it is missing or fails.
fn analyze(arguments: &[&str], folder: &Path) -> Option<String> {
    let output = Command::new("systemd-analyze").args(arguments).current_dir(folder).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The release of systemd that the guide quotes.
fn release(guide: &str) -> Result<&str> {
    let (_, rest) = guide.split_once("` of systemd ").with_context(|| format!("{GUIDE} names no systemd"))?;
    let (release, _) = rest.split_once(' ').unwrap_or((rest, ""));
    ensure!(release.parse::<u16>().is_ok(), "{GUIDE} names no release of systemd");
    Ok(release)
}

fn quoted(guide: &str) -> Result<Vec<String>> {
    let lines = findings(guide);
    ensure!(lines.iter().any(|line| line.starts_with('→')), "{GUIDE} quotes no level of exposure");
    Ok(lines)
}

/// What counts: what is left open, and the level. Columns are as wide as the table, so spaces are one.
fn findings(text: &str) -> Vec<String> {
    let counts = |line: &&str| line.starts_with(['✗', '→']);
    text.lines().filter(counts).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUIDE_TEXT: &str =
        "`systemd-analyze security` of systemd 252 says:\n✗ A=  open   0.1\n\n→ level: 1.1 OK\n";

    #[test]
    fn quote_is_what_is_open_and_the_level_whatever_the_columns() {
        assert_eq!(release(GUIDE_TEXT).unwrap(), "252");
        let said = "  NAME\n✓ B= shut\n✗ A=          open 0.1\n→ level: 1.1 OK\n";
        assert_eq!(quoted(GUIDE_TEXT).unwrap(), findings(said));
        assert_ne!(quoted(GUIDE_TEXT).unwrap(), findings(&said.replace("1.1", "4.2")));
    }

    #[test]
    fn guide_without_a_quote_is_refused() {
        assert!(quoted("→").is_ok());
        assert!(quoted("nothing").is_err());
        assert!(release("nothing").is_err());
    }
}
