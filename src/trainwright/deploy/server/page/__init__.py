"""The page of a served model: its own files, from this server alone, made from `/schema` in the browser."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import trainwright.report

HERE, LOOK = Path(__file__).parent, Path(trainwright.report.__file__).parent
FILES: dict[str, tuple[Path, str]] = {
    "style.css": (LOOK / "style.css", "text/css"),
    "theme.js": (LOOK / "theme.js", "text/javascript"),
    "look.js": (LOOK / "page.js", "text/javascript"),
    "page.css": (HERE / "page.css", "text/css"),
    **{f"{name}.js": (HERE / f"{name}.js", "text/javascript") for name in ("start", "asking", "inputs", "answer", "explained", "markup")},
}
"""What is served below `page/`: the look of a report, and what the page adds to it."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; media-src blob:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def add_page(app: Any) -> None:
    """Serve the page at `/` and its files below `/page/`, which tell nothing of the model, and so are open where a token is asked for."""
    from fastapi import Response

    def show_page() -> Response:
        return Response(_content(HERE / "index.html"), media_type="text/html", headers=HEADERS)

    def show_file(name: str) -> Response:
        if name not in FILES:
            return Response("there is no such file of the page", status_code=404, media_type="text/plain", headers=HEADERS)
        path, kind = FILES[name]
        return Response(_content(path), media_type=kind, headers=HEADERS)

    app.add_api_route("/", show_page, include_in_schema=False, response_model=None)
    app.add_api_route("/page/{name}", show_file, include_in_schema=False, response_model=None)


@cache
def _content(path: Path) -> bytes:
    return path.read_bytes()
