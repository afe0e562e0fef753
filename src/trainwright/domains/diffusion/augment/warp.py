"""Pictures warped by affine maps: cubic interpolation, reflected at the edges."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor


def warp(x: Float[Tensor, "b c h w"], inverse: Float[Tensor, "b 3 3"]) -> Float[Tensor, "b c h w"]:
    """Pictures whose pixel (column, row) is that at `inverse · (column, row, 1)` of the given ones, by Catmull-Rom's cubic (Keys 1981).

    Beyond an edge pictures are mirrored about the middle of the last pixel, as with numpy's `reflect`.
    """
    height, width = x.shape[2:]
    rows, columns = torch.meshgrid(*(torch.arange(n, dtype=inverse.dtype, device=x.device) for n in (height, width)), indexing="ij")
    points = torch.stack([columns.flatten(), rows.flatten(), torch.ones_like(rows).flatten()])
    at = inverse @ points  # (b, 3, h·w)
    column_taps, column_weights = taps(at[:, 0], width)
    row_taps, row_weights = taps(at[:, 1], height)
    flat, found = x.flatten(2), torch.zeros_like(x.flatten(2))
    for i in range(4):
        for j in range(4):
            place = (row_taps[i] * width + column_taps[j]).unsqueeze(1).expand(-1, x.shape[1], -1)
            found += flat.gather(2, place) * (row_weights[i] * column_weights[j]).to(x.dtype).unsqueeze(1)
    return found.reshape(x.shape)


def taps(at: Float[Tensor, "b n"], count: int) -> tuple[list[Int[Tensor, "b n"]], list[Float[Tensor, "b n"]]]:
    """The four pixels around each place on an axis of `count` pixels, and their weights."""
    base = at.floor()
    t = at - base
    weights = [
        ((-0.5 * t + 1) * t - 0.5) * t,
        (1.5 * t - 2.5) * t**2 + 1,
        ((-1.5 * t + 2) * t + 0.5) * t,
        (0.5 * t - 0.5) * t**2,
    ]
    return [mirror_places(base.long() + offset, count) for offset in (-1, 0, 1, 2)], weights


def mirror_places(place: Int[Tensor, "b n"], count: int) -> Int[Tensor, "b n"]:
    """Places beyond the ends of an axis mirrored about its first and last pixel."""
    period = max(2 * (count - 1), 1)
    place = place.remainder(period)
    return torch.minimum(place, period - place).clamp(max=count - 1)


def translate(x: Float[Tensor, " b"], y: Float[Tensor, " b"]) -> Float[Tensor, "b 3 3"]:
    """Matrices that move by (x, y)."""
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    return matrices([[one, zero, x], [zero, one, y], [zero, zero, one]])


def stretch(x: Float[Tensor, " b"], y: Float[Tensor, " b"]) -> Float[Tensor, "b 3 3"]:
    """Matrices that scale columns by x and rows by y."""
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    return matrices([[x, zero, zero], [zero, y, zero], [zero, zero, one]])


def rotate(angle: Float[Tensor, " b"]) -> Float[Tensor, "b 3 3"]:
    """Matrices that rotate by an angle in radians, from columns towards rows."""
    one, zero = torch.ones_like(angle), torch.zeros_like(angle)
    cos, sin = angle.cos(), angle.sin()
    return matrices([[cos, -sin, zero], [sin, cos, zero], [zero, zero, one]])


def matrices(entries: list[list[Tensor]]) -> Float[Tensor, "b 3 3"]:
    """Matrices from their entries, each `(b,)`."""
    return torch.stack([torch.stack(row, dim=-1) for row in entries], dim=-2)


def normal(u: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """Standard normal numbers of uniform ones, at most 8 standard deviations."""
    return torch.special.ndtri(u.clamp(1e-15, 1 - 1e-15))


def angle(u: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """Angles from −π to π of uniform numbers."""
    return (2 * u - 1) * math.pi
