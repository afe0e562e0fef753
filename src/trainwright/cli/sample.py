"""`trainwright sample`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.cli.forms import GIVEN, MEASURING, OF_ROWS, Form
from trainwright.cli.launch import add_launch_flags, prepare
from trainwright.cli.parser import Arguments, ConfiguredParser, add_trust_flag
from trainwright.cli.part_flags import add_flags, check_flags
from trainwright.cli.ranks import add_rank_flags, rank_settings, start_ranks
from trainwright.cli.style import wrap
from trainwright.cli.words import divide_given
from trainwright.config.domain import SystemKind
from trainwright.config.domains import register
from trainwright.config.errors import RequestError
from trainwright.parallel.launched import ensure_one_process, read_launch

if TYPE_CHECKING:
    from trainwright.api.sample import Sampled
    from trainwright.parallel.world import World

KINDS = {".png": "picture", ".wav": "sound", ".txt": "text", ".npy": "array"}
WORDS = {"images": "picture", "audio": "sound", "text": "text"}
TOLD = {"sampler": "{}", "sigmas": "{} sigmas", "steps": "{} steps", "calls": "{} calls of the denoiser"}
"""How it is said what samples were made by; anything else by its name."""
COMMON = ("n", "output", "seed", "weights", "gpu", "verbose", "typecheck")
"""Flags for runs of every kind that makes samples."""


def run(words: Sequence[str]) -> int:
    """Make samples with a run's model, and write them."""
    made = parser()
    arguments = made.parse(words)
    launch = prepare(arguments)
    data, settings = divide_given(arguments.given)
    if data is not None:
        where = f"trainwright sample {arguments.run}"
        raise RequestError(f"'{data}' is one argument too many", where=where, why="samples are made of noise", fix="leave it out")
    from trainwright.api.predictors.kinds import find_run, kind_of
    from trainwright.domains.place import find_place

    found, kind = find_run(arguments.run), kind_of(find_place(arguments.run))
    made.forms[found.form] = form_of(kind, made.forms.get(found.form, made.forms["own run"]))
    arguments.use(found.form, settings)
    options = None if kind.sampling_options is None else check_flags(kind.sampling_options, found.form, arguments)
    launch.start_console()
    launch.check_gpus()
    world, code = (None, None) if options is None else _among_ranks(words, arguments)
    if code is not None:
        return code
    if options is None:
        ensure_one_process("make the same samples")
    from trainwright.api.sample import Asked, sample_files

    asked = Asked(arguments.n, arguments.seed, arguments.weights, options, arguments.batch_size, arguments.preview)
    asked.check()
    predictor = found.open([*launch.settings, *settings])
    output = arguments.output or f"samples/{Path(arguments.run).resolve().name}-seed-{arguments.seed}"
    sampled = sample_files(predictor, asked, output, world)
    if sampled is not None:
        print(describe(sampled, arguments.seed))
    return 0


def form_of(kind: SystemKind, base: Form) -> Form:
    """How the command is used for runs of a kind: one whose samples take options has them as flags, and is done on several processes."""
    options = kind.sampling_options
    if options is None:
        return base
    own = [name for name in options.model_fields if name != "type"]
    flags = (*COMMON, "batch_size", "preview", "devices", "local_rank", *own)
    return Form(base.subject, flags, base.settings or MEASURING, "leave it out", base.fixed or OF_ROWS)


def _among_ranks(words: Sequence[str], arguments: Arguments) -> tuple[World | None, int | None]:
    """The processes that make the samples together, this one alone unless others were asked for; or the exit code, where others did."""
    settings = rank_settings(arguments)
    if not settings and read_launch().size == 1:
        return None, None
    from trainwright.domains.place import find_place
    from trainwright.parallel.launchers.local import AutoOptions
    from trainwright.systems.run_config import read_config

    place = find_place(arguments.run)
    config = read_config(place.config, settings)
    config = config.model_copy(update={"launch": AutoOptions(devices=config.launch.devices if settings else 1)})
    code = start_ranks(["sample", *words], config, run_dir=str(place.path))
    if code is not None:
        return None, code
    from trainwright.parallel.joining import join_world

    return join_world(config.launch, config.run.threads), None


def describe(made: Sampled, seed: int) -> str:
    """What was written where, how, and by which weights."""
    step = made.about.get("step")
    said = [f"weights of step {step}"] if step else []
    said += [TOLD.get(name, f"{name} {{}}").format(value) for name, value in made.facts.items() if name != "seed"]
    return wrap(f"{made.folder}: {_describe_files(made)}; {', '.join([*said, f'seed {seed}'])}", 0)


def _describe_files(made: Sampled) -> str:
    if len(made.files) == 1 and made.files[0] == made.folder.name:
        return f"{made.count} {WORDS.get(made.kind, 'sample')}{'s' * (made.count > 1)}"
    kinds = [f"{count} {KINDS.get(ending, ending)}{'s' * (count > 1)}" for ending, count in made.kinds.items()]
    grids = [each for each in made.files if each.endswith("grid.png")]
    files = [each for each in made.files if each not in grids and not each.endswith(".json")]
    shown = ", ".join(files[:2]) + (", …" if len(files) > 2 else "") + (f"; all in {', '.join(grids)}" if grids else "")
    return f"{', '.join(kinds)} ({shown})"


def parser() -> ConfiguredParser:
    """The arguments of the command."""
    made = ConfiguredParser(
        "sample",
        "Make new things with a run's model: pictures, sounds and texts go each to a file of a new folder, arrays to one; or all to one "
        "file, by the ending of its name. Equal seeds make equal samples, of diffusion whatever the batch and the number of processes, to "
        "rounding. A table's model makes none: it answers rows, see `predict`.",
        "RUN [-n N] [-o FOLDER|FILE] [--seed S] [--weights WHICH] [--OPTION VALUE …] [key=value …]",
        [
            "trainwright sample runs/digits",
            "trainwright sample runs/digits -n 64 -o grid.png --seed 7",
            "trainwright sample runs/digits --weights raw -o raw",
        ],
    )
    made.add_argument("run", metavar="RUN", help="a run directory, a folder of runs (its latest), an exported model")
    made.add_argument("given", nargs="*", metavar="key=value", help="settings")
    made.add_argument("-n", "--n", type=int, default=16, metavar="N", help="how many; default: 16")
    made.add_argument(
        "-o",
        "--output",
        metavar="FOLDER|FILE",
        help="a new or an empty folder; NAME.png: all side by side; .npz: the numbers; .gif: each step of the sampler; default: samples/ "
        "with the name of the run and the seed",
    )
    made.add_argument("--seed", type=int, default=0, metavar="S", help="what the noise follows from; default: 0")
    made.add_argument(
        "--weights",
        default="",
        metavar="WHICH",
        help="default: those of the model; averaged or raw of the last checkpoint, ema=0.999 of several averages, best, last; or a file, "
        "a run, a checkpoint",
    )
    made.add_argument("--batch-size", type=int, default=64, metavar="N", help="how many at once; default: 64")
    made.add_argument("--preview", default="", metavar="FILE.png", help="a picture, written anew at every step, of what is becoming")
    for domain in register().domains.values():
        for kind in domain.domain.systems.values():
            if (options := kind.sampling_options) is not None:
                add_flags(made, options)
    add_rank_flags(made, "make samples")
    add_trust_flag(made)
    add_launch_flags(made, ("gpu", "verbose", "typecheck"))
    made.forms = {
        "table": Form("a table's run", COMMON, instead="leave it out: a table's model answers rows"),
        "own run": Form("a run of a system of one's own", COMMON, MEASURING, "leave it out", OF_ROWS),
        "fit run": Form("a run of tw.fit", COMMON, GIVEN, "leave it out"),
    }
    return made
