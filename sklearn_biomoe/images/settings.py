"""How the windows of a stack are drawn."""

from __future__ import annotations

from dataclasses import dataclass

from ..representations import identify_representation
from ..signals.modalities import Modality, ValueRange


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
        Those shown: one, or all of them if the representation joins them.
    limits : tuple
        Value range or power range of each channel, see `sklearn_biomoe.images.rendering.render`.
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
        """Names of a window's images; the tiles of a panel are next to each other."""
        if self.n_tiles == 1:
            return [panel.name for panel in self.panels]
        return [f"{panel.name}_tile{i}" for panel in self.panels for i in range(self.n_tiles)]

    def identity(self, panel: Panel) -> tuple[object, ...]:
        """Return everything that determines a panel's images except the samples."""
        shown = [self.modalities[channel] for channel in panel.channels]
        frequencies = [(each.spectrogram_window, each.frequency_range) for each in shown]
        drawing = identify_representation(panel.representation)
        look = (drawing, panel.limits, self.colormap, self.image_size)
        rate = None if self.sampling_rate is None else float(self.sampling_rate)  # 4 is 4.0
        return (*look, rate, frequencies)

    def tile_slices(self, n_times: int) -> list[slice]:
        """Return the samples of each tile of a window; of the window if there are no tiles."""
        length = self.tile_length or n_times
        starts = tile_starts(n_times, self.tile_length, self.tile_step)
        return [slice(start, start + length) for start in starts]


def tile_starts(n_times: int, tile_length: int | None, tile_step: int | None) -> list[int]:
    """Return the first samples of a window's tiles; the last tile ends with the window.

    Examples
    --------
    >>> tile_starts(12, tile_length=4, tile_step=3)
    [0, 3, 6, 8]
    """
    if tile_length is None or tile_step is None:
        return [0]
    last = n_times - tile_length
    return [*range(0, last, tile_step), last]
