"""Grids: cells of seconds and hertz over an image, and overlapping patches of cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .._typing import FloatArray, Rows
from ..images.shown_image import ShownImage

PATCHES_IN_TIME, PATCHES_IN_FREQUENCY = 6, 4  # that fit next to each other into an image
CELLS_OF_CURVES, CELLS_OF_MAPS = 4, 2  # width of a patch; maps have many more patches

Patch = tuple[slice, slice]  # rows and columns of cells


@dataclass(frozen=True)
class Grid:
    """Cells of an image, and patches of neighbouring cells that overlap."""

    columns: Rows  # (n_columns + 1,), edges of the cells in pixels from the left
    rows: Rows  # (n_rows + 1,), edges of the cells in pixels from the bottom
    width: int  # of a patch, in cells
    height: int

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, n_columns)."""
        return len(self.rows) - 1, len(self.columns) - 1

    def patches(self) -> Iterator[Patch]:
        """Yield patches, cut at the borders, so that each cell is in the same number of them."""
        n_rows, n_columns = self.shape
        for bottom in range(1 - self.height, n_rows):
            for left in range(1 - self.width, n_columns):
                yield (
                    slice(max(bottom, 0), min(bottom + self.height, n_rows)),
                    slice(max(left, 0), min(left + self.width, n_columns)),
                )

    def average(self, values: FloatArray) -> FloatArray:
        """Average, for each cell, the values of the patches that contain it."""
        cells = np.zeros(self.shape)
        for value, patch in zip(values, self.patches(), strict=True):
            cells[patch] += value
        return cells / (self.width * self.height)


def make_grid(shown: ShownImage, stretch: float | None) -> Grid:
    """Divide an image into cells, with patches of ``stretch`` seconds or a sixth of the image.

    Images without frequencies on the vertical axis have one row of cells.
    """
    size = shown.settings.image_size
    has_frequencies = shown.axes.vertical == "frequency"
    width = CELLS_OF_MAPS if has_frequencies else CELLS_OF_CURVES
    height = CELLS_OF_MAPS if has_frequencies else 1
    left, right = shown.axes.times
    n_patches = PATCHES_IN_TIME if stretch is None else (right - left) / stretch
    n_columns = int(np.clip(round(n_patches * width), 1, size))
    n_rows = PATCHES_IN_FREQUENCY * height if has_frequencies else 1
    columns, rows = (
        np.linspace(0, size, n + 1).round().astype(np.int64) for n in (n_columns, n_rows)
    )
    return Grid(columns, rows, min(width, n_columns), height)


def patch_weights(shown: ShownImage, grid: Grid, patch: Patch) -> FloatArray:
    """Return the share of each pixel that belongs to a patch: (H, W, 1), or (H, W, 3).

    Half of a pixel of a map of pairs belongs to each of its two times. The colours of a composite
    have different time axes.
    """
    rows, columns = patch
    pixels = np.arange(shown.settings.image_size)
    times = composite_columns(shown) if shown.representation.parts else pixels[:, None]
    left, right = grid.columns[columns.start], grid.columns[columns.stop]
    in_columns = np.asarray((times >= left) & (times < right), dtype=np.float64)  # (W, 1 or 3)
    if shown.axes.vertical == "time":
        return (in_columns[None] + in_columns[::-1, None]) / 2
    in_rows = (pixels >= grid.rows[rows.start]) & (pixels < grid.rows[rows.stop])
    return in_rows[::-1, None, None] * in_columns


def composite_columns(shown: ShownImage) -> Rows:
    """Return the column of a composite's curve at the time of each colour's columns: (W, 3).

    Spectrograms extend from the first segment to the last, curves over all samples.
    """
    size = shown.settings.image_size
    left, right = shown.axes.times
    middles = (np.arange(size) + 0.5) / size
    times = [shown.axes_of(part).time_at(middles) for part in shown.representation.parts]
    columns = np.floor((np.transpose(times) - left) / (right - left) * size)
    return columns.clip(0, size - 1).astype(np.int64)
