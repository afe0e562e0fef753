"""The scores of the challenges are those of their own code, in batches over two ranks too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainwright.config.errors import ConfigError
from trainwright.domains.signals.metrics.weight_table import read_table
from trainwright.metrics import Outcome, compute_one, from_label, options
from trainwright.metrics.batch_outcome import BatchOutcome
from trainwright.metrics.target import TargetMetrics

GOLDEN = json.loads((Path(__file__).parent / "golden" / "challenge_2021.json").read_text())
CODES: list[str] = GOLDEN["class_codes"]
LABELS = np.array(GOLDEN["labels"], bool)
SCALARS = np.array(GOLDEN["scalar_outputs"])
MADE = np.array(GOLDEN["binary_outputs_made_up"], bool)
SINUS: int = GOLDEN["sinus_index"]
SINUS_ONLY = np.arange(26)[None].repeat(40, 0) == SINUS
DECISIONS = {
    "made_up": MADE,
    "perfect": LABELS,
    "nothing": np.zeros_like(LABELS),
    "everything": np.ones_like(LABELS),
    "only_sinus": SINUS_ONLY,
}


def score(labels: Any, decided: Any, classes: list[str] = CODES, **given: Any) -> float:
    """The challenge score of decisions."""
    return compute_one(Outcome("set", np.asarray(labels, bool), np.asarray(decided, float), classes), options("challenge_score", **given))


def by_loops(labels: np.ndarray, decided: np.ndarray) -> float:
    """The challenge score by its definition, recording by recording and pair by pair."""
    weights = read_table("2021", "426783006").weights

    def total(outputs: np.ndarray) -> float:
        found = 0.0
        for true, given in zip(labels, outputs, strict=True):
            either = max(int((true | given).sum()), 1)
            found += sum(weights[j, k] / either for j in np.flatnonzero(true) for k in np.flatnonzero(given))
        return found

    observed, correct, inactive = (total(each) for each in (decided, labels, np.arange(26)[None].repeat(len(labels), 0) == SINUS))
    return (observed - inactive) / (correct - inactive)


def picked(*places: int) -> np.ndarray:
    """One row with these classes."""
    return np.isin(np.arange(26), places)[None]


@pytest.mark.parametrize("name", DECISIONS)
def test_the_challenge_score_is_the_official_one_in_one_piece_and_from_two_ranks(name: str) -> None:
    expected, decided = GOLDEN["scores"][name]["challenge_metric"], DECISIONS[name]
    assert score(LABELS, decided) == pytest.approx(expected, abs=1e-9)
    read = lambda outputs: BatchOutcome("set", outputs["truth"], outputs["scores"])  # noqa: E731
    ranks = [TargetMetrics([from_label("challenge_score")], read, CODES, "set") for _ in range(2)]
    for place, start in enumerate(range(0, 40, 7)):
        piece = slice(start, start + 7)
        ranks[place % 2].update({"truth": torch.tensor(LABELS[piece]), "scores": torch.tensor(decided[piece].astype(float))})
    ranks[0].merge([ranks[1]])
    assert ranks[0].compute()["challenge_score"] == pytest.approx(expected, abs=1e-9)
    assert ranks[0].holds == "sums and counts"


def test_single_records_score_as_the_official_code_has_it() -> None:
    at = {name: CODES.index(code) for name, code in {"af": "164889003", "afl": "164890007"}.items()}
    assert score(picked(at["af"]), picked(at["afl"])) == pytest.approx(0.142857, abs=1e-6)
    assert score(picked(at["af"]), picked(at["af"], at["afl"])) == pytest.approx(0.714286, abs=1e-6)
    assert score(picked(at["af"]), picked()) == pytest.approx(-0.142857, abs=1e-6)
    assert score(picked(at["af"]), picked(*range(26))) == pytest.approx(0.317033, abs=1e-6)
    assert score(picked(SINUS), picked(SINUS)) == 0.0


def test_the_seeded_case_is_the_official_one() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random((200, 26)) < 0.08
    scores = rng.random((200, 26)) + 0.4 * labels
    decided = scores >= 0.9
    assert score(labels, decided) == pytest.approx(by_loops(labels, decided), abs=1e-12)
    assert score(labels, decided) == pytest.approx(0.41573588, abs=5e-9)
    ranked = Outcome("set", labels, scores, CODES)
    assert compute_one(ranked, "roc_auc") == pytest.approx(0.8170208348, abs=1e-9)
    assert compute_one(ranked, "average_precision") == pytest.approx(0.5240760078, abs=1e-9)


def test_the_official_areas_and_f_measure_are_those_of_the_metrics_of_that_name() -> None:
    ranked = Outcome("set", LABELS, SCALARS, CODES)
    assert compute_one(ranked, "roc_auc") == pytest.approx(GOLDEN["auroc_macro"], abs=1e-9)
    assert compute_one(ranked, "average_precision") == pytest.approx(GOLDEN["auprc_macro"], abs=1e-9)
    for name, decided in DECISIONS.items():
        found = compute_one(Outcome("set", LABELS, decided.astype(float), CODES), "f1")
        assert found == pytest.approx(GOLDEN["scores"][name]["f_measure_macro"], abs=1e-9)


def test_scores_of_rows_that_weigh_by_their_labels_follow_from_the_official_counts() -> None:
    tables = np.array(GOLDEN["confusion_matrices_normalised"])  # [[TN, FN], [FP, TP]]
    misses, alarms, hits = tables[:, 0, 1], tables[:, 1, 0], tables[:, 1, 1]
    with np.errstate(invalid="ignore"):
        f, g = np.nanmean(5 * hits / (5 * hits + alarms + 4 * misses)), np.nanmean(hits / (hits + alarms + 2 * misses))
    made = Outcome("set", LABELS, MADE.astype(float), CODES)
    assert compute_one(made, "cinc_fbeta") == pytest.approx(f, abs=1e-9)
    assert compute_one(made, "cinc_gbeta") == pytest.approx(g, abs=1e-9)


def test_labels_go_by_code_or_name_equal_ones_are_one_and_others_count_for_nothing() -> None:
    classes = ["LBBB", "733534002", "AF", "a rare code"]
    truth = np.array([[1, 0, 0, 1], [0, 0, 1, 0]])
    assert score(truth, [[0, 1, 0, 0], [0, 0, 1, 1]], classes) == pytest.approx(1.0, abs=1e-12)


def test_the_table_of_2021_has_26_classes_and_is_symmetric() -> None:
    table = read_table("2021", "426783006")
    assert table.weights.shape == (26, 26) and np.array_equal(table.weights, table.weights.T) and (np.diag(table.weights) == 1).all()
    assert table.weights.sum() == pytest.approx(286.075) and table.weights.min() == 0.15
    assert len({table.place_of(code) for head in CODES for code in head.split("|")}) == 26


def test_a_table_or_labels_that_cannot_be_scored_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no label of the target is a class"):
        score([[1, 0]], [[1, 0]], ["cat", "dog"])
    with pytest.raises(ConfigError, match="there is no table"):
        score(LABELS, MADE, weights=str(tmp_path / "absent.csv"))
    with pytest.raises(ConfigError, match="inactive class '1' is not in the table"):
        score(LABELS, MADE, inactive="1")
    for text, told in (
        (",a,b\na,1,0\nc,0,1\n", "no table of weights"),
        (",a,b\na,1,x\nb,0,1\n", "no number"),
        (",a,b\na,1\nb,0,1\n", "square"),
    ):
        (tmp_path / "w.csv").write_text(text)
        read_table.cache_clear()
        with pytest.raises(ConfigError, match=told):
            score([[1, 0]], [[1, 0]], ["a", "b"], weights=str(tmp_path / "w.csv"), inactive="a")
    (tmp_path / "w.csv").write_text(",a|x,b\na|x,1,0.5\nb,0.5,1\n")
    read_table.cache_clear()
    assert score([[0, 1]], [[0, 1]], ["x", "b"], weights=str(tmp_path / "w.csv"), inactive="a") == 1.0
