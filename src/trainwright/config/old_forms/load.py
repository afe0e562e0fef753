"""`tw.config.load`: a configuration from any form that people keep one in, as plain mappings or with attribute access."""

from __future__ import annotations

import argparse
from typing import Any, Literal, overload

from trainwright.config.loading import load_values
from trainwright.config.old_forms.node import ConfigNode


@overload
def load(anything: Any, *, parser: argparse.ArgumentParser | None = None, node: Literal[False] = False) -> dict[str, Any]: ...
@overload
def load(anything: Any, *, parser: argparse.ArgumentParser | None = None, node: Literal[True]) -> ConfigNode: ...
def load(anything: Any, *, parser: argparse.ArgumentParser | None = None, node: bool = False) -> dict[str, Any] | ConfigNode:
    """The values of a file or an object as nested plain mappings, or as a ConfigNode with `node`.

    Files: YAML (with its `base` files), JSON, and `key = value` (`.ini`, `.txt`); objects: mappings, Namespaces, YACS nodes, dataclasses,
    OmegaConf nodes, pydantic models, SimpleNamespaces. Of objects and `key = value` files, keys with dots become nested. An argparse
    `parser` gives the types of a `key = value` file and refuses unknown keys. Raises ConfigError (ManyErrors for several) with the
    place of what cannot be read or cannot be a value of a config.
    """
    values = load_values(anything, parser)
    return ConfigNode(values) if node else values
