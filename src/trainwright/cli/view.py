"""`trainwright view`."""

from __future__ import annotations

import tempfile
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.cli.chart import can_show
from trainwright.cli.parser import Parser
from trainwright.cli.part_flags import add_flags, check_flags
from trainwright.cli.style import bold, dim, red, two_columns, width, wrap
from trainwright.config.domains import every, load_of_domain, owner, register
from trainwright.config.errors import FOREIGN, RequestError, TrainwrightError
from trainwright.config.own_code import describe_failure
from trainwright.config.part import Part

if TYPE_CHECKING:
    from trainwright.domains.views import View

ENDINGS = (".html", ".svg")
HEIGHTS, PLAIN = "▁▂▃▄▅▆▇█", "_.-=+*#@"
LINES = 40
"""Channels that are drawn with characters."""


def run(words: Sequence[str]) -> int:
    """Say what is known of a file, and draw it as a page or a picture."""
    arguments = parser().parse(words)
    output = "" if arguments.facts else arguments.output or f"{Path(arguments.file.partition('#')[0]).stem or 'view'}.html"
    if output:
        _ensure_drawable(output, arguments)
    with tempfile.TemporaryDirectory(prefix="trainwright-view-") as folder:
        view = look(arguments, Path(folder))
        print(describe(view))
        if output:
            write_view(view, output, Path(folder))
            print(dim(f"written: {output}"))
    return 0


def _ensure_drawable(output: str, arguments: Namespace) -> None:
    from trainwright.files.outputs import ensure_output

    if Path(output).suffix.lower() not in ENDINGS:
        fix = f"-o {Path(output).with_suffix('.html')}, which any browser opens, or .svg"
        raise RequestError(f"'{output}' ends with none of {', '.join(ENDINGS)}", where="-o", fix=fix)
    ensure_output(output, [arguments.file, getattr(arguments, "run", None) or [], getattr(arguments, "transform", None) or []])


def look(arguments: Namespace, folder: Path) -> View:
    """What the domain that claims the file most shows of it, or another that knows it. Raises RequestError where none does."""
    for name, part in views_for(arguments.file):
        options = check_flags(part.config, name, arguments)
        try:
            view: View | None = load_of_domain("views", name, part.path)(arguments.file, options, folder)
        except TrainwrightError:
            raise
        except FOREIGN as error:
            why = describe_failure(error)
            raise TrainwrightError(f"'{arguments.file}' could not be shown by the domain '{owner('views', name)}'", why=why) from error
        if view is not None:
            return view
    known = "; ".join(f"{name}: {part.summary}" for name, part in every("views").items())
    raise RequestError(f"'{arguments.file}' is nothing that can be shown", where="command line", fix=f"what can: {known}")


def views_for(text: str) -> list[tuple[str, Part]]:
    """All that can be shown, that of the domain that claims a path most strongly first; of a name that is not there, by its ending."""
    from trainwright.data.claims import claim_of, type_of_files

    path = Path(text.partition("#")[0])
    named = "" if path.exists() else (type_of_files("file", [text]) or ("",))[0]

    def strength(view: str) -> int:
        domain = register().domains[owner("views", view)].domain
        claim = claim_of(domain, path) if domain.claims and path.exists() else None
        return claim.strength if claim else int(named in domain.parts.get("feature", {}))

    return sorted(every("views").items(), key=lambda each: -strength(each[0]))


def describe(view: View) -> str:
    """The facts, what is wrong, and each channel in a line."""
    parts = [bold(view.title), two_columns([(name, said) for name, said in view.facts], least=8)]
    parts += [f"{red('!')} {wrap(each, 2).lstrip()}" for each in view.faults]
    longest = max((len(name) for name, _ in view.lines), default=0)
    room = max(min(width() - min(longest, 16) - 4, 100), 20)
    parts += [f"  {name[:16].rjust(min(longest, 16))}  {spark(values, room)}" for name, values in view.lines[:LINES]]
    if len(view.lines) > LINES:
        parts.append(dim(f"  {len(view.lines) - LINES} more are in the picture, if it has them"))
    return "\n".join(parts)


def spark(values: Sequence[float | None], room: int) -> str:
    """Values in one line of characters: of each stretch that which is farthest from the middle one."""
    letters = HEIGHTS if can_show(HEIGHTS) else PLAIN
    there = sorted(each for each in values if each is not None)
    if not there:
        return "no valid sample"
    low, high, middle = min(there[0], 0.0) if there[0] >= 0 else there[0], there[-1], there[len(there) // 2]
    room = min(room, len(values))
    drawn = []
    for place in range(room):
        piece = [each for each in values[place * len(values) // room : (place + 1) * len(values) // room] if each is not None]
        value = max(piece, key=lambda each: abs(each - middle)) if piece else None
        share = 0.5 if high == low or value is None else (value - low) / (high - low)
        drawn.append(" " if value is None else letters[min(int(share * len(letters)), len(letters) - 1)])
    return "".join(drawn)


def write_view(view: View, output: str, folder: Path) -> None:
    """The page, or the picture, whole or not at all."""
    from trainwright.files.outputs import write_output
    from trainwright.files.text import write_text

    if output.lower().endswith(".svg"):
        content = draw_picture(view)
    else:
        from trainwright.report.page import render_blocks

        section = view.blocks[0].get("section", "") if view.blocks else ""
        noted = [{"type": "text", "section": section, "text": {"text": each, "style": "warning", "limit": 400}} for each in view.faults]
        content = render_blocks(view.title, [f"{name}: {said}" for name, said in view.facts], [*noted, *view.blocks], folder)
    with write_output(output) as place:
        write_text(place, content)


def draw_picture(view: View) -> str:
    """The pictures of a view one under the other, as an SVG that stands alone."""
    from trainwright.report.blocks import read
    from trainwright.report.blocks.traces import Traces
    from trainwright.report.charts.alone import stack, stand_alone

    found = [read(each) for each in view.blocks]
    return stand_alone(stack([(each.title, each.picture()) for each in found if isinstance(each, Traces)], view.title), scale=1)


def parser() -> Parser:
    """The arguments of the command, with the options of all that can be shown."""
    made = Parser(
        "view",
        "Show a recording: what its file says and what is wrong with it on the terminal, and a page with its picture, as it is and as "
        "transforms or a run's column make it, with annotations and R peaks. Or pictures, a folder or one: classes, sizes, what cannot be "
        "read and copies. The page needs nothing else.",
        "FILE|FOLDER [-o FILE.html|FILE.svg] [--start S] [--seconds S] [--leads NAMES] [--transform TRANSFORMS] [--run RUN] [--peaks]",
        [
            "trainwright view records/100 --start 30 --seconds 10 --peaks",
            "trainwright view sound.flac -o sound.html",
            "trainwright view records/100 --leads II,V1 --transform '{bandpass: {low: 0.5, high: 40}}' -o 100.svg",
            "trainwright view records/100 --run runs/ecg --facts",
            "trainwright view photos -o photos.html",
        ],
    )
    made.add_argument(
        "file",
        metavar="FILE",
        help="a WFDB record with or without ending, EDF, .mat, a sound, .npy, .csv; `#t=5,15`: a part; a picture, or a folder of them",
    )
    made.add_argument("-o", "--output", metavar="FILE", help="the page (.html) or picture (.svg) to write; default: NAME.html, here")
    made.add_argument("--facts", action="store_true", help="say what is known of it, and write nothing")
    for part in every("views").values():
        add_flags(made, part.config)
    return made
