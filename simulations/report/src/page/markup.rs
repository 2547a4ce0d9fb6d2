//! Text in HTML and SVG, and the shapes that charts are made of.

use std::fmt;

/// Text whose special characters are escaped.
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => out.write_str("&amp;")?,
                '<' => out.write_str("&lt;")?,
                '>' => out.write_str("&gt;")?,
                '"' => out.write_str("&quot;")?,
                '\'' => out.write_str("&#39;")?,
                other => fmt::Write::write_char(out, other)?,
            }
        }
        Ok(())
    }
}

/// A coordinate, rounded to a tenth of a pixel.
pub(crate) struct Px(pub(crate) f64);

impl fmt::Display for Px {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&crate::format::decimals(self.0, 1))
    }
}

/// The greatest width of a text in pixels, at the size of labels.
pub(crate) fn width_of(text: &str) -> f64 {
    text.chars().count() as f64 * 6.4
}

/// A text at a position. `anchor` is `start`, `middle` or `end`.
pub(crate) fn label(x: f64, y: f64, class: &str, anchor: &str, text: &str) -> String {
    format!(
        "<text x=\"{}\" y=\"{}\" class=\"{class}\" text-anchor=\"{anchor}\">{}</text>",
        Px(x),
        Px(y),
        Text(text)
    )
}

/// The title of a chart, followed in smaller letters by its unit or a note.
pub(crate) fn heading((x, y): (f64, f64), title: &str, unit: &str) -> String {
    let (x, y, title, unit) = (Px(x), Px(y), Text(title), Text(unit));
    format!("<text x=\"{x}\" y=\"{y}\" class=\"title\">{title}<tspan class=\"unit\" dx=\"10\">{unit}</tspan></text>")
}

/// A straight line of an SVG class.
pub(crate) fn line(class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) -> String {
    let (x1, y1, x2, y2) = (Px(x1), Px(y1), Px(x2), Px(y2));
    format!("<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>")
}

/// A rectangle; `more` are further attributes.
pub(crate) fn rectangle(class: &str, (x, y): (f64, f64), (width, height): (f64, f64), more: &str) -> String {
    let (x, y, width, height) = (Px(x), Px(y), Px(width.max(0.0)), Px(height.max(0.0)));
    format!("<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {more}/>")
}

/// A picture that scales with the page; `described` is its text for screen readers.
pub(crate) fn picture(width: f64, height: f64, id: &str, described: &str, content: &str) -> String {
    format!(
        "<svg id=\"{id}\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">{content}</svg>",
        Px(width),
        Px(height),
        Text(described)
    )
}

/// The class that gives a region its colour, the same in every chart. Beyond six regions, the
/// colours repeat with broken lines.
pub(crate) fn region_class(index: usize) -> String {
    let dashed = if (index / 6).is_multiple_of(2) { "" } else { " dashed" };
    format!("r{}{dashed}", index % 6)
}
