"""The report as a file: well-formed, self-contained, complete, and hard to break."""

from __future__ import annotations

import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from example_runs import EXAMPLES, HOSTILE, classification
from hypothesis import given
from hypothesis import strategies as st

from trainwright.api.report import write_report
from trainwright.report.charts.axes import Axis, round_step
from trainwright.report.charts.lines import thin
from trainwright.report.figures import number, percent
from trainwright.report.markup import VOID, escape, join, tag
from trainwright.report.material import MEANING, gather
from trainwright.runs.directory import RunDirectory

SECTIONS = (
    "Metrics",
    "Training",
    "Where it errs",
    "What it looks at",
    "Worst rows",
    "Data",
    "Asked and realised",
    "Use it",
    "Environment",
    "Configuration",
)


class Checker(HTMLParser):
    """Finds tags that do not match, resources, scripts, ids, links, and pictures without a name."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.problems: list[str] = []
        self.scripts = 0
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        if name not in VOID:
            self.open.append(name)
        self.scripts += name == "script"
        for key, value in found.items():
            if key in ("src", "href", "data", "poster", "action", "srcset") and not (value or "").startswith(("#", "data:")):
                self.problems.append(f"<{name} {key}={value}>")
            if key.startswith("on"):
                self.problems.append(f"<{name} {key}>")
        if name in ("img", "iframe", "object", "base") or (name == "svg" and not (found.get("aria-label") or "").strip()):
            self.problems.append(f"<{name}> without a name or not wanted")
        self.ids += [found["id"]] if found.get("id") else []  # type: ignore[list-item]
        self.links += [found["href"]] if name == "a" else []  # type: ignore[list-item]

    def handle_startendtag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(name, attributes)
        if name not in VOID:
            self.open.pop()

    def handle_endtag(self, name: str) -> None:
        if not self.open or self.open.pop() != name:
            self.problems.append(f"</{name}> does not match")

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["script"], ["style"]):
            self.text += data


@pytest.mark.parametrize("make", EXAMPLES.values(), ids=EXAMPLES)
def test_a_report_is_well_formed_and_asks_for_nothing(tmp_path: Path, make: Callable[[Path], RunDirectory]) -> None:
    page = write_report(make(tmp_path / "run").path).read_text(encoding="utf-8")
    found = Checker(page)
    assert found.problems == []
    assert found.open == []
    assert found.scripts == 2
    assert len(found.ids) == len(set(found.ids))
    assert {link[1:] for link in found.links} <= set(found.ids)
    assert "url(" not in page and "@import" not in page and "fetch(" not in page
    assert "cannot be drawn" not in page


def test_a_report_shows_everything_a_run_has(tmp_path: Path) -> None:
    text = Checker(write_report(classification(tmp_path / "run").path).read_text(encoding="utf-8")).text
    for section in SECTIONS:
        assert section in text
    for said in (
        "0.826",
        "0.765 to 0.877",
        "boosting",
        "alive",
        "It was left out",
        "2 rows were left out",
        "Osén, Mr. Olaf Elon",
        "trainwright predict",
        "no improvement in 20",
    ):
        assert said in text


def test_nothing_in_the_data_becomes_markup(tmp_path: Path) -> None:
    page = write_report(EXAMPLES["hostile"](tmp_path / "run").path).read_text(encoding="utf-8")
    assert "<img" not in page and "<script>alert" not in page and "\x00" not in page and "\u202e" not in page
    assert escape(HOSTILE[:30]) in page


def test_five_hundred_columns_and_a_hundred_classes_stay_bounded_and_it_is_said(tmp_path: Path) -> None:
    path = write_report(EXAMPLES["hostile"](tmp_path / "run").path)
    assert path.stat().st_size < 600_000
    text = Checker(path.read_text(encoding="utf-8")).text
    assert "440 more columns are not shown" in text
    assert "the 12 weakest of 100" in text


FILES = ("data.json", "results.json", "analysis.json", "environment.json", "code.json", "metrics.csv", "config.yaml", "command.txt")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "content", [None, "", "{", "[]", '{"targets": 5, "metrics": [1], "columns": {"a": 1}, "importance": {"survived": [3]}}']
)
def test_a_missing_or_damaged_file_costs_its_part_and_not_the_report(tmp_path: Path, name: str, content: str | None) -> None:
    run = classification(tmp_path / "run")
    (run.path / name).unlink()
    if content is not None:
        (run.path / name).write_text(content)
    found = Checker(write_report(run.path).read_text(encoding="utf-8"))
    assert found.problems == [] and found.open == []
    said = name in MEANING and not (content or "").startswith('{"') and (name != "command.txt" or not content)
    assert not said or f"No {name}" in found.text


def test_a_damaged_line_of_the_metrics_is_said_and_a_last_one_that_was_cut_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = classification(tmp_path / "run")
    whole = run.metrics.read_bytes()
    lines = whole.splitlines(keepends=True)
    names = lines[0].decode().strip().split(",")
    run.metrics.write_bytes(whole[:-3])  # within the last number, which would be another one
    history = gather(run, {}).history
    assert len(history[names[0]]) == len(lines) - 2 and not caplog.records
    run.metrics.write_bytes(b"".join([lines[0], b"\xff" + lines[1], b"1,2\n", *lines[2:]]))
    history = gather(run, {}).history
    assert len(history[names[0]]) == len(lines) - 2
    assert f"2 of {len(lines)} lines are damaged" in caplog.text
    write_report(run.path)


def test_a_value_of_the_wrong_kind_costs_its_part_and_not_the_report(tmp_path: Path) -> None:
    run = classification(tmp_path / "run")
    analysis = run.read_json("analysis.json")
    analysis["targets"]["survived"]["confusion"] = [["a", "b"], ["c", "d"]]
    run.write_json("analysis.json", analysis)
    text = Checker(write_report(run.path).read_text(encoding="utf-8")).text
    assert "This part (confusion) cannot be drawn: matrix.0.0: Input should be a valid integer" in text
    assert "Worst rows" in text


def test_a_run_that_only_began_has_a_report_that_says_so(tmp_path: Path) -> None:
    with RunDirectory.create(str(tmp_path / "run"), "early") as run:
        run.status = "interrupted"
    text = Checker(write_report(run.path).read_text(encoding="utf-8")).text
    assert "no final numbers yet" in text
    assert "trainwright resume" in text


def test_a_report_is_drawn_in_a_moment(tmp_path: Path) -> None:
    run = classification(tmp_path / "run")
    write_report(run.path)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        write_report(run.path)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.25  # 20 ms on an idle machine


@given(st.text())
def test_escaped_text_holds_no_markup(text: str) -> None:
    safe = escape(text)
    assert not set("<>\"'\x00\u202e") & set(safe)
    assert Checker(tag("p", text, title=text)).problems == []


def test_content_may_nest_and_holes_are_nothing() -> None:
    assert join([None, "a<", [tag("b", 1), False]]) == "a&lt;<b>1</b>"


@given(st.floats(-1e12, 1e12), st.floats(0.001, 1e9))
def test_an_axis_places_its_ends_and_its_ticks_inside(low: float, width: float) -> None:
    axis = Axis(low, low + width, 10.0, 200.0)
    if axis.high > axis.low:
        assert axis.place(axis.low) == 10.0 and abs(axis.place(axis.high) - 200.0) < 1e-6
        assert all(low - round_step(width) <= tick <= axis.high + round_step(width) for tick in axis.ticks())
        assert len(axis.ticks()) <= 12


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=2000))
def test_thinning_a_line_keeps_its_ends_and_its_extremes(values: list[float]) -> None:
    points = [(float(index), value) for index, value in enumerate(values)]
    kept = thin(points, 100)
    assert kept[0] == points[0] and kept[-1] == points[-1]
    assert {min(values), max(values)} <= {value for _, value in kept}
    assert len(kept) <= 104 or len(kept) == len(points)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-1.5, "−1.500"),
        (1234567, "1\u202f234\u202f567"),
        (0.00001234, "1.23e−5"),
        (None, "–"),
        (float("nan"), "–"),
        (True, "–"),
        (99.99999, "100.00"),
    ],
)
def test_numbers_are_written_for_people(value: object, text: str) -> None:
    assert number(value) == text


def test_shares_never_claim_all_or_nothing_wrongly() -> None:
    assert percent(99_999, 100_000) == ">99.9\u202f%" and percent(1, 100_000) == "<0.1\u202f%" and percent(1, 1) == "100\u202f%"
