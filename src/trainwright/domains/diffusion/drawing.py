"""How samples are drawn: from which noise through which levels, and what the denoiser is told of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from trainwright.config.model import PartConfig
from trainwright.config.registry import load
from trainwright.domains.diffusion.conditions import Conditions, Given
from trainwright.domains.diffusion.editing.from_sample import image_to_image
from trainwright.domains.diffusion.editing.inpainting import inpaint
from trainwright.domains.diffusion.guidance.denoisers import AutoguidanceDenoiser, CFGDenoiser, DynamicThresholdDenoiser
from trainwright.domains.diffusion.noise.samples import SampleNoise
from trainwright.domains.diffusion.samplers import PARTS as SAMPLERS
from trainwright.domains.diffusion.samplers import SamplerPart
from trainwright.domains.diffusion.schedules.make import make_sigmas

Callback = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Told:
    """What the network is told of samples: sample k takes row k of each, from the first again where there are fewer."""

    classes: Tensor | None = None
    """Numbers of classes (int64, m)."""
    numbers: Tensor | None = None
    """(m, k)."""
    beside: Tensor | None = None
    """(m, channels, …)."""

    def rows(self, first: int, count: int, conditions: Conditions, device: torch.device) -> Given:
        """The arguments of the network for the samples number `first` and on; what is not told is left open."""
        found = conditions.none(count, device)
        parts = [None if each is None else in_turn(each, first, count).to(device) for each in (self.classes, self.numbers, self.beside)]
        return {**found, **conditions.given(*parts)}


@dataclass(frozen=True)
class Guidance:
    """How samples are led away from what a less told, or a worse, denoiser gives; see `guidance.denoisers`."""

    scale: float = 1.0
    interval: tuple[float, float] | None = None
    rescale: float = 0.0
    rule: str = "linear"
    weaker: Any = None
    """The denoiser of a worse model; None for the same one, told nothing."""
    threshold: float = 0.0
    """The quantile of dynamic thresholding; 0 for none."""

    @property
    def guides(self) -> bool:
        """Whether anything is guided."""
        return self.scale != 1

    def round(self, denoiser: Any, unconditional: Given, device: torch.device) -> Any:
        """A denoiser guided so; `unconditional` tells it nothing. Raises RequestError for what cannot be."""
        more: dict[str, Any] = {"interval": self.interval, "rescale": self.rescale, "rule": self.rule}
        if self.guides and self.weaker is not None:
            denoiser = AutoguidanceDenoiser(denoiser, self.weaker.to(device), guidance=self.scale, **more)
        elif self.guides:
            denoiser = CFGDenoiser(denoiser, self.scale, unconditional, **more)
        return DynamicThresholdDenoiser(denoiser, percentile=self.threshold) if self.threshold else denoiser


@dataclass(frozen=True)
class Drawing:
    """Everything that samples follow from beside the network, the seed and their numbers."""

    sampler: PartConfig
    sigmas: Tensor
    """Levels of noise, falling (n + 1,)."""
    told: Told = field(default_factory=Told)
    guidance: Guidance = Guidance()
    start: Tensor | None = None
    """What noise is added to (m, *shape), as the network is given it; None for nothing."""
    mask: Tensor | None = None
    """Where of that it is made anew (1) and where it is kept (0)."""
    anew: bool = False
    """Whether that place begins with noise alone."""

    @property
    def part(self) -> SamplerPart | None:
        """What is known of the sampler; None for one of a person's own."""
        part = SAMPLERS.get(self.sampler.type)
        return part if isinstance(part, SamplerPart) else None

    @property
    def noise(self) -> str:
        """The kind of noise that its steps take, if they take any."""
        return (self.part.noise if self.part else "") or "iid"


def usual_drawing(system: Any) -> Drawing:
    """As the options of a system say: of a model with classes each in turn."""
    options, (low, high) = system.config, system.ends
    levels = make_sigmas(options.sigmas, options.steps, low, high, table=getattr(system.denoiser, "sigmas", None))
    classes = torch.arange(len(system.layout.classes)) if system.layout.classes else None
    return Drawing(options.sampler, levels, Told(classes), Guidance(options.guidance if system.drops else 1.0))


class CountedCalls:
    """A denoiser that counts how often it is called."""

    def __init__(self, denoiser: Any) -> None:
        self.denoiser, self.calls = denoiser, 0

    def __call__(self, x: Tensor, sigma: Tensor, **given: Any) -> Tensor:
        self.calls += 1
        found: Tensor = self.denoiser(x, sigma, **given)
        return found


def draw(system: Any, drawing: Drawing, first: int, count: int, seed: int, callback: Callback | None = None) -> tuple[Tensor, int]:
    """The samples number `first` to `first + count − 1` (count, *shape), as the network is given them, and how often it was asked."""
    device = next(system.parameters()).device
    noise = SampleNoise(seed, first, count, system.layout.shape, device=device, dtype=torch.float32)
    denoiser = CountedCalls(system.denoiser)
    guided = drawing.guidance.round(denoiser, system.conditions.none(count, device), device)
    more = {
        "extra_args": drawing.told.rows(first, count, system.conditions, device),
        "callback": callback,
        "noise_sampler": noise.sampler(drawing.noise),
        **drawing.sampler.model_dump(exclude={"type"}),
    }
    sampler, levels, begun = load("sampler", drawing.sampler.type), drawing.sigmas, noise.start()
    if drawing.start is None:
        return sampler(guided, begun * float(levels[0]), levels, **more), denoiser.calls
    clean = in_turn(drawing.start, first, count).to(begun)
    if drawing.mask is None:
        return image_to_image(sampler, guided, clean, begun, levels, strength=1.0, **more), denoiser.calls
    at = None if drawing.anew else float(levels[0])
    return inpaint(sampler, guided, clean, drawing.mask, begun, levels, sigma=at, **more), denoiser.calls


def in_turn(values: Tensor, first: int, count: int) -> Tensor:
    """The values of samples number `first` and on, of (m, …) from the first again."""
    return values[torch.arange(first, first + count) % len(values)]


def visible(told: Mapping[str, Any], sigma_data: float) -> Tensor:
    """What a step looks like: x with the deviation of the data in place of that of its noise."""
    x, sigma = told["x"], torch.as_tensor(told["sigma"], dtype=torch.float64).reshape(-1)[0].item()
    shown: Tensor = x * (sigma_data / (sigma**2 + sigma_data**2) ** 0.5)
    return shown
