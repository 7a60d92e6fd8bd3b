//! What every benchmark here needs: whether it is only to be tried, and the middle of many figures.

/// Whether this run only proves that the benchmark works.
pub(crate) fn is_smoke() -> bool {
    std::env::args().any(|argument| argument == "--smoke")
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
