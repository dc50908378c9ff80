//! Samples and what to say about them.

use std::time::Duration;

/// What is said about the samples of one measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Summary {
    /// `samples` must not be empty.
    pub(crate) fn of(samples: &[f64]) -> Summary {
        Summary {
            median: quantile(samples, 0.5),
            min: quantile(samples, 0.0),
            max: quantile(samples, 1.0),
        }
    }
}

/// The sample that a share `q` of the samples lies below; the mean of the two
/// middle ones for the median of an even number.
pub(crate) fn quantile(samples: &[f64], q: f64) -> f64 {
    assert!(!samples.is_empty(), "no samples");
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = q * (sorted.len() - 1) as f64;
    if q == 0.5 {
        return f64::midpoint(sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    }
    sorted[at.round() as usize]
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Bytes,
}

impl Unit {
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Unit::Seconds => show_seconds(value),
            Unit::Bytes => format!("{} MiB", three_digits(value / (1 << 20) as f64)),
        }
    }
}

/// Three digits that matter; of very small values two.
pub(crate) fn three_digits(value: f64) -> String {
    let decimals = match value.abs() {
        value if value >= 99.95 => 0,
        value if value >= 9.995 => 1,
        value if value >= 0.0995 || value == 0.0 => 2,
        value => 1 - value.log10().floor() as i32,
    };
    format!("{value:.*}", usize::try_from(decimals).unwrap_or(0))
}

fn show_seconds(seconds: f64) -> String {
    let (scale, unit) = match seconds.abs() {
        s if s < 1e-6 => (1e9, "ns"),
        s if s < 1e-3 => (1e6, "µs"),
        s if s < 1.0 => (1e3, "ms"),
        _ => (1.0, "s"),
    };
    format!("{} {unit}", three_digits(seconds * scale))
}

/// A number with its thousands apart.
pub(crate) fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// The time that `work` takes, and what it gives; that is dropped elsewhere.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = std::time::Instant::now();
    let given = std::hint::black_box(work());
    (start.elapsed(), given)
}

/// The median and the 99th percentile of the time of one call, over `calls`.
/// Before them come a few that do not count: whoever slept is awake then.
pub(crate) fn latency<E>(
    calls: usize,
    mut call: impl FnMut(u64) -> Result<(), E>,
) -> Result<Vec<f64>, E> {
    for n in 0..(calls as u64 / 10) {
        call(n)?;
    }
    let mut samples = Vec::with_capacity(calls);
    for n in 0..(calls as u64) {
        let (time, result) = timed(|| call(n));
        result?;
        samples.push(time.as_secs_f64());
    }
    Ok(vec![quantile(&samples, 0.5), quantile(&samples, 0.99)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_sorted_samples() {
        let summary = Summary::of(&[3.0, 1.0, 2.0, 10.0]);
        assert_eq!(summary, Summary { median: 2.5, min: 1.0, max: 10.0 });
        let hundred: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!(quantile(&hundred, 0.99), 99.0);
        assert_eq!(quantile(&[7.0], 0.5), 7.0);
    }

    #[test]
    fn figures_show_three_digits_and_a_unit() {
        assert_eq!(Unit::Seconds.show(0.000_000_35), "350 ns");
        assert_eq!(Unit::Seconds.show(0.001_234), "1.23 ms");
        assert_eq!(Unit::Bytes.show(3_145_728.0), "3.00 MiB");
        assert_eq!(three_digits(0.0021), "0.0021");
        assert_eq!(three_digits(0.0), "0.00");
        assert_eq!(three_digits(123.4), "123");
        assert_eq!(count(10_000_000), "10,000,000");
        assert_eq!(count(100), "100");
    }
}
