"""What moved to `tools/` is found by its documented old path for one more release, and says where it is."""

from __future__ import annotations

from importlib import import_module

import pytest

NAMES = [("graph", "graph"), ("graph", "Graph"), ("module_hooks", "module_hooks"), ("module_hook_options", "ModuleHookOptions")]


@pytest.mark.parametrize(("file", "name"), NAMES)
def test_an_old_path_gives_the_thing_at_the_new_one_and_says_so(file: str, name: str) -> None:
    old = import_module(f"trainwright.nn.{file}")
    with pytest.warns(DeprecationWarning, match=rf"trainwright\.nn\.{file}\.{name} is now trainwright\.tools\.{file}\.{name}"):
        found = getattr(old, name)
    assert found is getattr(import_module(f"trainwright.tools.{file}"), name)


def test_an_old_path_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match=r"trainwright\.tools\.graph.*nothing_of_the_kind"):
        import_module("trainwright.nn.graph").nothing_of_the_kind  # noqa: B018
