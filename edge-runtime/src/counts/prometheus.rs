//! Counts in Prometheus' text form.

use std::fmt::Write as _;

use super::tally::{DWELL_EDGES_S, Tally};

/// The counters of everything that was ever counted; they go on over restarts.
pub fn text(total: &Tally) -> String {
    let mut page = String::new();
    plain(
        &mut page,
        "edge_visitors_total",
        "Faces in sight for a second or longer.",
        total.visitors as f64,
    );
    plain(
        &mut page,
        "edge_attentive_total",
        "Visitors who faced the camera for a second or longer.",
        total.attentive as f64,
    );
    plain(
        &mut page,
        "edge_smiles_total",
        "Visitors who were told Happy.",
        total.smiles() as f64,
    );
    dwell(&mut page, total);
    told(&mut page, total);
    plain(
        &mut page,
        "edge_abstained_visitors_total",
        "Visitors who were told no emotion.",
        total.abstained.visitors as f64,
    );
    plain(
        &mut page,
        "edge_abstained_seconds_total",
        "Time of visitors in which no emotion was told.",
        seconds(total.abstained.ms),
    );
    page
}

fn plain(page: &mut String, name: &str, help: &str, value: f64) {
    head(page, name, "counter", help);
    line(page, name, value);
}

fn dwell(page: &mut String, total: &Tally) {
    let name = "edge_dwell_seconds";
    head(page, name, "histogram", "Time from first to last sight of a visitor.");
    let mut below = 0_u64;
    for (edge, visits) in DWELL_EDGES_S.iter().zip(total.dwell.histogram) {
        below = visits.saturating_add(below);
        line(page, &format!("{name}_bucket{{le=\"{edge}\"}}"), below as f64);
    }
    line(
        page,
        &format!("{name}_bucket{{le=\"+Inf\"}}"),
        total.dwell.visits as f64,
    );
    line(page, &format!("{name}_sum"), seconds(total.dwell.ms));
    line(page, &format!("{name}_count"), total.dwell.visits as f64);
}

fn told(page: &mut String, total: &Tally) {
    let (visitors, time) = ("edge_told_visitors_total", "edge_told_seconds_total");
    head(
        page,
        visitors,
        "counter",
        "Visitors by the emotions that they were told.",
    );
    for (label, share) in &total.told {
        line(
            page,
            &format!("{visitors}{{emotion=\"{label}\"}}"),
            share.visitors as f64,
        );
    }
    head(page, time, "counter", "Time of visitors by the emotion that was told.");
    for (label, share) in &total.told {
        line(page, &format!("{time}{{emotion=\"{label}\"}}"), seconds(share.ms));
    }
}

fn head(page: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(page: &mut String, name: &str, value: f64) {
    let _ = writeln!(page, "{name} {value}");
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::Share;

    #[test]
    fn every_sum_is_a_counter_and_the_histogram_adds_up() {
        let mut tally = Tally {
            visitors: 4,
            attentive: 3,
            ..Tally::default()
        };
        let happy = "Happy".try_into().unwrap();
        tally.add_share(&happy, Share { visitors: 2, ms: 2500 });
        for ms in [1500, 4000, 9_000_000] {
            tally.dwell.record(ms);
        }
        let page = text(&tally);
        for expected in [
            "# TYPE edge_visitors_total counter\nedge_visitors_total 4\n",
            "\nedge_attentive_total 3\n",
            "\nedge_smiles_total 2\n",
            "# TYPE edge_dwell_seconds histogram\nedge_dwell_seconds_bucket{le=\"2\"} 1\n",
            "\nedge_dwell_seconds_bucket{le=\"1800\"} 2\nedge_dwell_seconds_bucket{le=\"+Inf\"} 3\n",
            "\nedge_dwell_seconds_sum 9005.5\nedge_dwell_seconds_count 3\n",
            "\nedge_told_visitors_total{emotion=\"Happy\"} 2\n",
            "\nedge_told_seconds_total{emotion=\"Happy\"} 2.5\n",
            "\nedge_abstained_visitors_total 0\n",
        ] {
            assert!(page.contains(expected), "{page} lacks {expected}");
        }
    }
}
