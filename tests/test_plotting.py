"""Contact sheets: what is read off their axes is what went into the signals."""

import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from sklearn_biomoe import BiosignalImageTransformer
from sklearn_biomoe.plotting import plot_images

RATE = 64
SECONDS = np.arange(0, 40, 1 / RATE)
BRIGHT = np.array(mpl.colormaps["viridis"](1.0, bytes=True)[:3], dtype=int)


def sheet(signals, *args, **parameters):
    parameters = {"sampling_rate": RATE, "modality": "bvp"} | parameters
    images = BiosignalImageTransformer(*args, **parameters).fit_transform(signals)
    figure = plot_images(images)
    figure.draw_without_rendering()
    return figure


def found(axes, wanted):
    """Coordinates (x, y) of the middle of a picture's pixels of some kind."""
    (shown,) = axes.images
    rows, columns = np.nonzero(wanted(shown.get_array().astype(int)))
    left, right, bottom, top = shown.get_extent()
    height, width = shown.get_array().shape[:2]
    x = left + (columns + 0.5) / width * (right - left)
    y = top - (rows + 0.5) / height * (top - bottom)
    return x.mean(), y.mean()


def brightest(picture):
    return np.abs(picture - BRIGHT).sum(axis=2) < 20


def dark(picture):
    return picture.sum(axis=2) < 400


@pytest.mark.parametrize("frequency", [1.25, 2.5, 4.0])
def test_frequencies_of_spectrograms(frequency):
    figure = sheet(np.sin(2 * np.pi * frequency * SECONDS)[None], ["spectrogram_psd"])
    _, y = found(figure.axes[0], brightest)
    assert abs(y - frequency) < 0.05
    assert figure.axes[0].get_ylabel().endswith("Hz")


@pytest.mark.parametrize("frequency", [0.8, 1.25, 3.5])
def test_frequencies_of_scalograms(frequency):
    figure = sheet(np.sin(2 * np.pi * frequency * SECONDS)[None], ["scalogram"])
    axes = figure.axes[0]
    _, y = found(axes, brightest)
    assert abs(10**y / frequency - 1) < 0.05
    ticks = dict(
        zip(axes.get_yticks(), [t.get_text() for t in axes.get_yticklabels()], strict=True)
    )
    for exponent, label in ticks.items():
        assert 10**exponent == pytest.approx(float(label))
    assert {"1", "2", "5"} <= set(ticks.values())


@pytest.mark.parametrize("name", ["spectrogram_psd", "scalogram"])
@pytest.mark.parametrize("instant", [10.0, 25.0])
def test_instants(name, instant):
    burst = np.exp(-(((SECONDS - instant) / 0.5) ** 2)) * np.sin(2 * np.pi * 2 * SECONDS)
    figure = sheet(burst[None], [name], spectrogram_window=2)
    x, _ = found(figure.axes[0], brightest)
    assert abs(x - instant) < 0.2
    assert figure.axes[0].get_xlabel() == "s"


def test_values_and_instants_of_waveforms():
    step = np.where(SECONDS < 30, 2.0, 8.0)[None]
    low = sheet(step[:, : 25 * RATE], ["waveform"], modality="eda", value_range=(0, 10)).axes[0]
    x, y = found(low, dark)
    assert (x, y) == pytest.approx((12.5, 2.0), abs=0.05)
    both = sheet(step, ["waveform"], modality="eda", value_range=(0, 10)).axes[0]
    x, _ = found(both, lambda picture: dark(picture) & (dark(picture).sum(axis=0) > 100))
    assert abs(x - 30) < 0.2
    assert both.get_ylabel().endswith("µS")


def test_logarithmic_values():
    axes = sheet(np.full((1, 400), 2.0), ["waveform"], modality="eda").axes[0]
    _, y = found(axes, lambda picture: picture.sum(axis=2) < 500)
    assert abs(10**y - 2) < 0.05
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["0.05", "0.1", "0.2", "0.5", "1", "2", "5", "10", "20"]


def test_instants_of_pairs():
    pulse = np.zeros((1, 200))
    pulse[0, 50] = 1.0  # an instant unlike all others
    axes = sheet(pulse, ["recurrence"], sampling_rate=10).axes[0]
    x, y = found(axes, lambda picture: picture[..., 0] > 200)
    cross = (5.05, 5.05)  # a row and a column, whose mean lies between them and the middle
    assert (x, y) == pytest.approx(np.mean([cross, (10, 10)], axis=0), abs=0.1)
    assert axes.images[0].get_extent() == [0, 20, 0, 20]


def test_tiles_go_on_in_time():
    figure = sheet(np.sin(SECONDS)[None], ["waveform", "gasf"], tile_length=15)
    lefts = [axes.images[0].get_extent()[0] for axes in figure.axes]
    assert lefts == [0, 15, 25, 0, 15, 25]
    assert figure.axes[2].get_title() == "bvp_waveform_tile2"


def test_joined_channels():
    X = np.stack([SECONDS, np.sin(SECONDS)])[None]
    figure = sheet(X, ["waveform_stacked", "waveform_overlaid"], modality=["resp", "bvp"])
    stacked, overlaid = figure.axes
    labels = [label.get_text() for label in stacked.get_yticklabels()]
    assert labels == ["resp", "bvp"]
    assert list(stacked.get_yticks()) == [0.75, 0.25]
    assert list(overlaid.get_yticks()) == []


def test_rows_are_named():
    windows = pd.Series(list(np.ones((2, 50))), index=["a", "b"])
    drawer = BiosignalImageTransformer(["waveform"])
    labelled = plot_images(drawer.fit_transform(windows))
    assert [axes.get_ylabel().strip() for axes in labelled.axes] == ["window a", "window b"]
    assert labelled.axes[0].get_xlabel() == "samples"
    counted = plot_images(drawer.fit_transform(list(windows)), titles=["rest", "stress"])
    assert counted.axes[1].get_ylabel().strip() == "stress"


def test_what_cannot_be_shown():
    images = BiosignalImageTransformer(image_size=8).fit_transform(np.ones((201, 5)))
    with pytest.raises(ValueError, match="There are 201 pictures; 1 to 200 make a sheet"):
        plot_images(images)
    with pytest.raises(ValueError, match="There are 0 pictures"):
        plot_images(images[:0])
    with pytest.raises(ValueError, match="3 titles for 2 windows"):
        plot_images(images[:2], titles=["a", "b", "c"])
    with pytest.raises(ValueError, match="got ndarray"):
        plot_images(np.asarray(images[:2]))


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    images = BiosignalImageTransformer().fit_transform(np.ones((1, 5)))
    with pytest.raises(ImportError, match=r"pip install 'sklearn-biomoe\[plot\]'"):
        plot_images(images)
