"""Contact sheets: times and values read from the axes agree with the signals."""

import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.utils.fixes import parse_version

from sklearn_biomoe import BiosignalImageTransformer
from sklearn_biomoe.plotting import plot_image, plot_images
from sklearn_biomoe.representations import REPRESENTATIONS

RATE = 64
SECONDS = np.arange(0, 60, 1 / RATE)
SINE = np.sin(2 * np.pi * 1.25 * SECONDS)
PAIRS = ["gasf", "recurrence", "recurrence_thresholded", "mtf"]
BURST = np.exp(-(((SECONDS - 40) / 0.5) ** 2)) * np.sin(2 * np.pi * 2 * SECONDS)


def sheet(windows, representations, *, titles=None, sampling_rate=RATE, **options):
    """Return a figure's images with their axes, and the pixels that they show, of one window."""
    images = BiosignalImageTransformer(
        representations, sampling_rate=sampling_rate, **options
    ).fit_transform(windows)
    return split(plot_images(images, titles=titles))[0], np.asarray(images)[0]


def split(figure):
    """Return the axes of images, and those of signals."""
    is_signal = [axis.get_label() == "signal" for axis in figure.axes]
    axes = np.array(figure.axes, dtype=object)
    return axes[~np.array(is_signal)].tolist(), axes[is_signal].tolist()


def at(axis, row, column, size=224):
    """Return the time and the value, on the panel's axes, of the middle of a pixel."""
    shown = axis.transAxes.transform(((column + 0.5) / size, 1 - (row + 0.5) / size))
    return axis.transData.inverted().transform(shown)


def brightest(image):
    """Return row and column of the middle of the pixels that are closest to viridis' yellow."""
    level = image[..., :2].sum(axis=2, dtype=int)  # red and green increase towards it
    return np.argwhere(level >= level.max() - 2).mean(axis=0)


def dark(image):
    return np.argwhere(image[..., 0] < 100)


@pytest.mark.parametrize("representation", ["spectrogram_psd", "scalogram"])
@pytest.mark.parametrize("modality", ["bvp", "generic"])
@pytest.mark.parametrize("frequency", [1.25, 4.0])
def test_sine_is_bright_at_its_frequency(representation, modality, frequency):
    window = np.sin(2 * np.pi * frequency * SECONDS)
    (axis,), images = sheet(window[None], [representation], modality=modality)
    _, read = at(axis, *brightest(images[0]))
    pixel = abs(np.diff([at(axis, row, 0)[1] for row in (100, 101)])[0])
    if representation == "scalogram":
        assert axis.get_yscale() == "log"
        assert abs(np.log(read / frequency)) < 0.05
    else:
        assert abs(read - frequency) < pixel
    assert axis.get_ylabel() == "frequency (Hz)"


@pytest.mark.parametrize("representation", ["spectrogram_psd", "scalogram"])
@pytest.mark.parametrize("cut", [{}, {"tile_length": 12.0, "tile_step": 11.0}])
def test_burst_is_bright_at_its_time(representation, cut):
    axes, images = sheet(BURST[None], [representation], modality="bvp", **cut)
    tile = 3 if cut else 0  # from 33 s to 45 s
    time, frequency = at(axes[tile], *brightest(images[tile]))
    assert abs(time - 40) < (0.5 if representation == "spectrogram_psd" else 0.2)
    assert abs(frequency - 2) < 0.1


HALF_SAMPLE = 0.5 / RATE
HALF_ROW = 10 ** (0.5 / 63)  # 64 frequencies from 0.5 to 5 Hz
AROUND_SAMPLES = (-HALF_SAMPLE, 60 - HALF_SAMPLE)


@pytest.mark.parametrize(
    ("representation", "options", "times", "values"),
    [
        # Pieces of 8 s, 1 s apart. 512 samples need no padding: bins 4 to 40, 0.125 Hz wide.
        ("spectrogram_psd", {"modality": "bvp"}, (3.5, 56.5), (0.4375, 5.0625)),
        # Pieces of 80 samples are padded to 128: bins 0 to 16, 1/32 Hz wide.
        ("spectrogram_psd", {"modality": "eda", "sampling_rate": 4}, None, (-0.5 / 32, 16.5 / 32)),
        ("scalogram", {"modality": "bvp"}, AROUND_SAMPLES, (0.5 / HALF_ROW, 5 * HALF_ROW)),
        *((name, {}, AROUND_SAMPLES, AROUND_SAMPLES) for name in PAIRS),
        ("composite", {}, (0, 60 - 1 / RATE), None),
    ],
)
def test_borders_of_axes(representation, options, times, values):
    window = SINE[:: RATE // 4] if "sampling_rate" in options else SINE
    (axis,), _ = sheet(window[None], [representation], **options)
    for found, expected in ((axis.get_xlim(), times), (axis.get_ylim(), values)):
        if expected is not None:
            np.testing.assert_allclose(found, expected)
    assert axis.get_xlabel() == "time (s)"
    if representation in PAIRS:
        assert axis.get_ylabel() == "time (s)"


@pytest.mark.parametrize("rate", [4, None])
def test_step_is_at_its_time(rate):
    window = np.repeat([2.0, 7.0], [180, 61])
    (axis,), images = sheet(window[None], ["waveform"], sampling_rate=rate)
    upright = np.argwhere((images[0][..., 0] < 100).sum(axis=0) > 112).mean()
    time, _ = at(axis, 0, upright)
    assert abs(time * (rate or 1) - 179.5) < 1  # from sample 179 to 180
    assert axis.get_xlim() == (0, 240 / (rate or 1))
    assert axis.get_xlabel() == ("time (s)" if rate else "time (samples)")
    rows = dark(images[0])[:, 0]
    np.testing.assert_allclose(
        [at(axis, row, 0)[1] for row in (rows.max(), rows.min())], [2, 7], atol=0.03
    )


@pytest.mark.parametrize(
    ("value_range", "scale", "within"), [((0.05, 20.0, "log"), "log", 0.02), ((0, 20), "linear", 0)]
)
def test_values_agree_with_their_axis(value_range, scale, within):
    window = np.full(240, 3.7)
    (axis,), images = sheet(
        window[None], ["waveform"], sampling_rate=4, modality="eda", value_range=value_range
    )
    _, read = at(axis, dark(images[0])[:, 0].mean(), 0)
    assert abs(read - 3.7) < (3.7 * within or 0.06)
    assert axis.get_yscale() == scale
    assert axis.get_ylabel() == "µS"


def test_logarithmic_ticks_are_plain_numbers():
    (axis,), _ = sheet(np.full((1, 240), 3.0), ["waveform"], sampling_rate=4, modality="eda")
    axis.figure.draw_without_rendering()
    low, high = axis.get_ylim()
    labels = {
        label.get_text()
        for label, value in zip(axis.get_yticklabels(), axis.get_yticks(), strict=True)
        if low <= value <= high
    }
    assert labels == {"0.05", "0.1", "0.2", "0.5", "1", "2", "5", "10", "20"}


def test_constant_window_is_at_its_value():
    (axis,), images = sheet(np.full((1, 50), -4.0), ["waveform"])
    assert abs(at(axis, dark(images[0])[:, 0].mean(), 0)[1] + 4) < 0.02
    assert list(axis.get_yticks()) == [-4]


def test_parts_of_composites_are_labelled_in_their_colours():
    (axis,), _ = sheet(SINE[None], ["composite"])
    labels = axis.get_yticklabels()
    assert [label.get_text() for label in labels] == ["waveform", "spectrogram\npsd", "scalogram"]
    assert [label.get_color() for label in labels] == ["red", "green", "blue"]


def test_spike_is_at_its_time_on_both_axes_of_maps_of_pairs():
    (axis,), images = sheet(BURST[None], ["recurrence"])
    column = images[0][..., 0].astype(int).sum(axis=0).argmax()
    row = images[0][..., 0].astype(int).sum(axis=1).argmax()
    np.testing.assert_allclose(at(axis, row, column), [40, 40], atol=1)


def test_tiles_start_at_their_first_sample():
    axes, _ = sheet(SINE[None], ["waveform", "gasf"], tile_length=25, tile_step=20)
    assert [axis.get_title() for axis in axes] == [
        *(f"generic_waveform_tile{i}" for i in range(3)),
        *(f"generic_gasf_tile{i}" for i in range(3)),
    ]
    length = 25 - 1 / RATE
    assert [axis.get_xlim() for axis in axes[:3]] == [(s, s + length) for s in (0, 20, 35)]
    assert [axis.get_ylim()[0] for axis in axes[3:]] == [s - 0.5 / RATE for s in (0, 20, 35)]


def test_curves_of_a_tile_have_the_limits_of_that_tile():
    axes, images = sheet(SECONDS[None], ["waveform"], tile_length=30)
    for axis, image in zip(axes, images, strict=True):
        for row, column in dark(image)[::50]:
            time, value = at(axis, row, column)
            assert abs(time - value) < 0.3


def test_channels_are_labelled_at_their_curves():
    rng = np.random.default_rng(0)
    windows = np.stack([rng.uniform(1, 9, 240), rng.uniform(-1, 1, 240)])[None]
    (stacked, overlaid), images = sheet(
        windows,
        ["waveform_stacked", "waveform_overlaid"],
        modality=["eda", "bvp"],
        value_range=[(0.5, 10.0, "log"), (-1, 1)],
    )
    names = ["eda\n0.5 to 10 µS\nlogarithmic", "bvp\n-1 to 1"]
    for axis in (stacked, overlaid):
        assert [label.get_text() for label in axis.get_yticklabels()] == names
    # A label has the height of its band, or the colour of its curve.
    heights = [label.get_position()[1] for label in stacked.get_yticklabels()]
    shown = stacked.transData.transform([(0, height) for height in heights])
    np.testing.assert_allclose(stacked.transAxes.inverted().transform(shown)[:, 1], [0.75, 0.25])
    for label, band in zip(overlaid.get_yticklabels(), np.split(images[0], 2), strict=True):
        colour = tuple(np.round(np.multiply(label.get_color(), 255)).astype(int))
        assert colour in {tuple(pixel) for pixel in band.reshape(-1, 3).tolist()}


@pytest.mark.parametrize("size", [64, 224, 300])
def test_one_pixel_is_a_whole_number_of_dots(size):
    if size == 64 and parse_version(mpl.__version__) < parse_version("3.11"):
        pytest.skip("older matplotlib shifts enlarged pixels by up to one dot")
    images = BiosignalImageTransformer(
        ["waveform", "gasf"], sampling_rate=RATE, image_size=size
    ).fit_transform(np.stack([SINE, BURST])[:, :640])
    figure = plot_images(images)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    dots = np.asarray(canvas.buffer_rgba())[..., :3]
    dots_per_pixel = 4 if size == 64 else 1
    for axis, image in zip(
        split(figure)[0], np.asarray(images).reshape(-1, size, size, 3), strict=True
    ):
        left, bottom, width, height = np.round(axis.get_window_extent().bounds).astype(int)
        shown = dots[len(dots) - bottom - height : len(dots) - bottom, left : left + width]
        expected = image.repeat(dots_per_pixel, axis=0).repeat(dots_per_pixel, axis=1)
        inside = slice(2, -2)  # the frame covers the outermost dots
        np.testing.assert_array_equal(shown[inside, inside], expected[inside, inside])


@pytest.mark.parametrize("n_times", [1, 2, 3, 5, 300])
def test_windows_of_any_length_have_axes(n_times):
    axes, _ = sheet(np.arange(float(n_times))[None], list(REPRESENTATIONS), sampling_rate=4)
    axes[0].figure.draw_without_rendering()
    for axis in axes:
        assert axis.get_xlim()[0] < axis.get_xlim()[1]


def test_windows_of_unequal_length_have_their_own_axes():
    axes, _ = sheet([SINE[:640], SINE[:1280]], ["waveform"])
    assert [axis.get_xlim()[1] for axis in axes] == [(n - 1) / RATE for n in (640, 1280)]


@pytest.mark.parametrize(
    ("windows", "titles", "expected"),
    [
        (np.eye(2), None, ["window 0", "window 1"]),
        (pd.DataFrame(np.eye(2), index=["rest", "stress"]), None, ["rest", "stress"]),
        (np.eye(2), ("a", "b"), ["a", "b"]),
    ],
)
def test_rows_are_labelled(windows, titles, expected):
    images = BiosignalImageTransformer().fit_transform(windows)
    labels = [text.get_text() for text in plot_images(images, titles=titles).texts]
    assert labels == expected


def test_one_image_on_given_axes():
    images = BiosignalImageTransformer(["waveform", "gasf"], sampling_rate=RATE).fit_transform(
        [SINE, BURST]
    )
    axis = Figure().subplots()
    plot_image(axis, images, -1, 1)
    assert axis.get_title() == "generic_gasf"
    np.testing.assert_array_equal(axis.images[0].get_array(), images[1, 1])
    with pytest.raises(IndexError):
        plot_image(axis, images, 2, 0)


class TestSignalsAboveImages:
    def test_a_small_response_is_visible(self):
        """A response of 0.2 µS is flat in the image, and fills the axis of the signal."""
        window = 5 + 0.2 * np.exp(-((np.arange(240) - 120) ** 2) / 200)
        images = BiosignalImageTransformer(
            ["waveform"], sampling_rate=4, modality="eda"
        ).fit_transform(window[None])
        (image,), (signal,) = split(plot_images(images))
        rows = dark(np.asarray(images)[0, 0])[:, 0]
        assert np.ptp(rows) < 5  # pixels
        (line,) = signal.lines
        np.testing.assert_array_equal(line.get_ydata(), window)
        low, high = signal.get_ylim()
        assert 0.2 / (high - low) > 0.85
        assert signal.get_ylabel() == image.get_ylabel() == "µS"

    @pytest.mark.parametrize("representation", list(REPRESENTATIONS))
    def test_times_are_those_of_the_image(self, representation):
        images = BiosignalImageTransformer(
            [representation], sampling_rate=RATE, tile_length=20
        ).fit_transform(SINE[None])
        figure = plot_images(images)
        figure.draw_without_rendering()
        for image, signal in zip(*split(figure), strict=True):
            assert signal.get_xlim() == image.get_xlim()
            (left, bottom, width, _), below = signal.get_position().bounds, image.get_position()
            assert (left, width) == pytest.approx((below.x0, below.width))
            assert bottom > below.y1
        starts = [axis.lines[0].get_xdata()[0] for axis in split(figure)[1]]
        assert starts == [0, 20, 40]

    def test_channels_are_above_each_other(self):
        windows = np.stack([SINE, 100 * BURST])[None]
        images = BiosignalImageTransformer(
            ["waveform_overlaid"], sampling_rate=RATE, modality=["bvp", "ecg"]
        ).fit_transform(windows)
        _, (signal,) = split(plot_images(images))
        first, second = (line.get_ydata() for line in signal.lines)
        assert (first.min(), first.max()) == (1, 2)
        assert (second.min(), second.max()) == (0, 1)
        assert not len(signal.get_yticks())

    def test_given_axes(self):
        images = BiosignalImageTransformer(["gasf"], sampling_rate=RATE).fit_transform([SINE, None])
        for window in (0, 1):
            above, axis = Figure().subplots(2)
            plot_image(axis, images, window, 0, above=above)
            assert (above.get_title(), axis.get_title()) == ("generic_gasf", "")
            assert len(above.lines) == (window == 0)


def test_figures_are_not_registered_with_pyplot():
    before = plt.get_fignums()
    sheet(np.eye(2), ["waveform"])
    assert plt.get_fignums() == before


@pytest.mark.parametrize(
    ("choose", "titles", "message"),
    [
        (lambda images: images[0], None, r"ndarray of shape \(2, 224, 224, 3\); .*images\[:3\]"),
        (lambda images: None, None, "images is a NoneType; expected a BiosignalImages"),
        (lambda images: images[:0], None, "has 0 windows"),
        (
            lambda images: images[np.zeros(101, int)],
            None,
            r"202 images \(101 windows x 2\), more than the 200 .*images\[:10\]",
        ),
        (lambda images: images, ["a"], "is 1 labels; expected a list of 3"),
        (lambda images: images, "abc", "is a str; expected a list of 3"),
    ],
)
def test_errors(choose, titles, message):
    images = BiosignalImageTransformer(["waveform", "gasf"]).fit_transform(np.eye(3))
    with pytest.raises(ValueError, match=message):
        plot_images(choose(images), titles=titles)


def test_missing_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    images = BiosignalImageTransformer().fit_transform(np.eye(3))
    with pytest.raises(ImportError, match=r"pip install 'sklearn-biomoe\[plot\]'"):
        plot_images(images)
