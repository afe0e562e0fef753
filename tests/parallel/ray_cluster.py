"""A real Ray for tests: a cluster of two nodes that are both this machine, in a process of its own that ends it with itself."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = """
import os, sys
from ray._private.utils import get_ray_address_file
from ray.cluster_utils import Cluster

# Ray itself notes the address there, whatever the folder, and makes none on a machine where it never ran.
os.makedirs(os.path.dirname(get_ray_address_file(None)), exist_ok=True)

small = {"object_store_memory": 80 << 20, "include_dashboard": False, "temp_dir": sys.argv[1]}
small |= {"no_monitor": True, "include_log_monitor": False}  # neither grows the cluster nor shows what Ray's own processes say
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, **small})
cluster.add_node(num_cpus=1, **small)
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@contextmanager
def ray_cluster(temporary: Path | None = None) -> Iterator[str]:
    """The address of a cluster with two processors on one node and one on another, for as long as the block lasts.

    `temporary`: the folder for temporary files of what runs on it; that of this process where None.
    """
    variables = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "PYTHONWARNINGS": "ignore"}
    variables |= {"TMPDIR": str(temporary)} if temporary else {}
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
