//! What keeps this user from a library or its token. A library that cannot read its own files says no more than that something
//! failed, or shows no token, so the files are looked at: those of the library, and of `SoftHSM`, whose places are known.
//!
//! Nothing is opened here but to see whether it can be.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use cryptoki::error::Error;

use super::error::{Pkcs11OpenError, Said};

/// What names its configuration to `SoftHSM`.
const VARIABLE: &str = "SOFTHSM2_CONF";
/// Where it is without that variable: on Debian, and elsewhere.
const CONFIGURATIONS: [&str; 2] = ["/etc/softhsm/softhsm2.conf", "/etc/softhsm2.conf"];
/// The line of it that says where tokens are.
const TOKENS: &str = "directories.tokendir";

/// The library could not be loaded, or not initialized.
pub(super) fn not_loaded(library: &Path, error: Error) -> Pkcs11OpenError {
    let why = match File::open(library) {
        Err(failed) if failed.kind() == ErrorKind::NotFound => {
            "there is no such file; install the module of the token, or correct `root.library`".to_owned()
        }
        Err(failed) => format!("this user cannot read it ({failed})"),
        Ok(_) if matches!(error, Error::LibraryLoading(_) | Error::MissingSymbol(_)) => {
            "it does not load as a PKCS#11 library of this machine".to_owned()
        }
        Ok(_) => hindrance(library).unwrap_or_else(|| {
            "it does not begin to work for this user; see to the files and devices that it needs".to_owned()
        }),
    };
    Pkcs11OpenError::Library { path: library.to_owned(), why, source: Said(error) }
}

/// There was no way to the token.
pub(super) fn not_connected(library: &Path, error: Pkcs11OpenError) -> Pkcs11OpenError {
    match error {
        Pkcs11OpenError::NoToken { selector, seen } => {
            Pkcs11OpenError::NoToken { selector, seen: hindrance(library).unwrap_or(seen) }
        }
        other => other,
    }
}

/// What keeps this user from the tokens of `SoftHSM`, if anything does.
fn hindrance(library: &Path) -> Option<String> {
    let is_softhsm = library.file_name().is_some_and(|name| name.to_string_lossy().contains("softhsm"));
    if is_softhsm { hindrance_of(&configuration()) } else { None }
}

/// The configuration that `SoftHSM` reads: the one that is named, that of the user, or that of the machine.
fn configuration() -> PathBuf {
    if let Some(named) = std::env::var_os(VARIABLE) {
        return named.into();
    }
    // One that is shut to this user is there all the same.
    let is_there =
        |path: &PathBuf| !matches!(fs::metadata(path), Err(failed) if failed.kind() == ErrorKind::NotFound);
    let of_user =
        std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config/softhsm2/softhsm2.conf"));
    let places = of_user.into_iter().chain(CONFIGURATIONS.map(PathBuf::from));
    let [usual, _] = CONFIGURATIONS;
    places.into_iter().find(is_there).unwrap_or_else(|| usual.into())
}

fn hindrance_of(configuration: &Path) -> Option<String> {
    let group = "add the user that serves to the group `softhsm` (`usermod -aG softhsm claviger`; for the unit, `SupplementaryGroups=softhsm`)";
    let text = match fs::read_to_string(configuration) {
        Ok(text) => text,
        Err(failed) if failed.kind() == ErrorKind::PermissionDenied => {
            return Some(format!(
                "this user cannot read the configuration of SoftHSM, `{}`; {group}",
                configuration.display()
            ));
        }
        Err(failed) => {
            return Some(format!(
                "the configuration of SoftHSM, `{}`, cannot be read ({failed}); write one, or name it by {VARIABLE}",
                configuration.display()
            ));
        }
    };
    let Some(folder) = tokens_of(&text) else {
        return Some(format!("`{}` does not say `{TOKENS}`", configuration.display()));
    };
    let tokens = match fs::read_dir(&folder) {
        Ok(tokens) => tokens,
        Err(failed) if failed.kind() == ErrorKind::PermissionDenied => {
            return Some(format!(
                "this user cannot enter the folder of the tokens, `{}`; {group}",
                folder.display()
            ));
        }
        Err(failed) => {
            return Some(format!(
                "the folder of the tokens, `{}`, cannot be read ({failed}); make it, for the user that serves",
                folder.display()
            ));
        }
    };
    let tokens: Vec<PathBuf> =
        tokens.filter_map(|one| Some(one.ok()?.path())).filter(|path| path.is_dir()).collect();
    if tokens.is_empty() {
        return Some(format!(
            "there is no token in `{}`; as the user that serves: `softhsm2-util --init-token --free --label LABEL`",
            folder.display()
        ));
    }
    tokens.iter().find_map(|token| of_another(token))
}

/// Says so where the files of a token are of a user who does not share them.
fn of_another(token: &Path) -> Option<String> {
    let refused = File::open(token.join("token.object")).err()?;
    if refused.kind() != ErrorKind::PermissionDenied {
        return None;
    }
    let owner = fs::metadata(token).map_or_else(|_| "another".to_owned(), |about| about.uid().to_string());
    Some(format!(
        "the token in `{}` belongs to another user (uid {owner}), who shares it with nobody; make tokens as the user that serves, or give \
         this one to it: `chown -R claviger: {}`",
        token.display(),
        token.display()
    ))
}

fn tokens_of(configuration: &str) -> Option<PathBuf> {
    let value = |line: &str| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == TOKENS).then(|| PathBuf::from(value.trim()))
    };
    configuration.lines().find_map(value)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn configured(dir: &Path, text: &str) -> PathBuf {
        let path = dir.join("softhsm2.conf");
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn what_is_wrong_with_the_files_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let absent = hindrance_of(&dir.path().join("absent.conf")).unwrap();
        assert!(absent.contains("absent.conf") && absent.contains(VARIABLE), "{absent}");
        let silent = hindrance_of(&configured(dir.path(), "log.level = ERROR\n")).unwrap();
        assert!(silent.contains(TOKENS), "{silent}");
        let tokens = dir.path().join("tokens");
        let text = format!("# a comment\n{TOKENS} = {}/\n", tokens.display());
        let configuration = configured(dir.path(), &text);
        let gone = hindrance_of(&configuration).unwrap();
        assert!(gone.contains("make it"), "{gone}");
        fs::create_dir(&tokens).unwrap();
        let empty = hindrance_of(&configuration).unwrap();
        assert!(
            empty.contains("there is no token") && empty.contains("softhsm2-util --init-token"),
            "{empty}"
        );
        let token = tokens.join("5d2f");
        fs::create_dir(&token).unwrap();
        fs::write(token.join("token.object"), "").unwrap();
        assert_eq!(hindrance_of(&configuration), None);
        // For root nothing is shut.
        fs::set_permissions(token.join("token.object"), fs::Permissions::from_mode(0o000)).unwrap();
        if File::open(token.join("token.object")).is_err() {
            let other = hindrance_of(&configuration).unwrap();
            assert!(other.contains("another user") && other.contains("chown -R"), "{other}");
            fs::set_permissions(&tokens, fs::Permissions::from_mode(0o000)).unwrap();
            let shut = hindrance_of(&configuration).unwrap();
            assert!(shut.contains("cannot enter") && shut.contains("SupplementaryGroups=softhsm"), "{shut}");
            fs::set_permissions(&tokens, fs::Permissions::from_mode(0o700)).unwrap();
        }
    }

    #[test]
    fn other_modules_are_not_judged_by_files_of_softhsm() {
        assert_eq!(hindrance(Path::new("/usr/lib/libyubihsm_pkcs11.so")), None);
    }
}
