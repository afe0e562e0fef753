"""A registered part, and the kinds that there are. Imports neither torch nor what a part needs."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from trainwright.config.model import PartConfig

KINDS: dict[str, str] = {
    "source": "trainwright.data.sources",
    "split": "trainwright.data.splits",
    "feature": "trainwright.features",
    "encoder": "trainwright.nn.encoders",
    "combiner": "trainwright.nn.combiners",
    "decoder": "trainwright.nn.decoders",
    "block": "trainwright.nn.blocks",
    "positions": "trainwright.nn.positions",
    "pruning_method": "trainwright.nn.pruning",
    "loss": "trainwright.losses",
    "metric": "trainwright.metrics",
    "feature_extractor": "trainwright.metrics.extractors",
    "optimizer": "trainwright.optim",
    "schedule": "trainwright.optim.schedules",
    "tracker": "trainwright.tracking",
    "callback": "trainwright.engine.callbacks",
    "baseline": "trainwright.baselines",
    "calibration": "trainwright.calibration",
    "explainer": "trainwright.explain",
    "launcher": "trainwright.parallel.launchers",
    "system": "trainwright.systems",
    "exporter": "trainwright.deploy.exporters",
    "model": "trainwright.tools.graph",
    "dataset": "trainwright.data.datasets",
    "sampler": "trainwright.domains.diffusion.samplers",
    "sigma_schedule": "trainwright.domains.diffusion.schedules",
    "noise_density": "trainwright.domains.diffusion.densities",
    "loss_weighting": "trainwright.domains.diffusion.weightings",
    "denoiser": "trainwright.domains.diffusion.denoisers",
    "backbone": "trainwright.domains.diffusion.models",
    "transform": "trainwright.data.transforms",
    "part": "trainwright.config.own_parts",
}
"""Kind → the module that holds Trainwright's own table `PARTS`, which imports no torch; domains add to all but `part`."""

RENAMED_KINDS = {"criterion": "loss", "criterions": "loss", "criteria": "loss"}
"""What kinds were called before, understood for one release."""

OWN_KINDS = ("part", "system", "dataset", "model")
"""Kinds that also take what `tw.register` named, and compositions `base:mixin1,mixin2`."""


@dataclass(frozen=True)
class Part:
    """A registered part: where its class is (`module:Class`), its options, and one line on what it is."""

    path: str
    options: type[PartConfig] | str
    """The class of its options, or where that is (`module:Class`) if it is to be imported when it is first asked for."""
    summary: str = ""
    kinds: tuple[str, ...] = ()
    """The kinds of target it is for (losses and metrics); empty where that is not a matter of the target."""

    @property
    def config(self) -> type[PartConfig]:
        """The options."""
        found: type[PartConfig] = load_named(self.options) if isinstance(self.options, str) else self.options
        return found

    def load(self) -> Any:
        """The class."""
        return load_named(self.path)


def load_named(path: str) -> Any:
    """What stands at `module:Name`; raises what the import raises."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)
