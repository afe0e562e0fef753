"""`trainwright schema`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from trainwright.cli.parser import Parser


def run(words: Sequence[str]) -> int:
    """Print the JSON Schema of the configuration."""
    parser().parse(words)
    print(text())
    return 0


def text() -> str:
    """The schema as it is printed and kept in trainwright.schema.json."""
    from trainwright.config.schema import json_schema
    from trainwright.systems.run_config import Config

    return json.dumps(json_schema(Config), indent=2, ensure_ascii=False)


def parser() -> Parser:
    """The arguments of the command."""
    return Parser(
        "schema",
        "Print the JSON Schema (draft 2020-12) of the configuration, with every part and option. "
        "Editors with a YAML language server complete and check from it.",
        "",
        [
            "trainwright schema > trainwright.schema.json",
            "# yaml-language-server: $schema=trainwright.schema.json   (first line of a configuration)",
        ],
    )
