"""One image of a stack: the samples that it shows, its axes, and how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from .._typing import FloatArray
from ..representations import REPRESENTATIONS, ImageAxes, Representation, image_axes
from ..signals.modalities import Modality, ValueRange
from .rendering import render
from .settings import ImageSettings, Panel
from .stack import BiosignalImages


@dataclass(frozen=True, eq=False)
class ShownImage:
    """One image of one window."""

    name: str  # such as "eda_waveform_tile1"
    panel: Panel
    settings: ImageSettings  # of the stack
    signal: FloatArray  # (n_channels of the panel, n_times), the samples shown
    first_sample: int  # its position in the window

    @property
    def representation(self) -> Representation:
        """Entry of the registry."""
        return REPRESENTATIONS[self.panel.representation]

    @property
    def is_curve(self) -> bool:
        """Whether the image shows only curves."""
        return self.axes.vertical == "value" and not self.representation.parts

    @property
    def modality(self) -> Modality:
        """Of the (first) channel."""
        return self.settings.modalities[self.panel.channels[0]]

    @property
    def time_unit(self) -> str:
        """Either "s" or, if the sampling rate is unknown, "samples"."""
        return "s" if self.settings.sampling_rate else "samples"

    @property
    def sample_times(self) -> FloatArray:
        """Times of the samples shown, (n_times,)."""
        positions = self.first_sample + np.arange(self.signal.shape[1])
        return positions / (self.settings.sampling_rate or 1.0)

    @property
    def axes(self) -> ImageAxes:
        """Times and frequencies at the borders."""
        return self.axes_of(self.panel.representation)

    def axes_of(self, representation: str) -> ImageAxes:
        """Return the axes that another representation of the same samples has."""
        n_times, rate = self.signal.shape[1], self.settings.sampling_rate
        return image_axes(representation, n_times, rate, self.modality, self.first_sample)

    def value_range(self, position: int) -> ValueRange:
        """Return the values at the bottom and the top of one of the panel's curves."""
        signal = self.signal[position]
        return self.panel.limits[position] or (float(signal.min()), float(signal.max()))

    def unit(self, position: int) -> str:
        """Return the unit of one of the panel's channels, "" if it is arbitrary."""
        return self.settings.modalities[self.panel.channels[position]].unit

    @cached_property
    def image(self) -> NDArray[np.uint8]:
        """The image, (H, W, 3)."""
        return self._draw(self.signal[None], self.panel.limits)[0]

    def redraw(self, signals: FloatArray) -> NDArray[np.uint8]:
        """Draw curves of n other signals in the same range of values: (n, H, W, 3)."""
        return self._draw(signals, tuple(map(self.value_range, range(len(self.signal)))))

    def _draw(
        self, signals: FloatArray, limits: tuple[ValueRange | None, ...]
    ) -> NDArray[np.uint8]:
        return render(
            torch.from_numpy(signals),
            self.panel.representation,
            sampling_rate=self.settings.sampling_rate,
            modality=self.modality,
            limits=limits,
            colormap=self.settings.colormap,
            size=self.settings.image_size,
        ).numpy()


def select_image(images: BiosignalImages, window: int, number: int) -> ShownImage:
    """Return the image at a position in ``images.image_names``, of a window that is not missing."""
    settings = images.settings
    panel = settings.panels[number // settings.n_tiles]
    window_values = images.windows.values[window]
    shown = settings.tile_slices(window_values.shape[1])[number % settings.n_tiles]
    samples = np.asarray(window_values[list(panel.channels), shown], dtype=np.float64)
    return ShownImage(images.image_names[number], panel, settings, samples, shown.start)
