"""A recording as a chain of transforms makes it: that of a run, of a configuration, or one that is written on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainwright.config.errors import ConfigError, DataError, RequestError, did_you_mean
from trainwright.config.model import PartConfig
from trainwright.data.transforms import applies_always, show_transform
from trainwright.data.transforms.chain import Chain
from trainwright.domains.signals.feature import RecordingFeature, SignalFeature
from trainwright.domains.signals.options import SignalOptions

KEEP_UNITS = frozenset(
    [
        "bandpass",
        "lowpass",
        "highpass",
        "bandstop",
        "notch",
        "fir",
        "preset_filter",
        "detrend",
        "remove_baseline",
        "resample",
        "fit_length",
        "select_leads",
        "derive_leads",
        "shift",
        "add_noise",
        "mask_time",
        "drop_leads",
        "baseline_wander",
        "time_warp",
        "random_crop",
        "center_crop",
        "cast",
    ]
)
"""Transforms whose result is in the units of what they are given; of all others it is in none that is known."""


@dataclass(frozen=True)
class Processed:
    """What a chain gives of a recording."""

    values: np.ndarray[Any, Any]
    """`(channels, time)`, or `(channels, bands, frames)`."""
    rate: float
    """Steps of its last dimension a second."""
    channels: list[str]
    said: str
    """The transforms, in words."""
    keeps_units: bool
    """Whether it is in the units of the recording."""


def chain_of(transform: Any, run: str, column: str) -> RecordingFeature:
    """The column whose transforms are applied. Raises RequestError for what names none."""
    if transform and run:
        raise RequestError("--transform and --run both say how it is processed", where="command line", fix="leave one of them out")
    named = run or transform
    if not isinstance(named, str):
        return of_transforms(named, "--transform")
    if run or (Path(named) / "run.json").is_file() or (Path(named) / "config.yaml").is_file():
        return of_run(named, column)
    path = Path(named)
    if path.suffix.lower() in (".yaml", ".yml", ".json"):
        return of_config(path, column)
    return of_transforms(named, "--transform")


def of_run(named: str, column: str) -> RecordingFeature:
    """The fitted column of recordings of a run, or of an exported model."""
    from trainwright.config.trust import reading
    from trainwright.domains.place import find_place
    from trainwright.features.encoding import TableEncoder
    from trainwright.files.text import read_json

    place = find_place(named)
    state = read_json(place.model / "features.json")
    if state is None:
        why = "it has no fitted columns: it is no run of a table, or did not reach its end"
        raise RequestError(f"'{named}' has no column of recordings", where="--run", why=why)
    with reading(place.received):
        features = TableEncoder.restore(state).features
    found = {name: each for name, each in features.items() if isinstance(each, RecordingFeature)}
    return found[choose_column(list(found), column, named)]


def choose_column(names: list[str], column: str, where: str) -> str:
    """The column that is meant. Raises RequestError where there is none, or one has to be named."""
    if not names:
        raise RequestError(f"'{where}' has no column of recordings", where="command line", fix="name a run or configuration that has one")
    if column and column not in names:
        raise RequestError(f"'{where}' has no column of recordings '{column}'", where="--column", fix=did_you_mean(column, names))
    if len(names) > 1 and not column:
        raise RequestError(f"'{where}' has {len(names)} columns of recordings", where="command line", fix=f"--column {names[0]}")
    return column or names[0]


def of_config(path: Path, column: str) -> RecordingFeature:
    """The transforms that a YAML file has: as a list, under `transform`, or of one of its `columns`."""
    from trainwright.config.loading import load_values

    values: Any = load_values(path)
    if isinstance(values, Mapping) and "transform" in values and "columns" not in values:
        return of_transforms(values["transform"], str(path))
    columns = values.get("columns") if isinstance(values, Mapping) else None
    given = {name: each for name, each in (columns or {}).items() if isinstance(each, Mapping) and each.get("transform")}
    if not given:
        fix = "name a configuration with columns.NAME.transform, or a file with `transform:` and a list under it"
        raise RequestError(f"'{path}' has no transforms", where="--transform", fix=fix)
    chosen = choose_column([str(each) for each in given], column, str(path))
    return of_transforms(given[chosen]["transform"], f"{path}: columns.{chosen}.transform")


def of_transforms(given: Any, where: str) -> RecordingFeature:
    """A column with these transforms, as a configuration writes them."""
    from pydantic import ValidationError

    try:
        return SignalFeature(SignalOptions.model_validate({"type": "signal", "transform": given}), "recording")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        context = first.get("ctx") or {}
        what = str(context.get("what") or first["msg"])
        fix = str(context.get("fix") or "trainwright list transform shows all")
        raise RequestError(f"the transforms cannot be taken: {what}", where=where, fix=fix) from error


def _say(options: PartConfig) -> str:
    """A transform with the options that were set."""
    given = options.model_dump(mode="json", exclude_defaults=True, exclude={"type", "rate", "channels"})
    said = ", ".join(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in given.items())
    return f"{show_transform(options)} ({said})" if said else show_transform(options)


def process(feature: RecordingFeature, values: np.ndarray[Any, Any], rate: float, channels: list[str]) -> Processed:
    """What the transforms that apply always make of `(channels, time)` at a rate. Raises RequestError, naming the transform."""
    if not feature.rate:
        feature.rate, feature.channels = rate, channels
    transforms, after, names = feature.bound()
    chain = Chain(transforms, training=False)
    try:
        with torch.no_grad():
            found = chain(torch.from_numpy(np.ascontiguousarray(values, np.float32))).float().numpy()
    except (ConfigError, DataError) as error:
        raise RequestError(error.what, where=error.where or "the transforms", why=error.why, fix=error.fix) from error
    applied = [each for each in transforms if applies_always(each)]
    said = " → ".join(map(_say, applied)) or "no transforms"
    if found.ndim not in (2, 3):
        raise RequestError(f"the transforms give an array of {found.ndim} dimensions, which is not drawn", where="the transforms", why=said)
    kept = names if len(found) == len(names) else [f"channel {place}" for place in range(len(found))]
    return Processed(found, after, kept, said, all(each.type in KEEP_UNITS for each in applied))
