"""Who starts the processes of a run: one launcher a file. Imports no torch."""

from __future__ import annotations

from trainwright.config.part import Part

__all__ = ["PARTS"]

HERE = "trainwright.parallel.launchers"

PARTS: dict[str, Part] = {
    "auto": Part(f"{HERE}.local:Local", f"{HERE}.local:AutoOptions", "this command, or whatever has started several processes already"),
    "local": Part(f"{HERE}.local:Local", f"{HERE}.local:LocalOptions", "this command starts the processes of this machine"),
    "torchrun": Part(f"{HERE}.torchrun:Torchrun", f"{HERE}.torchrun:TorchrunOptions", "torchrun, started by this command"),
    "external": Part(f"{HERE}.base:Launcher", f"{HERE}.external:ExternalOptions", "torchrun, srun, mpirun or a program of your own"),
    "slurm": Part(f"{HERE}.slurm:Slurm", "trainwright.parallel.slurm.options:SlurmOptions", "a job of Slurm's, which comes back by itself"),
    "ray": Part(f"{HERE}.ray:Ray", f"{HERE}.on_ray.options:RayOptions", "Ray Train, in a cluster that runs or one of this run's own"),
}
