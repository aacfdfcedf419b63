//! Bytes from a file or from standard input. Secrets come in this way, never in an argument, where every process of
//! the machine could read them.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::PathBuf;
use std::str::FromStr;

use bytes::Bytes;

use crate::failure::Failure;

/// Where bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file.
    File(PathBuf),
    /// Standard input, written `-`.
    Stdin,
}

impl FromStr for Source {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text == "-" { Self::Stdin } else { Self::File(PathBuf::from(text)) })
    }
}

impl Source {
    /// Opens it. A word goes to stderr when a person is expected to type.
    pub(crate) fn open(&self) -> Result<Opened, Failure> {
        match self {
            Self::File(path) => {
                let file = File::open(path).map_err(|error| Failure::file(path, &error))?;
                let about = file.metadata().map_err(|error| Failure::file(path, &error))?;
                if about.is_dir() {
                    return Err(Failure::usage(format!("`{}` is a directory", path.display())));
                }
                let len = about.is_file().then_some(about.len());
                Ok(Opened { reader: Box::new(file), len, name: path.display().to_string() })
            }
            Self::Stdin => {
                if io::stdin().is_terminal() {
                    crate::output::note("reading from the terminal; end with Ctrl-D");
                }
                Ok(Opened { reader: Box::new(io::stdin().lock()), len: None, name: "standard input".into() })
            }
        }
    }

    /// All of it.
    pub(crate) fn read(&self, limit: u64) -> Result<Bytes, Failure> {
        self.open()?.read_to_end(limit).map(Bytes::from)
    }
}

/// A source that is being read.
pub(crate) struct Opened {
    reader: Box<dyn Read>,
    /// Bytes, when known beforehand.
    pub(crate) len: Option<u64>,
    /// What to call it.
    pub(crate) name: String,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opened({})", self.name)
    }
}

impl Opened {
    /// Reads up to `limit` bytes.
    ///
    /// # Errors
    /// When there are more, or reading fails.
    pub(crate) fn read_to_end(mut self, limit: u64) -> Result<Vec<u8>, Failure> {
        // Room for all of it at once: a growing buffer would leave copies behind that nobody wipes.
        let expected = self.len.unwrap_or(64 * 1024).min(limit).saturating_add(1);
        let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
        let read = (&mut self.reader).take(limit.saturating_add(1)).read_to_end(&mut bytes);
        let read = read.map_err(|error| Failure::failed(format!("`{}`: {error}", self.name)))?;
        if u64::try_from(read).unwrap_or(u64::MAX) > limit {
            return Err(Failure::too_large(format!("`{}` is larger than {limit} bytes", self.name)));
        }
        Ok(bytes)
    }
}

impl Read for Opened {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.reader.read(into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dash_is_standard_input() {
        assert_eq!("-".parse::<Source>().unwrap(), Source::Stdin);
        assert_eq!("./-".parse::<Source>().unwrap(), Source::File("./-".into()));
    }

    #[test]
    fn files_are_read_up_to_the_limit_and_no_further() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, [7; 10]).unwrap();
        let source = Source::File(path);
        assert_eq!(source.read(10).unwrap().as_ref(), [7; 10]);
        assert!(source.read(9).unwrap_err().to_string().contains("larger than 9 bytes"));
        assert!(Source::File(dir.path().to_owned()).read(9).unwrap_err().to_string().contains("directory"));
        assert!(Source::File(dir.path().join("no")).read(9).is_err());
    }
}
