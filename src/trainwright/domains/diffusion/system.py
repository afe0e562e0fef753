"""The system of a diffusion model: a network that takes noise away, trained at many levels of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.config.registry import build
from trainwright.domains.diffusion.augment.karras import KarrasAugmentation
from trainwright.domains.diffusion.conditions import Conditions, Given
from trainwright.domains.diffusion.denoisers.making import density_for, ensure_takes, try_network
from trainwright.domains.diffusion.drawing import Drawing, draw, usual_drawing
from trainwright.domains.diffusion.draws import RowDraws
from trainwright.domains.diffusion.findings import sampling_ends
from trainwright.domains.diffusion.layout import Layout
from trainwright.domains.diffusion.models import PARTS as BACKBONES
from trainwright.domains.diffusion.models.choosing import choose_backbone
from trainwright.domains.diffusion.models.shape import BackboneShape
from trainwright.domains.diffusion.options import DiffusionOptions
from trainwright.domains.diffusion.units import Units
from trainwright.domains.diffusion.weightings.base import make_weighting
from trainwright.engine.system import Batch, Loss, StepContext
from trainwright.systems.base import System


class DiffusionSystem(System):
    """A denoiser round a network, its loss at levels of noise drawn from a density, and samplers (Karras et al. 2022)."""

    Config: ClassVar[type] = DiffusionOptions
    config: DiffusionOptions
    own_metrics = False
    same_noise = True
    """Samples while it trains begin from the same noise, so that they can be compared."""

    def build(self, spec: Layout) -> None:
        """Makes network and denoiser for what is made; `sigma_data` of the options is a number by now."""
        options = self.config
        if options.sigma_data == "auto":
            raise ConfigError("sigma_data is not known", where="system.sigma_data", why="no data were looked at", fix="give it a number")
        self.layout, self.conditions = spec, Conditions(spec)
        self.sigma_data = float(options.sigma_data)
        shape = shape_for(options, spec)
        network = build("backbone", choose_backbone(options.model, shape), shape=shape)
        told = self.conditions.none(2, torch.device("cpu")) | ({"aug_cond": torch.zeros(2, shape.augment)} if shape.augment else {})
        ensure_takes(network, list(told))
        weighting = make_weighting(options.weighting)
        self.denoiser = build("denoiser", options.denoiser, network=network, sigma_data=self.sigma_data, weighting=weighting)
        self.denoiser.check_shape(spec.shape)
        self.denoiser.check_sigmas(list(self.ends))
        self.density = density_for(options.density, self.denoiser, self.sigma_data, size=max(spec.shape[1:], default=0))
        self.augmentation = augmentation_for(options, spec)
        if options.model.type not in BACKBONES and not any(each.is_meta for each in network.parameters()):
            try_network(self.denoiser, spec.shape, math.sqrt(math.prod(self.ends)), told)
        self.follows_the_run = False

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the most noise of sampling."""
        return sampling_ends(self.config, self.sigma_data, self.denoiser)

    @property
    def sample_range(self) -> Sequence[float] | None:  # type: ignore[override]
        """Pictures go from −1 to 1; vectors, signals and latents are none."""
        return self.units.range

    def training_step(self, batch: Batch, context: StepContext) -> Loss:
        """The mean loss of these rows, each at a level of noise of its own."""
        clean = self.layout.read(batch)
        more = 0 if self.augmentation is None else self.augmentation.draws
        draws = RowDraws.of_step(context, clean, more)
        dropped = draws.chosen(self.config.condition_dropout) if self.drops else None
        given = self.conditions.of_rows(batch, dropped)
        if self.augmentation is not None:
            clean, given["aug_cond"] = self.augmentation(clean, draws.shares[:, 2:])
        losses = self._losses(clean, given, draws)
        return Loss(losses.sum(), len(losses))

    def evaluation_step(self, batch: Batch, context: StepContext) -> dict[str, Tensor]:
        """The loss of each row under noise that is the same in every evaluation."""
        clean = self.layout.read(batch)
        draws = RowDraws.of_evaluation(context, clean)
        return {"loss": self._losses(clean, self.conditions.of_rows(batch), draws)}

    def _losses(self, clean: Tensor, given: Given, draws: RowDraws) -> Tensor:
        sigma = self.density.quantile(draws.levels())
        losses: Tensor = self.denoiser.loss(clean, draws.normal, sigma, **given)
        return losses

    @property
    def drops(self) -> bool:
        """Whether some training rows are not told their condition."""
        return self.config.condition_dropout > 0 and self.layout.conditional

    @property
    def units(self) -> Units:
        """From what the network gives to the units of the data; set by what prepares or opens the system."""
        found: Units = vars(self)["_units"]
        return found

    def take_units(self, units: Units) -> None:
        """Say in which units the data are."""
        vars(self)["_units"] = units

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """`n` samples in the units of the data; those of a model with classes have each in turn."""
        return self.sample_numbered(0, n, generator.initial_seed())

    def as_samples(self, batch: Batch) -> Tensor:
        """The rows of a batch in the units of the data, which samples are measured beside."""
        return self.units.restore(self.layout.read(batch))

    def class_of(self, batch: Batch) -> Tensor | None:
        """The class of each row, where the model is told one."""
        return self.layout.read_class(batch)

    def sample_numbered(self, first: int, count: int, seed: int, drawing: Drawing | None = None) -> Tensor:
        """Samples number `first` to `first + count` of a seed, each of (seed, number) alone, as the options say unless `drawing` does."""
        made, _ = draw(self, drawing or usual_drawing(self), first, count, seed)
        return self.units.restore(made)


def shape_for(options: DiffusionOptions, layout: Layout) -> BackboneShape:
    """What the network is made for."""
    variance = bool(getattr(options.denoiser, "learned_variance", False))
    return layout.backbone_shape(augment=options.augment is not None, variance=variance)


def augmentation_for(options: DiffusionOptions, layout: Layout) -> KarrasAugmentation | None:
    """What augments training rows. Raises ConfigError for samples that are no pictures, or that lie beside others."""
    if options.augment is None:
        return None
    where = "system.augment"
    if len(layout.shape) != 3:
        raise ConfigError(
            "augment is for pictures alone", where=where, why=f"what is made has the shape {layout.shape}", fix="leave it out"
        )
    if layout.beside:
        why = "pictures would be moved away from those beside them"
        raise ConfigError("augment cannot go with pictures as condition", where=where, why=why, fix="leave augment out")
    return KarrasAugmentation(options.augment)
