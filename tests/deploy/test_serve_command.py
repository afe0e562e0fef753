"""`trainwright serve` as a process: it says where it answers, ends by a signal when all is answered, and refuses before it listens."""

from __future__ import annotations

import http.client
import json
import os
import pickle
import re
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from made_models import ROW, write_model

from commands import command_process
from trainwright.api.predictors.kinds import load_predictor
from trainwright.cli.main import main
from trainwright.deploy.host.faults import FaultyRows
from trainwright.deploy.server.bodies import of_rows
from trainwright.deploy.server.run_backend import RunBackend

OWN = """
model: {type: graph, nodes: [{Linear: [4, 3]}]}
loss: cross_entropy
data: {type: table, path: "builtin:iris", target: target}
trainer: {max_steps: 2}
"""


@pytest.fixture
def served(tmp_path):
    """A server in a process of its own, and its port."""
    model, out = write_model(tmp_path / "well.onnx"), tmp_path / "out"
    out.touch()
    process = command_process(["serve", str(model), "--port", "0"], tmp_path, dict(os.environ), [out, tmp_path / "err"], syncs=False)
    process.start()
    until = time.monotonic() + 60
    while not (found := re.search(r"http://127.0.0.1:(\d+)", out.read_text())):
        assert time.monotonic() < until and process.is_alive(), (out.read_text(), (tmp_path / "err").read_text())
        time.sleep(0.02)
    yield process, int(found[1])
    process.kill()
    process.join()


def test_a_signal_lets_what_was_asked_be_answered_and_nothing_more(served):
    process, port = served
    content = json.dumps({"rows": [ROW]}).encode()
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    asked.putrequest("POST", "/predict")
    for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(content)))):
        asked.putheader(name, value)
    asked.endheaders()
    asked.send(content[:10])
    other = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    other.request("GET", "/health")
    assert other.getresponse().read()
    time.sleep(0.2)  # the head of the first has come in
    os.kill(process.pid, signal.SIGTERM)
    time.sleep(0.3)
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    asked.send(content[10:])
    answered = asked.getresponse()
    assert answered.status == 200 and json.loads(answered.read())["predictions"][0]["well_prediction"] == "yes"
    process.join(20)
    assert process.exitcode == 0


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="what runs is looked up in /proc")
def test_a_signal_while_a_run_is_exported_ends_the_export_and_removes_its_folder(own_run, tmp_path, request):
    printed = [tmp_path / "out", tmp_path / "err"]
    process = command_process(["serve", str(own_run), "--port", "0"], tmp_path, dict(os.environ), printed, syncs=False)
    process.start()
    request.addfinalizer(process.kill)
    until = time.monotonic() + 60
    while not (exports := [each for each in running() if f"export {own_run} " in each]):
        assert time.monotonic() < until and process.is_alive(), [each.read_text() for each in printed]
        time.sleep(0.02)
    folder = Path(re.search(r"-o (\S+)", exports[0])[1]).parent
    assert folder.is_dir()
    os.kill(process.pid, signal.SIGTERM)
    process.join(20)
    assert process.exitcode == 0 and not folder.exists() and not [each for each in running() if str(own_run) in each]


def running():
    """The command lines of every process."""
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            yield each.read_bytes().decode(errors="replace").replace("\0", " ")


def test_mistakes_are_told_before_it_listens(tmp_path, capsys):
    model = write_model(tmp_path / "well.onnx")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", str(model), "--port", str(port)]) == 2
    said = capsys.readouterr().err
    assert f"the port {port} is in use" in said and f"--port {port + 1}" in said
    for name in ("model.pt", "model.pkl", "model.pt2"):
        (tmp_path / name).write_bytes(pickle.dumps({"a": 1}))
        assert main(["serve", str(tmp_path / name)]) == 2
        assert "may execute what it holds" in capsys.readouterr().err
    assert main(["serve", str(tmp_path / "none")]) == 2 and "fix:" in capsys.readouterr().err
    assert main(["serve", str(model), "--max-rows", "0"]) == 2 and "--max-rows" in capsys.readouterr().err
    assert main(["serve", str(model), "--prot", "80"]) == 2 and "--port" in capsys.readouterr().err


@pytest.fixture(scope="module")
def own_run(tmp_path_factory):
    """A run of a system of one's own."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own.yaml").write_text(OWN)
    assert main(["train", str(folder / "own.yaml"), f"run.dir={folder / 'run'}"]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def own(own_run):
    """Its predictor."""
    return load_predictor(own_run)


def test_a_run_that_is_not_exported_answers_by_torch(own):
    backend = RunBackend(own, "own", "")
    rows = [{"input": [5.1, 3.5, 1.4, 0.2]}, {"input": [6.0, 3.0, 4.0, 1.5]}]
    asked = backend.read_json(of_rows(rows))
    found = backend.records(backend.run(asked.raw))
    expected = own.predict({"input": np.array([each["input"] for each in rows], np.float32)})
    (name,) = expected
    np.testing.assert_array_equal(np.array([each[name] for each in found], np.float32), expected[name])
    assert backend.schema()["inputs"][0]["shape"] == [4]


@pytest.mark.parametrize("given", [[1, 2, 3], "x", 3, [1, 2, 3, "x"], [[1, 2, 3, 4]], [1, 2, 3, float("inf")], [1, 2, 3, 1e39], None])
def test_a_block_of_another_shape_is_named(own, given):
    asked = RunBackend(own, "own", "").read_json(of_rows([{"input": [1, 2, 3, 4]}, {"input": given}]))
    assert [(each.column, each.row) for each in asked.faults] == [("input", 1)] and "shape (4)" in asked.faults[0].fix
    assert asked.raw["input"].tolist() == [[1, 2, 3, 4]]


def test_a_block_that_is_not_sent_is_named(own):
    with pytest.raises(FaultyRows, match="'input' is missing"):
        RunBackend(own, "own", "").read_json(of_rows([{"x": 1}]))
