"""Transforms of recordings as functions of a tensor."""

from __future__ import annotations

import inspect
import subprocess
import sys

import numpy as np
import pytest
import torch

from trainwright.config.errors import ConfigError
from trainwright.config.registry import build, options_class
from trainwright.domains.signals import processing
from trainwright.domains.signals.processing import PARTS, bandpass, decibel, mel, notch

WAVE = torch.randn(2, 3, 900, generator=torch.Generator().manual_seed(0))


def test_a_function_does_what_the_transform_does() -> None:
    options = options_class("transform", "bandpass").model_validate({"type": "bandpass", "low": 1.0, "high": 40.0, "rate": 250, "order": 3})
    expected = build("transform", options)(WAVE)
    torch.testing.assert_close(bandpass(WAVE, 1, 40, rate=250, order=3), expected, rtol=0, atol=0)
    torch.testing.assert_close(bandpass(WAVE, low=1, high=40, rate=np.int64(250), order=3), expected, rtol=0, atol=0)
    assert mel(WAVE[:, 0], 20, rate=8000, n_fft=128).shape[1] == 20
    torch.testing.assert_close(decibel(WAVE.square(), 30.0), decibel(WAVE.square(), top_db=30.0))


@pytest.mark.parametrize("name", PARTS)
def test_every_transform_is_a_function_with_its_options_and_their_help(name: str) -> None:
    function = getattr(processing, name)
    assert function is getattr(processing, name) and function.__name__ == name and function.__doc__
    known = set(PARTS[name].config.model_fields) - {"type", "applies_in", "runs_on", "of"}
    assert set(inspect.signature(function).parameters) == {"x", *known}
    assert all(f"{each}: " in function.__doc__ for each in known)


def test_what_a_function_is_given_wrong_is_said_in_words() -> None:
    with pytest.raises(ConfigError, match="bandpass: got an unexpected keyword argument 'ordr'") as caught:
        bandpass(WAVE, 1, 40, rate=250, ordr=3)
    assert "did you mean 'order'" in caught.value.fix
    with pytest.raises(ConfigError, match="missing a required argument: 'low'") as caught:
        bandpass(WAVE)
    assert "bandpass(x, low, high" in caught.value.fix
    with pytest.raises(ConfigError, match=r"bandpass: order: 3\.5 is not a whole number"):
        bandpass(WAVE, 1, 40, rate=250, order=3.5)
    with pytest.raises(ConfigError, match=r"bandpass: low \(50 Hz\) is not below high \(40 Hz\)"):
        bandpass(WAVE, 50, 40, rate=250)
    with pytest.raises(ConfigError, match="notch does not know how many samples"):
        notch(WAVE)
    with pytest.raises(ConfigError, match="order"):
        bandpass(WAVE, 1, 40, rate=250, order=True)  # after a call with order=1, say: what is kept is told apart
    with pytest.raises(ImportError):
        from trainwright.domains.signals.processing import bandpas  # noqa: F401


def test_the_table_of_transforms_imports_no_torch_and_no_scipy() -> None:
    code = "import sys\nfrom trainwright.domains.signals.processing import PARTS\nprint({'torch', 'scipy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"
