"""What differs between two runs: configuration, code, environment and data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainwright.config.errors import RunError
from trainwright.config.reading import parse_yaml
from trainwright.config.received import ensure_right, read_text
from trainwright.files.text import read_json

ABSENT = "–"


@dataclass(frozen=True)
class Change:
    """One thing that differs: its dotted name and both values, `–` where a run has none."""

    name: str
    first: Any
    second: Any


def changes(first: Any, second: Any, prefix: str = "") -> list[Change]:
    """Everything that differs, by dotted keys in the order of the first; what only one has is one change, however much it holds."""
    if not (isinstance(first, dict) and isinstance(second, dict)):
        if _is_nested(first) and _is_nested(second) and len(first) == len(second):
            first, second = dict(enumerate(first)), dict(enumerate(second))
        else:
            return [] if _same(first, second) else [Change(prefix, first, second)]
    found: list[Change] = []
    for key in dict.fromkeys([*first, *second]):
        found += changes(first.get(key, ABSENT), second.get(key, ABSENT), f"{prefix}.{key}" if prefix else str(key))
    return found


def _is_nested(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(each, (dict, list)) for each in value)


def _same(a: Any, b: Any) -> bool:
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def config_changes(first: Path, second: Path) -> list[Change]:
    """Differences of config.yaml. Raises RunError when one cannot be parsed."""
    return [each for each in changes(_config(first), _config(second)) if each.name]


def _config(run: Path) -> Any:
    try:
        return parse_yaml(read_text(run / "config.yaml", errors="replace"), str(run / "config.yaml")).plain() or {}
    except FileNotFoundError:
        return {}


def row_weights(run: Path) -> str:
    """The column that says how much the rows of a run count (`data.weights`); empty where they count alike."""
    return str(_mapping(_mapping(_config(run)).get("data")).get("weights") or "")


def code_changes(first: Path, second: Path) -> list[Change]:
    """Differences of the code: Trainwright's own, and of the working directory the commit, branch and uncommitted changes."""
    a, b = (_mapping(read_json(each / "code.json")) for each in (first, second))
    names = {"commit": "commit", "branch": "branch", "diff_sha256": "uncommitted changes"}
    own = {"version": "Trainwright's version", "source_sha256": "Trainwright's source"}
    names |= {key: said for key, said in own.items() if a.get(key) and b.get(key)}
    shown = [{said: _digest(state.get(key)) for key, said in names.items()} for state in (a, b)]
    return changes(shown[0], shown[1]) if a or b else []


def code_agreement(first: Path, second: Path) -> str:
    """What can be said of the code of two runs in which no difference was found: `the same`, or how far that is known."""
    a, b = (_mapping(read_json(each / "code.json")) for each in (first, second))
    own = bool(a.get("source_sha256") and b.get("source_sha256"))
    if a.get("commit") and b.get("commit"):
        return "the same"
    return "Trainwright's is the same; that of the working directory is not known (no git commit)" if own else "not known"


def environment_changes(first: Path, second: Path) -> list[Change]:
    """Differences that can change numbers: versions, processor, GPUs, threads and their variables."""
    kept = ("python", "packages", "system", "machine", "cpu", "gpus", "threads", "variables")
    a, b = (_mapping(read_json(each / "environment.json")) for each in (first, second))
    return changes({key: a.get(key) for key in kept}, {key: b.get(key) for key in kept}) if a or b else []


def data_changes(first: Path, second: Path) -> list[Change]:
    """Differences of the data: content and size, columns and their types, the sizes of the splits and which rows are in them."""
    a, b = (_mapping(read_json(each / "data.json")) for each in (first, second))
    found = changes(_source(a), _source(b)) + changes(_columns(a), _columns(b))
    split = ("method", "seed", "train", "validation", "test")
    settings = [{key: _mapping(each.get("split")).get(key, ABSENT) for key in split} for each in (a, b)]
    found += changes(settings[0], settings[1], "split")
    return found + _membership(first / "splits.parquet", second / "splits.parquet")


def _source(data: dict[str, Any]) -> dict[str, Any]:
    source = _mapping(data.get("source"))
    content = {
        key: _digest(each) if "sha256" in key else each for key, each in _mapping(source.get("fingerprint")).items() if "path" not in key
    }
    return {
        "source": {
            "name": source.get("name"),
            "rows": source.get("rows"),
            **{key: each for key, each in content.items() if key not in ("", "rows")},
        }
    }


def _columns(data: dict[str, Any]) -> dict[str, Any]:
    listed = [each for each in data.get("columns") or [] if isinstance(each, dict)]
    return {f"column {each.get('name')}": f"{each.get('type')}, {each.get('role')}" for each in listed}


def _membership(first: Path, second: Path) -> list[Change]:
    """Whether the same rows, by content, are in the same splits."""
    a, b = _splits(first), _splits(second)
    if a is None or b is None:
        return []
    if a.num_rows != b.num_rows:
        return [Change("rows in the splits", a.num_rows, b.num_rows)]
    found = []
    for name in [each for each in a.column_names if each in b.column_names]:
        x, y = a[name].combine_chunks(), b[name].combine_chunks()
        if not x.equals(y):
            moved = sum(p != q for p, q in zip(x.to_pylist(), y.to_pylist(), strict=True))
            found.append(Change(f"splits.parquet: {name}", "", f"differs in {moved:,} of {a.num_rows:,} rows"))
    return found


def _splits(path: Path) -> Any:
    """The rows of each split of a run, as a table; None where there is none. Raises RunError for a file that is damaged."""
    if not path.is_file():
        return None
    from pyarrow import ArrowException, parquet

    try:
        return parquet.read_table(path)
    except (OSError, ArrowException) as error:
        ensure_right(error, path)
        raise RunError("splits.parquet cannot be read", where=str(path.parent), why=str(error), fix="restore it from a copy") from error


def other_test_rows(first: Path, second: Path) -> str:
    """What is said where two runs were measured on different test rows of the same data; empty where that is not so, or not known."""
    digests = [_mapping(_mapping(_mapping(read_json(each / "data.json")).get("source")).get("fingerprint")) for each in (first, second)]
    tables = [_splits(each / "splits.parquet") for each in (first, second)]
    if tables[0] is None or tables[1] is None or digests[0].get("sha256") != digests[1].get("sha256"):
        return ""
    tested = [
        {row for row, split in zip(*(each[name].to_pylist() for name in ("row", "split")), strict=True) if split == "test"}
        for each in tables
    ]
    if tested[0] == tested[1]:
        return ""
    shared, fix = len(tested[0] & tested[1]), "data.split.seed=0 in both gives them the same ones"
    return f"the runs were measured on different test rows ({shared:,} of {len(tested[0]):,} and {len(tested[1]):,} are in both); {fix}"


def _digest(value: Any) -> Any:
    return str(value)[:12] if value else "none"


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
