"""Mixed precision: autocast round the forward pass and the loss only, a scaled loss for float16, regions in fp32."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.name_patterns import matcher, meant_by
from trainwright.engine.precision_options import PrecisionOptions
from trainwright.engine.system import System

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
SMALLEST_SCALE = 1.0
"""Below it a gradient that is not finite is no overflow of float16: something is wrong."""


class Precision:
    """The number formats of a run: `forward()` is what a training step's forward pass runs under, `scaler` is there for float16."""

    def __init__(self, options: PrecisionOptions, device: torch.device) -> None:
        self.options, self.device = options, device
        self.scaler = Scaler(options, device) if options.type == "fp16" else None
        dtype = DTYPES.get(options.type)
        self._training = nullcontext() if dtype is None else torch.autocast(device.type, dtype)
        self._evaluation = self._training if options.evaluate == "same" else nullcontext()

    @property
    def scale(self) -> float:
        """What losses are multiplied by before they go backwards: 1, but for float16."""
        return 1.0 if self.scaler is None else self.scaler.scale

    @property
    def overflowed(self) -> bool:
        """Whether the last gradient was not finite, for float16."""
        return self.scaler is not None and not self.scaler.finite

    def forward(self) -> AbstractContextManager[Any]:
        """Round `training_step`, and not round the backward pass."""
        return self._training

    def evaluation(self) -> AbstractContextManager[Any]:
        """Round `evaluation_step`."""
        return self._evaluation

    @contextmanager
    def fp32_regions(self, system: System) -> Iterator[None]:
        """The submodules that `full` names compute in float32 within autocast; their own forward is back afterwards."""
        chosen = matching(system, self.options.full) if self.options.full else []
        before = [vars(module).get("forward") for module in chosen]  # of the instance, where a mode has given it one
        for module in chosen:
            module.forward = in_full(module.forward, self.device.type)
        try:
            yield
        finally:
            for module, own in zip(chosen, before, strict=True):
                del module.forward
                if own is not None:
                    module.forward = own


class Scaler:
    """The loss scale of float16 training (Micikevicius et al. 2018): halved on overflow, doubled after `growth_interval` steps without.

    A step that overflowed is made again, from the same rows and with the same randomness; no step and no row is lost.
    """

    def __init__(self, options: PrecisionOptions, device: torch.device) -> None:
        self.scale, self.interval, self.since = options.initial_scale, options.growth_interval, 0
        self._found = torch.zeros((), device=device)
        self.finite = True
        """Whether all gradients were finite when the scale was last taken out of them."""

    def unscale(self, grads: Sequence[Tensor]) -> bool:
        """Divide the gradients by the scale in place; whether all of them are finite, which is kept. Waits for the device."""
        self._found.zero_()
        inverse = torch.full((), 1.0 / self.scale, device=self._found.device)
        by_kind: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
        for grad in grads:
            by_kind.setdefault((grad.device, grad.dtype), []).append(grad)
        for each in by_kind.values():
            torch._amp_foreach_non_finite_check_and_unscale_(each, self._found, inverse)
        self.finite = not bool(self._found)
        return self.finite

    def halve_scale(self) -> bool:
        """Halve the scale; false when it is as small as it may be."""
        self.since = 0
        if self.scale <= SMALLEST_SCALE:
            return False
        self.scale = max(self.scale / 2, SMALLEST_SCALE)
        return True

    def count_step(self) -> None:
        """A step was made without overflow."""
        self.since += 1
        if self.since >= self.interval:
            self.scale, self.since = self.scale * 2, 0

    def state(self) -> dict[str, float]:
        """For a checkpoint."""
        return {"scale": self.scale, "since": self.since}

    def load(self, state: dict[str, float]) -> None:
        """Take the state back."""
        self.scale, self.since = float(state["scale"]), int(state["since"])


def matching(system: System, patterns: Sequence[str]) -> list[nn.Module]:
    """Submodules whose name matches a pattern, the outermost ones; raises ConfigError for a pattern that matches none."""
    names = [name for name, _ in system.named_modules() if name]
    found: list[str] = []
    for pattern in patterns:
        means, last = meant_by(pattern, names), matcher(pattern)
        matched = [name for name in names if means(name) or last(name.rpartition(".")[2])]
        if not matched:
            raise ConfigError(f"no submodule is named '{pattern}'", where="trainer.precision.full", fix=did_you_mean(pattern, names))
        found += matched
    outermost = [name for name in dict.fromkeys(found) if not any(name.startswith(f"{other}.") for other in found)]
    return [system.get_submodule(name) for name in outermost]


def in_full(forward: Any, device_type: str) -> Any:
    """A forward pass without autocast whose half-precision arguments are made float32."""

    def forward_in_full(*arguments: Any, **options: Any) -> Any:
        with torch.autocast(device_type, enabled=False):
            return forward(*map(_full, arguments), **{name: _full(value) for name, value in options.items()})

    return forward_in_full


def _full(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value
    if isinstance(value, dict):
        return {name: _full(each) for name, each in value.items()}
    return type(value)(map(_full, value)) if type(value) in (list, tuple) else value
