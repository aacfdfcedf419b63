//! Traces on standard error, and what a panic says.
//!
//! What it keeps true: a panic prints where it was and nothing of what it carried, which may be anything.

use std::panic::PanicHookInfo;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::Captured;
use crate::config::{Log, LogFormat};

/// The binding of PKCS#11 calls it an error when a token lists a mechanism that it has no name for. Every token does, and
/// nobody needs to act: those that watch for errors would be woken at each start.
const NO_ERRORS: &str = "cryptoki::mechanism=off";

/// Sends traces to standard error from now on. Only the first call of a process has an effect.
pub fn start(log: &Log) {
    start_to(log, BoxMakeWriter::new(std::io::stderr));
}

/// The same for a process whose standard error is traces and nothing else: where they are JSON, what others write there is traced as
/// long as what this gives is kept.
#[must_use]
pub(crate) fn start_capturing(log: &Log) -> Option<Captured> {
    if log.format != LogFormat::Json {
        start(log);
        return None;
    }
    match Captured::take() {
        Ok((captured, real)) => {
            start_to(log, BoxMakeWriter::new(Mutex::new(real)));
            Some(captured)
        }
        Err(error) => {
            start(log);
            tracing::warn!(%error, "what libraries write to standard error is not traced");
            None
        }
    }
}

fn start_to(log: &Log, writer: BoxMakeWriter) {
    let registry = tracing_subscriber::registry().with(filter(&log.level));
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let started = match log.format {
        LogFormat::Json => registry.with(lines.json()).try_init(),
        LogFormat::Text => registry.with(lines.with_ansi(false).with_target(false)).try_init(),
    };
    if started.is_err() {
        tracing::debug!("traces were started before");
    }
    std::panic::set_hook(Box::new(report));
}

fn filter(level: &str) -> EnvFilter {
    // The configuration was checked with the same parser.
    EnvFilter::try_new(format!("{NO_ERRORS},{level}")).unwrap_or_else(|_| EnvFilter::new("info"))
}

fn report(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    tracing::error!("{}", describe(panic.location(), thread.name()));
}

fn describe(location: Option<&std::panic::Location<'_>>, thread: Option<&str>) -> String {
    let place = location.map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    format!("panic at {place} in thread `{}`; please report this", thread.unwrap_or("?"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn mechanisms_without_a_name_are_no_errors_and_errors_are() {
        for level in ["info", "debug,claviger_server=trace"] {
            let lines = Lines::default();
            let seen = lines.clone();
            let layer = tracing_subscriber::fmt::layer().with_writer(move || lines.clone());
            let subscriber = tracing_subscriber::registry().with(filter(level)).with(layer);
            tracing::subscriber::with_default(subscriber, || {
                tracing::error!(target: "cryptoki::mechanism", "no name");
                tracing::error!(target: "cryptoki::session", "no token");
            });
            let seen = String::from_utf8(seen.0.lock().unwrap().clone()).unwrap();
            assert!(seen.contains("no token") && !seen.contains("no name"), "{seen}");
        }
    }

    #[test]
    fn panic_names_its_place_and_not_its_payload() {
        let reported = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&reported);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            *seen.lock().unwrap() = describe(panic.location(), Some("worker"));
        }));
        let _ = std::panic::catch_unwind(|| panic!("canary-{}", 4711));
        std::panic::set_hook(before);
        let reported = reported.lock().unwrap().clone();
        assert!(
            reported.contains("trace.rs") && reported.contains("worker") && !reported.contains("canary"),
            "{reported}"
        );
    }
}
