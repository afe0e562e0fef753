"""Examples of recordings in a report: which rows, what is said of them, and that shading and peaks lie where they belong."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import trainwright as tw
from trainwright.cli.main import main
from trainwright.domains.facts import Rests
from trainwright.domains.signals.reading.write import write_record
from trainwright.domains.signals.viewing.pictures import Shade, given_picture, say_rests, window_of
from trainwright.domains.signals.viewing.report import describe_recordings
from trainwright.metrics.examples import choose_rows, losses_of, say_answer
from trainwright.metrics.outcome import Outcome

QUICK: dict[str, Any] = {
    "trainer": {"max_epochs": 4, "batch_size": 8},
    "evaluation": {"baselines": [], "importance": False, "intervals": False},
}


def words(pieces: list[Any]) -> str:
    return "".join(each["text"] if isinstance(each, dict) else str(each) for each in pieces)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run on records of two leads that say `late` where there is a wide bump in the last second of lead II."""
    folder = tmp_path_factory.mktemp("records")
    draws = np.random.default_rng(0)
    time, rows = np.arange(600) / 100, ["signal,labels"]
    beat = np.exp(-((time % 0.75 - 0.3) ** 2) / 0.0002)
    for number in range(48):
        values = np.stack([beat, 0.7 * beat]) + draws.normal(0, 0.02, (2, 600))
        late = number % 2
        values[1] += late * np.exp(-((time - 5.4) ** 2) / 0.02)
        write_record(folder, f"r{number}", values, 200 if number % 8 == 7 else 100, ["I", "II"])
        rows.append(f"r{number},{'late' if late else 'none'}" + (";early" if number % 5 == 0 else ""))
    (folder / "table.csv").write_text("\n".join(rows))
    columns = {"signal": {"type": "signal"}, "labels": {"type": "set", "delimiter": ";"}}
    config = {"data": {"source": {"type": "csv", "path": str(folder / "table.csv")}}, "targets": ["labels"], "columns": columns, **QUICK}
    return tw.train(config=config, run_dir=str(folder / "run"))


def blocks(run: Any, section: str) -> list[dict[str, Any]]:
    found = json.loads((Path(run.path) / "analysis.json").read_text())["blocks"]
    return [each for each in found if each.get("section") == section]


def test_a_report_has_examples_with_answers_peaks_and_shading(run: Any) -> None:
    found = blocks(run, "Examples")
    kinds = Counter(each["title"].partition(":")[0] for each in found)
    assert set(kinds) == {"Worst", "Typical", "Best"} and len(found) <= 7
    for each in found:
        assert [trace["name"] for trace in each["traces"]] == ["I", "II"] and each["paper"]
        peaks = [mark["at"] for mark in each["marks"] if mark["style"] == "peak"]
        assert len(peaks) >= 6 and np.diff(peaks).max() < 1.6
        assert "(from 0.50)" in words(each["caption"]) or "no label" in words(each["caption"])
        assert all(0 <= shade <= 1 for trace in each["traces"] for shade in trace["shade"])
        assert "integrated gradients" in each["note"]
    page = Path(run.report()).read_text()
    assert page.count('class="traces"') == len(found) and 'class="shade"' in page and len(page) < 3_000_000


def test_how_recordings_were_read_is_told_with_counts(run: Any) -> None:
    rows = {str(row[0] if isinstance(row[0], str) else row[0]["text"]): row[1] for row in blocks(run, "Recordings")[0]["rows"]}
    assert rows["recordings"] == 48 and rows["samples a second"] == 100
    assert rows["200 samples a second, resampled to 100"] == 6
    assert "I, II" in rows["leads"]["text"]


def test_the_labels_of_the_test_rows_stand_by_themselves_in_the_report(run: Any) -> None:
    panels = next(each for each in blocks(run, "Where it errs") if each["type"] == "panels")
    assert {row["title"] for row in panels["rows"]} <= {"late", "none", "early"}
    for row in panels["rows"]:
        matrix = row["panels"][0]["matrix"]
        assert sum(map(sum, matrix)) == int(re.search(r"of (\d+)", row["caption"])[1])  # type: ignore[index]


def test_view_shows_a_record_as_the_model_of_a_run_is_given_it(run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = Path(run.path).parent / "r7"
    assert main(["view", str(record), "--run", str(run.path), "-o", str(tmp_path / "v.html")]) == 0
    page = (tmp_path / "v.html").read_text()
    assert "processed" in page and "100 a second" in page and page.count('class="trace"') == 4
    assert main(["view", str(record), "--run", str(run.path), "--column", "signl", "-o", str(tmp_path / "w.html")]) == 2
    assert "signal" in capsys.readouterr().err and not (tmp_path / "w.html").exists()


def test_rows_are_chosen_by_what_they_are_off() -> None:
    truth = np.array([[1, 0], [0, 1], [0, 0], [1, 1], [1, 0], [0, 1], [1, 0], [0, 1], [1, 0], [0, 0]], bool)
    scores = np.where(truth, 0.9, 0.1).astype(float)
    scores[3], scores[5] = [0.1, 0.2], [0.9, 0.4]
    scores[0] = [0.999, 0.001]
    outcome = Outcome("set", truth, scores, ["AF", "PVC"])
    chosen = choose_rows(outcome)
    assert [place for kind, place in chosen if kind == "worst"][:2] == [3, 5]
    assert next(place for kind, place in chosen if kind == "best") == 0
    assert len({place for _, place in chosen}) == len(chosen)
    reference = -np.log(np.where(truth, scores, 1 - scores)).mean(axis=1)
    np.testing.assert_allclose(losses_of(outcome), reference, rtol=1e-12)


def test_labels_are_named_right_missed_and_wrong_with_their_thresholds() -> None:
    outcome = Outcome(
        "set", np.array([[1, 1, 0]], bool), np.array([[0.9, 0.2, 0.4]]), ["AF", "PVC", "STE"], threshold=np.array([0.5, 0.6, 0.3])
    )
    answer = say_answer(outcome, 0)
    assert words(answer.words) == "right AF 0.90 (from 0.50); missed PVC 0.20 (from 0.60); wrong STE 0.40 (from 0.30)"
    assert answer.output == "PVC"
    none = Outcome("set", np.zeros((1, 2), bool), np.full((1, 2), 0.1), ["AF", "PVC"])
    assert words(say_answer(none, 0).words) == "no label is true, none was given"
    one = Outcome("category", np.array([1]), np.array([[0.2, 0.3, 0.5]]), ["a", "b", "c"])
    assert words(say_answer(one, 0).words) == "b 0.30, taken for c 0.50" and say_answer(one, 0).output == "c"


def test_a_split_without_rows_or_with_scores_that_are_no_numbers_has_no_examples() -> None:
    assert choose_rows(Outcome("category", np.zeros(0, int), np.zeros((0, 3)))) == []
    assert choose_rows(Outcome("category", np.zeros(2, int), np.full((2, 3), np.nan))) == []
    assert [kind for kind, _ in choose_rows(Outcome("category", np.zeros(1, int), np.ones((1, 2)) / 2))] == ["worst"]


def rests(sizes: np.ndarray, first: int = 0) -> Rests:
    return Rests(sizes, sizes, first, "AF", 0.5)


@pytest.mark.parametrize(("steps", "rate"), [(100.0, 100.0), (50.0, 500.0), (25.0, 100.0)])
def test_shading_lies_where_the_answer_rests_whatever_the_rates_are(steps: float, rate: float) -> None:
    sizes = np.zeros((2, round(10 * steps)))
    sizes[1, round(7 * steps) : round(7.4 * steps)] = 1.0
    shade = Shade.of(rests(sizes), steps, rate, (2, round(10 * rate)))
    assert shade is not None
    flat, bump = (np.array(each) for each in shade.over(0.0, 10.0))
    assert not flat.any()
    times = (np.flatnonzero(bump > 0.5) + 0.5) / len(bump) * 10
    assert times.min() >= 6.9 and times.max() <= 7.5 and len(times) >= 6
    assert shade.middle() == pytest.approx(7.2, abs=0.9)


def test_a_spectrogram_is_summed_over_its_bands_and_a_crop_is_not_stretched_over_the_whole() -> None:
    sizes = np.zeros((1, 40, 101))
    sizes[0, 7, 50] = 1.0
    shade = Shade.of(rests(sizes), 100.0, 8000.0, (1, 8000))
    assert shade is not None
    drawn_at = np.flatnonzero(np.array(shade.over(0.0, 1.0)[0]) == 1.0)
    assert drawn_at.mean() == pytest.approx(100, abs=1.5) and len(drawn_at) <= 12
    assert Shade.of(rests(np.ones((1, 500))), 100.0, 100.0, (1, 1000)) is None
    feature = SimpleNamespace(spread=2.0, center=1.0, channels=["I"])
    drawn = given_picture(rests(np.ones((1, 500))), 100.0, feature)
    assert drawn["seconds"] == 5.0 and drawn["traces"][0]["name"] == "I"


def test_one_number_is_said_of_an_answer() -> None:
    """That of the caption: what a stretch alone is answered with, before calibration, is another one."""
    found = rests(np.ones((1, 500)))
    assert (
        say_rests(found, Shade.of(found, 100.0, 100.0, (1, 500))) == "Shaded is where the answer for 'AF' rests, by integrated gradients."
    )


def test_a_long_recording_is_shown_where_the_answer_rests() -> None:
    sizes = np.zeros((1, 60_000))
    sizes[0, 45_000:45_100] = 1.0
    shade = Shade.of(rests(sizes), 100.0, 100.0, (1, 60_000))
    first, count = window_of(60_000, 100.0, shade)
    assert count == 1000 and first <= 45_000 and first + count >= 45_100
    assert window_of(60_000, 100.0, None) == (0, 1000) and window_of(900, 100.0, None) == (0, 900)


def test_a_window_is_shaded_where_it_lies_in_the_whole_recording() -> None:
    sizes = np.zeros((2, 1000))
    sizes[:, 300:340] = 1.0
    shade = Shade.of(rests(sizes, first=4000), 100.0, 100.0, (2, 6000))
    assert shade is not None and shade.middle() == pytest.approx(43.2, abs=1.1)
    drawn = np.array(shade.over(38.0, 10.0)[0])
    times = 38 + (np.flatnonzero(drawn > 0.5) + 0.5) / len(drawn) * 10
    assert times.min() == pytest.approx(43.0, abs=0.1) and times.max() == pytest.approx(43.4, abs=0.1)


def test_of_a_long_recording_only_what_is_shown_is_read(tmp_path: Path) -> None:
    from trainwright.domains.signals.viewing.pictures import draw_example

    asked: list[tuple[int, int]] = []

    class Reader:
        def read_shape(self, path: str) -> tuple[int, int]:
            return 2, 86_400 * 250

        def read_piece(self, path: str, first: int, count: int) -> tuple[np.ndarray, tuple[int, int]]:
            asked.append((first, count))
            return np.zeros((2, count), np.float32), (2, 86_400 * 250)

    write_record(tmp_path, "day", np.zeros((2, 10)), 250, ["I", "II"])
    feature = SimpleNamespace(reader=Reader(), rate=250.0, channels=["I", "II"], kind="signal", path=lambda row, text: text, extras=dict)
    table = pa.table({"ecg": [str(tmp_path / "day")]})
    facts = SimpleNamespace(features={"ecg": feature}, rows=np.array([0]), read=lambda rows, columns: table, rests=None, folder=tmp_path)
    drawn = draw_example(facts, "ecg", 0, "labels", "", "x.wav")  # type: ignore[arg-type]
    assert asked == [(0, 2500)] and drawn is not None and drawn["seconds"] == 10.0


def test_durations_of_one_length_have_no_histogram_and_of_many_one() -> None:
    feature = SimpleNamespace(
        rate=100.0,
        channels=["II"],
        kind="signal",
        told=Counter(),
        unusable={3: "x.hea (it is empty)"},
        config=SimpleNamespace(unreadable="skip"),
    )
    facts = SimpleNamespace(of_type=lambda *_: ["ecg"], features={"ecg": feature}, lengths={"ecg": np.full(20, 1000)})
    (table,) = describe_recordings(facts)  # type: ignore[arg-type]
    assert ["seconds", "10 each"] in table["rows"] and table["rows"][-1][0] == "left out: row 4"
    facts.lengths = {"ecg": np.arange(0, 4000, 40)}
    table, bars = describe_recordings(facts)  # type: ignore[arg-type]
    assert sum(bars["counts"]) == 99 and ["taken as missing", 1] in table["rows"]
    assert bars["edges"][0] == pytest.approx(0.4) and bars["edges"][-1] == pytest.approx(39.6)


def test_the_sound_of_an_example_is_mono_and_small(tmp_path: Path) -> None:
    from trainwright.domains.signals.viewing.drawing import write_playable

    sound = np.stack([np.sin(np.arange(441_000) / 20), np.zeros(441_000)])
    name = write_playable(sound, 44_100, tmp_path, "examples/a.wav")
    assert (tmp_path / name).stat().st_size == 44 + 2 * 160_000
