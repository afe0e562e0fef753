"""Each type of block: drawn, refused in words, and never more than text and media of the run."""

from __future__ import annotations

import re
import wave
from pathlib import Path
from typing import Any

import pytest
import torch
from example_runs import EXAMPLES, HOSTILE, classification
from PIL import Image
from test_report import Checker
from torch import nn

import trainwright as tw
from trainwright.api.report import write_report
from trainwright.config.errors import ConfigError
from trainwright.domains.tables.blocks import table_parts
from trainwright.report.blocks import BLOCKS, CannotDraw, check, read
from trainwright.report.blocks.base import PAGE_BYTES, Sheet
from trainwright.runs.directory import RunDirectory

ROOT = Path(__file__).parents[2]
MODEL = tw.inspect(nn.Linear(3, 2)).to_dict()
GOOD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "table": (
        {"columns": ["name", {"name": "share", "format": "percent"}], "rows": [["a & b", 0.25], [{"text": "x", "style": "code"}, None]]},
        ["<table", "a &amp; b", "25\u202f%", "<code>", "–"],
    ),
    "lines": (
        {
            "lines": [{"name": "one", "x": [0, 1, 2], "y": [1, None, 3]}, {"name": "two", "x": [0], "y": [2.5]}],
            "mark": {"x": 1, "name": "here"},
        },
        ["M46.0", 'class="line c0"', 'class="dot c1"', "here"],
    ),
    "points": ({"x": [1, 2, None], "y": [3, 4, 5], "diagonal": True}, ['class="cloud few"', "diagonal", "h0"]),
    "bars": ({"bars": [{"name": "a", "value": 2}, {"name": "b", "value": -1, "low": -2, "high": 0}]}, ["chart bars", "range", "−1"]),
    "confusion": ({"matrix": [[3, 1], [0, 4]], "classes": ["no", "yes"]}, ["confusion", ">3<", "75\u202f%"]),
    "panels": (
        {
            "rows": [
                {
                    "title": name,
                    "caption": "AP 0.5",
                    "panels": [
                        {"matrix": [[5, 1], [2, 3]], "names": ["no", "yes"]},
                        {"lines": [{"name": "p", "x": [0, 1], "y": [1, 0]}], "level": 0.2, "diagonal": True, "mark": {"x": 0.5, "y": 0.5}},
                    ],
                }
                for name in ("AF & more", "PVC")
            ],
            "shown": 1,
        },
        ["AF &amp; more", "confusion small", "diagonal", 'class="best"', "<details><summary>Show 1 more", "PVC"],
    ),
    "images": ({"files": ["shots/a.png", {"file": "shots/a.png", "caption": "a view"}]}, ["data:image/png;base64,", "a view"]),
    "wall": (
        {"tiles": [{"file": "shots/a.png", "caption": "cat 0.9", "mark": "right"}, {"file": "shots/a.png"}], "columns": 2},
        ['class="wall"', "repeat(2,", "cat 0.9", 'class="right"'],
    ),
    "audio": ({"files": ["shots/a.wav"]}, ["<audio", "data:audio/wav;base64,"]),
    "traces": (
        {
            "seconds": 2.0,
            "paper": True,
            "traces": [{"name": "II", "unit": "mV", "scale": 0.001, "values": [0, 1000, None, 0], "shade": [0.0, 1.0]}],
            "heats": [{"levels": [[0, 255], [10, 20]], "labels": ["0", "1 kHz", "2 kHz"]}],
            "marks": [{"at": 0.5, "style": "peak"}, {"at": 1.0, "name": "V", "style": "strong"}],
            "sound": "shots/a.wav",
        },
        ['class="paper-bold"', ">II<", 'class="peak"', ">V<", 'class="shade"', "data:image/png;base64,", "<audio", "0.1 mV"],
    ),
    "text": ({"title": "Again", "text": "trainwright predict {run}", "code": "shell"}, ["<pre", "trainwright predict /"]),
    "model": ({"model": MODEL}, ["Layers of the model", "8 parameters"]),
}
WRONG: list[tuple[Any, str]] = [
    (3, "a block is a mapping with a type"),
    ({"type": "tabel"}, "did you mean 'table'?"),
    ({"type": "text"}, "text: Field required"),
    ({"type": "text", "text": "a", "titel": "b"}, "titel: did you mean 'title'?"),
    ({"type": "text", "text": {"text": "a", "style": "red"}}, "style"),
    ({"type": "table", "columns": ["a"], "rows": [[1, 2]]}, "rows.0 has 2 cells for 1 columns"),
    ({"type": "table", "columns": ["a"], "rows": [[True]]}, "rows.0.0"),
    ({"type": "lines", "lines": [{"x": [1, 2], "y": [1]}]}, "x has 2 numbers and y has 1"),
    ({"type": "lines", "lines": [{"x": ["1"], "y": [1]}]}, "lines.0.x.0"),
    ({"type": "points", "x": [1], "y": []}, "x has 1 numbers and y has 0"),
    ({"type": "bars"}, "bars, or edges and counts"),
    ({"type": "bars", "edges": [0, 1], "counts": [1, 2]}, "2 edges hold 1 counts, not 2"),
    ({"type": "confusion", "matrix": [[1, 2]], "classes": ["a"]}, "a row and a column for each class"),
    ({"type": "confusion", "matrix": [[-1]], "classes": ["a"]}, "matrix.0.0"),
    ({"type": "panels", "rows": [{"title": "a", "panels": []}]}, "rows.0.panels"),
    ({"type": "panels", "rows": [{"title": "a", "panels": [{}]}]}, "a panel has lines, or a matrix"),
    ({"type": "panels", "rows": [{"title": "a", "panels": [{"matrix": [[1]]}]}]}, "a name for each class"),
    ({"type": "images", "files": [3]}, "files.0"),
    ({"type": "wall", "tiles": ["shots/a.png"]}, "tiles.0"),
    ({"type": "audio", "files": "shots/a.wav", "why": 3}, "why"),
    ({"type": "traces", "traces": [{"values": [1]}]}, "seconds: Field required"),
    ({"type": "traces", "seconds": 0}, "seconds: Input should be greater than 0"),
    ({"type": "traces", "seconds": 1, "traces": [{"values": []}]}, "traces.0.values"),
    ({"type": "traces", "seconds": 1, "heats": [{"levels": [[1], [1, 2]]}]}, "the rows of levels are of one length"),
    ({"type": "traces", "seconds": 1, "heats": [{"levels": [[256]]}]}, "heats.0.levels.0.0"),
    ({"type": "traces", "seconds": 1, "shade": [1.5]}, "shade.0"),
    ({"type": "model", "model": []}, "model: Input should be a valid dictionary"),
]
NOT_DRAWN: list[tuple[dict[str, Any], str]] = [
    ({"type": "images", "files": ["../secret.png"]}, "is no path in the run"),
    ({"type": "images", "files": ["/etc/passwd.png"]}, "is no path in the run"),
    ({"type": "images", "files": ["shots/none.png"]}, "there is no file"),
    ({"type": "images", "files": ["shots/a.wav"]}, "is none of .png"),
    ({"type": "audio", "files": ["shots/a.png"]}, "is none of .wav"),
    ({"type": "images", "files": ["shots"]}, "is none of .png"),
    ({"type": "lines", "lines": [{"x": [None], "y": [1]}]}, "no line has a point"),
    ({"type": "lines", "lines": [{"x": [-1, 1], "y": [1, 1]}], "x_log": True}, "positive numbers only"),
    ({"type": "points", "x": [], "y": []}, "there is no point"),
    ({"type": "bars", "bars": [{"name": "a", "value": 0}], "layout": "shares"}, "every share is nothing"),
    ({"type": "panels", "rows": []}, "there is no row"),
    ({"type": "traces", "seconds": 1}, "there is no trace and no spectrum"),
    ({"type": "traces", "seconds": 1, "traces": [{"values": [1]}], "sound": "../shots/a.wav"}, "is no path in the run"),
    ({"type": "model", "model": {"format": 9}}, "the format is 9"),
]


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    made = classification(tmp_path / "run")
    media = made.path / "shots"
    media.mkdir()
    Image.new("RGB", (4, 4), (200, 0, 0)).save(media / "a.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "secret.png")
    with wave.open(str(media / "a.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(800))
    return made


def page_with(run: RunDirectory, *blocks: Any) -> str:
    run.write_json("analysis.json", {"format": 2, "about": "A run", "facts": [], "cautions": [], "blocks": list(blocks)})
    return write_report(run.path).read_text(encoding="utf-8")


def test_every_type_has_an_example_here() -> None:
    assert GOOD.keys() == BLOCKS.keys()
    refused = [each for each, _ in WRONG if isinstance(each, dict)] + [each for each, _ in NOT_DRAWN]
    assert set(BLOCKS) <= {each["type"] for each in refused}


@pytest.mark.parametrize("kind", GOOD)
def test_a_block_is_drawn_under_its_headings(run: RunDirectory, kind: str) -> None:
    block, said = GOOD[kind]
    page = page_with(run, {"type": kind, "section": "Mine & yours", "why": "Because.", "title": "A title", **block})
    assert all(each in page for each in said)
    assert "cannot be drawn" not in page
    text = Checker(page).text
    assert "Mine & yours" in text and "Because." in text and block.get("title", "A title") in text
    assert check([{"type": kind, **block}], "here") == [{"type": kind, **block}]


@pytest.mark.parametrize(("block", "why"), WRONG, ids=str)
def test_a_wrong_block_is_refused_when_written_and_told_when_read(run: RunDirectory, block: Any, why: str) -> None:
    with pytest.raises(ConfigError, match="cannot be drawn") as error:
        check([GOOD["text"][0] | {"type": "text"}, block], "Net.report_blocks")
    assert why in (error.value.why or "")
    assert "block 2" in str(error.value) and error.value.where == "Net.report_blocks" and "docs/report.md" in error.value.fix
    found = Checker(page_with(run, block, {"type": "text", "text": "the next one"}))
    assert "cannot be drawn" in found.text and why in found.text and "the next one" in found.text
    assert found.open == [] and found.problems == []


@pytest.mark.parametrize(("block", "why"), NOT_DRAWN, ids=str)
def test_what_cannot_be_drawn_says_why_and_costs_nothing_else(run: RunDirectory, block: dict[str, Any], why: str) -> None:
    with pytest.raises(CannotDraw, match=why):
        read(block).render(Sheet(run.path))
    page = page_with(run, block, {"type": "text", "text": "the next one"})
    found = Checker(page)
    assert why in found.text and "the next one" in found.text and found.open == []
    assert "data:image/png" not in page


def test_a_link_out_of_the_run_is_not_followed(run: RunDirectory, tmp_path: Path) -> None:
    (run.path / "shots/out.png").symlink_to(tmp_path / "secret.png")
    (run.path / "beside").symlink_to(tmp_path)
    for name in ("shots/out.png", "beside/secret.png"):
        with pytest.raises(CannotDraw, match="leads out of the run"):
            read({"type": "images", "files": [name]}).render(Sheet(run.path))


def test_nothing_in_a_block_becomes_markup(run: RunDirectory) -> None:
    evil = '</script><script>alert("x")</script><img src=x onerror=alert(1)>' + HOSTILE
    piece = {"text": evil, "style": "code", "limit": 400}
    place = {"section": evil, "why": evil, "group": evil, "title": evil, "caption": evil, "note": piece}
    blocks = [
        {"type": "table", "columns": [evil, {"name": piece}], "rows": [[evil, [evil, piece]]]},
        {"type": "lines", "lines": [{"name": evil, "x": [0, 1], "y": [0, 1], "value": 1}, {"name": evil, "x": [0, 1], "y": [1, 1]}]},
        {"type": "points", "x": [1], "y": [1], "sizes": [1], "labels": [evil], "x_label": evil},
        {"type": "bars", "bars": [{"name": evil, "value": 1, "text": piece}], "layout": "shares"},
        {"type": "confusion", "matrix": [[1]], "classes": [evil]},
        {"type": "images", "files": [{"file": evil, "caption": evil}]},
        {"type": "text", "text": evil, "code": "shell"},
        {"type": evil},
        {"type": "text", "text": 1, evil: evil},
    ]
    page = page_with(run, *[{**place, **each} for each in blocks])
    found = Checker(page)
    assert found.scripts == 2 and found.open == [] and found.problems == []
    assert "<img" not in page and "<script>alert" not in page
    assert len(found.ids) == len(set(found.ids))


def test_large_media_lie_beside_the_page_and_the_page_stays_small(run: RunDirectory) -> None:
    large = run.path / "media/very large.png"
    large.parent.mkdir()
    Image.effect_noise((1500, 1500), 90).save(large)
    for index in range(30):
        Image.effect_noise((950, 900), 90).save(run.path / f"media/view-{index}.png")
    files = [{"type": "images", "files": [f"media/view-{index}.png"]} for index in range(30)]
    page = page_with(run, {"type": "images", "files": ["media/very large.png"]}, *files)
    assert 'href="./media/very%20large.png"' in page and "too large to be shown here" in page
    assert (run.path / "report.html").stat().st_size <= PAGE_BYTES
    assert 8 < page.count("data:image/png;base64,") < 30
    assert 'href="./media/view-29.png"' in page


def test_more_text_than_a_page_holds_is_left_out_and_said(run: RunDirectory) -> None:
    row = ["x" * 390] * 60
    table = {"type": "table", "columns": [{"name": "", "limit": 400}] * 60, "rows": [row] * 200}
    page = page_with(run, *[table] * 5, {"type": "text", "text": "the last one"})
    assert (run.path / "report.html").stat().st_size <= PAGE_BYTES + 100_000
    assert "the page would be larger than 15 MB" in page and "the last one" in page


def test_the_blocks_that_are_made_for_tables_are_right(tmp_path: Path) -> None:
    for name, make in EXAMPLES.items():
        run = make(tmp_path / name)
        parts = table_parts(run.read_json("data.json") or {}, run.read_json("analysis.json") or {}, ["a", "b"], "trainwright train")
        blocks = [block for part in parts.values() for block in part()]
        assert check(blocks, name) and {"table", "bars", "text"} <= {each["type"] for each in blocks}


def test_blocks_under_a_heading_that_every_report_has_join_it(run: RunDirectory) -> None:
    page = page_with(run, {"type": "text", "section": "Training", "text": "joined"})
    assert page.count(">Training</h2>") == 1
    assert page.index(">Training</h2>") < page.index("joined") < page.index(">Asked and realised</h2>")


class Net(tw.System):
    given: Any = ()

    def build(self, spec: Any) -> None:
        self.line = nn.Linear(3, 1)

    def training_step(self, batch: Any, context: Any) -> torch.Tensor:
        return (self.line(batch["input"]) ** 2).mean()

    def report_blocks(self) -> Any:
        if isinstance(self.given, Exception):
            raise self.given
        return self.given or [
            {"type": "table", "section": "Weights", "columns": ["weight"], "rows": [[each] for each in self.line.weight[0]]}
        ]


def trained(place: Path, given: Any = ()) -> str:
    system = Net()
    system.given = given
    rows = {"input": torch.randn(32, 3)}
    tw.fit(system, rows, rows, max_steps=4, batch_size=8, run_dir=place, console=False)
    return write_report(place).read_text(encoding="utf-8")


def test_a_system_adds_blocks_of_its_own(tmp_path: Path) -> None:
    page = trained(tmp_path / "run")
    weights = page.partition(">Weights</h2>")[2].partition("</section>")[0]
    assert weights.count("<tr>") == 4
    text = Checker(page).text
    assert "Training Net" in text and "Metrics" in text and "Use it, repeat it" in text


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (RuntimeError("no such thing"), "RuntimeError: no such thing"),
        ("a text", "it gives a str"),
        ([{"type": "tabel"}], "did you mean 'table'?"),
    ],
)
def test_a_system_whose_blocks_are_wrong_finishes_its_run_and_is_told(tmp_path: Path, given: Any, why: str) -> None:
    page = trained(tmp_path / "run", given)
    assert RunDirectory.open(tmp_path / "run").status == "finished"
    text = Checker(page).text
    assert "Net.report_blocks" in text and why in text


def test_the_page_of_the_docs_names_every_field_of_every_type() -> None:
    page = (ROOT / "docs/report.md").read_text(encoding="utf-8")
    common = set(BLOCKS["text"].model_fields) - {"text", "code"}
    assert all(f"`{name}`" in page for name in common)
    for kind, block in BLOCKS.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{kind}` "))
        assert {name for name in block.model_fields if name not in common} == set(re.findall(r"`(\w+)`", row.split("|")[2])), kind
