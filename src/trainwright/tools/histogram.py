"""A histogram of a tensor's values as a small SVG file."""

from __future__ import annotations

from xml.sax.saxutils import escape

import torch
from torch import Tensor

WIDTH, HEIGHT, MARGIN = 360, 180, 24


def histogram_svg(values: Tensor, title: str, bins: int = 40) -> str:
    """SVG text of the values (any shape, floating); what is not finite is left out, and counted in the caption."""
    flat = values.detach().reshape(-1).to("cpu", torch.float64)
    finite = flat[flat.isfinite()]
    bars, low, high = "", 0.0, 0.0
    if finite.numel():
        low, high = float(finite.min()), float(finite.max())
        counts = torch.histc(finite, bins, low, high) if high > low else torch.tensor([float(finite.numel())])
        bars = _bars(counts.tolist())
    caption = f"{low:.4g} … {high:.4g}, {flat.numel()} values"
    if flat.numel() > finite.numel():
        caption += f", {flat.numel() - finite.numel()} not finite"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img">\n'
        f"<title>{escape(title)}</title>\n"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n'
        f'<g font-family="sans-serif" font-size="11" fill="#333">\n'
        f'<text x="{MARGIN}" y="16">{escape(title)}</text>\n'
        f'<text x="{MARGIN}" y="{HEIGHT - 8}">{escape(caption)}</text>\n</g>\n'
        f'<g fill="#3b6ea5">\n{bars}</g>\n</svg>\n'
    )


def _bars(counts: list[float]) -> str:
    wide, tall, most = (WIDTH - 2 * MARGIN) / len(counts), HEIGHT - 2 * MARGIN, max(counts)
    lines = []
    for number, count in enumerate(counts):
        height = tall * count / most
        lines.append(
            f'<rect x="{MARGIN + number * wide:.1f}" y="{HEIGHT - MARGIN - height:.1f}" width="{wide:.1f}" height="{height:.1f}"/>\n'
        )
    return "".join(lines)
