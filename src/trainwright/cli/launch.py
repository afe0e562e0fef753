"""Flags that every command which runs a model shares: GPUs, log, type checks, debugging, and arguments of the user's own."""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainwright.cli.parser import Parser
from trainwright.cli.streams import Shown
from trainwright.config.compose import Assignment, assign_option
from trainwright.config.errors import ConfigError, RequestError, did_you_mean
from trainwright.config.trust import reading, received_folder, trust

VISIBLE = "CUDA_VISIBLE_DEVICES"
ORDER = "CUDA_DEVICE_ORDER"
DEVICE = re.compile(r"[0-9]+|(GPU|MIG)-[0-9A-Za-z/-]+")
DEBUG: dict[str, object] = {
    "trainer.loader.workers": 0,
    "trainer.limit_batches": 1,
    "trainer.modes.detect_anomaly": True,
    "trainer.modes.compile": None,
    "trainer.recovery.watchdog": None,
    "trainer.progress": "plain",
}
"""What `--debug` sets; a setting of the command line still wins. No breakpoint is met in a worker or in code that was compiled."""
DEBUG_LENGTH: dict[str, object] = {"trainer.max_epochs": 2, "trainer.max_steps": None}
"""And how long it trains, unless the command line says: twice through all that happens in an epoch."""
log = logging.getLogger("trainwright.cli")


@dataclass
class Launch:
    """What the flags ask for: settings to be laid before those of the command line, and how much the console shows."""

    settings: list[Assignment] = field(default_factory=list)
    level: int = logging.INFO
    gpus: tuple[str, ...] = ()
    """GPUs that `--gpu` made visible; empty when it was not given, or something else had chosen."""
    notes: list[str] = field(default_factory=list)

    def start_console(self) -> None:
        """Show messages of this level, and say what the flags changed."""
        from trainwright.parallel.launched import read_launch
        from trainwright.runs.log import console_logging

        console_logging(self.level, rank=read_launch().rank)
        for each in self.notes:
            log.warning(each)

    def check_gpus(self) -> None:
        """Once torch may be imported: raises ConfigError when one of the GPUs asked for is not there."""
        if not self.gpus:
            return
        import torch

        count = torch.cuda.device_count()
        if count >= len(self.gpus):
            return
        why = f"torch sees {count} of the {len(self.gpus)} asked for" if torch.version.cuda else "this torch is built without CUDA"
        fix = "trainwright doctor shows the GPUs; without --gpu the run takes what there is"
        raise ConfigError(f"there is no GPU {self.gpus[count]}", where=f"--gpu {','.join(self.gpus)}", why=why, fix=fix)


FLAGS: dict[str, dict[str, Any]] = {
    "gpu": {"metavar": "IDS", "help": "GPUs to use, as nvidia-smi counts them: 0 or 0,1; none for the CPU. CUDA_VISIBLE_DEVICES wins"},
    "verbose": {"action": "store_true", "help": "show debug messages on the console too"},
    "typecheck": {
        "action": "store_true",
        "help": "check shapes and types that annotations state at every call, in your modules too; slower",
    },
    "debug": {
        "action": "store_true",
        "help": "two epochs of one batch, no workers, nothing compiled, anomaly detection, whole tracebacks: breakpoint() works",
    },
    "limit_batches": {"metavar": "N", "type": int, "help": "train and evaluate on N batches an epoch only"},
}
LAUNCH = tuple(FLAGS)
"""The names of all of them."""


def add_launch_flags(parser: argparse.ArgumentParser, names: Sequence[str] = LAUNCH) -> None:
    """Add the flags, or those of these names, to the parser of a command."""
    for name in names:
        parser.add_argument(f"--{name.replace('_', '-')}", **FLAGS[name])


def prepare(arguments: argparse.Namespace, own: Sequence[str] = ()) -> Launch:
    """Do what the flags ask for; call it before torch is imported. `own` are the arguments for the user's parser (see `divided`).

    Raises ConfigError for GPUs that cannot be, a limit below 1, and packages that are missing.
    """
    launch = Launch(level=logging.DEBUG if arguments.verbose else logging.INFO)
    if getattr(arguments, "gpu", None) is not None:
        _choose_gpus(arguments.gpu, launch)
    if arguments.typecheck:
        from trainwright.config.typecheck import install

        install()
    if getattr(arguments, "debug", False):
        long = any(str(each).startswith("trainer.max_") for each in getattr(arguments, "words", None) or ())
        chosen = DEBUG if long else DEBUG | DEBUG_LENGTH
        launch.settings += [assign_option(path, value, "command line: --debug") for path, value in chosen.items()]
    if getattr(arguments, "limit_batches", None) is not None:
        if arguments.limit_batches < 1:
            raise ConfigError(f"{arguments.limit_batches} batches are too few", where="--limit-batches", fix="write 1 or more")
        shown = f"command line: --limit-batches {arguments.limit_batches}"
        launch.settings.append(assign_option("trainer.limit_batches", arguments.limit_batches, shown))
    if own:
        launch.settings.append(assign_option("arguments", list(own), f"command line: {' '.join(own)}"))
    return launch


def _choose_gpus(text: str, launch: Launch) -> None:
    """Make these GPUs the only visible ones, in the order of their slots, which is that of nvidia-smi."""
    ids = _ids(text)
    already = os.environ.get(VISIBLE)
    if already is not None:
        if already != ",".join(ids):
            launch.notes.append(f"--gpu {text} is left aside: {VISIBLE}={already} is set already")
        return
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        why = "CUDA has started and has chosen"
        raise ConfigError("GPUs can no longer be chosen", where=f"--gpu {text}", why=why, fix=f"set {VISIBLE} before Python starts")
    os.environ[ORDER] = "PCI_BUS_ID"
    os.environ[VISIBLE] = ",".join(ids)
    launch.gpus = ids


def _ids(text: str) -> tuple[str, ...]:
    where = f"--gpu {text}"
    if text.lower() in ("none", "cpu"):
        return ()
    ids = tuple(each.strip() for each in text.split(","))
    wrong = next((each for each in ids if not DEVICE.fullmatch(each)), None)
    if wrong is not None:
        fix = "write numbers with commas between: --gpu 0,1 (none for the CPU)"
        raise ConfigError(f"'{wrong}' is not the number of a GPU", where=where, fix=fix)
    ids = tuple(str(int(each)) if each.isdigit() else each for each in ids)
    twice = next((each for number, each in enumerate(ids) if each in ids[:number]), None)
    if twice is not None:
        raise ConfigError(f"GPU {twice} is named twice", where=where, fix="name each GPU once")
    return ids


def divide_words(parser: Parser, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of the command, and those for the parser that `parser:` in its config names: unknown flags, and all after `--`.

    Without such a parser all words are the command's, which refuses what it does not know.
    """
    words = list(words)
    cut = words.index("--") if "--" in words else len(words)
    mine, rest = words[:cut], words[cut + 1 :]
    strange = [each for each in mine if _is_flag(each) and not _knows(parser, each)]
    if not strange and not rest:
        return words, []
    path, folder = _named_parser(mine)
    received = received_folder(folder / "config.yaml") if folder else None
    if not path:
        if rest:
            why = "the config names no `parser`"
            raise RequestError(f"'{rest[0]}' after -- is for nobody", why=why, fix="add parser: ./my_args.py:make_parser to the config")
        return words, []
    from trainwright.config.own_arguments import own_parser

    if "--trust-code" in mine:
        trust()
    with reading(received):
        theirs = own_parser(path, [folder] if folder else [])
    if {"-h", "--help"} & set(rest):
        print(theirs.format_help())
        raise Shown
    kept, own = _sort_words(parser, theirs, mine)
    return kept, [*own, *rest]


def _sort_words(parser: argparse.ArgumentParser, theirs: argparse.ArgumentParser, words: list[str]) -> tuple[list[str], list[str]]:
    """Each flag with its values to the parser that knows it; words without a flag are the command's."""
    kept: list[str] = []
    own: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if not _is_flag(word) or _knows(parser, word):
            kept.append(word)
            continue
        action = theirs._option_string_actions.get(word.partition("=")[0])
        if action is None:
            names = [*parser._option_string_actions, *theirs._option_string_actions]
            raise RequestError(f"unknown option '{word.partition('=')[0]}'", fix=did_you_mean(word.partition("=")[0], names))
        own.append(word)
        for _ in range(_most_values(action) if "=" not in word else 0):
            if position == len(words) or _is_flag(words[position]):
                break
            own.append(words[position])
            position += 1
    return kept, own


def _most_values(action: argparse.Action) -> int:
    if action.nargs is None or action.nargs == "?":
        return 1
    return action.nargs if isinstance(action.nargs, int) else sys.maxsize


def _is_flag(word: str) -> bool:
    return word.startswith("-") and len(word) > 1 and not re.fullmatch(r"-[0-9.].*", word)


def _knows(parser: argparse.ArgumentParser, word: str) -> bool:
    name = word.partition("=")[0]
    return name in parser._option_string_actions or (name.startswith("--") and name.replace("_", "-") in parser._option_string_actions)


def _named_parser(words: Sequence[str]) -> tuple[str, Path | None]:
    """The `parser` of the config among the words, or of a setting; and the folder of the config."""
    from trainwright.config.loading import ENDINGS, load_values

    setting = next((each.partition("=")[2] for each in reversed(words) if each.startswith("parser=")), "")
    config = next((Path(each) for each in words if each.lower().endswith(ENDINGS) and Path(each).is_file()), None)
    named = setting or (load_values(config).get("parser", "") if config else "")
    return (named if isinstance(named, str) else ""), config.resolve().parent if config else None
