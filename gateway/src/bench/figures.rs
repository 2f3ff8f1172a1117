//! Figures, the round in the middle, and how they are told.

use std::time::Duration;

use serde_json::json;

use super::load::Measured;
use super::say;

/// One figure, and the yardstick it was measured against in the same run.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    /// What, in dots: the bench, the case, the quantity.
    pub(super) name: String,
    /// Of value and yardstick.
    pub(super) unit: &'static str,
    /// Ours.
    pub(super) value: f64,
    /// What it is compared with, if anything.
    pub(super) yardstick: Option<f64>,
    /// How the two compare; each bench says which way round.
    pub(super) ratio: Option<f64>,
    /// Rows in the store.
    pub(super) rows: usize,
}

/// Where figures go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    /// A line of JSON for each figure instead of a table.
    pub(super) as_json: bool,
}

impl Report {
    /// Says under which conditions.
    pub(super) fn remark(self, remark: &str) {
        if !self.as_json {
            say(remark);
        }
    }

    /// Says what follows, and what the columns are.
    pub(super) fn begin(self, title: &str, [ours, yardstick]: [&str; 2]) {
        if !self.as_json {
            say(title);
            say(&format!(
                "{:<40} {ours:>14} {yardstick:>14} {:>8}",
                "figure", "ratio"
            ));
        }
    }

    /// Tells a figure.
    pub(super) fn tell(self, figure: &Figure) {
        let Figure {
            name,
            unit,
            value,
            yardstick,
            ratio,
            rows,
        } = figure;
        if self.as_json {
            let line = json!({
                "name": name,
                "value": round(*value),
                "unit": unit,
                "yardstick": yardstick.map(round),
                "ratio": ratio.map(round),
                "rows": rows,
            });
            say(&line.to_string());
            return;
        }
        let cell = |number: Option<f64>, digits| {
            number.map_or_else(|| "-".to_owned(), |number| format!("{number:.digits$}"))
        };
        say(&format!(
            "{:<40} {:>14} {:>14} {:>8}",
            format!("{name} ({unit})"),
            cell(Some(*value), 1),
            cell(*yardstick, 1),
            cell(*ratio, 2),
        ));
    }
}

/// Rounds of two things measured in turn.
#[derive(Debug, Default)]
pub(super) struct Rounds(Vec<(Measured, Measured)>);

impl Rounds {
    /// Takes a round in: ours, and the yardstick.
    pub(super) fn add(&mut self, ours: Measured, yardstick: Measured) {
        self.0.push((ours, yardstick));
    }

    /// CPU time for a request, microseconds; `compare` makes a ratio of ours and the yardstick's.
    pub(super) fn cpu(&self, name: &str, rows: usize, compare: fn(f64, f64) -> f64) -> Figure {
        let micros = |cpu: Duration| cpu.as_secs_f64() * 1e6;
        let of = |measured: &Measured| micros(measured.cpu_per_request);
        self.figure((format!("{name}.cpu"), "us/request"), rows, (of, compare))
    }

    /// Requests a second, likewise.
    pub(super) fn rate(&self, name: &str, rows: usize, compare: fn(f64, f64) -> f64) -> Figure {
        let of = |measured: &Measured| measured.requests_per_second;
        self.figure((format!("{name}.rate"), "requests/s"), rows, (of, compare))
    }

    /// How long a request takes where `parallel` are always under way, milliseconds; of the two, how many
    /// times as long.
    pub(super) fn latency(&self, name: &str, parallel: usize) -> Figure {
        let of = |measured: &Measured| parallel as f64 * 1e3 / measured.requests_per_second;
        let named = (format!("{name}.time"), "ms/request");
        self.figure(named, 1, (of, ours_to_yardstick))
    }

    fn figure(
        &self,
        (name, unit): (String, &'static str),
        rows: usize,
        (of, compare): (impl Fn(&Measured) -> f64, fn(f64, f64) -> f64),
    ) -> Figure {
        // The round in the middle, whole: the ratio told is that of the figures told.
        let mut pairs: Vec<_> = self.0.iter().map(|(o, y)| (of(o), of(y))).collect();
        pairs.sort_by(|a, b| compare(a.0, a.1).total_cmp(&compare(b.0, b.1)));
        let (ours, yardstick) = pairs
            .get(pairs.len() / 2)
            .copied()
            .unwrap_or((f64::NAN, f64::NAN));
        Figure {
            name,
            unit,
            value: ours,
            yardstick: Some(yardstick),
            ratio: Some(compare(ours, yardstick)),
            rows,
        }
    }
}

/// The one in the middle.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Ours for each of the yardstick's.
pub(super) fn ours_to_yardstick(ours: f64, yardstick: f64) -> f64 {
    ours / yardstick.max(f64::EPSILON)
}

/// The yardstick's for each of ours.
pub(super) fn yardstick_to_ours(ours: f64, yardstick: f64) -> f64 {
    ours_to_yardstick(yardstick, ours)
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
