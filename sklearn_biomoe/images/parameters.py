"""The parameters of `BiosignalImageTransformer`, checked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._validation.parameters import check_integer, check_number, is_number
from ..representations import check_representations
from ..signals.modalities import MODALITIES, Modality, ValueRange, find_modality
from .colours import check_colormap


@dataclass(frozen=True)
class ImageParameters:
    """The parameters of `BiosignalImageTransformer`, which describes them."""

    representations: str | Sequence[str]
    sampling_rate: float | None
    modality: str | Sequence[str]
    value_range: str | ValueRange | list[Any]
    power_range: str | tuple[float, float]
    spectrogram_window: str | float | None
    frequency_range: str | tuple[float, float] | None
    colormap: str
    tile_length: float | None
    tile_step: float | None
    image_size: int

    @property
    def names(self) -> list[str]:
        """Names of the modalities in `MODALITIES`."""
        given = [self.modality] if isinstance(self.modality, str) else list(self.modality)
        return [find_modality(name) for name in given]

    @property
    def label(self) -> str:
        """The modality or modalities, for messages."""
        return "+".join(self.names)

    def check(self) -> None:
        """Raise ValueError for the first invalid parameter."""
        names = self.representations
        if not isinstance(names, str) and (np.ndim(names) != 1 or not len(names)):
            raise ValueError(
                f"representations={names!r}; expected 'preset', a name, or a list of one or more "
                "names, such as ['waveform', 'spectrogram_psd']."
            )
        rate = self.sampling_rate
        if rate is not None:
            check_number("sampling_rate", rate, above=0, unit="Hz", alternative="None")
        check_integer("image_size", self.image_size, minimum=8)
        check_colormap(self.colormap)
        self._check_ranges()
        self._check_tiles()
        for name in self.names:
            check_representations(self.shown(name), rate, name, self.preset(name))

    def shown(self, name: str) -> tuple[str, ...]:
        """Representations of a modality."""
        if is_preset(self.representations):
            return MODALITIES[name].representations
        if isinstance(self.representations, str):
            return (self.representations,)
        return tuple(self.representations)

    def preset(self, name: str) -> Modality:
        """Return the presets of a modality, with those replaced that a parameter overrides."""
        overridden = ("spectrogram_window", "frequency_range")
        values = {each: getattr(self, each) for each in overridden}
        given = {each: value for each, value in values.items() if not is_preset(value)}
        return replace(MODALITIES[name], **given)

    def _check_ranges(self) -> None:
        window = self.spectrogram_window
        if window is not None and not is_preset(window):
            check_number("spectrogram_window", window, above=0, unit="seconds", alternative="None")
        frequencies: Any = self.frequency_range
        if frequencies is not None and not is_preset(frequencies):
            _check_pair("frequency_range", frequencies, "Hz, None or 'preset'")
            if frequencies[0] < 0:
                raise ValueError(
                    f"frequency_range={frequencies!r}; expected frequencies of 0 Hz or more."
                )
        if self.power_range not in ("window", "training"):
            _check_pair("power_range", self.power_range, "decibels, 'window' or 'training'")
        ranges: Any = self.value_range
        for value_range in ranges if isinstance(ranges, list) else [ranges]:
            if value_range in ("preset", "window", "training"):
                continue
            logarithmic = isinstance(value_range, tuple) and value_range[2:] == ("log",)
            pair = value_range[:2] if logarithmic else value_range
            _check_pair("value_range", pair, "'preset', 'window', 'training', (low, high, 'log')")
            if logarithmic and value_range[0] <= 0:
                raise ValueError(
                    f"value_range={value_range!r}; expected a logarithmic range above 0."
                )

    def _check_tiles(self) -> None:
        for name, value in (("tile_length", self.tile_length), ("tile_step", self.tile_step)):
            if value is not None:
                check_number(name, value, above=0, unit="seconds", alternative="None")
        if self.tile_length is None:
            if self.tile_step is not None:
                raise ValueError(f"tile_step={self.tile_step!r} needs tile_length= in seconds.")
            return
        if self.sampling_rate is None:
            raise ValueError(f"tile_length={self.tile_length!r} needs sampling_rate= in Hz.")
        for name, samples in zip(("tile_length", "tile_step"), self.tile_samples(), strict=True):
            if samples < 1:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} s is less than a sample at "
                    f"sampling_rate={self.sampling_rate:g} Hz."
                )

    def tile_samples(self) -> tuple[int, int]:
        """Length and step of tiles, in samples."""
        assert self.tile_length is not None
        assert self.sampling_rate is not None
        step = self.tile_step or self.tile_length
        return round(self.tile_length * self.sampling_rate), round(step * self.sampling_rate)


def is_preset(value: object) -> bool:
    """Return whether a parameter is "preset"; it may be an array, too."""
    return isinstance(value, str) and value == "preset"


def _check_pair(name: str, pair: Any, forms: str) -> None:
    is_pair = isinstance(pair, tuple) and len(pair) == 2 and all(map(is_number, pair))
    if not is_pair or not pair[0] < pair[1]:
        raise ValueError(
            f"{name}={pair!r}; expected a tuple (low, high) with low < high of {forms}."
        )
