"""BiosignalImages: the lazy stack of images that flows between the two transformers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..signals import Signals, missing_rows
from .settings import ImageSettings, tile_starts

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

BLANK = 255  # white
WINDOWS_DRAWN_AT_ONCE = 16  # on a processor, whose caches more would leave


class BiosignalImages:
    """A stack of images that holds signals and draws on access.

    Behaves as a read-only uint8 array of shape (n_windows, n_images, H, W, 3), with an image for
    each panel and tile: ``images[3, 0]`` is an image, ``images[10:20]`` another stack that has
    drawn nothing yet, and ``np.asarray(images)`` draws everything. It costs the memory of its
    signals. `BiosignalImageTransformer` makes it.

    Parameters
    ----------
    signals : ndarray
        As `sklearn_biomoe.signals.read_windows` returns them.
    settings : ImageSettings
    index : pandas.Index or None
        Row labels of the frame that the windows came from, kept for pandas output.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    image_names : list of str
        One for each of the n_images, such as "eda_spectrogram_psd".
    missing : ndarray of shape (n_windows,), bool
        Windows that are not there: their images are blank.

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

    def __init__(
        self, signals: Signals, settings: ImageSettings, index: pd.Index | None = None
    ) -> None:
        self.signals = signals
        self.settings = settings
        self.index = index
        self.image_names = settings.image_names

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """(n_windows, n_images, H, W, 3)."""
        size = self.settings.image_size
        return (len(self.signals), len(self.image_names), size, size, 3)

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Which windows are not there."""
        return missing_rows(self.signals)

    @property
    def ndim(self) -> int:
        """5."""
        return len(self.shape)

    def __len__(self) -> int:
        return len(self.signals)

    def __repr__(self) -> str:
        size = self.settings.image_size
        return f"BiosignalImages({len(self)} windows x {self.image_names}, {size} x {size} pixels)"

    def __getitem__(self, key: Any) -> BiosignalImages | NDArray[np.uint8]:
        key = key if isinstance(key, tuple) else (key,)
        if key[-1] is Ellipsis:  # scikit-learn picks rows by images[rows, ...]
            key = key[:-1]
        if any(part is Ellipsis or part is None for part in key):
            return np.asarray(self)[key]
        windows, within = (key[0], key[1:]) if key else (slice(None), ())
        if isinstance(windows, int | np.integer):
            position = range(len(self))[windows]  # refuses and wraps as any sequence does
            return np.asarray(self._take(slice(position, position + 1)))[0][within]
        stack = self._take(np.asarray(windows) if isinstance(windows, list) else windows)
        return np.asarray(stack)[(slice(None), *within)] if within else stack

    def _take(self, windows: Any) -> BiosignalImages:
        index = None if self.index is None else self.index[windows]
        return BiosignalImages(self.signals[windows], self.settings, index)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("Drawing makes a new array; copy=False cannot be had.")
        import torch

        images = np.empty(self.shape, dtype=self.dtype)
        self._draw_into(torch.from_numpy(images))
        return images if dtype is None else images.astype(dtype, copy=False)

    def contents(self) -> Iterator[bytes]:
        """Yield what decides each image, window by window: its samples and how they are drawn."""
        settings = self.settings
        for window in self.signals:
            starts = tile_starts(window.shape[1], settings.tile_length, settings.tile_step)
            length = settings.tile_length or window.shape[1]
            for panel in settings.panels:
                channels = np.asarray(window[list(panel.channels)], dtype=np.float64)
                for start in starts:
                    samples = np.ascontiguousarray(channels[:, start : start + length])
                    yield (
                        repr((settings.drawing_of(panel), samples.shape)).encode()
                        + samples.tobytes()
                    )

    def draw(self, device: str = "cpu") -> Tensor:
        """Draw all images.

        Parameters
        ----------
        device : str
            The torch device to draw on.

        Returns
        -------
        images : Tensor of shape (n_windows, n_images, H, W, 3), uint8
            On ``device``.
        """
        import torch

        images = torch.empty(self.shape, dtype=torch.uint8, device=device)
        self._draw_into(images)
        return images

    def _draw_into(self, images: Tensor) -> None:
        at_once = WINDOWS_DRAWN_AT_ONCE if images.device.type == "cpu" else max(1, len(self))
        for start in range(0, len(self), at_once):
            batch = slice(start, start + at_once)
            self._take(batch)._draw_at_once(images[batch])

    def _draw_at_once(self, images: Tensor) -> None:
        import torch

        if self.signals.ndim == 3:
            self._draw_equally_long(self.signals, images)
            return
        lengths = np.array([window.shape[1] for window in self.signals])
        for n_times in np.unique(lengths):
            rows = np.flatnonzero(lengths == n_times)
            drawn = images.new_empty((len(rows), *images.shape[1:]))
            self._draw_equally_long(np.stack([self.signals[row] for row in rows]), drawn)
            images[torch.from_numpy(rows).to(images.device)] = drawn

    def _draw_equally_long(self, windows: Signals, images: Tensor) -> None:
        import torch

        from .rendering import draw

        settings = self.settings
        # torch refuses views of arrays that are read backwards, and warns of read-only ones.
        signals = torch.from_numpy(np.array(windows)).to(images.device).double()
        missing = torch.from_numpy(missing_rows(windows)).to(images.device)
        signals[missing] = 0  # no drawing is to meet NaN
        pieces = settings.cut_tiles(signals)  # (rows, ...) -> (rows x n_tiles, channels, n_times)
        for i, panel in enumerate(settings.panels):
            tiles = images[:, i * settings.n_tiles : (i + 1) * settings.n_tiles]
            target = tiles if tiles.is_contiguous() else tiles.new_empty(tiles.shape)
            draw(
                pieces[:, panel.channels],
                panel.representation,
                sampling_rate=settings.sampling_rate,
                modality=settings.modalities[panel.channels[0]],
                limits=panel.limits,
                colormap=settings.colormap,
                size=settings.image_size,
                out=target.flatten(0, 1),
            )
            if target is not tiles:
                tiles.copy_(target)
        images[missing] = BLANK
