"""An expression with a kind for each of its parts, and its calculation over pieces of a table.

Missing values stay missing: whatever is calculated with one is missing, `and` and `or` are those of three values (false and missing is
false, true or missing is true), and a result that is no finite number (a division by zero, the logarithm of 0) is missing.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from trainwright.config.errors import DataError, did_you_mean
from trainwright.data.expressions.functions import ANY, FUNCTIONS, NUMBER, TEXT, TIME, TRUTH, Function, pattern_fault
from trainwright.data.expressions.operands import ARROW, IN_WORDS, KIND
from trainwright.data.expressions.syntax import Expression, unknown_column

Columns = Mapping[str, pa.Array]
NOTHING = "nothing"
LARGEST = 1 << 63

COMPARISONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: pc.equal,
    ast.NotEq: pc.not_equal,
    ast.Lt: pc.less,
    ast.LtE: pc.less_equal,
    ast.Gt: pc.greater,
    ast.GtE: pc.greater_equal,
}


@dataclass(frozen=True)
class Typed:
    """A part of an expression: its kind, whether its numbers are whole, and its values (one per row, or a scalar) for some columns."""

    kind: str
    whole: bool
    values: Callable[[Columns], Any]
    node: ast.AST
    constant: Any = None
    """The value of one that is written in the expression."""


@dataclass(frozen=True)
class Calculation:
    """A whole expression, ready to be calculated."""

    expression: Expression
    kind: str
    type: pa.DataType
    """The Arrow type of its values."""
    values: Callable[[Columns], Any]

    def of(self, columns: Columns) -> pa.Array:
        """Its values for pieces of the columns it names (n each): n values, missing ones as nulls. Raises DataError where one overflows."""
        try:
            found = self.values(columns)
        except pa.ArrowInvalid as error:
            why = str(error).splitlines()[0]
            fix = "calculate with fractions: 1.0 * column"
            raise DataError(f"'{self.expression.text}' cannot be calculated", where=self.expression.where, why=why, fix=fix) from error
        try:
            return found.cast(self.type)
        except pa.ArrowInvalid:
            return found.cast(pa.float64())  # a column that was whole in training, and is not now


def calculate(expression: Expression, operands: Mapping[str, str], example: Callable[[str, str], str]) -> Calculation:
    """The calculation of an expression.

    Args:
        expression: as it was read.
        operands: column → what it is (a key of `ARROW`; empty for what no expression can take).
        example: (column, kind) → a value of the column that is not of that kind, in words.

    Raises:
        ConfigError: a column or function is unknown, or kinds do not fit.
    """
    typed = _Typing(expression, operands, example).type_part(expression.body)
    if typed.kind == NOTHING or not expression.columns:
        raise expression.refusal("the expression names no column", expression.body, fix="name one: age >= 18; texts stand in quotes")
    arrow = ARROW["integer" if typed.whole else "float"] if typed.kind == NUMBER else ARROW[typed.kind]
    return Calculation(expression, typed.kind, arrow, typed.values)


@dataclass(frozen=True)
class _Typing:
    expression: Expression
    operands: Mapping[str, str]
    example: Callable[[str, str], str]

    def type_part(self, node: ast.AST) -> Typed:
        """A part with its kind."""
        found: Typed = getattr(self, f"of_{type(node).__name__.lower()}")(node)
        return found

    def of_name(self, node: ast.Name) -> Typed:
        """A column."""
        name = node.id
        if name not in self.operands:
            raise unknown_column(self.expression, name, list(self.operands))
        operand = self.operands[name]
        if not operand:
            why = "it holds lists or other values that have no order and no arithmetic"
            raise self.expression.refusal(f"column '{name}' cannot be used in an expression", node, why, "leave it out")
        return Typed(KIND[operand], operand == "integer", lambda columns: columns[name], node)

    def of_constant(self, node: ast.Constant) -> Typed:
        """A number, text, True, False or None."""
        value = node.value
        kinds: dict[type, tuple[str, pa.DataType]] = {bool: (TRUTH, pa.bool_()), str: (TEXT, pa.string()), float: (NUMBER, pa.float64())}
        if value is None:
            return Typed(NOTHING, False, lambda _: None, node)
        if type(value) is int and abs(value) < LARGEST:
            scalar = pa.scalar(value, pa.int64())
            return Typed(NUMBER, True, lambda _: scalar, node, value)
        if type(value) not in kinds:
            what = "a number is too large" if type(value) is int else f"{self.expression.show(node)} has no meaning here"
            raise self.expression.refusal(what, node, fix="write a number or a text in quotes")
        kind, arrow = kinds[type(value)]
        held = pa.scalar(value, arrow)
        return Typed(kind, False, lambda _: held, node, value)

    def of_boolop(self, node: ast.BoolOp) -> Typed:
        """`and`, `or`."""
        word, join = ("and", pc.and_kleene) if isinstance(node.op, ast.And) else ("or", pc.or_kleene)
        parts = [self.require(self.type_part(each), TRUTH, f"`{word}` joins conditions") for each in node.values]

        def values(columns: Columns) -> Any:
            found = parts[0].values(columns)
            for each in parts[1:]:
                found = join(found, each.values(columns))
            return found

        return Typed(TRUTH, False, values, node)

    def of_unaryop(self, node: ast.UnaryOp) -> Typed:
        """`not`, and signs."""
        inner = self.type_part(node.operand)
        if isinstance(node.op, ast.Not):
            inner = self.require(inner, TRUTH, "`not` turns a condition round")
            return Typed(TRUTH, False, lambda columns: pc.invert(inner.values(columns)), node)
        inner = self.require(inner, NUMBER, "a sign stands before a number")
        if isinstance(node.op, ast.UAdd):
            return inner
        constant = None if inner.constant is None else -inner.constant
        return Typed(NUMBER, inner.whole, lambda columns: pc.negate_checked(inner.values(columns)), node, constant)

    def of_binop(self, node: ast.BinOp) -> Typed:
        """Arithmetic, and texts joined by +."""
        left, right = self.type_part(node.left), self.type_part(node.right)
        if isinstance(node.op, ast.Add) and left.kind == right.kind == TEXT:
            return Typed(TEXT, False, lambda columns: pc.binary_join_element_wise(left.values(columns), right.values(columns), ""), node)
        why = f"'{self.expression.show(node)}' is arithmetic"
        left, right = self.require(left, NUMBER, why), self.require(right, NUMBER, why)
        whole = left.whole and right.whole and not isinstance(node.op, ast.Div | ast.Pow)
        operate = ARITHMETIC[type(node.op)]

        def values(columns: Columns) -> Any:
            a, b = left.values(columns), right.values(columns)
            if not whole:
                return finite(operate(a.cast(pa.float64()), b.cast(pa.float64())))
            return operate(a, b)

        return Typed(NUMBER, whole, values, node)

    def of_compare(self, node: ast.Compare) -> Typed:
        """One comparison, or several in a row, all of which must hold."""
        sides = [node.left, *node.comparators]
        parts = [self.compare_sides(node, op, sides[place], sides[place + 1]) for place, op in enumerate(node.ops)]

        def values(columns: Columns) -> Any:
            found = parts[0](columns)
            for each in parts[1:]:
                found = pc.and_kleene(found, each(columns))
            return found

        return Typed(TRUTH, False, values, node)

    def compare_sides(self, node: ast.Compare, op: ast.cmpop, first: ast.expr, second: ast.expr) -> Callable[[Columns], Any]:
        """One comparison of two sides."""
        if isinstance(op, ast.In | ast.NotIn):
            return self.among(node, first, second, isinstance(op, ast.NotIn))
        left, right = self.type_part(first), self.type_part(second)
        if NOTHING in (left.kind, right.kind):
            raise self.expression.refusal(
                "nothing can be compared with None", node, "what is missing equals nothing", "write missing(column)"
            )
        left, right = self.as_time(left, right), self.as_time(right, left)
        if left.kind != right.kind:
            raise self.unfit(node, left, right)
        if left.kind == TRUTH and not isinstance(op, ast.Eq | ast.NotEq):
            raise self.expression.refusal("true and false have no order", node, fix="compare with == or !=")
        compare = COMPARISONS[type(op)]
        return lambda columns: compare(left.values(columns), right.values(columns))

    def among(self, node: ast.Compare, first: ast.expr, second: ast.expr, turned: bool) -> Callable[[Columns], Any]:
        """`in` and `not in` a list of values."""
        left = self.type_part(first)
        if not isinstance(second, ast.List | ast.Tuple):
            fix = "write column in ['a', 'b']; for a part of a text contains(column, 'part')"
            raise self.expression.refusal("`in` needs a list", node, fix=fix)
        items = [self.as_time(self.type_part(each), left) for each in second.elts]
        for each in items:
            if each.kind != left.kind:
                raise self.unfit(node, left, each)
            if each.constant is None:
                raise self.expression.refusal("a list holds values alone", each.node, fix="write each value, or compare with == and `or`")
        scalars = [each.values({}) for each in items]
        floats = left.kind == NUMBER and not (left.whole and all(each.whole for each in items))
        arrow = pa.float64() if floats else pa.int64() if left.kind == NUMBER else ARROW[left.kind]
        wanted = pa.array([each.cast(arrow).as_py() for each in scalars], arrow)

        def values(columns: Columns) -> Any:
            given = left.values(columns)
            given = given.cast(pa.float64()) if floats or pa.types.is_floating(given.type) else given
            found = pc.is_in(given, wanted.cast(given.type))
            return pc.if_else(pc.is_valid(given), pc.invert(found) if turned else found, pa.scalar(None, pa.bool_()))

        return values

    def of_list(self, node: ast.List | ast.Tuple) -> Typed:
        """Refused: a list stands only after `in`."""
        raise self.expression.refusal("a list has no meaning here", node, fix="write it after `in`: column in ['a', 'b']")

    of_tuple = of_list

    def of_ifexp(self, node: ast.IfExp) -> Typed:
        """`a if condition else b`; missing where the condition is."""
        test = self.require(self.type_part(node.test), TRUTH, "`if` needs a condition")
        first, second = self.type_part(node.body), self.type_part(node.orelse)
        kinds = {first.kind, second.kind} - {NOTHING}
        if len(kinds) != 1:
            raise self.unfit(node, first, second)
        kind = kinds.pop()
        whole = kind == NUMBER and all(each.whole or each.kind == NOTHING for each in (first, second))
        arrow = ARROW["integer" if whole else "float"] if kind == NUMBER else ARROW[kind]

        def branch(part: Typed, columns: Columns) -> Any:
            return pa.scalar(None, arrow) if part.kind == NOTHING else part.values(columns).cast(arrow)

        return Typed(kind, whole, lambda columns: pc.if_else(test.values(columns), branch(first, columns), branch(second, columns)), node)

    def of_call(self, node: ast.Call) -> Typed:
        """A function of its arguments."""
        name = node.func.id  # type: ignore[attr-defined]
        if name not in FUNCTIONS:
            fix = did_you_mean(name, FUNCTIONS, len(FUNCTIONS))
            raise self.expression.refusal(f"there is no function '{name}'", node, fix=fix)
        function = FUNCTIONS[name]
        most, given = len(function.takes), len(node.args)
        if given < most - function.optional or (given > most and not function.more):
            takes = ", ".join(each.replace("|", " or ") for each in function.takes)
            raise self.expression.refusal(f"{name} takes {function.counts}, not {given}", node, fix=f"write {name}({takes})")
        parts = [self.argument(name, function, min(place, most - 1), each) for place, each in enumerate(node.args)]
        columns_of = [each for place, each in enumerate(parts) if place < most - function.fixed or function.more]
        fixed = [each.constant for each in parts[len(columns_of) :]]
        whole = function.whole == "always" or (function.whole == "kept" and all(each.whole for each in parts))
        floats = function.gives == NUMBER and function.whole == "kept" and not whole

        def values(columns: Columns) -> Any:
            found = [each.values(columns) for each in columns_of]
            found = [each.cast(pa.float64()) for each in found] if floats else found
            result = function.call(*found, *fixed)
            return finite(result) if pa.types.is_floating(result.type) else result

        return Typed(function.gives, whole, values, node)

    def argument(self, name: str, function: Function, place: int, node: ast.expr) -> Typed:
        """One argument, of a kind that the function takes."""
        part, takes = self.type_part(node), function.takes[place].split("|")
        if part.kind == NOTHING or (takes != [ANY] and part.kind not in takes):
            part = self.require(part, takes[0], f"{name} takes {' or '.join(IN_WORDS[each] for each in takes)}")
        if place >= len(function.takes) - function.fixed:
            if part.constant is None:
                what = f"this argument of {name} is the same in all rows"
                raise self.expression.refusal(what, node, fix="write its value, no column")
            if name in ("extract", "matches") and (fault := pattern_fault(name, part.constant)):
                raise self.expression.refusal("the pattern cannot be used", node, fault, "see the syntax of RE2")
        return part

    def as_time(self, part: Typed, other: Typed) -> Typed:
        """A text that is written beside a date, as a date."""
        if other.kind != TIME or part.kind != TEXT or part.constant is None:
            return part
        try:
            moment = pa.scalar(part.constant.strip(), pa.string()).cast(pa.timestamp("us"))
        except pa.ArrowInvalid:
            what = f"'{part.constant}' is no date"
            raise self.expression.refusal(what, part.node, fix="write it as 2024-05-31 or 2024-05-31 12:00:00") from None
        return Typed(TIME, False, lambda _: moment, part.node, part.constant)

    def require(self, part: Typed, kind: str, why: str) -> Typed:
        """The part, which must be of a kind; raises ConfigError with a value of a column that is not."""
        if part.kind == kind:
            return part
        shown = self.expression.show(part.node)
        told = f"{why}; {self.find_value(part, kind)}" if self.find_value(part, kind) else why
        raise self.expression.refusal(
            f"'{shown}' is {IN_WORDS[part.kind]}, not {IN_WORDS[kind]}", part.node, told, _way_to(kind, part, shown)
        )

    def unfit(self, node: ast.AST, left: Typed, right: Typed) -> Exception:
        """What to say of two sides of different kinds."""
        a, b = (self.expression.show(each.node) for each in (left, right))
        what = f"'{a}' is {IN_WORDS[left.kind]} and {b} is {IN_WORDS[right.kind]}"
        odd, wanted = (left, right.kind) if right.constant is not None else (right, left.kind)
        return self.expression.refusal(what, node, self.find_value(odd, wanted), _way_to(wanted, odd, self.expression.show(odd.node)))

    def find_value(self, part: Typed, wanted: str) -> str:
        """A value of a column that is not what is wanted, in words; empty for other parts."""
        return self.example(part.node.id, wanted) if isinstance(part.node, ast.Name) else ""


def finite(values: Any) -> Any:
    """Numbers, with what is not finite made missing."""
    return pc.if_else(pc.is_finite(values), values, pa.scalar(None, values.type))


def _way_to(kind: str, part: Typed, shown: str) -> str:
    """How a part becomes one of another kind."""
    if kind == NUMBER and part.kind in (TEXT, TRUTH):
        return f"number({shown}) reads it as a number, and what is none as missing"
    if kind == TIME and part.kind == TEXT:
        return f"date({shown}, '%d/%m/%Y') reads it as a date"
    if kind == TRUTH and part.kind == NUMBER:
        return f"write a comparison: {shown} != 0"
    if kind == TEXT:
        return f"text({shown}) is it as it is written; a number to compare with stands without quotes"
    return "compare or calculate with values of one kind"


def _floor_divide(a: Any, b: Any) -> Any:
    floats = finite(pc.divide(a.cast(pa.float64()), b.cast(pa.float64())))
    found = pc.floor(floats)
    return found.cast(pa.int64()) if pa.types.is_integer(a.type) and pa.types.is_integer(b.type) else found


def _remainder(a: Any, b: Any) -> Any:
    return pc.subtract_checked(a, pc.multiply_checked(b, _floor_divide(a, b)))


ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: pc.add_checked,
    ast.Sub: pc.subtract_checked,
    ast.Mult: pc.multiply_checked,
    ast.Div: pc.divide,
    ast.FloorDiv: _floor_divide,
    ast.Mod: _remainder,
    ast.Pow: pc.power,
}
"""Sign → calculation; sums, products and remainders of whole numbers are whole."""
