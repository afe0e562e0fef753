"""The whole configuration of a run with a system of one's own. Imports no torch."""

from __future__ import annotations

from typing import Any

from trainwright.api.config import RunConfig
from trainwright.config.choice import choice
from trainwright.config.compose import Composed, compose
from trainwright.config.errors import ConfigError, RequestError
from trainwright.config.model import ConfigModel
from trainwright.config.own_parts import import_named
from trainwright.config.places import Node
from trainwright.config.reading import read_yaml
from trainwright.config.trust import reading
from trainwright.engine.config import EvaluationOptions, TrainerConfig
from trainwright.runs.directory import RunDirectory

SHORT: dict[str, dict[str, Any]] = {
    "model": {"$ref": "#/$defs/model", "description": "The model of a plain system."},
    "loss": {"description": "Its loss: a name, a mapping with `type`, or a list of them with weights."},
    "metrics": {"description": "Its metrics."},
    "target": {"description": "The target's key in the batch, or its place."},
    "extensions": {"description": "C++ and CUDA sources that are built on first use, before the model is made."},
    "init": {"description": "How parameters begin, by type of module and name; the later rule wins."},
    "parametrizations": {
        "description": "Weights that are computed from others: `weight_norm`, `spectral_norm`, `orthogonal`, or your own."
    },
    "hooks": {"description": "What is recorded, drawn or replaced in the inputs, outputs and gradients of modules while they train."},
    "weights": {"description": "Weights the model begins with: a file, a run, a checkpoint or a URL, and after a colon the module in it."},
    "weights_ignore": {"description": "Patterns of names that are not taken from there."},
}
"""Options of the plain system that may stand at the top, in place of `system: {type: plain, …}`, and their JSON Schema."""
ONE_FORM = "a file has either `system:` or `model:` at the top"


class OwnConfig(ConfigModel):
    """The whole configuration of a run with a system of one's own."""

    imports: list[str] = []
    """Files and packages that are run first, so that what they register by `@tw.register` has a name: `[./my_parts.py]`."""
    parser: str = ""
    """A function that makes an argparse parser for arguments of your own (`./my_args.py:make_parser`); `tw.arguments()` has them."""
    arguments: list[str] = []
    """The words that the parser reads; unknown flags of the command line come here by themselves."""
    system: choice("system")  # type: ignore[valid-type]
    """What is trained: `plain` (a model and a loss), a registered system, `./my_system.py:MySystem`, or `base:mixin1,mixin2`."""
    data: choice("dataset") | None = None  # type: ignore[valid-type]
    """The data: a registered kind, or a class or function at a path that gives the splits; a LightningModule may bring its own."""
    trainer: TrainerConfig = TrainerConfig()
    """How it is trained."""
    evaluation: EvaluationOptions = EvaluationOptions()
    """What is kept of evaluations."""
    run: RunConfig = RunConfig()
    """Which run this is and where it is kept."""


def is_own(composed: Composed) -> bool:
    """Whether a composed configuration is of a system of one's own: it has `system`, or a model with a `type` at the top."""
    root = composed.root
    model = root.under("model")
    return root.under("system") is not None or (model is not None and (isinstance(model.value, str) or model.under("type") is not None))


def compose_own(config: Any, overrides: Any = ()) -> Composed:
    """Compose a configuration with `system:`, or with `model:` and `loss:` at the top, and run its imports."""
    return finish_composed(compose(OwnConfig, config, overrides))


def finish_composed(composed: Composed) -> Composed:
    """The short form written out, and the imports run."""
    lengthen(composed.root)
    imports = composed.root.under("imports")
    with reading(composed.received):
        composed.problems += [*both_forms(composed.root), *import_named(imports, composed.folders)]
    return composed


def both_forms(root: Node) -> list[RequestError]:
    """What to say of short options at the top beside a `system:`, each with its place."""
    if root.under("system") is None:
        return []
    given = {name: each for name in SHORT if (each := root.under(name)) is not None}
    fix = "put it under `system:`, or leave `system:` out and keep `model:`, `loss:` and their like at the top"
    return [
        ConfigError(f"'{name}' stands at the top beside `system`", where=str(each.key or each.place), why=ONE_FORM, fix=fix)
        for name, each in given.items()
    ]


def lengthen(root: Node) -> None:
    """Write `model:`, `loss:` and the other short options at the top into `system: {type: plain}`, places and all."""
    if not isinstance(root.value, dict) or "system" in root.value or "model" not in root.value:
        return
    inside = {name: root.value.pop(name) for name in SHORT if name in root.value}
    place = inside["model"].place
    root.value["system"] = Node({"type": Node("plain", place), **inside}, place)


def is_own_run(found: RunDirectory) -> bool:
    """Whether a run is one of a system of one's own that a configuration described."""
    if not found.config.is_file():
        return False
    read = read_yaml(found.config).plain()
    return isinstance(read, dict) and "system" in read
