"""A trained model behind HTTP: a run, which is exported first where it can be, or a model that was exported already."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from trainwright.config.errors import RequestError
from trainwright.config.part_options import check_options
from trainwright.deploy.server.options import ServeOptions

if TYPE_CHECKING:
    from trainwright.deploy.server.service import Backend

log = logging.getLogger(__name__)
PIP = "pip install 'trainwright[serve]'"


def serve(path: str | os.PathLike[str], **options: Any) -> None:
    """Answer requests over HTTP with the model of a run, or of a `.onnx` file, until the process is asked to end.

    `options` are those of `trainwright serve`: host, port, max_bytes … Raises RequestError for a port in use and for options that are not
    there, RunError for what is no model.
    """
    given = check_options(ServeOptions, "serve", options, where="tw.serve")
    serve_model(path, cast(ServeOptions, given))


def serve_model(path: str | os.PathLike[str], options: ServeOptions, told: Callable[[str], None] = log.info) -> None:
    """The same under options that were read; `told` is called with the address once it answers."""
    require_extra()
    from trainwright.deploy.server.app import Application
    from trainwright.deploy.server.gradio_page import add_gradio, require_gradio
    from trainwright.deploy.server.run import bind, is_loopback, read_token
    from trainwright.deploy.server.run import serve as answer
    from trainwright.deploy.server.service import Service

    token = read_token(options)
    if options.gradio:
        require_gradio(token)
    listening = bind(options)
    with listening, tempfile.TemporaryDirectory(prefix="trainwright-serve-") as folder:
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
    """What answers: the model in a `.onnx` file."""
    from trainwright.deploy.host.model import open_model
    from trainwright.deploy.server.hosted import HostedBackend

    if path.is_dir():
        fix = f"trainwright export {path} --to onnx -o model.onnx, then trainwright serve model.onnx"
        raise RequestError("a run is served from the file that it is exported to", where=str(path), fix=fix)
    model = open_model(path, options.threads)
    model.reader.limit_pixels(options.max_pixels)
    return HostedBackend(model)
