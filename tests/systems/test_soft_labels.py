"""Labels that are probabilities, as smoothing gives them, count as the label they are nearer to; what is no label is refused in time."""

import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from torch import nn

import trainwright as tw
from trainwright.config.errors import DataError

DRAWN = torch.Generator().manual_seed(0)
X = torch.randn(80, 4, generator=DRAWN)
HARD = (torch.rand(80, 3, generator=DRAWN) > 0.5).float()


def fit(path, labels, **options):
    model = nn.Linear(4, labels.shape[1])
    options = {"loss": "bce_with_logits", "max_steps": 3, "console": False} | options
    result = tw.fit(model, (X[:48], labels[:48]), (X[48:], labels[48:]), batch_size=16, run_dir=path / "run", **options)
    with torch.no_grad():
        return result.metrics["validation"], model(X[48:]).sigmoid().squeeze(1).numpy()


def test_a_smoothed_label_is_the_one_it_was_made_of(tmp_path):
    found, p = fit(tmp_path, HARD[:, :1] * 0.9 + 0.05, metrics=["accuracy", "f1", "roc_auc"])
    truth = HARD[48:, 0].numpy()
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, p > 0.5))
    assert found["f1"] == pytest.approx(f1_score(truth, p > 0.5))
    assert found["roc_auc"] == pytest.approx(roc_auc_score(truth, p))


def test_smoothed_labels_of_a_set_too(tmp_path):
    found, p = fit(tmp_path, HARD * 0.9 + 0.05, metrics=["f1", "roc_auc", "subset_accuracy"])
    truth = HARD[48:].numpy()
    assert found["f1"] == pytest.approx(f1_score(truth, p > 0.5, average="macro"))
    assert found["roc_auc"] == pytest.approx(roc_auc_score(truth, p))
    assert found["subset_accuracy"] == pytest.approx(accuracy_score(truth, p > 0.5))


def test_minus_one_is_no_label_of_a_set(tmp_path):
    found, p = fit(tmp_path, HARD * 2 - 1, loss="soft_margin", metrics=["f1"])
    assert found["f1"] == pytest.approx(f1_score(HARD[48:].numpy(), p > 0.5, average="macro"))


def test_targets_that_metrics_refuse_are_refused_before_the_first_step(tmp_path):
    with pytest.raises(DataError, match="class indices lie outside"):
        fit(tmp_path, HARD[:, :1] * 2 - 1, loss="soft_margin", metrics=["accuracy"])
    assert not list(tmp_path.glob("run/checkpoints/*"))
