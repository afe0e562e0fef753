"""What the run ran on, cheap enough for every start: nothing heavy is imported, only metadata and small system files are read."""

from __future__ import annotations

import os
import platform
import shlex
import socket
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from trainwright.config.domains import packages_in_use
from trainwright.runs.secrets import mask_arguments

PACKAGES = ("trainwright", "torch", "numpy", "pyarrow", "pandas", "scikit-learn", "pydantic", "safetensors", "tokenizers", "tensorboard")
VARIABLES = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "RANK", "WORLD_SIZE", "LOCAL_RANK", "CUBLAS_WORKSPACE_CONFIG")


def environment() -> dict[str, Any]:
    """Python, package versions, system, CPU, memory (bytes), GPUs and thread variables; torch's thread count when it is loaded."""
    return {
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "executable": sys.executable,
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        **({"domains": domains} if (domains := packages_in_use()) else {}),
        "system": _system(),
        "machine": platform.machine(),
        "host": socket.gethostname(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": _memory(),
        "gpus": _gpus(),
        "threads": _threads(),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def command_line(arguments: list[str] | None = None) -> str:
    """The command that started this process, quoted for a shell; `***` stands for what looks like a password or token."""
    arguments = mask_arguments(sys.argv if arguments is None else arguments)
    program = Path(arguments[0]).name if arguments else ""
    if program == "__main__.py":  # python -m package
        return shlex.join(["python", "-m", Path(arguments[0]).parent.name, *arguments[1:]])
    if program.endswith(".py"):
        return shlex.join(["python", *arguments])
    return shlex.join([program or "python", *arguments[1:]])


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _system() -> str:
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {platform.system()} {platform.release()}"
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            found = next((line.partition(":")[2].strip() for line in file if line.startswith(("model name", "Model"))), "")
    except OSError:
        found = ""
    return found or platform.machine()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _gpus() -> list[str]:
    # Names come from the driver's files, since asking torch would start CUDA; torch is asked only once it has started it.
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    names = []
    for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        names += [line.partition(":")[2].strip() for line in lines if line.startswith("Model")]
    return names


def _threads() -> int | None:
    torch = sys.modules.get("torch")
    return torch.get_num_threads() if torch is not None and hasattr(torch, "get_num_threads") else None
