"""A trained model behind HTTP: a run, which is exported first where it can be, or a model that was exported already."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from trainwright.config.errors import RequestError, RunError
from trainwright.config.part_options import check_options
from trainwright.config.trust import consents, trusting
from trainwright.deploy.server.options import ServeOptions
from trainwright.domains.place import Place, find_place, require_config
from trainwright.runs.ways_on import to_its_end

if TYPE_CHECKING:
    from trainwright.deploy.server.service import Backend

log = logging.getLogger(__name__)
PIP = "pip install 'trainwright[serve]'"


def serve(path: str | os.PathLike[str], *, trust_code: bool = False, **options: Any) -> None:
    """Answer requests over HTTP with the model of a run, or of a `.onnx` file, until the process is asked to end.

    `options` are those of `trainwright serve`: host, port, max_bytes …; `trust_code` lets the run's files name code. Raises RequestError
    for a port in use and for options that are not there, RunError for what is no model.
    """
    given = check_options(ServeOptions, "serve", options, where="tw.serve")
    with trusting(trust_code):
        serve_model(path, cast(ServeOptions, given))


def serve_model(path: str | os.PathLike[str], options: ServeOptions, told: Callable[[str], None] = log.info) -> None:
    """The same under options that were read; `told` is called with the address once it answers."""
    require_extra()
    from trainwright.deploy.server.app import Application
    from trainwright.deploy.server.gradio_page import add_gradio, require_gradio
    from trainwright.deploy.server.run import bind, ending_by_signals, is_loopback, read_token
    from trainwright.deploy.server.run import serve as answer
    from trainwright.deploy.server.service import Service

    token = read_token(options)
    if options.gradio:
        require_gradio(token)
    listening = bind(options)
    with listening, ending_by_signals(), tempfile.TemporaryDirectory(prefix="trainwright-serve-") as folder:
        backend = open_backend(Path(path), options, Path(folder))
        service = Service(backend, options)
        service.warm_up(backend.example())
        host, port = listening.getsockname()[:2]
        if not is_loopback(options.host) and not token:
            log.warning("everyone who reaches %s may ask this model; --token-file FILE lets those alone who know its text", options.host)
        told(f"http://{f'[{host}]' if ':' in host else host}:{port}")
        application = Application(service, token)
        if options.gradio:
            application.framework = add_gradio(application.framework)
        answer(application, listening, options)
        service.close()


def require_extra() -> None:
    """Raise RequestError where what a server needs is not installed."""
    try:
        import fastapi  # noqa: F401
        import onnxruntime  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise RequestError("the packages of a server are not installed", where="trainwright serve", why=str(error), fix=PIP) from error


def open_backend(path: Path, options: ServeOptions, folder: Path) -> Backend:
    """What answers: a model that was exported, or a run: exported into `folder` where it can be, else by torch in this process."""
    if path.is_file() or path.suffix == ".onnx":
        refuse_code(path)
        return open_exported(path, options)
    if (path / "model.onnx").is_file():  # a folder that an export wrote
        return open_exported(path / "model.onnx", options)
    place = find_place(path)
    if not require_config(place).has_model:
        raise RunError("this run has no model yet", where=str(path), why="training did not reach its end", fix=to_its_end(place.path))
    log.info("exporting %s to ONNX", place.path)
    refusal = export_beside(place.path, folder / "model.onnx")
    if not refusal:
        try:
            return open_exported(folder / "model.onnx", options)
        except RequestError as error:  # a host reads less than the run does
            refusal = f"{error.what}: {error.why}"
    log.warning("%s is served by torch, which takes more memory and time: %s", place.path, refusal)
    return open_run(place, options)


def refuse_code(path: Path) -> None:
    """Raise RequestError for a file that runs code when it is loaded, or that no server here can ask."""
    if path.suffix == ".onnx":
        return
    executes = {".pt": "a pickle", ".pth": "a pickle", ".pkl": "a pickle", ".ckpt": "a pickle", ".pt2": "a program of torch"}
    why = (
        f"{executes[path.suffix]} may execute what it holds when it is loaded" if path.suffix in executes else "only .onnx files are served"
    )
    raise RequestError(
        "this file is not served", where=str(path), why=why, fix="name a run, or trainwright export RUN --to onnx -o model.onnx"
    )


def open_exported(path: Path, options: ServeOptions) -> Backend:
    """The model in a `.onnx` file."""
    from trainwright.deploy.host.model import open_model
    from trainwright.deploy.server.hosted import HostedBackend

    model = open_model(path, options.threads)
    model.reader.limit_pixels(options.max_pixels)
    return HostedBackend(model)


def export_beside(run: Path, target: Path) -> str:
    """Export a run in a process of its own, so that this one has no torch; why it cannot be, or nothing."""
    words = [
        sys.executable,
        "-m",
        "trainwright",
        "export",
        str(run),
        "--to",
        "onnx",
        "-o",
        str(target),
        *(["--trust-code"] if consents() else []),
    ]
    # what it puts into a temporary folder goes with the target's, should it be killed because this process is asked to end
    variables = {**os.environ, "TMPDIR": str(target.parent)}
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=variables)
    if done.returncode == 0:
        return ""
    said = [each for each in done.stderr.splitlines() if each.startswith(("error:", "  why:"))]
    return "; ".join(each.removeprefix("error:").strip() for each in said)[:400] or f"the export ended with {done.returncode}"


def open_run(place: Place, options: ServeOptions) -> Backend:
    """A run, by torch in this process."""
    import torch

    from trainwright.api.predictors.kinds import open_place
    from trainwright.deploy.server.run_backend import RunBackend
    from trainwright.files.download import sha256_of

    torch.set_num_threads(options.threads)
    weights = place.model / "model.safetensors"
    return RunBackend(open_place(place), place.path.name, sha256_of(weights) if weights.is_file() else "", options.max_pixels)
