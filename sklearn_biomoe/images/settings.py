"""How the windows of a stack are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..signals import Modality, ValueRange

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Panel:
    """What one image of a window shows.

    Parameters
    ----------
    name : str
        Such as "eda_spectrogram_psd".
    representation : str
        A name in the registry.
    channels : tuple of int
        Those shown: one, or all of them where the representation joins them.
    limits : tuple
        Of each channel's waveform or powers, see `sklearn_biomoe.images.rendering.draw`.
    """

    name: str
    representation: str
    channels: tuple[int, ...]
    limits: tuple[ValueRange | None, ...]


@dataclass(frozen=True)
class ImageSettings:
    """How every window of a stack is drawn.

    Parameters
    ----------
    modalities : tuple of Modality
        One for each channel.
    channel_names : tuple of str
        Such as "eda", or "eeg_0" and "eeg_1".
    panels : tuple of Panel
        Images of a window, or of each of its tiles.
    sampling_rate : float or None
        In Hz.
    colormap : str
    image_size : int
        Pixels on each side.
    n_tiles : int
        Images of each panel.
    tile_length, tile_step : int or None
        In samples; None draws whole windows.
    """

    modalities: tuple[Modality, ...]
    channel_names: tuple[str, ...]
    panels: tuple[Panel, ...]
    sampling_rate: float | None
    colormap: str
    image_size: int
    n_tiles: int = 1
    tile_length: int | None = None
    tile_step: int | None = None

    @property
    def image_names(self) -> list[str]:
        """Names of a window's images; the tiles of one panel stand side by side."""
        if self.n_tiles == 1:
            return [panel.name for panel in self.panels]
        return [f"{panel.name}_tile{i}" for panel in self.panels for i in range(self.n_tiles)]

    def drawing_of(self, panel: Panel) -> tuple[object, ...]:
        """Return all that decides a panel's images but the samples."""
        shown = [self.modalities[channel] for channel in panel.channels]
        frequencies = [(each.spectrogram_window, each.frequency_range) for each in shown]
        look = (panel.representation, panel.limits, self.colormap, self.image_size)
        rate = None if self.sampling_rate is None else float(self.sampling_rate)  # 4 is 4.0
        return (*look, rate, frequencies)

    def cut_tiles(self, signals: Tensor) -> Tensor:
        """Cut (n_windows, n_channels, n_times) into (n_windows x n_tiles, n_channels, n_times)."""
        import torch

        if self.tile_length is None:
            return signals
        starts = tile_starts(signals.shape[2], self.tile_length, self.tile_step)
        length = self.tile_length
        tiles = [signals[..., start : start + length] for start in starts]
        return torch.stack(tiles, dim=1).flatten(0, 1)


def tile_starts(n_times: int, tile_length: int | None, tile_step: int | None) -> list[int]:
    """First samples of a window's tiles; the last ends with the window: no sample is left out.

    Examples
    --------
    >>> tile_starts(12, tile_length=4, tile_step=3)
    [0, 3, 6, 8]
    """
    if tile_length is None or tile_step is None:
        return [0]
    last = n_times - tile_length
    return [*range(0, last, tile_step), last]
