"""Missing windows: detected in every container; their images are blank and embeddings NaN."""

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

WINDOWS = np.random.default_rng(0).uniform(2, 3, size=(5, 240))
GAPS = [False, False, True, False, True]
SPARSE = [None if gap else window for gap, window in zip(GAPS, WINDOWS, strict=True)]
SPARSE_ROWS = np.where(np.array(GAPS)[:, None], np.nan, WINDOWS)
LISTS = [None if cell is None else cell.tolist() for cell in SPARSE]
FORMS = {
    "list": SPARSE,
    "series": pd.Series(SPARSE, index=[7, 3, 5, 1, 2]),
    "frame": pd.DataFrame({"eda": SPARSE}),
    "objects": np.array([*SPARSE, 0], dtype=object)[:-1],
    "NaN": pd.Series([np.nan if cell is None else cell for cell in SPARSE]),
    "one NaN": pd.Series([np.array([np.nan]) if cell is None else cell for cell in SPARSE]),
    "arrow": pa.array(LISTS),
    "sliced arrow": pa.array([[np.nan], *LISTS])[1:],
    "arrow of one length": pa.array(LISTS, type=pa.list_(pa.float64(), 240)),
    "arrow in pandas": pd.Series(LISTS, dtype=pd.ArrowDtype(pa.list_(pa.float64()))),
    "polars": pl.Series("eda", LISTS),
    "numbers": SPARSE_ROWS,
    "wide frame": pd.DataFrame(SPARSE_ROWS).add_prefix("eda_"),
    "channels": SPARSE_ROWS[:, None],
}


@pytest.mark.parametrize("form", FORMS)
def test_missing_windows_are_read_as_nan(form):
    assert missing_windows(FORMS[form]).tolist() == GAPS
    windows = read_windows(FORMS[form], modality="eda")
    assert windows.missing.tolist() == GAPS
    np.testing.assert_array_equal(windows.values, SPARSE_ROWS[:, None])


@pytest.mark.parametrize("form", FORMS)
def test_missing_windows_are_embedded_as_nan(form, small_backbone):
    embed = make_biosignal_embedder("eda", 4, representations=["waveform", "spectrogram_psd"])
    embeddings = embed.fit_transform(FORMS[form])
    assert np.isnan(embeddings).all(axis=1).tolist() == GAPS
    present = ~np.array(GAPS)
    np.testing.assert_array_equal(embeddings[present], embed.fit_transform(WINDOWS[present]))


def test_windows_with_some_nan_are_not_missing():
    partial = np.array([[np.nan, 1.0, 2.0], [np.nan, np.nan, np.nan]])
    assert missing_windows(partial).tolist() == missing_windows(list(partial)).tolist()
    assert missing_windows(partial).tolist() == [False, True]


@pytest.mark.parametrize("cell", [None, np.nan, pd.NA, float("nan"), pd.NaT])
def test_cells_that_mean_missing(cell):
    cells = [np.zeros(3), cell]
    assert missing_windows(pd.Series(cells, dtype=object)).tolist() == [False, True]


def test_a_window_needs_all_its_channels():
    frame = pd.DataFrame(
        {"left": [np.ones(3), None, None], "right": [np.ones(3), np.ones(3), None]}
    )
    assert missing_windows(frame).tolist() == [False, True, True]


def test_integers_are_never_missing():
    assert not missing_windows(np.zeros((2, 3), dtype=int)).any()
    assert not missing_windows([np.zeros(3, dtype=int), np.zeros(2, dtype=bool)]).any()


def test_empty_cells_are_not_missing():
    """Reading them is an error."""
    assert missing_windows([np.zeros(0), np.ones(2)]).tolist() == [False, False]


@pytest.mark.parametrize("fuse", ["mean", "mean_tiles"])
def test_means_over_missing_images_are_nan(fuse, small_backbone):
    to_images = BiosignalImageTransformer(sampling_rate=4, modality="eda", tile_length=30)
    embeddings = TinyBioMoEEmbedder(fuse=fuse).fit_transform(to_images.fit_transform(SPARSE))
    assert embeddings.shape == (5, 192)
    assert np.isnan(embeddings).any(axis=1).tolist() == GAPS


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_missing_windows_of_one_modality(output, small_backbone):
    X = pd.DataFrame({"eda": SPARSE, "resp": list(WINDOWS)}, index=list("abcde"))
    embed = make_multimodal_embedder({"eda": 4, "resp": 4}).set_output(transform=output)
    frame = embed.fit_transform(X)
    frame = frame if output == "pandas" else frame.to_pandas()
    eda = [name for name in frame if name.startswith("eda")]
    assert frame[eda].isna().all(axis=1).tolist() == GAPS
    assert not frame.drop(columns=eda).isna().any(axis=None)


@pytest.mark.parametrize(
    "X", [[None], [np.nan], pd.Series([None]), pd.DataFrame({"eda": [np.nan]})]
)
def test_all_windows_missing_in_transform(X, small_backbone):
    embed = make_biosignal_embedder("eda", 4).fit(pd.DataFrame({"eda": list(WINDOWS)}))
    assert np.isnan(embed.transform(X)).all()


def test_images_of_a_missing_channel_are_missing():
    frame = pd.DataFrame({"left": list(WINDOWS), "right": SPARSE})
    images = BiosignalImageTransformer(modality="eda").fit_transform(frame)
    assert images.missing.tolist() == GAPS


def test_missing_windows_among_unequal_lengths():
    ragged = [None, np.ones(5), np.ones(7), None]
    signals = read_windows(ragged, modality="eda").values
    assert [window.shape for window in signals] == [(1, 5), (1, 5), (1, 7), (1, 5)]
    images = BiosignalImageTransformer(modality="eda").fit_transform(ragged)
    assert images.missing.tolist() == [True, False, False, True]
    assert (np.asarray(images)[[0, 3]] == 255).all()


@pytest.mark.parametrize("power_range", ["window", "training"])
def test_images_are_blank_and_others_do_not_change(power_range):
    to_images = BiosignalImageTransformer(
        ["waveform", "spectrogram_psd", "scalogram", "recurrence", "gasf", "mtf"],
        sampling_rate=4, modality="eda", power_range=power_range,
        value_range="training", image_size=24,
    )  # fmt: skip
    images = np.asarray(to_images.fit_transform(SPARSE))
    present = ~np.array(GAPS)
    assert (images[~present] == 255).all()
    np.testing.assert_array_equal(images[present], to_images.fit_transform(WINDOWS[present]))


def test_all_windows_missing_in_fit():
    with pytest.raises(ValueError, match=r"All 2 windows of modality 'eda' are missing; .* in fit"):
        BiosignalImageTransformer(modality="eda").fit([None, np.nan])


def test_errors_count_missing_rows_too():
    to_images = BiosignalImageTransformer(
        ["spectrogram_psd"], sampling_rate=4, modality="eda", spectrogram_window=50
    )
    with pytest.raises(ValueError, match="Window 2 of modality 'eda' lasts 15 s"):
        to_images.fit([None, WINDOWS[0], WINDOWS[1][:60]])
    with pytest.raises(ValueError, match="Window 2 of modality 'eda' holds 1 NaN of 240"):
        to_images.fit([None, WINDOWS[0], np.where(np.arange(240) == 3, np.nan, WINDOWS[1])])


def test_missing_windows_are_not_outside_the_range():
    to_images = BiosignalImageTransformer(modality="eda").fit(WINDOWS)
    with pytest.warns(UserWarning, match="1 of 2 windows of 'eda_waveform' leave value_range"):
        to_images.transform([None, WINDOWS[0], 100 * WINDOWS[1]])


def test_plots_label_missing_windows():
    pytest.importorskip("matplotlib")
    from sklearn_biomoe.plotting import plot_images

    images = BiosignalImageTransformer(modality="eda").fit_transform(SPARSE)
    axes = plot_images(images[1:3]).axes
    drawn = [axis for axis in axes if axis.get_label() != "signal"]
    assert [[text.get_text() for text in axis.texts] for axis in drawn] == [[], ["missing"]]
