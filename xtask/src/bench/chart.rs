//! Renders docs/benchmarks.svg: bars of the work done in the same CPU time, redis-server being 1.

use std::fmt::Write;

use super::cells::{Cell, Group, Operation};
use super::results::Results;

const GROUP: Group = Group {
    keys: 1_000_000,
    value_bytes: 64,
};
const PIPELINES: [u32; 4] = [1, 4, 16, 128];

/// Name in results, name in the legend, colour.
const SERIES: [(&str, &str, &str); 3] = [
    ("redis", "redis-server", "#9aa5b1"),
    ("redistill", "redistill", "#d9480f"),
    ("floor", "floor (sockets and protocol only)", "#f1d4c2"),
];

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 400.0;
const PLOT_TOP: f64 = 92.0;
const PLOT_BOTTOM: f64 = 330.0;
const PANEL_WIDTH: f64 = 390.0;
const PANEL_LEFTS: [f64; 2] = [30.0, 440.0];
const BAR_WIDTH: f64 = 26.0;
const BAR_GAP: f64 = 3.0;

/// The picture: one panel for GET and one for SET.
pub fn render(results: &Results) -> String {
    let title = "Operations per second of server CPU, as a multiple of redis-server's";
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"#243b53\" role=\"img\">\n\
         <title>{title}</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"8\" fill=\"#ffffff\"/>\n"
    );
    text(
        &mut svg,
        30.0,
        30.0,
        "start",
        "font-size=\"17\" font-weight=\"600\"",
        title,
    );
    legend(&mut svg);
    let scale = scale(results);
    for (operation, left) in [Operation::Get, Operation::Set]
        .into_iter()
        .zip(PANEL_LEFTS)
    {
        panel(&mut svg, results, operation, left, scale);
    }
    let note = format!(
        "{GROUP}, 50 connections, one core each; P = requests that a connection sends at once"
    );
    text(
        &mut svg,
        30.0,
        HEIGHT - 16.0,
        "start",
        "font-size=\"12\" fill=\"#627d98\"",
        &note,
    );
    svg + "</svg>\n"
}

/// How many times the work of redis-server a server does in the same CPU time.
fn multiple(results: &Results, operation: Operation, pipeline: u32, server: &str) -> Option<f64> {
    let cell = Cell {
        group: GROUP,
        operation,
        pipeline,
    };
    results.ratio(cell, "redis", server)
}

/// Height of one unit.
fn scale(results: &Results) -> f64 {
    let mut largest: f64 = 1.0;
    for operation in [Operation::Get, Operation::Set] {
        for pipeline in PIPELINES {
            for (server, ..) in SERIES {
                largest =
                    largest.max(multiple(results, operation, pipeline, server).unwrap_or(0.0));
            }
        }
    }
    (PLOT_BOTTOM - PLOT_TOP) / largest
}

fn legend(svg: &mut String) {
    let mut left = 30.0;
    for (_, name, colour) in SERIES {
        rectangle(svg, [left, 46.0, 12.0, 12.0], colour);
        text(svg, left + 18.0, 57.0, "start", "", name);
        left += 50.0 + 7.0 * name.len() as f64;
    }
}

fn panel(svg: &mut String, results: &Results, operation: Operation, left: f64, scale: f64) {
    let name = operation.name().to_uppercase();
    text(
        svg,
        left,
        PLOT_TOP - 8.0,
        "start",
        "font-size=\"14\" font-weight=\"600\"",
        &name,
    );
    let step = PANEL_WIDTH / PIPELINES.len() as f64;
    for (index, pipeline) in PIPELINES.into_iter().enumerate() {
        let centre = left + step * (index as f64 + 0.5);
        let all_bars = SERIES.len() as f64 * (BAR_WIDTH + BAR_GAP) - BAR_GAP;
        let mut bar_left = centre - all_bars / 2.0;
        for (server, _, colour) in SERIES {
            if let Some(multiple) = multiple(results, operation, pipeline, server) {
                let height = multiple * scale;
                rectangle(
                    svg,
                    [bar_left, PLOT_BOTTOM - height, BAR_WIDTH, height],
                    colour,
                );
                let label = if multiple < 9.95 {
                    format!("{multiple:.1}")
                } else {
                    format!("{multiple:.0}")
                };
                let middle = bar_left + BAR_WIDTH / 2.0;
                text(
                    svg,
                    middle,
                    PLOT_BOTTOM - height - 5.0,
                    "middle",
                    "font-size=\"12\"",
                    &label,
                );
            }
            bar_left += BAR_WIDTH + BAR_GAP;
        }
        text(
            svg,
            centre,
            PLOT_BOTTOM + 18.0,
            "middle",
            "",
            &format!("P={pipeline}"),
        );
    }
    rectangle(svg, [left, PLOT_BOTTOM, PANEL_WIDTH, 1.0], "#bcccdc");
}

fn rectangle(svg: &mut String, [x, y, width, height]: [f64; 4], colour: &str) {
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>"
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, style: &str, content: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {style}>{content}</text>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::tests::sample;

    #[test]
    fn bars_are_multiples_of_redis_server() {
        let mut results = Results::default();
        let cell = Cell {
            group: GROUP,
            operation: Operation::Get,
            pipeline: 128,
        };
        for (server, time) in [("redis", 1200.0), ("redistill", 150.0), ("floor", 75.0)] {
            results.samples.push(sample(cell, server, 0, time));
        }
        let svg = render(&results);
        for label in [">1.0<", ">8.0<", ">16<", ">GET<", ">P=128<"] {
            assert!(svg.contains(label), "{label}");
        }
        assert!(
            svg.contains("height=\"238.0\""),
            "the highest bar fills the plot"
        );
    }

    #[test]
    fn elements_are_closed_when_nothing_is_measured() {
        let svg = render(&Results::default());
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    }
}
