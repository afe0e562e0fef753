"""A real Ray for tests: a cluster of one machine, in a process of its own that ends it with itself."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

PROGRAM = """
import logging, sys
import ray
quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
ray.init(address="local", num_cpus=2, object_store_memory=80 << 20, _temp_dir=sys.argv[1], **quiet)
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
ray.shutdown()
"""


@contextmanager
def ray_cluster() -> Iterator[str]:
    """The address of a cluster with two processors, for as long as the block lasts."""
    variables = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "PYTHONWARNINGS": "ignore"}
    with tempfile.TemporaryDirectory(prefix="tw-", dir="/tmp", ignore_cleanup_errors=True) as place:
        words = [sys.executable, "-c", PROGRAM, place]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(words, env=variables, text=True, **pipes)  # type: ignore[call-overload]
        try:
            address = process.stdout.readline().strip()
            assert address, "Ray did not start"
            yield address
        finally:
            process.stdin.close()
            process.wait(60)
