//! Policy in files: a directory of TOML, read strictly and written in one form.
//!
//! What it keeps true: what nobody knows, and what is said twice, is an error that names file and line; what is written reads back as what it
//! was, and the same policy is written as the same bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use claviger_core::declaration::Plain;
use claviger_core::{KeyName, Name};
use claviger_crypto::digest::sha256;
use toml::Spanned;

use super::said::{Asset, Field, Governance, Grant, Key, Parameter, Policy, Principal, Ring, Value};
use crate::failure::Failure;
use crate::file::placed::{Existing, Placed as File, Privacy};

/// The longest file, in bytes.
const MAX_FILE: u64 = 64 << 20;
/// What names of files end in.
const EXTENSION: &str = "toml";

/// Something that a file says, and where.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed<T> {
    /// File and line.
    pub(super) place: String,
    pub(super) said: T,
}

/// What files say together: each thing once.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Files {
    pub(super) governance: Option<Placed<Governance>>,
    pub(super) rings: BTreeMap<Name, Placed<Ring>>,
    pub(super) principals: BTreeMap<Name, Placed<Principal>>,
    pub(super) assets: BTreeMap<Name, Placed<Asset>>,
    pub(super) keys: BTreeMap<KeyName, Placed<Key>>,
    /// By all that they say.
    pub(super) grants: BTreeMap<Vec<Field>, Placed<Grant>>,
    pub(super) parameters: BTreeMap<Plain, Placed<Parameter>>,
}

/// Reads the files of a directory; gives what they say, and the digest of them as they are.
///
/// # Errors
/// With file and line, for what does not read and for what is said twice.
pub(super) fn read(dir: &Path) -> Result<(Files, [u8; 32]), Failure> {
    let mut texts = Vec::new();
    for path in listed(dir)? {
        let about = fs::metadata(&path).map_err(|error| Failure::file(&path, &error))?;
        if about.len() > MAX_FILE {
            return Err(Failure::failed(format!("`{}` is longer than 64 MiB", path.display())));
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let text = fs::read_to_string(&path).map_err(|error| Failure::file(&path, &error))?;
        texts.push((name, text));
    }
    if texts.is_empty() {
        return Err(Failure::usage(format!("there is no file of TOML in `{}`", dir.display()))
            .advise("`claviger export policy --out DIR` writes files from what is there"));
    }
    Ok((Files::of(&texts)?, digest(&texts)))
}

/// The files of TOML of a directory, in the order of their names.
fn listed(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: std::io::Error| Failure::file(dir, &error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// What `(cd DIR && sha256sum *.toml | sha256sum)` says: it is of names and bytes, comments included.
pub(super) fn digest(texts: &[(String, String)]) -> [u8; 32] {
    let mut lines = String::new();
    for (name, text) in texts {
        let _ = writeln!(lines, "{}  {name}", hex::encode(sha256(text.as_bytes())));
    }
    sha256(lines.as_bytes())
}

impl Files {
    /// What files of these names and texts say together.
    ///
    /// # Errors
    /// With file and line, for what does not read and for what is said twice.
    pub(super) fn of(texts: &[(String, String)]) -> Result<Self, Failure> {
        let mut files = Self::default();
        for (name, text) in texts {
            files.take(name, text)?;
        }
        Ok(files)
    }

    fn take(&mut self, name: &str, text: &str) -> Result<(), Failure> {
        let line = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        let place = |at: usize| format!("{name}, line {}", line(at));
        let policy: Policy = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or_else(|| name.to_owned(), |span| place(span.start));
            Failure::failed(format!("{at}: {}", error.message().trim_end()))
        })?;
        let Policy { governance, ring, principal, asset, key, grant, parameter } = policy;
        if let Some(governance) = governance {
            let place = place(governance.span().start);
            if let Some(before) = &self.governance {
                return Err(twice(&place, "the rules of the deployment", &before.place));
            }
            self.governance = Some(Placed { place, said: governance.into_inner() });
        }
        for said in ring {
            let (place, name) = (placed(&said.name, place), said.name.get_ref().0.clone());
            put(&mut self.rings, name, said, place, "ring")?;
        }
        for said in principal {
            let (place, name) = (placed(&said.name, place), said.name.get_ref().0.clone());
            put(&mut self.principals, name, said, place, "principal")?;
        }
        for said in asset {
            let (place, name) = (placed(&said.name, place), said.name.get_ref().0.clone());
            put(&mut self.assets, name, said, place, "data asset")?;
        }
        for said in key {
            let (place, name) = (placed(&said.name, place), said.name.get_ref().0.clone());
            put(&mut self.keys, name, said, place, "key")?;
        }
        for said in grant {
            let place = placed(&said.principal, place);
            check_grant(&said, &place)?;
            let (identity, called) = (said.identity(), said.called());
            if let Some(before) = self.grants.get(&identity) {
                return Err(twice(&place, &format!("the grant to {called}"), &before.place));
            }
            self.grants.insert(identity, Placed { place, said });
        }
        for said in parameter {
            let (place, name) = (placed(&said.name, place), said.name.get_ref().0.clone());
            put(&mut self.parameters, name, said, place, "parameter")?;
        }
        Ok(())
    }
}

fn placed<T>(what: &Spanned<T>, place: impl Fn(usize) -> String) -> String {
    place(what.span().start)
}

fn put<K: Ord + std::fmt::Display, T>(
    known: &mut BTreeMap<K, Placed<T>>,
    name: K,
    said: T,
    place: String,
    what: &str,
) -> Result<(), Failure> {
    if let Some(before) = known.get(&name) {
        return Err(twice(&place, &format!("{what} `{name}`"), &before.place));
    }
    known.insert(name, Placed { place, said });
    Ok(())
}

fn twice(place: &str, what: &str, before: &str) -> Failure {
    Failure::failed(format!("{place}: {what} is said once more; it was said in {before}"))
}

fn check_grant(grant: &Grant, place: &str) -> Result<(), Failure> {
    if grant.key.is_some() == grant.ring.is_some() {
        return Err(Failure::failed(format!("{place}: a grant is on one `key` or on one `ring`")));
    }
    if grant.operations.is_empty() {
        return Err(Failure::failed(format!("{place}: a grant allows one operation at least")));
    }
    Ok(())
}

/// Files that say all of that, by their names. Kinds of which there is nothing have none.
pub(super) fn written(policy: &Policy) -> Vec<(String, String)> {
    let mut files = Vec::new();
    if let Some(governance) = &policy.governance {
        files.push(("governance.toml".to_owned(), entry("[governance]", governance.get_ref().fields())));
    }
    let mut file = |name: &str, entries: Vec<String>| {
        if !entries.is_empty() {
            files.push((name.to_owned(), entries.join("\n")));
        }
    };
    let named = |name: &dyn std::fmt::Display, fields: Vec<Field>| -> Vec<Field> {
        [("name", Some(Value::Text(name.to_string())))].into_iter().chain(fields).collect()
    };
    let rings = policy.ring.iter().map(|ring| entry("[[ring]]", named(ring.name.get_ref(), ring.fields())));
    file("rings.toml", rings.collect());
    let principals = policy.principal.iter().map(|one| {
        let fields = one.fields().into_iter().chain(one.held()).collect();
        entry("[[principal]]", named(one.name.get_ref(), fields))
    });
    file("principals.toml", principals.collect());
    let assets = policy.asset.iter().map(|one| entry("[[asset]]", named(one.name.get_ref(), one.fields())));
    file("assets.toml", assets.collect());
    let keys = policy.key.iter().map(|key| {
        let origin = key.origin.map(|origin| Value::Text(origin.to_string()));
        let fields = key.fields().into_iter().chain([("origin", origin)]).collect();
        entry("[[key]]", named(key.name.get_ref(), fields))
    });
    file("keys.toml", keys.collect());
    file("grants.toml", policy.grant.iter().map(|one| entry("[[grant]]", one.fields())).collect());
    let parameters = policy.parameter.iter();
    let parameters = parameters.map(|one| entry("[[parameter]]", named(one.name.get_ref(), one.fields())));
    file("parameters.toml", parameters.collect());
    files
}

/// One table, its fields line by line.
fn entry(head: &str, fields: Vec<Field>) -> String {
    let mut text = format!("{head}\n");
    for (name, value) in fields {
        if let Some(value) = value {
            let _ = writeln!(text, "{name} = {}", value.to_toml());
        }
    }
    text
}

/// Writes files into a directory, which is made. What else is there stays as it is.
///
/// # Errors
/// When a file is there and may not be replaced, and when the disk fails.
pub(super) fn write(dir: &Path, files: &[(String, String)], existing: Existing) -> Result<(), Failure> {
    fs::create_dir_all(dir).map_err(|error| Failure::file(dir, &error))?;
    if existing == Existing::Keep
        && let Some(there) = listed(dir)?.first()
    {
        return Err(Failure::usage(format!("`{}` is there already", there.display())).advise(
            "files that stay would be read with the new ones: name another directory, or give `--force` to replace those of the same names",
        ));
    }
    for (name, text) in files {
        File::write(&dir.join(name), Privacy::Others, existing, text.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(text: &str) -> Result<Files, String> {
        let texts = [("a.toml".to_owned(), text.to_owned())];
        Files::of(&texts).map_err(|failure| failure.to_string())
    }

    #[test]
    fn what_nobody_knows_and_what_is_said_twice_names_file_and_line() {
        for (text, words) in [
            ("[[ring]]\nname = \"a\"\ncolour = \"red\"\n", "a.toml, line 3: unknown field `colour`"),
            ("[[ring]]\nname = \"a\"\nquorum = 2\nquorum = 3\n", "a.toml, line 4"),
            ("[[ring]]\nname = \"A\"\n", "a.toml, line 2: not a name"),
            (
                "[[ring]]\nname = \"a\"\n\n[[ring]]\nname = \"b\"\n\n[[ring]]\nname = \"a\"\n",
                "a.toml, line 8: ring `a`",
            ),
            ("[[ring]]\nname = \"a\"\nrotation_period = \"2y\"\n", "a.toml, line 3"),
            ("[[ring]]\nname = \"a\"\nquorum = 300\n", "a.toml, line 3"),
            ("[[ring]]\nquorum = 2\n", "missing field `name`"),
            ("[[rings]]\nname = \"a\"\n", "a.toml, line 1: unknown field `rings`"),
            ("[[key]]\nname = \"a/b\"\npurpose = \"guess\"\nspec = \"aes-256-gcm\"\n", "a.toml, line 3"),
            ("[[key]]\nname = \"a\"\npurpose = \"encrypt\"\nspec = \"aes-256-gcm\"\n", "a.toml, line 2"),
            (
                "[[grant]]\nprincipal = \"a\"\noperations = [\"encrypt\"]\n",
                "a.toml, line 2: a grant is on one",
            ),
            (
                "[[grant]]\nprincipal = \"a\"\nkey = \"a/b\"\nring = \"a\"\noperations = [\"encrypt\"]\n",
                "a.toml, line 2: a grant is on one",
            ),
            (
                "[[grant]]\nprincipal = \"a\"\nring = \"a\"\noperations = []\n",
                "a.toml, line 2: a grant allows",
            ),
            ("[[grant]]\nprincipal = \"a\"\nring = \"a\"\noperations = [\"fly\"]\n", "a.toml, line 4"),
            ("ring = 7\n", "a.toml, line 1"),
            ("[[ring]\n", "a.toml, line "),
        ] {
            let error = read_one(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        let twice =
            ["a.toml", "b.toml"].map(|name| (name.to_owned(), "[governance]\nquorum = 2\n".to_owned()));
        let error = Files::of(&twice).unwrap_err().to_string();
        assert!(error.contains("b.toml, line 1") && error.contains("a.toml, line 1"), "{error}");
        let one = "[[grant]]\nprincipal = \"a\"\nring = \"a\"\noperations = [\"encrypt\", \"decrypt\"]\n";
        let other = "[[grant]]\noperations = [\"decrypt\", \"encrypt\"]\nring = \"a\"\nprincipal = \"a\"\ncontext_equals = {}\n";
        let error = read_one(&format!("{one}{other}")).unwrap_err();
        assert!(error.contains("a.toml, line 8: the grant to a on ring a: decrypt,encrypt"), "{error}");
    }

    #[test]
    fn comments_and_the_order_of_things_say_nothing() {
        let one = "# ours\n[[ring]]\nname = \"a\" # the first\ncontext_required = [\"y\", \"x\"]\n";
        let other = "[[ring]]\ncontext_required = [\"x\", \"y\"]\nname = \"a\"\n";
        let fields = |text: &str| read_one(text).unwrap().rings.into_values().next().unwrap().said.fields();
        assert_eq!(fields(one), fields(other));
    }

    #[test]
    fn files_are_read_in_the_order_of_their_names_and_others_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(dir.path()).unwrap_err().to_string().contains("export policy"));
        fs::write(dir.path().join("b.toml"), "[[ring]]\nname = \"b\"\n").unwrap();
        fs::write(dir.path().join("a.toml"), "[[ring]]\nname = \"a\"\n").unwrap();
        fs::write(dir.path().join("README.md"), "[[ring]]\nname = \"a\"\n").unwrap();
        let (files, read_as) = read(dir.path()).unwrap();
        assert_eq!(files.rings.len(), 2);
        let texts = ["a", "b"].map(|name| (format!("{name}.toml"), format!("[[ring]]\nname = \"{name}\"\n")));
        assert_eq!(read_as, digest(&texts));
        let line = |name: &str| {
            format!(
                "{}  {name}.toml\n",
                hex::encode(sha256(format!("[[ring]]\nname = \"{name}\"\n").as_bytes()))
            )
        };
        assert_eq!(read_as, sha256((line("a") + &line("b")).as_bytes()), "what `sha256sum` says of them");
        assert!(write(dir.path(), &texts, Existing::Keep).is_err());
        write(dir.path(), &texts, Existing::Replace).unwrap();
        assert!(read(&dir.path().join("elsewhere")).is_err());
    }
}
