"""Grids: cells of seconds and hertz over an image, and overlapping patches of cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .._typing import FloatArray, Rows
from ..images.shown_image import ShownImage

PATCHES_IN_TIME, PATCHES_IN_FREQUENCY = 6, 4  # that fit next to each other into an image
CELLS_OF_CURVES, CELLS_OF_MAPS = 4, 2  # width of a patch; maps have many more patches


@dataclass(frozen=True)
class Grid:
    """Cells of an image, and patches of neighbouring cells that overlap.

    Parameters
    ----------
    columns : ndarray of shape (n_columns + 1,), int64
        Edges of the cells, in pixels from the left border.
    rows : ndarray of shape (n_rows + 1,), int64
        Edges of the cells, in pixels from the bottom.
    width, height : int
        Cells of a patch.
    """

    columns: Rows
    rows: Rows
    width: int
    height: int

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, n_columns)."""
        return len(self.rows) - 1, len(self.columns) - 1

    def patches(self) -> Iterator[tuple[slice, slice]]:
        """Yield the rows and the columns of cells of each patch; it is cut at the borders.

        Each cell is in the same number of patches.
        """
        n_rows, n_columns = self.shape
        for bottom in range(1 - self.height, n_rows):
            for left in range(1 - self.width, n_columns):
                yield (
                    slice(max(bottom, 0), min(bottom + self.height, n_rows)),
                    slice(max(left, 0), min(left + self.width, n_columns)),
                )

    def pixels(self, patch: tuple[slice, slice]) -> tuple[slice, slice]:
        """Return the rows of pixels of a patch, from the top, and its columns of pixels."""
        rows, columns = patch
        size = self.rows[-1]
        return (
            slice(int(size - self.rows[rows.stop]), int(size - self.rows[rows.start])),
            slice(int(self.columns[columns.start]), int(self.columns[columns.stop])),
        )

    def average(self, values: FloatArray) -> FloatArray:
        """Average, for each cell, the values of the patches that contain it."""
        cells = np.zeros(self.shape)
        for value, patch in zip(values, self.patches(), strict=True):
            cells[patch] += value
        return cells / (self.width * self.height)


def make_grid(shown: ShownImage, stretch: float | None) -> Grid:
    """Divide an image into cells.

    Parameters
    ----------
    shown : ShownImage
    stretch : float or None
        Seconds of a patch; None for a sixth of the image.

    Returns
    -------
    grid : Grid
        With one row if the vertical axis does not show frequency.
    """
    size = shown.settings.image_size
    has_frequencies = shown.vertical == "frequency"
    width = CELLS_OF_MAPS if has_frequencies else CELLS_OF_CURVES
    left, right = shown.axes.times
    n_patches = PATCHES_IN_TIME if stretch is None else (right - left) / stretch
    n_columns = int(np.clip(round(n_patches * width), 1, size))
    height = CELLS_OF_MAPS if has_frequencies else 1
    n_rows = PATCHES_IN_FREQUENCY * height if has_frequencies else 1
    columns, rows = (
        np.linspace(0, size, n + 1).round().astype(np.int64) for n in (n_columns, n_rows)
    )
    return Grid(columns, rows, min(width, n_columns), height)


def sum_over_cells(relevance: FloatArray, shown: ShownImage, grid: Grid) -> FloatArray:
    """Sum the relevance of pixels (H, W, 3) over each cell.

    Half of a pixel's relevance in a map of pairs belongs to each of its two times. The colours of a
    composite are assigned to cells by the time axes of its parts.
    """
    if shown.vertical == "frequency":
        by_pixel = relevance.sum(axis=2)[::-1]
        by_row = np.add.reduceat(by_pixel, grid.rows[:-1], axis=0)
        return np.add.reduceat(by_row, grid.columns[:-1], axis=1)
    by_column = relevance.sum(axis=(0, 2))
    if shown.vertical == "time":
        by_column = by_column / 2 + relevance.sum(axis=(1, 2))[::-1] / 2
    elif shown.representation.parts:
        by_colour = relevance.sum(axis=0)  # (W, 3)
        columns = composite_columns(shown).T
        by_column = np.bincount(columns.ravel(), by_colour.ravel(), len(by_colour))
    return np.add.reduceat(by_column, grid.columns[:-1])[None]


def composite_columns(shown: ShownImage) -> Rows:
    """Return the column of a composite's curve that has the time of each column of each colour.

    Spectrograms extend from the first piece to the last, curves from the first sample to the last.

    Returns
    -------
    columns : ndarray of shape (3, W), int64
    """
    size = shown.settings.image_size
    left, right = shown.axes.times
    columns = []
    for part in shown.representation.parts:
        times = shown.axes_of(part).time_at((np.arange(size) + 0.5) / size)
        columns.append(np.floor((times - left) / (right - left) * size).clip(0, size - 1))
    return np.array(columns, dtype=np.int64)
