"""How names of pictures end, and what lies beside pictures that nobody put there. Imports nothing."""

from __future__ import annotations

PICTURES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".ppm", ".pgm", ".pbm", ".pnm", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".gif",
    ".avif", ".jp2", ".j2k", ".tga",
)  # fmt: skip
"""What Pillow reads, case aside."""
UNREAD = (".heic", ".heif", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".raw", ".svg", ".psd", ".pdf", ".mp4", ".mov", ".avi")
"""Pictures and films that are not read: they are counted where they lie among others."""
LITTER = ("thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r", "__macosx", "@eadir", "$recycle.bin")
"""What systems write into folders, in small letters; names that begin with a dot are litter too (`.DS_Store`, `._x.jpg`)."""
TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
"""How tables end that may lie beside pictures."""
IMAGES = ("images", "image", "imgs", "img", "jpegimages", "photos")
"""Names of a folder of pictures beside one of masks, in small letters."""
MASKS = ("masks", "mask", "labels", "annotations", "segmentation", "segmentations", "segmentationclass", "gt")
"""Names of a folder of masks."""


def is_picture(name: str) -> bool:
    """Whether a file is named as pictures are."""
    return name.lower().endswith(PICTURES)


def is_litter(name: str) -> bool:
    """Whether a file or folder is one that nobody put there, or hidden."""
    return name[:1] == "." or name.lower() in LITTER
