"""A file that may not be read is not damaged: each reader says that the permission is missing, and how it is given, and leaves the file."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fork_server import fork_server

NOBODY = 65534
RUN = ["run.json", "config.yaml"]
CHECKPOINT = ["manifest.json", "system.safetensors", "trainer.json"]
TABLE = ["model/model.json", "model/features.json", "model/model.safetensors"]


def make_runs(folder: Path) -> None:
    """A run of a model and one of a table, and files that a person may name."""
    import torch

    import trainwright as tw

    tw.fit(torch.nn.Linear(2, 2), (torch.randn(16, 2), torch.arange(16) % 2), loss="cross_entropy", max_steps=2, console=False,
           run_dir=folder / "run", evaluation={"report": False})  # fmt: skip
    few = {"importance": False, "intervals": False, "baselines": [], "report": False}
    tw.train("builtin:iris", target="target", trainer={"max_steps": 2}, evaluation=few, run_dir=folder / "table")
    for name in ("x.csv", "x.parquet", "x.arrow", "x.jsonl", "x.txt", "config.yaml", "net.py"):
        (folder / name).write_text("a,b\n1,2\n" if name != "config.yaml" else "run: {seed: 1}\n")
    for name in ("x.npy", "w.npz", "w.safetensors", "w.pt"):
        np.save(folder / name, np.zeros(3)) if name == "x.npy" else (folder / name).write_bytes(b"\x00" * 64)


def readers(folder: Path) -> dict[str, tuple[Path, Callable[[], Any]]]:
    """What is read → its file, and a call that reads it."""
    import torch

    import trainwright as tw
    from trainwright.api.compare import compare
    from trainwright.api.predictors.arrays import _of_file
    from trainwright.config.foreign import found_at
    from trainwright.config.loading import load_values
    from trainwright.data.datasets.tensors import read_tensors
    from trainwright.data.datasets.text import _read
    from trainwright.data.sources.opening import from_object
    from trainwright.tools.graph.model import graph
    from trainwright.weights.conversion import convert_weights

    def resumed() -> Any:
        return tw.fit(torch.nn.Linear(2, 2), (torch.randn(16, 2), torch.arange(16) % 2), loss="cross_entropy", max_steps=3,
                      console=False, run_dir=folder / "run", resume=True, evaluation={"report": False})  # fmt: skip

    def weights(path: Path) -> Callable[[], Any]:
        return lambda: tw.load_weights(torch.nn.Linear(2, 2), path)

    def embedding() -> Any:
        return graph([{"Embedding": {"weights": str(folder / "x.npy")}}])

    found: dict[str, tuple[Path, Callable[[], Any]]] = {f"resume {name}": (folder / "run" / name, resumed) for name in RUN}
    newest = max((folder / "run" / "checkpoints").glob("step-*"))
    found |= {f"resume {name}": (newest / name, resumed) for name in CHECKPOINT}
    found |= {f"weights of {name}": (newest / name, weights(newest)) for name in CHECKPOINT[:2]}
    found |= {f"load {name}": (folder / "table" / name, lambda: tw.load_predictor(folder / "table")) for name in TABLE}
    found["compare splits"] = folder / "table" / "splits.parquet", lambda: compare(folder / "table", folder / "table")
    found |= {f"source {name}": (folder / name, lambda name=name: from_object(str(folder / name)))  # type: ignore[misc]
              for name in ("x.csv", "x.parquet", "x.arrow", "x.jsonl")}  # fmt: skip
    found |= {f"weights {name}": (folder / name, weights(folder / name)) for name in ("x.npy", "w.npz", "w.safetensors")}
    found["convert"] = folder / "w.pt", lambda: convert_weights(folder / "w.pt", folder / "new.safetensors")
    found["tensors"] = folder / "w.npz", lambda: read_tensors(str(folder / "w.npz"))
    found["safetensors"] = folder / "w.safetensors", lambda: read_tensors(str(folder / "w.safetensors"))
    found["arrays"] = folder / "w.npz", lambda: _of_file(folder / "w.npz")
    found["text"] = folder / "x.txt", lambda: _read(str(folder / "x.txt"))
    found["embedding"] = folder / "x.npy", embedding
    found["config"] = folder / "config.yaml", lambda: load_values(folder / "config.yaml")
    found["code"] = folder / "net.py", lambda: found_at(f"{folder / 'net.py'}:Net")
    return found


def read_without_rights(folder: Path) -> None:
    """Every reader on its file, which nobody may read meanwhile, as somebody who is not root; and what it said."""
    root = os.geteuid() == 0
    os.chdir(folder)
    make_runs(folder)
    for _, call in readers(folder).values():  # once with all rights: what is imported at need is there then
        with contextlib.suppress(Exception):
            call()
    for each in (folder, *folder.rglob("*")):
        if root and not each.is_symlink():
            os.chown(each, NOBODY, NOBODY)
    said = {}
    for name, (path, call) in readers(folder).items():
        before, mode = path.read_bytes(), path.stat().st_mode
        path.chmod(0)
        if root:
            os.seteuid(NOBODY)
        try:
            call()
            said[name] = "nothing"
        except Exception as error:  # noqa: BLE001 (what is raised is what is looked at)
            said[name] = f"{type(error).__name__}: {error}" if hasattr(error, "fix") else "".join(traceback.format_exception(error))
        if root:
            os.seteuid(0)
        if not path.exists():
            said[name] += "; and the file is gone"
            continue
        path.chmod(mode)
        said[name] += "" if path.read_bytes() == before else "; and the file is another"
    (folder / "said.json").write_text(json.dumps(said))


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="rights are those of POSIX")
def test_every_reader_tells_a_missing_right_from_damage() -> None:
    with tempfile.TemporaryDirectory() as place:  # whose parents everybody may enter
        folder = Path(place)
        folder.chmod(0o777)
        process = fork_server().Process(target=read_without_rights, args=(folder,))
        process.start()
        process.join(120)
        assert process.exitcode == 0
        said = json.loads((folder / "said.json").read_text())
    wrong = {name: words for name, words in said.items() if not re.search("permission|may not be read", words, re.IGNORECASE)}
    wrong |= {name: words for name, words in said.items() if re.search("damaged|again|and the file|Traceback", words)}
    wrong |= {name: words for name, words in said.items() if "chmod -R u+rX" not in words}
    assert not wrong
    assert len(said) > 20
