//! Median and range of repeated measurements.

/// Median, minimum and maximum.
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn of(figures: &[f64]) -> Self {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self { least: quantile(&sorted, 0.0), median: quantile(&sorted, 0.5), most: quantile(&sorted, 1.0) }
    }

    /// `4.1 ms (3.9 to 5.0)`.
    pub(crate) fn shown(&self, unit: &str, digits: usize) -> String {
        let Self { least, median, most } = self;
        format!("{median:.digits$} {unit} ({least:.digits$} to {most:.digits$})")
    }
}

/// The quantile `part` (0 to 1) of sorted figures; NaN if there are none.
pub(crate) fn quantile(sorted: &[f64], part: f64) -> f64 {
    let at = (sorted.len() as f64 * part) as usize;
    sorted.get(at).or(sorted.last()).copied().unwrap_or(f64::NAN)
}
