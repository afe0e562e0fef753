"""`trainwright fidelity`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from trainwright.cli.parser import Parser
from trainwright.cli.style import dim, table, wrap


def run(words: Sequence[str]) -> int:
    """Compare two folders of pictures as sets, and print the numbers with what they were measured by."""
    arguments = parser().parse(words)
    from trainwright.api.fidelity import measure_fidelity

    asked = [each.strip() for each in arguments.measures.split(",") if each.strip()]
    found = measure_fidelity(arguments.made, arguments.real, arguments.features, asked, 1 if arguments.gray else 3)
    print(json.dumps(found, indent=2) if arguments.json else describe_fidelity(found))
    return 0


def describe_fidelity(found: dict[str, Any]) -> str:
    """A table of the numbers, and what made the features."""
    rows = [(name, f"{value:.6g}") for name, value in found["metrics"].items()]
    floor = "floor: the same between two halves of the reference; fid, which falls with more rows, has halves to compare with it"
    return "\n".join([table(("measure", "value"), rows, right=(1,)), "", wrap(f"features: {found['features']}", 0), dim(wrap(floor, 0))])


def parser() -> Parser:
    """The arguments of the command."""
    made = Parser(
        "fidelity",
        "Measure how near made pictures are to real ones, as two sets: fid, kid, mmd, prdc (precision, recall, density, coverage) by "
        "features of a network of your own. Pictures are not resized: all must have one size.",
        "MADE REAL --features PATH [--measures LIST] [--gray] [--json]",
        [
            "trainwright fidelity samples photographs --features ./mine.py:Features",
            "trainwright fidelity samples digits --features pixels --gray --measures kid,prdc",
        ],
    )
    made.add_argument("made", metavar="MADE", help="a folder of pictures that were made (.png, .jpg, .webp, .bmp, or arrays in .npy)")
    made.add_argument("real", metavar="REAL", help="a folder of real ones, the reference")
    made.add_argument(
        "--features",
        metavar="PATH",
        default="",
        help="./file.py:Class that gives (rows, numbers); pixels, pca, classifier (of the folders in REAL)",
    )
    made.add_argument(
        "--measures", metavar="LIST", default="fid,kid,prdc", help="of fid, kid, mmd, prdc and inception_score (default: fid,kid,prdc)"
    )
    made.add_argument("--gray", action="store_true", help="read pictures as one channel, not three")
    made.add_argument("--json", action="store_true", help="print the numbers as JSON")
    return made
