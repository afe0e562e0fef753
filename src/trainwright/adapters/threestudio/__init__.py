"""threestudio's names, for code that was written for it: `from trainwright.adapters import threestudio` in place of its imports."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import torch

from trainwright.adapters.threestudio.lift import BaseLift3DSystem
from trainwright.adapters.threestudio.optimizers import parse_optimizer, parse_scheduler
from trainwright.adapters.threestudio.parts import BaseModule, BaseObject, Updateable
from trainwright.adapters.threestudio.saving import SaverMixin
from trainwright.adapters.threestudio.system import BaseSystem
from trainwright.config.own_parts import configured, find, register
from trainwright.config.scheduled import Scheduled

__all__ = [
    "BaseLift3DSystem",
    "BaseModule",
    "BaseObject",
    "BaseSystem",
    "C",
    "SaverMixin",
    "Updateable",
    "debug",
    "find",
    "get_device",
    "info",
    "parse_optimizer",
    "parse_scheduler",
    "parse_structured",
    "register",
    "warn",
]

_log = logging.getLogger("trainwright.systems")
debug, info, warn = _log.debug, _log.info, _log.warning


def C(value: Any, epoch: float, global_step: int) -> float:
    """A scheduled number, `[0, 1.0, 0.1, 5000]`, at an epoch and a step; raises ConfigError for what is none."""
    return Scheduled.parse(value).value(global_step, epoch)


def get_device() -> torch.device:
    """The device that new tensors are made on."""
    return torch.get_default_device()


def parse_structured(fields: type, cfg: Mapping[str, Any] | None = None) -> Any:
    """An instance of a Config class from a mapping, checked, with attributes all the way down; raises ConfigError, or ManyErrors."""
    return configured(type(fields.__qualname__.partition(".")[0], (), {"Config": fields}), cfg)
