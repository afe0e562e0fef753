"""What was answered for the windows of rows, joined to one answer for each row."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from trainwright.data.window_options import WindowConfig
from trainwright.data.windows import Windows

LOSS, SCORES = ".loss", ".scores"
"""What the names of outputs end in of which a row has the mean of its windows; of anything else it has that of its first window."""


class Joining:
    """Takes the outputs of windows in their order, in pieces of any size, and gives those of the rows that are whole.

    A row's sum is added up window by window, so that it is the same whatever the batches were.
    """

    def __init__(self, windows: Windows) -> None:
        self.counts, self.join, self.kinds = windows.counts, windows.options.join, windows.kinds
        self.row = 0
        self.held: list[dict[str, Tensor]] = []
        """Outputs of the windows of the row that is not whole yet."""

    @classmethod
    def of_counts(cls, counts: np.ndarray, options: WindowConfig, kinds: Mapping[str, str]) -> Joining:
        """The same for rows of which so many windows are given (int64, n); `kinds`: type of each target."""
        joining = cls(Windows(options, np.zeros(0, np.int64), kinds))
        joining.counts = counts
        return joining

    def add(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The outputs of the rows that these windows (m, rows first) complete; of none where no row is whole."""
        self.held.append(dict(outputs))
        windows = sum(len(next(iter(each.values()))) for each in self.held if each)
        ends = np.cumsum(self.counts[self.row : self.row + windows])
        whole = int(np.searchsorted(ends, windows, side="right"))
        if not whole:
            return {name: each[:0] for name, each in outputs.items()}
        joined = {name: torch.cat([each[name] for each in self.held]) if len(self.held) > 1 else outputs[name] for name in outputs}
        end, counts = int(ends[whole - 1]), self.counts[self.row : self.row + whole]
        self.row += whole
        self.held = [{name: each[end:] for name, each in joined.items()}] if end < windows else []
        return {name: self._rows(name, each[:end], counts) for name, each in joined.items()}

    def rest(self) -> dict[str, Tensor]:
        """The outputs of a row whose last windows did not come, where only some batches were asked for."""
        if not self.held:
            return {}
        joined = {name: torch.cat([each[name] for each in self.held]) for name in self.held[0]}
        self.held = []
        return {name: self._rows(name, each, np.array([len(each)])) for name, each in joined.items()}

    def _rows(self, name: str, values: Tensor, counts: np.ndarray) -> Tensor:
        """One output of whole rows: the mean, or the votes, or what the first window has."""
        lengths = torch.from_numpy(counts).to(values.device)
        if not name.endswith((LOSS, SCORES)):
            return values[torch.cumsum(lengths, 0) - lengths]
        if self.join == "vote" and name.endswith(SCORES):
            values = votes(values, self.kinds.get(name.removesuffix(SCORES), ""))
        exact = values if values.device.type == "mps" else values.double()
        sums = torch.segment_reduce(exact, "sum", lengths=lengths, unsafe=True)
        return (sums / lengths.view(-1, *[1] * (sums.dim() - 1))).to(values.dtype)


def votes(scores: Tensor, kind: str) -> Tensor:
    """What windows vote for, 1 and 0: the likeliest class (m, classes), or each label of a set that is likelier than not."""
    if kind == "set":
        return (scores >= 0.5).to(scores.dtype)
    return torch.nn.functional.one_hot(scores.argmax(dim=1), scores.shape[1]).to(scores.dtype)


def join_by_row(rows: Tensor, scores: Mapping[str, Tensor], options: WindowConfig, kinds: Mapping[str, str]) -> dict[str, Tensor]:
    """The scores of rows (n, …) by target from those of all their windows (m, …), of which `rows` (int64, m) says whose each is."""
    joining = Joining.of_counts(np.unique(rows.cpu().numpy(), return_counts=True)[1], options, kinds)
    found = joining.add({name + SCORES: each for name, each in scores.items()})
    return {name.removesuffix(SCORES): each for name, each in found.items()}


def join_all(windows: Windows, scores: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The scores of rows (n, …) by target from those of all their windows (m, …)."""
    found = Joining(windows).add({name + SCORES: torch.from_numpy(each) for name, each in scores.items()})
    return {name.removesuffix(SCORES): each.numpy() for name, each in found.items()}
