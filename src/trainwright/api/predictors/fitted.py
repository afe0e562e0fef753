"""A run of `tw.fit` as a predictor: its model is given again, in Python or by a path, because a file only says what it was called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainwright.api.predictors.given import RETURNS_LOSS, made_again
from trainwright.api.predictors.system import SystemPredictor, weights_in
from trainwright.config.errors import RequestError, RunError
from trainwright.config.foreign import is_path
from trainwright.config.reading import read_yaml
from trainwright.config.trust import as_received
from trainwright.data.rows import Rows
from trainwright.domains.place import Place, require_config
from trainwright.losses import PARTS
from trainwright.systems.plain_model import make_model
from trainwright.systems.run_config import check_config, compose_config

STANDS_IN = {"model": "torch.nn.Identity", "loss": "mse"}
"""What the configuration of such a run names where the model is given as an object, and where its loss is not known."""


class FittedPredictor(SystemPredictor):
    """Answers rows that are given: a .npz, .safetensors or table with the arrays of a batch by name, or objects of Python."""

    usual_split = None
    unknown_loss: str = ""
    """What the run calls a loss that only the program knows which trained it."""

    def measure(self, rows: Rows, split: str) -> dict[str, Any]:
        """`{"rows", "metrics": {"": {metric: value}}}`; raises RequestError where the loss of the run is not known."""
        if self.unknown_loss:
            fix = "give it: loss=./net.py:FUNCTION; in Python tw.load(run, model=…, loss=FUNCTION)"
            what = f"the loss '{self.unknown_loss}' is a function of the program that trained this run"
            raise RequestError(what, where=str(self.weights), why="rows are measured by it", fix=fix)
        return super().measure(rows, split)


def open_fitted(place: Place, settings: Sequence[Any] = (), *, model: Any = None, loss: Any = None) -> SystemPredictor:
    """The predictor of such a run; raises RunError where its model is neither given nor named by a path."""
    return _open(require_config(place), list(settings), model, loss)


@as_received
def _open(place: Place, settings: list[Any], model: Any, loss: Any) -> SystemPredictor:
    written = as_written(place)
    named, measured_by = str(written.get("model", "")), written.get("loss", "")
    if model is None and not is_path(named) and not _names("model", settings):
        raise no_model(place, named)
    config = check_config(compose_config(as_one(written), settings))
    model = make_model(config.system) if model is None else made_again(model, written)
    made = FittedPredictor(config, weights_in(place), place=place, received=place.received, model=model, loss=loss)
    if loss is None and not _names("loss", settings):
        made.loss = RETURNS_LOSS if not measured_by else None
        made.unknown_loss = str(measured_by) if measured_by and not _is_known(measured_by) else ""
    return made


def as_written(place: Place) -> dict[str, Any]:
    """config.yaml of such a run, with what stands below `system` at the top, where it stood before every run had a system."""
    found = dict(read_yaml(place.config).plain())
    system = found.pop("system", None)
    return {**found, **(system if isinstance(system, dict) else {})}


def as_one(written: Mapping[str, Any]) -> dict[str, Any]:
    """What config.yaml of such a run says, as the configuration of every run."""
    named = {name: written.get(name, "") for name in STANDS_IN}
    known = {"model": is_path(str(named["model"])), "loss": _is_known(named["loss"])}
    system = {name: named[name] if known[name] else instead for name, instead in STANDS_IN.items()}
    return {"system": {"type": "plain", **system}, **{name: written[name] for name in ("trainer", "evaluation", "run") if name in written}}


def _is_known(loss: Any) -> bool:
    """Whether a configuration can name a loss, or each of several."""
    if isinstance(loss, list):
        return bool(loss) and all(map(_is_known, loss))
    name = loss.get("type", "") if isinstance(loss, Mapping) else loss
    return isinstance(name, str) and (name in PARTS or is_path(name))


def _names(option: str, settings: Sequence[Any]) -> bool:
    """Whether a setting of the command line names the model, or the loss: `model=./net.py:Net`."""
    keys = [each.partition("=")[0] if isinstance(each, str) else ".".join(map(str, each.path)) for each in settings]
    return any(key.removeprefix("system.").partition(".")[0] == option for key in keys)


def no_model(place: Place, named: str) -> RunError:
    """The refusal of a run whose model only the program knows that trained it."""
    why = f"its model ({named or 'unnamed'}) is an object of the program that trained it, and its weights alone are kept"
    fix = f"name its class: model=./net.py:{named or 'Net'}; in Python tw.load({str(place.path)!r}, model={named or 'Net'}(…))"
    return RunError("this run was made by tw.fit in Python", where=str(place.path), why=why, fix=fix)
