"""libyaml is used where it gives the very nodes of PyYAML's own parser: the same values, kinds and places."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trainwright.config import yaml_nodes
from trainwright.config.errors import ConfigError
from trainwright.config.limits import MOST_DEPTH
from trainwright.config.yaml_nodes import FastLoader, OwnLoader, compose

PAGES = Path(__file__).parents[2]
PIECES = ["a", "b", "1", "1e-3", "- ", "-", ": ", ":", "? ", "?", "{", "}", "[", "]", ", ", ",", "\n", "\n", "\n  ", "\n    ", " ", "# c"]
PIECES += ["'", '"', "|", "|-\n", ">\n", "|+\n  ", "&a ", "*a", "!!str ", "!x ", "%", "%YAML 1.1\n", "---\n", "...\n", "<<: ", "é", "😀"]
PIECES += [
    "\\",
    "~",
    "null",
    "a: 1\n",
    "b:\n",
    "- a\n",
    "a.b",
    "@",
    "`",
    "a b",
    "''",
    "/",
    "${x}",
    "=",
    "\r\n",
    "\t",
    "\x85",
    "\u2028",
    "\ufeff",
]


def tree(node):
    """What the rest reads of a node: kind, place, value."""
    if node is None:
        return None
    here = (type(node), node.tag, node.start_mark.line, node.start_mark.column)
    if isinstance(node, yaml.ScalarNode):
        return (*here, node.value)
    return (*here, [[tree(each) for each in item] if isinstance(item, tuple) else tree(item) for item in node.value])


def told(read):
    """The tree of what `read` gives, or the words and the place of what it raises."""
    try:
        return tree(read())
    except yaml.MarkedYAMLError as error:
        return (str(error), error.problem_mark.line, error.problem_mark.column)
    except (yaml.YAMLError, ConfigError) as error:
        return str(error)


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14), st.booleans())
@example(["{", "---\n", "&a ", "!!str ", "?", "}"], True)
@example(["[", "<<: ", " ", "]"], True)
@example(["|", "# c"], True)
@example(["\n", "\ufeff", "- a\n"], False)
@example(["---"], False)
@example(["?"], True)
def test_every_text_is_read_and_refused_as_pyyaml_itself_does(pieces, ended):
    text = "".join(pieces) + "\n" * ended
    assert told(lambda: compose(text)) == told(lambda: yaml.compose(text, Loader=OwnLoader))


@pytest.mark.parametrize("path", sorted(PAGES.glob("examples/**/*.yaml")), ids=lambda path: path.name)
def test_configurations_of_the_examples_are_read_by_libyaml_alike(path):
    text = path.read_text()
    assert told(lambda: compose(text)) == told(lambda: yaml.compose(text, Loader=OwnLoader)) == tree(yaml.compose(text, Loader=FastLoader))


@pytest.mark.parametrize("loader", [FastLoader, OwnLoader])
def test_what_is_too_deep_is_refused_at_its_place_before_it_is_read(loader):
    with pytest.raises(ConfigError) as caught:
        yaml.compose("[" * 1_000_000 + "\n", Loader=loader)
    assert caught.value.where == f"1:{MOST_DEPTH + 1}"


def test_without_libyaml_the_same_is_read(monkeypatch):
    expected = told(lambda: compose("a: [1, b]\nc: {d: e}\n"))
    monkeypatch.setattr(yaml_nodes, "CParser", None)
    monkeypatch.delattr(yaml_nodes, "FastLoader")
    assert told(lambda: compose("a: [1, b]\nc: {d: e}\n")) == expected
