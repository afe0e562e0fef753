"""From a table to a server in one go: trained, exported, served, and asked once, whose answer is compared with that of the run.

    python -m benchmarks.demo_serve [--folder made-serve] [--stay]

With `--stay` the server is left running, and its page is at the address that is printed.
"""

from __future__ import annotations

import argparse
import json
import math
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import trainwright as tw
from benchmarks.made_folder import make_anew

READY = 60
"""Seconds until the server is ready at the latest."""


def say(words: list[str]) -> None:
    print(f"\n$ trainwright {' '.join(words)}", flush=True)


def command(*words: str) -> None:
    """Run a command of Trainwright to its end."""
    say([*words])
    subprocess.run([sys.executable, "-m", "trainwright", *words], check=True)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_until_ready(server: subprocess.Popen, address: str) -> float:
    """Seconds until `/ready` says yes."""
    began = time.monotonic()
    while time.monotonic() - began < READY and server.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/ready", timeout=5).close()
            return time.monotonic() - began
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise SystemExit("the server did not become ready")


def post(address: str, rows: list[dict[str, Any]]) -> Any:
    body = json.dumps({"rows": rows}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def largest_difference(served: dict[str, Any], of_run: dict[str, Any]) -> float:
    """Over the numbers of a row; infinite where a key, or a value that is no number, differs."""
    if list(served) != list(of_run):
        return math.inf
    numbers = [abs(each - of_run[name]) for name, each in served.items() if isinstance(each, float)]
    same = all(each == of_run[name] for name, each in served.items() if not isinstance(each, float))
    return max(numbers, default=0.0) if same else math.inf


def main() -> int:
    """Exit code 1 where the answer differs from the run's by more than 1e-5."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demo_serve", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("made-serve"))
    parser.add_argument("--stay", action="store_true", help="leave the server running")
    asked = parser.parse_args()
    make_anew(asked.folder)
    run, model = asked.folder / "run", asked.folder / "model"
    command("train", "builtin:wine", "--target", "target", "trainer.max_epochs=20", f"run.dir={run}")
    command("export", str(run), "--to", "onnx", "-o", str(model))
    port = free_port()
    address, words = f"http://127.0.0.1:{port}", ["serve", str(model / "model.onnx"), "--port", str(port)]
    say(words)
    server = subprocess.Popen([sys.executable, "-m", "trainwright", *words])
    try:
        print(f"ready after {wait_until_ready(server, address):.1f} s", flush=True)
        return ask_once(address, run, server if asked.stay else None)
    finally:
        server.terminate()
        server.wait(30)


def ask_once(address: str, run: Path, stay: subprocess.Popen | None) -> int:
    """One row to the server and to the run."""
    trained = tw.load(run)
    row = wine_row(trained)
    served = post(f"{address}/predict", [row])["predictions"][0]
    difference = largest_difference(served, trained.predict([row])[0])
    print(f"\nasked    {json.dumps(row)}\nanswered {json.dumps(served)}", flush=True)
    print(f"largest difference to the run itself: {difference:.1e}", flush=True)
    if stay is not None:
        print(f"\nthe page: {address}/ (Ctrl-C ends it)", flush=True)
        stay.wait()
    return int(not difference <= 1e-5)


def wine_row(trained: Any) -> dict[str, Any]:
    """The first wine of the set, by the columns that the run takes."""
    from sklearn.datasets import load_wine

    found = load_wine(as_frame=True).frame
    return {name: float(found[name].iloc[0]) for name in found.columns if name != "target"}


if __name__ == "__main__":
    sys.exit(main())
