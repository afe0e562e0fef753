"""One layer of an LSTM, GRU or RNN over padded rows with lengths, as one operator of a traced graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

CELLS: dict[str, Any] = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN_TANH": nn.RNN, "RNN_RELU": nn.RNN}
"""`mode` of a layer of torch's → its class."""
OPERATOR = "trainwright::recurrent"


@torch.library.custom_op(OPERATOR, mutates_args=())
def recurrent(
    x: Tensor, lengths: Tensor, hidden: Tensor, cell: Tensor, weights: list[Tensor], mode: str, biased: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """`x` `[b, t, i]`, lengths `[b]` of 1 to t, states `[d, b, h]` → outputs `[b, t, d · h]`, 0 beyond each end, and states at the ends.

    `weights` are those of torch's layer, a direction after the other: W_ih, W_hh, and b_ih, b_hh where it is `biased`.
    """
    options = {"nonlinearity": mode[4:].lower()} if mode.startswith("RNN") else {}
    layer = CELLS[mode](
        x.shape[2], hidden.shape[2], batch_first=True, bias=biased, bidirectional=hidden.shape[0] == 2, device=x.device, **options
    )
    layer.to(x.dtype)
    with torch.no_grad():
        for own, given in zip(layer.parameters(), weights, strict=True):
            own.copy_(given)
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        found, state = layer(packed, (hidden, cell) if mode == "LSTM" else hidden)
        y = nn.utils.rnn.pad_packed_sequence(found, batch_first=True, total_length=x.shape[1])[0]
    last, inner = state if mode == "LSTM" else (state, cell.clone())
    return y.contiguous(), last.contiguous(), inner.contiguous()


@recurrent.register_fake
def _(
    x: Tensor, lengths: Tensor, hidden: Tensor, cell: Tensor, weights: list[Tensor], mode: str, biased: bool
) -> tuple[Tensor, Tensor, Tensor]:
    torch._check(x.shape[2] == weights[0].shape[1])  # type: ignore[no-untyped-call]
    return x.new_empty(x.shape[0], x.shape[1], hidden.shape[0] * hidden.shape[2]), torch.empty_like(hidden), torch.empty_like(cell)
