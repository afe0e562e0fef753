"""Resampling by a ratio with a filter between the samples of both rates: its phases as products of frames of samples."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.domains.signals.processing.state_space import Floats

TOGETHER = 32
"""Samples that one product gives: more read fewer samples twice, fewer multiply fewer zeros."""


def polyphase_kernel(up: int, down: int) -> Floats:
    """The filter of `scipy.signal.resample_poly` (window Kaiser 5), of `2 · 10 · max(up, down) + 1` taps at `up` times the rate."""
    from scipy.signal import firwin

    found: Floats = firwin(20 * max(up, down) + 1, 1 / max(up, down), window=("kaiser", 5.0)) * up
    return found


def sinc_kernel(up: int, down: int, width: int, rolloff: float, beta: float | None) -> Floats:
    """The filter of `torchaudio.functional.resample` at `up` times the rate: a sinc of `width` zeros under cos² or Kaiser's window.

    Smith, Digital Audio Resampling Home Page: h(t) = window(t / width) sin(πt) / (πt), t in zeros of the lower half rate times `rolloff`.
    """
    cutoff = min(up, down) * rolloff
    reach = int(np.ceil(width * up * down / cutoff))
    t = np.clip(np.arange(-reach, reach + 1) * (cutoff / (up * down)), -width, width)
    window = np.cos(np.pi * t / width / 2) ** 2 if beta is None else np.i0(beta * np.sqrt(1 - (t / width) ** 2)) / np.i0(beta)
    found: Floats = np.sinc(t) * window * (cutoff / down)
    return found


class Polyphase:
    """y[m] = Σ x[i] kernel[m · down − i · up], zeros beyond the ends of x, over `(rows, time)`."""

    def __init__(self, up: int, down: int, kernel: Floats) -> None:
        self.up, self.down, self.reach = up, down, len(kernel) // 2
        periods = -(-TOGETHER // up)
        self.outputs, self.inputs = up * periods, down * periods
        """Samples of a period of both rates."""
        pieces = -(-self.outputs // TOGETHER)
        bounds = [round(each * self.outputs / pieces) for each in range(pieces + 1)]
        self.pieces = [self._piece(kernel, first, last) for first, last in pairwise(bounds)]
        """First sample of the frame, and the matrix from the frame to some samples of the period."""
        self.before = max(-first for first, _ in self.pieces)
        self.after = max(first + len(matrix) for first, matrix in self.pieces)
        self._made: dict[Any, list[Tensor]] = {}

    def _piece(self, kernel: Floats, first: int, last: int) -> tuple[int, Floats]:
        wanted = np.arange(first, last) * self.down
        begin, end = -((self.reach - wanted[0]) // self.up), (wanted[-1] + self.reach) // self.up + 1
        lag = wanted[None] - np.arange(begin, end)[:, None] * self.up
        inside = np.abs(lag) <= self.reach
        return int(begin), np.where(inside, kernel[np.where(inside, lag, 0) + self.reach], 0.0)

    def matrices(self, x: Tensor) -> list[Tensor]:
        """Those of the pieces, in the type and on the device of `x`."""
        key = (x.dtype, x.device)
        if key not in self._made:
            self._made[key] = [torch.tensor(matrix, dtype=x.dtype, device=x.device) for _, matrix in self.pieces]
        return self._made[key]

    def __call__(self, x: Tensor, count: int) -> Tensor:
        """`(rows, time)` → `(rows, count)`."""
        rows, time = x.shape
        periods = -(-count // self.outputs)
        length = self.before + (periods - 1) * self.inputs + self.after
        whole = x.new_zeros(rows, max(length, self.before + time))
        whole.narrow(1, self.before, time).copy_(x)
        found = []
        for (first, _), matrix in zip(self.pieces, self.matrices(x), strict=True):
            frames = whole[:, self.before + first :].unfold(1, len(matrix), self.inputs)[:, :periods]
            found.append((frames.reshape(rows * periods, -1) @ matrix).view(rows, periods, -1))
        joined = found[0] if len(found) == 1 else torch.cat(found, dim=2)
        return joined.reshape(rows, -1)[:, :count]
