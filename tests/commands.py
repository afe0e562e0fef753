"""`trainwright …` in processes of their own, forked from one that has imported everything: what a command prints, returns and leaves."""

from __future__ import annotations

import os
import resource
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from fork_server import fork_server, sync_at_once
from standing_server import may_be_wanted, stand_by
from trainwright.cli.main import main


def command_process(
    words: Sequence[str],
    folder: Path,
    environment: dict[str, str],
    printed: Sequence[Path],
    syncs: bool = True,
    imports: bool = False,
    largest: int = 0,
) -> Any:
    """The process, not yet begun; what it prints is in two files, also if it is killed. Without `syncs` it does not wait for the disk.

    `imports`: whether the process that its members or ranks are forked from begins as one of its own, and imports what it needs.
    """
    return fork_server().Process(target=_run, args=(list(words), folder, environment, list(printed), syncs, imports, largest))


def trainwright_command(
    *words: str, folder: Path | None = None, limit: float = 120, imports: bool = False, largest: int = 0, **variables: str
) -> CompletedProcess[str]:
    """Run a command to its end in a folder; `variables` are of its environment, which has no setting of whoever runs the tests.

    `largest`: bytes that a file may have which it writes, as where a disk is full; 0 for any.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRAINWRIGHT_")} | variables
    with tempfile.TemporaryDirectory() as place:
        printed = [Path(place, name) for name in ("stdout", "stderr")]
        process = command_process(words, folder or Path.cwd(), environment, printed, syncs=False, imports=imports, largest=largest)
        process.start()
        process.join(limit)
        if process.is_alive():
            process.kill()
        process.join()
        said = [each.read_text(variables.get("PYTHONIOENCODING", "utf-8")) for each in printed]
    assert process.exitcode is not None and process.exitcode >= 0, f"killed after {limit} s, or by itself: {said}"
    return CompletedProcess(list(words), process.exitcode, *said)


def _run(
    words: list[str],
    folder: Path,
    environment: dict[str, str],
    printed: list[Path],
    syncs: bool = True,
    imports: bool = False,
    largest: int = 0,
) -> None:
    """As `python -m trainwright` begins."""
    if not syncs:
        sync_at_once()
    os.environ.clear()
    os.environ.update(environment)
    files = [os.open(os.devnull, os.O_RDONLY), *(os.open(each, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for each in printed)]
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding=encoding, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    sys.argv = ["trainwright", *words]
    if largest:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
    if not imports and may_be_wanted(words) and (of_member := stand_by()) is not None:
        sys.argv[1:] = of_member
    try:
        code = main()
    except Exception:  # noqa: BLE001 (shown as Python shows it)
        sys.excepthook(*sys.exc_info())
        code = 1
    sys.exit(code)
