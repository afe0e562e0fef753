"""What the pages say of parts and options is what the code says."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pages import ROOT, Block, blocks, is_own, pages, titled_before
from tables import write_tables

from trainwright.config.options import options_of
from trainwright.config.registry import KINDS, parts

SNIPPETS = [
    pytest.param(page, block, id=f"{page.relative_to(ROOT)}:{block.line}")
    for page in pages()
    for block in blocks(page)
    if block.kind in ("yaml", "yml") and block.skip is None
]

SHIPPED, NETWORKS = sorted((ROOT / "configs").rglob("*.yaml")), ROOT / "configs/networks"


@pytest.fixture(scope="module")
def generate():
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import generate
    finally:
        sys.path.pop(0)
    return generate


def test_every_kind_of_part_is_listed_on_a_page() -> None:
    everything = "".join(page.read_text() for page in pages())
    missing = [kind for kind in KINDS if f"<!-- parts: {kind} -->" not in everything]
    assert not missing


def test_a_table_names_every_part_and_every_option_of_its_kind(generate) -> None:
    for kind in KINDS:
        page = generate.parts_of(kind)
        for name, part in parts(kind).items():
            assert f"`{name}`" in page
            assert all(f"| `{option.path}` |" in page for option in options_of(part.config)), (kind, name)


def test_every_part_has_a_summary_and_every_option_a_meaning() -> None:
    bare = []
    for kind in KINDS:
        for name, part in parts(kind).items():
            bare += [f"{kind}.{name}"] if not part.summary else []
            bare += [f"{kind}.{name}.{option.path}" for option in options_of(part.config) if not option.meaning]
    assert not bare


def test_every_option_of_both_kinds_of_configuration_has_a_meaning() -> None:
    from trainwright.systems.run_config import Config

    assert not [option.path for option in options_of(Config) if not option.meaning]


def test_the_options_of_a_system_of_ones_own_are_listed(generate) -> None:
    page = generate.on_page_markdown((ROOT / "docs/reference/options.md").read_text())
    assert all(f"| `{name}` |" in page for name in ("imports", "parser", "arguments", "system", "targets"))


def test_no_marker_of_a_table_is_left_on_a_page(generate) -> None:
    for page in pages():
        text = generate.on_page_markdown(page.read_text())
        assert not generate.MARKER.search(text)


def completed(shown: dict[str, Any]) -> dict[str, Any]:
    """A configuration with what a page leaves out: a table and a target, or a model for a loss."""
    shown.pop("base", None)
    if "nodes" in shown:
        shown = {"model": {"type": "graph"} | shown}
    if is_own(shown):
        return shown if "system" in shown or "model" in shown else {"model": {"type": "graph", "nodes": ["ReLU"]}} | shown
    data = shown.pop("data", {})
    return {"data": data if "path" in data else {"source": "titanic.csv"} | data, "targets": ["survived"]} | shown


def has_form(path: str) -> bool:
    """Whether a configuration has the form of one; its columns are of a table that the page does not show whole."""
    from trainwright.config.errors import ManyErrors
    from trainwright.systems.run_config import read_config

    try:
        read_config(path)
    except ManyErrors as error:
        print(error)
        return False
    return True


@pytest.mark.usefixtures("names_forgotten")
@pytest.mark.parametrize(("page", "block"), SNIPPETS)
def test_every_configuration_that_is_shown_is_valid_unless_it_is_shown_as_wrong(
    page: Path, block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_tables(tmp_path)
    for each in titled_before(page, block):
        (tmp_path / each.title).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each.title).write_text(each.text)
    complete = completed(yaml.safe_load(block.text) or {})
    (tmp_path / "shown.yaml").write_text(yaml.safe_dump(complete))
    assert (0 if has_form("shown.yaml") else 2) == block.exit_code


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_configuration_names_its_schema(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (path.parent / first.partition("=")[2]).resolve() == ROOT / "trainwright.schema.json"


@pytest.mark.parametrize("path", [path for path in SHIPPED if path.parent != NETWORKS], ids=lambda path: path.name)
def test_every_shipped_configuration_of_a_run_is_valid(path: Path, tmp_path: Path) -> None:
    from trainwright.cli.main import main

    text = path.read_text()
    made = make_pictures if path.parent.name in ("images", "diffusion") else make_data
    given = [f"data.path={made(path.stem, tmp_path)}"] if "path: ???" in text else []
    given += ["columns.image.encoder.weights.source=weights.safetensors"] if "source: ???" in text else []
    assert main(["validate", str(path), *given]) == 0


def make_pictures(name: str, folder: Path) -> Path:
    """A few pictures of two classes, or with masks; the files of MNIST."""
    from PIL import Image

    if name == "mnist":
        (folder / "train-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, 4, 8, 8) + bytes(4 * 64))
        (folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, 4) + bytes([0, 1, 0, 1]))
        return folder
    for number in range(4):
        kinds = ("images", "masks") if name == "segmentation" else (f"class{number % 2}",)
        for kind in kinds:
            (folder / kind).mkdir(exist_ok=True)
            Image.new("L" if kind == "masks" else "RGB", (8, 8)).save(folder / kind / f"{number}.png")
    return folder


def make_data(name: str, folder: Path) -> Path:
    """A few recordings for a configuration that leaves open where its data are."""
    from trainwright.domains.signals.reading.write import write_annotations, write_record, write_sound

    if name in ("audio_events", "spoken_digits"):
        for file in ("rise/anna_1.wav", "fall/anna_1.wav") if name == "audio_events" else ("0_anna_1.wav", "1_anna_12.wav"):
            (folder / file).parent.mkdir(exist_ok=True)
            write_sound(folder / file, np.zeros((1, 800)), 8000)
    else:
        for number in range(100, 120):  # as many as a label has to have
            write_record(folder, str(number), np.ones((2, 3600)), 360, ["I", "II"], comments=["Dx: 426783006"])
            write_annotations(folder, str(number), range(400, 3600, 400), "NNNNNNVN")
    return folder


@pytest.mark.parametrize("path", [path for path in SHIPPED if path.parent == NETWORKS], ids=lambda path: path.name)
def test_every_shipped_network_is_a_model_alone_and_valid_as_the_base_of_a_run(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainwright.cli.main import main
    from trainwright.tools.graph import Graph

    monkeypatch.chdir(tmp_path)
    written = yaml.safe_load(path.read_text())
    assert list(written) == ["model"]
    Path("model.yaml").write_text(yaml.safe_dump(written["model"] | {"device": "meta"}))
    assert all(each.is_meta for each in Graph.from_yaml(Path("model.yaml")).parameters())
    Path("rows.py").write_text("class Rows:\n    def __len__(self):\n        return 1\n")
    Path("run.yaml").write_text(yaml.safe_dump({"base": str(path), "loss": "mse", "data": {"type": "./rows.py:Rows"}}))
    assert main(["validate", "run.yaml"]) == 0


@pytest.mark.slow
def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert result.returncode == 0, result.stdout + result.stderr
    page = (tmp_path / "site/models/index.html").read_text()
    assert "encoder-piecewise-linear" in page
    assert "fonts.googleapis" not in page


def test_the_table_of_targets_states_the_defaults() -> None:
    from trainwright.domains.tables import COLUMNS
    from trainwright.metrics import default_metrics

    stated = [line for line in (ROOT / "docs/features.md").read_text().splitlines() if line.count("|") == 4 and line.startswith("| `")]
    true = []
    for kind, usual in ((name, each) for name, each in COLUMNS.items() if each.loss):
        metrics = ", ".join(f"`{metric.type}`" for metric in default_metrics(kind))
        true.append(f"| `{kind}` | `{usual.loss}` | {metrics} |")
    assert sorted(stated) == sorted(true)


def test_every_part_and_option_is_described_without_torch() -> None:
    program = (
        "import sys; sys.path.insert(0, 'docs'); import generate\n"
        "from trainwright.config.registry import KINDS\n"
        "print(sum(len(generate.parts_of(kind)) for kind in KINDS) > 10_000, 'torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["True", "False"]
