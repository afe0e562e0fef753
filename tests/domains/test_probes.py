"""Probes of the encoder's output are scikit-learn's, and embeddings stand beside predictions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from commands import trainwright_command
from trainwright.domains.tables.probes import linear, nearest
from trainwright.domains.tables.probes.linear import LinearProbe
from trainwright.domains.tables.probes.nearest import NearestRows

ROWS, WIDTH = 300, 12


def made(classes: int) -> tuple[torch.Tensor, np.ndarray, torch.Tensor]:
    """Vectors with a constant column, classes that they tell in part, and new vectors."""
    numbers = np.random.default_rng(classes)
    vectors = numbers.normal(size=(ROWS, WIDTH)).astype(np.float32) * np.arange(1, WIDTH + 1)
    vectors[:, 3] = 5.0
    truth = (vectors @ numbers.normal(size=(WIDTH, classes)) + numbers.normal(size=(ROWS, classes)) * 9).argmax(1)
    return torch.from_numpy(vectors), truth, torch.from_numpy(numbers.normal(size=(40, WIDTH)).astype(np.float32) * 4)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several pieces, the last one smaller."""
    monkeypatch.setattr(linear, "PIECE", 64)
    monkeypatch.setattr(nearest, "PIECE", 64)


@pytest.mark.parametrize("strength", [1.0, 0.01])
def test_the_linear_probe_of_classes_is_scikit_learns_logistic_regression(strength: float) -> None:
    vectors, truth, new = made(4)
    probe = LinearProbe("category", 4, strength)
    probe.fit(vectors, torch.from_numpy(truth))
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=strength, tol=1e-10, max_iter=5000)).fit(vectors.double().numpy(), truth)
    assert probe.outputs_of(new).softmax(1).numpy() == pytest.approx(theirs.predict_proba(new.double().numpy()), abs=1e-6)


def test_the_linear_probe_of_two_classes_and_of_labels_is_scikit_learns() -> None:
    vectors, truth, new = made(2)
    probe = LinearProbe("binary", 1)
    probe.fit(vectors, torch.from_numpy(truth))
    one = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-10, max_iter=5000))
    wanted = one.fit(vectors.double().numpy(), truth).predict_proba(new.double().numpy())[:, 1:]
    assert probe.outputs_of(new).sigmoid().numpy() == pytest.approx(wanted, abs=1e-6)
    labels = np.stack([truth, made(2)[1][::-1], truth[::-1]], 1)
    probe = LinearProbe("set", 3)
    probe.fit(vectors, torch.from_numpy(labels.copy()))
    theirs = OneVsRestClassifier(one).fit(vectors.double().numpy(), labels)
    assert probe.outputs_of(new).sigmoid().numpy() == pytest.approx(theirs.predict_proba(new.double().numpy()), abs=1e-5)


@pytest.mark.parametrize("kind", ["number", "vector"])
def test_the_linear_probe_of_numbers_is_scikit_learns_ridge(kind: str) -> None:
    vectors, _, new = made(3)
    truth = np.random.default_rng(0).normal(size=(ROWS, 1 if kind == "number" else 3)) + vectors.numpy()[:, :1]
    probe = LinearProbe(kind, truth.shape[1], strength=0.5)
    probe.fit(vectors, torch.from_numpy(truth[:, 0] if kind == "number" else truth))
    theirs = make_pipeline(StandardScaler(), Ridge(alpha=2.0)).fit(vectors.double().numpy(), truth)
    assert probe.outputs_of(new).numpy() == pytest.approx(theirs.predict(new.double().numpy()).reshape(len(new), -1), abs=1e-9)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 7, 100])
def test_the_nearest_rows_are_scikit_learns(metric: str, k: int) -> None:
    vectors, truth, new = made(4)
    classes = NearestRows("category", 4, k, metric)
    classes.fit(vectors, torch.from_numpy(truth))
    theirs = KNeighborsClassifier(k, metric=metric).fit(vectors.double().numpy(), truth)
    assert classes.scores_of(new).numpy() == pytest.approx(theirs.predict_proba(new.double().numpy()), abs=1e-12)
    numbers = NearestRows("number", 0, k, metric)
    numbers.fit(vectors, vectors[:, 0])
    wanted = KNeighborsRegressor(k, metric=metric).fit(vectors.double().numpy(), vectors.double().numpy()[:, 0])
    assert numbers.scores_of(new)[:, 0].numpy() == pytest.approx(wanted.predict(new.double().numpy()), abs=1e-12)


def test_of_rows_that_are_equally_far_the_first_ones_answer() -> None:
    found = NearestRows("category", 2, 2, "euclidean")
    found.fit(torch.zeros(200, 3), torch.arange(200) % 2)
    assert found.find(torch.ones(1, 3)).tolist() == [[0, 1]]


def test_embeddings_and_probes_of_a_run(tmp_path: Path) -> None:
    words = ("run.dir=run", "trainer.max_epochs=2", "evaluation.baselines=[]", "evaluation.report=false")
    done = trainwright_command("train", "builtin:iris", *words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    done = trainwright_command("predict", "run", "--split", "test", "-o", "out.parquet", "--embeddings", folder=tmp_path)
    table = pq.read_table(tmp_path / "out.parquet")
    assert done.returncode == 0 and table["embedding"].type.list_size > 1 and "target_prediction" in table.column_names, done.stderr
    asked = "evaluation.probe=[linear, {type: knn, k: 5}]"
    done = trainwright_command("evaluate", "run", asked, "--json", folder=tmp_path)
    found = json.loads(done.stdout)["probes"]
    assert set(found) == {"linear probe", "5 nearest (cosine)"} and found["linear probe"]["target"]["accuracy"] > 0.8
    done = trainwright_command("evaluate", "run", "evaluation.probe=linear", folder=tmp_path)
    assert "target, linear probe" in done.stdout
    done = trainwright_command("evaluate", "run", "evaluation.probe={type: knn, k: 500}", folder=tmp_path)
    assert done.returncode == 2 and "k is 500" in done.stderr
    done = trainwright_command("evaluate", "run", "evaluation.probe=svm", folder=tmp_path)
    assert done.returncode == 2 and "'svm' is not allowed" in done.stderr
