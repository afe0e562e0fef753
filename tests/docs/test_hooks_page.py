"""docs/hooks.md says the order in which a recorded run calls the hooks."""

from __future__ import annotations

import re
import sys

import pytest
from pages import ROOT


@pytest.fixture(scope="module")
def hook_order():
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import hook_order
    finally:
        sys.path.pop(0)
    return hook_order


@pytest.fixture(scope="module")
def text() -> str:
    return (ROOT / "docs/hooks.md").read_text()


def test_the_page_is_what_recorded_runs_and_docstrings_say(hook_order, text: str) -> None:
    assert text == hook_order.page(), "run `python docs/hook_order.py` and read what changed"


def test_every_hook_is_on_the_page_with_its_moment(hook_order, text: str) -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| `[\w, ]+` \| (.+) \|$", text, re.MULTILINE))
    assert list(table) == list(hook_order.HOOKS)
    assert all(meaning.endswith((".", "`")) for meaning in table.values())


def test_every_hook_is_called_in_one_of_the_recorded_runs(hook_order) -> None:
    called = {event for events in hook_order.recorded().values() for event in events}
    assert set(hook_order.HOOKS) <= called


def test_hooks_are_listed_in_the_order_in_which_a_run_first_calls_them(hook_order) -> None:
    runs = hook_order.recorded()
    for kind in ("fit", "predict"):
        first = [event for event in dict.fromkeys(runs[kind]) if event in hook_order.HOOKS]
        listed = [hook for hook in hook_order.HOOKS if hook in first]
        apart = {"on_validation_epoch_start", "on_validation_batch_start", "on_validation_batch_end"}  # the sanity check calls them before
        apart |= {"on_log"}  # here no row comes before the first evaluation
        assert [hook for hook in first if hook not in apart] == [hook for hook in listed if hook not in apart]


def test_pseudo_code_unfolds_to_the_trace_it_was_folded_from(hook_order) -> None:
    def unfolded(events) -> list[str]:
        flat: list[str] = []
        for event in events:
            flat += unfolded(event.body) * 2 if isinstance(event, hook_order.Repeated) else [event]
        return flat

    trace = hook_order.recorded()["fit"]
    assert unfolded(hook_order.folded(trace)) == trace  # every loop of the recorded run is gone through twice
