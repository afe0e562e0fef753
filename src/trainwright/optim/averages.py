"""Averages of the weights over a run: moving ones (EMA) of several decays at once, and the equal one of late moments (SWA)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError, RequestError, did_you_mean
from trainwright.optim.average_options import EMAOptions, SWAOptions
from trainwright.optim.base import check_names
from trainwright.optim.ema_warmup import EMAWarmup
from trainwright.optim.power_average import gamma_of, power_decay
from trainwright.optim.schedules.base import Extent
from trainwright.optim.shadow import Bundle, Shadow, bundles
from trainwright.optim.swap import weights_inside

RAW = "trained"
"""The name of the weights as trained, beside those of the averages."""
SWA = "swa"
POWER = "sigma_rel_"
"""How the names of averages by a power of time begin."""


class Averages:
    """The averages of one run. `update` is all a step costs: one call per average and kind of parameter, and nothing is read back.

    Make it when the system is on its device and in its memory format: on the CPU its small parameters are laid side by side (`release`
    undoes it). Raises ConfigError when the moments of SWA do not fit the run.
    """

    def __init__(
        self,
        ema: EMAOptions | None,
        swa: SWAOptions | None,
        system: nn.Module,
        extent: Extent,
        inside: Callable[[Mapping[str, Tensor]], AbstractContextManager[None]] | None = None,
    ) -> None:
        """`inside`: what puts other weights into the system for a while, where that is not `weights_inside`."""
        self.ema, self.swa, self.system = ema, swa, system
        self._inside = inside or partial(weights_inside, system)
        self._first, self._every = moments(swa, extent) if swa is not None else (0, 0)
        self._warmup = warmup_of(ema)
        self._bundles: list[Bundle] = bundles(system) if ema is not None or swa is not None else []
        auto = "auto" if ema is None else ema.dtype
        self._moving = [(decay, Shadow(f"ema_{decay!r}", self._bundles, auto)) for decay in (ema.decay if ema is not None else [])]
        widths = ema.sigma_rel if ema is not None else []
        self._powers = [(gamma_of(each), Shadow(f"{POWER}{each!r}", self._bundles, auto)) for each in widths]
        self._equal = Shadow(SWA, self._bundles, "auto") if swa is not None else None
        growing = [shadow for _, shadow in [*self._moving, *self._powers]]
        self._shadows = {each.name: each for each in [*growing, *([self._equal] if self._equal else [])]}
        self._count = 0  # moments in the equal average
        self._buffers: dict[str, dict[str, Tensor]] = {}

    def update(self, step: int) -> None:
        """Take the weights in as they are after `step` updates."""
        if self.ema is not None and step % self.ema.every == 0:
            for decay, shadow in self._moving:
                shadow.move(1 - self.decay_at(step, decay))
            for gamma, shadow in self._powers:
                shadow.move(1 - power_decay(step // self.ema.every, gamma))
        if self._equal is not None and step >= self._first and (step - self._first) % self._every == 0:
            self._count += 1
            self._equal.move(1 / self._count)

    def begin_anew(self) -> None:
        """Let every moving average be the weights as they are now."""
        for _, shadow in [*self._moving, *self._powers]:
            shadow.move(1)

    def decay_at(self, step: int, decay: float) -> float:
        """What the update after `step` steps keeps of the average whose full decay is `decay`."""
        if self._warmup is None or self.ema is None:
            return decay
        return min(decay, self._warmup.value_at(step // self.ema.every - 1))

    def names(self) -> list[str]:
        """The averages there are by now, the one evaluated first: `ema_0.999`, …, `sigma_rel_0.05`, …, and `swa` once it has begun."""
        return [name for name in self._shadows if name != SWA or self._count]

    @property
    def evaluated(self) -> str | None:
        """The average that evaluations during the run use; None for the weights as trained (SWA's norms fit only once refreshed)."""
        return self._moving[0][1].name if self.ema is not None and self.ema.evaluate else None

    def weights(self, name: str | None = None) -> dict[str, Tensor] | None:
        """The system's state by name with the parameters of an average (the first one by default), buffers as they are now.

        The tensors may be those of the average itself: they change at the next `update`. None while there is no average yet.
        """
        shadow = self._shadow(name)
        if shadow is None:
            return None
        found = {key: value.detach() for key, value in self.system.state_dict().items() if isinstance(value, Tensor)}
        averaged = shadow.values()
        for bundle in self._bundles:
            for param, aliases in zip(bundle.params, bundle.aliases, strict=True):
                found |= {alias: averaged[id(param)] for alias in aliases if alias in found}
        return found | {key: value for key, value in self._buffers.get(shadow.name, {}).items() if key in found}

    def _shadow(self, name: str | None) -> Shadow | None:
        names = self.names()
        if name is None:
            return self._shadows[names[0]] if names else None
        if name not in self._shadows:
            raise RequestError(f"there is no average '{name}'", fix=did_you_mean(name, [*self._shadows]))
        return self._shadows[name] if name in names else None

    @contextmanager
    def swap_in(self, system: nn.Module | None = None, name: str | None = None) -> Iterator[bool]:
        """The system with the weights of an average inside (`weights_inside`); False, and its own, where there is no average yet.

        No `update` and no optimizer step inside.
        """
        shadow = self._shadow(name)
        if shadow is None:
            yield False
            return
        weights = shadow.tensors() | self._buffers.get(shadow.name, {})
        with self._inside(weights) if system is None else weights_inside(system, weights):
            yield True

    @contextmanager
    def hold_evaluated(self) -> Iterator[bool]:
        """The system with the weights that evaluations use; False where those are the trained ones."""
        if self.evaluated is None:
            yield False
            return
        with self.swap_in(name=self.evaluated) as there:
            yield there

    def keep_buffers(self, name: str, buffers: Mapping[str, Tensor]) -> None:
        """Buffers that belong to an average (`refresh_batch_norm`), used in place of the trained weights' until the next call."""
        self._buffers[name] = dict(buffers)

    def candidates(self) -> dict[str, dict[str, Tensor]]:
        """All weights to choose from at the end: those of each average by name, and the `trained` ones."""
        found = {name: self.weights(name) for name in self.names()}
        raw = {key: value.detach() for key, value in self.system.state_dict().items() if isinstance(value, Tensor)}
        return {name: each for name, each in found.items() if each is not None} | {RAW: raw}

    def release(self) -> None:
        """Give the parameters storages of their own again; call it when the run is over."""
        for bundle in self._bundles:
            bundle.release()

    def tensors(self) -> dict[str, Tensor]:
        """The state as tensors named `<average>/<parameter>`."""
        found: dict[str, Tensor] = {}
        for name, shadow in self._shadows.items():
            found |= {f"{name}/{key}": tensor for key, tensor in shadow.tensors().items()}
            found |= {f"{name}:buffer/{key}": tensor for key, tensor in self._buffers.get(name, {}).items()}
        return found

    def numbers(self) -> dict[str, Any]:
        """How many moments the equal average is over; the rest follows from the step."""
        return {"moments": self._count}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take the state back, to the bit. Raises RunError when it belongs to another model or other averages."""
        buffers = {key: tensor for key, tensor in tensors.items() if ":buffer/" in key}
        self._buffers = {}
        wanted, what = set(self.tensors()), "the saved averages of the weights are others"
        check_names(wanted, set(tensors) - set(buffers), what, "model, trainer.ema and trainer.swa")
        for name, shadow in self._shadows.items():
            shadow.load({key.removeprefix(f"{name}/"): tensor for key, tensor in tensors.items() if key.startswith(f"{name}/")})
        here = dict(self.system.named_buffers())
        for key, tensor in buffers.items():
            name, _, buffer = key.partition(":buffer/")
            self._buffers.setdefault(name, {})[buffer] = tensor.to(here[buffer])
        self._count = int(numbers["moments"])


def moments(swa: SWAOptions, extent: Extent) -> tuple[int, int]:
    """The first moment of SWA and the distance between two, in steps. Raises ConfigError when the run ends before the first."""
    first = max(extent.in_steps(swa.start, "trainer.swa.start"), 1)
    every = max(extent.in_steps(swa.every, "trainer.swa.every"), 1)
    if extent.steps is not None and first > extent.steps:
        why = f"the first moment is step {first} of a run of {extent.steps}"
        raise ConfigError(
            f"the average begins at '{swa.start}', after the end of the run",
            where="trainer.swa.start",
            why=why,
            fix="begin earlier, for example '0.75 run', or train longer",
        )
    return first, every


def warmup_of(ema: EMAOptions | None) -> EMAWarmup | None:
    """The warm-up of the decays, if there is one."""
    growth = None if ema is None else ema.warmup
    if growth is None:
        return None
    return EMAWarmup(growth.inv_gamma, growth.power, growth.min_value, growth.max_value, growth.start_at)


def best_of(values: Mapping[str, float], higher_is_better: bool) -> str:
    """The name with the best value; NaN is never best, and of equals the first is. Raises RequestError when none is a number."""
    numbers = {name: value for name, value in values.items() if not math.isnan(value)}
    if not numbers:
        raise RequestError("there is nothing to choose from", why="no candidate has a value that is a number")
    return (max if higher_is_better else min)(numbers, key=lambda name: numbers[name])
