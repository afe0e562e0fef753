"""What there is of Ray, for `trainwright doctor --cluster`."""

from __future__ import annotations

import logging
import os
import platform
from typing import Any

from trainwright.config.errors import ConfigError
from trainwright.parallel.launchers.on_ray.cluster import connect, find_running, import_ray, ray_settings
from trainwright.parallel.launchers.on_ray.options import RayOptions
from trainwright.runs.doctor import Finding

ALONE = "none runs here; launch=ray starts one for its run alone, launch.address=HOST:6379 names one"


def ray_findings() -> list[Finding]:
    """Version, the cluster that launch=ray would use, and what that has; one line where Ray is not here."""
    try:
        ray = import_ray()
    except ConfigError as error:
        return [Finding("cluster", "Ray", error.what + (f": {error.why}" if error.why else ""), "note", error.fix)]
    found = [Finding("cluster", "Ray", f"{ray.__version__}, Python {platform.python_version()}")]
    address = os.environ.get("RAY_ADDRESS", "") or find_running(ray)
    return [*found, *(_cluster_findings(ray, address) if address else [Finding("cluster", "Ray cluster", ALONE, "note")])]


def _cluster_findings(ray: Any, address: str) -> list[Finding]:
    """What a cluster has, or why it cannot be joined: it does not answer, or has other versions."""
    logging.getLogger("ray").setLevel(logging.ERROR)
    with ray_settings():
        try:
            connect(ray, RayOptions(address=address) if ":" in address else RayOptions(), "")
        except ConfigError as error:
            return [Finding("cluster", "Ray cluster", f"{error.what}{': ' + error.why if error.why else ''}", "note", error.fix)]
        try:
            has, free = ray.cluster_resources(), ray.available_resources()
            nodes = sum(bool(each["Alive"]) for each in ray.nodes())
        finally:
            ray.shutdown()
    shown = [f"{has.get(name, 0):g} {name}s ({free.get(name, 0):g} free)" for name in ("CPU", "GPU")]
    return [Finding("cluster", "Ray cluster", f"{address}: {nodes} node{'s' if nodes > 1 else ''}, {', '.join(shown)}")]
