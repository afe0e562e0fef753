"""What encoders of recordings are given: waveforms `[b, 1, leads, t]` or spectrograms `[b, 1, leads, mels, frames]`, and their lengths."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.config.places import spell_key
from trainwright.features.spec import InputGroup

WAVEFORM, SPECTROGRAM = 3, 4
"""Dimensions of the part `value` of a row: columns, channels, time; or columns, channels, mels, frames."""
SHOWN = {WAVEFORM: "a waveform (channels, time)", SPECTROGRAM: "a spectrogram (channels, mels, frames)"}


def shape_of(group: InputGroup, wanted: int, encoder: str) -> tuple[int, ...]:
    """(channels, time) or (channels, mels, frames) of a group's recordings; raises ConfigError where they are not what is wanted."""
    shape = tuple(group.parts.get("value", ()))
    if wanted == WAVEFORM and len(shape) == WAVEFORM - 1:
        shape = (shape[0], 1, shape[1])  # an array of one dimension is one lead
    if len(shape) != wanted:
        raise _unfit(group, wanted, encoder, shape)
    columns, channels, *space = shape
    if columns > 1 and "length" in group.parts:
        why = f"{', '.join(group.columns)} are in one group, and each has lengths of its own"
        raise ConfigError(f"'{encoder}' reads one column of recordings that differ in length", where=_where(group), why=why)
    return (columns * channels, *space)


def read_recordings(parts: dict[str, Tensor]) -> tuple[Float[Tensor, "b c *space t"], Bool[Tensor, "b t"] | None]:
    """Recordings, columns and channels as one dimension, and what lies within each where they differ in length.

    What no recording of the batch reaches is cut off where looking at the lengths costs nothing.
    """
    x = parts["value"]
    x = x.flatten(1, 2) if x.dim() >= WAVEFORM + 1 else x
    length = parts.get("length")
    if length is None:
        return x, None
    length = length.flatten()
    if x.device.type == "cpu" and not torch.compiler.is_exporting() and not torch.compiler.is_compiling() and len(length):
        x = x[..., : max(int(length.max()), 1)]
    return x, torch.arange(x.shape[-1], device=length.device) < length.unsqueeze(1)


def _unfit(group: InputGroup, wanted: int, encoder: str, shape: tuple[int, ...]) -> ConfigError:
    """The error for an encoder that takes the other kind, with the transform to add or leave out."""
    column = group.columns[0]
    given = SHOWN.get(len(shape), f"an array of shape {shape[1:]}")
    what = f"'{encoder}' reads {SHOWN[wanted]}, and '{column}' gives {given}"
    key = spell_key(("columns", column, "transform"))
    if wanted == SPECTROGRAM and len(shape) in (2, WAVEFORM):
        fix = f"add one: {key}=[mel], or [fbank] for weights of AST; or use an encoder of waveforms, such as xresnet1d"
    elif wanted == WAVEFORM and len(shape) == SPECTROGRAM:
        fix = f"leave out the transform that makes it ({key}), or use an encoder of spectrograms: spectrogram_conv, crnn, ast"
    else:
        fix = "use it for a column of type signal or sound"
    return ConfigError(what, where=_where(group), fix=fix)


def too_short(group: InputGroup, encoder: str, length: int, why: object) -> ConfigError:
    """The error for recordings that a network has nothing left of."""
    reason = " ".join(str(why).split())[:200]
    fix = "give longer windows, or an encoder with fewer or smaller strides, such as small_resnet1d"
    return ConfigError(f"recordings of {length} samples are too short for '{encoder}'", where=_where(group), why=reason, fix=fix)


def _where(group: InputGroup) -> str:
    if group.encoder is None:
        return f"model.encoders.{group.kind}"
    return ", ".join(spell_key(("columns", column, "encoder")) for column in group.columns)
