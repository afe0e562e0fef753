"""No file needs itself: no files import each other in a circle, imports inside functions included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import grimp
import pytest


def circles(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """The files that reach each other, in groups of two or more (Tarjan 1972, without recursion)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []
    for start in imports:
        work: list[tuple[str, Iterator[str]]] = []
        if start not in index:
            index[start] = low[start] = len(index)
            stack.append(start)
            work.append((start, iter(imports[start])))
        while work:
            name, rest = work[-1]
            following = next(rest, None)
            if following is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == index[name]:
                    place = stack.index(name)
                    group, stack[place:] = stack[place:], []
                    found += [sorted(group)] if len(group) > 1 else []
            elif following not in index:
                index[following] = low[following] = len(index)
                stack.append(following)
                work.append((following, iter(imports[following])))
            elif following in stack:
                low[name] = min(low[name], index[following])
    return found


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """Every file of the package with the files that it imports, at its top or inside functions; not for types alone."""
    graph = grimp.build_graph("trainwright", exclude_type_checking_imports=True, cache_dir=None)
    return {name: graph.find_modules_directly_imported_by(name) for name in sorted(graph.modules)}


def test_files_that_reach_each_other_are_found() -> None:
    ring = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d"}, "f": {"a", "f"}}
    assert sorted(circles(ring)) == [["a", "b", "c"], ["d", "e"]]
    assert circles({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}) == []


def test_no_file_needs_itself(imports: dict[str, set[str]]) -> None:
    assert circles(imports) == []
