"""The page of a served model: its own files, from this server alone, made from `/schema` in the browser."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import trainwright.report

PAGE = "/page/"
HERE, LOOK = Path(__file__).parent, Path(trainwright.report.__file__).parent
FILES: dict[str, tuple[Path, str]] = {
    "style.css": (LOOK / "style.css", "text/css"),
    "theme.js": (LOOK / "theme.js", "text/javascript"),
    "look.js": (LOOK / "page.js", "text/javascript"),
    "page.css": (HERE / "page.css", "text/css"),
    **{
        f"{name}.js": (HERE / f"{name}.js", "text/javascript")
        for name in ("start", "asking", "inputs", "answer", "explained", "markup", "record")
    },
}
"""What is served below PAGE: the look of a report, and what the page adds to it."""
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


def page_file(path: str) -> tuple[bytes, str] | None:
    """The content and kind of a file of the page by its path on the server (`/`, `/page/start.js`); None for what is none.

    The page tells nothing of the model, and so it is open where a token is asked for.
    """
    if path == "/":
        return _content(HERE / "index.html"), "text/html; charset=utf-8"
    found = FILES.get(path.removeprefix(PAGE)) if path.startswith(PAGE) else None
    return None if found is None else (_content(found[0]), f"{found[1]}; charset=utf-8")


@cache
def _content(path: Path) -> bytes:
    return path.read_bytes()
