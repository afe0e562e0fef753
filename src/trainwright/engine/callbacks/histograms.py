"""How weights and gradients are distributed, for trackers that show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.name_patterns import as_list, fits
from trainwright.engine.callbacks.base import Callback
from trainwright.engine.callbacks.options import HistogramsOptions
from trainwright.engine.callbacks.place import evaluation_follows
from trainwright.engine.system import System
from trainwright.tracking.kinds import Histogram, Kinds

if TYPE_CHECKING:
    from trainwright.engine.session import Session


class Histograms(Callback):
    """Gives `gradients/<parameter>` and `weights/<parameter>` of the step before an evaluation; every other step costs a comparison."""

    def __init__(self, options: HistogramsOptions | None = None) -> None:
        self.options = options or HistogramsOptions()
        self.evaluations = 0
        self._kinds = Kinds([])
        self._parameters: dict[str, nn.Parameter] = {}
        self._step = 0
        """The step whose weights are still to be given; 0 for none."""

    def setup(self, session: Session, system: System) -> None:
        """Find the parameters. Raises ConfigError for a pattern that names none."""
        patterns, named = as_list(self.options.parameters), dict(system.named_parameters())
        unfit = next((each for each in patterns if not any(fits(name, each) for name in named)), None)
        if unfit is not None:
            fix = did_you_mean(unfit, named)
            raise ConfigError(f"'{unfit}' names no parameter", where="trainer.callbacks: histograms.parameters", fix=fix)
        self._parameters = {name: param for name, param in named.items() if not patterns or any(fits(name, each) for each in patterns)}
        self._kinds = Kinds(session.parts.trackers)

    @torch.no_grad()
    def on_before_optimizer_step(self, session: Session, system: System) -> None:
        """Measure the gradients of a step that an evaluation follows."""
        step = session.step + 1
        if not evaluation_follows(session, step):
            return
        due = self.evaluations % self.options.every == 0
        self.evaluations += 1
        self._step = step if due else 0
        if due and self.options.gradients:
            for name, param in self._parameters.items():
                if param.grad is not None:
                    self._give(f"gradients/{name}", param.grad, step)

    @torch.no_grad()
    def on_before_zero_grad(self, session: Session, system: System) -> None:
        """And the weights once they are updated."""
        step, self._step = self._step, 0
        for name, param in self._parameters.items() if step else ():
            self._give(f"weights/{name}", param, step)

    def _give(self, name: str, values: Tensor, step: int) -> None:
        if not self._kinds.takes("histogram"):
            self._kinds.give("histogram", name)  # which says it
            return
        found = histogram(values, self.options.bins, self.options.most)
        if found is not None:
            self._kinds.give("histogram", name, found, step)

    def state_dict(self) -> dict[str, int]:
        """How many evaluations there were."""
        return {"evaluations": self.evaluations}

    def load_state_dict(self, state: dict[str, int]) -> None:  # type: ignore[override]
        """Take the state back."""
        self.evaluations = int(state["evaluations"])


def histogram(values: Tensor, bins: int, most: int = 100_000) -> Histogram | None:
    """The finite values of a tensor in pieces of equal width, of more than `most` so many, evenly spaced; None where there are none."""
    flat = (values.coalesce().values() if values.is_sparse else values).detach().reshape(-1)
    flat = flat[:: -(-flat.numel() // most) or 1].float()
    flat = flat[flat.isfinite()]
    if not flat.numel():
        return None
    low, high = (float(each) for each in flat.aminmax())
    if low == high:
        low, high = low - 0.5, high + 0.5
    counts = torch.histc(flat, bins, low, high)
    width = (high - low) / bins
    edges = [*(low + width * place for place in range(bins)), high]
    return Histogram(edges, counts.tolist(), float(flat.sum(dtype=torch.float32)), float((flat * flat).sum()))
