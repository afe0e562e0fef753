"""The page on larger scale says what its script prints, and the script's arithmetic is what real processes send each other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # the measurements are no part of the package

from benchmarks.counted_exchanges import LAYOUTS, Network, compare, describe_network  # noqa: E402
from benchmarks.scale import BAR, LARGE, SMALL, Machine, layouts, page, step_of  # noqa: E402


def test_the_page_has_the_tables_of_the_script() -> None:
    assert page([8, 512], Machine()) in (ROOT / "docs" / "scale.md").read_text()


def test_parameters_are_those_of_the_published_models_and_of_the_network_that_is_counted() -> None:
    assert SMALL.net.parameters == 124_439_808  # GPT-2
    assert LARGE.net.parameters == 6_738_415_616  # Llama 2
    assert describe_network().parameters == sum(each.numel() for each in Network().parameters())
    assert describe_network().tensors == len(list(Network().parameters()))


def test_a_step_takes_as_long_as_what_does_not_hide() -> None:
    for model in (SMALL, LARGE):
        for name, layout in layouts(model, 512).items():
            step = step_of(model, layout, Machine())
            assert max(step.compute, step.ideal) <= step.total <= (step.compute + step.exchange) * (1 + 1e-9), name
            assert (step.hidden > 1e-9) == name.startswith("fsdp")
            fast = step_of(model, layout, Machine(inside=1e18, between=1e18, latency=0.0))
            assert fast.total == pytest.approx(fast.compute)


@pytest.mark.slow
def test_bytes_of_two_processes_are_those_of_the_arithmetic() -> None:
    names = [name for name, layout in LAYOUTS.items() if layout.size == 2]
    assert names == ["ddp", "zero", "fsdp", "tp"]
    for line in compare(names, rounds=2, ranks=2):
        asked, expected = line["asked"], line["expected"]["asked"]
        for kind, whole in expected.items():
            assert asked[kind] == pytest.approx(whole, rel=BAR), line
        assert sum(asked.values()) == pytest.approx(sum(expected.values()), rel=BAR), line  # and nothing else of any size
        if line["sent"] is not None:
            assert line["sent"] == pytest.approx(line["expected"]["sent"], rel=BAR), line
