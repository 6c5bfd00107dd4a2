"""Windows changed a little before they are drawn, so that no two epochs show the same images.

Each change is a function of windows of shape (n_windows, n_channels, n_times) and of what was drawn
for each window; `augment` draws it.

Source: Um et al. 2017, "Data augmentation of wearable sensor data for Parkinson's disease
monitoring using convolutional neural networks", arXiv 1706.00527 (noise and scaling); Park et al.
2019, "SpecAugment", arXiv 1904.08779 (masking in time).
"""

from collections.abc import Mapping
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from .._validation.parameters import check_option
from ..images.stack import BiosignalImages

Windows = NDArray[np.float64]

# What a number means, and below which it has to lie.
CHANGES = {"noise": np.inf, "scaling": np.inf, "time_shift": 1.0, "time_masking": 1.0}


def check_augmentation(augmentation: Mapping[str, float] | None) -> None:
    """Raise where an ``augmentation`` parameter is not a dict of known changes to their sizes.

    Examples
    --------
    >>> check_augmentation({"time_shift": 2})
    Traceback (most recent call last):
    ...
    ValueError: augmentation: 'time_shift' is 2; expected a number above 0 and below 1.
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
        is_number = isinstance(size, Real) and not isinstance(size, bool)
        if not is_number or not 0 < size < CHANGES[name]:
            below = "" if CHANGES[name] == np.inf else f" and below {CHANGES[name]:g}"
            raise ValueError(
                f"augmentation: {name!r} is {size!r}; expected a number above 0{below}."
            )


def augment_images(
    images: BiosignalImages, augmentation: Mapping[str, float], random: np.random.Generator
) -> BiosignalImages:
    """Return the same stack of changed signals, which has drawn nothing yet.

    Parameters
    ----------
    images : BiosignalImages
    augmentation : dict of str to float
        As `augment` takes it.
    random : numpy.random.Generator

    Returns
    -------
    images : BiosignalImages
    """

    def change(windows: NDArray[np.float64]) -> Windows:
        return augment(windows.astype(np.float64), augmentation, random)

    return BiosignalImages(images.windows.map(change), images.settings)


def augment(
    windows: Windows, augmentation: Mapping[str, float], random: np.random.Generator
) -> Windows:
    """Change each window in its own way.

    Parameters
    ----------
    windows : ndarray of shape (n_windows, n_channels, n_times)
    augmentation : dict of str to float
        - "time_shift": the largest shift, as a share of the window;
        - "time_masking": the longest gap, as a share of the window;
        - "scaling": standard deviation of the logarithm of the factor;
        - "noise": standard deviation of the noise, in standard deviations of each channel.

        Applied in this order, so that noise is not shifted and fills gaps too.
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
        windows = scale(windows, np.exp(spread * random.standard_normal(n_windows)))
    if level := augmentation.get("noise"):
        windows = add_noise(windows, level * random.standard_normal(windows.shape))
    return windows


def shift_time(windows: Windows, steps: NDArray[np.int64]) -> Windows:
    """Move each window to the right by so many samples, and fill up with its mirror image.

    Nothing jumps where it is filled up, as it would if samples came in again on the other side.

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


def bridge_gaps(windows: Windows, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> Windows:
    """Replace a stretch of each window by a straight line between the samples beside it.

    At a window's end there is one such sample, and the line is level.

    Examples
    --------
    >>> windows = np.array([[[0.0, 9, 9, 3, 3]], [[9, 9, 5, 6, 7]]])
    >>> bridge_gaps(windows, np.array([1, 0]), np.array([2, 2]))
    array([[[0., 1., 2., 3., 3.]],
           [[5., 5., 5., 6., 7.]]])
    """
    n_times = windows.shape[2]
    before, after = starts - 1, starts + lengths  # samples beside the gap
    left = np.where(before < 0, after, before).clip(max=n_times - 1)
    right = np.where(after >= n_times, before, after).clip(min=0)
    (from_, to) = (
        np.take_along_axis(windows, side[:, None, None], axis=2) for side in (left, right)
    )  # each (n_windows, n_channels, 1)
    times = np.arange(n_times)
    done = (times - before[:, None]) / (lengths[:, None] + 1)  # 0 to 1 over the gap
    in_gap = (times > before[:, None]) & (times < after[:, None])
    return np.where(in_gap[:, None], from_ + (to - from_) * done[:, None], windows)


def scale(windows: Windows, factors: NDArray[np.float64]) -> Windows:
    """Multiply each window by its factor.

    Examples
    --------
    >>> scale(np.array([[[1.0, 2]], [[1, 2]]]), np.array([2, 0.5]))
    array([[[2. , 4. ]],
           [[0.5, 1. ]]])
    """
    return windows * factors[:, None, None]


def add_noise(windows: Windows, noise: Windows) -> Windows:
    """Add noise that is given in standard deviations of each window's channels.

    Examples
    --------
    >>> add_noise(np.array([[[1.0, 3]], [[5, 5]]]), np.array([[[0.5, 0]], [[1, -1]]]))
    array([[[1.5, 3. ]],
           [[5. , 5. ]]])
    """
    return windows + noise * windows.std(axis=2, keepdims=True)
