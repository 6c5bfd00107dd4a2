"""Missing windows: found in every form, and carried from signals to embeddings."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sklearn_biomoe import (
    BiosignalImageTransformer,
    TinyBioMoEEmbedder,
    make_biosignal_embedder,
    make_multimodal_embedder,
)
from sklearn_biomoe.signals import missing_windows, read_windows

NAN = np.nan
CELLS = [np.array([1.0, 2.0]), None, np.array([NAN, NAN]), np.array([NAN, 1.0, 2.0])]
FORMS = {
    "list": CELLS,
    "series": pd.Series(CELLS, index=[7, 3, 5, 1]),
    "frame": pd.DataFrame({"eda": CELLS}),
    "objects": np.array([*CELLS, 0], dtype=object)[:-1],
    "arrow": pa.array([None if cell is None else list(cell) for cell in CELLS]),
    "sliced arrow": pa.array([[NAN], *[None if c is None else list(c) for c in CELLS]])[1:],
    "arrow in pandas": pd.Series(
        [None if cell is None else list(cell) for cell in CELLS],
        dtype=pd.ArrowDtype(pa.list_(pa.float64())),
    ),
    "polars": pl.Series([None if cell is None else list(cell) for cell in CELLS]),
    "numbers": np.array([[1.0, 2.0], [NAN, NAN], [NAN, NAN], [NAN, 1.0]]),
    "wide frame": pd.DataFrame({"a": [1.0, NAN, NAN, NAN], "b": [2.0, NAN, NAN, 1.0]}),
    "channels": np.array([[[1.0], [2.0]], [[NAN], [NAN]], [[NAN], [NAN]], [[NAN], [1.0]]]),
}


@pytest.mark.parametrize("form", FORMS)
def test_missing(form):
    assert missing_windows(FORMS[form]).tolist() == [False, True, True, False]


@pytest.mark.parametrize("nothing", [None, NAN, pd.NA, float("nan"), pd.NaT])
def test_what_stands_for_nothing(nothing):
    cells = [np.zeros(3), nothing]
    assert missing_windows(pd.Series(cells, dtype=object)).tolist() == [False, True]


def test_a_window_needs_all_its_channels():
    frame = pd.DataFrame(
        {"left": [np.ones(3), None, None], "right": [np.ones(3), np.ones(3), None]}
    )
    assert missing_windows(frame).tolist() == [False, True, True]


def test_whole_numbers_are_never_missing():
    assert missing_windows(np.zeros((2, 3), dtype=int)).tolist() == [False, False]
    assert (
        missing_windows([np.zeros(3, dtype=int), np.zeros(2, dtype=bool)]).tolist() == [False] * 2
    )


def test_empty_cells_are_no_gaps():
    """They are refused where windows are read."""
    assert missing_windows([np.zeros(0), np.ones(2)]).tolist() == [False, False]


# What becomes of them

WINDOWS = np.random.default_rng(0).uniform(2, 3, size=(5, 240))
GAPS = [False, False, True, False, True]
SPARSE = [None if gap else window for gap, window in zip(GAPS, WINDOWS, strict=True)]
SPARSE_ROWS = np.where(np.array(GAPS)[:, None], np.nan, WINDOWS)
LISTS = [None if cell is None else cell.tolist() for cell in SPARSE]
SPARSE_FORMS = {
    "list": SPARSE,
    "series": pd.Series(SPARSE),
    "frame": pd.DataFrame({"eda": SPARSE}),
    "NaN": pd.Series([np.nan if cell is None else cell for cell in SPARSE]),
    "one NaN": pd.Series([np.array([np.nan]) if cell is None else cell for cell in SPARSE]),
    "arrow": pa.array(LISTS),
    "arrow of one length": pa.array(LISTS, type=pa.list_(pa.float64(), 240)),
    "polars": pl.Series("eda", LISTS),
    "numbers": SPARSE_ROWS,
    "wide frame": pd.DataFrame(SPARSE_ROWS).add_prefix("eda_"),
    "channels": SPARSE_ROWS[:, None],
}


@pytest.mark.parametrize("form", SPARSE_FORMS)
def test_read_as_nan(form):
    signals = read_windows(SPARSE_FORMS[form], modality="eda").values
    assert np.array_equal(signals, SPARSE_ROWS[:, None], equal_nan=True)


@pytest.mark.parametrize("form", SPARSE_FORMS)
def test_embedded_as_nan(form, small_backbone):
    embed = make_biosignal_embedder("eda", 4, representations=["waveform", "spectrogram_psd"])
    embeddings = embed.fit_transform(SPARSE_FORMS[form])
    assert np.isnan(embeddings).all(axis=1).tolist() == GAPS
    there = embed.fit_transform(WINDOWS[~np.array(GAPS)])
    assert np.array_equal(embeddings[~np.array(GAPS)], there)


@pytest.mark.parametrize("fuse", ["mean", "mean_tiles"])
def test_means_over_missing_images_are_nan(fuse, small_backbone):
    drawer = BiosignalImageTransformer(sampling_rate=4, modality="eda", tile_length=30)
    embeddings = TinyBioMoEEmbedder(fuse=fuse).fit_transform(drawer.fit_transform(SPARSE))
    assert embeddings.shape == (5, 192)
    assert np.isnan(embeddings).any(axis=1).tolist() == GAPS


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_frames_hold_gaps_beside_other_modalities(output, small_backbone):
    X = pd.DataFrame({"eda": SPARSE, "resp": list(WINDOWS)}, index=list("abcde"))
    embed = make_multimodal_embedder({"eda": 4, "resp": 4}).set_output(transform=output)
    frame = embed.fit_transform(X)
    frame = frame if output == "pandas" else frame.to_pandas()
    eda = [name for name in frame if name.startswith("eda")]
    assert frame[eda].isna().all(axis=1).tolist() == GAPS
    assert not frame.drop(columns=eda).isna().any(axis=None)


@pytest.mark.parametrize(
    "alone", [[None], [np.nan], pd.Series([None]), pd.DataFrame({"eda": [np.nan]})]
)
def test_a_sensor_that_never_worked_for_a_new_subject(alone, small_backbone):
    embed = make_biosignal_embedder("eda", 4).fit(pd.DataFrame({"eda": list(WINDOWS)}))
    assert np.isnan(embed.transform(alone)).all()


def test_several_channels_need_each():
    frame = pd.DataFrame({"left": list(WINDOWS), "right": SPARSE})
    images = BiosignalImageTransformer(modality="eda").fit_transform(frame)
    assert images.missing.tolist() == GAPS


def test_windows_of_differing_lengths():
    ragged = [None, np.ones(5), np.ones(7), None]
    signals = read_windows(ragged, modality="eda").values
    assert [window.shape for window in signals] == [(1, 5), (1, 5), (1, 7), (1, 5)]
    images = BiosignalImageTransformer(modality="eda").fit_transform(ragged)
    assert images.missing.tolist() == [True, False, False, True]
    assert (np.asarray(images)[[0, 3]] == 255).all()


REPRESENTATIONS = ["waveform", "spectrogram_psd", "scalogram", "recurrence", "gasf", "mtf"]


@pytest.mark.parametrize("power_range", ["window", "training"])
def test_images_are_blank_and_others_do_not_change(power_range):
    drawer = BiosignalImageTransformer(
        REPRESENTATIONS, sampling_rate=4, modality="eda", power_range=power_range,
        value_range="training", image_size=24,
    )  # fmt: skip
    images = np.asarray(drawer.fit_transform(SPARSE))
    there = ~np.array(GAPS)
    assert (images[~there] == 255).all()
    assert np.array_equal(images[there], np.asarray(drawer.fit_transform(WINDOWS[there])))


def test_all_windows_missing_in_fit():
    with pytest.raises(ValueError, match=r"All 2 windows of modality 'eda' are missing; .* in fit"):
        BiosignalImageTransformer(modality="eda").fit([None, np.nan])


def test_messages_name_the_row_among_all():
    drawer = BiosignalImageTransformer(
        ["spectrogram_psd"], sampling_rate=4, modality="eda", spectrogram_window=50
    )
    with pytest.raises(ValueError, match="Window 2 of modality 'eda' lasts 15 s"):
        drawer.fit([None, WINDOWS[0], WINDOWS[1][:60]])
    with pytest.raises(ValueError, match="Window 2 of modality 'eda' holds 1 NaN of 240"):
        drawer.fit([None, WINDOWS[0], np.where(np.arange(240) == 3, np.nan, WINDOWS[1])])


def test_values_outside_a_range_are_counted_among_what_is_there():
    drawer = BiosignalImageTransformer(modality="eda").fit(WINDOWS)
    with pytest.warns(UserWarning, match=r"1 of 2 windows .* from 2\.\d+ to 2\d\d"):
        drawer.transform([None, WINDOWS[0], 100 * WINDOWS[1]])


def test_shown_as_missing():
    pytest.importorskip("matplotlib")
    from sklearn_biomoe.plotting import plot_images

    images = BiosignalImageTransformer(modality="eda").fit_transform(SPARSE)
    axes = plot_images(images[1:3]).axes
    assert [[text.get_text() for text in axis.texts] for axis in axes] == [[], ["missing"]]
