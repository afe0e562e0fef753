"""Sequences of different lengths in a model: packed for recurrent networks, masked, and taken apart again."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from trainwright.config.errors import ConfigError, DataError, did_you_mean

RECURRENT: dict[str, type[nn.RNNBase]] = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}


class VariableLength(nn.Module):
    """An RNN, LSTM or GRU (by name, with torch's arguments), or a module of yours that takes a PackedSequence, over padded sequences.

    `batch_first` is true unless it is said otherwise. What follows a sequence's end changes nothing: neither its outputs nor its state.
    """

    def __init__(self, rnn: str | nn.Module = "LSTM", **arguments: Any) -> None:
        super().__init__()
        if isinstance(rnn, nn.Module):
            if arguments:
                raise ConfigError("a module that is made takes no arguments", why=f"given: {', '.join(arguments)}")
            self.rnn: nn.Module = rnn
        else:
            self.rnn = _make(rnn, {"batch_first": True, **arguments})
        self.batch_first = bool(getattr(self.rnn, "batch_first", True))

    def forward(self, padded: Tensor, lengths: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Outputs padded with zeros to the width of the input (b t h, or t b h), and the state at each sequence's own end.

        `lengths` is int64 (b). Raises DataError for lengths that do not fit.
        """
        packed = pack(padded, lengths, self.batch_first)
        outputs, state = self.rnn(packed, state) if state is not None else self.rnn(packed)
        width = padded.size(1 if self.batch_first else 0)
        return unpack(outputs, self.batch_first, width)[0], state


def _make(name: str, arguments: dict[str, Any]) -> nn.Module:
    if name not in RECURRENT:
        raise ConfigError(f"'{name}' is no recurrent network", fix=did_you_mean(name, RECURRENT))
    if isinstance(arguments.get("dtype"), str):
        arguments["dtype"] = getattr(torch, arguments["dtype"], None)
    try:
        return RECURRENT[name](**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name} cannot be made so", why=str(error), fix="it takes the arguments of torch.nn." + name) from error


def pack(padded: Tensor, lengths: Tensor, batch_first: bool = True) -> PackedSequence:
    """A PackedSequence of padded sequences (b t *, or t b *) in any order of lengths (int64, b); `unpack` restores the order.

    Raises DataError for lengths that are no whole numbers from 1 to t.
    """
    lengths = check_lengths(padded, lengths, batch_first, least=1)
    return pack_padded_sequence(padded, lengths, batch_first, enforce_sorted=False)


def unpack(packed: PackedSequence, batch_first: bool = True, width: int | None = None, value: float = 0.0) -> tuple[Tensor, Tensor]:
    """Padded sequences in the order that `pack` was given, and their lengths (int64, b); `width` pads to more than the longest."""
    return pad_packed_sequence(packed, batch_first, value, width)


def unpad(outputs: Tensor, lengths: Tensor, batch_first: bool = True) -> list[Tensor]:
    """One tensor (length *) per sequence of a padded batch (b t *, or t b *), without what was filled up; views, not copies.

    Raises DataError for lengths that are no whole numbers from 0 to t.
    """
    lengths = check_lengths(outputs, lengths, batch_first, least=0)
    rows = outputs if batch_first else outputs.transpose(0, 1)
    return [row[:length] for row, length in zip(rows, lengths.tolist(), strict=True)]


def length_mask(lengths: Tensor, width: int | None = None) -> Tensor:
    """True where a sequence has an element (bool, b t); t is `width`, or the longest length.

    Raises DataError for lengths that are no whole numbers from 0 to t.
    """
    if lengths.dim() != 1 or lengths.is_floating_point() or lengths.is_complex() or lengths.dtype == torch.bool:
        raise _no_lengths(lengths)
    longest = int(lengths.max()) if lengths.numel() else 0
    if width is None:
        width = longest
    if longest > width or (lengths.numel() and int(lengths.min()) < 0):
        raise DataError(f"lengths go from {int(lengths.min())} to {longest}", why=f"the mask is {width} wide")
    return torch.arange(width, device=lengths.device) < lengths.unsqueeze(1)


def check_lengths(padded: Tensor, lengths: Tensor, batch_first: bool, least: int) -> Tensor:
    """The lengths on the CPU as int64. Raises DataError, naming the rows, unless there is one from `least` to t for every sequence."""
    if torch.compiler.is_exporting():
        return lengths.to("cpu", torch.int64)  # their values come when the graph is in use
    if padded.dim() < 2:
        raise DataError(f"a padded batch has two dimensions or more, not the shape {tuple(padded.shape)}")
    rows, width = padded.shape[:2] if batch_first else (padded.size(1), padded.size(0))
    if lengths.dim() != 1 or lengths.is_floating_point() or lengths.is_complex() or lengths.dtype == torch.bool:
        raise _no_lengths(lengths)
    if len(lengths) != rows:
        layout = "(b, t, …)" if batch_first else "(t, b, …)"
        fix = "set batch_first as the batch has it"
        raise DataError(f"there are {len(lengths)} lengths for {rows} sequences", why=f"{layout} is {tuple(padded.shape)}", fix=fix)
    found = lengths.detach().to("cpu", torch.int64)
    wrong = [f"row {row} has {length}" for row, length in enumerate(found.tolist()) if not least <= length <= width]
    if wrong:
        fix = "leave empty sequences out" if least else "lengths are counted before padding"
        raise DataError(f"lengths must be from {least} to {width}", why=", ".join(wrong[:5]), fix=fix)
    return found


def _no_lengths(lengths: Tensor) -> DataError:
    why = f"they are {lengths.dtype} of shape {tuple(lengths.shape)}".replace("torch.", "")
    return DataError("lengths are one whole number per sequence", why=why, fix="give int64 of shape (b,)")
