"""Modes are set inside and put back outside, whatever happens in between."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from typing import Any

import pytest
import torch
from torch import nn

import trainwright as tw


def mixed() -> nn.Sequential:
    """A frozen norm inside a model in training mode, a model in evaluation mode around another."""
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Sequential(nn.Dropout(), nn.ReLU()))
    model[1].eval()
    model[2].training = False
    return model


def flags(model: nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


@pytest.mark.parametrize("mode", [True, False])
def test_every_submodule_gets_its_own_mode_back(mode: bool) -> None:
    model = mixed()
    before = flags(model)
    assert len(set(before)) == 2
    with tw.train_mode(model, mode) as inside:
        assert inside is model
        assert set(flags(model)) == {mode}
    assert flags(model) == before


def test_also_after_an_exception_and_nested() -> None:
    model = mixed()
    before = flags(model)
    with pytest.raises(KeyError), tw.eval_mode(model):
        with tw.train_mode(model):
            assert all(flags(model))
        assert not any(flags(model))
        raise KeyError
    assert flags(model) == before


def test_they_are_decorators_too() -> None:
    model = mixed()
    before = flags(model)

    @tw.eval_mode(model)
    def inside() -> list[bool]:
        return flags(model)

    for _ in range(2):
        assert not any(inside())
        assert flags(model) == before


def tf32() -> tuple[Any, ...]:
    backends: Any = torch.backends
    return (
        backends.cudnn.allow_tf32,
        backends.cuda.matmul.allow_tf32,
        backends.cuda.matmul.fp32_precision,
        backends.cudnn.conv.fp32_precision,
        backends.cudnn.rnn.fp32_precision,
        torch.get_float32_matmul_precision(),
    )


@pytest.mark.parametrize("cudnn", [None, True, False])
@pytest.mark.parametrize("matmul", [None, True, False])
def test_tf32_is_set_as_asked_and_restored_without_a_warning(cudnn: bool | None, matmul: bool | None) -> None:
    before = tf32()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(KeyError), tw.tf32_mode(cudnn=cudnn, matmul=matmul):
            inside = tf32()
            assert inside[0] == (before[0] if cudnn is None else cudnn)
            assert inside[1] == (before[1] if matmul is None else matmul)
            if matmul is not None:
                assert inside[2] == ("tf32" if matmul else "ieee")
            if cudnn is not None:
                assert inside[3] == inside[4] == ("tf32" if cudnn else "ieee")
            raise KeyError
    assert tf32() == before


SET_ONE_BY_ONE = """
import torch, trainwright as tw
backends = torch.backends
backends.cuda.matmul.fp32_precision = "tf32"
backends.cudnn.conv.fp32_precision = "ieee"
state = lambda: (backends.cuda.matmul.fp32_precision, backends.cudnn.conv.fp32_precision, backends.cudnn.rnn.fp32_precision)
before = state()
with tw.tf32_mode(cudnn=True, matmul=False):
    assert state() == ("ieee", "tf32", "tf32"), state()
    assert backends.cudnn.allow_tf32 is True and backends.cuda.matmul.allow_tf32 is False
assert state() == before == ("tf32", "ieee", "tf32"), state()
"""


def test_precisions_set_one_by_one_are_restored_too() -> None:
    """In a process of its own: torch has no way back to a state in which its two settings agree."""
    subprocess.run([sys.executable, "-W", "error", "-c", SET_ONE_BY_ONE], check=True, env=os.environ | {"PYTHONPATH": "src"})
