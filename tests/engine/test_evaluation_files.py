"""Values per class and points of curves of every evaluation: what they are, how large, and the same whatever happened on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as reference
import torch
from torch import Tensor, nn

import trainwright as tw
from trainwright.config.errors import TrainwrightError
from trainwright.engine.evaluation_files import FOLDER, MOST_BYTES, EvaluationFiles
from trainwright.engine.monitor import BestEvaluations
from trainwright.metrics.asked import named_metrics
from trainwright.metrics.ranking import POINTS

X = torch.randn(96, 4, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] + X[:, 1] > 0).long() + (X[:, 2] > 1).long()
NAMES = ["accuracy", "f1", "iou", "balanced_accuracy", "roc_auc", "average_precision", "ece", "log_loss"]


def fit(path: Path, **options: Any) -> Any:
    torch.manual_seed(0)
    options = {"metrics": NAMES, "batch_size": 32, "max_steps": 12, "evaluate_every": "3 steps", "learning_rate": 0.05} | options
    return tw.fit(nn.Linear(4, 3), (X, Y), (X, Y), run_dir=path, console=False, **options)


def files(path: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in sorted((path / FOLDER).glob("*"))}


def test_a_file_holds_what_scikit_learn_finds_and_is_read_without_pickle(tmp_path: Path) -> None:
    result = fit(tmp_path / "run", max_steps=6)
    assert sorted(files(tmp_path / "run")) == ["step-3.npz", "step-6.npz"]
    step = result.best_step
    with np.load(tmp_path / "run" / FOLDER / f"step-{step}.npz", allow_pickle=False) as found:
        arrays = dict(found)
    scores = result.system(X).softmax(1).double().detach().numpy()
    truth, labels = Y.numpy(), scores.argmax(1)
    assert (arrays["confusion"] == reference.confusion_matrix(truth, labels, labels=range(3))).all()
    assert arrays["f1.per_class"] == pytest.approx(reference.f1_score(truth, labels, average=None))
    assert arrays["iou.per_class"] == pytest.approx(reference.jaccard_score(truth, labels, average=None))
    assert arrays["balanced_accuracy.per_class"] == pytest.approx(reference.recall_score(truth, labels, average=None))
    areas = [reference.roc_auc_score(truth == k, scores[:, k]) for k in range(3)]
    assert arrays["roc_auc.per_class"] == pytest.approx(areas)
    for k in range(3):
        false, true, thresholds = reference.roc_curve(truth == k, scores[:, k], drop_intermediate=False)
        nearest = np.abs(arrays["roc_auc.threshold"][k][:, None] - thresholds).argmin(axis=1)
        assert arrays["roc_auc.threshold"][k] == pytest.approx(thresholds[nearest], abs=1e-6)
        assert arrays["roc_auc.false_positive_rate"][k] == pytest.approx(false[nearest])
        assert arrays["roc_auc.true_positive_rate"][k] == pytest.approx(true[nearest])
        recall = arrays["average_precision.recall"][k]
        assert recall[-1] == 1.0 and (np.diff(recall) >= 0).all()
    frequency = arrays["ece.frequency"] * arrays["ece.rows"]
    assert arrays["ece.rows"].sum() == 96 and np.nansum(frequency) == (labels == truth).sum()
    assert dict(zip(arrays["metric_names"], arrays["metric_values"], strict=True))["accuracy"] == result.metrics["validation"]["accuracy"]
    assert int(arrays["step"]) == step


def test_history_is_all_the_best_or_none(tmp_path: Path) -> None:
    assert len(files(tmp_path / "x")) == 0
    result = fit(tmp_path / "all")
    assert sorted(files(tmp_path / "all")) == ["step-12.npz", "step-3.npz", "step-6.npz", "step-9.npz"]
    fit(tmp_path / "best", evaluation={"history": "best"})
    name = f"step-{result.best_step}.npz"
    assert files(tmp_path / "best") == {name: files(tmp_path / "all")[name]}
    fit(tmp_path / "none", evaluation={"history": "none"})
    assert not (tmp_path / "none" / FOLDER).exists()
    with pytest.raises(TrainwrightError, match="history"):
        fit(tmp_path / "wrong", evaluation={"history": "some"})


class Stops(tw.Callback):
    def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
        if session.position.step == 8:
            raise RuntimeError("stopped")


@pytest.mark.parametrize("history", ["all", "best"])
def test_a_run_that_was_cut_and_continued_has_the_files_of_one_that_was_not(history: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"evaluation": {"history": history}, "checkpoint": {"every": "5 steps"}}
    fit(tmp_path / "whole", **options)
    with pytest.raises(RuntimeError, match="stopped"):
        fit(tmp_path / "cut", callbacks=[Stops()], **options)
    later = tmp_path / "cut" / FOLDER / "step-11.npz"  # of steps that were made after the last checkpoint, and will be made again
    later.write_bytes(b"of another time")
    fit(tmp_path / "cut", resume=True, **options)
    assert files(tmp_path / "cut") == files(tmp_path / "whole") and not later.exists()


def test_going_back_removes_the_files_of_later_steps(tmp_path: Path) -> None:
    kept = EvaluationFiles(tmp_path, "all", BestEvaluations(True, 1))
    for step in (3, 6, 9):
        kept.take(step, lambda: {"f1.per_class": np.ones(2)})
        kept.log({"step": step, "validation/f1": 0.5})
    kept.log({"step": 10})
    assert kept.begin(6) == [] and sorted(files(tmp_path)) == ["step-3.npz", "step-6.npz"]


def test_files_are_bounded_whatever_the_number_of_classes(tmp_path: Path) -> None:
    for classes in (50, 3000):
        metric = named_metrics(["accuracy", "f1", "roc_auc"], "category")
        generator = torch.Generator().manual_seed(0)
        rows: dict[str, Tensor] = {
            "output": torch.randn(400, classes, generator=generator),
            "target": torch.randint(0, classes, (400,), generator=generator),
        }
        metric.update(rows)
        kept = EvaluationFiles(tmp_path, "all", BestEvaluations(True, 1))
        kept.take(classes, metric.details)
        kept.log({"step": classes, **{f"validation/{name}": value for name, value in metric.compute().items()}})
        assert 0 < (tmp_path / FOLDER / f"step-{classes}.npz").stat().st_size < MOST_BYTES + 10_000
        details = metric.details()
        assert all(each.shape[-1] <= max(POINTS, classes) for each in details.values())
        assert ("confusion" in details) == (classes == 50) and ("hits" in details) == (classes == 3000)
