"""BiosignalImages: indexed like an array, drawn on access."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from sklearn_biomoe import BiosignalImages, BiosignalImageTransformer

PARAMETERS = {
    "representations": ["waveform", "spectrogram_psd"],
    "sampling_rate": 4.0,
    "modality": "eda",
    "value_range": "window",
    "spectrogram_window": None,
    "image_size": 24,
}


def drawn(signals, **parameters):
    return BiosignalImageTransformer(**PARAMETERS | parameters).fit_transform(signals)


def stack(n_windows=40, n_channels=2, **parameters):
    rng = np.random.default_rng(0)
    return drawn(np.cumsum(rng.normal(size=(n_windows, n_channels, 60)), axis=2), **parameters)


@pytest.fixture(scope="module")
def ragged():
    rng = np.random.default_rng(0)
    return drawn([rng.normal(size=n_times) for n_times in [60, 50, 60, 1, 50, 60, 49]])


def test_shape_and_names():
    images = stack()
    assert images.shape == (40, 4, 24, 24, 3)
    assert (images.ndim, len(images), images.dtype) == (5, 40, np.uint8)
    assert images.image_names == [
        "eda_0_waveform",
        "eda_0_spectrogram_psd",
        "eda_1_waveform",
        "eda_1_spectrogram_psd",
    ]


ROWS = [3, -1, np.int64(2), slice(10, 20), slice(None, None, -3), [1, 5, 1], np.array([4, 0])]
KEYS = [
    *ROWS, np.arange(40) % 3 == 0, (3, 0), (-1, 2), (slice(2, 5), 1), (slice(None), [0, 2]),
    (3, slice(None), 0, 0, 0), ([1, 2], 0, slice(4, 8)), ..., (..., 0), (None, 1), ([3, 1], ...),
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_indexing_equals_that_of_an_array(key):
    images = stack()
    picked = images[key]
    np.testing.assert_array_equal(np.asarray(picked), np.asarray(images)[key])


def test_selected_windows_stay_lazy():
    images = stack()
    picked = images[3:9]
    assert isinstance(picked, BiosignalImages)
    assert picked.windows.values.base is images.windows.values


def test_train_test_split_stays_lazy():
    train, test = train_test_split(stack(), test_size=0.25, random_state=0)
    assert isinstance(train, BiosignalImages)
    assert (len(train), len(test)) == (30, 10)


def test_index_out_of_range():
    with pytest.raises(IndexError):
        stack()[40]


def test_iteration_yields_windows():
    images = stack(n_windows=3)
    for window, expected in zip(images, np.asarray(images), strict=True):
        np.testing.assert_array_equal(window, expected)


def test_each_image_is_its_window_alone(ragged):
    together = np.asarray(ragged)
    alone = np.concatenate([np.asarray(ragged[row : row + 1]) for row in range(len(ragged))])
    np.testing.assert_array_equal(together, alone)
    assert together.shape == (7, 2, 24, 24, 3)


def test_order_of_channels_and_representations():
    images = stack(n_windows=2)
    second_channel = drawn(images.windows.values[:, 1:])
    np.testing.assert_array_equal(images[:, 2:], np.asarray(second_channel))
    only_waveform = drawn(images.windows.values[:, 1:], representations=["waveform"])
    np.testing.assert_array_equal(images[:, 2], np.asarray(only_waveform)[:, 0])


def test_array_conversion():
    images = stack(n_windows=2)
    assert np.asarray(images).dtype == np.uint8
    assert np.asarray(images, dtype=np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="copy=False"):
        np.asarray(images, copy=False)


def test_row_labels_follow_the_windows():
    windows = pd.Series(list(np.zeros((4, 60))), index=list("abcd"))
    images = drawn(windows)
    assert list(images[[2, 0]].index) == ["c", "a"]


def test_shares_the_memory_of_its_signals():
    signals = np.random.default_rng(0).uniform(1, 2, (100_000, 1, 2)).astype(np.float32)
    images = drawn(signals, image_size=224)
    assert np.shares_memory(images.windows.values, signals)
    assert images.shape == (100_000, 2, 224, 224, 3)
