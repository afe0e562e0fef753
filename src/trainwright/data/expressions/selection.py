"""What a configuration asks of the rows of a table: which of them count, and which columns are made of others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from trainwright.config.errors import ConfigError, RunError
from trainwright.data.expressions.functions import NUMBER, NUMBER_TEXT, TRUTH
from trainwright.data.expressions.operands import operand_of
from trainwright.data.expressions.syntax import Expression, parse_expression
from trainwright.data.expressions.typed import Calculation, calculate
from trainwright.data.source import Source

WHERE, DERIVE = "data.where", "data.derive"


class Selection:
    """A condition on rows and the columns derived from others, with a calculation for each; kept with a model as plain JSON."""

    def __init__(
        self, where: str, derive: Mapping[str, str], operands: Mapping[str, str], example: Callable[[str, str], str] = lambda *_: ""
    ) -> None:
        """`operands`: what each column of the table is (see `operand_of`). Raises ConfigError for whatever is wrong with an expression."""
        self.where = parse_expression(where, WHERE) if where else None
        self.derived = {name: parse_expression(text, f"{DERIVE}.{name}") for name, text in derive.items()}
        for name in self.derived:
            if name in operands:
                what = f"the data have a column '{name}' already"
                raise ConfigError(what, where=f"{DERIVE}.{name}", fix=f"give the derived one another name: {name}_2")
        self.order = _in_order(self.derived)
        known = dict(operands)
        self.calculations: dict[str, Calculation] = {}
        for name in self.order:
            self.calculations[name] = calculate(self.derived[name], known, example)
            known[name] = operand_of(self.calculations[name].type)
        self.conditions = [_condition(term, known, example) for term in self.where.terms()] if self.where else []
        self.needed = self.columns_under([*self.derived, *(name for each in self.conditions for name in each.expression.columns)])
        self.operands = {name: operands[name] for name in self.needed}

    @classmethod
    def of(cls, where: str, derive: Mapping[str, str], source: Source) -> Self:
        """For the table of a source."""
        operands = {field.name: operand_of(field.type) for field in source.schema}
        return cls(where, derive, operands, lambda name, wanted: example_of(source, name, wanted))

    def columns_under(self, names: Iterable[str]) -> list[str]:
        """The columns of the table that some columns are, or are derived from."""
        found: dict[str, None] = {}
        for name in names:
            found |= dict.fromkeys(self.columns_under(self.derived[name].columns) if name in self.derived else [name])
        return list(found)

    def derive(self, columns: dict[str, pa.Array], names: Iterable[str]) -> dict[str, pa.Array]:
        """The operands with the columns derived from them, as far as some named ones need it."""
        for name in names:
            if name in self.derived and name not in columns:
                self.derive(columns, self.derived[name].columns)
                columns[name] = self.calculations[name].of(columns)
        return columns

    def state(self) -> dict[str, Any]:
        """The selection in plain JSON types."""
        derive = {name: each.text for name, each in self.derived.items()}
        return {"where": self.where.text if self.where else "", "derive": derive, "operands": self.operands}

    @classmethod
    def restore(cls, state: Any) -> Self:
        """The selection that `state` describes; raises RunError where it is something else."""
        try:
            return cls(str(state["where"]), dict(state["derive"]), dict(state["operands"]))
        except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as error:
            raise RunError("what the rows are selected by is damaged", why=str(error), fix="restore the run from a copy") from error


def _condition(term: Expression, known: Mapping[str, str], example: Callable[[str, str], str]) -> Calculation:
    found = calculate(term, known, example)
    if found.kind != TRUTH:
        what = f"'{term.show(term.body)}' is no condition"
        raise term.refusal(what, term.body, fix="compare it with something: age >= 18, not missing(age)")
    return found


def _in_order(derived: Mapping[str, Expression]) -> list[str]:
    """Derived columns, each after those it is derived from; raises ConfigError where one is derived from itself."""
    order: list[str] = []

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            circle = " → ".join([*above[above.index(name) :], name])
            raise ConfigError(
                "a column is derived from itself", where=f"{DERIVE}.{name}", why=circle, fix="derive it from columns of the data"
            )
        for each in derived[name].columns if name not in order else ():
            if each in derived:
                visit(each, (*above, name))
        order.extend([name] if name not in order else [])

    for name in derived:
        visit(name, ())
    return order


def example_of(source: Source, name: str, wanted: str) -> str:
    """The first value of a column that is not `wanted`, with its row, in words; empty for a derived column."""
    if name not in source.schema.names:
        return ""
    start = 0
    for piece in source.batches([name]):
        column = piece[name]
        odd = pc.is_valid(column)
        if wanted == NUMBER and pa.types.is_string(column.type):
            unwritten = pc.and_(odd, pc.invert(pc.match_substring_regex(column, NUMBER_TEXT)))
            odd = unwritten if pc.any(unwritten).as_py() else odd
        row = pc.index(odd, True).as_py()
        if row >= 0:
            return f"{source.place(start + row)}: {name} is {column[row].as_py()!r}"
        start += piece.num_rows
    return f"{name} has no value in any row"
