"""Weights of an AST, or of a vision transformer, by the names of the AST repository, timm or Hugging Face, made to fit an AST."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from trainwright.config.errors import ConfigError
from trainwright.domains.signals.models.ast import AST, FRONT
from trainwright.weights.loading import load_weights
from trainwright.weights.options import WeightsOptions
from trainwright.weights.report import WeightReport
from trainwright.weights.sources import read_weights
from trainwright.weights.transformer_names import name_tensors


def begin_ast(network: AST, options: WeightsOptions, positions: str) -> WeightReport:
    """Load the weights that an option names; the report says of positions what was done. Raises as `load_weights` does."""
    weights, _ = read_weights(options.source, options.sha256, options.averaged, state_dict=options.state_dict, download=options.download)
    tensors = name_tensors(weights.tensors)
    notes = [f"from {weights.where}", *weights.notes]
    if "pos_embed" in tensors:
        notes += fit_front(tensors)
        there = _find_grid(tensors["pos_embed"].shape[1] - FRONT, options, network.grid[0], weights.where)
        tensors["pos_embed"], said = fit_positions(tensors["pos_embed"], there, network.grid, positions)
        notes += [said] if said else []
    report = load_weights(
        network,
        tensors,
        ignore=options.ignore,
        partial=True,
        renames=options.renames or None,
        adapt=options.adapt or False,
        least=options.least,
    )
    report.source = weights.where
    report.notes.extend(notes)
    return report


def fit_front(tensors: dict[str, Tensor]) -> list[str]:
    """A distillation token, and its position, made of the class token where the source has none; what was done, in words."""
    if "dist_token" in tensors or "cls_token" not in tensors:
        return []
    tensors["dist_token"] = tensors["cls_token"].clone()
    tensors["pos_embed"] = torch.cat([tensors["pos_embed"][:, :1], tensors["pos_embed"]], dim=1)
    return ["dist_token: there is none there; it begins as the class token"]


def _find_grid(count: int, options: WeightsOptions, rows: int, where: str) -> tuple[int, int]:
    """Rows and columns of so many positions: as said, a square's, or with as many rows as here."""
    given = options.adapt.grid_there if options.adapt else None
    side = math.isqrt(max(count, 0))
    if given is not None and given[0] * given[1] == count:
        return given
    if side and side * side == count and given is None:
        return side, side
    if count > 0 and count % rows == 0 and given is None:
        return rows, count // rows
    why = f"{count} positions of pieces are there" + (f", and grid_there is {given[0]} × {given[1]}" if given else "")
    fix = "say how many rows (mels) and columns (frames) they are: weights.adapt.grid_there=[12, 101]"
    raise ConfigError("the grid of the positions is not known", where=where, why=why, fix=fix)


def fit_positions(value: Tensor, there: tuple[int, int], here: tuple[int, ...], how: str) -> tuple[Tensor, str]:
    """Positions (1 n w) of another grid, and what was done: along each axis the middle of a longer one, else interpolated (bilinear)."""
    if tuple(there) == tuple(here):
        return value, ""
    front, grid = value[:, :FRONT], value[:, FRONT:].reshape(1, *there, -1).permute(0, 3, 1, 2).float()
    done = []
    for axis, (most, wanted) in enumerate(zip(there, here, strict=True)):
        if how == "middle" and wanted < most:
            grid = grid.narrow(axis + 2, most // 2 - wanted // 2, wanted)
            done.append(f"the middle {wanted} of {most} {('rows', 'columns')[axis]}")
    if grid.shape[2:] != here:
        grid = functional.interpolate(grid, tuple(here), mode="bilinear", align_corners=False)
        done.append("interpolated (bilinear)")
    said = f"pos_embed: {there[0]}×{there[1]} positions there, {here[0]}×{here[1]} here: {', then '.join(done)}; {FRONT} before them kept"
    return torch.cat([front, grid.permute(0, 2, 3, 1).flatten(1, 2).to(value.dtype)], dim=1), said
