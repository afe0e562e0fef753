"""The columns as they were read, the split, and every row or column that was left out."""

from __future__ import annotations

from collections import Counter
from typing import Any

from trainwright.runs.report.charts.rows import shares
from trainwright.runs.report.figures import is_number, number, percent, plural, size
from trainwright.runs.report.markup import Content, Markup, code, hidden_rest, note, quote, table, tag
from trainwright.runs.report.material import Material, mapping, rows
from trainwright.runs.report.sections.layout import Section

SHOWN_COLUMNS = 60


def data(material: Material) -> Section | None:
    """Columns, split, leaks and dropped rows; None without data.json."""
    if not material.data:
        return None
    columns = rows(material.data.get("columns"))
    source = mapping(material.data.get("source"))
    count = source.get("rows")
    body = [
        _split(material),
        _columns(columns, count if is_number(count) else 0),
        _notes(material),
        _leaks(material),
        _dropped(material),
        _origin(source),
    ]
    kinds = Counter(str(each.get("type")) for each in columns if each.get("role") == "input")
    used = ", ".join(f"{number(times)} {kind}" for kind, times in kinds.most_common(8))
    return Section("data", "Data", [f"{plural(sum(kinds.values()), 'input')}: {used}." if used else None], body)


def _split(material: Material) -> Content:
    split = mapping(material.data.get("split"))
    sizes = {name: split.get(name) for name in ("train", "validation", "test")}
    total = sum(value for value in sizes.values() if is_number(value) and value is not None)
    parts = [
        (name, f"p{index + 1}", float(value), f"{number(value)}, {percent(value, total)}")
        for index, (name, value) in enumerate(sizes.items())
        if is_number(value) and value is not None
    ]
    drawn = shares(parts, "Rows by split")
    if not drawn:
        return None
    said = [str(split.get("method") or ""), f"seed {split['seed']}" if is_number(split.get("seed")) else ""]
    remarks = [note(quote(each, 300)) for each in split.get("notes") or []]
    return [tag("h3", "Split", tag("span", ", ".join(filter(None, said)), class_="soft")), drawn, remarks]


def _notes(material: Material) -> Content:
    """How the table was read where that had to be decided, such as the order of day and month."""
    return [note(quote(each, 300)) for each in material.data.get("notes") or []]


def _rank(column: dict[str, Any]) -> tuple[int, bool]:
    return ({"target": 0, "input": 1}.get(str(column.get("role")), 2), not column.get("warnings"))


def _columns(columns: list[dict[str, Any]], count: float) -> Content:
    if not columns:
        return None
    # Where not all fit, targets and columns with a warning are the ones to look at.
    shown = sorted(columns, key=_rank)[:SHOWN_COLUMNS]
    head = ["column", "type", "why", "missing", "unique", "examples"]
    body = table(head, [_column(each, count) for each in shown], label="Columns of the data", numeric=(3, 4), class_="columns")
    rest = hidden_rest(len(shown), len(columns), "columns", "data.json")
    return [tag("h3", "Columns", tag("span", f"{number(len(columns))} in all", class_="soft")), body, rest]


def _column(column: dict[str, Any], count: float) -> list[Content]:
    role, missing = str(column.get("role")), column.get("missing")
    name = [code(column.get("name"), 36), tag("span", role, class_=f"badge {role}") if role in ("target", "ignored") else None]
    warnings = [tag("p", quote(each, 160), class_="warn") for each in column.get("warnings") or []]
    policy = tag("span", f" → {column['policy']}", class_="soft") if column.get("policy") and missing else None
    lost = [percent(missing, count) if is_number(missing) and missing and count else number(missing), policy]
    examples = [[", " if index else "", quote(each, 24)] for index, each in enumerate((column.get("examples") or [])[:3])]
    return [
        name,
        column.get("type"),
        [quote(column.get("why"), 90), warnings],
        lost,
        number(column.get("unique")),
        tag("span", examples, class_="soft"),
    ]


def _leaks(material: Material) -> Content:
    found = rows(material.data.get("leaks"))
    if not found:
        return None
    body = [
        [
            code(each.get("column")),
            code(each.get("target")),
            number(each.get("strength"), 3),
            quote(each.get("why"), 120),
            "left out" if each.get("excluded") else "used",
        ]
        for each in found[:20]
    ]
    head = ["column", "gives away", "strength", "why", "what was done"]
    return [
        tag("h3", "Leaks"),
        table(head, body, label="Columns that give a target away", numeric=(2,)),
        hidden_rest(20, len(found), "leaks", "data.json"),
    ]


def _dropped(material: Material) -> Content:
    found = rows(material.data.get("dropped_rows"))
    if not found:
        return None
    body = [[quote(each.get("reason"), 140), number(each.get("count")), _numbers(each)] for each in found[:20]]
    # Rows are counted from 1 in every message; the file counts from 0.
    return [tag("h3", "Rows left out"), table(["reason", "rows", "the first of them"], body, label="Rows left out", numeric=(1,))]


def _numbers(dropped: dict[str, Any]) -> str:
    first = [int(each) + 1 for each in dropped.get("rows") or [] if is_number(each)]
    more = is_number(dropped.get("count")) and dropped["count"] > len(first)
    return ", ".join(map(number, first)) + (" …" if first and more else "")


def _origin(source: dict[str, Any]) -> Markup | None:
    print_ = mapping(source.get("fingerprint"))
    files = print_.get("files") if isinstance(print_.get("files"), list) else [print_]
    lines = [_file(mapping(each)) for each in files[:3]] if files else []
    entries = [each for each in lines if each]
    more = f" and {len(files) - 3} more files" if files and len(files) > 3 else ""
    return note("Read from ", [[each, ". "] for each in entries], more) if entries else None


def _file(file: dict[str, Any]) -> Content:
    place = file.get("path") or file.get("paths") or file.get("name")
    if not place:
        return None
    digest = str(file.get("sha256") or "")
    weight = f", {size(file['bytes'])}" if is_number(file.get("bytes")) else ""
    return [
        code(", ".join(map(str, place[:3])) if isinstance(place, list) else place, 120),
        weight,
        f", sha256 {digest[:12]}" if digest else "",
    ]
