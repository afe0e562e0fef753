"""Shapes and types that annotations state are checked at run time while tests run."""

from __future__ import annotations

import compileall
import gc
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before torch is imported: as many test processes as cores, each with as many threads that spin while they wait, take ten times as long.
# Processes that tests start inherit both.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Compiled in the process itself: others that it would start for it each import torch.
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")

import pytest
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

import hidden_repository  # noqa: F401
import trainwright
from trainwright.config.domains import forget
from trainwright.config.own_parts import PARTS

CHECKED = ["trainwright.nn", "trainwright.systems.readout"]

install_import_hook(CHECKED, "beartype.beartype")

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # how fast examples come is the machine's
settings.load_profile("house")


def pytest_configure(config: pytest.Config) -> None:
    """Compile Trainwright once where Python is told to keep nothing compiled: hundreds of processes of the tests would each compile it."""
    if sys.dont_write_bytecode and not hasattr(config, "workerinput"):
        compileall.compile_dir(Path(trainwright.__file__).parent, quiet=2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: files are dealt out whole, and the last are quick, so that no process waits long for another."""
    slow = {each.path for each in items if each.get_closest_marker("slow")}
    items.sort(key=lambda each: each.path not in slow)


@pytest.fixture(autouse=True, scope="session")
def key_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Runs are signed with a key of the tests', here and in processes that tests start; not with that of whoever runs them."""
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("config"))


@pytest.fixture(autouse=True, scope="session")
def syncs_at_once() -> Iterator[None]:
    """A sync of a file returns at once: what a killed process wrote stays, and most of a small run would be waiting for the disk.

    Processes that are killed sync as ever; what is done where a sync fails is tested with syncs that fail.
    """
    sync = os.fsync
    os.fsync = lambda descriptor: os.fstat(descriptor) and None
    yield
    os.fsync = sync


def pytest_collection_finish() -> None:
    """What is there before the first test stays: no search for garbage walks millions of objects of libraries and of tests again."""
    gc.collect()
    gc.freeze()


OURS = ("TRAINWRIGHT_", "OMP_", "CUDA_", "CUBLAS_", "SLURM_", "RANK", "WORLD_SIZE", "LOCAL_RANK", "COLUMNS", "NO_COLOR")
"""Beginnings of variables that Trainwright reads or sets."""


def of_the_process() -> dict[str, Any]:
    """What the tests of one process share, and a run sets only while it lasts."""
    found: dict[str, Any] = {name: signal.getsignal(getattr(signal, name)) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")}
    found |= {"environment": {**os.environ}, "place": os.getcwd()}
    torch = sys.modules.get("torch")
    if torch is not None:
        found |= {"threads": torch.get_num_threads(), "dtype": torch.get_default_dtype(), "gradients": torch.is_grad_enabled()}
        found |= {"deterministic": torch.are_deterministic_algorithms_enabled(), "matmul": torch.get_float32_matmul_precision()}
        cudnn = torch.backends.cudnn
        found |= {"cudnn": (cudnn.deterministic, cudnn.benchmark, cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision)}
    return found


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Handlers of signals, the environment, the place and what torch computes with are after a test what they were before it."""
    before = of_the_process()
    yield
    after = of_the_process()
    left = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    one, other = left.pop("environment", ({}, {}))
    # a library that is imported may add variables of its own
    names = {name for name in other if name.startswith(OURS)} | one.keys() - {"PYTEST_CURRENT_TEST"}
    left |= {name: (one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)}
    assert not left, f"left behind, (before, after): {left}"


@pytest.fixture(autouse=True)
def parts_of_one_test_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a test registers by name, puts on the path and imports from its folder is gone after it."""
    before, modules, places = dict(PARTS), set(sys.modules), list(sys.path)
    yield
    sys.path[:] = places
    made = str(tmp_path_factory.getbasetemp())
    for name in [each for each in sys.modules if each not in modules and str(getattr(sys.modules[each], "__file__", "")).startswith(made)]:
        del sys.modules[name]  # files in a folder of the test, whose names another test may use too
    if before.keys() != PARTS.keys():
        PARTS.clear()
        PARTS.update(before)
        for name in [each for each in sys.modules if each.startswith("trainwright_file_") and each not in modules]:
            del sys.modules[name]  # so that the same file registers again when another test names it


@pytest.fixture(scope="session")
def sounds_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of packages with the domain of `examples/sounds`, installed as people install packages."""
    made = tmp_path_factory.mktemp("installed")
    shutil.copytree(Path(__file__).parents[1] / "examples/sounds", made / "source")  # an installer writes beside what it installs
    words = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(made / "site"), str(made / "source")]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True)
    return made / "site"


@pytest.fixture
def sounds_package(sounds_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same, for this process and those that it starts, for the length of a test."""
    monkeypatch.syspath_prepend(str(sounds_folder))
    forget()
    yield sounds_folder
    forget()


@pytest.fixture
def names_forgotten() -> Iterator[None]:
    """What files of a person's own register has no name afterwards."""
    from trainwright.config.own_parts import PARTS

    before = dict(PARTS)
    yield
    PARTS.clear()
    PARTS.update(before)
