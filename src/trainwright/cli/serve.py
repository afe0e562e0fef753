"""`trainwright serve`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from trainwright.cli.launch import add_launch_flags, prepare
from trainwright.cli.parser import Parser, add_trust_flag
from trainwright.cli.part_flags import add_flags, check_flags
from trainwright.cli.style import bold
from trainwright.deploy.server.options import ServeOptions


def run(words: Sequence[str]) -> int:
    """Answer requests with a model until a signal comes."""
    arguments = parser().parse(words)
    options = check_flags(ServeOptions, "serve", arguments)
    launch = prepare(arguments)
    launch.start_console()
    from trainwright.api.serve import serve_model

    serve_model(arguments.run, options, tell_address)  # type: ignore[arg-type]
    return 0


def tell_address(address: str) -> None:
    """Say where it answers; at once, as whoever started it may wait for it."""
    print(f"serving at {bold(address)} (Ctrl-C ends it)", flush=True)
    sys.stdout.flush()


def parser() -> Parser:
    """The arguments of the command."""
    made = Parser(
        "serve",
        "Answer requests over HTTP with a trained model: POST /predict takes rows in JSON, CSV, Arrow or a form with files, and GET / is a "
        "page to try it on. Rows are validated by the columns of training; errors say what, where, why and the fix. A run is exported to "
        "ONNX first, a model that was exported is served as it is.",
        "RUN|MODEL.onnx [--port N] [--host ADDRESS] [--token-file FILE] [--max-rows N] …",
        [
            "trainwright serve runs/titanic-survived",
            "trainwright serve model.onnx --port 8080",
            "trainwright serve model.onnx --host 0.0.0.0 --token-file token.txt",
        ],
    )
    made.add_argument("run", metavar="RUN", help="a run directory, a folder of runs (its latest), or a model that was exported (.onnx)")
    add_flags(made, ServeOptions)
    add_trust_flag(made)
    add_launch_flags(made, ("verbose", "typecheck"))
    return made
