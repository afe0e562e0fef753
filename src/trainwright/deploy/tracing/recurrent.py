"""Recurrent layers while a module is traced: padded rows with lengths, packed ones too, so that no step count is frozen by an operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from trainwright.config.errors import RequestError
from trainwright.deploy.tracing.operator import recurrent
from trainwright.nn.networks.sequences import present, reverse

Form = Literal["onnx", "torch"]
"""What a layer becomes: one operator with lengths, or torch's own over rows that are reversed one by one."""
Replaced = tuple[Any, str, Any]
"""An owner, the name of one of its attributes, and what stands there while a module is traced."""
States = tuple[Tensor, Tensor]
Layer = Callable[[Tensor, Tensor | None, States, list[Tensor], nn.RNNBase], tuple[Tensor, States]]


def padded_layers(form: Form) -> list[Replaced]:
    """LSTM, GRU and RNN of torch over padded rows; `pack_padded_sequence` and `pad_packed_sequence` keep rows padded."""
    forward = _forward(_as_operator if form == "onnx" else _as_torch)
    layers: list[Replaced] = [(kind, "forward", forward) for kind in (nn.LSTM, nn.GRU, nn.RNN)]
    return [*layers, *((torch._VF, name, made) for name, made in PACKING.items())]


def _pack(x: Tensor, lengths: Tensor, batch_first: bool) -> tuple[Tensor, Tensor]:
    """Rows as they are `[b, t, *]`, and how many of them reach each step `[t]`: what stands in for packed data."""
    data = x if batch_first else x.transpose(0, 1)
    steps = torch.arange(data.shape[1], device=lengths.device)
    return data, (steps.unsqueeze(1) < lengths).sum(1)


def _unpack(data: Tensor, batch_sizes: Tensor, batch_first: bool, value: float, total: int) -> tuple[Tensor, Tensor]:
    lengths = lengths_of(data, batch_sizes)
    inside = present(lengths, data.shape[1]).reshape(*data.shape[:2], *[1] * (data.dim() - 2))
    y = torch.where(inside, data, torch.as_tensor(value, dtype=data.dtype))
    if total is not data.shape[1]:
        y = torch.cat([y, y.new_full((y.shape[0], total - y.shape[1], *y.shape[2:]), value)], dim=1)
    return (y if batch_first else y.transpose(0, 1)), lengths


PACKING = {"_pack_padded_sequence": _pack, "_pad_packed_sequence": _unpack}


def lengths_of(data: Tensor, batch_sizes: Tensor) -> Tensor:
    """How long each row is `[b]`, of how many rows reach each step."""
    return (torch.arange(data.shape[0], device=batch_sizes.device).unsqueeze(1) < batch_sizes).sum(1)


def _forward(layer: Layer) -> Callable[..., Any]:
    """What stands for the `forward` of torch's recurrent modules."""

    def forward(self: nn.RNNBase, input: Any, hx: Any = None) -> Any:
        if getattr(self, "proj_size", 0):
            fix = "train it without proj_size, with a linear layer behind it"
            raise RequestError("an LSTM with projections cannot be traced", where=f"proj_size={self.proj_size}", fix=fix)
        packed = isinstance(input, PackedSequence)
        x, lengths = (input.data, lengths_of(input.data, input.batch_sizes)) if packed else (input, None)
        single = not packed and x.dim() == 2
        x = x if packed else x.unsqueeze(0) if single else x if self.batch_first else x.transpose(0, 1)
        order, back = (input.sorted_indices, input.unsorted_indices) if packed else (None, None)
        y, (h, c) = _run_layers(self, x, lengths, _first_states(self, x, hx, single, order), layer)
        h, c = (each if back is None else each.index_select(1, back) for each in (h, c))
        h, c = (each.squeeze(1) if single else each for each in (h, c))
        state = (h, c) if self.mode == "LSTM" else h
        if packed:
            return PackedSequence(y, input.batch_sizes, input.sorted_indices, input.unsorted_indices), state
        return (y.squeeze(0) if single else y if self.batch_first else y.transpose(0, 1)), state

    return forward


def _first_states(self: nn.RNNBase, x: Tensor, hx: Any, single: bool, order: Tensor | None) -> States:
    """The states to begin with `[layers · d, b, h]`: zeros, or those given, in the order of the rows."""
    if hx is None:
        zeros = x.new_zeros(self.num_layers * (1 + self.bidirectional), x.shape[0], self.hidden_size)
        return zeros, zeros
    given = hx if isinstance(hx, tuple) else (hx, hx)
    given = tuple(each.unsqueeze(1) if single else each for each in given)
    h, c = given if order is None else (each.index_select(1, order) for each in given)
    return h, c


def _run_layers(self: nn.RNNBase, x: Tensor, lengths: Tensor | None, states: States, layer: Layer) -> tuple[Tensor, States]:
    """One layer after the other; dropout between them is of training alone."""
    directions = 1 + int(self.bidirectional)
    each = (4 if self.bias else 2) * directions
    weights: list[Tensor] = list(self._flat_weights)  # type: ignore[arg-type]
    found: list[States] = []
    for number in range(self.num_layers):
        at = slice(number * directions, (number + 1) * directions)
        x, last = layer(x, lengths, (states[0][at], states[1][at]), weights[number * each : (number + 1) * each], self)
        found.append(last)
    return x, (torch.cat([h for h, _ in found]), torch.cat([c for _, c in found]))


def _as_operator(x: Tensor, lengths: Tensor | None, states: States, weights: list[Tensor], of: nn.RNNBase) -> tuple[Tensor, States]:
    there = torch.ones_like(x[:, 0, 0], dtype=torch.int64) * x.shape[1] if lengths is None else lengths
    y, h, c = recurrent(x, there, *states, weights, of.mode, bool(of.bias))
    return y, (h, c)


def _as_torch(x: Tensor, lengths: Tensor | None, states: States, weights: list[Tensor], of: nn.RNNBase) -> tuple[Tensor, States]:
    """The same by torch's operators, a direction at a time: backwards is forwards over rows reversed up to their end."""
    each = 4 if of.bias else 2
    found, h, c = [], [], []
    there = torch.ones_like(x[:, 0, 0], dtype=torch.int64) * x.shape[1] if lengths is None else lengths
    for way in range(states[0].shape[0]):
        read = reverse(x, there) if way else x
        first = (states[0][way : way + 1], states[1][way : way + 1])
        y, (last, inner) = _one_way(read, there, lengths is not None, first, weights[way * each : (way + 1) * each], of)
        found.append(reverse(y, there) if way else y)
        h.append(last)
        c.append(inner)
    y = torch.cat(found, dim=2)
    y = y if lengths is None else y.masked_fill(~present(there, y.shape[1]).unsqueeze(2), 0.0)
    return y, (torch.cat(h), torch.cat(c))


def _one_way(x: Tensor, lengths: Tensor, differ: bool, first: States, weights: list[Tensor], of: nn.RNNBase) -> tuple[Tensor, States]:
    """Outputs `[b, t, h]`, and the states `[1, b, h]` where each row ends."""
    function = getattr(torch._VF, of.mode.lower())
    given = first if of.mode == "LSTM" else first[0]
    y, *states = function(x, given, weights, bool(of.bias), 1, 0.0, False, False, True)
    last, inner = states[0], states[1] if of.mode == "LSTM" else first[1]
    if not differ:
        return y, (last, inner)
    at = (lengths - 1).view(-1, 1, 1).expand(-1, 1, y.shape[2])
    if of.mode == "LSTM":
        inner = _cell_at_ends(x, lengths, first, weights, bool(of.bias))
    return y, (y.gather(1, at).transpose(0, 1), inner)


def _cell_at_ends(x: Tensor, lengths: Tensor, first: States, weights: list[Tensor], biased: bool) -> Tensor:
    """The cell state `[1, b, h]` of an LSTM at the end of each row, step by step; what nobody reads is left out of the graph."""
    h, c = first[0][0], first[1][0]
    step: Any = torch._VF.lstm_cell
    for time in range(x.shape[1]):
        new = step(x[:, time], (h, c), *weights) if biased else step(x[:, time], (h, c), *weights, None, None)
        goes_on = (time < lengths).unsqueeze(1)
        h, c = (torch.where(goes_on, after, before) for after, before in zip(new, (h, c), strict=True))
    return c.unsqueeze(0)
