"""What a server is told. Imports no torch."""

from __future__ import annotations

from pydantic import Field

from trainwright.config.model import PartConfig
from trainwright.config.sizes import Bytes


class ServeOptions(PartConfig):
    """Where a server listens, and what it takes at most."""

    type: str = "serve"
    host: str = Field(default="127.0.0.1", json_schema_extra={"metavar": "ADDRESS"})
    """Address to listen at; by default only this machine reaches it, 0.0.0.0: every other too."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port to listen at; 0 takes a free one and says which."""
    max_bytes: Bytes = Field(default=Bytes(16 << 20), json_schema_extra={"metavar": "SIZE"})
    """Bytes of one request at most; more is answered with 413."""
    max_rows: int = Field(default=10_000, ge=1)
    """Rows of one request at most; more is answered with 413."""
    max_pixels: int = Field(default=50_000_000, ge=1)
    """Pixels of one picture at most, looked at before it is decoded; more is answered with 413."""
    max_waiting: int = Field(default=256, ge=1)
    """Requests that wait to be computed at most; further ones are answered with 503 and Retry-After."""
    seconds: float = Field(default=30.0, gt=0, le=3600)
    """Seconds that a request may take; then it is answered with 504, and not computed where that has not begun."""
    batch_rows: int = Field(default=1024, ge=1)
    """Rows that are computed together at most, of all the requests that wait."""
    wait: float = Field(default=0.0, ge=0, le=1)
    """Seconds to wait for more requests before what waits is computed; 0 takes what is there."""
    threads: int = Field(default=1, ge=1, le=1024)
    """Threads that compute."""
    token_file: str = Field(default="", json_schema_extra={"metavar": "FILE"})
    """File whose text every request must send as `Authorization: Bearer …`; without one nobody has to."""
    gradio: bool = False
    """Add a page of Gradio at /gradio, for who has gradio installed; the page at / needs nothing."""
    ludwig_api: bool = False
    """Answer POST /predict and /batch_predict of forms as `ludwig serve` does."""
