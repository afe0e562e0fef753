"""The inspection of the model that a configuration, a run or a class describes."""

from __future__ import annotations

import inspect as signatures
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from trainwright.api.adapting import check_model
from trainwright.api.inspect import FILE, Given, inspect, inspect_rows, own_example
from trainwright.config.compose import Composed
from trainwright.config.errors import FOREIGN, ConfigError, RequestError
from trainwright.config.own_code import describe_failure
from trainwright.config.trust import as_received, reading, received_folder
from trainwright.files.inspection.record import Inspection
from trainwright.runs.directory import RunDirectory
from trainwright.tools.graph.model import Graph

log = logging.getLogger("trainwright.fit")


@as_received
def inspect_composed(composed: Composed, batch_size: int = 1, given: Given = ()) -> Inspection:
    """The inspection of the model that a configuration describes, on its data or on the tensors `given`; nothing is trained or written."""
    from trainwright.api.kinds import prepare_run
    from trainwright.systems.run_config import check_config

    config = check_config(composed)
    prepared = prepare_run(config)
    if given or config.data is None:
        model = prepared.model()
        if given or own_example(model) is not None:
            return inspect_given(model, given, batch_size)
    rows = prepared.splits.get("train") or next(iter(prepared.splits.values()))
    return inspect_rows(prepared.system, rows, batch_size)


def inspect_given(model: nn.Module, given: Given, batch_size: int = 1) -> Inspection:
    """The inspection of a model on tensors by name or in order; without any on what the model itself states, with so many rows."""
    if isinstance(given, Mapping):
        return inspect(model, named=given)
    return inspect(model, tuple(given) if given else own_example(model, batch_size))


def inspect_run(found: RunDirectory, batch_size: int | None = None) -> Inspection:
    """The inspection of a run's model: what the run kept of it, or, with a batch size or where it kept nothing, made again."""
    kept = found.read_json(FILE) if batch_size is None else None
    if isinstance(kept, dict):
        try:
            return Inspection.from_dict(kept)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            log.warning("%s of the run cannot be read (%s): it is made again", FILE, error)
    from trainwright.systems.run_config import compose_config

    return inspect_composed(compose_config(found.config), batch_size or 1)


def made_model(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The module of a class or function at a path, made with these arguments; raises ConfigError, with its signature."""
    from trainwright.config.foreign import found_at

    made_from = found_at(name)[0]
    try:
        made = made_from(**arguments)
    except RequestError:
        raise
    except FOREIGN as error:  # whatever a person's constructor raises is the answer
        why = describe_failure(error)
        fix = f"it takes {_signature(made_from)}; write name=value after it"
        raise ConfigError(f"'{name}' cannot be made", why=why, fix=fix) from error
    check_made(made, name)
    return made


def check_made(made: Any, name: str) -> None:
    """Raises ConfigError for what is no module, or one whose constructor did not begin as it must."""
    if not isinstance(made, nn.Module):
        raise ConfigError(
            f"'{name}' gives a {type(made).__name__}, not a model", fix="name a class of torch.nn.Module, or a function that gives one"
        )
    check_model(made)


def _signature(made_from: Any) -> str:
    try:
        return str(signatures.signature(made_from))
    except (TypeError, ValueError):
        return "arguments that cannot be seen"


def graph_in(path: Path) -> Graph | None:
    """The graph that a YAML file describes by itself, with `nodes` at the top; None for any other file."""
    from trainwright.config.reading import read_yaml

    node = read_yaml(path)
    with reading(received_folder(path)):
        return Graph.from_yaml(path) if isinstance(node.value, list) or node.under("nodes") is not None else None
