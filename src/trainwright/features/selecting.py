"""New rows selected as training rows were: columns derived alike, and rows left out by the same condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainwright.data.expressions.operands import Written
from trainwright.data.expressions.selected import SelectedSource
from trainwright.data.expressions.selection import WHERE, Selection
from trainwright.data.source import Source

if TYPE_CHECKING:
    from trainwright.features.encoding import TableEncoder


def select_again(encoder: TableEncoder, source: Source, selection: Selection) -> Source:
    """New rows with the columns that the encoder derives, and without those that its condition leaves out.

    Rows to predict often lack the targets: a column derived from one is left out with it, and so is a condition on one, which is noted.
    Raises DataError for other columns that are lacking, and for values that cannot be read.
    """
    there = set(source.schema.names) - set(selection.derived)
    of_targets = {*encoder.targets, *selection.columns_under(encoder.targets)} - set(selection.columns_under(encoder.inputs))
    derived = [name for name in selection.order if there.issuperset(selection.columns_under([name]))]
    conditions, notes = [], []
    for each in selection.conditions:
        lacking = set(selection.columns_under(each.expression.columns)) - there
        if lacking and lacking <= of_targets:
            notes.append(
                f"{WHERE}: '{each.expression.show(each.expression.body)}' is of a target, which these rows lack; it leaves none out"
            )
        else:
            conditions.append(each)
    needed = selection.columns_under([*encoder.inputs, *(name for each in conditions for name in each.expression.columns)])
    encoder.check_columns(source, needed)
    form = encoder.reading.form if encoder.reading else None
    selected = SelectedSource(source, selection, Written.of(form, source.written), derived, conditions)
    twice = [name for name in derived if name in source.schema.names]
    notes += [f"column '{name}' of these rows is not read: it is derived as in training" for name in twice]
    selected.notes += notes
    return selected
