//! Progress on stderr, when a person is there to see it.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar of bytes; without `total` it counts only. Silent when stderr is no terminal.
pub(crate) fn bytes(what: &str, total: Option<u64>) -> ProgressBar {
    let template = if total.is_some() {
        "{prefix} {bar:30} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}"
    } else {
        "{prefix} {spinner} {binary_bytes} {binary_bytes_per_sec}"
    };
    bar(what, total, template)
}

/// A bar of things.
pub(crate) fn count(what: &str, total: u64) -> ProgressBar {
    bar(what, Some(total), "{prefix} {bar:30} {human_pos}/{human_len} {eta}")
}

fn bar(what: &str, total: Option<u64>, template: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_prefix(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
