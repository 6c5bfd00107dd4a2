"""Random changes of training windows, before images are drawn from them.

Each change is a function of windows of shape (n_windows, n_channels, n_times) and of the random
numbers of each window, which `augment` draws.

Source: Um et al. 2017, "Data augmentation of wearable sensor data for Parkinson's disease
monitoring using convolutional neural networks", arXiv 1706.00527 (noise and scaling); Park et al.
2019, "SpecAugment", arXiv 1904.08779 (masking in time).
"""

from collections.abc import Mapping

import numpy as np

from .._typing import FloatArray, Rows
from .._validation.parameters import check_number, check_option
from ..images.stack import BiosignalImages

# Changes, and the exclusive upper bound of their sizes.
CHANGES = {"noise": None, "scaling": None, "time_shift": 1.0, "time_masking": 1.0}


def check_augmentation(augmentation: Mapping[str, float] | None) -> None:
    """Raise an error if an ``augmentation`` parameter is not None or a dict of changes to sizes.

    Examples
    --------
    >>> check_augmentation({"time_shift": 2})
    Traceback (most recent call last):
    ...
    ValueError: augmentation['time_shift']=2; expected a finite number above 0 and below 1.
    """
    if augmentation is None:
        return
    if not isinstance(augmentation, Mapping):
        raise TypeError(
            f"augmentation={augmentation!r}; expected None or a dict of changes to their sizes, "
            "such as {'noise': 0.1, 'time_shift': 0.1}."
        )
    for name, size in augmentation.items():
        check_option("augmentation", name, list(CHANGES))
        check_number(f"augmentation[{name!r}]", size, above=0, below=CHANGES[name])


def augment_images(
    images: BiosignalImages, augmentation: Mapping[str, float], random: np.random.Generator
) -> BiosignalImages:
    """Return images of changed windows, with the same settings and labels; they are drawn later.

    Parameters
    ----------
    images : BiosignalImages
    augmentation : dict of str to float
        As in `augment`.
    random : numpy.random.Generator

    Returns
    -------
    images : BiosignalImages
    """

    def change(windows: FloatArray) -> FloatArray:
        return augment(windows.astype(np.float64), augmentation, random)

    return BiosignalImages(images.windows.map(change), images.settings)


def augment(
    windows: FloatArray, augmentation: Mapping[str, float], random: np.random.Generator
) -> FloatArray:
    """Change each window at random.

    Parameters
    ----------
    windows : ndarray of shape (n_windows, n_channels, n_times)
    augmentation : dict of str to float
        - "time_shift": largest shift, as a share of the window;
        - "time_masking": longest gap, as a share of the window;
        - "scaling": standard deviation of the factor's logarithm;
        - "noise": standard deviation of the noise, in standard deviations of each channel.

        Applied in this order: noise is not shifted, and is added in gaps too.
    random : numpy.random.Generator

    Returns
    -------
    windows : ndarray of shape (n_windows, n_channels, n_times)

    Examples
    --------
    >>> windows = np.arange(6.0).reshape(1, 1, 6)
    >>> augment(windows, {"time_shift": 0.5}, np.random.default_rng(0))
    array([[[2., 1., 0., 1., 2., 3.]]])
    """
    n_windows, _, n_times = windows.shape
    if share := augmentation.get("time_shift"):
        largest = int(share * n_times)
        steps = random.integers(-largest, largest + 1, size=(n_windows,))
        windows = shift_time(windows, steps)
    if share := augmentation.get("time_masking"):
        lengths = random.integers(0, int(share * n_times) + 1, size=(n_windows,))
        starts = random.integers(0, n_times - lengths + 1, size=(n_windows,))
        windows = bridge_gaps(windows, starts, lengths)
    if spread := augmentation.get("scaling"):
        windows = windows * np.exp(spread * random.standard_normal(n_windows))[:, None, None]
    if level := augmentation.get("noise"):
        noise = level * random.standard_normal(windows.shape)
        windows = windows + noise * windows.std(axis=2, keepdims=True)
    return windows


def shift_time(windows: FloatArray, steps: Rows) -> FloatArray:
    """Shift each window to the right by a number of samples, with its mirror image as padding.

    Unlike in a circular shift, there is no jump where the padding begins.

    Examples
    --------
    >>> shift_time(np.array([[[1.0, 2, 3, 4]], [[1, 2, 3, 4]]]), np.array([1, -2]))
    array([[[2., 1., 2., 3.]],
           [[3., 4., 3., 2.]]])
    """
    last = windows.shape[2] - 1
    sources = np.abs(np.arange(last + 1) - steps[:, None])  # (n_windows, n_times)
    sources = last - np.abs(last - sources)
    return np.take_along_axis(windows, sources[:, None], axis=2)


def bridge_gaps(windows: FloatArray, starts: Rows, lengths: Rows) -> FloatArray:
    """Replace an interval of each window by a straight line between the samples next to it.

    At either end of a window there is only one such sample, and the line is constant.

    Examples
    --------
    >>> windows = np.array([[[0.0, 9, 9, 3, 3]], [[9, 9, 5, 6, 7]]])
    >>> bridge_gaps(windows, np.array([1, 0]), np.array([2, 2]))
    array([[[0., 1., 2., 3., 3.]],
           [[5., 5., 5., 6., 7.]]])
    """
    n_times = windows.shape[2]
    before, after = starts - 1, starts + lengths  # samples next to the gap
    left = np.where(before < 0, after, before).clip(max=n_times - 1)
    right = np.where(after >= n_times, before, after).clip(min=0)
    (from_, to) = (
        np.take_along_axis(windows, side[:, None, None], axis=2) for side in (left, right)
    )  # each (n_windows, n_channels, 1)
    times = np.arange(n_times)
    done = (times - before[:, None]) / (lengths[:, None] + 1)  # 0 to 1 over the gap
    in_gap = (times > before[:, None]) & (times < after[:, None])
    return np.where(in_gap[:, None], from_ + (to - from_) * done[:, None], windows)
