"""What a machine has for training: Python, torch, GPUs, compilers, memory, disk and packages; nothing of it is imported here."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from trainwright.config.domains import OURS, register
from trainwright.files.memory import available_bytes
from trainwright.runs.environment import environment

State = Literal["ok", "note", "missing"]
TIMEOUT = 120.0
"""Seconds that a first import of torch from a cold disk may take."""
LITTLE_DISK = 5 << 30
"""Bytes free below which a run may not find room for its checkpoints."""
TORCH = """
import json, torch
told = {"version": torch.__version__, "cuda": torch.version.cuda, "hip": torch.version.hip, "gpus": []}
told["cudnn"] = torch.backends.cudnn.version() if torch.version.cuda else None
told["mps"] = torch.backends.mps.is_available()
try:
    for index in range(torch.cuda.device_count()):
        each = torch.cuda.get_device_properties(index)
        told["gpus"].append({"name": each.name, "memory": each.total_memory, "capability": f"{each.major}.{each.minor}"})
        torch.zeros(1, device=f"cuda:{index}").add_(1).item()
except Exception as error:
    told["cuda_error"] = f"{type(error).__name__}: {error}".splitlines()[0]
print(json.dumps(told))
"""
HIDDEN = ("all", "dev", "docs")
"""Extras that are of no use to a run."""


@dataclass(frozen=True)
class Finding:
    """One line of the examination: what it is about, what was found, whether that is well, and what to do where it is not."""

    section: str
    name: str
    value: str
    state: State = "ok"
    fix: str = ""

    def as_dict(self) -> dict[str, str]:
        """The finding as plain values."""
        return asdict(self)


def examine() -> list[Finding]:
    """Everything but what a configuration needs; torch is asked in a process of its own, since a broken one may end it."""
    with ThreadPoolExecutor(4) as pool:
        torch = pool.submit(ask_torch)
        beside = {name: pool.submit(imports, name) for name in ("torchvision", "torchaudio") if _version(name)}
        smi = pool.submit(
            _output_of, ["nvidia-smi", "--query-gpu=name,memory.total,memory.used,driver_version", "--format=csv,noheader,nounits"]
        )
        first = [*python_findings(), *torch_findings(torch.result()), *gpu_findings(torch.result(), smi.result())]
        clashes = [_clash(name, each.result()) for name, each in beside.items()]
    return [*first, *clashes, *tool_findings(), *extension_findings(), *machine_findings(), *package_findings(), *domain_findings()]


def domain_findings() -> list[Finding]:
    """The domains that installed packages bring, and those that cannot be had."""
    found = register()
    there = [Finding("extras", f"domain {name}", each.package) for name, each in found.domains.items() if each.package != OURS]
    return [*there, *(Finding("extras", "domain", each, "note", "update that package") for each in found.warnings())]


def python_findings() -> list[Finding]:
    """The interpreter, and packages that Trainwright cannot do without."""
    fits = sys.version_info >= (3, 11)
    made = [
        Finding(
            "software",
            "Python",
            f"{platform.python_version()}  {sys.executable}",
            "ok" if fits else "missing",
            "" if fits else "Python 3.11 or newer",
        )
    ]
    made.append(Finding("software", "Trainwright", _version("trainwright") or "not installed (run from its sources)"))
    for name, least in requirements().get("", {}).items():
        found = _version(name)
        if name != "torch" and (not found or not at_least(found, least)):
            state = f"{found} is older than {least}" if found else "not installed"
            made.append(Finding("software", name, state, "missing", install_line([f"{name}>={least}" if least else name])))
    return made


def ask_torch() -> dict[str, Any]:
    """What torch says of itself and of CUDA; `error` with the last line of what it died of."""
    if find_spec("torch") is None:
        return {"error": "not installed"}
    try:
        done = subprocess.run([sys.executable, "-c", TORCH], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"its import took more than {TIMEOUT:g} s"}
    try:
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        return {"error": _last_line(done)}
    return told


def imports(name: str) -> str:
    """What an import of a package beside torch fails with; empty when it succeeds."""
    try:
        done = subprocess.run([sys.executable, "-c", f"import torch, {name}"], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return f"its import took more than {TIMEOUT:g} s"
    return _last_line(done) if done.returncode else ""


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = [each for each in done.stderr.splitlines() if each.strip()]
    return lines[-1] if lines else f"it ended with code {done.returncode}"


def _clash(name: str, error: str) -> Finding:
    version = _version(name)
    if not error:
        return Finding("software", name, version)
    fix = install_line([f"--upgrade torch {name}"]).replace("'", "")
    return Finding("software", name, f"{version} does not import beside this torch: {error}", "note", fix)


def torch_findings(told: dict[str, Any]) -> list[Finding]:
    """Version and build."""
    if "error" in told:
        fix = install_line(["torch"]) if told["error"] == "not installed" else "pip install --force-reinstall torch"
        return [Finding("software", "torch", told["error"], "missing", fix)]
    cudnn = told["cudnn"]
    build = f"CUDA {told['cuda']}" if told["cuda"] else f"ROCm {told['hip']}" if told["hip"] else "built for the CPU alone"
    least = requirements().get("", {}).get("torch", "")
    fits = at_least(told["version"], least)
    value = f"{told['version']}, {build}" + (f", cuDNN {cudnn // 10000}.{cudnn % 10000 // 100}.{cudnn % 100}" if cudnn else "")
    return [Finding("software", "torch", value, "ok" if fits else "missing", "" if fits else install_line([f"torch>={least}"]))]


def gpu_findings(told: dict[str, Any], smi: str) -> list[Finding]:
    """The driver and each GPU; a driver without a GPU that torch can use is told with the reason."""
    rows = [[cell.strip() for cell in line.split(",")] for line in smi.splitlines() if line.count(",") == 3]
    made = [Finding("gpu", "driver", rows[0][3] if rows else "none (no nvidia-smi)")]
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        made.append(Finding("gpu", "visible", f"CUDA_VISIBLE_DEVICES={visible}"))
    for index, each in enumerate(told.get("gpus", [])):
        used = f", {size_of(int(rows[index][2]) << 20)} of it in use" if index < len(rows) and rows[index][2].isdigit() else ""
        made.append(Finding("gpu", f"cuda:{index}", f"{each['name']}, {size_of(each['memory'])}{used}, capability {each['capability']}"))
    if told.get("mps"):
        made.append(Finding("gpu", "mps", "Apple's GPU"))
    if error := told.get("cuda_error"):
        made.append(Finding("gpu", "CUDA", error, "missing", "update the driver, or install a torch built for its CUDA"))
    elif rows and not told.get("gpus") and "error" not in told and visible != "":
        why = "torch is built for the CPU alone" if not told["cuda"] else f"torch {told['version']} cannot use the driver"
        fix = "choose a CUDA build on pytorch.org" if not told["cuda"] else "update the driver, or install a torch built for an older CUDA"
        made.append(Finding("gpu", "CUDA", why, "missing", fix))
    return made


def tool_findings() -> list[Finding]:
    """Compilers, which extensions and `torch.compile` need."""
    tools: dict[str, tuple[Sequence[str], str, str]] = {
        "nvcc": (["nvcc", "--version"], r"release ([\d.]+)", "the CUDA toolkit, for CUDA extensions"),
        "gcc": (["gcc", "-dumpfullversion"], r"([\d.]+)", "a C compiler, for torch.compile and extensions"),
        "g++": (["g++", "-dumpfullversion"], r"([\d.]+)", "a C++ compiler, for torch.compile and extensions"),
        "ninja": (["ninja", "--version"], r"([\d.]+)", "pip install ninja, for extensions"),
    }
    made = []
    for name, (command, pattern, fix) in tools.items():
        match = re.search(pattern, _output_of(command))
        place = shutil.which(name) or ""
        made.append(
            Finding("compilers", name, f"{match[1]}  {place}" if match else "none", "ok" if match else "note", "" if match else fix)
        )
    return made


def extension_folder() -> Path:
    """Where torch keeps compiled extensions."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "torch_extensions"
    return Path(os.environ.get("TORCH_EXTENSIONS_DIR", default))


def extension_findings() -> list[Finding]:
    """Extensions that were compiled before, and half-built ones whose lock makes the next build wait for ever."""
    folder = extension_folder()
    built = sorted(each for each in folder.glob("**/*.so")) if folder.is_dir() else []
    made = [
        Finding("compilers", f"built: {each.stem}", f"{each.parent.relative_to(folder)}, {size_of(each.stat().st_size)}") for each in built
    ]
    for lock in sorted(folder.glob("**/lock")) if folder.is_dir() else []:
        fix = f"when no build is running: rm {lock}"
        made.append(Finding("compilers", f"lock: {lock.parent.name}", "a build is under way, or was killed", "note", fix))
    return made or [Finding("compilers", "extensions", "none compiled yet")]


def machine_findings() -> list[Finding]:
    """System, processor, memory and disk."""
    found = environment()
    disk = shutil.disk_usage(Path.cwd())
    free = available_bytes() or 0
    memory = str(size_of(found["memory_bytes"] or 0)) + (f", {size_of(free)} free" if free else "")
    made = [
        Finding("machine", "system", found["system"]),
        Finding("machine", "processor", f"{found['cpu']}, {found['cores_usable']} of {found['cores']} cores"),
        Finding("machine", "memory", memory),
    ]
    little = disk.free < LITTLE_DISK
    value = f"{size_of(disk.free)} of {size_of(disk.total)} free in {Path.cwd()}"
    made.append(Finding("machine", "disk", value, "note" if little else "ok", "free some space before a long run" if little else ""))
    shared = Path("/dev/shm")
    if shared.is_dir() and (size := shutil.disk_usage(shared).total) < 1 << 30:
        fix = "start the container with --shm-size=8g, or use trainer.loader.workers=0"
        made.append(Finding("machine", "shared memory", f"{size_of(size)}, which workers may fill", "note", fix))
    return made


def package_findings() -> list[Finding]:
    """Optional packages by extra, with versions; what is not there is only noted."""
    made = []
    for extra, packages in requirements().items():
        if not extra or extra in HIDDEN:
            continue
        versions = {name: _version(name) for name in packages}
        old = [name for name, least in packages.items() if versions[name] and not at_least(versions[name], least)]
        absent = [name for name, version in versions.items() if not version]
        shown = ", ".join(f"{name} {version or '—'}" for name, version in versions.items())
        state: State = "note" if absent or old else "ok"
        made.append(Finding("extras", extra, shown, state, install_line([f"trainwright[{extra}]"]) if state == "note" else ""))
    return made


def requirements() -> dict[str, dict[str, str]]:
    """Extra (empty for what is always needed) → package → least version, as the installed Trainwright says."""
    try:
        lines = metadata.requires("trainwright") or []
    except metadata.PackageNotFoundError:
        return {}
    made: dict[str, dict[str, str]] = {}
    for line in lines:
        name = re.match(r"[\w.-]+", line)
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", line)
        least = re.search(r">=\s*([\w.]+)", line.partition(";")[0])
        if name and name[0] != "trainwright":
            made.setdefault(extra[1] if extra else "", {})[name[0]] = least[1] if least else ""
    return made


def install_line(packages: Sequence[str]) -> str:
    """The command that installs packages, quoted for a shell where that is needed."""
    return "pip install " + " ".join(f"'{each}'" if re.search(r"[\[\]<>=]", each) else each for each in packages)


def size_of(count: int) -> str:
    """Bytes in the unit that suits them, to three figures."""
    power = next((power for power in range(4) if count < 1024 ** (power + 1)), 4)
    return f"{count / 1024**power:.3g} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"


def at_least(version: str, least: str) -> bool:
    """Whether a version is not below another one, by its leading numbers."""
    return _numbers(version) >= _numbers(least)


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(each) for each in match[0].split(".")) if match else ()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _output_of(command: Sequence[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
