"""Maps of all pairs of samples of a window: recurrence, Gramian fields, Markov transitions."""

import numpy as np
import torch
from torch import Tensor

from ..signals.modalities import Modality
from .scaling import N_LEVELS, to_levels

LONGEST_SERIES = 224  # samples in a map of pairs: the size of an image
NEAR = 0.2  # share of the largest distance below which two samples recur
N_BINS = 8  # of a Markov transition field


def recurrence(signals: Tensor, sampling_rate: float, modality: Modality) -> Tensor:
    r"""Compute distances between all pairs of samples, in signal units.

    .. math:: D_{ij} = |x_i - x_j|

    of the window averaged to at most 224 samples by `shorten`. Matches
    ``pyts.image.RecurrencePlot()`` of the averaged window.

    Returns
    -------
    distances : Tensor of shape (n_windows, n_samples, n_samples), float64

    References
    ----------
    Eckmann, Kamphorst and Ruelle (1987), "Recurrence plots of dynamical systems".
    """
    series = shorten(signals)
    return (series[:, :, None] - series[:, None, :]).abs_()


def recurrence_thresholded(signals: Tensor, sampling_rate: float, modality: Modality) -> Tensor:
    """Mark pairs of samples closer than 20 % of the largest distance: ones and zeros.

    Matches ``pyts.image.RecurrencePlot(threshold="distance", percentage=20)`` of the window
    averaged to at most 224 samples. As in pyts, a constant window has zeros.

    Returns
    -------
    recurrent : Tensor of shape (n_windows, n_samples, n_samples), float64
    """
    return are_near(shorten(signals)).to(signals.dtype)


def are_near(series: Tensor) -> Tensor:
    """Return which pairs of samples are close, as in `recurrence_thresholded`: bool."""
    distances = (series[:, :, None] - series[:, None, :]).abs_()
    return distances < NEAR * distances.amax(dim=(1, 2), keepdim=True)


def gasf(signals: Tensor, sampling_rate: float, modality: Modality) -> Tensor:
    r"""Compute the Gramian angular summation field, without unit.

    .. math:: G_{ij} = \cos(\phi_i + \phi_j), \quad \cos \phi_i = \tilde x_i

    where the window, averaged to at most 224 samples by `shorten`, is scaled so that its smallest
    value is -1 and its largest 1. A constant window is scaled to 0, and its field is -1.

    Matches ``pyts.image.GramianAngularField(method="summation")`` of the averaged window.

    Returns
    -------
    field : Tensor of shape (n_windows, n_samples, n_samples), float32

    References
    ----------
    Wang and Oates (2015), "Encoding time series as images for visual inspection and classification
    using tiled convolutional neural networks".
    """
    cosine, sine = polar(signals)
    field = cosine[:, :, None] * cosine[:, None, :]
    return field.sub_(sine[:, :, None] * sine[:, None, :])


def gadf(signals: Tensor, sampling_rate: float, modality: Modality) -> Tensor:
    r"""Compute the Gramian angular difference field, without unit.

    .. math:: G_{ij} = \sin(\phi_i - \phi_j)

    with the angles of `gasf`. The field of a constant window is 0. Matches
    ``pyts.image.GramianAngularField(method="difference")`` of the averaged window.

    Returns
    -------
    field : Tensor of shape (n_windows, n_samples, n_samples), float32
    """
    cosine, sine = polar(signals)
    field = sine[:, :, None] * cosine[:, None, :]
    return field.sub_(cosine[:, :, None] * sine[:, None, :])


def polar(signals: Tensor) -> tuple[Tensor, Tensor]:
    """Return cosines and sines of the angles of Gramian fields: float32 (n_windows, n_samples)."""
    series = shorten(signals)
    lowest = series.amin(dim=1, keepdim=True)
    span = series.amax(dim=1, keepdim=True) - lowest
    cosine = torch.where(span > 0, 2 * ((series - lowest) / span) - 1, 0.0)
    sine = (1 - cosine.square()).clamp(min=0).sqrt()
    # float32 is exact enough for values up to 1, and halves the memory of the field.
    return cosine.float(), sine.float()


def mtf(signals: Tensor, sampling_rate: float, modality: Modality) -> Tensor:
    r"""Compute the Markov transition field: probabilities from 0 to 1.

    .. math:: M_{ij} = P(q_{t + 1} = q(x_j) \mid q_t = q(x_i))

    where q is the octile of the window's values that contains a sample (the lower one at an edge),
    and P the relative frequency with which one octile follows another in neighbouring samples. The
    window is first averaged to at most 224 samples by `shorten`. The field of a constant window is
    1; that of a single sample, which has no neighbours, is 0.

    Matches ``pyts.image.MarkovTransitionField(n_bins=8, strategy="quantile")`` of the averaged
    window.

    Returns
    -------
    field : Tensor of shape (n_windows, n_samples, n_samples), float64

    References
    ----------
    Wang and Oates (2015), as for `gasf`.
    """
    probabilities, bins = transitions(shorten(signals))
    from_each = probabilities.gather(1, bins[:, :, None].expand(-1, -1, N_BINS))
    return from_each.gather(2, bins[:, None, :].expand(-1, bins.shape[1], -1))


def transitions(series: Tensor) -> tuple[Tensor, Tensor]:
    """Return probabilities (n_windows, N_BINS, N_BINS) and the bin of each sample, see `mtf`."""
    bins = torch.searchsorted(quantiles(series), series)  # (n_windows, n_samples)
    neighbours = bins[:, :-1] * N_BINS + bins[:, 1:]
    counts = series.new_zeros(len(series), N_BINS**2)
    counts = counts.scatter_add_(1, neighbours, series.new_ones(neighbours.shape))
    counts = counts.unflatten(1, (N_BINS, N_BINS))
    return counts / counts.sum(dim=2, keepdim=True).clamp(min=1), bins


def quantiles(series: Tensor) -> Tensor:
    """Return the edges of N_BINS equally frequent ranges of values: (n_windows, N_BINS - 1).

    Interpolates linearly between the two nearest samples, as `numpy.quantile` does. torch.quantile
    refuses more than 16 million values.
    """
    ordered = series.sort(dim=1).values
    share = torch.arange(1, N_BINS, dtype=series.dtype, device=series.device) / N_BINS
    position = share * (series.shape[1] - 1)
    below, above = position.floor().long(), position.ceil().long()
    return torch.lerp(ordered[:, below], ordered[:, above], position - below)


def shorten(signals: Tensor) -> Tensor:
    """Average windows to at most 224 samples, the size of an image.

    Piecewise aggregate approximation: the window is cut into 224 segments whose lengths differ by
    at most one, and each is averaged. Matches ``pyts.approximation.PiecewiseAggregateApproximation(
    window_size=None, output_size=224, overlapping=False)``, which the images of pyts use.

    Returns
    -------
    series : Tensor of shape (n_windows, min(n_times, 224)), float64
    """
    n_times = signals.shape[1]
    if n_times <= LONGEST_SERIES:
        return signals
    # Rounded down from inexact numbers, as in pyts; exact ones differ for 3 % of all lengths.
    edges = torch.from_numpy(np.linspace(0, n_times, LONGEST_SERIES + 1).astype(np.int64))
    edges = edges.to(signals.device)
    lengths = edges.diff()
    index = edges[:-1] + torch.arange(int(lengths.max()), device=signals.device)[:, None]
    # Deviations from a segment's first sample are summed, so that a plateau keeps its exact value.
    # Shorter segments are padded with that first sample, whose deviation is zero.
    index = torch.where(index < edges[1:], index, edges[:-1])
    samples = signals.index_select(1, index.flatten()).unflatten(1, index.shape)
    first = samples[:, 0]
    return first + (samples - first[:, None]).sum(dim=1) / lengths


def distance_levels(series: Tensor) -> Tensor:
    """Compute levels of `recurrence` from differences of samples that are rounded first."""
    lowest = series.amin(dim=1, keepdim=True)
    span = series.amax(dim=1, keepdim=True) - lowest
    shares = (series - lowest) / span.clamp(min=torch.finfo(series.dtype).tiny)
    levels = shares.mul_(N_LEVELS - 1).round_().to(torch.uint8)
    rows, columns = levels.flip(1)[:, :, None], levels[:, None]
    return torch.maximum(rows, columns).sub_(torch.minimum(rows, columns))


def near_levels(series: Tensor) -> Tensor:
    """Compute levels of `recurrence_thresholded`: the highest for pairs that recur, else 0."""
    return are_near(series).flip(1).view(torch.uint8).mul_(N_LEVELS - 1)


def transition_levels(series: Tensor) -> Tensor:
    """Compute levels of `mtf`, of which at most 8 rows differ."""
    probabilities, bins = transitions(series)
    kinds = probabilities.gather(2, bins[:, None].expand(-1, N_BINS, -1))
    # A bin without samples takes the values of another, so that it does not change the scale.
    first = kinds.gather(1, bins[:, :1, None].expand(-1, -1, kinds.shape[2]))
    occupied = torch.zeros_like(probabilities[:, 0]).scatter_(1, bins, 1.0)
    kinds = torch.where(occupied[..., None] > 0, kinds, first)
    lowest = kinds.amin(dim=(1, 2), keepdim=True)
    span = kinds.amax(dim=(1, 2), keepdim=True) - lowest
    shares = (kinds - lowest) / span.clamp(min=torch.finfo(kinds.dtype).tiny)
    levels = to_levels(shares.float())  # (n_windows, N_BINS, n_samples)
    return levels.gather(1, bins.flip(1)[..., None].expand(-1, -1, levels.shape[2]))
