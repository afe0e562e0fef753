"""Parts of a system with options of their own: `BaseModule`, whose parameters are trained, and `BaseObject`, which stays out of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import nn

from trainwright.config.model import ConfigModel
from trainwright.config.own_parts import configured
from trainwright.systems.updating import Updateable
from trainwright.weights.options import StartingWeights, starting_weights


class PartOptions(ConfigModel):
    """Options that every part has; none."""


class ModuleOptions(ConfigModel):
    """Options that every module of one's own has."""

    weights: StartingWeights | None = None
    """Weights it begins with: a file, run, checkpoint, URL, `timm/NAME` or `hf/ORG/NAME`, after a colon the module in it
    (`runs/mine:geometry`); or a mapping with `source`."""
    weights_ignore: list[str] = []
    """Patterns of names that are not taken from there."""


class Configurable:
    """Has a nested `Config`; `config` (and `cfg`) hold its values, and `configure` makes what they ask for."""

    Config: ClassVar[type] = PartOptions
    config: Any

    def _take(self, config: Any) -> None:
        self.config = self.cfg = configured(type(self), config)

    def configure(self, *args: Any, **context: Any) -> None:
        """Makes what the options ask for; gets what the constructor was given beside them."""


class BaseObject(Configurable, Updateable):
    """A part that is no module: a guidance, a prompt processor. What it holds is neither trained nor saved with the system."""

    def __init__(self, config: Any = None, /, *args: Any, **context: Any) -> None:
        """`config`: an instance of `Config`, a mapping of its options, or nothing for the defaults."""
        self._take(config)
        self.configure(*args, **context)

    @property
    def device(self) -> torch.device:
        """The device that new tensors are made on."""
        return torch.get_default_device()


class BaseModule(Configurable, Updateable, nn.Module):
    """A module with options: a geometry, a background. `weights` are loaded once `configure` has made it."""

    Config: ClassVar[type] = ModuleOptions

    def __init__(self, config: Any = None, /, *args: Any, **context: Any) -> None:
        """`config`: an instance of `Config`, a mapping of its options, or nothing for the defaults."""
        super().__init__()
        self._take(config)
        self.register_buffer("_place", torch.zeros(0), persistent=False)
        self.configure(*args, **context)
        load_named_weights(self, self.config)

    @property
    def device(self) -> torch.device:
        """Where its tensors are."""
        place: torch.Tensor = self._place  # type: ignore[assignment]
        return place.device


def load_named_weights(module: nn.Module, config: Any) -> None:
    """Load what `weights` of the options names, without what `weights_ignore` fits; the log says what was loaded and what not."""
    source = option(config, "weights")
    if not source:
        return
    from trainwright.weights.loading import begin_with

    begin_with(module, starting_weights(source), option(config, "weights_ignore") or ())


def option(config: Any, name: str) -> Any:
    """A value of the options, which may be an object or a mapping."""
    return config.get(name) if isinstance(config, Mapping) else getattr(config, name, None)
