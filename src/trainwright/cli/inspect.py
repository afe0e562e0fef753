"""`trainwright inspect`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwright.cli.parser import ConfiguredParser, add_trust_flag
from trainwright.cli.style import width
from trainwright.config.errors import RequestError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

    from trainwright.files.inspection.record import Inspection

INPUT = re.compile(r"(?:(?P<name>[A-Za-z_]\w*)=)?(?P<shape>\(\)|[0-9]+(?:x[0-9]+)*)(?::(?P<dtype>[a-z0-9]+))?")
DTYPES = (
    "float32", "float64", "float16", "bfloat16", "complex64", "complex128", "int64", "int32", "int16", "int8", "uint8", "bool",
)  # fmt: skip
DEPTH = 3
Shapes = list[tuple[str, tuple[int, ...], str]]
"""Name (or nothing), shape of one sample, and dtype of each input."""


def run(words: Sequence[str]) -> int:
    """Show the model, or write its picture."""
    arguments = parser().parse(words)
    if not arguments.words:
        fix = "name a config, a run or a class: trainwright inspect config.yaml; trainwright inspect ./net.py:Net --input 3x32x32"
        raise RequestError("nothing to inspect", fix=fix)
    _check(arguments)
    shapes = shapes_in(arguments.input or "", arguments.dtype or "float32")
    found = _find_model(arguments, shapes)
    from trainwright.files.inspection.record import find_rows, table

    rows = find_rows(found, arguments.match) if arguments.match else None
    if arguments.output:
        write(found, arguments.output, arguments.depth)
    if arguments.json:
        print(json.dumps(found.to_dict(), indent=1))
        return 0
    depth = None if rows is not None else DEPTH if arguments.depth is None else arguments.depth
    print(table(found, depth, width(), arguments.buffers, rows))
    if depth is not None and arguments.depth is None and any(row.depth > depth for row in found.rows):
        print(f"\ndeeper layers are not shown: --depth {max(row.depth for row in found.rows)} shows all")
    if arguments.output:
        print(f"\nwritten: {arguments.output}")
    return 0


def _check(arguments: Any) -> None:
    picture = bool(arguments.output)
    unused = {
        "--dtype": (arguments.dtype is not None and not arguments.input, "it is the dtype of inputs: add --input"),
        "--depth": (arguments.depth is not None and arguments.json and not picture, "--json prints every level: leave it out"),
        "--match": (arguments.match is not None and arguments.json, "--json prints every module: leave it out"),
        "--buffers": (arguments.buffers and arguments.json, "--json prints every buffer: leave it out"),
    }
    for flag, (given, fix) in unused.items():
        if given:
            raise RequestError(f"{flag} has no effect here", where=f"command line: {flag}", fix=fix)
    if arguments.depth is not None and arguments.depth < 0:
        raise RequestError(f"{arguments.depth} is no depth", where="--depth", fix="0 shows the model alone, 1 its layers")
    if arguments.batch_size is not None and arguments.batch_size < 0:
        raise RequestError(
            f"{arguments.batch_size} is no batch size", where="--batch-size", fix="write 1 or more, or 0 for no batch dimension"
        )
    if arguments.output is None:
        return
    if not arguments.output.lower().endswith(".svg"):
        raise RequestError(f"'{arguments.output}' is no SVG file", where="-o", fix="end its name in .svg; --json prints the numbers")
    from trainwright.files.outputs import ensure_output

    ensure_output(arguments.output, arguments.words)


def _check_rows(size: int | None) -> None:
    if size == 0:
        raise RequestError("data have rows", where="--batch-size 0", fix="write 1 or more")


def _is_table(word: str) -> bool:
    """Whether a word names data: a built-in set, a file that is no code, or a folder whose folders make columns."""
    if os.path.isdir(word):
        from trainwright.cli.validate import is_run
        from trainwright.data.folder_names import partitioned_files

        return not is_run(word) and bool(partitioned_files(Path(word)))
    return word.startswith("builtin:") or (os.path.isfile(word) and not word.endswith(".py"))


def _find_model(arguments: Any, shapes: Shapes) -> Inspection:
    """What the first word names, looked at."""
    first, rest = arguments.words[0], arguments.words[1:]
    from trainwright.cli.settings import is_config
    from trainwright.config.foreign import is_path

    if is_config(first):
        if not os.path.isfile(first):
            raise RequestError("there is no such file", where=first, fix="name a config, a run or a class")
        return _of_config(first, rest, arguments.batch_size, shapes)
    if _is_table(first):  # its own network
        return _of_config(first, rest, arguments.batch_size, shapes)
    if os.path.isdir(first) or not is_path(first):
        if rest or shapes:
            stray = rest[0] if rest else f"--input {arguments.input}"
            raise RequestError(f"one argument too many: '{stray}'", fix="a run is inspected as it was trained, on its own data")
        _check_rows(arguments.batch_size)
        from trainwright.api.inspect_config import inspect_run
        from trainwright.runs.directory import RunDirectory

        return inspect_run(RunDirectory.open(first), arguments.batch_size)
    from trainwright.api.inspect_config import inspect_given, made_model

    return inspect_given(made_model(first, _arguments(rest)), draw_inputs(shapes, arguments.batch_size), arguments.batch_size or 1)


def _of_config(first: str, rest: Sequence[str], size: int | None, shapes: Shapes) -> Inspection:
    from trainwright.cli.settings import composed_from
    from trainwright.data.arrow import pandas_later

    pandas_later()
    from trainwright.api.inspect_config import graph_in, inspect_composed, inspect_given

    if not shapes:
        _check_rows(size)
    graph = graph_in(Path(first)) if first.lower().endswith((".yaml", ".yml")) else None
    if graph is not None and not rest:
        return inspect_given(graph, draw_inputs(shapes, size), size or 1)
    return inspect_composed(composed_from([first, *rest]), size or 1, draw_inputs(shapes, size))


def shapes_in(text: str, dtype: str) -> Shapes:
    """`3x32x32,length=():int64` → name, shape without the batch, and dtype of each; raises RequestError for anything else."""
    found = []
    for each in filter(None, (part.strip() for part in text.split(","))):
        match = INPUT.fullmatch(each)
        if match is None:
            raise RequestError(
                f"'{each}' is no input", where="--input", fix="shapes of one sample: 3x32x32, () or mask=10:bool, with commas between"
            )
        kind = match["dtype"] or dtype
        if kind not in DTYPES:
            raise RequestError(f"unknown dtype '{kind}'", where="--input" if match["dtype"] else "--dtype", fix=did_you_mean(kind, DTYPES))
        shape = () if match["shape"] == "()" else tuple(int(size) for size in match["shape"].split("x"))
        found.append((match["name"] or "", shape, kind))
    if dtype not in DTYPES:
        raise RequestError(f"unknown dtype '{dtype}'", where="--dtype", fix=did_you_mean(dtype, DTYPES))
    if len({bool(name) for name, _, _ in found}) > 1:
        raise RequestError("some inputs have a name and some have none", where="--input", fix="name all of them, or none")
    return found


def draw_inputs(shapes: Shapes, size: int | None) -> list[Tensor] | dict[str, Tensor]:
    """A tensor of each shape with `size` rows (1 when None, no batch when 0); whole numbers are 0, so that they index anything."""
    import torch

    before = () if size == 0 else (1 if size is None else size,)
    generator = torch.Generator().manual_seed(0)
    made = []
    for _, shape, dtype in shapes:
        kind = getattr(torch, dtype)
        if kind.is_floating_point or kind.is_complex:
            made.append(torch.randn(*before, *shape, generator=generator).to(kind))
        else:
            made.append(torch.zeros(*before, *shape, dtype=kind))
    return {name: each for (name, _, _), each in zip(shapes, made, strict=True)} if shapes and shapes[0][0] else made


def write(found: Inspection, path: str, depth: int | None) -> None:
    """Write the picture; raises RequestError when there is none, or the file cannot be written."""
    from trainwright.files.outputs import write_output
    from trainwright.report.network.picture import picture

    drawing = picture(found, depth, alone=True)
    if drawing is None:
        raise RequestError("there is no picture of a model that was not run", where="-o", fix="say what it is run on: --input 3x32x32")
    with write_output(path) as temporary:
        temporary.write_text(f"{drawing}\n", encoding="utf-8")


def _arguments(words: Sequence[str]) -> dict[str, Any]:
    from trainwright.config.places import Place
    from trainwright.config.reading import literal

    given = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.isidentifier():
            raise RequestError(f"'{word}' is no argument", fix="write name=value, after the class")
        given[name] = literal(text, Place(word)).plain()
    return given


def parser() -> ConfiguredParser:
    """The arguments of the command."""
    made = ConfiguredParser(
        "inspect",
        "Show the layers of a model as a tree: output shapes, parameters, multiply-adds, memory, hooks. Nothing is trained or written.",
        "CONFIG|RUN|MODEL [key=value …] [--input SHAPES] [--batch-size N] [--depth N] [--match PATTERN] [--buffers] [--json] [-o FILE.svg]",
        [
            "trainwright inspect config.yaml --batch-size 64",
            "trainwright inspect runs/titanic-survived",
            "trainwright inspect ./net.py:Net width=64 --input 3x32x32 -o net.svg",
            "trainwright inspect torch.nn.LSTM input_size=8 hidden_size=16 batch_first=true --input 20x8",
            "trainwright inspect config.yaml --match '*Linear*'",
        ],
    )
    made.add_argument(
        "words",
        nargs="*",
        metavar="CONFIG|RUN|MODEL",
        help="a config, a run, or a class (./net.py:Net, torch.nn.LSTM); then settings or arguments",
    )
    made.add_argument("--input", metavar="SHAPES", help="what a class is run on, without the batch: 3x32x32 or 10:int64,mask=10:bool")
    made.add_argument("--dtype", metavar="DTYPE", help="of the inputs whose shape names none (float32)")
    made.add_argument("--batch-size", type=int, metavar="N", help="rows to run it on (1); 0: the inputs have no batch dimension")
    made.add_argument("--depth", type=int, metavar="N", help=f"levels of the tree ({DEPTH}), and of the picture (what is readable)")
    made.add_argument("--match", metavar="PATTERN", help="only modules whose name or class fits: 'encoder.*', '*Norm', re:…")
    made.add_argument("--buffers", action="store_true", help="list the buffers too, persistent or not")
    made.add_argument("--json", action="store_true", help="print everything as JSON")
    made.add_argument("-o", "--output", metavar="FILE.svg", help="write the picture of how data flow")
    add_trust_flag(made)
    return made
