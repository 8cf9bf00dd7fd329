//! What repeated measurements come to.

/// The middle of the figures and how far they spread.
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn of(figures: &[f64]) -> Self {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| sorted.get((sorted.len() as f64 * part) as usize).copied().unwrap_or(f64::NAN);
        Self { least: at(0.0), median: at(0.5), most: sorted.last().copied().unwrap_or(f64::NAN) }
    }

    /// `4.1 ms (3.9 to 5.0)`.
    pub(crate) fn shown(&self, unit: &str, digits: usize) -> String {
        let Self { least, median, most } = self;
        format!("{median:.digits$} {unit} ({least:.digits$} to {most:.digits$})")
    }
}
