"""From a word or a path to what answers rows: which kind of run it names, and its predictor. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainwright.api.kinds import kind_named
from trainwright.config.domain import SystemKind
from trainwright.config.errors import RequestError
from trainwright.config.part import load_named
from trainwright.config.reading import read_yaml
from trainwright.config.trust import trusting
from trainwright.domains.place import Place, find_place

if TYPE_CHECKING:
    from trainwright.domains.predictor import Predictor


@dataclass(frozen=True)
class Found:
    """A run, an exported model, or a configuration with weights, that can be opened."""

    form: str
    open: Callable[[Sequence[Any]], Predictor] = field(repr=False)
    """The predictor, under settings of the command line."""


def kind_of(place: Place) -> SystemKind:
    """The kind of a run or an exported model, by its configuration; raises ConfigError for one that cannot be read."""
    config = read_yaml(place.config).plain() if place.config.is_file() else {}
    return kind_named(_system_of(config if isinstance(config, dict) else {}))


def _system_of(config: Mapping[str, Any]) -> str:
    """The name of the system; runs of `tw.fit` had a model at the top, and none, before every run had one."""
    system = config.get("system")
    if system is None:
        return "given" if isinstance(config.get("model"), str) and "data" not in config else "supervised"
    return str(system.get("type", "supervised") if isinstance(system, Mapping) else system)


def open_place(place: Place, settings: Sequence[Any] = (), model: Any = None, loss: Any = None, trust_code: bool = False) -> Predictor:
    """The predictor of a run or an exported model; raises RunError when it has none yet, ConfigError for code that it may not name."""
    opened = load_named(kind_of(place).predictor)
    with trusting(trust_code):
        found: Predictor = opened(place, settings, model=model, loss=loss)
    return found


def load_predictor(
    path: str | os.PathLike[str], *, trust_code: bool = False, model: Any = None, loss: Any = None, settings: Sequence[Any] = ()
) -> Predictor:
    """What answers rows with the trained model of a run, or of a folder that one was exported to, whatever kind of run it is.

    `trust_code`, `model` and `loss` are those of `tw.load`; `settings` are `key=value` texts, as on the command line. Raises RunError when
    there is no model yet, ConfigError for code that it may not name.
    """
    return open_place(find_place(path), settings, model, loss, trust_code)


def find(word: str, weights: str = "") -> Found:
    """What a word of the command line names; raises RunError when there is no such run."""
    if is_configuration(word):
        return Found("weights", lambda settings: _open_weights(word, settings, weights))
    return find_run(word)


def find_rows_model(word: str, weights: str = "") -> Found:
    """The same where rows are answered and nothing is measured, which a model that was exported to an .onnx file can too."""
    if not word.lower().endswith(".onnx") or os.path.isdir(word):
        return find(word, weights)
    return Found("exported file", lambda settings: _open_hosted(word))


def _open_hosted(word: str) -> Predictor:
    from trainwright.deploy.hosted_predictor import open_hosted

    return open_hosted(word)


def find_run(word: str) -> Found:
    """The run or the exported model that a word names; raises RunError when there is none."""
    place = find_place(word)
    return Found(kind_of(place).form, lambda settings: open_place(place, settings))


def is_configuration(word: str) -> bool:
    """Whether a word names a configuration file rather than a run."""
    return word.lower().endswith((".yaml", ".yml", ".json", ".ini", ".txt")) and not os.path.isdir(word)


def _open_weights(path: str, settings: Sequence[Any], weights: str) -> Predictor:
    if not weights:
        fix = "name a run, or add --weights RUN|FILE"
        raise RequestError(
            "there is nothing to measure or to predict with", where=path, why="a configuration has no weights of its own", fix=fix
        )
    from trainwright.api.predictors.system import open_weights
    from trainwright.systems.run_config import compose_config

    return open_weights(compose_config(path, settings), weights)
