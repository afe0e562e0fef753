"""The Ray that a run uses: one that runs already, and is left running, or one of this run's own; and whether it can hold the workers."""

from __future__ import annotations

import importlib.util
import logging
import math
import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainwright.config.errors import ConfigError
from trainwright.parallel.launchers.on_ray.options import RayOptions
from trainwright.parallel.shares import cores

log = logging.getLogger("trainwright.launch")

SETTINGS = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.25",  # a worker that has ended is seen after that, not after 2 s
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # a rank works where the command was given
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_USAGE_STATS_ENABLED": "0",  # a cluster that we start reports to nobody
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_worker_niceness": "0",  # in a Ray of this run's own the ranks are as good as any process; Ray would give way to all others
}
"""Variables of Ray's for this run, where the person has set none of them."""
LONGEST = 40
"""Characters of a temporary folder beyond which the sockets in it have longer names than the system takes (107)."""
STORE, ROOM = 100 << 20, 64 << 20
"""Bytes that objects of Ray's may take at least, and beside what is sent."""
REACHED = 5.0
"""Seconds in which a cluster answers."""


@dataclass(frozen=True)
class Shares:
    """What the workers of a run take."""

    workers: int
    cpus: float
    gpus: float
    other: dict[str, float]

    def each(self) -> dict[str, float]:
        """What one takes, as Ray has it."""
        return {"CPU": self.cpus, **({"GPU": self.gpus} if self.gpus else {}), **self.other}


def import_ray() -> Any:
    """The package. Raises ConfigError where it is not installed, or cannot be imported."""
    if importlib.util.find_spec("ray") is None:
        fix = "pip install 'trainwright[ray]'; launch=local trains on this machine without it"
        raise ConfigError("Ray is not installed", where="launch.type", fix=fix)
    try:
        import ray
        import ray.cloudpickle
        import ray.train
    except Exception as error:
        fix = "pip install --force-reinstall 'trainwright[ray]'; launch=local trains on this machine without it"
        raise ConfigError("Ray cannot be imported", where="launch.type", why=f"{type(error).__name__}: {error}", fix=fix) from error
    return ray


@contextmanager
def ray_settings() -> Iterator[None]:
    """Ray's variables as this run wants them, for as long as it lasts."""
    before = {name: value for name, value in os.environ.items() if name.startswith("RAY_")}
    os.environ.update({name: value for name, value in SETTINGS.items() if name not in before})
    try:
        yield
    finally:
        for name in [each for each in os.environ if each.startswith("RAY_") and each not in before]:
            del os.environ[name]  # Ray sets some itself


@contextmanager
def open_cluster(options: RayOptions, sent: int = 0) -> Iterator[Any]:
    """Ray, connected to the cluster that the options name; `sent`: bytes that are to be sent. Raises ConfigError where there is none."""
    ray = import_ray()
    if ray.is_initialized():  # by the program that calls us, which goes on using it
        yield ray
        return
    with tempfile.TemporaryDirectory(prefix="tw-", dir=short_folder(), ignore_cleanup_errors=True) as own:
        try:
            connect(ray, options, own, sent)
            with nullcontext() if options.tee else without_ray_messages():
                yield ray
        finally:
            ray.shutdown()


@contextmanager
def without_ray_messages() -> Iterator[None]:
    """Keep what Ray says of workers that died out of sight: why they did is told once, in our words. Ray has no setting for it."""
    worker: Any = sys.modules.get("ray._private.worker")
    before = getattr(worker, "print_to_stdstream", None)
    if before is None:
        yield
        return
    worker.print_to_stdstream = lambda data, **_: log.debug("Ray: %s", data.get("lines"))
    try:
        yield
    finally:
        worker.print_to_stdstream = before


def short_folder() -> str | None:
    """Where a folder of Ray's has a path short enough for its sockets; None for the usual one."""
    usual = tempfile.gettempdir()
    return "/tmp" if len(usual) > LONGEST and os.access("/tmp", os.W_OK | os.X_OK) else None


def connect(ray: Any, options: RayOptions, own: str, sent: int = 0) -> None:
    """Connect to a cluster, or start one for this run whose files are in the folder `own`."""
    quiet = {"logging_level": logging.INFO if options.tee else logging.ERROR, "log_to_driver": options.tee}
    address = options.address
    said = os.environ.get("RAY_ADDRESS", "")
    if address == "auto" and said and said not in ("auto", "local"):
        address = said
    if address not in ("auto", "local"):
        where = "launch.address" if address == options.address else "environment: RAY_ADDRESS"
        ensure_reachable(address, where)
        _try_to_connect(ray, address, where, quiet)
        return
    if address == "auto" and (found := find_running(ray)):
        _try_to_connect(ray, found, "launch.address", quiet)
        return
    store = max(STORE, 2 * sent + ROOM)
    with without_address():
        ray.init(address="local", num_cpus=cores(), include_dashboard=False, object_store_memory=store, _temp_dir=own, **quiet)
    log.info("Ray %s is started for this run alone, with %d CPUs", ray.__version__, cores())


@contextmanager
def without_address() -> Iterator[None]:
    """RAY_ADDRESS out of sight, which would be taken before what is asked for."""
    before = os.environ.pop("RAY_ADDRESS", None)
    try:
        yield
    finally:
        if before is not None:
            os.environ["RAY_ADDRESS"] = before


def find_running(ray: Any) -> str:
    """The address of a cluster that runs on this machine, and answers; empty for none."""
    with suppress(Exception):  # what a killed Ray has left is none
        from ray._private import services

        found = services.find_bootstrap_address(None) or ""
        if found and _answers(found):
            return str(found)
    return ""


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=REACHED):
            return True
    except (OSError, ValueError):
        return False


def ensure_reachable(address: str, where: str) -> None:
    """Raise ConfigError where nothing answers at an address; Ray would try for a minute."""
    if _answers(address):
        return
    fix = "start one there: ray start --head --port 6379; or leave the address out, and the run has a Ray of its own"
    raise ConfigError(f"no Ray cluster answers at {address}", where=where, fix=fix)


def _try_to_connect(ray: Any, address: str, where: str, quiet: dict[str, Any]) -> None:
    try:
        ray._raylet.GcsClient(address=address)  # says at once what `init` would try for a while
        ray.init(address=address, **quiet)
    except Exception as error:
        raise _explain_refused(ray, address, where, error) from error


def _explain_refused(ray: Any, address: str, where: str, error: Exception) -> ConfigError:
    text = " ".join(str(error).split())
    if type(error).__name__ == "AuthenticationError":
        fix = (
            "set RAY_AUTH_MODE=token here, with the token of the cluster where Ray looks for it (~/.ray/auth_token, or RAY_AUTH_TOKEN_PATH)"
        )
        return ConfigError(f"the Ray cluster at {address} asks for a token", where=where, why=text[:160], fix=fix)
    if "ersion mismatch" in text:
        here = f"here: Ray {ray.__version__}, Python {platform.python_version()}"
        fix = "use the versions of the cluster in this environment, or the cluster's own environment"
        return ConfigError("the cluster runs other versions", where=where, why=f"{text[:300]}; {here}", fix=fix)
    fix = "look at `ray status` on that machine; launch.address=local gives the run a Ray of its own"
    return ConfigError(f"the Ray cluster at {address} cannot be joined", where=where, why=text[:300], fix=fix)


def choose_shares(ray: Any, options: RayOptions, device: str) -> Shares:
    """What the workers take of the cluster. Raises ConfigError for more than it has: Ray would wait for ever."""
    has, asked = ray.cluster_resources(), options.resources
    there = int(has.get("GPU", 0))
    gpus = asked.GPU if asked.GPU is not None else float(device.startswith("cuda") or (device == "auto" and there > 0))
    if device.startswith("cuda") and not gpus:
        fix = "leave it out, or run.device=cpu"
        raise ConfigError("run.device is cuda, and workers take no GPU", where="launch.resources.GPU", fix=fix)
    fitting = max(1, math.floor(there / gpus)) if gpus else 1
    workers = fitting if options.devices == "auto" else options.devices
    found = Shares(workers, asked.CPU or 1.0, gpus, dict(asked.other))
    for name, amount in found.each().items():
        _ensure_enough(name, amount, workers, has, ray)
    return found


def _ensure_enough(name: str, amount: float, workers: int, has: dict[str, float], ray: Any) -> None:
    total = has.get(name, 0.0)
    largest = max((each["Resources"].get(name, 0.0) for each in ray.nodes() if each["Alive"]), default=0.0)
    where = "launch.devices" if name in ("CPU", "GPU") else "launch.resources.other"
    said = f"the cluster has {total:g} {name}{'s' if total != 1 and name in ('CPU', 'GPU') else ''}"
    if amount > largest:
        why = f"{said}, no more than {largest:g} on one machine"
        fix = "run.device=cpu trains without" if name == "GPU" else f"ask for less: launch.resources.{name}={max(largest, 0.5):g}"
        raise ConfigError(f"each worker wants {amount:g} {name}, and no machine has it", where=where, why=why, fix=fix)
    fit = math.floor(total / amount + 1e-9)
    if workers > fit:
        why = f"{said}, of which each worker takes {amount:g}; Ray would wait for more for ever"
        less = "run.device=cpu" if name == "GPU" else f"launch.resources.{name}={total / workers:.2g}"
        raise ConfigError(f"{workers} workers do not fit", where=where, why=why, fix=f"launch.devices={fit}, or {less}")


def say_waiting(ray: Any, shares: Shares) -> None:
    """Say that others use what the workers are to have: they begin when it is free."""
    free = ray.available_resources()
    for name, amount in shares.each().items():
        wanted, there = amount * shares.workers, free.get(name, 0.0)
        if there + 1e-9 < wanted:
            log.warning("waiting for %g %s, of which %g are free: others use the cluster", wanted, name, there)


def remove_leftovers(token: str) -> None:
    """Remove the folders of ranks that were killed here."""
    for each in Path(tempfile.gettempdir()).glob(f"trainwright-ray-{token}-*"):
        shutil.rmtree(each, ignore_errors=True)
