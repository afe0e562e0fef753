"""`launch.type: external`: something else starts the processes. Imports no torch."""

from __future__ import annotations

from trainwright.parallel.launchers.options import LaunchOptions


class ExternalOptions(LaunchOptions):
    """Processes that torchrun, srun, mpirun or a program of your own starts; one alone is refused."""

    type: str = "external"
