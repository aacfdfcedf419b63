//! Builds what is measured, as it is released, and measures it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::cargo::{build, built, said, target_dir};

/// Builds server and generator, and hands `arguments` to the generator. `compare COMMIT` builds that commit's server too.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (profile, arguments) = profile(arguments)?;
    let target = target_dir()?;
    build(Path::new("."), &target, &profile, &["claviger", "claviger-bench"])?;
    let folder = built(&target, &profile);
    let arguments: Vec<OsString> = match arguments.split_first() {
        Some((word, rest)) if word == "compare" => {
            let (commit, rest) = rest.split_first().context("`compare` wants a commit")?;
            let old = build_commit(commit, &target, &profile)?;
            let named = [
                "compare".into(),
                "--new".into(),
                folder.join("claviger").into(),
                "--old".into(),
                old.into(),
            ];
            named.into_iter().chain(rest.iter().map(OsString::from)).collect()
        }
        _ => arguments.iter().map(OsString::from).collect(),
    };
    let program = folder.join("claviger-bench");
    let status = Command::new(&program).args(arguments).status();
    ensure!(status.with_context(|| program.display().to_string())?.success(), "the measurement failed");
    Ok(())
}

/// `--profile NAME`, wherever it stands, and the rest. What counts is measured of the release profile.
fn profile(arguments: &[String]) -> Result<(String, Vec<String>)> {
    let mut rest = arguments.to_vec();
    let Some(at) = rest.iter().position(|one| one == "--profile") else {
        return Ok(("release".to_owned(), rest));
    };
    ensure!(at + 1 < rest.len(), "`--profile` wants a name");
    let name = rest.drain(at..at + 2).nth(1).context("`--profile` wants a name")?;
    Ok((name, rest))
}

/// Builds the server of a commit in a work tree of its own below the target folder, which the next run finds again. Gives its path.
fn build_commit(commit: &str, target: &Path, profile: &str) -> Result<PathBuf> {
    let name = said(
        Command::new("git")
            .args(["rev-parse", "--verify", "--end-of-options"])
            .arg(format!("{commit}^{{commit}}")),
    )
    .with_context(|| format!("`{commit}` is no commit"))?;
    let folder = target.join("compare").join(name.get(..12).unwrap_or(&name));
    let tree = folder.join("tree");
    if !tree.join("Cargo.toml").exists() {
        // A tree that an interrupted run left half made is made anew.
        let _ = std::fs::remove_dir_all(&tree);
        said(Command::new("git").args(["worktree", "prune"]))?;
        said(Command::new("git").args(["worktree", "add", "--detach"]).arg(&tree).arg(&name))?;
    }
    build(&tree, &folder, profile, &["claviger"])?;
    Ok(built(&folder, profile).join("claviger"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profile_is_taken_out_of_what_is_handed_on() {
        let of = |line: &str| profile(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let (name, rest) = of("compare HEAD --profile soak --rounds 6").unwrap();
        assert_eq!((name.as_str(), rest.join(" ").as_str()), ("soak", "compare HEAD --rounds 6"));
        assert_eq!(of("fair").unwrap().0, "release");
        assert!(of("fair --profile").is_err());
    }
}
