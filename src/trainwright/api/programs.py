"""`tw.fit(devices=2)` and `tw.train(devices=2)`: the same call in each of several processes, and one result."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from torch import nn

from trainwright.api.exit_codes import exit_as_promised
from trainwright.config.errors import ConfigError, TrainwrightError
from trainwright.engine.worker_checks import culprit, is_unguarded
from trainwright.parallel.launched import in_process_group, read_launch
from trainwright.parallel.launchers.base import Program, make_launcher
from trainwright.parallel.run_place import RESUMED
from trainwright.systems.run_config import Config

Given = Mapping[str, Any]
NAMED = "put it into a module and import it, or name it by its path ('./my_parts.py:name'); one process needs nothing of it: devices=1"
UNSENT = "make it where it is first used, or leave it out of what is pickled (__getstate__); launch='local' sends nothing"
Call = Callable[[dict[str, Any]], Any]
"""What each process does with the arguments; what it gives on rank 0 is sent back."""


def ranks_to_start(config: Config) -> int:
    """How many processes are to make the call; 0 where this one makes it, alone or as one of several."""
    if read_launch().size > 1 or in_process_group().size > 1:
        return 0
    launcher, device = make_launcher(config.launch), config.run.device
    return launcher.count_ranks(device) if launcher.starts(device) else 0


def in_ranks(call: Call, given: Given, config: Config, size: int, *, where: str, console: Any = True) -> Any:
    """What `call(given)` gives on rank 0 of `size` processes of this program.

    Raises ConfigError where they cannot be started or be sent what they need, and whatever ended them.
    """
    exit_as_promised()
    launcher = make_launcher(config.launch)
    method = launcher.choose_method(config.run.device)
    work = partial(_call, call, dict(given), console)
    if method == "spawn":
        pickler, sent = launcher.pickler(), {name: _sent_console(each) if name == "console" else each for name, each in given.items()}
        check_sent(sent, where, size, pickler)
        work = partial(_call_sent, (pickler or pickle.dumps)((call, sent, _sent_console(console))))
    return launcher.run_program(Program(work, size, method, config.run.threads, config.run.device, _looked_on(console)))


def _sent_console(console: Any) -> bool:
    """Whether there is a console: a stream of the program's cannot be sent, and what is printed is shown there."""
    return console is not False


def _looked_on(console: Any) -> TextIO | None:
    """Where the program shows what is printed, if that is not its own standard output."""
    if console is not True and console is not False:
        return console
    own = sys.stdout is sys.__stdout__ and sys.stderr is sys.__stderr__
    return None if own or console is False else sys.stdout


def _call(call: Call, given: dict[str, Any], console: Any, folder: Path, shown: TextIO | None) -> Any:
    if "console" in given and console is not False and shown is not None:
        given["console"] = shown  # it may be a stream of the program's, which another process cannot write
    with suppress(OSError):
        left = (folder / RESUMED).read_text(encoding="utf-8")  # by an earlier start of these processes
        given |= {"run_dir": left, "resume": True} | ({"fork": None} if "fork" in given else {})
    return call(given)


def _call_sent(sent: bytes, folder: Path, shown: TextIO | None) -> Any:
    call, given, console = pickle.loads(sent)
    return _call(call, given, console, folder, shown)


def check_sent(given: Given, where: str, size: int, pickler: Callable[[Any], bytes] | None = None) -> None:
    """Raise ConfigError naming what cannot go to a process that is started anew, and what to do about it.

    `pickler` sends code of the program's own too; without one each process imports it.
    """
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if pickler is None and file and is_unguarded(Path(file)):
        why, fix = "each imports it, and would run all of it again", 'put what it does under `if __name__ == "__main__":`'
        raise ConfigError("processes cannot begin from this script", where=file, why=why, fix=fix)
    for name, value in given.items():
        try:
            needed = (pickler or pickle.dumps)(value)
        except Exception as error:
            path, found, reason = culprit(value, name, error, pickler or pickle.dumps)
            raise _not_sent(path, found, str(reason), where, size, UNSENT if pickler else NAMED) from error
        if pickler is None and b"__main__" in needed and not file:
            raise _not_sent(name, value, "it was defined in this session and is in no file", where, size, NAMED)


def _not_sent(name: str, value: Any, why: str, where: str, size: int, fix: str) -> ConfigError:
    kind = getattr(value, "__qualname__", type(value).__qualname__)
    return ConfigError(f"{name} ({kind}) cannot be sent to {size} process{'es' if size > 1 else ''}", where=where, why=why, fix=fix)


def load_trained(model: nn.Module, weights: Mapping[str, Any], path: Path | None) -> None:
    """Give the program's own object what was trained. Raises TrainwrightError where training has changed its layers."""
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        why = str(error).splitlines()[-1].strip()
        fix = f"make the layers in __init__, or take the weights from the run: tw.load_weights(model, {str(path)!r})"
        raise TrainwrightError("the run is finished, but its weights do not fit the model given", why=why, fix=fix) from error
