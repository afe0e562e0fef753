"""Lightning's `ModelCheckpoint` as options of `trainer.checkpoint`, and what it is told when a run ends."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from trainwright.config.errors import ConfigError

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.systems")

WHERE = "ModelCheckpoint"


def checkpoint_options(asked: Any) -> dict[str, Any]:
    """`monitor`, `mode` and `checkpoint` of a trainer that keeps what a ModelCheckpoint keeps; what goes by another name here is said.

    Raises ConfigError for what cannot be kept in that way: it judges at other moments than evaluations.
    """
    every, best = interval_of(asked), asked.save_top_k
    kept: dict[str, Any] = {}
    if asked.monitor is not None and best != 0 and every not in (None, "1 epoch"):
        why = f"it looks at '{asked.monitor}' every {every}; the best is picked here after every evaluation"
        fix = f"leave every_n_epochs, every_n_train_steps and train_time_interval out, and give evaluate_every='{every}'"
        raise ConfigError(f"{WHERE} looks at its metric between evaluations", where=WHERE, why=why, fix=fix)
    if best == -1 and every is not None:
        kept["weights_every" if asked.save_weights_only else "keep_every"] = every
    elif best == 0 and not asked.save_last:
        kept["type"] = "none"
    elif asked.monitor is None and every is not None:
        kept["every"] = every
    elif best > 1:
        kept["keep_best"] = best
    if asked.monitor is not None and asked.save_weights_only and best > 0:
        kept["best_as_weights"] = True
    _say_names(asked)
    judged = {} if asked.monitor is None else {"monitor": asked.monitor, "mode": asked.mode}
    return judged | ({"checkpoint": kept} if kept else {})


def interval_of(asked: Any) -> str | None:
    """How often it saves, as a duration is written here; None where it never does by itself."""
    if asked._every_n_train_steps:
        return _write_duration(asked._every_n_train_steps, "step")
    if asked._train_time_interval is not None:
        return f"{asked._train_time_interval.total_seconds():g} s"
    return _write_duration(asked._every_n_epochs, "epoch") if asked._every_n_epochs else None


def _write_duration(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _say_names(asked: Any) -> None:
    """Say that folder and names are the run's."""
    named = [f"{name}={str(value)!r}" for name in ("dirpath", "filename") if (value := getattr(asked, name, None)) is not None]
    if named:
        fix = "run_dir= places the run, checkpoint={'name': '{step}-…'} gives checkpoints second names"
        log.warning("%s(%s) names nothing here: checkpoints are in the run, as checkpoints/step-…; %s", WHERE, ", ".join(named), fix)


def join_checkpoints(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The options of several ModelCheckpoints together. Raises ConfigError where they ask for different things."""
    joined = dict(first)
    for name, value in second.items():
        if name == "checkpoint" and name in joined:
            joined[name] = join_checkpoints(joined[name], value)
        elif joined.setdefault(name, value) != value:
            what = f"two {WHERE}s ask for {name}={joined[name]!r} and {name}={value!r}"
            raise ConfigError(what, where=WHERE, why="one monitor picks the best weights of a run", fix="keep one of them")
    return joined


def tell_checkpoint(asked: Any, session: Session) -> None:
    """Let a ModelCheckpoint know where the best and the last checkpoint lie, and how good the best is."""
    folder, best = session.folder / "checkpoints", session.best.entries
    asked.dirpath = str(folder)
    asked.last_model_path = str(folder / "last") if (folder / "last").exists() else ""
    if (folder / "best").exists():
        asked.best_model_path = str(folder / "best")
    if best:
        asked.best_model_score = asked.current_score = torch.tensor(best[0][1])
