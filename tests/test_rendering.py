"""Images against matplotlib, and against images computed by hand."""

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sklearn_biomoe.images.colours import check_colormap, colour_table, look_up
from sklearn_biomoe.images.curves import (
    CURVE_COLOURS,
    LINE_WIDTH,
    draw_curves,
    scale_values,
)
from sklearn_biomoe.images.rendering import render
from sklearn_biomoe.representations import REPRESENTATIONS, full_height, stacked_bands
from sklearn_biomoe.representations.scaling import (
    scale_angle,
    scale_distance,
    scale_power,
    scale_signed,
    scale_span,
    to_levels,
)
from sklearn_biomoe.signals import Modality

SIZE = 224


def curves(n_windows=4, n_times=600, seed=0):
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 1, n_times)
    rate = rng.uniform(3, 12, (n_windows, 1))
    return np.sin(2 * np.pi * rate * t) + 0.3 * np.cumsum(
        rng.normal(0, 0.05, (n_windows, n_times)), 1
    )


def drawn(signals, name="waveform", **settings):
    settings = {
        "sampling_rate": 4.0,
        "modality": Modality(("waveform",)),
        "limits": [None],
        "colormap": "viridis",
        "size": SIZE,
    } | settings
    signals = torch.as_tensor(signals, dtype=torch.float64)
    return render(signals if signals.ndim == 3 else signals[:, None], name, **settings).numpy()


def agg_drawing(signal):
    """Draw what a user would draw with matplotlib: the same limits, no axes, no margins."""
    dpi = 100
    figure = Figure(figsize=(SIZE / dpi, SIZE / dpi), dpi=dpi)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.plot(np.linspace(0, SIZE, len(signal)), signal, "k", linewidth=LINE_WIDTH * 72 / dpi)
    # Half a line width of margin, in data units, as in our images.
    margin = np.ptp(signal) / (SIZE - LINE_WIDTH) * LINE_WIDTH / 2
    axes.set(xlim=(0, SIZE), ylim=(signal.min() - margin, signal.max() + margin))
    axes.axis("off")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., 0]


@pytest.mark.parametrize("n_times", [30, 240, 600, 3840])
def test_waveform_correlates_with_matplotlib(n_times):
    signals = curves(n_times=n_times)
    for image, signal in zip(drawn(signals), signals, strict=True):
        correlation = np.corrcoef(image[..., 0].ravel(), agg_drawing(signal).ravel())[0, 1]
        assert correlation >= 0.97


@pytest.mark.parametrize("n_times", [2, 17, 224, 1000, 3840])
def test_every_sample_is_drawn_in_its_column(n_times):
    signal = curves(1, n_times)[0]
    image = drawn(signal[None])[0, ..., 0]
    column = np.minimum((np.arange(n_times) / (n_times - 1) * SIZE).astype(int), SIZE - 1)
    scaled = (signal - signal.min()) / np.ptp(signal)
    row = (LINE_WIDTH / 2 + (1 - scaled) * (SIZE - LINE_WIDTH)).astype(int)
    assert image[np.minimum(row, SIZE - 1), column].max() < 200


def test_waveform_is_black_on_white_without_margins():
    image = drawn(curves())[0]
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image[..., 0], image[..., 1])
    np.testing.assert_array_equal(image[..., 0], image[..., 2])
    ink = image[..., 0] < 128
    assert image.max() == 255
    assert image.min() < 30
    assert ink.any(axis=0).all()  # from border to border
    assert ink[:2].any()
    assert ink[-2:].any()


def test_horizontal_line_by_hand():
    image = drawn(np.full((1, 50), 3.0))[0, ..., 0]
    # 1.25 pixels around half height, 111.375 to 112.625: five eighths of two pixels.
    expected = np.full((SIZE, SIZE), 255)
    expected[111:113] = 255 - round(255 * 0.625)
    np.testing.assert_array_equal(image, expected)


def test_larger_values_are_higher():
    rising = drawn(np.linspace(0, 1, 100)[None])[0, ..., 0]
    assert rising[-3:, :3].min() < 128
    assert rising[:3, -3:].min() < 128
    assert rising[:20, :20].min() == 255


def test_steep_flanks_are_as_dark_as_flat_ones():
    step = drawn(np.repeat([0.0, 1.0], 100)[None])[0, ..., 0]
    flank = step[20:-20].min(axis=1)
    # A flat line centred between two pixels covers five eighths of each.
    assert flank.max() <= 255 - round(255 * 0.625)


@pytest.mark.parametrize("n_times", [30, 600, 12_000])
@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_bytes_do_not_depend_on_other_windows(name, n_times):
    signals = curves(n_windows=3 if n_times > 10_000 else 9, n_times=n_times)
    together = drawn(signals, name)
    alone = np.concatenate([drawn(signal[None], name) for signal in signals])
    np.testing.assert_array_equal(alone, together)
    np.testing.assert_array_equal(drawn(signals[::-1].copy(), name)[::-1], together)


def blank(n_windows=1, height=SIZE, width=SIZE):
    return torch.empty((n_windows, height, width, 3), dtype=torch.uint8)


def colour(values, colormap, out):
    return look_up(to_levels(values), colour_table(colormap), out)


SCALES = {
    "angle": scale_angle,
    "distance": scale_distance,
    "power": scale_power,
    "signed": scale_signed,
    "span": scale_span,
}


def painted(kind, maps, size=SIZE, *, colormap="viridis", limits=None):
    out = blank(len(maps), size, size)
    scale = SCALES[kind] if isinstance(kind, str) else kind
    return colour(scale(maps, size, limits), colormap, out).numpy()


def test_colour_tables_equal_those_of_matplotlib():
    interpolated_differently = {"gist_stern", "gist_stern_r"}
    for name in set(mpl.colormaps) - interpolated_differently:
        if mpl.colormaps[name].N >= 256:
            check_colormap(name)
            expected = mpl.colormaps[name](np.linspace(0, 1, 256), bytes=True)[:, :3].astype(int)
            difference = np.abs(np.array(colour_table(name)) - expected).max()
            # The tables of twilight have 510 colours in matplotlib.
            assert difference <= (1 if mpl.colormaps[name].N == 256 else 2), name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("viridid", r"Unknown colormap 'viridid'; .*'cividis'.* Did you mean 'viridis'\?"),
        ("tab10", "'tab10' has only 10 colours"),
        (None, "Unknown colormap None"),
        (7, "Unknown colormap 7"),
    ],
)
def test_unknown_colormaps_are_an_error(name, message):
    with pytest.raises(ValueError, match=message):
        check_colormap(name)


@pytest.mark.parametrize("limits", [None, (-50.0, 0.0)])
def test_power_colours_equal_matplotlib(limits):
    decibels = np.linspace(-50, 0, SIZE)
    maps = torch.from_numpy(10 ** (np.tile(decibels, (SIZE, 1)) / 10))[None]
    expected = mpl.colormaps["viridis"]((decibels + 50) / 50, bytes=True)[:, :3]
    difference = painted("power", maps, limits=limits)[0, 0].astype(int) - expected
    assert np.abs(difference).max() <= 3  # one entry of the table


def test_powers_outside_their_limits_are_clipped():
    maps = torch.tensor([0.0, 1e-9, 1e9]).double().expand(1, 3, 3)
    image = painted("power", maps, 24, limits=(-20.0, 10.0))[0, 0]
    assert (image[0] == colour_table("viridis")[0]).all()
    assert (image[-1] == colour_table("viridis")[-1]).all()


@pytest.mark.parametrize("limits", [None, (-50.0, 0.0)])
def test_power_of_zero_is_the_darkest_colour(limits):
    image = painted("power", torch.zeros(1, 16, 5, dtype=torch.float64), 32, limits=limits)
    assert (image == colour_table("viridis")[0]).all()


def test_scaled_values():
    signals = torch.tensor([[1.0, 2.0, 5.0], [0.0, 10.0, 20.0]], dtype=torch.float64)
    np.testing.assert_allclose(scale_values(signals, None), [[0, 0.25, 1], [0, 0.5, 1]])
    np.testing.assert_allclose(scale_values(signals, (0, 10)), [[0.1, 0.2, 0.5], [0, 1, 1]])
    np.testing.assert_allclose(
        scale_values(signals, (0.1, 10, "log")),
        [[0.5, (1 + np.log10(2)) / 2, (1 + np.log10(5)) / 2], [0, 1, 1]],
    )
    assert (scale_values(signals, (3, 3)) == 0.5).all()


def test_each_stacked_curve_has_its_band_and_colour():
    curves = torch.full((1, 4, 50), 0.5, dtype=torch.float64)
    image = draw_curves(curves, stacked_bands(curves.shape[1], SIZE), blank())[0].numpy()
    for band in range(4):
        middle = image[band * 56 : (band + 1) * 56]
        expected = 255 - (255 - np.array(CURVE_COLOURS[band])) * 0.625  # on each of two pixels
        np.testing.assert_allclose(middle[27:29].mean(axis=(0, 1)), expected, atol=1)
        assert (middle[:27] == 255).all()
        assert (middle[29:] == 255).all()


def test_stacked_curves_equal_those_drawn_alone():
    signals = torch.from_numpy(curves(4)).reshape(2, 2, -1)
    top = stacked_alone(signals[:, 0])
    together = drawn(signals, "waveform_stacked", limits=[None, None])
    np.testing.assert_array_equal(together[:, : SIZE // 2], top[:, : SIZE // 2])


def stacked_alone(signals):
    """Draw the first of two stacked curves; the second is constant."""
    blank = torch.zeros_like(signals)
    return drawn(torch.stack([signals, blank], dim=1), "waveform_stacked", limits=[None, None])


def test_overlaid_curves_cover_earlier_ones():
    flat = torch.full((1, 2, 50), 0.5, dtype=torch.float64)
    image = draw_curves(flat, full_height(flat.shape[1], SIZE), blank())[0, 111, 100].numpy()
    below = 255 - (255 - np.array(CURVE_COLOURS[0])) * 0.625
    np.testing.assert_allclose(image, below * 0.375 + np.array(CURVE_COLOURS[1]) * 0.625, atol=1)


def test_joined_images_of_one_channel_equal_the_waveform():
    signals = curves(2)
    np.testing.assert_array_equal(drawn(signals, "waveform_overlaid"), drawn(signals))
    np.testing.assert_array_equal(drawn(signals, "waveform_stacked"), drawn(signals))


def test_colours_of_256_levels():
    values = np.concatenate([np.linspace(0, 1, 500), np.arange(257) / 256])
    expected = mpl.colormaps["viridis"](values, bytes=True)[:, :3]
    image = colour(torch.from_numpy(values)[None, None], "viridis", blank(1, 1, len(values)))[0, 0]
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize(("height", "width"), [(9, 9), (8, 8), (5, 6)])
def test_colours_of_images_of_any_size(height, width):
    values = torch.from_numpy(np.random.default_rng(0).random((3, height, width)))
    expected = np.array(colour_table("viridis"))[(values.numpy() * 256).astype(int)]
    image = colour(values, "viridis", blank(3, height, width))
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize(
    ("kind", "colormap", "lowest", "highest"),
    [
        ("span", "viridis", -3, 5),
        ("span", "inferno", -3, 5),
        ("signed", "viridis", -1, 1),
        ("angle", "twilight", -np.pi, np.pi),
        ("distance", "gray", 0, 7),
        ("distance", "binary", 0, 7),
    ],
)
def test_colours_equal_matplotlib(kind, colormap, lowest, highest):
    share = (np.arange(SIZE) + 0.5) / SIZE
    share[[0, -1]] = 0, 1 - 1e-12
    maps = torch.from_numpy(np.tile(lowest + share * (highest - lowest), (SIZE, 1)))[None]
    expected = mpl.colormaps[colormap](share, bytes=True)[:, :3].astype(int)
    assert np.abs(painted(kind, maps, colormap=colormap)[0, 0] - expected).max() <= 4


@pytest.mark.parametrize("kind", SCALES)
@pytest.mark.parametrize("shape", [(1, 1), (16, 5), (300, 1000), (SIZE, SIZE)])
def test_first_row_is_at_the_bottom(kind, shape):
    maps = torch.zeros(1, *shape, dtype=torch.float64)
    maps[:, : max(1, shape[0] // 4)] = 1.0
    image = painted(kind, maps)[0]
    assert image.shape == (SIZE, SIZE, 3)
    if shape[0] > 1:
        assert (image[0] == image[0, 0]).all()
        assert (image[-1] == image[-1, 0]).all()
        assert (image[0] != image[-1]).any()
        middle = image[SIZE // 2]  # like the top: the step is below
        assert np.abs(middle.astype(int) - image[0]).max() <= 3


def test_angles_of_plus_and_minus_pi_have_one_colour():
    maps = torch.tensor([[[np.pi - 0.01, -np.pi + 0.01]]])
    image = painted("angle", maps.double(), 64)[0, 0]
    table = np.array(colour_table("viridis"))
    ends = np.concatenate([table[:2], table[-2:]])
    assert (image[:, None] == ends).all(axis=2).any(axis=1).all()


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


@pytest.mark.parametrize("n_times", [224, 500])
@pytest.mark.parametrize("name", [name for name in REPRESENTATIONS if REPRESENTATIONS[name].levels])
def test_levels_of_pairs_equal_those_of_maps(name, n_times):
    rng = np.random.default_rng(0)
    few_values = rng.integers(0, 4, (3, n_times)) * rng.integers(0, 2, (3, n_times))
    signals = np.concatenate([curves(3, n_times), few_values, np.full((1, n_times), 0.1)])
    entry = REPRESENTATIONS[name]
    maps = entry.to_map(torch.from_numpy(signals), 4.0, Modality(()))
    expected = painted(entry.scale, maps, colormap=entry.colormap or "viridis")
    difference = drawn(signals, name).astype(int) - expected
    assert np.abs(difference).max() <= (2 if name == "recurrence" else 0)  # greys round twice


@pytest.mark.parametrize("limits", [None, (-3.0, 3.0)])
def test_channels_of_composites_equal_their_parts(limits):
    """Red is the curve over its limits; green and blue are powers over their own range."""
    modality = Modality((), spectrogram_window=20.0, frequency_range=(0.0, 2.0))
    settings = {"modality": modality, "colormap": "gray"}
    image = drawn(curves(2), "composite", limits=[limits], modality=modality)
    for channel, part in enumerate(["waveform", "spectrogram_psd", "scalogram"]):
        own = [limits if part == "waveform" else None]
        grey = drawn(curves(2), part, limits=own, **settings)
        np.testing.assert_array_equal(image[..., channel], grey[..., 0])


def test_recurrence_is_dark_for_similar_samples():
    steps = np.repeat([0.0, 1.0], 112)[None]
    for name in ("recurrence", "recurrence_thresholded"):
        image = drawn(steps, name)[0]
        assert (image[112:, :112] == 0).all()  # early and early, at the bottom left
        assert (image[:112, :112] == 255).all()  # late and early
