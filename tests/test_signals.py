"""Windows are read alike from every container; errors name the row."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.pipeline import make_pipeline

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder
from sklearn_biomoe._validation.parameters import check_option
from sklearn_biomoe.signals import MODALITIES, read_windows

EQUAL = np.random.default_rng(0).normal(size=(4, 6))
RAGGED = [EQUAL[0], EQUAL[1, :3], EQUAL[2, :5], EQUAL[3, :1]]
TWO_CHANNELS = np.random.default_rng(1).normal(size=(4, 2, 6))


def arrow(rows, kind="list"):
    kinds = {"list": pa.list_(pa.float64()), "large": pa.large_list(pa.float64())}
    type_ = pa.list_(pa.float64(), len(rows[0])) if kind == "fixed" else kinds[kind]
    return pa.array([row.tolist() for row in rows], type=type_)


def as_object_array(rows):
    array = np.empty(len(rows), dtype=object)
    array[:] = [*rows]
    return array


EQUAL_FORMS = {
    "2-D array": EQUAL,
    "3-D array": EQUAL[:, None, :],
    "Fortran order": np.asfortranarray(EQUAL),
    "lists of numbers": EQUAL.tolist(),
    "list of arrays": list(EQUAL),
    "wide frame": pd.DataFrame(EQUAL).add_prefix("eda_"),
    "wide polars frame": pl.DataFrame(EQUAL, schema=[f"eda_{i}" for i in range(6)]),
    "wide Arrow table": pa.table({f"eda_{i}": EQUAL[:, i] for i in range(6)}),
    "fixed-size Arrow list": arrow(EQUAL, "fixed"),
    "sliced fixed-size Arrow list": arrow([EQUAL[3], *EQUAL, EQUAL[3]], "fixed")[1:5],
    "pandas Arrow fixed-size list": pd.Series(
        arrow(EQUAL, "fixed"), dtype=pd.ArrowDtype(arrow(EQUAL, "fixed").type)
    ),
    "polars Array": pl.Series("eda", EQUAL),
}
RAGGED_FORMS = {
    "list of arrays": RAGGED,
    "tuple of arrays": tuple(RAGGED),
    "list of lists": [row.tolist() for row in RAGGED],
    "object array": as_object_array(RAGGED),
    "object column": as_object_array(RAGGED)[:, None],
    "Series": pd.Series(RAGGED),
    "Series of lists": pd.Series([row.tolist() for row in RAGGED]),
    "frame of one column": pd.DataFrame({"eda": RAGGED}),
    "Arrow list": arrow(RAGGED),
    "Arrow large list": arrow(RAGGED, "large"),
    "sliced Arrow list": arrow([RAGGED[1], *RAGGED, RAGGED[2]])[1:5],
    "chunked Arrow list": pa.chunked_array([arrow(RAGGED[:1]), arrow(RAGGED[1:])]),
    "Arrow table": pa.table({"eda": arrow(RAGGED)}),
    "pandas Arrow list": pd.Series(arrow(RAGGED), dtype=pd.ArrowDtype(arrow(RAGGED).type)),
    "polars List": pl.Series("eda", [row.tolist() for row in RAGGED]),
    "polars frame": pl.DataFrame({"eda": [row.tolist() for row in RAGGED]}),
}


@pytest.mark.parametrize("form", EQUAL_FORMS)
def test_windows_of_equal_length(form):
    signals = read_windows(EQUAL_FORMS[form], modality="eda").values
    np.testing.assert_array_equal(signals, EQUAL[:, None, :])
    assert signals.dtype == np.float64


@pytest.mark.parametrize("form", RAGGED_FORMS)
def test_windows_of_unequal_length(form):
    signals = read_windows(RAGGED_FORMS[form], modality="eda").values
    assert signals.shape == (4,)
    for window, expected in zip(signals, RAGGED, strict=True):
        np.testing.assert_array_equal(window, expected[None])


@pytest.mark.parametrize("X", [*EQUAL_FORMS.values(), *RAGGED_FORMS.values()])
def test_every_container_in_the_transformer(X):
    images = BiosignalImageTransformer(
        modality="eda", value_range="window", image_size=32
    ).fit_transform(X)
    assert images.shape == (4, 1, 32, 32, 3)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
@pytest.mark.parametrize("selection", ["eda", ["eda"]])
@pytest.mark.parametrize("rows", [EQUAL, RAGGED], ids=["equal", "ragged"])
def test_cells_in_a_column_transformer(make, selection, rows, small_backbone):
    X = make({"eda": list(rows), "age": [20, 30, 40, 50]})
    embed = make_pipeline(
        BiosignalImageTransformer(modality="eda", value_range="window"), TinyBioMoEEmbedder()
    )
    branch = ColumnTransformer([("eda", embed, selection)]).fit_transform(X)
    np.testing.assert_array_equal(branch, embed.fit_transform(list(rows)))


def test_wide_columns_by_pattern_in_a_column_transformer():
    X = pd.concat([EQUAL_FORMS["wide frame"], pd.DataFrame({"bvp_0": [0.0] * 4})], axis=1)
    seen = []

    class Spy(BiosignalImageTransformer):
        def transform(self, X):
            seen.append(super().transform(X).windows.values)
            return np.zeros((len(X), 1))

    branch = [
        ("eda", Spy(modality="eda", value_range="window"), make_column_selector(pattern="^eda_"))
    ]
    ColumnTransformer(branch).fit_transform(X)
    np.testing.assert_array_equal(seen[0], EQUAL[:, None, :])


TWO_CHANNEL_FORMS = {
    "3-D array": TWO_CHANNELS,
    "list of 2-D arrays": list(TWO_CHANNELS),
    "Series of 2-D arrays": pd.Series(list(TWO_CHANNELS)),
    "two columns": pd.DataFrame({"a": list(TWO_CHANNELS[:, 0]), "b": list(TWO_CHANNELS[:, 1])}),
    "two polars columns": pl.DataFrame({"a": TWO_CHANNELS[:, 0], "b": TWO_CHANNELS[:, 1]}),
}


@pytest.mark.parametrize("form", TWO_CHANNEL_FORMS)
def test_channels(form):
    signals = read_windows(TWO_CHANNEL_FORMS[form], modality="eeg").values
    np.testing.assert_array_equal(signals, TWO_CHANNELS)


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", ">f8", "i2", "u1", "?"])
@pytest.mark.parametrize("as_cells", [False, True])
def test_dtypes(dtype, as_cells):
    values = (EQUAL > 0).astype(dtype)
    signals = read_windows(list(values) if as_cells else values, modality="eda").values
    assert signals.dtype == (np.float32 if dtype == "f4" else np.float64)
    np.testing.assert_array_equal(signals[:, 0], EQUAL > 0)


def test_float_cells_are_not_copied():
    signals = read_windows(RAGGED, modality="eda").values
    assert all(np.shares_memory(window, row) for window, row in zip(signals, RAGGED, strict=True))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, list, lambda X: [*X, X[0, :2]]])
def test_single_non_finite_samples_are_an_error(container, value):
    X = EQUAL.copy()
    X[2, 1] = value
    kind = "NaN" if np.isnan(value) else "infinite"
    with pytest.raises(ValueError, match=f"Window 2 of modality 'eda' holds 1 {kind} of 6 samples"):
        read_windows(container(X), modality="eda")


@pytest.mark.parametrize(
    "container",
    [pa.array, pl.Series, pd.Series, lambda rows: pd.DataFrame(rows, dtype="Float64")],
)
def test_single_null_samples_are_an_error(container):
    with pytest.raises(ValueError, match="Window 1 of modality 'bvp' holds 1 NaN of 2"):
        read_windows(container([[1.0, 2.0], [1.0, None]]), modality="bvp")


@pytest.mark.parametrize(
    "cells",
    [
        pd.Series([EQUAL[0], "0.1 0.2"]),
        pd.Series([EQUAL[0], 5.0]),
        pd.Series([EQUAL[0], ["a", "b"]]),
        pd.Series([EQUAL[0], EQUAL[0] * 1j]),
        pd.Series([EQUAL[0], TWO_CHANNELS]),
        [EQUAL[0], np.array([1.0, pd.NA], dtype=object)],
    ],
)
def test_other_cells_are_an_error(cells):
    with pytest.raises(ValueError, match=r"Window 1 of modality 'eda' is .*expected an array"):
        read_windows(cells, modality="eda")


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.empty((0, 5)), "Found array with 0 sample"),
        (np.empty((5, 0)), "Found array with 0 feature"),
        (np.empty((5, 2, 0)), "without samples"),
        (np.zeros((2, 2, 2, 2)), "Found array with dim 4, while dim <= 3 is required"),
        (np.zeros(5), "Expected 2D array, got 1D array instead"),
        (np.zeros((2, 3), dtype=complex), "Complex data not supported"),
        (np.array([["a", "b"]]), "could not convert string"),
        ([], "Found 0 sample.s. of modality 'eda'"),
        (pa.array([], type=pa.list_(pa.float64())), "Found array with 0 sample"),
        (pd.DataFrame({"eda": RAGGED, "age": [20.0] * 4}), "Window 0 of modality 'eda' is float"),
        (pd.Series([EQUAL[0], np.array([])]), "Window 1 of modality 'eda' has no samples"),
        (pd.Series(["a", "b"]), "Expected 2D array, got 1D array instead|could not convert"),
        (pd.Series([1.0, 2.0]), "Expected a 2-dimensional container"),
        ([EQUAL, EQUAL[:2]], r"have \[2, 4\] channels"),
        (pd.DataFrame({"a": RAGGED, "b": list(EQUAL)}), r"Window 1 .*channels of \[3, 6\] samples"),
    ],
)
def test_invalid_input(X, message):
    with pytest.raises(ValueError, match=message):
        read_windows(X, modality="eda")
    with pytest.raises(ValueError, match=message):
        BiosignalImageTransformer(modality="eda").fit(X)


def test_unknown_names_suggest_a_similar_one():
    with pytest.raises(ValueError, match=r"Unknown modality 'edaa'.*Did you mean 'eda'\?"):
        check_option("modality", "edaa", list(MODALITIES))
    with pytest.raises(ValueError, match=r"expected one of .*'waveform'\]\.$"):
        check_option("representation", "zzz", ["waveform"])


@pytest.mark.parametrize("shape", [(3, 240, 1), (3, 240, 3)])
def test_time_not_on_the_last_axis_is_an_error(shape):
    with pytest.raises(ValueError, match=r"has 240 channels of \d samples; .* time last"):
        read_windows(np.zeros(shape), modality="eda")
    with pytest.raises(ValueError, match="has 240 channels of 1 samples"):
        read_windows([np.zeros((240, 1))] * 3, modality="eda")


@pytest.mark.parametrize("name", ["eda_{}", "EDA {}", "{}"])
def test_numbered_columns_in_the_order_of_text_are_an_error(name):
    X = pd.DataFrame(np.arange(24.0).reshape(2, 12), columns=[name.format(i) for i in range(12)])
    assert read_windows(X, modality="eda").values.shape == (2, 1, 12)
    with pytest.raises(ValueError, match=f"Column '{name.format(2)}' .* follows '.*11', but"):
        read_windows(X[sorted(X)], modality="eda")
    with pytest.raises(ValueError, match=r"X\[sorted\(X, key=lambda name: "):
        BiosignalImageTransformer("waveform").fit(X[sorted(X)])


@pytest.mark.parametrize("other", ["label", "bvp_0", "subject"])
def test_other_columns_among_numbered_ones_are_an_error(other):
    frame = pd.DataFrame(np.zeros((3, 10)), columns=[f"eda_{i}" for i in range(10)])
    assert read_windows(frame, modality="eda").values.shape == (3, 1, 10)
    frame[other] = 1.0
    with pytest.raises(ValueError, match=f"'eda_0' to 'eda_9', but X also has '{other}'"):
        read_windows(frame, modality="eda")
    with pytest.raises(ValueError, match=f"X also has '{other}'"):
        BiosignalImageTransformer(modality="eda").fit(frame)


def test_masked_samples_are_nan():
    values = np.ma.masked_greater(np.arange(20).reshape(2, 10), 18)
    windows = read_windows(values, modality="eda", allow_nan=True).values
    assert np.isnan(windows).sum() == 1
    assert np.isnan(windows[1, 0, 9])
    with pytest.raises(ValueError, match="Window 1 of modality 'eda' holds 1 NaN"):
        BiosignalImageTransformer(modality="eda").fit(list(values))


def test_names_of_an_earlier_fit_are_forgotten():
    cells = list(np.random.default_rng(0).normal(size=(3, 2, 60)))
    frame = pd.DataFrame({"left": [cell[0] for cell in cells], "right": [c[1] for c in cells]})
    transformer = BiosignalImageTransformer(sampling_rate=4, modality="eda").fit(frame)
    assert transformer.feature_names_in_.tolist() == ["left", "right"]
    again = transformer.fit(frame["left"])
    fresh = BiosignalImageTransformer(sampling_rate=4, modality="eda").fit(frame["left"])
    assert not hasattr(again, "feature_names_in_")
    assert again.get_feature_names_out().tolist() == fresh.get_feature_names_out().tolist()


def test_common_names_of_modalities():
    for name in ("GSR", "Skin conductance", "eda", "EDA"):
        images = BiosignalImageTransformer(modality=name).fit_transform(np.ones((2, 40)))
        assert images.image_names == ["eda_waveform"]
    with pytest.raises(ValueError, match=r"Unknown modality 'edda'.*Did you mean 'eda'"):
        BiosignalImageTransformer(modality="edda").fit(np.ones((2, 40)))


def test_one_representation_without_a_list():
    drawn = BiosignalImageTransformer("scalogram", sampling_rate=4, modality="eda")
    assert drawn.fit(np.ones((2, 400))).get_feature_names_out().tolist() == ["eda_scalogram"]
    with pytest.raises(ValueError, match="Unknown representation 'scalogramm'"):
        drawn.set_params(representations="scalogramm").fit(np.ones((2, 400)))


def test_too_many_stacked_channels_are_an_error():
    drawn = BiosignalImageTransformer("waveform_stacked", modality="eeg")
    with pytest.raises(ValueError, match="'waveform_stacked' of 200 channels does not fit"):
        drawn.fit(np.random.default_rng(0).normal(size=(2, 200, 300)))
    assert np.asarray(drawn.fit_transform(np.ones((1, 64, 300)))).shape == (1, 1, 224, 224, 3)
