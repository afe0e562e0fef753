"""In a notebook progress is one display, elsewhere lines."""

from __future__ import annotations

import io
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from engine_runs import config, rows, system

from trainwright.engine.callbacks.notebook import NotebookProgress, in_notebook
from trainwright.engine.callbacks.terminal import PlainProgress
from trainwright.engine.progress import progress
from trainwright.engine.trainer import Trainer

CELL = """
from pathlib import Path
import sys, tempfile
sys.path.insert(0, {tests!r})
from engine_runs import config, rows, system
from trainwright.engine.trainer import Trainer
trainer = Trainer(config(max_epochs=3), device="cpu")
result = trainer.fit(system(), rows(43), rows(20, seed=1), run=Path(tempfile.mkdtemp()))
"""


@pytest.fixture
def displayed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A stand-in for IPython in a kernel: what was displayed, newest last."""
    pages: list[str] = []
    shell = type("ZMQInteractiveShell", (), {})()
    handle = types.SimpleNamespace(update=pages.append)

    def display(page: str, display_id: bool) -> Any:
        pages.append(page)
        return handle

    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell, __spec__=None))
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(HTML=str, display=display))
    return pages


def trained(folder: Path, console: Any = True) -> None:
    Trainer(config(max_epochs=3), device="cpu", console=console).fit(system(), rows(43), rows(20, seed=1), run=folder)


def test_a_process_that_is_no_kernel_is_no_notebook() -> None:
    assert not in_notebook()
    assert isinstance(progress(), PlainProgress)


def test_a_terminal_of_ipython_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = type("TerminalInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell, __spec__=None))
    assert not in_notebook()


def test_the_display_has_a_row_per_evaluation_and_says_how_the_run_ended(
    displayed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(tmp_path)
    assert isinstance(progress(), NotebookProgress)
    last = displayed[-1]
    assert last.count("<tr>") == 1 + 3
    assert "<th>validation/loss</th>" in last
    assert "stopped at step 18 (max epochs)" in last
    assert "43 rows, 8 per step" in displayed[0]
    assert capsys.readouterr().out == ""


def test_a_stream_of_ones_own_gets_lines_in_a_notebook_too(displayed: list[str], tmp_path: Path) -> None:
    stream = io.StringIO()
    trained(tmp_path, console=stream)
    assert not displayed
    assert stream.getvalue().count("\n") == 1 + 2 + 3 + 1


def test_where_nothing_can_be_displayed_there_are_lines(
    displayed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "IPython.display", None)  # importing it fails
    trained(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 2 + 3 + 1
    assert lines[0].startswith("43 rows")


def test_what_is_shown_is_text_and_no_markup() -> None:
    shown = NotebookProgress(io.StringIO())
    shown._head = "<script>"
    assert "<script>" not in shown.page("a < b")


@pytest.mark.slow
def test_a_real_kernel_shows_one_display(tmp_path: Path) -> None:
    pytest.importorskip("ipykernel")
    manager = pytest.importorskip("jupyter_client.manager")
    kernel, client = manager.start_new_kernel(kernel_name="python3")
    try:
        outputs: list[dict[str, Any]] = []
        client.execute_interactive(CELL.format(tests=str(Path(__file__).parent)), timeout=120, output_hook=outputs.append)
        kinds = [each["msg_type"] for each in outputs]
        assert "error" not in kinds, outputs
        assert kinds.count("display_data") == 1
        assert "stream" not in kinds
        assert (
            "stopped at step 18"
            in [each for each in outputs if each["msg_type"] == "update_display_data"][-1]["content"]["data"]["text/html"]
        )
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)


def test_ipython_is_never_imported_for_it() -> None:
    program = "import sys; from trainwright.engine.progress import progress; progress(); print('IPython' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == "False"
