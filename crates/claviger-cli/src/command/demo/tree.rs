//! A directory of files: listed, digested, protected file by file, and opened again.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use claviger_client::Client;
use claviger_client::types::usage::{Decrypt, Encrypt};
use claviger_crypto::SecretBytes;
use claviger_crypto::digest::Sha256;
use tokio::task::JoinSet;

use super::people::CONDITION;
use crate::command::usage::MAX_DIRECT;
use crate::command::usage::envelope::{make_data_key, open_data_key};
use crate::failure::Failure;
use crate::file::envelope::{Kind, Sealed, kind_of, seal};
use crate::file::placed::{Existing, Placed, Privacy};
use crate::input::pair::Bound;
use crate::progress;

/// Files that are worked on at once.
const AT_ONCE: usize = 4;
/// How much of what is passed over is named.
const NAMED: usize = 5;

/// One file as it was found.
#[derive(Debug, Clone)]
pub(super) struct Original {
    /// Its path under the directory, with `/`.
    pub(super) name: String,
    /// Its bytes.
    pub(super) len: u64,
    /// SHA-256 of its content.
    pub(super) digest: [u8; 32],
    /// Some bytes from its middle, to look for where they must not be.
    pub(super) sample: Vec<u8>,
}

impl Original {
    /// Where it is under `dir` once it is protected.
    pub(super) fn sealed_in(&self, dir: &Path) -> PathBuf {
        dir.join(format!("{}.clv", self.name))
    }

    /// Its encryption context: the data set, and its own name, so that two files cannot be exchanged unseen.
    pub(super) fn bound(&self) -> Result<Bound, Failure> {
        let (name, value) = CONDITION;
        Bound::of(&[(name.to_owned(), value.to_owned()), ("file".to_owned(), self.name.clone())])
    }
}

/// What is under a directory.
#[derive(Debug)]
pub(super) struct Surveyed {
    /// Every file, in the order of the names.
    pub(super) files: Vec<Original>,
    /// What is neither file nor directory, as links, pipes and devices: it is left alone.
    passed_over: Vec<String>,
}

impl Surveyed {
    /// What is passed over: how much, and what some of it is called; nothing if there is none.
    pub(super) fn words_on_passed_over(&self) -> String {
        let count = self.passed_over.len();
        if count == 0 {
            return String::new();
        }
        let named: Vec<_> = self.passed_over.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
        let rest = count - named.len();
        let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        format!("; passed over, as links and special files are: {count}, {}{more}", named.join(", "))
    }
}

/// Surveys what is under `dir`.
///
/// # Errors
/// When a file cannot be read, or there is none.
pub(super) fn survey(dir: &Path) -> Result<Surveyed, Failure> {
    let mut found = Vec::new();
    let mut passed_over = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| Failure::file(&folder, &error))? {
            let entry = entry.map_err(|error| Failure::file(&folder, &error))?;
            let kind = entry.file_type().map_err(|error| Failure::file(&entry.path(), &error))?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.push(original(dir, &entry.path())?);
            } else {
                let path = entry.path();
                passed_over.push(path.strip_prefix(dir).unwrap_or(&path).display().to_string());
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    passed_over.sort();
    let surveyed = Surveyed { files: found, passed_over };
    if surveyed.files.is_empty() {
        let passed_over = surveyed.words_on_passed_over();
        return Err(Failure::usage(format!("there are no files in `{}`{passed_over}", dir.display()))
            .advise("name a directory with files: `claviger demo --input DIR`"));
    }
    Ok(surveyed)
}

fn original(dir: &Path, path: &Path) -> Result<Original, Failure> {
    let name = path.strip_prefix(dir).unwrap_or(path).to_str();
    let name =
        name.ok_or_else(|| Failure::usage(format!("`{}` has a name that is not UTF-8", path.display())))?;
    let (digest, len, sample) = digest(path)?;
    Ok(Original { name: name.to_owned(), len, digest, sample })
}

/// SHA-256 and length of a file, and up to 32 bytes from its middle.
pub(super) fn digest(path: &Path) -> Result<([u8; 32], u64, Vec<u8>), Failure> {
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let mut file = File::open(path).map_err(failed)?;
    let middle = file.metadata().map_err(failed)?.len() / 2;
    let (mut digest, mut len, mut sample) = (Sha256::new(), 0, Vec::new());
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut buffer).map_err(failed)?;
        let piece = buffer.get(..read).unwrap_or_default();
        if piece.is_empty() {
            return Ok((digest.finish(), len, sample));
        }
        digest.update(piece);
        let end = len + u64::try_from(read).unwrap_or(0);
        if sample.is_empty() && (len..end).contains(&middle) {
            let from = usize::try_from(middle - len).unwrap_or(0);
            sample.extend(piece.iter().skip(from).take(32));
        }
        len = end;
    }
}

/// Does a task for every file, some at once, with a bar; gives what they gave, in no order.
///
/// # Errors
/// That of the first that fails.
async fn for_all<T: Send + 'static, F: Future<Output = Result<T, Failure>> + Send + 'static>(
    what: &str,
    files: &[Original],
    task: impl Fn(Original) -> F,
) -> Result<Vec<T>, Failure> {
    let bar = progress::bytes(what, Some(files.iter().map(|file| file.len).sum()));
    let mut running = JoinSet::new();
    let mut waiting = files.iter();
    let mut done = Vec::with_capacity(files.len());
    loop {
        while running.len() < AT_ONCE
            && let Some(file) = waiting.next()
        {
            let (len, work) = (file.len, task(file.clone()));
            running.spawn(async move { work.await.map(|given| (given, len)) });
        }
        let Some(ended) = running.join_next().await else { break };
        let ended = ended.map_err(|error| Failure::failed(format!("a task broke off: {error}")))?;
        let (given, len) = ended?;
        done.push(given);
        bar.inc(len);
    }
    bar.finish_and_clear();
    Ok(done)
}

/// How a protected file was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Made {
    /// In one direct call, or as an envelope.
    pub(super) kind: MadeAs,
    /// The version of the key.
    pub(super) version: u32,
}

/// The two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MadeAs {
    Direct,
    Envelope,
}

/// Protects every file of `from` under `key` into `to`.
///
/// # Errors
/// When the service refuses, or a file cannot be read or written.
pub(super) async fn protect(
    client: &Client,
    key: &str,
    files: &[Original],
    (from, to): (&Path, &Path),
) -> Result<Vec<Made>, Failure> {
    for_all("protecting", files, |file| {
        let (client, key) = (client.clone(), key.to_owned());
        let (from, to) = (from.join(&file.name), file.sealed_in(to));
        async move { protect_one(&client, &key, &file, (&from, &to)).await }
    })
    .await
}

/// Protects one file: directly when it is small enough, else as an envelope.
pub(super) async fn protect_one(
    client: &Client,
    key: &str,
    file: &Original,
    (from, to): (&Path, &Path),
) -> Result<Made, Failure> {
    let bound = file.bound()?;
    make_parent(to)?;
    if file.len <= MAX_DIRECT {
        let plaintext = fs::read(from).map_err(|error| Failure::file(from, &error))?;
        let request = Encrypt { plaintext: SecretBytes::new(plaintext).into(), context: bound.pairs };
        let sealed = client.encrypt(key, &request).await?.value;
        Placed::write(to, Privacy::Others, Existing::Replace, sealed.ciphertext.as_ref())?;
        return Ok(Made { kind: MadeAs::Direct, version: sealed.version });
    }
    let (data_key, made) = make_data_key(client, key, &bound).await?.value;
    let (from, to) = (from.to_owned(), to.to_owned());
    blocking(move || {
        let mut input = File::open(&from).map_err(|error| Failure::file(&from, &error))?;
        let mut placed = Placed::create(&to, Privacy::Others, Existing::Replace)?;
        seal(&mut input, &mut placed, &data_key, &bound.context, |_| {})?;
        placed.commit()
    })
    .await?;
    Ok(Made { kind: MadeAs::Envelope, version: made.version })
}

/// Opens every file of `from` into `to`, and holds each against the digest of its original. Gives the bytes.
///
/// # Errors
/// Exit code 4 when a file is not what it was; others when the service refuses.
pub(super) async fn open(
    client: &Client,
    files: &[Original],
    (from, to): (&Path, &Path),
) -> Result<u64, Failure> {
    let opened = for_all("opening", files, |file| {
        let client = client.clone();
        let (from, to) = (file.sealed_in(from), to.join(&file.name));
        async move {
            open_one(&client, &file, (&from, &to)).await?;
            let len = file.len;
            blocking(move || same(&file, &to)).await?;
            Ok(len)
        }
    });
    Ok(opened.await?.iter().sum())
}

fn same(file: &Original, opened: &Path) -> Result<(), Failure> {
    let (digest, len, _) = digest(opened)?;
    if (digest, len) == (file.digest, file.len) {
        return Ok(());
    }
    Err(Failure::unverified(format!("`{}` is not what it was", file.name)))
}

/// Opens one file; which key it is under, it says itself.
pub(super) async fn open_one(
    client: &Client,
    file: &Original,
    (from, to): (&Path, &Path),
) -> Result<(), Failure> {
    let bound = file.bound()?;
    make_parent(to)?;
    let mut input = File::open(from).map_err(|error| Failure::file(from, &error))?;
    let mut start = Vec::with_capacity(64);
    (&mut input).take(28).read_to_end(&mut start).map_err(|error| Failure::file(from, &error))?;
    if kind_of(&start) != Kind::Envelope {
        input.read_to_end(&mut start).map_err(|error| Failure::file(from, &error))?;
        let request = Decrypt { ciphertext: start.into(), context: bound.pairs };
        let plaintext = client.decrypt_by_header(&request).await?.value.plaintext.into_inner().into_body();
        return Placed::write(to, Privacy::Owner, Existing::Replace, plaintext.as_ref());
    }
    let sealed = Sealed::read(start, &mut input)?;
    let data_key = open_data_key(client, None, &sealed, &bound).await?.value.plaintext.into_inner();
    let to = to.to_owned();
    blocking(move || {
        let mut placed = Placed::create(&to, Privacy::Owner, Existing::Replace)?;
        sealed.open(&mut input, &mut placed, &data_key, &bound.context, |_| {})?;
        placed.commit()
    })
    .await
}

/// The files of which a sample of the plaintext is found in the protected form. There must be none.
pub(super) fn leaking(files: &[Original], sealed: &Path) -> Result<Vec<String>, Failure> {
    let mut leaking = Vec::new();
    for file in files.iter().filter(|file| file.sample.len() >= 16) {
        let path = file.sealed_in(sealed);
        let content = fs::read(&path).map_err(|error| Failure::file(&path, &error))?;
        if content.windows(file.sample.len()).any(|window| window == file.sample) {
            leaking.push(file.name.clone());
        }
    }
    Ok(leaking)
}

fn make_parent(path: &Path) -> Result<(), Failure> {
    let parent = path.parent().unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(parent).map_err(|error| Failure::file(parent, &error))
}

/// Runs what reads, writes and computes on a thread that may take its time.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::failed(format!("a task broke off: {error}")))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survey_finds_every_file_with_its_digest() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("b/c")).unwrap();
        fs::write(dir.path().join("b/c/two"), b"two").unwrap();
        fs::write(dir.path().join("a"), vec![7; 300_000]).unwrap();
        let found = survey(dir.path()).unwrap();
        assert_eq!(found.words_on_passed_over(), "");
        let found = found.files;
        let names: Vec<_> = found.iter().map(|file| (file.name.as_str(), file.len)).collect();
        assert_eq!(names, [("a", 300_000), ("b/c/two", 3)]);
        assert_eq!(found[1].digest, claviger_crypto::digest::sha256(b"two"));
        assert_eq!(found[0].sample, [7; 32]);
        assert!(survey(&dir.path().join("b/c/none")).is_err());
    }

    #[test]
    fn links_and_special_files_are_passed_over_by_count_and_name() {
        let dir = tempfile::tempdir().unwrap();
        let link = |name: &str| std::os::unix::fs::symlink("file", dir.path().join(name)).unwrap();
        fs::create_dir(dir.path().join("below")).unwrap();
        link("below/link");
        let refused = survey(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("`below/link`") && refused.contains("--input DIR"), "{refused}");
        fs::write(dir.path().join("file"), b"one").unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
        let found = survey(dir.path()).unwrap();
        assert_eq!(found.files.len(), 1);
        let words = "; passed over, as links and special files are: 2, `below/link`, `socket`";
        assert_eq!(found.words_on_passed_over(), words);
        for number in 0..6 {
            link(&format!("link-{number}"));
        }
        let words = survey(dir.path()).unwrap().words_on_passed_over();
        assert!(words.contains(": 8, ") && words.ends_with("`link-3` and 3 more"), "{words}");
    }

    #[test]
    fn plaintext_in_a_protected_file_is_found() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), b"0123456789abcdefghijklmnopqrstuvwxyz").unwrap();
        let files = survey(dir.path()).unwrap().files;
        fs::write(dir.path().join("a.clv"), b"CLVS....0123456789abcdefghijklmnopqrstuvwxyz").unwrap();
        assert_eq!(leaking(&files, dir.path()).unwrap(), ["a"]);
        fs::write(dir.path().join("a.clv"), [0; 100]).unwrap();
        assert!(leaking(&files, dir.path()).unwrap().is_empty());
    }

    #[test]
    fn contexts_of_two_files_differ() {
        let file = |name: &str| Original { name: name.into(), len: 0, digest: [0; 32], sample: Vec::new() };
        assert_ne!(file("a").bound().unwrap().context, file("b").bound().unwrap().context);
        assert_eq!(file("a").sealed_in(Path::new("d")), Path::new("d/a.clv"));
    }

    #[test]
    fn changed_file_is_not_what_it_was() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), b"one").unwrap();
        let file = survey(dir.path()).unwrap().files.remove(0);
        assert!(same(&file, &dir.path().join("a")).is_ok());
        fs::write(dir.path().join("a"), b"two").unwrap();
        assert_eq!(same(&file, &dir.path().join("a")).unwrap_err().exit(), crate::failure::Exit::Unverified);
    }
}
