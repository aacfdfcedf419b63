//! What the listener for monitoring says: health and metrics, in plain HTTP.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};

use super::http::head_of;
use super::tls::Route;

/// The body of a page of it.
///
/// # Errors
/// When there is no answer.
pub fn page(listener: SocketAddr, path: &str) -> Result<String> {
    let mut stream = Route::honest(listener).connect()?;
    stream.write_all(&head_of("GET", path, &[("connection", "close")]))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").with_context(|| format!("no HTTP: {answer}"))?;
    Ok(body.to_owned())
}

/// A metric, summed over its labels.
///
/// # Errors
/// When there is none of that name.
pub fn metric(listener: SocketAddr, name: &str) -> Result<f64> {
    sum(&page(listener, "/metrics")?, name)
}

fn sum(page: &str, name: &str) -> Result<f64> {
    let values = page.lines().filter_map(|line| {
        let (shown, value) = line.rsplit_once(' ')?;
        (shown.split('{').next() == Some(name)).then_some(value)
    });
    let values = values.map(|value| value.parse().with_context(|| format!("`{name}` is `{value}`")));
    let values = values.collect::<Result<Vec<f64>>>()?;
    ensure!(!values.is_empty(), "no metric `{name}`");
    Ok(values.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_is_the_sum_over_its_labels_and_no_other() {
        let page = "# TYPE a counter\na{b=\"c d\"} 2\na{b=\"e\"} 3\na_total 7\n";
        assert!((sum(page, "a").unwrap() - 5.0).abs() < f64::EPSILON);
        assert!((sum(page, "a_total").unwrap() - 7.0).abs() < f64::EPSILON);
        assert!(sum(page, "b").is_err());
    }
}
