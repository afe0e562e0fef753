"""The columns as they were read, the split, and every row or column that was left out: blocks, and what to be careful about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from trainwright.report.figures import is_number, number, percent, plural, size
from trainwright.report.material import mapping, rows

SHOWN_COLUMNS = 60


def data_blocks(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Columns, split, leaks and dropped rows, from the content of data.json."""
    columns, source = rows(data.get("columns")), mapping(data.get("source"))
    kinds = Counter(str(each.get("type")) for each in columns if each.get("role") == "input")
    used = ", ".join(f"{number(times)} {kind}" for kind, times in kinds.most_common(8))
    why = f"{plural(sum(kinds.values()), 'input')}: {used}." if used else ""
    count = source.get("rows")
    notes = [{"type": "text", "text": str(each)} for each in data.get("notes") or []]
    found = [*_split(data), *_columns(columns, count if is_number(count) else 0), *notes]
    return [{"section": "Data", "why": why, **each} for each in [*found, *_leaks(data), *_dropped_rows(data), *_origin(source)]]


def cautions(data: Mapping[str, Any]) -> list[Any]:
    """What a reader must know of the data before trusting a number."""
    found: list[Any] = []
    for leak in rows(data.get("leaks"))[:5]:
        done = "It was left out." if leak.get("excluded") else "It was used: check whether it is known at prediction time."
        found.append(
            [_code(leak.get("column")), " gives ", _code(leak.get("target")), f" away ({leak.get('why') or 'strongly tied'}). {done}"]
        )
    for dropped in rows(data.get("dropped_rows"))[:5]:
        count = plural(dropped.get("count"), "row was", "rows were")
        found.append([f"{count} left out: ", {"text": str(dropped.get("reason")), "limit": 120}, "."])
    said = []
    for pair, count in mapping(mapping(data.get("duplicates")).get("equal")).items():
        first, _, second = str(pair).partition("/")
        if is_number(count) and count:
            said.append(f"{plural(count, f'row of {second} is', f'rows of {second} are')} also in {first}")
    seen = mapping(mapping(data.get("duplicates")).get("seen_inputs"))
    known = [f"{number(count)} {split}" for split, count in seen.items() if is_number(count) and count]
    told = [f"{' and '.join(known)} rows have the inputs of a training row: verdicts are made from the others."] if known else []
    return found + ([f"Exact duplicates: {', '.join(said)}."] if said else []) + told


def _code(name: Any, limit: int = 60) -> dict[str, Any]:
    return {"text": str(name), "style": "code", "limit": limit}


def _split(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    split = mapping(data.get("split"))
    sizes = {name: split[name] for name in ("train", "validation", "test") if is_number(split.get(name))}
    total = sum(sizes.values())
    if not total:
        return []
    bars = [{"name": name, "value": each, "text": f"{number(each)}, {percent(each, total)}"} for name, each in sizes.items()]
    said = [str(split.get("method") or ""), f"seed {split['seed']}" if is_number(split.get("seed")) else ""]
    remarks = [{"type": "text", "text": str(each)} for each in split.get("notes") or []]
    shown = {"title": "Split", "caption": ", ".join(filter(None, said)), "layout": "shares", "bars": bars, "wide": True}
    return [{"type": "bars", **shown}, *remarks]


def _rank(column: dict[str, Any]) -> tuple[int, bool]:
    return ({"target": 0, "input": 1}.get(str(column.get("role")), 2), not column.get("warnings"))


def _columns(columns: list[dict[str, Any]], count: float) -> list[dict[str, Any]]:
    if not columns:
        return []
    # Where not all fit, targets and columns with a warning are the ones to look at.
    shown = sorted(columns, key=_rank)[:SHOWN_COLUMNS]
    head = [
        "column",
        "type",
        {"name": "why", "limit": 90},
        {"name": "missing", "format": "percent"},
        {"name": "unique", "format": "number"},
    ]
    left = len(columns) - len(shown)
    rest: Any = [f"{left:,} more columns are not shown; ", _code("data.json"), " has them all."] if left else ""
    look = {"title": "Columns", "caption": f"{number(len(columns))} in all", "look": "roomy", "note": rest}
    return [{"type": "table", **look, "columns": [*head, "examples"], "rows": [_column(each, count) for each in shown]}]


def _column(column: dict[str, Any], count: float) -> list[Any]:
    role, missing = str(column.get("role")), column.get("missing")
    name: list[Any] = [_code(column.get("name"), 36)]
    if role in ("target", "ignored"):
        name.append({"text": role, "style": "target" if role == "target" else "badge"})
    why = [str(column.get("why") or ""), *[{"text": str(each), "style": "warning", "limit": 160} for each in column.get("warnings") or []]]
    lost: list[Any] = [percent(missing, count) if is_number(missing) and missing and count else number(missing)]
    if column.get("policy") and missing:
        lost.append({"text": f" → {column['policy']}", "style": "soft"})
    examples = [{"text": each, "style": "soft", "limit": 24} for each in (column.get("examples") or [])[:3]]
    apart = [piece for each in examples for piece in (each, {"text": ", ", "style": "soft"})][:-1]
    return [name, column.get("type"), why, lost, _unique(column), apart]


def _unique(column: dict[str, Any]) -> Any:
    """How many different values there are; of more than were counted, so much."""
    return f"> {number(column.get('unique'))}" if column.get("unique_capped") else column.get("unique")


def _leaks(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = rows(data.get("leaks"))
    if not found:
        return []
    body = []
    for each in found[:20]:
        why, done = {"text": str(each.get("why") or ""), "limit": 120}, "left out" if each.get("excluded") else "used"
        body.append([_code(each.get("column")), _code(each.get("target")), number(each.get("strength"), 3), why, done])
    head = ["column", "gives away", {"name": "strength", "format": "number"}, "why", "what was done"]
    rest = f"{len(found) - 20} more are in data.json." if len(found) > 20 else ""
    return [{"type": "table", "title": "Leaks", "columns": head, "rows": body, "note": rest}]


def _dropped_rows(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = rows(data.get("dropped_rows"))
    # Rows are counted from 1 in every message; the file counts from 0.
    body = [[{"text": str(each.get("reason")), "limit": 140}, each.get("count"), _numbers(each)] for each in found[:20]]
    head = ["reason", {"name": "rows", "format": "number"}, {"name": "the first of them", "limit": 200}]
    return [{"type": "table", "title": "Rows left out", "columns": head, "rows": body}] if found else []


def _numbers(dropped: dict[str, Any]) -> str | None:
    first = [int(each) + 1 for each in dropped.get("rows") or [] if is_number(each)]
    more = is_number(dropped.get("count")) and dropped["count"] > len(first)
    return ", ".join(map(number, first)) + (" …" if more else "") if first else None


def _origin(source: dict[str, Any]) -> list[dict[str, Any]]:
    print_ = mapping(source.get("fingerprint"))
    files = print_["files"] if isinstance(print_.get("files"), list) else [print_]
    lines = [line for each in files[:3] if (line := _file(mapping(each)))]
    more = [f" and {len(files) - 3} more files"] if len(files) > 3 else []
    return [{"type": "text", "text": ["Read from ", *[piece for each in lines for piece in (*each, ". ")], *more]}] if lines else []


def _file(file: dict[str, Any]) -> list[Any]:
    place = file.get("path") or file.get("paths") or file.get("name")
    if not place:
        return []
    digest = str(file.get("sha256") or "")
    weight = f", {size(file['bytes'])}" if is_number(file.get("bytes")) else ""
    named = ", ".join(map(str, place[:3])) if isinstance(place, list) else place
    return [_code(named, 120), weight + (f", sha256 {digest[:12]}" if digest else "")]
