"""Imported by the fork server of tests: what it forked has its own processes, those that read, forked from it too.

A server of their own, as each run of a person's has, would import torch anew for each run of a test. They have the environment of the
process that asks for them, as from a server of its own. Servers of their own are tested in `tests/faults/test_worker_death.py`.
"""

from __future__ import annotations

import os
from multiprocessing import forkserver, resource_tracker, spawn
from typing import Any

_ensure_running = forkserver.ForkServer.ensure_running
_get_preparation_data, _prepare = spawn.get_preparation_data, spawn.prepare


def ensure_running(self: Any) -> None:
    """Python begins another server in a process that a server has forked, though it has the address of that one."""
    if self._forkserver_pid is None and self._forkserver_address is not None:
        resource_tracker.ensure_running()
    else:
        _ensure_running(self)


def get_preparation_data(name: str) -> dict[str, Any]:
    return {**_get_preparation_data(name), "environment": dict(os.environ)}


def prepare(data: dict[str, Any]) -> None:
    if "environment" in data:
        os.environ.clear()
        os.environ.update(data.pop("environment"))
    _prepare(data)


def share() -> None:
    """Let all that is forked from this process be so."""
    server: Any = forkserver
    server.ForkServer.ensure_running = ensure_running
    server.ensure_running = server._forkserver.ensure_running
    for function in (get_preparation_data, prepare):
        setattr(spawn, function.__name__, function)


share()
