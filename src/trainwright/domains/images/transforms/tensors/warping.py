"""Pictures `(…, c, h, w)` turned, moved, sheared and bent, as torchvision's tensor kernels do it; angles are degrees counter-clockwise."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from trainwright.domains.images.transforms.matrices import Matrix, Points, inverse_affine, perspective_of, rotated_size
from trainwright.domains.images.transforms.tensors.pieces import Fill
from trainwright.domains.images.transforms.tensors.values import Kind, as_before, flat, in_floats


def rotate(picture: Tensor, degrees: float, interpolation: str = "nearest", expand: bool = False, fill: Fill | None = None) -> Tensor:
    """Turned about its middle; with `expand` as large as is needed to show all of it."""
    matrix = inverse_affine(-degrees)
    size = picture.shape[-2], picture.shape[-1]
    return by_matrix(picture, matrix, interpolation, fill, rotated_size(matrix, size) if expand else size)


def affine(
    picture: Tensor,
    degrees: float = 0.0,
    translate: tuple[float, float] = (0.0, 0.0),
    scale: float = 1.0,
    shear: tuple[float, float] = (0.0, 0.0),
    interpolation: str = "nearest",
    fill: Fill | None = None,
) -> Tensor:
    """Turned (here clockwise, as torchvision has it), moved by (x, y) pixels, scaled, and sheared by (x, y) degrees about its middle."""
    return by_matrix(picture, inverse_affine(degrees, translate, scale, shear), interpolation, fill)


def by_matrix(
    picture: Tensor, matrix: Matrix, interpolation: str = "nearest", fill: Fill | None = None, size: tuple[int, int] | None = None
) -> Tensor:
    """Sampled where a matrix (a, b, c, d, e, f) says: of the pixel (x, y), from the middle, comes (ax + by + c, dx + ey + f)."""
    rows, columns = picture.shape[-2:]
    height, width = size or (rows, columns)
    kind: Kind = {"dtype": in_floats(picture).dtype, "device": picture.device}
    x = torch.linspace(-width * 0.5 + 0.5, width * 0.5 - 0.5, width, **kind)
    y = torch.linspace(-height * 0.5 + 0.5, height * 0.5 - 0.5, height, **kind)
    base = torch.stack([x.expand(height, width), y[:, None].expand(height, width), torch.ones(height, width, **kind)], dim=-1)
    theta = torch.tensor(matrix, **kind).view(2, 3)
    grid = base @ (theta.T / torch.tensor([0.5 * columns, 0.5 * rows], **kind))
    return sample(picture, grid[None], interpolation, fill)


def smooth_warp(picture: Tensor, matrices: Sequence[Matrix], fill: Fill | None = None) -> Tensor:
    """`(c, h, w)` by one matrix, or rows `(n, c, h, w)` by one each, bilinear, of places counted from the middle.

    The quick way for augmentation: one product for all places, and borders that fade to `fill` once, not as torchvision's do.
    """
    rows, columns = picture.shape[-2:]
    x, y = 2 / columns, 2 / rows
    theta = [[[a * x, d * y], [b * x, e * y], [c * x, f * y]] for a, b, c, d, e, f in matrices]
    kind: Kind = {"dtype": in_floats(picture).dtype, "device": picture.device}
    grid = (_places(rows, columns).to(**kind) @ torch.tensor(theta, **kind)).view(-1, rows, columns, 2)
    numbers = in_floats(picture) if picture.dim() == 4 else in_floats(picture)[None]
    plain = fill is None or isinstance(fill, str) or not any([fill] if isinstance(fill, int | float) else fill)
    color = None if plain else numbers.new_tensor(fill).view(1, -1, 1, 1)
    numbers = numbers if color is None else numbers - color
    found = torch.grid_sampler(numbers, grid, 0, int(fill == "edge"), False)
    found = found if color is None else found + color
    found = found if picture.dim() == 4 else found[0]
    return found if picture.is_floating_point() else found.add_(0.5).to(picture.dtype)  # between what was there: no need to clamp


@lru_cache(maxsize=16)
def _places(rows: int, columns: int) -> Tensor:
    """`(rows · columns, 3)`: x, y from the middle, and 1."""
    x = torch.arange(columns, dtype=torch.float32) + 0.5 - columns / 2
    y = torch.arange(rows, dtype=torch.float32) + 0.5 - rows / 2
    return torch.stack([x.expand(rows, columns), y[:, None].expand(rows, columns), torch.ones(rows, columns)], dim=-1).view(-1, 3)


def perspective(picture: Tensor, start: Points, end: Points, interpolation: str = "bilinear", fill: Fill | None = None) -> Tensor:
    """Seen so that the four corners `start` (x, y) come to lie at `end`."""
    rows, columns = picture.shape[-2:]
    a, b, c, d, e, f, g, h = torch.tensor(perspective_of(start, end)).tolist()  # in float32, as torchvision has them
    kind: Kind = {"dtype": in_floats(picture).dtype, "device": picture.device}
    x = torch.arange(columns, **kind) + 0.5
    y = (torch.arange(rows, **kind) + 0.5)[:, None]
    below = g * x + h * y + 1.0
    grid = torch.stack([(a * x + b * y + c) / (0.5 * columns) / below - 1.0, (d * x + e * y + f) / (0.5 * rows) / below - 1.0], dim=-1)
    return sample(picture, grid[None], interpolation, fill)


def elastic(picture: Tensor, displacement: Tensor, interpolation: str = "bilinear", fill: Fill | None = None) -> Tensor:
    """Bent by a displacement `(1, h, w, 2)` of (x, y) in halves of the picture's width and height."""
    rows, columns = picture.shape[-2:]
    kind: Kind = {"dtype": in_floats(picture).dtype, "device": picture.device}
    x = torch.linspace((1 - columns) / columns, (columns - 1) / columns, columns, **kind).expand(rows, columns)
    y = torch.linspace((1 - rows) / rows, (rows - 1) / rows, rows, **kind)[:, None].expand(rows, columns)
    return sample(picture, torch.stack([x, y], dim=-1)[None] + displacement.to(**kind), interpolation, fill)


def sample(picture: Tensor, grid: Tensor, interpolation: str, fill: Fill | None = None) -> Tensor:
    """`(…, c, h, w)` at the places of a grid (1 or rows, H, W, 2), −1 to 1; outside is `fill`, or black that borders fade to."""
    rows, shape = flat(picture)
    numbers = in_floats(rows)
    grid = grid.expand(len(rows), *grid.shape[1:])
    if fill is None or fill == "edge":
        padding = "zeros" if fill is None else "border"
        found = grid_sample(numbers, grid, mode=interpolation, padding_mode=padding, align_corners=False)
    else:
        there = torch.cat([numbers, torch.ones_like(numbers[:, :1])], dim=1)
        there = grid_sample(there, grid, mode=interpolation, padding_mode="zeros", align_corners=False)
        found, inside = there[:, :-1], there[:, -1:]
        color = torch.as_tensor(fill, dtype=found.dtype, device=found.device).reshape(1, -1, 1, 1)
        # At borders torchvision fades what has faded to black already, and so does this: weights trained there have seen it.
        found = torch.where(inside < 0.5, color, found) if interpolation == "nearest" else found * inside + (1 - inside) * color
    return as_before(found, rows).reshape(*shape[:-2], *found.shape[-2:])
