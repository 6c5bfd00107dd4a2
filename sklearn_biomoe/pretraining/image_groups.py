"""Groups of images: windows of one modality in two representations, with their targets."""

import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .._typing import FloatArray
from ..transformers import BiosignalImageTransformer
from .real_recordings import Recordings
from .simulation import Draw, Simulated
from .simulators import KINDS, usual_window
from .targets import TargetColumns, raw_targets, shows_sizes

# Relative frequencies of modalities, and of representations; axes are those of the presets.
SHARES = {
    "eda": 8, "bvp": 8, "resp": 3, "spo2": 1, "ecg": 3, "emg": 2, "eeg": 3, "generic": 2,
}  # fmt: skip
_ALL = {
    "waveform": 4,
    "spectrogram_psd": 4,
    "scalogram": 4,
    "composite": 3,
    "gadf": 1.5,
    "recurrence": 0.7,
    "gasf": 0.5,
    "mtf": 0.5,
    "recurrence_thresholded": 0.3,
    "spectrogram_angle": 0.25,
    "spectrogram_phase": 0.25,
}
REPRESENTATIONS = dict.fromkeys(SHARES, _ALL) | {
    "emg": _ALL | {"waveform": 2, "gadf": 0.5, "recurrence": 0.3},
    "resp": _ALL | {"waveform": 6},
    "spo2": _ALL | {"waveform": 6},
}
IMAGES = [f"{modality} {name}" for modality in SHARES for name in REPRESENTATIONS[modality]]
IMAGE_SIZE = 224  # pixels
N_VIEWS = 2  # representations of each window
RECORDED = 0.25  # share of groups that are cut from recordings, if there are any


class Group(NamedTuple):
    """Images of windows of one modality, and what they are trained to predict.

    Parameters
    ----------
    images : Tensor of shape (n_images, 224, 224, 3), uint8
    kinds : Tensor of shape (n_images,), int64
        Positions in `IMAGES`.
    targets : Tensor of shape (n_images, n_targets), float32
        Standardised; NaN if unknown.
    """

    images: Tensor
    kinds: Tensor
    targets: Tensor

    @classmethod
    def empty(cls, n_images: int, n_targets: int, device: str = "cpu") -> "Group":
        """Allocate memory on a device."""
        return cls(
            torch.empty(n_images, IMAGE_SIZE, IMAGE_SIZE, 3, dtype=torch.uint8, device=device),
            torch.empty(n_images, dtype=torch.int64, device=device),
            torch.empty(n_images, n_targets, device=device),
        )

    def rows(self, rows: slice | Tensor) -> "Group":
        """Return some of the images: a view for a slice, a copy for positions."""
        return Group(*(part[rows] for part in self))

    def fill(self, group: "Group") -> None:
        """Copy another group into this one."""
        for part, new in zip(self, group, strict=True):
            part.copy_(new)


class ImageGroups:
    """All groups of a training run; the seed and the number of a group determine it.

    Parameters
    ----------
    seed : int
    modalities : sequence of str
        Of `SHARES`.
    n_windows : int
        In a group, each in two representations.
    targets : TargetColumns
    recordings : Recordings
    """

    def __init__(
        self,
        seed: int,
        modalities: Sequence[str],
        n_windows: int,
        targets: TargetColumns,
        recordings: Recordings,
    ) -> None:
        self.seed, self.n_windows = seed, n_windows
        self.shares = {modality: SHARES[modality] for modality in modalities}
        self.targets, self.recordings = targets, recordings

    @property
    def n_images(self) -> int:
        """Number of images in a group."""
        return N_VIEWS * self.n_windows

    def make(self, number: int) -> Group:
        """Simulate or cut the windows of a group, and draw them.

        Raises
        ------
        RuntimeError
            If that fails, with the group's number and modality.
        """
        state = np.random.SeedSequence([self.seed, number]).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(state[0]))
        (modality,) = _pick(self.shares, 1, generator)
        try:
            return self._make(modality, generator)
        except Exception as error:
            raise RuntimeError(
                f"Group {number} of seed {self.seed} could not be made, from {self.n_windows} "
                f"windows of {modality!r}: {error}"
            ) from error

    def _make(self, modality: str, generator: torch.Generator) -> Group:
        rate, duration = usual_window(modality, generator)
        made = self._windows(modality, Draw(self.n_windows, rate, duration, generator))
        raw = raw_targets(made)
        signals = np.ascontiguousarray(made.signals.double().numpy())
        group = Group.empty(self.n_images, len(self.targets))
        chosen = _pick(REPRESENTATIONS[modality], N_VIEWS, generator)
        for view, representation in enumerate(chosen):
            rows = slice(view * self.n_windows, (view + 1) * self.n_windows)
            group.images[rows] = draw_windows(signals, modality, representation, rate)
            group.kinds[rows] = IMAGES.index(f"{modality} {representation}")
            sizes_shown = shows_sizes(modality, representation)
            group.targets[rows] = self.targets.fill(modality, raw, sizes_shown)
        return group

    def _windows(self, modality: str, draw: Draw) -> Simulated:
        (share,) = torch.rand(1, generator=draw.generator).tolist()
        enough = self.recordings.long_enough(modality, draw.sampling_rate, draw.duration)
        if share < RECORDED and enough:
            return self.recordings.cut(modality, draw)
        return KINDS[modality].simulate(draw)


def draw_windows(
    signals: FloatArray, modality: str, representation: str, sampling_rate: float
) -> Tensor:
    """Draw windows as `BiosignalImageTransformer` does, (n_windows, 224, 224, 3), uint8."""
    transformer = BiosignalImageTransformer(
        [representation], sampling_rate=sampling_rate, modality=modality
    )
    with warnings.catch_warnings():
        # Some simulated levels are outside the presets' axes, as some recorded ones are.
        warnings.filterwarnings("ignore", ".*leave value_range", UserWarning)
        images = transformer.fit_transform(signals)
    return torch.from_numpy(np.asarray(images)[:, 0])


def _pick(shares: Mapping[str, float], n: int, generator: torch.Generator) -> list[str]:
    """Draw names without replacement, with these relative frequencies."""
    frequencies = torch.tensor(list(shares.values()), dtype=torch.float64)
    names = list(shares)
    return [names[at] for at in torch.multinomial(frequencies, n, generator=generator).tolist()]
