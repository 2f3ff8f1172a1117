//! Medians and ratios, and how they are told.

use std::time::Duration;

use serde_json::json;

use super::load::Measured;
use super::say;

const CASES: [&str; 2] = ["by_device", "by_transaction"];

/// What was measured, round by round: ours and the yardstick's.
#[derive(Default)]
pub(super) struct Figures {
    cases: [Vec<(Measured, Measured)>; 2],
}

impl Figures {
    /// Takes a round in.
    pub(super) fn add(&mut self, case: usize, measured: (Measured, Measured)) {
        if let Some(case) = self.cases.get_mut(case) {
            case.push(measured);
        }
    }

    /// Tells all figures: CPU time for a request as bare/ours, requests a second as ours/bare.
    pub(super) fn tell(&self, as_json: bool, rows: usize, connections: usize) {
        if !as_json {
            say(&format!(
                "inquiry, {rows} rows, {connections} kept-alive mutual-TLS connections"
            ));
            say(&format!(
                "{:<34} {:>12} {:>12} {:>8}",
                "figure", "gateway", "bare", "ratio"
            ));
        }
        for (name, rounds) in CASES.iter().zip(&self.cases) {
            let micros = |cpu: Duration| cpu.as_secs_f64() * 1e6;
            let cpu = Figure {
                name: format!("inquiry.{name}.cpu"),
                unit: "us/request",
                value: median(rounds.iter().map(|(ours, _)| micros(ours.cpu_per_request))),
                yardstick: median(rounds.iter().map(|(_, bare)| micros(bare.cpu_per_request))),
                ratio: median(rounds.iter().map(|(ours, bare)| {
                    micros(bare.cpu_per_request) / micros(ours.cpu_per_request).max(f64::EPSILON)
                })),
            };
            let rate = Figure {
                name: format!("inquiry.{name}.rate"),
                unit: "requests/s",
                value: median(rounds.iter().map(|(ours, _)| ours.requests_per_second)),
                yardstick: median(rounds.iter().map(|(_, bare)| bare.requests_per_second)),
                ratio: median(rounds.iter().map(|(ours, bare)| {
                    ours.requests_per_second / bare.requests_per_second.max(f64::EPSILON)
                })),
            };
            for figure in [cpu, rate] {
                figure.tell(as_json, rows);
            }
        }
    }
}

struct Figure {
    name: String,
    unit: &'static str,
    value: f64,
    yardstick: f64,
    ratio: f64,
}

impl Figure {
    fn tell(&self, as_json: bool, rows: usize) {
        let Self {
            name,
            unit,
            value,
            yardstick,
            ratio,
        } = self;
        if as_json {
            let line = json!({
                "name": name,
                "value": round(*value),
                "unit": unit,
                "yardstick": round(*yardstick),
                "ratio": round(*ratio),
                "rows": rows,
            });
            say(&line.to_string());
        } else {
            let named = format!("{name} ({unit})");
            say(&format!(
                "{named:<34} {value:>12.1} {yardstick:>12.1} {ratio:>8.2}"
            ));
        }
    }
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
