//! Standard error of a process whose traces are JSON: what something else writes there, as modules of tokens do, becomes traces, so
//! that every line is one document.
//!
//! What it keeps true: from when it is given back on, and so after an orderly end, standard error is what it was, and all that was
//! written is traced. Of a process that is killed or aborts, the last words of a library may be missing.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, PipeReader, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::mpsc;
use std::time::Duration;

use rustix::stdio::dup2_stderr;

/// The longest line that is traced whole, in bytes.
const MOST: u64 = 4096;
/// How long what is still in the pipe is waited for. A child of the process may hold the pipe open for ever.
const PATIENCE: Duration = Duration::from_secs(1);

/// Standard error while a pipe has its place.
#[derive(Debug)]
pub(crate) struct Captured {
    real: OwnedFd,
    /// Closed when all that was written is traced.
    traced: mpsc::Receiver<()>,
}

impl Captured {
    /// Puts a pipe in the place of standard error. Gives what it was, for traces to be written to.
    ///
    /// # Errors
    /// When descriptors are used up, or no thread can be made; standard error is what it was then.
    pub(crate) fn take() -> io::Result<(Self, File)> {
        let real = io::stderr().as_fd().try_clone_to_owned()?;
        let to = File::from(real.try_clone()?);
        let (reader, writer) = io::pipe()?;
        let (tracing, traced) = mpsc::channel();
        std::thread::Builder::new().name("stderr".to_owned()).spawn(move || trace_lines(reader, tracing))?;
        dup2_stderr(&writer)?;
        Ok((Self { real, traced }, to))
    }
}

impl Drop for Captured {
    fn drop(&mut self) {
        // With it, the last of this process that could write into the pipe is gone.
        if dup2_stderr(&self.real).is_ok() {
            let _ = self.traced.recv_timeout(PATIENCE);
        }
    }
}

fn trace_lines(reader: PipeReader, _tracing: mpsc::Sender<()>) {
    let (mut reader, mut line) = (BufReader::new(reader), Vec::new());
    loop {
        line.clear();
        match reader.by_ref().take(MOST).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(line.trim_ascii_end());
                tracing::warn!(text = &*text, "written to standard error");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};
    use std::sync::Mutex;

    use serde_json::Value;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn what_something_else_writes_is_traced_line_by_line_until_it_is_given_back() {
        let mut traces = tempfile::tempfile().unwrap();
        let lines =
            tracing_subscriber::fmt::layer().json().with_writer(Mutex::new(traces.try_clone().unwrap()));
        // The thread that traces has no other subscriber than that of the process.
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines)).unwrap();
        let write = |text: &str| io::stderr().write_all(text.as_bytes()).unwrap();
        let (captured, mut real) = Captured::take().unwrap();
        write("one\ntwo, ");
        write("in pieces\n");
        write(&"x".repeat(usize::try_from(MOST).unwrap() + 1));
        real.write_all(b"past the pipe\n").unwrap();
        drop(captured);
        write("afterwards\n");
        traces.rewind().unwrap();
        let text = io::read_to_string(&traces).unwrap();
        let traced: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let texts: Vec<_> = traced.iter().map(|line| line["fields"]["text"].as_str().unwrap()).collect();
        let longest = "x".repeat(usize::try_from(MOST).unwrap());
        assert_eq!(texts, ["one", "two, in pieces", &longest, "x"]);
        assert!(traced.iter().all(|line| line["level"] == "WARN"), "{text}");
    }
}
