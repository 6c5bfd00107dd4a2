"""Thumbnails of the first images of a stack, for notebooks."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from html import escape
from typing import Any

import numpy as np

from .._typing import Array

MAX_WINDOWS = 4
MAX_SIDE = 112  # pixels
MAX_CHARACTERS = 190_000  # of all thumbnails; notebooks keep them
LEFT = "style='text-align: left'"  # notebooks align cells to the right, and shrink images
FRAME = "style='max-width: none; border: 1px solid #bbb'"


def render_thumbnails(images: Any) -> str:
    """Return a table of thumbnails of a `BiosignalImages`: windows as rows, images as columns.

    There are fewer if they would exceed `MAX_CHARACTERS`.
    """
    n_windows, n_images, size = images.shape[:3]
    rows: list[list[str]] = []
    n_characters = 0
    for position in range(min(n_windows, MAX_WINDOWS) * n_images):
        window, number = divmod(position, n_images)
        cell = _render_cell(images, window, number)
        n_characters += len(cell)
        if n_characters > MAX_CHARACTERS:
            break
        if number == 0:
            rows.append([f"<th {LEFT}>{escape(_label(images, window))}</th>"])
        rows[-1].append(cell)
    n_columns = max((len(row) for row in rows), default=1) - 1
    names = "".join(f"<th {LEFT}>{escape(name)}</th>" for name in images.image_names[:n_columns])
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    n_shown = sum(len(row) - 1 for row in rows)
    hidden = f", in {n_columns} of {n_images} columns" if n_columns < n_images else ""
    return (
        f"<div style='overflow-x: auto'><p>BiosignalImages: {n_windows:,} windows x {n_images} "
        f"image{'' if n_images == 1 else 's'}, {size} x {size} pixels; {n_shown} of "
        f"{n_windows * n_images:,} are shown{hidden}.</p>"
        f"<table><tr><th></th>{names}</tr>{body}</table></div>"
    )


def _label(images: Any, window: int) -> str:
    return f"window {window}" if images.index is None else str(images.index[window])


def _render_cell(images: Any, window: int, number: int) -> str:
    if images.missing[window]:
        return f"<td {LEFT}>missing</td>"
    position = window * len(images.image_names) + number
    image = _shrink(images.draw(np.array([position]))[0].numpy())
    data = b64encode(encode_png(image)).decode()
    alt = escape(f"{images.image_names[number]} of {_label(images, window)}")
    size = f"width='{len(image)}' height='{len(image)}'"
    return f"<td {LEFT}><img src='data:image/png;base64,{data}' {size} {FRAME} alt='{alt}'></td>"


def _shrink(image: Array) -> Array:
    """Average squares of pixels, so that no side is longer than `MAX_SIDE`."""
    factor = -(-len(image) // MAX_SIDE)
    side = len(image) // factor
    squares = image[: side * factor, : side * factor].reshape(side, factor, side, factor, 3)
    return squares.mean(axis=(1, 3)).round().astype(np.uint8)


def encode_png(image: Array) -> bytes:
    """Return a uint8 image (H, W, 3) as a PNG file, see https://www.w3.org/TR/png-3/."""
    height, width = image.shape[:2]
    lines = np.pad(image.reshape(height, -1), ((0, 0), (1, 0)))  # each begins with filter type 0
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0),  # 8 bits, RGB
        b"IDAT": zlib.compress(lines.tobytes(), 9),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )
