"""The base of everything that can be trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from trainwright.config.model import ConfigModel
from trainwright.engine.system import Batch, Loss, Moment


@runtime_checkable
class Updateable(Protocol):
    """A module that follows the run: its `update_step(moment)` is called before every step."""

    def update_step(self, moment: Moment) -> None:
        """Adapts to where the run is."""


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's default CPU generator starts from `seed` inside, and outside goes on as if nothing had happened."""
    generator = torch.default_generator
    state = generator.get_state()
    generator.manual_seed(seed)
    try:
        yield
    finally:
        generator.set_state(state)


class System(nn.Module):
    """Modules, losses and metrics, and what a step means; the trainer owns the rest.

    A subclass makes its modules in `assemble`, and says what training and evaluation are in `training_step` and `evaluation_step`.
    """

    Config: ClassVar[type[ConfigModel]] = ConfigModel
    config: Any
    monitor: str = "loss"
    """The metric of validation that picks the best weights where the config says `auto`."""

    def __init__(self, config: Any = None) -> None:
        super().__init__()
        self.config = self.Config() if config is None else config
        self._updateable: list[Updateable] = []

    def build(self, spec: Any, seed: int = 0) -> None:
        """Makes the modules once shapes and classes are known; equal seeds give equal weights, whatever else was drawn before."""
        with seeded(seed):
            self.assemble(spec)
        self._updateable = [module for module in self.modules() if module is not self and isinstance(module, Updateable)]

    def assemble(self, spec: Any) -> None:
        """Makes the modules; random numbers come from torch's default generator."""
        raise NotImplementedError

    def training_step(self, batch: Batch, moment: Moment) -> Loss:
        """The loss of these rows, with its graph."""
        raise NotImplementedError

    def evaluation_step(self, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """What the metrics read, rows first."""
        raise NotImplementedError

    def validation_step(self, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """As `evaluation_step`, for validation rows."""
        return self.evaluation_step(batch, moment)

    def test_step(self, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """As `evaluation_step`, for test rows."""
        return self.evaluation_step(batch, moment)

    def predict_step(self, batch: Batch) -> dict[str, Tensor]:
        """Predictions, rows first; needs no truth."""
        raise NotImplementedError

    def update_step(self, moment: Moment) -> None:
        """Called before every step; passes the moment to every module that follows the run."""
        for module in self._updateable:
            module.update_step(moment)

    def metrics(self, outputs: dict[str, Tensor]) -> dict[str, float]:
        """Metrics of whole-split outputs of `evaluation_step`."""
        raise NotImplementedError
