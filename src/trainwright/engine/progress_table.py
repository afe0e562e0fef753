"""The table of a run on a terminal: loss, headline metric and the best so far, never wider than 80 columns."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace

from trainwright.engine.progress_text import choose_columns, is_best
from trainwright.engine.session import Session

WIDEST = 80
NARROWEST = 30
NUMBER = 9
"""Characters of a number, at most."""
READABLE = 16
"""Characters of a title that are not cut further: a column without room for them is left out."""
BEST = "best so far"
GAP = "  "
STAR = " *"


@dataclass(frozen=True)
class Column:
    """A column: the name of its value in a row, and what stands above it, in the last of one or two lines."""

    name: str
    title: str
    above: str = ""

    @property
    def width(self) -> int:
        """Characters."""
        return max(len(self.title), len(self.above), NUMBER)


class ProgressTable:
    """The columns that a run's first row has, and its rows as lines."""

    def __init__(self, session: Session, row: Mapping[str, float]) -> None:
        self.room = room()
        self.judged = session.parts.validation is not None
        most = f"{session.plan.max_steps or 99_999}"
        self.step, self.epoch = max(len(most), 4), 5
        names = choose_columns(session, row)
        columns = title_columns(names)
        self.best = Column("", "so far", "best") if any(each.above for each in columns) else Column("", BEST)
        self.columns = self._fit(columns)

    def heading(self) -> str:
        """The names of the columns, in two lines where the upper one names targets."""
        columns = [*self.columns, *([self.best] if self.judged else [])]
        above = GAP.join([" " * self.step, " " * self.epoch, *(f"{each.above:>{each.width}}" for each in columns)]).rstrip()
        titles = GAP.join([f"{'step':>{self.step}}", "epoch", *(f"{each.title:>{each.width}}" for each in columns)])
        return f"{above}\n{titles}" if above else titles

    def line(self, session: Session, row: Mapping[str, float]) -> str:
        """A row: what it has no value for is blank; a star marks the best so far."""
        cells = [f"{row['step']:>{self.step}}", f"{row.get('epoch', ''):>{self.epoch}}"]
        cells += [f"{write_number(row[each.name]) if each.name in row else '':>{each.width}}" for each in self.columns]
        if not self.judged:
            return GAP.join(cells).rstrip()
        best = session.best.entries[:1]
        cells.append(f"{write_number(best[0][1]) if best else '':>{self.best.width}}")
        return (GAP.join(cells) + (STAR if is_best(session, row) else "")).rstrip()

    def _fit(self, columns: list[Column]) -> list[Column]:
        """Those that there is room for, in their order; the title of the last is cut where that lets it in."""
        used = self.step + len(GAP) + self.epoch + (len(GAP) + self.best.width + len(STAR) if self.judged else 0)
        kept: list[Column] = []
        for each in columns:
            left = self.room - used - len(GAP)
            if left < max(min(each.width, READABLE), NUMBER):
                break
            fitted = replace(each, title=cut(each.title, left), above=cut(each.above, left))
            used += len(GAP) + fitted.width
            kept.append(fitted)
        return kept


def room() -> int:
    """Characters of a line: as many as the terminal has, at most 80."""
    return max(min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST), NARROWEST)


def write_number(value: float) -> str:
    """A number in nine characters at most."""
    text = f"{value:.4g}"
    return text if len(text) <= NUMBER else f"{value:.3g}"


def cut(text: str, room: int) -> str:
    """The text in so many characters: its end says more than its middle."""
    if len(text) <= room:
        return text
    end = (room - 1) * 2 // 3
    return f"{text[: room - 1 - end]}…{text[len(text) - end :]}"


def target_of(name: str) -> str:
    """The target that a column is about; empty where its name has none."""
    return name.removeprefix("validation/").rpartition(".")[0]


def title_columns(names: list[str]) -> list[Column]:
    """Columns whose titles leave out what all have in common: that they are of the validation rows, and the target where there is one.

    Where there are several, each stands above its metric.
    """
    several = len({target_of(name) for name in names if not name.endswith("/loss")}) > 1
    found = []
    for name in names:
        if name.endswith("/loss"):
            part, _, loss = name.partition("/")
            found.append(Column(name, loss, part) if several else Column(name, f"{part} {loss}"))
        else:
            target = target_of(name)
            title = name.removeprefix("validation/").removeprefix(f"{target}." if target else "")
            found.append(Column(name, title, target if several else ""))
    return found
