//! A bar plot as SVG, readable on light and dark backgrounds.

use std::fmt::Write as _;

/// Groups of horizontal bars, one bar for each series.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// What the plot shows, with the unit.
    pub title: String,
    /// The names of the series, in the order of the values.
    pub series: Vec<String>,
    /// The groups with a value for each series; `None` leaves a gap.
    pub groups: Vec<(String, Vec<Option<f64>>)>,
    /// The number of decimal places of the values.
    pub decimals: usize,
}

const WIDTH: f64 = 760.0;
const LABELS: f64 = 170.0;
/// The space for the value at the end of the longest bar.
const VALUES: f64 = 70.0;
const BAR: f64 = 14.0;
const GAP: f64 = 12.0;
const LEGEND_LINE: f64 = 20.0;

/// Tones with enough contrast to white and to black. The first one is for the reference.
const COLORS: [&str; 7] = ["#8b949e", "#57606a", "#d9822b", "#b14fc4", "#3fa34d", "#d1495b", "#a68a2c"];

/// The tones of the series of tenant-runtime, the same in every plot.
const OWN_COLORS: [&str; 2] = ["#2f81f7", "#1a7f9c"];

impl Chart {
    /// Returns the plot as the text of an SVG file.
    #[must_use]
    pub fn svg(&self) -> String {
        let values = self.groups.iter().flat_map(|(_, values)| values.iter().flatten().copied());
        let most = values.fold(f64::MIN_POSITIVE, f64::max);
        let colors = self.colors();
        let (legend, legend_lines) = self.legend(&colors);
        let top = 34.0 + f64::from(legend_lines) * LEGEND_LINE;
        let (mut bars, mut y) = (String::new(), top);
        for (label, values) in &self.groups {
            let shown: Vec<_> = values.iter().enumerate().filter_map(|(n, value)| Some((n, (*value)?))).collect();
            let middle = y + BAR * f64::from(u32::try_from(shown.len()).expect("a few bars")) / 2.0 + 4.0;
            text(&mut bars, LABELS - 10.0, middle, "end", label);
            for (n, value) in shown {
                let width = (value / most * (WIDTH - LABELS - VALUES)).max(1.0);
                let color = colors[n];
                let height = BAR - 2.0;
                let _ = writeln!(
                    bars,
                    "<rect x=\"{LABELS:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"2\" fill=\"{color}\"/>"
                );
                text(&mut bars, LABELS + width + 5.0, y + BAR - 4.0, "start", &format!("{value:.*}", self.decimals));
                y += BAR;
            }
            y += GAP;
        }
        let mut title = String::new();
        text(&mut title, 10.0, 20.0, "start", &self.title);
        let title = title.replacen("<text", "<text class=\"title\"", 1);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {y:.0}\" width=\"{WIDTH:.0}\" height=\"{y:.0}\">\n\
             <style>text {{ font: 12px system-ui, sans-serif; fill: #24292f }} .title {{ font-weight: 600; font-size: 14px }}\n\
             @media (prefers-color-scheme: dark) {{ text {{ fill: #d0d7de }} }}</style>\n{title}{legend}{bars}</svg>\n"
        )
    }

    /// Returns the color of each series.
    fn colors(&self) -> Vec<&'static str> {
        let (mut own, mut others) = (OWN_COLORS.into_iter().cycle(), COLORS.into_iter().cycle());
        let color = |name: &String| if name.starts_with("tenant-runtime") { own.next() } else { others.next() };
        self.series.iter().filter_map(color).collect()
    }

    /// Returns the names of the series with their colors, and the number of lines that they fill.
    fn legend(&self, colors: &[&str]) -> (String, u32) {
        let (mut legend, mut x, mut line) = (String::new(), 10.0, 0);
        for (n, name) in self.series.iter().enumerate() {
            let width = 34.0 + 6.6 * f64::from(u32::try_from(name.chars().count()).expect("a short name"));
            if x > 10.0 && x + width > WIDTH {
                (x, line) = (10.0, line + 1);
            }
            let y = 32.0 + f64::from(line) * LEGEND_LINE;
            let color = colors[n];
            let _ = writeln!(
                legend,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"12\" height=\"12\" rx=\"2\" fill=\"{color}\"/>"
            );
            text(&mut legend, x + 17.0, y + 10.0, "start", name);
            x += width;
        }
        (legend, line + 1)
    }
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
}
