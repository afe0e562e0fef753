"""`trainwright COMMAND …`: finds the command, runs it, and turns what goes wrong into one clear message and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextvars import copy_context
from importlib import import_module
from types import TracebackType

from trainwright.cli.streams import OutputLostError, Shown, end_of, prepare_streams
from trainwright.parallel.slurm.early import ignore_once_over, leave_to_come_back

COMMANDS: dict[str, str] = {
    "train": "train on a table, or as a configuration says",
    "resume": "continue an interrupted run",
    "sweep": "train with several seeds, folds or values of options, and show one table",
    "validate": "check a configuration, or measure a run on its validation rows",
    "test": "measure a run on its test rows",
    "evaluate": "measure a run's model on other rows",
    "predict": "predict the rows of a file, or those a system's data give",
    "sample": "make new things with a run's model: pictures, sounds, texts",
    "calibrate": "make a child of a run that says how sure it is",
    "prune": "make a child of a run in which weights are zero",
    "explain": "show what a run's model makes its answers of",
    "export": "copy a run's model out of it",
    "serve": "answer requests over HTTP with a run's model",
    "report": "write a run's report.html again",
    "compare": "show what differs between two runs",
    "runs": "list the runs",
    "tune": "try batch sizes and learning rates, without training",
    "lr": "draw the learning rate over a run, without training",
    "schema": "print the JSON Schema of the configuration",
    "synth": "write made data as real files",
    "list": "show the parts a configuration can name, and their options",
    "inspect": "show the layers of a model, their shapes, sizes and cost",
    "gradcheck": "compare the gradient of an autograd function with differences",
    "fidelity": "compare two folders of pictures as sets: fid, kid, precision and recall",
    "convert": "make a safetensors file of a pickled one",
    "pack": "write a table and the files that it names as one file",
    "view": "draw a recording, as it is and as it is processed",
    "doctor": "look at Python, torch, GPUs and what a configuration needs",
}
"""Command → what it does; each is a module of this package with `run(words) -> int`."""

IN_ONE_PROCESS = {
    "sweep": "start the same runs",
    "tune": "try the same sizes",
    "evaluate": "measure the same rows",
    "test": "measure the same rows",
    "predict": "predict the same rows",
    "calibrate": "make the same run",
    "prune": "make the same run",
    "explain": "explain the same rows",
    "export": "write the same files",
    "serve": "listen at the same port",
    "report": "write the same report",
    "fidelity": "measure the same pictures",
    "convert": "write the same file",
    "pack": "write the same file",
    "synth": "write the same files",
    "view": "draw the same file",
}
"""Commands that work or write in one process, and what each of several would do; those of TOGETHER are for several, and the
others only look, and may in every process."""

TOGETHER = ("train", "resume", "sample")
"""Commands that several processes do together; `sample` where each sample follows from its number alone."""

EXAMPLES = """\
  trainwright train titanic.csv --target survived
  trainwright train config.yaml trainer.max_epochs=40 run.seed=3
  trainwright evaluate runs/titanic-survived later.csv
  trainwright predict runs/titanic-survived new.csv -o predictions.csv
  trainwright list encoder.dense"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0 done, 1 failed or different, 2 wrong request, 75 interrupted and saved."""
    # Threads that wait by spinning take the processor from other processes, and from the thread that has work; set before torch starts any.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    words = list(sys.argv[1:] if argv is None else argv)
    shown_whole = "--traceback" in words or os.environ.get("TRAINWRIGHT_TRACEBACK", "") not in ("", "0")
    words = [each for each in words if each != "--traceback"]
    debugging = "--debug" in (words[: words.index("--")] if "--" in words else words)
    if argv is None:
        prepare_streams(words)
        leave_to_come_back()
    if argv is None and not (shown_whole or debugging):
        sys.excepthook = _report_unexpected
    try:
        code = dispatch(words, shown_whole, debugging)
        if argv is None:
            ignore_once_over()
        sys.stdout.flush()
        if argv is None and among_ranks(words):
            from trainwright.parallel.leaving import leave

            leave(code)
        return code
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except OutputLostError as error:
        return end_of(error)
    except Exception as error:
        if among_ranks(words):
            from trainwright.cli.unexpected import record_unexpected

            record_unexpected(error)
        raise


def _report_unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """`sys.excepthook`; what it needs is imported where it is needed, which `--help` has no time for."""
    from trainwright.cli.unexpected import report_unexpected

    report_unexpected(kind, error, trace)


def dispatch(words: list[str], shown_whole: bool = False, debugging: bool = False) -> int:
    """Run the command that `words` name; mistakes and failures are printed to stderr.

    With `shown_whole` they are raised, so that their traceback is shown; when `debugging` all but interruptions and mistakes of the
    request, so that a debugger stops where a failure arose.
    """
    from trainwright.config.errors import Interrupted, RequestError, TrainwrightError

    try:
        if os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0" and among_ranks(words):
            from trainwright.cli.ranks import refuse_again

            refuse_again()
        return run_command(words)
    except Shown:
        return 0
    except (TrainwrightError, SystemExit, OSError) as error:
        if shown_whole and isinstance(error, SystemExit):
            raise RuntimeError(f"the program was ended by sys.exit({error.code!r})") from error
        told = isinstance(error, Interrupted) or (isinstance(error, RequestError) and error.__cause__ is None)
        if shown_whole or (debugging and not told):
            raise
        from trainwright.cli.failure import explain, told_failure

        failure = told_failure(error)
        if failure is None:
            raise
        sys.stdout.flush()
        if among_ranks(words):
            from trainwright.cli.ranks import tell_among_ranks

            tell_among_ranks(failure)
        else:
            explain(failure)
        return failure.exit_code


def among_ranks(words: list[str]) -> bool:
    """Whether this process is one of several that do the command together."""
    if not words or words[0] not in TOGETHER:
        return False
    from trainwright.cli.ranks import is_rank

    return is_rank()


def run_command(words: list[str]) -> int:
    """The exit code of the command; raises Shown where only a help or the version is asked for, TrainwrightError for what goes wrong."""
    refuse_characters(words)
    first = words[0] if words else "--help"
    if first in ("-h", "--help", "help") and len(words) < 2:
        print(overview())
        raise Shown
    if first in ("-V", "--version", "version"):
        from trainwright._version import __version__

        refuse_more(words, 1)
        print(f"trainwright {__version__}")
        raise Shown
    if first == "help":
        refuse_more(words, 2)
        first, words = words[1], [words[1], "--help"]
    if first not in COMMANDS:
        raise unknown_command(first, words)
    if first in IN_ONE_PROCESS and not {"-h", "--help"} & set(words):
        from trainwright.parallel.launched import ensure_one_process

        ensure_one_process(IN_ONE_PROCESS[first])
    command = import_module(f"trainwright.cli.{first}").run
    code: int = copy_context().run(command, words[1:])  # what --trust-code allows ends with the command
    return code


def refuse_more(words: list[str], count: int) -> None:
    """Raise RequestError for words after the first `count`, which nothing would look at."""
    from trainwright.config.errors import RequestError

    if len(words) > count:
        raise RequestError(f"one argument too many: '{words[count]}'", fix=f"trainwright {' '.join(words[:count])}")


def refuse_characters(words: list[str]) -> None:
    """Raise RequestError for a word that is no text: bytes that are not UTF-8, which no file of a run could hold."""
    from trainwright.config.errors import RequestError

    for word in words:
        if any(each == "\0" or "\ud800" <= each <= "\udfff" for each in word):
            shown = word.encode(errors="backslashreplace").decode().replace("\0", "\\0")
            raise RequestError(
                "an argument is not text in UTF-8",
                where=f"command line: {shown}",
                fix="rename the file, or write another value",
            )


def overview() -> str:
    """The help of the whole program."""
    from trainwright.cli.style import bold, heading

    lines = [
        f"{bold('trainwright')}: from data to a trained, measured, usable PyTorch model",
        "",
        heading("usage"),
        "  trainwright COMMAND …",
        "",
    ]
    lines += [heading("commands"), *(f"  {bold(name.ljust(10))} {summary}" for name, summary in COMMANDS.items()), ""]
    lines += [heading("options"), "  -h, --help    this help; `trainwright COMMAND --help` tells all about one command"]
    lines += ["  --version     the version", "  --traceback   show where in the code an error arose (also TRAINWRIGHT_TRACEBACK=1)", ""]
    lines += [heading("examples"), EXAMPLES]
    return "\n".join(lines)


def unknown_command(name: str, words: list[str]) -> Exception:
    """What to say when the first word is no command: perhaps data to train on, perhaps a slip."""
    from trainwright.config.errors import RequestError, did_you_mean

    if name.startswith("-"):
        from trainwright.config.other_words import answer_of, framework_of

        if instead := answer_of(name.partition("=")[0]):
            why = f"that is {framework_of(name.partition('=')[0])}'s word"
            return RequestError(f"unknown option '{name}'", why=why, fix=f"{instead}; options follow the command")
        return RequestError(f"unknown option '{name}'", fix="options follow the command: trainwright COMMAND --help")
    if os.path.exists(name) or name.startswith("builtin:"):
        return RequestError(f"'{name}' is not a command", fix=f"trainwright train {' '.join(words)}")
    return RequestError(f"unknown command '{name}'", fix=did_you_mean(name, COMMANDS))


if __name__ == "__main__":
    sys.exit(main())
