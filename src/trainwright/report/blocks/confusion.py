"""The confusion matrix: a table of numbers while they can be read, a picture of cells when the classes are many."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from trainwright.report.blocks.base import Block, Sheet
from trainwright.report.charts.axes import picture
from trainwright.report.charts.panels import decisions
from trainwright.report.figures import percent
from trainwright.report.markup import Content, Markup, note, quote, scroll, tag

READABLE = 12
LEVELS = 8
Count = Annotated[int, Field(ge=0)]


class Confusion(Block):
    """Rows are the truth and columns the prediction; a cell's depth is its share of its row."""

    matrix: Annotated[list[list[Count]], Field(min_length=1, max_length=200)]
    classes: list[str]
    title: str = "Confusion"

    @model_validator(mode="after")
    def _square(self) -> Confusion:
        count = len(self.matrix)
        if any(len(row) != count for row in self.matrix) or len(self.classes) != count:
            raise ValueError("a confusion matrix has a row and a column for each class")
        return self

    def draw(self, sheet: Sheet) -> Content:
        """A table of at most 12 classes, a picture of more."""
        if len(self.matrix) <= READABLE:
            return scroll(_numbers(self.matrix, self.classes), self.title)
        said = "Classes run from the top left to the bottom right; a stronger colour is a larger share of the row."
        return [_cells(self.matrix, self.classes), note(said)]


def _numbers(matrix: list[list[int]], classes: list[str]) -> Markup:
    return decisions(matrix, [quote(each, 14) for each in classes], [quote(each, 18) for each in classes], "")


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
