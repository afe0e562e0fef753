"""An mkdocs hook: replaces `<!-- parts: KIND -->`, `<!-- options: SECTION -->` and `<!-- node names -->` by tables.

`<!-- expression functions -->` too. `<!-- decisions -->` becomes a list of them. Tables are made from the registry and the schema, as `trainwright list` and `--help` are: no
name or default on a page is written by hand. No torch is imported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from trainwright.systems.run_config import Config
from trainwright.config.options import Option, by_section, options_of
from trainwright.config.registry import Part, parts
from trainwright.config.torch_names import COMPUTING

DECISIONS = Path(__file__).parent / "decisions"
MARKER = re.compile(
    r"^<!-- (?:(?P<what>parts|options): (?P<name>\w+)|(?P<alone>node names|decisions|expression functions)) -->$", re.MULTILINE
)
NONE = 'None comes with Trainwright: they are the classes that `@tw.register("name")` names in a file under `imports`.\n'


def on_config(config: Any, **_: Any) -> Any:
    """The configuration of mkdocs with every decision in its navigation; called once."""
    project = next(entry["Project"] for entry in config.nav if "Project" in entry)
    listed = next(entry["Decisions"] for entry in project if "Decisions" in entry)
    listed += [f"decisions/{page.name}" for page in decisions()]
    return config


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page with every marker replaced; called by mkdocs for each page."""
    named = {"parts": parts_of, "options": section}
    alone = {"node names": node_names, "decisions": decision_list}
    alone["expression functions"] = expression_functions
    return MARKER.sub(lambda match: named[match["what"]](match["name"]) if match["what"] else alone[match["alone"]](), markdown)


def expression_functions() -> str:
    """The functions of expressions over columns, as a table."""
    from trainwright.data.expressions.functions import FUNCTIONS

    def written(name: str) -> str:
        function = FUNCTIONS[name]
        takes = [each.replace("|", " or ") for each in function.takes]
        optional = takes[len(takes) - function.optional :]
        return f"`{name}({', '.join([*takes[: len(takes) - len(optional)], *(f'[{each}]' for each in optional)])}{', …' * function.more})`"

    lines = [f"| {written(name)} | {each.gives} | {each.meaning} |" for name, each in FUNCTIONS.items()]
    return "\n".join(["| function | gives | what |", "|---|---|---|", *lines]) + "\n"


def decisions() -> list[Path]:
    """The decisions, in order."""
    return sorted(DECISIONS.glob("[0-9]*.md"))


def decision_list() -> str:
    """The decisions as a list of links."""
    return "".join(f"- [{page.read_text().splitlines()[0].removeprefix('# ')}]({page.name})\n" for page in decisions())


def parts_of(kind: str) -> str:
    """The parts of a kind, one folded section each; a sentence for a kind of which Trainwright has none."""
    return "\n".join(part_section(kind, name, part) for name, part in parts(kind).items()) or NONE


def part_section(kind: str, name: str, part: Part) -> str:
    """A part and its options, folded until it is opened or linked to as `#KIND-NAME`."""
    options = options_of(part.config)
    body = table(options) if options else "No options.\n"
    indented = "".join(f"    {line}\n" if line else "\n" for line in body.splitlines())
    title = f"`{name}`: {part.summary}".replace('"', "'")
    return f'??? part "{title}"\n\n    <span id="{anchor(kind, name)}"></span>\n\n{indented}'


def section(name: str) -> str:
    """The options of a section of the configuration; those that are in no section under `top`."""
    return table(by_section(Config)["" if name == "top" else name])


def node_names() -> str:
    """Every name of torch and its neighbours that a node may have as its type, by module."""
    rows = [f"| `{module}` | {', '.join(f'`{name}`' for name in names.split())} |" for module, names in COMPUTING.items()]
    return "\n".join(["| module | names |", "|---|---|", *rows, ""])


def table(options: Iterable[Option]) -> str:
    """Options as a table of key, type, default and meaning."""
    rows = [
        f"| `{each.path}` | {cell(each.type)} | {'required' if each.required else f'`{cell(each.default)}`'} | {cell(each.meaning)} |"
        for each in options
    ]
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows, ""])


def cell(text: str) -> str:
    """A text that fits into a table cell."""
    return text.replace("|", r"\|")


def anchor(kind: str, name: str) -> str:
    """The anchor of a part on its page."""
    return f"{kind}-{name}".replace("_", "-")
