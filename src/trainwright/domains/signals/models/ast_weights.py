"""Weights of an AST, or of a vision transformer, by the names of the AST repository, timm or Hugging Face, made to fit an AST."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from trainwright.config.errors import ConfigError
from trainwright.domains.signals.models.ast import AST, FRONT
from trainwright.weights.loading import load_weights
from trainwright.weights.options import WeightsOptions
from trainwright.weights.report import WeightReport
from trainwright.weights.sources import read_weights

BEFORE = re.compile(r"^(module\.)?(v\.|audio_spectrogram_transformer\.|vit\.|deit\.|encoder\.(?=cls_token)|network\.)?")
HUGGING_FACE: dict[str, str] = {
    r"embeddings\.cls_token": "cls_token",
    r"embeddings\.distillation_token": "dist_token",
    r"embeddings\.position_embeddings": "pos_embed",
    r"embeddings\.patch_embeddings\.projection": "patch_embed.proj",
    r"(?:encoder\.)?layers?\.(\d+)\.layernorm_before": r"blocks.\1.norm1",
    r"(?:encoder\.)?layers?\.(\d+)\.layernorm_after": r"blocks.\1.norm2",
    r"(?:encoder\.)?layers?\.(\d+)\.attention\.(?:attention\.)?(query|key|value|q_proj|k_proj|v_proj)": r"blocks.\1.attn.\2",
    r"(?:encoder\.)?layers?\.(\d+)\.attention\.(?:output\.dense|o_proj|out_proj)": r"blocks.\1.attn.proj",
    r"(?:encoder\.)?layers?\.(\d+)\.(?:intermediate\.dense|mlp\.fc1)": r"blocks.\1.mlp.fc1",
    r"(?:encoder\.)?layers?\.(\d+)\.(?:output\.dense|mlp\.fc2)": r"blocks.\1.mlp.fc2",
    r"layernorm": "norm",
    r"classifier\.layernorm": "mlp_head.0",
}
"""Names there, without what stands before them → names of timm and of the AST repository."""
TIMM: dict[str, str] = {
    r"blocks\.(\d+)\.norm1": r"stack.blocks.\1.norm_attention",
    r"blocks\.(\d+)\.norm2": r"stack.blocks.\1.norm_feed_forward",
    r"blocks\.(\d+)\.attn\.qkv": r"stack.blocks.\1.attention.into",
    r"blocks\.(\d+)\.attn\.proj": r"stack.blocks.\1.attention.out",
    r"blocks\.(\d+)\.mlp\.fc1": r"stack.blocks.\1.feed_forward.into",
    r"blocks\.(\d+)\.mlp\.fc2": r"stack.blocks.\1.feed_forward.out",
    r"norm": "stack.norm",
    r"mlp_head\.0": "norm",
}
"""Names of timm → names here."""
PARTS = {"query": 0, "q_proj": 0, "key": 1, "k_proj": 1, "value": 2, "v_proj": 2}
"""Of one layer: which third of it a matrix is."""


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


def name_tensors(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors by their names here; queries, keys and values of Hugging Face are joined as one layer."""
    known = {_rename(BEFORE.sub("", name, count=1), HUGGING_FACE): value for name, value in given.items()}
    joined: dict[str, Tensor] = {}
    thirds: dict[str, dict[int, Tensor]] = {}
    for name, value in known.items():
        layer, _, kind = name.rpartition(".")
        block, _, part = layer.rpartition(".")
        if part in PARTS and block.endswith("attn"):
            thirds.setdefault(f"{block}.qkv.{kind}", {})[PARTS[part]] = value
        else:
            joined[name] = value
    for name, parts in thirds.items():
        if len(parts) == len(set(PARTS.values())):
            joined[name] = torch.cat([parts[number] for number in sorted(parts)])
    return {_rename(name, TIMM): value for name, value in joined.items()}


def _rename(name: str, table: Mapping[str, str]) -> str:
    """The name with its layer as the table has it."""
    for pattern, ours in table.items():
        found = re.fullmatch(rf"{pattern}(\.weight|\.bias)?", name)
        if found:
            return found.expand(ours) + (found.groups()[-1] or "")
    return name


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
