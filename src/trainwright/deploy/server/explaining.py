"""`POST /explain`: what moved the answer to one row, found by asking the model again with each column, and each window, made usual."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trainwright.config.errors import RequestError, did_you_mean
from trainwright.deploy.server.occluding import Raw, hide_spans, hide_squares, make_usual, repeat_row, sides_of

TOGETHER = 16
"""Rows that the model is asked at once: pictures of them stay small."""
MOST_COLUMNS = 512
"""Columns that are tried."""
DRAWN = 256
"""Pixels of a picture's longer side that are sent to be drawn."""
POINTS, TRACES = 600, 12
"""Numbers of a channel, and channels, of a recording that are sent to be drawn."""


@dataclass(frozen=True)
class Explained:
    """Which number of an answer is explained: of classes the probability of the likeliest, or else the (first) number."""

    target: str
    name: str | None
    """The class; None where there are none."""
    key: str
    place: int

    def of(self, outputs: Raw) -> np.ndarray:
        """The number of each row."""
        found = np.asarray(outputs[self.key], np.float64)
        return found.reshape(len(found), -1)[:, self.place]


@dataclass(frozen=True)
class Question:
    """A row that is explained, and until when it may be asked for (`time.monotonic`)."""

    service: Any
    asked: Any
    until: float | None

    async def answer(self, raw: Raw) -> Raw:
        """What the model gives for rows of raw arrays. Raises Refused where it is too late."""
        count = len(next(iter(raw.values())))
        found: Raw = await self.service.answer(replace(self.asked, raw=raw, count=count, places=np.arange(count)), self.until)
        return found

    async def numbers(self, raw: Raw, explained: Explained) -> np.ndarray:
        """The number that is explained of rows, some of which are asked at a time."""
        count = len(next(iter(raw.values())))
        pieces = [{name: each[start : start + TOGETHER] for name, each in raw.items()} for start in range(0, count, TOGETHER)]
        return np.concatenate([explained.of(await self.answer(each)) for each in pieces])


async def explain(service: Any, asked: Any, output: str = "", until: float | None = None) -> dict[str, Any]:
    """What moved the answer to the one row of `asked`, of the target `output` (default: the first): `{target, class, value, …}`.

    The share of a column is f(row) - f(row with the column as is typical). Raises RequestError.
    """
    target = find_target(service.schema["outputs"], output)
    if asked.count != 1:
        fix = "send the row that is to be explained alone"
        raise RequestError(f"{asked.count:,} rows were given", where="/explain", why="one row is explained at a time", fix=fix)
    if not len(asked.places):
        fix = "give the value that it lacks"
        raise RequestError("this row has no answer", where="/explain", why="rows that lack such a value are left out", fix=fix)
    question = Question(service, asked, until)
    outputs = await question.answer(asked.raw)
    explained = choose_number(target, outputs)
    whole = float(explained.of(outputs)[0])
    columns, notes = await _share_columns(question, explained, whole)
    maps = await _share_places(question, explained, whole)
    found = {"target": explained.target, "class": explained.name, "value": _finite(whole), "probability": explained.name is not None}
    return found | {"columns": columns, "maps": maps, "notes": notes}


def find_target(outputs: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    """The description of a target by name; the first where none is named. Raises RequestError for one that there is not."""
    known = {each["name"]: each for each in outputs}
    if name and name not in known:
        raise RequestError(f"there is no output '{name}'", where="?output=", fix=did_you_mean(name, known))
    return known[name] if name else outputs[0]


async def _share_columns(question: Question, explained: Explained, whole: float) -> tuple[list[dict[str, Any]], list[str]]:
    compared, notes = choose_columns(question.service.schema["inputs"])
    if not compared:
        return [], notes
    typical = question.service.raw_of([{name: each.get("typical") for name, each in compared.items()}], list(compared)).raw
    shares = whole - await question.numbers(make_usual(question.asked.raw, typical, list(compared)), explained)
    made = zip(compared.items(), shares[1:].tolist(), strict=True)
    return [{"name": name, "typical": each.get("typical"), "share": _finite(share)} for (name, each), share in made], notes


async def _share_places(question: Question, explained: Explained, whole: float) -> dict[str, Any]:
    maps: dict[str, Any] = {}
    for each in question.service.schema["inputs"]:
        made = hidden_places(each, question.asked.raw)
        if made is not None:
            shares = whole - await question.numbers(made.raw, explained)
            maps[each["name"]] = {"shape": list(made.shape), "values": _finite(shares.reshape(made.shape).tolist()), **made.seen}
    return maps


def choose_number(target: dict[str, Any], outputs: Raw) -> Explained:
    """What of the answer to one row is explained. Raises RequestError for a target that is neither classes nor numbers."""
    name, classes = target["name"], target.get("classes")
    if f"{name}.probability" in outputs and classes:
        place = int(np.argmax(outputs[f"{name}.probability"][0]))
        return Explained(name, str(classes[place]), f"{name}.probability", place)
    prediction = outputs.get(f"{name}.prediction")
    if prediction is None or prediction.dtype.kind not in "fiu":
        why = "what it says of this target is neither a number nor probabilities of classes"
        raise RequestError(f"'{name}' has no number that could be explained", where="/explain", why=why, fix="ask /predict alone")
    return Explained(name, None, f"{name}.prediction", 0)


def choose_columns(inputs: Sequence[dict[str, Any]]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The columns that have a typical value which the model takes, and what is said of the others; files are looked at by windows."""
    plain = [each for each in inputs if not each.get("file")]
    usual = [each for each in plain if each.get("typical") is not None or each.get("nullable")]
    compared = {each["name"]: each for each in usual[:MOST_COLUMNS]}
    rest = [each["name"] for each in plain if each["name"] not in compared]
    more = f" and {len(rest) - 5:,} more" if len(rest) > 5 else ""
    return compared, [f"Not compared: {', '.join(rest[:5])}{more}."] if rest else []


@dataclass(frozen=True)
class Hidden:
    """Rows of which each lacks another window of an array, the shape of the windows, and what is drawn under them."""

    raw: Raw
    shape: tuple[int, ...]
    seen: dict[str, Any]


def hidden_places(column: dict[str, Any], raw: Raw) -> Hidden | None:
    """One row (1, …) as rows that lack a window of a column: squares of a picture, spans of a recording; None of other columns."""
    axes = [str(each) for each in column.get("axes") or ()]
    name = column["name"]
    if name not in raw or not column.get("file"):
        return None
    array, others = raw[name][0], {key: each for key, each in raw.items() if key != name}
    if {"height", "width"} <= set(axes):
        sides = (axes.index("height"), axes.index("width"))
        seen: dict[str, Any] = {"picture": draw_picture(array, axes)}
        made, shape = hide_squares(array, sides), sides_of(array.shape, sides)
    elif any(each.endswith("time") for each in axes):
        axis = next(place for place, each in enumerate(axes) if each.endswith("time"))
        length = int(raw[f"{name}.length"][0]) if f"{name}.length" in raw else array.shape[axis]
        if length == 0:
            return None
        made = hide_spans(array, axis, length)
        shape, seen = (1, len(made)), {"traces": draw_traces(array, axis, length)}
    else:
        return None
    return Hidden({name: made, **repeat_row(others, len(made))}, shape, seen)


def draw_picture(array: np.ndarray, axes: Sequence[str]) -> dict[str, Any]:
    """A picture as the model is given it: bytes row by row, channels last, in base64; values beyond bytes are fitted into them."""
    order = [axes.index("height"), axes.index("width"), *(place for place, each in enumerate(axes) if each not in ("height", "width"))]
    seen = array.transpose(order).reshape(array.shape[order[0]], array.shape[order[1]], -1)[:, :, :3]
    if seen.dtype != np.uint8:
        low, high = float(seen.min()), float(seen.max())
        seen = ((seen - low) / (high - low or 1.0) * 255).astype(np.uint8)
    step = max(1, max(seen.shape[:2]) // DRAWN)
    seen = np.ascontiguousarray(seen[::step, ::step])
    height, width, channels = seen.shape
    return {"height": height, "width": width, "channels": channels, "pixels": base64.b64encode(seen.tobytes()).decode()}


def draw_traces(array: np.ndarray, axis: int, length: int) -> list[list[float]]:
    """Each channel of a recording by at most POINTS numbers, lowest and highest in turn, so that no spike is lost."""
    channels = np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis])[:TRACES, :length].astype(np.float64)
    if length <= POINTS:
        return channels.tolist()
    edges = np.linspace(0, length, POINTS // 2 + 1).astype(int)[:-1]
    lows, highs = np.minimum.reduceat(channels, edges, axis=1), np.maximum.reduceat(channels, edges, axis=1)
    return np.stack([lows, highs], axis=2).reshape(len(channels), -1).tolist()


def _finite(value: Any) -> Any:
    """A number, or lists of them, as JSON has them: None for what is not finite."""
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return value if math.isfinite(value) else None
