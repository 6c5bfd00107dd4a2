"""Grids: cells of seconds and hertz over an image, and the patches of cells that are hidden."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .._typing import FloatArray
from ..images.settings import tile_starts
from ..images.stack import BiosignalImages
from ..representations import REPRESENTATIONS, ImageAxes, Representation, image_axes
from ..signals.windows import Windows

PATCHES_IN_TIME, PATCHES_IN_FREQUENCY = 6, 4  # that fit side by side into an image
CELLS_OF_CURVES, CELLS_OF_MAPS = 4, 2  # that a patch is wide; maps have many more patches


@dataclass(frozen=True)
class ShownImage:
    """One image of one window: a stretch of the signal and the way it is drawn.

    Parameters
    ----------
    name : str
    representation : str
    images : BiosignalImages
        Of this image alone.
    axes : ImageAxes
    start : float
        Time of the first sample shown.
    """

    name: str
    representation: str
    images: BiosignalImages
    axes: ImageAxes
    start: float

    @property
    def entry(self) -> Representation:
        """What the registry says of the representation."""
        return REPRESENTATIONS[self.representation]

    @property
    def signal(self) -> FloatArray:
        """The samples shown, (n_channels, n_times)."""
        (panel,) = self.images.settings.panels
        return np.asarray(self.images.windows.values[0][list(panel.channels)], dtype=np.float64)

    @property
    def sampling_rate(self) -> float:
        """In Hz; 1 where it is unknown, and times are counted in samples."""
        return self.images.settings.sampling_rate or 1.0

    def redraw(self, signals: FloatArray) -> BiosignalImages:
        """Draw curves of other samples (n, n_channels, n_times) over the same range of values."""
        (panel,) = self.images.settings.panels
        own = [(float(channel.min()), float(channel.max())) for channel in self.signal]
        limits = tuple(given or there for given, there in zip(panel.limits, own, strict=True))
        settings = replace(self.images.settings, panels=(replace(panel, limits=limits),))
        windows = np.repeat(
            np.asarray(self.images.windows.values, dtype=np.float64), len(signals), axis=0
        )
        windows[:, list(panel.channels)] = signals
        return BiosignalImages(Windows(windows, np.zeros(len(windows), bool)), settings)


def single_out(images: BiosignalImages, number: int) -> ShownImage:
    """Return an image of the first window, a tile perhaps, by its own."""
    settings = images.settings
    panel, tile = divmod(number, settings.n_tiles)
    signal = images.windows.values[0]
    length = settings.tile_length or signal.shape[1]
    first = tile_starts(signal.shape[1], settings.tile_length, settings.tile_step)[tile]
    chosen = settings.panels[panel]
    alone = replace(settings, panels=(chosen,), n_tiles=1, tile_length=None, tile_step=None)
    stack = BiosignalImages(
        Windows(signal[None, :, first : first + length], images.missing[:1]), alone
    )
    modality = settings.modalities[chosen.channels[0]]
    rate = settings.sampling_rate
    axes = image_axes(chosen.representation, length, rate, modality, first)
    name = images.image_names[number]
    return ShownImage(name, chosen.representation, stack, axes, first / (rate or 1.0))


@dataclass(frozen=True)
class Grid:
    """Cells of an image, and patches of neighbouring cells that overlap.

    Parameters
    ----------
    columns : ndarray of shape (n_columns + 1,), int
        Where cells begin and end, in pixels from the left border.
    rows : ndarray of shape (n_rows + 1,), int
        In pixels from the bottom.
    width, height : int
        Cells of a patch.
    """

    columns: NDArray[np.int64]
    rows: NDArray[np.int64]
    width: int
    height: int

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, n_columns)."""
        return len(self.rows) - 1, len(self.columns) - 1

    def patches(self) -> Iterator[tuple[slice, slice]]:
        """Yield each patch's rows and columns of cells; those at borders may be smaller.

        Every cell is in as many patches as any other.
        """
        n_rows, n_columns = self.shape
        for bottom in range(1 - self.height, n_rows):
            for left in range(1 - self.width, n_columns):
                yield (
                    slice(max(bottom, 0), min(bottom + self.height, n_rows)),
                    slice(max(left, 0), min(left + self.width, n_columns)),
                )

    def spread(self, values: FloatArray) -> FloatArray:
        """Give each cell the mean of the values of the patches that it is in."""
        cells = np.zeros(self.shape)
        for value, patch in zip(values, self.patches(), strict=True):
            cells[patch] += value
        return cells / (self.width * self.height)

    def pixels(self, patch: tuple[slice, slice]) -> tuple[slice, slice]:
        """Return a patch's rows, from the top, and columns of pixels."""
        rows, columns = patch
        size = self.rows[-1]
        return (
            slice(int(size - self.rows[rows.stop]), int(size - self.rows[rows.start])),
            slice(int(self.columns[columns.start]), int(self.columns[columns.stop])),
        )


def lay_grid(shown: ShownImage, stretch: float | None) -> Grid:
    """Lay a grid over an image.

    Parameters
    ----------
    shown : ShownImage
    stretch : float or None
        Seconds of a patch; None takes a sixth of the image.

    Returns
    -------
    grid : Grid
        Its last patch may be shorter. An image without frequencies has one row.
    """
    size = shown.images.settings.image_size
    flat = shown.axes.frequencies is None
    width = CELLS_OF_CURVES if flat else CELLS_OF_MAPS
    left, right = shown.axes.times
    n_patches = PATCHES_IN_TIME if stretch is None else (right - left) / stretch
    n_columns = int(np.clip(round(n_patches * width), 1, size))
    height = 1 if flat else CELLS_OF_MAPS
    n_rows = 1 if flat else PATCHES_IN_FREQUENCY * height
    columns, rows = (
        np.linspace(0, size, n + 1).round().astype(np.int64) for n in (n_columns, n_rows)
    )
    return Grid(columns, rows, min(width, n_columns), height)


def project(relevance: FloatArray, shown: ShownImage, grid: Grid) -> FloatArray:
    """Sum the relevance of pixels over cells.

    Parameters
    ----------
    relevance : ndarray of shape (H, W, 3)
    shown : ShownImage
    grid : Grid

    Returns
    -------
    sums : ndarray of shape grid.shape
        A pixel of a map of pairs counts half for each of its two times; the colours of a composite
        count where their own time axes have them.
    """
    if shown.axes.frequencies is not None:
        upright = relevance.sum(axis=2)[::-1]
        return np.add.reduceat(
            np.add.reduceat(upright, grid.rows[:-1], axis=0), grid.columns[:-1], axis=1
        )
    if shown.axes.vertical == "time":
        both = relevance.sum(axis=2)
        by_column = both.sum(axis=0) / 2 + both.sum(axis=1)[::-1] / 2
    elif shown.entry.parts:
        by_colour = relevance.sum(axis=0)  # (W, 3)
        by_column = np.bincount(part_columns(shown).T.ravel(), by_colour.ravel(), len(by_colour))
    else:
        by_column = relevance.sum(axis=(0, 2))
    return np.add.reduceat(by_column, grid.columns[:-1])[None]


def part_columns(shown: ShownImage) -> NDArray[np.int64]:
    """Tell to which column of a composite's curve, by time, each column of its colours belongs.

    Spectrograms reach from the first piece to the last, curves from the first sample to the last.

    Returns
    -------
    columns : ndarray of shape (3, W), int64
    """
    settings = shown.images.settings
    (panel,) = settings.panels
    size, n_times = settings.image_size, shown.signal.shape[1]
    modality = settings.modalities[panel.channels[0]]
    first = round(shown.start * shown.sampling_rate)
    left, right = shown.axes.times
    columns = []
    for part in shown.entry.parts:
        own = image_axes(part, n_times, settings.sampling_rate, modality, first)
        times = own.time_at((np.arange(size) + 0.5) / size)
        columns.append(np.floor((times - left) / (right - left) * size).clip(0, size - 1))
    return np.array(columns, dtype=np.int64)
