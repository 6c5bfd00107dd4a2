"""BiosignalImages: the lazy stack of images between the two transformers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from .._typing import Array, Mask, Rows
from ..signals.windows import Windows
from .rendering import render
from .settings import ImageSettings, Panel
from .thumbnails import render_thumbnails

BLANK = 255  # white
WINDOWS_DRAWN_AT_ONCE = 16  # more do not fit into the caches of a CPU


class BiosignalImages:
    """A stack of images that holds signals and draws on access.

    Behaves as a read-only uint8 array of shape (n_windows, n_images, H, W, 3), with one image for
    each panel and tile: ``images[3, 0]`` is an image, ``images[10:20]`` is another lazy stack, and
    ``np.asarray(images)`` draws everything. A notebook shows its first images as thumbnails.
    `BiosignalImageTransformer` returns it.

    Parameters
    ----------
    windows : Windows
        As `sklearn_biomoe.signals.read_windows` returns them.
    settings : ImageSettings

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    image_names : list of str
        One for each of the n_images, such as "eda_spectrogram_psd".
    missing : ndarray of shape (n_windows,), bool
        Windows that are missing: their images are blank.
    index : pandas.Index or None
        Row labels of the frame that the windows were in.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_biomoe import BiosignalImageTransformer
    >>> signals = np.sin(np.linspace(0, 60, 240)) * np.ones((5, 1))
    >>> images = BiosignalImageTransformer(["waveform"]).fit_transform(signals)
    >>> images.shape
    (5, 1, 224, 224, 3)
    >>> images[3, 0].shape
    (224, 224, 3)
    >>> images[1:3]
    BiosignalImages(2 windows x ['generic_waveform'], 224 x 224 pixels)
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, windows: Windows, settings: ImageSettings) -> None:
        self.windows = windows
        self.settings = settings
        self.image_names = settings.image_names

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """(n_windows, n_images, H, W, 3)."""
        size = self.settings.image_size
        return (len(self), len(self.image_names), size, size, 3)

    @property
    def ndim(self) -> int:
        """5."""
        return len(self.shape)

    @property
    def missing(self) -> Mask:
        """Which windows are missing."""
        return self.windows.missing

    @property
    def index(self) -> pd.Index | None:
        """Row labels of the frame that the windows were in."""
        return self.windows.index

    def __len__(self) -> int:
        return len(self.windows)

    def __repr__(self) -> str:
        size = self.settings.image_size
        return f"BiosignalImages({len(self)} windows x {self.image_names}, {size} x {size} pixels)"

    def _repr_html_(self) -> str:
        return render_thumbnails(self)

    def __getitem__(self, key: Any) -> BiosignalImages | Array:
        key = key if isinstance(key, tuple) else (key,)
        if key and key[-1] is Ellipsis:  # scikit-learn selects rows by images[rows, ...]
            key = key[:-1]
        if any(part is Ellipsis or part is None for part in key):
            return np.asarray(self)[key]
        rows, within = (key[0], key[1:]) if key else (slice(None), ())
        if isinstance(rows, int | np.integer):
            position = range(len(self))[rows]  # the IndexError and negative positions of a list
            return np.asarray(self[position : position + 1])[0][within]
        rows = np.asarray(rows) if isinstance(rows, list) else rows
        stack = BiosignalImages(self.windows[rows], self.settings)
        return np.asarray(stack)[(slice(None), *within)] if within else stack

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError("Drawing returns a new array, so copy=False is not possible.")
        images = np.empty(self.shape, dtype=self.dtype)
        flat = torch.from_numpy(images).flatten(0, 1)
        at_once = WINDOWS_DRAWN_AT_ONCE * len(self.image_names)
        for positions in np.split(np.arange(len(flat)), range(at_once, len(flat), at_once)):
            if len(positions):
                self.draw(positions, out=flat[positions[0] : positions[-1] + 1])
        return images if dtype is None else images.astype(dtype, copy=False)

    def draw(self, positions: Rows, device: str = "cpu", out: Tensor | None = None) -> Tensor:
        """Draw some images.

        Parameters
        ----------
        positions : ndarray of shape (n,), int64
            In the flat stack: window * n_images + image.
        device : str, default="cpu"
            The torch device to draw on.
        out : Tensor of shape (n, H, W, 3), uint8, default=None
            Where to draw; None allocates memory on ``device``.

        Returns
        -------
        images : Tensor of shape (n, H, W, 3), uint8
            On ``device``.
        """
        if out is None:
            out = torch.empty((len(positions), *self.shape[2:]), dtype=torch.uint8, device=device)
        rows, numbers = np.divmod(positions, len(self.image_names))
        panels, tiles = np.divmod(numbers, self.settings.n_tiles)
        for number in np.unique(panels):
            panel = self.settings.panels[number]
            shown = np.flatnonzero(panels == number)
            samples = [self._samples(rows[at], tiles[at], panel) for at in shown]
            lengths = np.array([each.shape[1] for each in samples])
            for n_times in np.unique(lengths):
                same = np.flatnonzero(lengths == n_times)
                values = torch.from_numpy(np.stack([samples[at] for at in same]))
                signals = copy_to_device(values, device)
                self._draw_panel(signals, panel, shown[same], out)
        blank = torch.from_numpy(self.missing[rows])
        if blank.any():
            out[blank.to(out.device)] = BLANK
        return out

    def _samples(self, row: int, tile: int, panel: Panel) -> Array:
        """Return the samples of an image: float64 (n_channels, n_times), zeros if missing."""
        window = self.windows.values[row]
        cut = self.settings.tile_slices(window.shape[1])[tile]
        samples: Array = window[list(panel.channels), cut].astype(np.float64)
        return np.zeros_like(samples) if self.missing[row] else samples

    def _draw_panel(self, signals: Tensor, panel: Panel, positions: Rows, out: Tensor) -> None:
        settings = self.settings
        everything = len(positions) == len(out)
        drawn = render(
            signals,
            panel.representation,
            sampling_rate=settings.sampling_rate,
            modality=settings.modalities[panel.channels[0]],
            limits=panel.limits,
            colormap=settings.colormap,
            size=settings.image_size,
            out=out if everything else None,
        )
        if not everything:
            out[torch.from_numpy(positions).to(out.device)] = drawn

    def contents(self) -> Iterator[bytes]:
        """Yield what determines each image, in order: its samples and how they are drawn."""
        panels = [(panel, self.settings.identity(panel)) for panel in self.settings.panels]
        for row, window in enumerate(self.windows.values):
            n_tiles = len(self.settings.tile_slices(window.shape[1]))
            for panel, identity in panels:
                for tile in range(n_tiles):
                    samples = self._samples(row, tile, panel)
                    look = repr((identity, samples.shape)).encode()
                    yield look + samples.tobytes()


def copy_to_device(values: Tensor, device: str) -> Tensor:
    """Copy values from the CPU to a device; to CUDA without waiting for its earlier work."""
    if device.startswith("cuda"):
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)
