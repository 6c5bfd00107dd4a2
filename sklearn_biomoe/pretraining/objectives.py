"""The objectives of pretraining: descriptors of windows, heads, losses."""

import warnings

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..backbone.network import EMBEDDING_SIZE

N_BANDS = 12
N_SIZES = 2  # the last descriptors, which only a fixed axis of values shows
QUANTILES = [0.05, 0.25, 0.5, 0.75, 0.95]
REGRESSIONS = ("parameters", "descriptors", "clean")
OBJECTIVES = ("kind", *REGRESSIONS)


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
    """Linear heads for the kind of an image and for all regression targets, and loss weights.

    Parameters
    ----------
    n_kinds : int
        Number of kinds of images: combinations of modality and representation.
    n_targets : int
        Number of targets of all modalities and regression objectives.
    """

    def __init__(self, n_kinds: int, n_targets: int) -> None:
        super().__init__()
        self.kind = nn.Linear(EMBEDDING_SIZE, n_kinds)
        self.regression = nn.Linear(EMBEDDING_SIZE, n_targets)
        # Kendall, Gal and Cipolla, "Multi-task learning using uncertainty to weigh losses", 2018.
        self.log_variances = nn.Parameter(torch.zeros(len(OBJECTIVES)))

    def losses(
        self, embeddings: Tensor, kinds: Tensor, targets: Tensor, memberships: Tensor
    ) -> Tensor:
        """Return the loss of each of `OBJECTIVES`.

        Parameters
        ----------
        embeddings : Tensor of shape (n_images, 192), float32
        kinds : Tensor of shape (n_images,), int64
        targets : Tensor of shape (n_images, n_targets), float32
        memberships : Tensor of shape (n_targets, n_regressions), float32
            1 if a target belongs to a regression objective, otherwise 0.
        """
        kind = functional.cross_entropy(self.kind(embeddings), kinds)
        regressions = regression_losses(self.regression(embeddings), targets, memberships)
        return torch.cat([kind[None], regressions])

    def combine(self, losses: Tensor, weights: Tensor) -> Tensor:
        """Add up losses, weighted by their learnt uncertainties and by 0 or 1."""
        own = self.log_variances
        return (weights * (torch.exp(-own) * losses + 0.5 * own)).sum()


def regression_losses(predicted: Tensor, targets: Tensor, memberships: Tensor) -> Tensor:
    """Return the mean smooth L1 loss over the known targets of each regression objective.

    Unknown targets are NaN; an objective without known ones has loss 0.

    Parameters
    ----------
    predicted, targets : Tensor of shape (n_images, n_targets)
    memberships : Tensor of shape (n_targets, n_regressions)
        1 if a target belongs to an objective, otherwise 0.

    Returns
    -------
    losses : Tensor of shape (n_regressions,)
    """
    known = ~targets.isnan()
    errors = functional.smooth_l1_loss(predicted, targets.nan_to_num(), reduction="none") * known
    n_known = known.float().sum(dim=0) @ memberships
    return (errors.sum(dim=0) @ memberships) / n_known.clamp_min(1)
