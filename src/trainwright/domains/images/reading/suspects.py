"""What files hold that are no pictures, told by how they begin."""

from __future__ import annotations

import os
import re

BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "it is a pointer of Git LFS: the file itself was not fetched (git lfs pull)"),
    (b"%PDF", "it is a PDF, not a picture"),
    (b"%!PS", "it is PostScript, a program that draws; it is not run"),
    (b"PK\x03\x04", "it is a zip archive, not a picture"),
    (b"\x1f\x8b", "it is compressed with gzip; unpack it"),
    (b"\x93NUMPY", "it is an .npy array; columns of arrays are of type file"),
    (b"\x89HDF", "it is an HDF5 file, not a picture"),
    (b"RIFF", "it is a RIFF file (sound or film) and no picture, or one that is cut off"),
    (b"\x00\x00\x01\xba", "it is a film, not a picture"),
)
HEIC = (b"heic", b"heix", b"hevc", b"mif1", b"msf1")
PAGE = re.compile(rb"<!doctype\s+html|<html|<head|<body", re.IGNORECASE)
STARTS = {
    b"\xff\xd8": "JPEG",
    b"\x89PNG": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"\x00\x00\x00\x0cjP": "JPEG2000",
}


def say_what_it_is(content: bytes) -> str:
    """Why content that Pillow does not know is no picture, in words."""
    if not content:
        return "it is empty (0 bytes)"
    head = content[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    for start, words in BEGINNINGS:
        if head.startswith(start):
            return words
    if PAGE.search(head):
        return "it is a web page (HTML), as servers send instead of a picture"
    if b"<svg" in head:
        return "it is an SVG drawing, which has no pixels; draw it as PNG first"
    if content[4:8] == b"ftyp":
        kind = "HEIC" if content[8:12] in HEIC else "AVIF" if content[8:12] in (b"avif", b"avis") else "a film"
        return {"HEIC": "it is HEIC, which is not read; convert it to JPEG or PNG", "AVIF": "it is AVIF that is cut off or damaged"}.get(
            kind, "it is a film, not a picture"
        )
    if head[:1] in b"{[":
        return "it is text (JSON), not a picture"
    known = next((name for start, name in STARTS.items() if content.startswith(start)), "")
    if known:
        return f"it begins as {known} does, and is cut off or damaged in its head"
    if not any(content):
        return f"it holds {len(content):,} zeros"
    return "it is no picture in a format that is known"


def suffix_format(path: str, known: dict[str, str]) -> str:
    """The format that the suffix of a path stands for, of those of Pillow (`.jpg` → JPEG); empty where it stands for none."""
    return known.get(os.path.splitext(path)[1].lower(), "")
