"""`tw.config.load`: a configuration from any form that people keep one in, as plain mappings or with attribute access."""

from __future__ import annotations

import argparse
import os
from typing import Any, Literal, overload

from trainwright.config.errors import ManyErrors
from trainwright.config.interpolation import interpolate, missing_values
from trainwright.config.loading import load_node
from trainwright.config.old_forms.node import ConfigNode


@overload
def load(anything: Any, *, parser: argparse.ArgumentParser | None = None, node: Literal[False] = False) -> dict[str, Any]: ...
@overload
def load(anything: Any, *, parser: argparse.ArgumentParser | None = None, node: Literal[True]) -> ConfigNode: ...
def load(anything: Any, *, parser: argparse.ArgumentParser | None = None, node: bool = False) -> dict[str, Any] | ConfigNode:
    """The values of a file or an object as nested plain mappings, or as a ConfigNode with `node`.

    Files: YAML (with its `base` files), JSON, and `key = value` (`.ini`, `.txt`); objects: mappings, Namespaces, YACS nodes, dataclasses,
    OmegaConf nodes, pydantic models, SimpleNamespaces. Of objects and `key = value` files, keys with dots become nested. An argparse
    `parser` gives the types of a `key = value` file and refuses unknown keys. References (`${key}`, `${env:NAME}`, `${add:1,2}`) are
    resolved. Raises ConfigError (ManyErrors for several) with the place of what cannot be read, resolved or a value of a config, and of
    what is `???`.
    """
    values = resolved_values(anything, parser)
    return ConfigNode(values) if node else values


def resolved_values(anything: Any, parser: argparse.ArgumentParser | None = None) -> dict[str, Any]:
    """The values of a file or an object, with what `${…}` refers to; raises ConfigError, or ManyErrors for several."""
    root = load_node(anything, parser)
    problems = interpolate(root, None, os.environ)
    problems += missing_values(root)
    if problems:
        raise problems[0] if len(problems) == 1 else ManyErrors(problems)
    values: dict[str, Any] = root.plain()
    return values
