"""The objectives of pretraining: descriptors of windows, heads, losses."""

import math
import warnings
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..backbone.network import EMBEDDING_SIZE

N_BANDS = 12
N_SIZES = 2  # the last descriptors, which only a fixed axis of values shows
QUANTILES = [0.05, 0.25, 0.5, 0.75, 0.95]
OBJECTIVES = ("kind", "parameters", "descriptors", "clean", "agreement")
# Weights trained without the last one classify stress better: benchmarks/ablations.py.
DEFAULT_OBJECTIVES = OBJECTIVES[:-1]


def describe(signals: Tensor) -> Tensor:
    """Compute established features of windows.

    The 22 features of Lubba et al. 2019 (catch22) of standardised windows, those of
    `describe_shape`, the signed logarithm of the mean and the logarithm of the standard deviation.

    Parameters
    ----------
    signals : Tensor of shape (n_windows, n_times)

    Returns
    -------
    descriptors : Tensor of shape (n_windows, n_descriptors), float32
    """
    from aeon.transformations.collection.feature_based import Catch22

    centred = signals.double() - signals.double().mean(dim=1, keepdim=True)
    windows = (centred / centred.std(dim=1, keepdim=True).clamp_min(1e-9)).cpu().numpy()
    # Some features divide by zero on constant windows.
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        features = Catch22(replace_nans=True).fit_transform(windows[:, None])
    level, spread = signals.mean(dim=1), signals.std(dim=1).clamp_min(1e-6)
    columns = [torch.as_tensor(features).float().to(signals.device), describe_shape(signals)]
    columns += [(level.sign() * level.abs().clamp_min(1e-2).log())[:, None], spread.log()[:, None]]
    return torch.cat(columns, dim=1)


def describe_shape(signals: Tensor) -> Tensor:
    """Compute features of the shape of windows, independent of unit and sampling rate.

    Of the standardised signal: skewness, kurtosis, quantiles, slope, mean and largest change,
    number of crossings of the mean; logarithm of the relative power in octaves of cycles per
    window; spectral centroid and entropy.

    Parameters
    ----------
    signals : Tensor of shape (n_windows, n_times)

    Returns
    -------
    descriptors : Tensor of shape (n_windows, n_descriptors), float32
    """
    x = signals.double()
    x = x - x.mean(dim=1, keepdim=True)
    x = x / x.std(dim=1, keepdim=True).clamp_min(1e-9)
    n_times = x.shape[1]
    along = torch.linspace(-0.5, 0.5, n_times, dtype=x.dtype)
    change = x.diff(dim=1) * n_times**0.5
    crossings = (x[:, 1:] * x[:, :-1] < 0).double().mean(dim=1) * n_times
    power = torch.fft.rfft(x).abs()[:, 1:] ** 2
    power = power / power.sum(dim=1, keepdim=True).clamp_min(1e-12)
    cycles = torch.arange(1, power.shape[1] + 1, dtype=x.dtype)
    octaves = cycles.log2().floor().clamp_max(N_BANDS - 1).long()
    bands = torch.zeros(len(x), N_BANDS, dtype=x.dtype).index_add(1, octaves, power)
    columns = [
        (x**3).mean(dim=1).clamp(-10, 10),
        (x**4).mean(dim=1).clamp_min(1e-3).log(),
        *torch.quantile(x, torch.tensor(QUANTILES, dtype=x.dtype), dim=1),
        (x * along).mean(dim=1) * 12,
        change.abs().mean(dim=1).clamp_min(1e-6).log(),
        change.abs().amax(dim=1).clamp_min(1e-6).log(),
        (crossings + 1).log(),
        *(bands + 1e-6).log().T,
        (power * cycles.log()).sum(dim=1),
        -(power * (power + 1e-12).log()).sum(dim=1),
    ]
    return torch.stack(columns, dim=1).float()


class Heads(nn.Module):
    """A linear head for each objective, and the weights of their losses.

    Parameters
    ----------
    n_kinds : int
        Number of kinds of images: combinations of modality and representation.
    n_targets : dict of str to dict of str to int
        Number of targets by modality and regression objective.
    """

    def __init__(self, n_kinds: int, n_targets: Mapping[str, Mapping[str, int]]) -> None:
        super().__init__()
        self.kind = nn.Linear(EMBEDDING_SIZE, n_kinds)
        self.regressions = nn.ModuleDict(
            {
                f"{modality} {objective}": nn.Linear(EMBEDDING_SIZE, n)
                for modality, counts in n_targets.items()
                for objective, n in counts.items()
            }
        )
        self.projection = nn.Linear(EMBEDDING_SIZE, 64)
        # Kendall, Gal and Cipolla, "Multi-task learning using uncertainty to weigh losses", 2018.
        self.log_variances = nn.Parameter(torch.zeros(len(OBJECTIVES)))

    def regress(self, embeddings: Tensor, modality: str, objective: str) -> Tensor:
        """(n_images, 192) -> (n_images, n_targets)."""
        predicted: Tensor = self.regressions[f"{modality} {objective}"](embeddings)
        return predicted

    def combine(self, losses: dict[str, Tensor]) -> Tensor:
        """Add up losses, weighted by their learnt uncertainties."""
        own = self.log_variances[[OBJECTIVES.index(name) for name in losses]]
        return (torch.exp(-own) * torch.stack(list(losses.values())) + 0.5 * own).sum()


def regression_loss(predicted: Tensor, targets: Tensor) -> Tensor:
    """Smooth L1 loss over known targets; unknown ones are NaN."""
    known = ~targets.isnan()
    if not known.any():
        return 0.0 * predicted.sum()
    return functional.smooth_l1_loss(predicted[known], targets[known])


def agreement_loss(projected: Tensor, windows: Tensor) -> Tensor:
    """Contrast images of the same window with those of others (van den Oord et al. 2018).

    Parameters
    ----------
    projected : Tensor of shape (n_images, n_features)
    windows : Tensor of shape (n_images,), int
        Window of each image; each occurs twice.
    """
    unit = functional.normalize(projected, dim=1)
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    similarities = (unit @ unit.T / 0.2).masked_fill(itself, -math.inf)
    same = (windows[:, None] == windows[None]) & ~itself
    return functional.cross_entropy(similarities, same.float().argmax(dim=1))
