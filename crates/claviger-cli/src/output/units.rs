//! Numbers as people read them.

use std::time::Duration;

const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];

/// `51.2 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    // Tenths of the unit, in integers: the figure is for reading.
    let (mut tenths, mut at) = (u128::from(count) * 10, 0);
    while tenths >= 10_240 && at + 1 < UNITS.len() {
        tenths /= 1024;
        at += 1;
    }
    let unit = UNITS.get(at).copied().unwrap_or("B");
    if at == 0 { format!("{count} B") } else { format!("{}.{} {unit}", tenths / 10, tenths % 10) }
}

/// `1.25 s`, `340 ms`.
pub(crate) fn elapsed(span: Duration) -> String {
    if span < Duration::from_secs(1) {
        format!("{} ms", span.as_millis())
    } else {
        format!("{}.{:02} s", span.as_secs(), span.subsec_millis() / 10)
    }
}

/// `90d`, `1d12h`, `45s`: as spans are given.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let parts =
        [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let text: String =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// `120.4 MiB/s`; a dash when nothing was measured.
pub(crate) fn rate(count: u64, span: Duration) -> String {
    match span.as_micros() {
        0 => "-".to_owned(),
        micros => {
            let each_second = u128::from(count) * 1_000_000 / micros;
            format!("{}/s", bytes(u64::try_from(each_second).unwrap_or(u64::MAX)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(50 * 1024 * 1024), "50.0 MiB");
        assert_eq!(bytes(u64::MAX), "16777215.9 TiB");
        assert_eq!(elapsed(Duration::from_millis(340)), "340 ms");
        assert_eq!(elapsed(Duration::from_millis(61_257)), "61.25 s");
        assert_eq!(span(Duration::from_secs(90 * 86_400)), "90d");
        assert_eq!(span(Duration::from_secs(86_400 + 12 * 3600 + 61)), "1d12h1m1s");
        assert_eq!(span(Duration::ZERO), "0s");
        assert_eq!(rate(1 << 20, Duration::from_millis(500)), "2.0 MiB/s");
        assert_eq!(rate(1, Duration::ZERO), "-");
    }
}
