"""`trainwright convert`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.cli.parser import Parser
from trainwright.cli.style import dim, wrap
from trainwright.config.errors import RequestError

if TYPE_CHECKING:
    from argparse import Namespace

    from trainwright.weights.conversion import Conversion

SHOWN = 12
"""Things left in the old file that are named; of more, their number."""


def run(words: Sequence[str]) -> int:
    """Convert weights to another form, and say what was taken and what was left."""
    arguments = parser().parse(words)
    if arguments.to == "safetensors" and arguments.new.endswith("/"):
        what, fix = "a name with a slash at its end means a folder", f"{arguments.new.rstrip('/')} for the file, or --to dcp"
        raise RequestError(what, where=f"command line: NEW {arguments.new}", fix=fix)
    new = Path(arguments.new)
    if new.suffix in (".npz", ".npy"):
        print(_convert_arrays(arguments, new))
        return 0
    from trainwright.weights.conversion import convert_weights

    found = convert_weights(Path(arguments.old), new, arguments.key, arguments.force, to=arguments.to, dtype=arguments.dtype)
    print(describe_conversion(found, new))
    return 0


def _convert_arrays(arguments: Namespace, new: Path) -> str:
    """Convert a pickle of arrays, and say what was taken and what was left."""
    if arguments.to != "safetensors" or arguments.dtype:
        given = "--to" if arguments.to != "safetensors" else "--dtype"
        raise RequestError(f"{given} is for weights", where=f"command line: NEW {new}", fix="leave it out, or name a .safetensors file")
    from trainwright.files.plain_pickles import convert_pickle

    found = convert_pickle(Path(arguments.old), new, arguments.key, arguments.force)
    shapes = [f"{name or 'array'} {tuple(each.shape)}" for name, each in found.arrays.items()]
    lines = [f"taken: {len(found.arrays):,} arrays, {sum(each.nbytes for each in found.arrays.values()):,} bytes: {_list_names(shapes)}"]
    if found.left:
        lines.append(f"left: {_list_names([f'{name} ({kind})' for name, kind in found.left.items()])}")
    return "\n".join([*(wrap(each, 0) for each in lines), f"written: {new}"])


def describe_conversion(found: Conversion, new: Path) -> str:
    """What was taken, what shared memory, what was left, and how to load it."""
    said = "".join(f", {name} {value}" for name, value in found.metadata.items())
    lines = [f"taken{f' from {found.key}' if found.key else ''}: {len(found.tensors)} tensors, {found.bytes:,} bytes{said}"]
    if found.tied:
        lines.append(f"of these {len(found.tied)} shared memory with another and are copies now: {_list_names(found.tied)}")
    if found.left:
        lines.append(f"left: {_list_names([f'{name} ({kind})' for name, kind in found.left.items()])}")
    return "\n".join([*(wrap(each, 0) for each in lines), f"written: {new}", dim("load it with tw.load_weights(module, FILE)")])


def _list_names(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def parser() -> Parser:
    """The arguments of the command."""
    made = Parser(
        "convert",
        "Convert weights to safetensors, or to a directory of torch.distributed.checkpoint: those of an old file (.pt, .pth, .ckpt, .bin: "
        "a pickle), of such a directory, of a run or of a checkpoint, whichever strategy and number of processes wrote it. Nothing in "
        "them is run: they are read by readers that know tensors and plain values, and what holds more is refused. A pickle of arrays, as "
        "older projects left their recordings, is converted to .npz or .npy in the same way.",
        "OLD NEW [--to FORM] [--dtype TYPE] [--key NAME] [--force]",
        [
            "trainwright convert old.pt new.safetensors",
            "trainwright convert last.ckpt generator.safetensors --key generator",
            "trainwright convert runs/mine/checkpoints/last weights.safetensors --dtype bf16",
            "trainwright convert runs/mine weights_dcp --to dcp",
            "trainwright convert recordings.pkl recordings.npz",
        ],
    )
    made.add_argument("old", metavar="OLD", help="the file, directory, run or checkpoint to read")
    made.add_argument(
        "new", metavar="NEW", help="the .safetensors file to write, for arrays .npz or .npy; with --to dcp a new or an empty folder"
    )
    made.add_argument(
        "--to", choices=("safetensors", "dcp"), default="safetensors", help="dcp: a directory of torch.distributed.checkpoint"
    )
    made.add_argument("--dtype", choices=("fp16", "bf16"), help="round to half precision; whole numbers stay as they are")
    made.add_argument(
        "--key", default="", metavar="NAME", help="which state dict of the file to take, where it holds several; dots go deeper"
    )
    made.add_argument("--force", action="store_true", help="replace NEW when it is there already")
    return made
