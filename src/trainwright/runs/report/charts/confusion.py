"""The confusion matrix: a table of numbers while they can be read, a picture of cells when the classes are many."""

from __future__ import annotations

from typing import Any

from trainwright.runs.report.charts.axes import figure, picture
from trainwright.runs.report.figures import is_number, number, percent
from trainwright.runs.report.markup import Markup, note, quote, scroll, table, tag

READABLE = 12
LEVELS = 8


def confusion(matrix: list[list[int]], classes: list[str]) -> Markup | None:
    """Rows are the truth and columns the prediction; a cell's depth is its share of its row. None when it is empty or uneven."""
    count = len(matrix)
    if not count or any(len(row) != count for row in matrix):
        return None
    classes = [str(each) for each in classes] if len(classes) == count else [str(index) for index in range(count)]
    caption = [tag("b", "Confusion"), tag("span", "rows: truth, columns: prediction", class_="soft")]
    if count <= READABLE:
        return figure(caption, scroll(_numbers(matrix, classes), "Confusion matrix"), wide=count > 5)
    return figure(
        caption,
        _cells(matrix, classes),
        note("Classes run from the top left to the bottom right; a stronger colour is a larger share of the row."),
    )


def _numbers(matrix: list[list[int]], classes: list[str]) -> Markup:
    head = tag("tr", tag("td"), [tag("th", quote(each, 14), scope="col") for each in classes])
    body = []
    for index, row in enumerate(matrix):
        total = sum(row)
        cells = [
            tag(
                "td",
                number(each),
                class_="hit" if index == other else None if each else "none",
                style=f"--depth:{_depth(each, total):.0f}%",
                title=percent(each, total),
            )
            for other, each in enumerate(row)
        ]
        body.append(tag("tr", tag("th", quote(classes[index], 18), scope="row"), cells))
    return tag("table", tag("thead", head), tag("tbody", body), class_="confusion", aria_label="Rows are the truth, columns the prediction")


def _depth(count: float, total: float) -> float:
    # At most 62 %: beyond it the ink on the cell would lose its contrast in one theme or the other.
    return 62 * count / total if total else 0.0


def _cells(matrix: list[list[int]], classes: list[str]) -> Markup:
    """Cells by depth, one path for each, so that a hundred classes stay a small picture."""
    count = len(matrix)
    side = 360 / count
    paths: list[list[str]] = [[] for _ in range(LEVELS)]
    for y, row in enumerate(matrix):
        total = sum(row)
        for x, each in enumerate(row):
            if each and total:
                level = min(int(LEVELS * (each / total) ** 0.5), LEVELS - 1)
                paths[level].append(f"M{x * side:.1f} {y * side:.1f}h{side:.2f}v{side:.2f}h-{side:.2f}z")
    drawn = [
        tag("path", d="".join(each), class_="cell", style=f"opacity:{(level + 1) / LEVELS:.3f}") for level, each in enumerate(paths) if each
    ]
    correct = sum(matrix[index][index] for index in range(count))
    detail = f"{percent(correct, sum(map(sum, matrix)))} of the rows lie on the diagonal"
    frame = tag("rect", x="0", y="0", width="360", height="360", class_="plate")
    return picture(360, 360, f"Confusion of {len(classes)} classes", detail, frame, drawn)


def confused_pairs(matrix: list[list[int]], classes: list[str], most: int = 8) -> Markup | None:
    """The pairs of classes most often taken for one another; None without an error."""
    found = [(each, x, y) for x, row in enumerate(matrix) for y, each in enumerate(row) if x != y and each]
    if not found or len(classes) != len(matrix):
        return None
    top = sorted(found, key=lambda pair: (-pair[0], pair[1], pair[2]))[:most]
    body = [[quote(classes[x], 30), quote(classes[y], 30), number(each), percent(each, sum(matrix[x]))] for each, x, y in top]
    caption = [
        tag("b", "Most often confused"),
        tag("span", f"{len(top)} of {len(found)} pairs" if len(found) > most else "", class_="soft"),
    ]
    return figure(caption, table(["truth", "taken for", "rows", "of its class"], body, label="Most often confused classes", numeric=(2, 3)))


def by_class(matrix: list[list[int]], classes: list[str], most: int = 12) -> Markup | None:
    """Recall and precision of each class, the weakest first."""
    if len(classes) != len(matrix) or len(matrix) < 3:
        return None
    columns = [sum(row[index] for row in matrix) for index in range(len(matrix))]
    found = [(row[index], sum(row), columns[index], classes[index]) for index, row in enumerate(matrix) if sum(row)]
    found.sort(key=lambda each: each[0] / each[1])
    return _classes([(name, total, percent(hit, total), percent(hit, column)) for hit, total, column, name in found], most)


def by_label(labels: list[dict[str, Any]], most: int = 12) -> Markup | None:
    """The same for the labels of a set, from their own numbers."""
    found = sorted((each for each in labels if is_number(each.get("recall"))), key=lambda each: each["recall"])
    listed = [(str(each.get("class")), each.get("rows"), percent(each["recall"], 1), _share(each.get("precision"))) for each in found]
    return _classes(listed, most) if listed else None


def _share(value: Any) -> str:
    return percent(value, 1) if is_number(value) else "–"


def _classes(found: list[tuple[str, Any, str, str]], most: int) -> Markup:
    body = [[quote(name, 30), number(total), recall, precision] for name, total, recall, precision in found[:most]]
    rest = f"the {most} weakest of {len(found)}" if len(found) > most else "weakest first"
    caption = [tag("b", "By class"), tag("span", rest, class_="soft")]
    return figure(
        caption, table(["class", "test rows", "recall", "precision"], body, label="Recall and precision by class", numeric=(1, 2, 3))
    )
