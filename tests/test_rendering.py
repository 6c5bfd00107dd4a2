"""Pictures against matplotlib and against pictures worked out by hand."""

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sklearn_biomoe.rendering import (
    LINE_WIDTH,
    RENDERINGS,
    colour,
    colour_table,
    draw,
    draw_angles,
    draw_grey,
    draw_linear,
    draw_lines,
    draw_power,
)
from sklearn_biomoe.representations import REPRESENTATIONS

SIZE = 224


def curves(n_windows=4, n_times=600, seed=0):
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 1, n_times)
    rate = rng.uniform(3, 12, (n_windows, 1))
    return np.sin(2 * np.pi * rate * t) + 0.3 * np.cumsum(
        rng.normal(0, 0.05, (n_windows, n_times)), 1
    )


def drawn(signals, name="waveform", **settings):
    settings = {"sampling_rate": 4.0, "modality": "eda", "size": SIZE} | settings
    return draw(torch.as_tensor(signals, dtype=torch.float64), name, **settings).numpy()


def agg_drawing(signal):
    """Draw what a user would draw with matplotlib: the same limits, no axes, no margins."""
    dpi = 100
    figure = Figure(figsize=(SIZE / dpi, SIZE / dpi), dpi=dpi)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.plot(np.linspace(0, SIZE, len(signal)), signal, "k", linewidth=LINE_WIDTH * 72 / dpi)
    # Half a stroke of room, in data units, as our curves keep from the border.
    room = np.ptp(signal) / (SIZE - LINE_WIDTH) * LINE_WIDTH / 2
    axes.set(xlim=(0, SIZE), ylim=(signal.min() - room, signal.max() + room))
    axes.axis("off")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., 0]


@pytest.mark.parametrize("n_times", [30, 240, 600, 3840])
def test_waveform_looks_like_matplotlib(n_times):
    signals = curves(n_times=n_times)
    for ours, signal in zip(drawn(signals), signals, strict=True):
        correlation = np.corrcoef(ours[..., 0].ravel(), agg_drawing(signal).ravel())[0, 1]
        assert correlation >= 0.97


@pytest.mark.parametrize("n_times", [2, 17, 224, 1000, 3840])
def test_every_sample_is_inked_in_its_column(n_times):
    signal = curves(1, n_times)[0]
    picture = drawn(signal[None])[0, ..., 0]
    column = np.minimum((np.arange(n_times) / (n_times - 1) * SIZE).astype(int), SIZE - 1)
    scaled = (signal - signal.min()) / np.ptp(signal)
    row = (LINE_WIDTH / 2 + (1 - scaled) * (SIZE - LINE_WIDTH)).astype(int)
    assert picture[np.minimum(row, SIZE - 1), column].max() < 200


def test_waveform_is_black_on_white_without_margins():
    picture = drawn(curves())[0]
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[..., 0], picture[..., 1])
    np.testing.assert_array_equal(picture[..., 0], picture[..., 2])
    ink = picture[..., 0] < 128
    assert picture.max() == 255
    assert picture.min() < 30
    assert ink.any(axis=0).all()  # from border to border
    assert ink[:2].any()
    assert ink[-2:].any()


def test_horizontal_line_by_hand():
    picture = drawn(np.full((1, 50), 3.0))[0, ..., 0]
    # 1.25 pixels around half height, 111.375 to 112.625: five eighths of two pixels.
    expected = np.full((SIZE, SIZE), 255)
    expected[111:113] = 255 - round(255 * 0.625)
    np.testing.assert_array_equal(picture, expected)


def test_upwards_is_up():
    rising = drawn(np.linspace(0, 1, 100)[None])[0, ..., 0]
    assert rising[-3:, :3].min() < 128
    assert rising[:3, -3:].min() < 128
    assert rising[:20, :20].min() == 255


def test_steep_flanks_are_as_dark_as_flat_ones():
    step = drawn(np.repeat([0.0, 1.0], 100)[None])[0, ..., 0]
    flank = step[20:-20].min(axis=1)
    # A flat stroke that straddles two pixels evenly covers five eighths of each, no less.
    assert flank.max() <= 255 - round(255 * 0.625)


@pytest.mark.parametrize("amplitude", [1e-30, 1e30])
@pytest.mark.parametrize(
    "name", sorted(set(REPRESENTATIONS) - {"spectrogram_angle", "spectrogram_phase"})
)
def test_pictures_do_not_depend_on_amplitude(name, amplitude):
    signals = curves()
    np.testing.assert_allclose(
        drawn(signals * amplitude, name).astype(int), drawn(signals, name).astype(int), atol=1
    )


@pytest.mark.parametrize("n_times", [30, 600, 40_000])
@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_alone_in_a_batch_and_in_another_order_gives_the_same_bytes(name, n_times):
    signals = curves(n_windows=3 if n_times > 10_000 else 9, n_times=n_times)
    together = drawn(signals, name)
    alone = np.concatenate([drawn(signal[None], name) for signal in signals])
    np.testing.assert_array_equal(alone, together)
    np.testing.assert_array_equal(drawn(signals[::-1].copy(), name)[::-1], together)


def test_colour_table_is_matplotlibs():
    expected = mpl.colormaps["viridis"](np.arange(256), bytes=True)[:, :3]
    np.testing.assert_array_equal(colour_table("viridis"), expected)


def test_power_colours_are_matplotlibs():
    decibels = np.linspace(-50, 0, SIZE)
    maps = torch.from_numpy(10 ** (np.tile(decibels, (SIZE, 1)) / 10))[None]
    expected = mpl.colormaps["viridis"]((decibels + 50) / 50, bytes=True)[:, :3]
    difference = draw_power(maps, SIZE)[0, 0].numpy().astype(int) - expected
    assert np.abs(difference).max() <= 3  # neighbouring entries of the table differ by up to 3


def test_power_has_low_frequencies_at_the_bottom():
    maps = torch.full((1, 16, 5), 1e-9, dtype=torch.float64)
    maps[:, 2] = 1.0
    brightness = draw_power(maps, 64)[0].float().mean(dim=(1, 2))
    assert int(brightness.argmax()) // 4 == 16 - 1 - 2


def test_power_of_zero_is_the_darkest_colour():
    picture = draw_power(torch.zeros(1, 16, 5, dtype=torch.float64), 32)[0]
    assert (picture == torch.tensor(colour_table("viridis")[0])).all()


def test_several_curves_in_one_picture_share_their_scale():
    low, high = torch.zeros(50).double(), torch.ones(50).double()
    together = draw_lines(torch.stack([low, high])[None], 32)[0, ..., 0]
    assert (together[0] < 128).all()
    assert (together[-1] < 128).all()
    assert (together[5:-5] == 255).all()


def test_colours_are_looked_up_by_256ths():
    values = np.concatenate([np.linspace(0, 1, 500), np.arange(257) / 256])
    expected = mpl.colormaps["viridis"](values, bytes=True)[:, :3]
    np.testing.assert_array_equal(colour(torch.from_numpy(values)[None, None])[0, 0], expected)


@pytest.mark.parametrize(
    ("rendering", "colormap", "lowest", "highest"),
    [
        (draw_linear, "viridis", -3, 5),
        (RENDERINGS["signed"], "viridis", -1, 1),
        (draw_angles, "viridis", -np.pi, np.pi),
        (draw_grey, "gray", 0, 7),
        (RENDERINGS["ink"], "binary", 0, 7),
    ],
)
def test_colours_are_matplotlibs(rendering, colormap, lowest, highest):
    share = (np.arange(SIZE) + 0.5) / SIZE
    share[[0, -1]] = 0, 1 - 1e-12
    maps = torch.from_numpy(np.tile(lowest + share * (highest - lowest), (SIZE, 1)))[None]
    expected = mpl.colormaps[colormap](share, bytes=True)[:, :3].astype(int)
    assert np.abs(rendering(maps, SIZE)[0, 0].numpy() - expected).max() <= 3


@pytest.mark.parametrize("name", sorted(set(RENDERINGS) - {"line"}))
@pytest.mark.parametrize("shape", [(1, 1), (16, 5), (300, 1000), (SIZE, SIZE)])
def test_first_row_is_at_the_bottom(name, shape):
    maps = torch.zeros(1, *shape, dtype=torch.float64)
    maps[:, : max(1, shape[0] // 4)] = 1.0
    picture = RENDERINGS[name](maps, SIZE)[0].numpy()
    assert picture.shape == (SIZE, SIZE, 3)
    if shape[0] > 1:
        assert (picture[0] == picture[0, 0]).all()
        assert (picture[-1] == picture[-1, 0]).all()
        assert (picture[0] != picture[-1]).any()
        middle = picture[SIZE // 2]  # like the top: the step lies below
        assert np.abs(middle.astype(int) - picture[0]).max() <= 3


def test_half_turns_either_way_are_one_direction():
    maps = torch.tensor([[[np.pi - 0.01, -np.pi + 0.01]]])
    picture = draw_angles(maps.double(), 64)[0, 0].numpy()
    table = np.array(colour_table("viridis"))
    ends = np.concatenate([table[:2], table[-2:]])
    assert (picture[:, None] == ends).all(axis=2).any(axis=1).all()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("spectrogram_angle", colour_table("viridis")[128]),
        ("spectrogram_phase", colour_table("viridis")[0]),
        ("scalogram", colour_table("viridis")[0]),
        ("recurrence", (0, 0, 0)),
        ("recurrence_thresholded", (255, 255, 255)),
        ("gasf", colour_table("viridis")[0]),
        ("gadf", colour_table("viridis")[128]),
        ("mtf", colour_table("viridis")[0]),
    ],
)
def test_constant_windows_have_one_colour(name, expected):
    assert (drawn(np.full((1, 240), 0.1), name) == np.array(expected)).all()


def test_recurrence_is_dark_where_samples_are_near():
    steps = np.repeat([0.0, 1.0], 112)[None]
    for name in ("recurrence", "recurrence_thresholded"):
        picture = drawn(steps, name)[0]
        assert (picture[112:, :112] == 0).all()  # early and early, at the bottom left
        assert (picture[:112, :112] == 255).all()  # late and early
