"""`trainwright lr`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trainwright.cli.parser import ConfiguredParser, add_trust_flag
from trainwright.cli.style import bold, count_things, dim, table, width, wrap
from trainwright.config.errors import RequestError

if TYPE_CHECKING:
    from trainwright.api.curve import Curve, Curves
    from trainwright.config.compose import Composed

HEIGHT, SMALL_HEIGHT = 12, 6
MOST_DRAWN = 6
"""Lines drawn one below the other; the table shows the others too."""


def run(words: Sequence[str]) -> int:
    """Draw the learning rate, or write it to files."""
    arguments = parser().parse(words)
    from trainwright.cli.settings import composed_from
    from trainwright.config.trust import reading
    from trainwright.systems.run_config import check_config

    if not arguments.words:
        raise RequestError("nothing to draw the learning rate of", fix="name data or a config: trainwright lr config.yaml")
    if arguments.points is not None and not (arguments.csv and arguments.points > 1):
        fix = "--csv rates.csv --points 200"
        raise RequestError("--points says how many steps --csv writes, two or more", fix=fix)
    composed = composed_from(arguments.words, arguments.target)
    config = check_config(composed)
    ensure_files(arguments.csv, arguments.svg, composed, config)
    from trainwright.data.arrow import pandas_later

    pandas_later()
    from trainwright.api.curve import learning_rate_curves

    with reading(composed.received):
        curves = learning_rate_curves(config)
    print(describe_schedules(curves))
    write(curves, arguments.csv, arguments.points, arguments.svg)
    return 0


def write(curves: Curves, csv: str | None, points: int | None, svg: str | None) -> None:
    """Write the files that were asked for; raises RequestError when one cannot be written."""
    if csv is not None:
        curves.write_csv(csv, points)
        print(f"written: {csv}")
    if svg is not None:
        from trainwright.api.curve_picture import write_svg

        write_svg(curves, svg)
        print(f"written: {svg}")


def ensure_files(csv: str | None, svg: str | None, composed: Composed, config: Any) -> None:
    """Raises RequestError for a file that cannot be written, is read by this command, or is meant to be two."""
    from trainwright.files.outputs import ensure_output

    read = [composed.files, config.model_dump(mode="json")]
    for path, where in ((csv, "--csv"), (svg, "--svg")):
        if path is not None:
            ensure_output(path, read, where=where, folders=composed.folders)
    if csv is not None and svg is not None and os.path.realpath(csv) == os.path.realpath(svg):
        raise RequestError("two files cannot have one name", where=f"--csv {csv} --svg {svg}", fix="name another one")


def describe_schedules(curves: Curves) -> str:
    """The lengths of the run, a drawing of each schedule, a table of landmarks, the parameter groups, and what to know."""
    from trainwright.cli.chart import places

    columns = places(curves.steps, width())
    landmarks = curves.landmarks()
    rates = curves.sample_rates([*landmarks, *(step for column in columns for step in column)])
    blocks = [_lengths(curves)]
    for number, line in enumerate(curves.lines[:MOST_DRAWN]):
        blocks.append(_drawing(curves, line, [[rates[step][number] for step in column] for column in columns]))
    blocks.append(_table(curves, landmarks, rates))
    if curves.groups:
        blocks.append(_groups(curves))
    blocks += [wrap(f"note: {note}", 0) for note in curves.notes]
    return "\n\n".join(blocks)


def _lengths(curves: Curves) -> str:
    plan, epoch = curves.plan, curves.plan.steps_per_epoch
    lines = [f"{count_things(plan.rows, 'row')}, {plan.batch_size:,} a step: {count_things(epoch, 'step')} an epoch"]
    if plan.max_steps is not None:
        lines.append(f"{count_things(plan.max_steps, 'step')} in all: {_epochs(plan.max_steps / epoch)}")
    if curves.warmup:
        lines.append(f"{count_things(curves.warmup, 'step')} of warm-up: {_epochs(curves.warmup / epoch)}")
    return "\n".join(wrap(line, 0) for line in lines)


def _epochs(count: float) -> str:
    return f"{count:,.4g} epoch{'' if count == 1 else 's'}"


def _drawing(curves: Curves, line: Curve, values: list[list[float]]) -> str:
    from trainwright.cli.chart import draw_curve

    epoch, parts = curves.plan.steps_per_epoch, 1 if curves.steps < 8 else 2 if width() < 60 else 4
    steps = [curves.steps * part / parts for part in range(parts + 1)]
    below = [
        [f"{step:,.0f}" for step in steps[:-1]] + [f"step {curves.steps:,}"],
        [f"{step / epoch:.4g}" for step in steps[:-1]] + [f"epoch {steps[-1] / epoch:.4g}"],
    ]
    title = f"{bold(line.label)} {dim(line.kind)}"
    return f"{title}\n{draw_curve(values, HEIGHT if len(curves.lines) == 1 else SMALL_HEIGHT, below)}"


def _table(curves: Curves, landmarks: dict[int, str], rates: dict[int, list[float]]) -> str:
    epoch = curves.plan.steps_per_epoch
    rows = [[word, f"{step:,}", f"{step / epoch:.4g}", *(f"{rate:.4g}" for rate in rates[step])] for step, word in landmarks.items()]
    return table(["", "step", "epoch", *(line.label for line in curves.lines)], rows, right=range(1, 3 + len(curves.lines)))


def _groups(curves: Curves) -> str:
    rows = []
    for group in curves.groups:
        tensors = f"{len(group.params):,}"
        times = f"{group.scale:.4g}"
        rows.append([group.label, tensors, times, "of its own" if group.schedule is not None else ""])
    return table(["parameters", "tensors", "times", "schedule"], rows, right=(1, 2))


def parser() -> ConfiguredParser:
    """The arguments of the command."""
    made = ConfiguredParser(
        "lr",
        "Draw the learning rate over a run, without training. The data is read for the number of its rows.",
        "DATA|CONFIG [--target COLUMNS] [key=value …] [--csv FILE] [--svg FILE]",
        [
            "trainwright lr config.yaml",
            "trainwright lr titanic.csv --target survived trainer.schedule=cosine",
            "trainwright lr config.yaml trainer.schedule.warmup='5 epochs' --csv rates.csv --points 200",
            "trainwright lr config.yaml --svg rates.svg",
        ],
    )
    made.add_argument("words", nargs="*", metavar="DATA|CONFIG", help="what `train` would be given; then key=value settings")
    made.add_argument("-t", "--target", "--targets", action="append", default=[], metavar="COLUMNS", help="what to predict, as for `train`")
    made.add_argument("--csv", metavar="FILE", help="write step, epoch and learning rate of every step")
    made.add_argument("--points", type=int, metavar="N", help="write so many steps to the CSV, evenly, in place of every one")
    made.add_argument("--svg", metavar="FILE", help="write a picture of the curve")
    add_trust_flag(made)
    return made
