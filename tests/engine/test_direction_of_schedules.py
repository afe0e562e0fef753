"""Which way the metric is better that a plateau schedule listens to: as the run's monitor has it, else known, else said."""

import logging

import pytest
import torch
from torch import nn

import trainwright as tw

X = torch.randn(32, 3, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()


class Rising:
    """A function that gives a larger number at every evaluation."""

    def __init__(self):
        self.__name__, self.number = "mine", 0

    def __call__(self, output, target):
        self.number += 1
        return float(self.number)


def rates(path, **options):
    options = {"loss": "cross_entropy", "max_steps": 8, "evaluate_every": "2 steps", "console": False, "learning_rate": 0.1} | options
    result = tw.fit(nn.Linear(3, 2), (X, Y), (X, Y), metrics=[Rising()], batch_size=8, run_dir=path / "run", **options)
    return {row["learning_rate"] for row in result.history}


@pytest.mark.parametrize("options", [{"monitor": "mine", "mode": "max"}, {}])
def test_a_metric_that_only_improves_leaves_the_rate_where_its_direction_is_said(tmp_path, options):
    mode = {} if options else {"mode": "max"}
    assert rates(tmp_path, schedule={"type": "plateau", "metric": "mine", "patience": 1, **mode}, **options) == {0.1}


def test_a_direction_that_is_not_known_is_said(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        rates(tmp_path, schedule={"type": "plateau", "metric": "mine", "patience": 1})
    assert sum("nothing is known of 'mine'" in each for each in caplog.messages) == 1
