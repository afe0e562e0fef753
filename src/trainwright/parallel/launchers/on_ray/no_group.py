"""What Ray Train is told of process groups. A module of its own, which Ray imports in its controller, and without torch."""

from __future__ import annotations

from ray.train.backend import BackendConfig


class NoGroup(BackendConfig):
    """No process group in the workers: the ranks, which are processes of their own, make theirs."""

    backend = "none"
