"""Which parameters are frozen at a step: a pure function of the step, so that a continued run has nothing to restore."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import nn

from trainwright.config.durations import Duration
from trainwright.config.errors import ConfigError
from trainwright.optim.matching import SystemNames
from trainwright.optim.parameter_groups import WHERE
from trainwright.optim.parameter_options import ParameterRule
from trainwright.optim.rules import Settings, of_modules, of_parameters
from trainwright.optim.schedules.base import Extent


@dataclass(frozen=True)
class Window:
    """Trained at steps from `start` up to, but not including, `end` (None: to the end of the run)."""

    start: int = 0
    end: int | None = None

    def trains_at(self, step: int) -> bool:
        """Whether the update after `step` updates is made."""
        return step >= self.start and (self.end is None or step < self.end)


NEVER = Window(0, 0)


class Freezing:
    """Freezes and thaws parameters (`requires_grad`), and holds frozen layers with running statistics in evaluation mode.

    A frozen batch norm that went on following the batches would change what the frozen weights were trained with.
    """

    def __init__(self, rules: Sequence[ParameterRule], system: nn.Module, extent: Extent, where: str = WHERE) -> None:
        """Raises ConfigError for a rule that names nothing, a time in place of steps, and steps at which nothing is trained."""
        names = SystemNames(system)
        found = of_parameters(rules, names, where)
        windows = {name: window(settings, extent, where) for name, settings in found.items()}
        able = {name: param for name, param in names.params.items() if param.requires_grad}
        self._params = [(able[name], windows[name]) for name in able if windows[name] != Window()]
        layers = {path: each for path, each in of_modules(rules, names).items() if _follows_batches(names.modules[path])}
        self._norms = [(names.modules[path], window(settings, extent, where)) for path, settings in layers.items()]
        self._norms = [(module, each) for module, each in self._norms if each != Window()]
        edges = [edge for _, each in (*self._params, *self._norms) for edge in (each.start, each.end) if edge]
        self._changes = [0, *sorted(set(edges))]
        _something_is_trained([windows[name] for name in able], self._changes, extent, where)
        self._still: list[nn.Module] = []
        self._from, self._until = 0, 0.0
        """The steps for which everything is as it should be."""
        if not self._params and not self._norms:
            self._until = float("inf")

    def windows(self) -> list[Window]:
        """When each parameter, and each norm, that is not always trained is trained."""
        return [each for _, each in (*self._params, *self._norms)]

    def apply(self, step: int) -> None:
        """Freeze and thaw for the update after `step` updates; two comparisons when nothing changes."""
        if self._from <= step < self._until and not (self._still and self._still[0].training):
            return
        for param, each in self._params:
            param.requires_grad_(each.trains_at(step))
            if not param.requires_grad:
                param.grad = None
        still = [module for module, each in self._norms if not each.trains_at(step)]
        for module in self._still:
            if not any(module is other for other in still):
                module.train()
        for module in still:
            module.eval()
        self._still = still
        self._from = max(each for each in self._changes if each <= step)
        self._until = min((each for each in self._changes if each > step), default=float("inf"))

    def release(self) -> None:
        """Thaw everything again, for when the run is over."""
        for param, _ in self._params:
            param.requires_grad_(True)
        for module in self._still:
            module.train()
        self._still, self._from, self._until = [], 0, 0.0


def window(settings: Settings, extent: Extent, where: str = WHERE) -> Window:
    """When a parameter with these settings is trained. Raises ConfigError for a time, or a window without a step."""
    if settings.for_good:
        return NEVER
    start = extent.in_steps(settings.freeze, f"{where}.freeze") if isinstance(settings.freeze, Duration) else 0
    if settings.freeze_from is None:
        return Window(start)
    end = extent.in_steps(settings.freeze_from, f"{where}.freeze_from")
    if end <= start:
        why = f"frozen until step {start}, and from step {end} on"
        raise ConfigError(
            f"'{' + '.join(settings.labels)}' is never trained", where=where, why=why, fix="freeze: true, or move freeze_from"
        )
    return Window(start, end)


def _follows_batches(module: nn.Module) -> bool:
    return getattr(module, "running_mean", None) is not None


def _something_is_trained(windows: Iterable[Window], changes: Sequence[int], extent: Extent, where: str) -> None:
    distinct = set(windows)
    for start in changes:
        if extent.steps is not None and start >= extent.steps:
            continue
        if not any(each.trains_at(start) for each in distinct):
            raise ConfigError(f"every parameter is frozen at step {start}", where=f"{where}.rules", fix="leave some trained at every step")
