"""A child run: begun where another run was, with settings of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable

from trainwright.api.kinds import prepare_run, with_name
from trainwright.api.parent import Parent
from trainwright.api.ranks import join_for
from trainwright.api.run import Run
from trainwright.api.training import Start, train_prepared
from trainwright.config.compose import Assignment
from trainwright.config.trust import as_received
from trainwright.runs.configured import with_config
from trainwright.runs.directory import RunDirectory
from trainwright.systems.run_config import read_config


def fork(path: str | os.PathLike[str], overrides: Iterable[str | Assignment] = ()) -> Run:
    """Begin a child of the run at `path` from its newest checkpoint; its settings are that run's, replaced by `overrides`.

    Weights go on, the optimizer's state too where it is the same optimizer; what is best, patience and the like begin anew. Raises
    RunError when `path` is no run, is being written, or has no checkpoint; ConfigError for settings that do not fit.
    """
    return _fork(with_config(path), list(overrides))


@as_received
def _fork(found: RunDirectory, overrides: list[str | Assignment]) -> Run:
    config = with_name(read_config(found.config, overrides))
    run, _ = train_prepared(prepare_run(config, world=join_for(config)), Start(parent=Parent.of(found)))
    return Run(RunDirectory.open(run.path))
