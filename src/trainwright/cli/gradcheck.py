"""`trainwright gradcheck`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trainwright.cli.parser import Parser
from trainwright.cli.style import bold, count_things, red, table, wrap
from trainwright.config.errors import RequestError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

    from trainwright.tools.gradcheck import GradientVerdict

INPUT = re.compile(r"(?P<shape>\(\)|[0-9]+(?:x[0-9]+)*)(?::(?P<dtype>[a-z0-9]+))?")
DTYPES = ("float64", "float32", "complex128", "complex64")
WHOLE = ("int64", "int32", "bool")


def run(words: Sequence[str]) -> int:
    """Compare gradients with finite differences; 0 when they are right, 1 when they are not."""
    arguments = parser().parse(words)
    if not arguments.words or arguments.inputs is None:
        fix = "trainwright gradcheck ./ops.py:MyFunction --inputs 3x4,4"
        raise RequestError("gradcheck needs what to check and the shapes of its inputs", fix=fix)
    if arguments.dtype not in DTYPES:
        raise RequestError(f"gradients are not checked in {arguments.dtype}", where="--dtype", fix=did_you_mean(arguments.dtype, DTYPES))
    for name in ("eps", "atol", "rtol"):
        value = getattr(arguments, name)
        if value is not None and not (0 < value < math.inf or (value == 0 and name != "eps")):
            raise RequestError(f"{value} is no size of a step or a difference", where=f"--{name}", fix="write a small number above 0: 1e-5")
    given = _arguments(arguments.words[1:])
    shapes = _shapes(arguments.inputs, arguments.dtype)
    from trainwright.config.foreign import found_at

    made_from = found_at(arguments.words[0])[0]
    import torch

    from trainwright.tools.gradcheck import callable_of, check_gradients

    torch.manual_seed(arguments.seed)
    function, parameters = callable_of(made_from, given, getattr(torch, arguments.dtype))
    inputs = {f"input {place}": _draw_inputs(shape, dtype) for place, (shape, dtype) in enumerate(shapes)} | parameters
    tolerances = {name: getattr(arguments, name) for name in ("eps", "atol", "rtol")}
    verdict = check_gradients(function, inputs, second=arguments.second, **tolerances)
    print(describe_check(arguments.words[0], verdict, arguments.dtype))
    return 0 if verdict.right else 1


def describe_check(name: str, verdict: GradientVerdict, dtype: str) -> str:
    """The verdict in words, and a row for every input."""
    what = "first and second derivatives" if verdict.second else "gradients"
    elements = sum(math.prod(each.shape) for each in verdict.differences)
    head = f"{what} of {name} are right" if verdict.right else red(f"gradients of {name} are wrong")
    rows = [
        [
            each.name,
            _shape(each.shape),
            f"{each.largest:.3g}",
            str(list(each.element)),
            each.output,
            f"{each.analytical:.6g}",
            f"{each.numerical:.6g}",
        ]
        for each in verdict.differences
    ]
    header = ["by", "shape", "largest difference", "at element", "of output", "backward", "differences"]
    blocks = [
        f"{bold(head)}: {count_things(len(rows), 'input')}, {count_things(elements, 'element')}, {dtype}",
        table(header, rows, right=(2, 5, 6)),
    ]
    if not verdict.right:
        worst = max(verdict.differences, key=lambda each: each.largest)
        place = f"{worst.name}{list(worst.element)} by output {worst.output}"
        blocks.append(f"furthest: {place}: backward gives {worst.analytical:.6g}, differences {worst.numerical:.6g}")
        blocks.append(wrap(f"torch says: {verdict.complaint}", 0))
    return "\n\n".join(blocks)


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "()"


def _shapes(text: str, dtype: str) -> list[tuple[tuple[int, ...], str]]:
    """`3x4,5:int64` → shapes and dtypes; `()` is a tensor without dimensions."""
    found = []
    for each in filter(None, (part.strip() for part in text.split(","))):
        match = INPUT.fullmatch(each)
        kind = match["dtype"] or dtype if match else dtype
        if match is None or kind not in (*DTYPES, *WHOLE):
            why = "" if match is None else f"inputs are {', '.join((*DTYPES, *WHOLE))}"
            raise RequestError(
                f"'{each}' is no input", where="--inputs", why=why, fix="shapes like 3x4, () or 5:int64, with commas between"
            )
        shape = () if match["shape"] == "()" else tuple(int(size) for size in match["shape"].split("x"))
        found.append((shape, kind))
    if not found:
        raise RequestError("there are no inputs", where="--inputs", fix="shapes with commas between: --inputs 3x4,4")
    return found


def _draw_inputs(shape: tuple[int, ...], dtype: str) -> Tensor:
    """Standard normal numbers, or 0 and 1 where they are whole."""
    import torch

    kind = getattr(torch, dtype)
    if dtype in WHOLE:
        return torch.randint(0, 2, shape).to(kind)
    return torch.randn(shape, dtype=kind).requires_grad_()


def _arguments(words: Sequence[str]) -> dict[str, Any]:
    from trainwright.config.places import Place
    from trainwright.config.reading import literal

    given = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.isidentifier():
            raise RequestError(f"'{word}' is no argument", fix="write name=value, after what is checked")
        given[name] = literal(text, Place(word)).plain()
    return given


def parser() -> Parser:
    """The arguments of the command."""
    made = Parser(
        "gradcheck",
        "Compare the gradients of your own operation with finite differences: an autograd.Function, a function or a module.",
        "FILE.py:NAME [name=value …] --inputs SHAPES [--dtype float64] [--seed 0] [--second]",
        [
            "trainwright gradcheck ./ops.py:MyFunction --inputs 3x4,4",
            "trainwright gradcheck ./ops.py:clipped slope=0.1 --inputs 5 --second",
            "trainwright gradcheck torch.nn.Bilinear in1_features=3 in2_features=4 out_features=2 --inputs 5x3,5x4",
        ],
    )
    made.add_argument("words", nargs="*", metavar="FILE.py:NAME", help="what to check; then name=value arguments of it")
    made.add_argument("--inputs", metavar="SHAPES", help="shapes of the tensors it is called with: 3x4,4 or (),5:int64 (drawn at random)")
    made.add_argument("--dtype", default="float64", metavar="DTYPE", help="of the inputs and parameters: float64 (default) is exact enough")
    made.add_argument("--seed", type=int, default=0, metavar="N", help="of the inputs")
    made.add_argument("--second", action="store_true", help="check the second derivatives too")
    made.add_argument("--eps", type=float, metavar="X", help="the step of the differences (1e-6 in float64)")
    made.add_argument("--atol", type=float, metavar="X", help="allowed absolute difference (1e-5 in float64)")
    made.add_argument("--rtol", type=float, metavar="X", help="allowed relative difference (1e-3 in float64)")
    return made
