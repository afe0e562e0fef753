"""Clouds of points, histograms and the reliability diagram."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.runs.report.charts.axes import across, figure, frame, span, up
from trainwright.runs.report.figures import is_number, number
from trainwright.runs.report.markup import Content, Markup, tag

MOST = 2000


def predicted_against_true(truth: Sequence[float], prediction: Sequence[float]) -> Markup | None:
    """Each test row as a point, the line of perfect prediction behind; None without points."""
    pairs = [(a, b) for a, b in zip(truth, prediction, strict=False) if is_number(a) and is_number(b)][:MOST]
    if not pairs:
        return None
    low, high = span([value for pair in pairs for value in pair], pad=0.03)
    x, y = across(low, high), up(low, high)
    perfect = tag("path", d=f"M{x.start:.0f} {y.start:.0f}L{x.end:.0f} {y.end:.0f}", class_="diagonal")
    # One path of strokes without length and with round ends draws thousands of dots in a few kilobytes.
    dots = "".join(f"M{x.place(a):.1f} {y.place(b):.1f}h0" for a, b in pairs)
    cloud = tag("path", d=dots, class_="cloud" if len(pairs) > 300 else "cloud few")
    caption = [tag("b", "Predicted against true"), tag("span", f"{number(len(pairs))} test rows", class_="soft")]
    return figure(caption, frame(x, y, perfect, cloud, title="Predicted against true values", x_label="true value"))


def histogram(caption: Content, title: str, edges: Sequence[float], counts: Sequence[float], x_label: str) -> Markup | None:
    """Counts between edges, with a line at zero; None when there is nothing to show."""
    if len(edges) != len(counts) + 1 or not counts or not all(is_number(each) for each in edges):
        return None
    x, y = across(edges[0], edges[-1] if edges[-1] > edges[0] else edges[0] + 1), up(0.0, max(counts) * 1.05 or 1.0)
    bars = "".join(
        f"M{x.place(a) + 0.5:.1f} {y.place(0):.1f}V{y.place(count):.1f}H{x.place(b) - 0.5:.1f}V{y.place(0):.1f}z"
        for a, b, count in zip(edges[:-1], edges[1:], counts, strict=True)
        if count
    )
    zero = tag("path", d=f"M{x.place(0):.1f} {y.start:.0f}V{y.end:.0f}", class_="zero") if x.low < 0 < x.high else None
    return figure(caption, frame(x, y, tag("path", d=bars, class_="histogram"), zero, title=title, x_label=x_label))


def reliability(bins: list[dict[str, float]], ece: float | None) -> Markup | None:
    """Confidence against how often it was right; a point's area is its share of rows, and the diagonal is honesty."""
    full = [each for each in bins if each.get("count") and is_number(each.get("confidence")) and is_number(each.get("frequency"))]
    if not full:
        return None
    x, y = across(0.0, 1.0), up(0.0, 1.0)
    total = sum(each["count"] for each in full)
    places = [(x.place(each["confidence"]), y.place(each["frequency"]), each) for each in full]
    line = tag("path", d="M" + "L".join(f"{a:.1f} {b:.1f}" for a, b, _ in places), class_="line validation thin")
    dots = [
        tag(
            "circle",
            tag("title", f"said {each['confidence']:.2f}, was {each['frequency']:.2f}, {number(each['count'])} rows"),
            cx=f"{a:.1f}",
            cy=f"{b:.1f}",
            r=f"{2.5 + 9 * (each['count'] / total) ** 0.5:.1f}",
            class_="bubble",
        )
        for a, b, each in places
    ]
    honest = tag("path", d=f"M{x.start:.0f} {y.start:.0f}L{x.end:.0f} {y.end:.0f}", class_="diagonal")
    detail = f"expected calibration error {ece:.3f}" if ece is not None and is_number(ece) else ""
    caption = [tag("b", "Calibration"), tag("span", detail, class_="soft")]
    return figure(caption, frame(x, y, honest, line, dots, title="Calibration", detail=detail, x_label="predicted probability"))
