"""Numbers that an object, a group or a function gives by names of its own: monitored, told apart, and refused before the first step."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import trainwright as tw
from trainwright.config.errors import ConfigError
from trainwright.metrics.sets import Jaccard
from trainwright.metrics.table import SetOverlapOptions

X = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()


class Both:
    """An object with two numbers."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.right, self.rows = 0, 0

    def update(self, output, target):
        self.right += int((output.argmax(1) == target).sum())
        self.rows += len(target)

    def compute(self):
        return {"share": self.right / self.rows, "rows": self.rows}


def whole(outputs):
    return {"share": float((outputs["output"].argmax(1) == outputs["target"]).double().mean()), "rows": len(outputs["target"])}


def fit(path, metrics, **options):
    options = {"loss": "cross_entropy", "max_steps": 3, "console": False} | options
    return tw.fit(nn.Linear(3, 2), (X[:24], Y[:24]), (X[24:], Y[24:]), metrics=metrics, batch_size=8, run_dir=path / "run", **options)


@pytest.mark.parametrize(
    ("metrics", "monitor"),
    [([whole], "whole.share"), ([Both()], "share"), ({"z": Both()}, "z.share"), ([tw.named_metrics(["accuracy"], "category")], "accuracy")],
)
def test_numbers_that_are_known_when_they_are_there_are_monitored(tmp_path, metrics, monitor):
    result = fit(tmp_path, metrics, monitor=monitor, mode="max")
    assert result.best_step
    assert 0 <= result.metrics["validation"][monitor] <= 1


def test_a_group_says_which_way_its_numbers_are_better(tmp_path):
    fit(tmp_path, {"a": tw.named_metrics(["accuracy"], "category")}, monitor="a.accuracy")


def test_a_wrong_monitor_beside_such_numbers_is_refused_before_the_first_step(tmp_path):
    with pytest.raises(ConfigError, match=r"did you mean 'whole\.share'"):
        fit(tmp_path, [whole], monitor="whole.shares", mode="max")
    assert not list(tmp_path.glob("run/evaluations/*"))


def test_objects_under_two_names_are_told_apart(tmp_path):
    found = fit(tmp_path, {"p": Both(), "q": Both()}).metrics["validation"]
    assert found["p.rows"] == found["q.rows"] == 16


@pytest.mark.parametrize("given", [None, torch.ones(3), "x"])
def test_a_function_that_gives_no_number_is_refused_before_the_first_step(tmp_path, given):
    steps = []

    class Seen(tw.Callback):
        def on_train_batch_end(self, session, system, batch, index):
            steps.append(index)

    with pytest.raises(ConfigError, match="metric 'odd' is no number"):
        fit(tmp_path, {"odd": lambda output, target: given}, callbacks=[Seen()])
    assert not steps


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"type": "f1", "avrage": "micro"}, "has no option 'avrage'"),
        ({"type": "top_k_accuracy", "k": "many"}, "k of metric 'top_k_accuracy'"),
    ],
)
def test_options_that_are_none_are_told_in_words(tmp_path, asked, words):
    with pytest.raises(ConfigError, match=words):
        fit(tmp_path, [asked])


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_metrics_of_order_are_nan_where_no_item_counts(tmp_path, name):
    images, classes = torch.randn(8, 3, 2, 2), torch.randint(0, 2, (8, 2, 2))
    held_out = images, torch.full_like(classes, -100)
    options = {"loss": "cross_entropy", "metrics": [name], "max_steps": 1, "console": False}
    result = tw.fit(nn.Conv2d(3, 2, 1), (images, classes), held_out, batch_size=4, run_dir=tmp_path / "run", **options)
    assert np.isnan(result.metrics["validation"][name])


def test_a_mean_over_rows_has_no_values_per_class(tmp_path):
    labels = (X > 0).float()
    options = {"loss": "bce_with_logits", "metrics": ["jaccard", "f1"], "max_steps": 1, "console": False}
    tw.fit(nn.Linear(3, 3), (X[:24], labels[:24]), (X[24:], labels[24:]), batch_size=8, run_dir=tmp_path / "run", **options)
    (path,) = Path(tmp_path / "run" / "evaluations").glob("*.npz")
    with np.load(path) as found:
        assert found["f1.per_class"].shape == (3,)
        assert "jaccard.per_class" not in found
    assert Jaccard(SetOverlapOptions(type="jaccard")).by_row
