"""Commands on several processes: this one starts them and waits, or is one of them; what ends them is told once."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trainwright.config.compose import Assignment, assign_option
from trainwright.config.errors import EXIT_REQUEST, ConfigError, Interrupted, RequestError
from trainwright.parallel.failures import Failure, Told, first_cause, with_rank
from trainwright.parallel.launched import TELLS, is_waited_for, read_launch, started_here, whole_number

if TYPE_CHECKING:
    from trainwright.systems.run_config import Config

FLAGS: dict[str, dict[str, Any]] = {
    "--devices": {
        "metavar": "N",
        "help": "{does} with N processes of this machine, one per GPU where there are any; auto: as many as GPUs",
    },
    "--local-rank": {"metavar": "N", "help": "which process of this machine this is, as old launchers say it; LOCAL_RANK says the same"},
}


def add_rank_flags(parser: argparse.ArgumentParser, does: str = "train") -> None:
    """Add the flags of a command that several processes can do together, which is to `does`."""
    for name, options in FLAGS.items():
        parser.add_argument(name, **{**options, "help": options["help"].format(does=does)})


def rank_settings(arguments: argparse.Namespace) -> list[Assignment]:
    """The settings that the flags stand for. Raises ConfigError for a number that is none, and for two places of one process."""
    if arguments.local_rank is not None:
        check_local_rank(arguments.local_rank)
    if arguments.devices is None:
        return []
    written = arguments.devices.strip()
    if written != "auto" and not written.isdigit():
        raise ConfigError(f"'{arguments.devices}' is no number of processes", where="--devices", fix="write --devices 2, or --devices auto")
    shown = f"command line: --devices {arguments.devices}"
    return [assign_option("launch.devices", written if written == "auto" else int(written), shown)]


def check_local_rank(text: str) -> None:
    """Hold the place on this machine that a launcher gives by a flag against what the environment says of it."""
    number, known = whole_number("--local-rank", text), os.environ.get("LOCAL_RANK")
    if read_launch().size == 1:
        fix = "leave it out; a launcher that gives it sets WORLD_SIZE and RANK too"
        raise ConfigError(f"--local-rank {text}, and this is the only process", where="command line", fix=fix)
    if known is not None and whole_number("LOCAL_RANK", known) != number:
        raise ConfigError(f"--local-rank is {text}, and LOCAL_RANK={known}", where="command line", fix="leave the flag out")


def start_ranks(
    words: Sequence[str], config: Config, *, run_dir: str = "", resume: bool = False, check: Callable[[], object] | None = None
) -> int | None:
    """The exit code of the command, done by the processes that the configuration asks for; None where this process is to do it.

    `run_dir`: the run that it is about, where the command names one. `check`: looks at what was asked for, as far as that is possible
    here, where the processes begin at another time and place.
    """
    if read_launch().size > 1:
        return None
    from trainwright.parallel.launchers.base import Command, make_launcher

    def name_run() -> str:
        from trainwright.api.kinds import name_before_run

        if check is not None:
            check()
        return name_before_run(config)

    def list_settings() -> dict[str, Any]:
        from trainwright.config.flat import flat

        return flat(config.model_dump(mode="json"))

    run, whole = config.run, "--traceback" in sys.argv
    command = Command(tuple(words), run.device, run.threads, run_dir or run.dir, name_run, list_settings, resume, whole)
    sys.stdout.flush()
    ending = make_launcher(config.launch).run_command(command)
    if ending is None:
        return None
    if ending.failure is not None:
        tell(ending.failure, whole=whole)
    return ending.code


def tell(failure: Failure, whole: bool = False) -> None:
    """Print what ended a run; with `whole` the traceback of another rank than 0 too, which has shown its own."""
    from trainwright.cli.failure import describe_told

    if whole and failure.rank and failure.traceback:
        print(failure.traceback, file=sys.stderr)
    label = "interrupted" if failure.interrupted else "error"
    print("\n".join(describe_told(each, label) for each in failure.told), file=sys.stderr)
    if len(failure.told) > 1:
        print(f"{len(failure.told)} mistakes", file=sys.stderr)


def is_rank() -> bool:
    """Whether this process is one of several, by its environment; one that says nothing sensible is none."""
    try:
        return read_launch().size > 1 or is_waited_for()
    except ConfigError:
        return False


def refuse_again() -> None:
    """Raise what the start before has refused, under torchrun: a wrong request is as wrong at every start."""
    from trainwright.parallel.start import failure_before

    if (failure := failure_before(os.environ)) is not None and failure.exit_code == EXIT_REQUEST:
        raise failure.told[0].as_error(RequestError)


def tell_among_ranks(error: BaseException, whole: bool = False) -> None:
    """Leave what ended this process to the launcher that tells it; without ours, say the first cause once among the ranks."""
    from trainwright.parallel.recording import failures_of_others, record_failure

    failure = record_failure(error)
    if started_here() or os.environ.get(TELLS):
        return
    size = read_launch().size
    leading = failure.rank == 0 and not failure.consequence
    others = [] if leading or isinstance(error, Interrupted) else failures_of_others(failure, size)
    first = first_cause([failure, *others]) or failure
    if failure.rank == 0 or first.rank == failure.rank:
        tell(with_rank(first, [failure, *others], size) if first.rank else first, whole)
    elif not failure.interrupted and not failure.consequence:
        tell(replace(failure, told=(Told(f"rank {failure.rank} of {size} ends too; rank {first.rank} says why"),)))
