"""What encoders of pictures are given, `[b, columns, channels, h, w]`, and what to say of pictures that they cannot read."""

from __future__ import annotations

from trainwright.config.errors import ConfigError
from trainwright.config.places import spell_key
from trainwright.features.spec import InputGroup

PICTURE = 4
"""Dimensions of the part `value` of a row: columns, channels, height, width."""
SMALL = 64
"""Pictures whose shorter side is at most this get a stem without strides."""


def shape_of(group: InputGroup, encoder: str) -> tuple[int, int, int, int]:
    """(columns, channels, height, width) of a group's pictures; raises ConfigError where they are none."""
    shape = tuple(group.parts.get("value", ()))
    if len(shape) != PICTURE:
        what = f"'{encoder}' reads pictures (channels, height, width), and '{group.columns[0]}' gives arrays of shape {shape[1:]}"
        raise ConfigError(what, where=where_of(group), fix="use it for a column of type image")
    columns, channels, height, width = shape
    return columns, channels, height, width


def ensure_size(group: InputGroup, encoder: str, stride: int, fix: str = "") -> None:
    """Raise ConfigError for pictures with a side shorter than the stride of the network's last map, with the smallest size that works."""
    _, _, height, width = shape_of(group, encoder)
    if min(height, width) >= stride:
        return
    why = f"its last map has one position for {stride} × {stride} pixels"
    smallest = spell_key(("columns", group.columns[0], "size"))
    fix = f"{smallest}={stride} is the smallest size that works{'; or ' + fix if fix else ''}"
    raise ConfigError(f"pictures of {height} × {width} are too small for '{encoder}'", where=where_of(group), why=why, fix=fix)


def ensure_pieces(group: InputGroup, encoder: str, patch: int) -> None:
    """Raise ConfigError for pictures that pieces of `patch` do not fill, with the nearest sizes that they do."""
    _, _, height, width = shape_of(group, encoder)
    if height % patch == width % patch == 0:
        return
    sizes = sorted({max(patch, side // patch * patch + more) for side in (height, width) if side % patch for more in (0, patch)})
    fits = [side for side in (2, 4, 7, 8, 14, 16, 32) if height % side == width % side == 0]
    key = spell_key(("columns", group.columns[0], "size"))
    fix = f"{key}={' or '.join(map(str, sizes))}" + (f"; or patch: {' or '.join(map(str, fits))}" if fits else "")
    raise ConfigError(f"pieces of {patch} × {patch} do not fill pictures of {height} × {width}", where=where_of(group), fix=fix)


def where_of(group: InputGroup) -> str:
    """The key that names the encoder of a group."""
    if group.encoder is None:
        return f"model.encoders.{group.kind}"
    return ", ".join(spell_key(("columns", column, "encoder")) for column in group.columns)
