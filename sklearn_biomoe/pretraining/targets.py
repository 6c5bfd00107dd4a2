"""Targets of the regression objectives: one column for each, standardised, NaN if unknown."""

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from ..signals import MODALITIES
from .objectives import N_SIZES, REGRESSIONS, describe, describe_shape
from .simulation import SIZES, Simulated
from .simulators import simulate, usual_window

N_TO_STANDARDISE = 384  # simulated windows of each modality for medians and widths
LARGEST = 4.0  # of standardised targets; others are clipped


@dataclass(frozen=True)
class TargetColumns:
    """The columns of the targets of all modalities, and how they are standardised.

    Parameters
    ----------
    columns : dict of (str, str) to slice
        By modality and regression objective.
    hidden : dict of str to Tensor of int64
        By modality, the columns of sizes, which are unknown for most kinds of images.
    centres, widths : Tensor of shape (n_targets,), float32
    """

    columns: dict[tuple[str, str], slice]
    hidden: dict[str, Tensor]
    centres: Tensor
    widths: Tensor

    def __len__(self) -> int:
        return len(self.centres)

    def fill(self, modality: str, raw: dict[str, Tensor], sizes_shown: bool) -> Tensor:
        """Return the standardised targets of windows of one modality, (n_windows, n_targets).

        Parameters
        ----------
        modality : str
        raw : dict of str to Tensor
            As from `raw_targets`.
        sizes_shown : bool
            Whether all images of this kind have the same axis of values.
        """
        n_windows = len(raw["clean"])
        targets = torch.full((n_windows, len(self)), math.nan)
        for objective, values in raw.items():
            targets[:, self.columns[modality, objective]] = values
        if not sizes_shown:
            targets[:, self.hidden[modality]] = math.nan
        return ((targets - self.centres) / self.widths).clamp(-LARGEST, LARGEST)

    def memberships(self) -> Tensor:
        """Return 1 where a target belongs to an objective, (n_targets, n_regressions)."""
        found = torch.zeros(len(self), len(REGRESSIONS))
        for (_, objective), columns in self.columns.items():
            found[columns, REGRESSIONS.index(objective)] = 1
        return found


def raw_targets(made: Simulated) -> dict[str, Tensor]:
    """Return the targets of windows by regression objective, each (n_windows, n), in their units.

    Windows of recordings have no parameters.
    """
    targets = {"descriptors": describe(made.signals), "clean": describe_shape(made.clean)}
    if made.parameters:
        targets["parameters"] = torch.stack(list(made.parameters.values()), dim=1)
    return targets


def shows_sizes(modality: str, representation: str) -> bool:
    """Return whether images have the same axis of values for all windows."""
    fixed = MODALITIES[modality].value_range is not None
    return fixed and representation in ("waveform", "composite")


@cache
def find_target_columns(modalities: tuple[str, ...], seed: int) -> TargetColumns:
    """Simulate windows of each modality, and return the columns and scales of their targets.

    Scales are medians, and interquartile ranges divided by that of a normal distribution, or
    standard deviations if the interquartile range is 0.
    """
    columns, hidden, n_targets = {}, {}, 0
    centres, widths = [], []
    for modality in modalities:
        values, names = _simulated_targets(modality, seed)
        for objective in REGRESSIONS:
            n_own = values[objective].shape[1]
            columns[modality, objective] = slice(n_targets, n_targets + n_own)
            n_targets += n_own
            centres.append(values[objective].nanquantile(0.5, dim=0))
            widths.append(_width(values[objective]))
        first = columns[modality, "parameters"].start
        last = columns[modality, "descriptors"].stop
        sizes = [first + at for at, name in enumerate(names) if name in SIZES]
        hidden[modality] = torch.tensor([*sizes, *range(last - N_SIZES, last)])
    return TargetColumns(columns, hidden, torch.cat(centres), torch.cat(widths))


def _simulated_targets(modality: str, seed: int) -> tuple[dict[str, Tensor], list[str]]:
    """Return targets of simulated windows, and the names of the parameters."""
    generator = torch.Generator().manual_seed(seed + 1)
    parts, names = [], []
    for _ in range(N_TO_STANDARDISE // 32):
        rate, duration = usual_window(modality, generator)
        made = simulate(modality, 32, sampling_rate=rate, duration=duration, generator=generator)
        parts.append(raw_targets(made))
        names = list(made.parameters)
    return {name: torch.cat([part[name] for part in parts]) for name in REGRESSIONS}, names


def _width(values: Tensor) -> Tensor:
    low, high = values.nanquantile(torch.tensor([0.25, 0.75]), dim=0)
    squares = ((values - values.nanmean(dim=0)) ** 2).nanmean(dim=0)
    width = (high - low) / 1.349
    return torch.where(width > 1e-6, width, squares.sqrt().clamp_min(1e-6))
