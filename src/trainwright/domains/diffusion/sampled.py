"""Samples of a diffusion model that were asked for, each of (seed, its number)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import TrainwrightError
from trainwright.domains.diffusion.asked import Asked
from trainwright.domains.diffusion.drawing import draw, visible
from trainwright.domains.diffusion.sample_options import SampleOptions
from trainwright.domains.sampling import Sampling, Watch


class DiffusionSampling(Sampling):
    """Draws samples by the sampler, the levels and the guidance that were asked for."""

    def __init__(
        self, system: Any, asked: Asked, options: SampleOptions, seed: int, inside: Callable[[], AbstractContextManager[Any]]
    ) -> None:
        """`inside`: what samples are drawn in: evaluation mode, precision."""
        self.system, self.asked, self.options, self.seed, self.inside = system, asked, options, seed, inside
        self.shape = system.layout.shape
        self.calls: set[int] = set()
        part = asked.drawing.part
        self.most = 1 if part is not None and part.shared_steps else None

    def draw(self, first: int, count: int, watch: Watch | None = None) -> Tensor:
        """As in `Sampling`, in the units of the data."""

        with self.inside():
            callback = None if watch is None else lambda told: watch({**told, "denoised": self.system.units.restore(told["denoised"])})
            made, calls = draw(self.system, self.asked.drawing, first, count, self.seed, callback)
            self.calls.add(calls)
            found = self.system.units.restore(made).cpu()
        if not torch.isfinite(found).all():
            why = "the sampler gave numbers that are none (NaN, inf)"
            fix = "more steps, another sampler, or run it in float32: trainer.precision=float32"
            raise TrainwrightError("the samples cannot be used", where=self.asked.drawing.sampler.type, why=why, fix=fix)
        return found

    def facts(self) -> dict[str, Any]:
        """How they were made."""
        drawing, calls = self.asked.drawing, sorted(self.calls)
        found: dict[str, Any] = {"sampler": drawing.sampler.type}
        if self.most is None:
            found |= {"sigmas": self.asked.sigmas, "steps": len(drawing.sigmas) - 1}
        found["calls"] = calls[0] if len(calls) == 1 else f"{calls[0]}–{calls[-1]}" if calls else 0
        if drawing.guidance.guides:
            found["guidance"] = drawing.guidance.scale
            if drawing.guidance.interval is not None and self.most is None:
                low, high = drawing.guidance.interval
                begun = drawing.sigmas[:-1]
                found["guided"] = f"{int(((begun > low) & (begun <= high)).sum())} of {len(begun)} steps"
        names = list(dict.fromkeys(self.asked.labels))
        if len(names) == 1:
            found["class"] = names[0]
        if self.options.init is not None:
            found |= {"init": str(self.options.init) if isinstance(self.options.init, str) else "an array"}
            found |= {"sigma_max": round(float(drawing.sigmas[0]), 4)}
        return {name: value for name, value in found.items() if value != ""}

    def labels(self) -> Sequence[str]:
        """The class of each sample."""
        return self.asked.labels

    def frame(self, told: Mapping[str, Any]) -> Tensor:
        """As in `Sampling`, in the units of the data."""
        shown: Tensor = self.system.units.restore(visible(told, self.system.sigma_data))
        return shown
