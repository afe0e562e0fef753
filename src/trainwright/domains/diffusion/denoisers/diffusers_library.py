"""diffusers imported when it is first asked for, and its classes found by name."""

from __future__ import annotations

import inspect
import os
from typing import Any

from trainwright.config.errors import FOREIGN, ConfigError, did_you_mean

EXTRA = "pip install 'trainwright[diffusers]'"


def import_diffusers() -> Any:
    """The package; raises ConfigError where it cannot be had."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import diffusers
    except FOREIGN as error:
        why = f"{type(error).__name__}: {error}"
        raise ConfigError("networks of diffusers need the package diffusers", why=why, fix=EXTRA) from error
    return diffusers


def find_model(name: str) -> Any:
    """The class of a network by name. Raises ConfigError for a name that diffusers does not have, or that is no network."""
    diffusers = import_diffusers()
    found = getattr(diffusers, name, None) if not name.startswith("_") else None
    if not (inspect.isclass(found) and issubclass(found, diffusers.ModelMixin)):
        known = [each for each in dir(diffusers) if "UNet" in each or each.endswith("Transformer2DModel")]
        raise ConfigError(f"diffusers has no network '{name}'", fix=did_you_mean(name, known))
    return found


def list_accepted(made_from: Any) -> list[str]:
    """Names of the arguments of a class."""
    return [name for name in inspect.signature(made_from.__init__).parameters if name not in ("self", "args", "kwargs")]
