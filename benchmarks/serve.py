"""Requests of single rows by 8 clients: `trainwright serve` beside a bare handler of FastAPI that calls the run's model.

    python -m benchmarks.serve [--rounds 5] [--seconds 4] [--requests 0] [--run RUN --model MODEL.onnx]

Without --run a run is trained on made rows (10 numbers, 4 categories) and exported. All servers listen all the time, on the same cores as
the clients, which ask one after the other, round after round; the ratio is of neighbouring rounds. The bare handlers are the shortest that
somebody writes, `run.predict(rows)`, and what a careful hand can do: one that fills the tensors itself and calls the network. With
--requests N the server is asked N times afterwards, and its memory before and after is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CLIENTS = 8
BARE = """
import sys
import uvicorn
from fastapi import FastAPI
import torch
import trainwright as tw

torch.set_num_threads(1)
app, run = FastAPI(), tw.load_predictor(sys.argv[1])


@app.post("/predict")
def predict(rows: list[dict]):
    return run.predict(rows)


uvicorn.run(app, port=int(sys.argv[2]), log_level="error")
"""
BY_HAND = """
import sys
import uvicorn
from fastapi import FastAPI
import torch
import trainwright as tw

torch.set_num_threads(1)
app, deliverable = FastAPI(), tw.load_predictor(sys.argv[1]).deliverable()
module, names = deliverable.module, [each.name for each in deliverable.inputs]
tables = {name: each.exact for name, each in deliverable.tables.items()}


@app.post("/predict")
def predict(rows: list[dict]):
    tensors = {
        name: torch.tensor([tables[name].get(row[name], -2) for row in rows])
        if name in tables
        else torch.tensor([row[name] for row in rows], dtype=torch.float64)
        for name in names
    }
    with torch.inference_mode():
        return {name: each.tolist() for name, each in module(tensors).items()}


uvicorn.run(app, port=int(sys.argv[2]), log_level="error")
"""


class Client(asyncio.Protocol):
    """Asks again as soon as it is answered, over one connection, and notes how long each answer took."""

    def __init__(self, requests: Iterator[bytes], until: float, most: int) -> None:
        self.requests, self.until, self.most = requests, until, most
        self.took: list[float] = []
        self.failed = 0
        self.received = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        self.asked = time.perf_counter()
        self.transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]):
            return
        self.took.append(time.perf_counter() - self.asked)
        self.failed += not head.startswith(b"HTTP/1.1 200")
        self.received = b""
        if self.asked > self.until or len(self.took) >= self.most:
            self.transport.close()
            self.done.set_result(None)
        else:
            self._ask()


async def ask(port: int, requests: list[bytes], seconds: float, most: int = sys.maxsize) -> tuple[float, list[float], int]:
    """Requests a second, how long each took, and how many were not answered with 200."""
    loop, start = asyncio.get_running_loop(), time.perf_counter()
    clients = [
        (await loop.create_connection(lambda: Client(itertools.cycle(requests), start + seconds, most // CLIENTS), "127.0.0.1", port))[1]
        for _ in range(CLIENTS)
    ]
    await asyncio.gather(*(each.done for each in clients))
    took = [one for each in clients for one in each.took]
    return len(took) / (time.perf_counter() - start), took, sum(each.failed for each in clients)


def requests_of(rows: list[dict[str, Any]], wrap: bool, port: int) -> list[bytes]:
    """A request for each row."""
    found = []
    for row in rows:
        body = json.dumps({"rows": [row]} if wrap else [row]).encode()
        head = f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        found.append(head.encode() + body)
    return found


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


@contextmanager
def server(words: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a process of its own, once it listens."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, *words], env=environment, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None:
                raise SystemExit(f"the server ended: {words}")
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(60)


def make_run(folder: Path) -> tuple[Path, Path, list[dict[str, Any]]]:
    """A run on made rows, the model that it is exported to, and rows to ask."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv

    from trainwright.cli.main import main

    draws = np.random.default_rng(0)
    columns: dict[str, Any] = {f"x{each}": draws.normal(size=4000).round(3) for each in range(10)}
    columns |= {f"c{each}": draws.choice(["red", "green", "blue", "gray"], 4000) for each in range(4)}
    columns["y"] = np.where(columns["x0"] + (columns["c0"] == "red") > 0, "yes", "no")
    pa.csv.write_csv(pa.table(columns), folder / "rows.csv")
    run, model = folder / "run", folder / "model.onnx"
    quick = ["evaluation.baselines=[]", "evaluation.report=false", "evaluation.importance=false", "evaluation.intervals=false"]
    assert main(["train", str(folder / "rows.csv"), "--target", "y", f"run.dir={run}", "trainer.max_epochs=2", *quick]) == 0
    assert main(["export", str(run), "--to", "onnx", "-o", str(model)]) == 0
    rows = pa.table({name: each for name, each in columns.items() if name != "y"}).slice(0, 500).to_pylist()
    return run, model, rows


def memory(process: int) -> float:
    """MiB of a process that are in memory."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(each for each in lines if each.startswith("VmRSS")).split()[1]) / 1024


def processor(process: int) -> float:
    """Seconds of the processor that a process has taken."""
    taken = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, taken)) / os.sysconf("SC_CLK_TCK")


def quantile(values: list[float], share: float) -> float:
    """In milliseconds."""
    return sorted(values)[int(share * (len(values) - 1))] * 1e3


def main() -> None:
    """Print requests a second of each, quantiles of their times, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--requests", type=int, default=0)
    parser.add_argument("--run", default="")
    parser.add_argument("--model", default="")
    parser.add_argument("--rows", default="", help="a JSON file with a list of rows")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if given.run:
            run, model, rows = Path(given.run), Path(given.model), json.loads(Path(given.rows).read_text())
        else:
            run, model, rows = make_run(folder)
        measure(folder, run, model, rows, given)


def measure(folder: Path, run: Path, model: Path, rows: list[dict[str, Any]], given: Any) -> None:
    """Ask the servers in turns; then ours alone, as often as is wanted."""
    ports = {name: free_port() for name in ("serve", "bare", "by hand")}
    for name, code in (("bare", BARE), ("by hand", BY_HAND)):
        (folder / f"{name.replace(' ', '_')}.py").write_text(code)
    asked = {name: requests_of(rows, name == "serve", port) for name, port in ports.items()}
    with server(["-m", "trainwright", "serve", str(model), "--port", str(ports["serve"])], ports["serve"]) as ours:
        if given.rounds:
            with (
                server([str(folder / "bare.py"), str(run), str(ports["bare"])], ports["bare"]) as bare,
                server([str(folder / "by_hand.py"), str(run), str(ports["by hand"])], ports["by hand"]) as by_hand,
            ):
                compare(ports, {"serve": ours.pid, "bare": bare.pid, "by hand": by_hand.pid}, asked, given)
        if given.requests:
            asyncio.run(ask(ports["serve"], asked["serve"], 1e9, 20_000))
            before = memory(ours.pid)
            rate, times, failed = asyncio.run(ask(ports["serve"], asked["serve"], 1e9, given.requests))
            grown = f"{before:.1f} MiB before, {memory(ours.pid):.1f} after"
            print(f"{len(times):,} requests, {rate:.0f} a second, {failed} failed: {grown}")


def compare(ports: dict[str, int], processes: dict[str, int], asked: dict[str, list[bytes]], given: Any) -> None:
    """Print what each server answers a second, how long it takes, and the ratios of neighbouring rounds."""
    rates: dict[str, list[float]] = {name: [] for name in ports}
    took: dict[str, list[float]] = {name: [] for name in ports}
    busy = dict.fromkeys(ports, 0.0)
    for name, port in ports.items():
        asyncio.run(ask(port, asked[name], 1.0))
    for _ in range(given.rounds):
        for name, port in ports.items():
            before = processor(processes[name])
            rate, times, failed = asyncio.run(ask(port, asked[name], given.seconds))
            busy[name] += processor(processes[name]) - before
            if failed:
                raise SystemExit(f"{name}: {failed} requests failed")
            rates[name].append(rate)
            took[name] += times
    for name in ports:
        quantiles = ", ".join(f"p{share * 100:.0f} {quantile(took[name], share):.2f}" for share in (0.5, 0.95, 0.99))
        each = busy[name] / len(took[name]) * 1e6
        print(f"{name:8} {statistics.median(rates[name]):7.0f} requests/s, {each:5.0f} µs of the processor each; ms: {quantiles}")
    for name in ("bare", "by hand"):
        ratios = [one / other for one, other in zip(rates["serve"], rates[name], strict=True)]
        print(f"serve / {name}: {statistics.median(ratios):.2f} (of {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
