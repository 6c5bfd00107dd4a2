"""Input doors given what hypothesis makes up: they answer in numbers or in one clear sentence."""

import io
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.linear_model import LogisticRegression

from sklearn_biomoe import (
    BiosignalImageTransformer,
    EDADecomposer,
    SignalFilter,
    SubjectScaler,
    TinyBioMoEEmbedder,
)
from sklearn_biomoe.evaluation import run_study
from sklearn_biomoe.fusion import AdditiveFusion, LateFusionClassifier
from sklearn_biomoe.inference.cache import FileCache
from sklearn_biomoe.signals import cut_windows, missing_windows, read_windows
from sklearn_biomoe.weights.state_dict import parse_state_dict

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # what is warned of is not the point here
    pytest.mark.usefixtures("small_backbone"),
]

# The same examples everywhere, within seconds; more of them with --hypothesis-seed and a profile.
settings.register_profile(
    "here",
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("here")

NUMBERS = st.sampled_from(
    ["f2", "f4", "f8", ">f4", ">f8", "g", "i1", "i2", ">i4", "i8", "u1", "u8", "?"]
)
ANYTHING = st.sampled_from(["c8", "O", "U3", "S2", "M8[s]", "m8[s]"])


def attempt(work, *more):
    """Return what comes out, or None where it is refused in words."""
    try:
        return work()
    except (ValueError, TypeError, *more) as caught:
        error = caught
    assert str(error)
    assert "unexpected keyword" not in str(error)  # which would be this file's fault
    return None


def arrays(dtypes, min_dims=0, max_dims=4, max_side=6):
    shapes = hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=0, max_side=max_side)
    return dtypes.flatmap(lambda dtype: hnp.arrays(np.dtype(dtype), shapes))


def sound(min_dims, max_dims, dtypes=("f4", "f8", "i2", ">f4")):
    """Arrays that most doors let in."""
    shapes = hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=1, max_side=9)
    values = st.integers(-100, 100)
    return st.sampled_from(dtypes).flatmap(
        lambda d: hnp.arrays(np.dtype(d), shapes, elements=values)
    )


CELLS = st.one_of(
    arrays(NUMBERS, max_dims=2),
    arrays(ANYTHING, max_dims=2),
    st.none(),
    st.just(pd.NA),
    st.floats(),
    st.text(max_size=2),
    st.lists(st.floats(), max_size=4),
)


def columns(cells):
    return st.one_of(
        cells,
        cells.map(_as_objects),
        cells.map(lambda listed: pd.Series(listed, dtype=object)),
        cells.map(lambda listed: pd.DataFrame({"eda": pd.Series(listed, dtype=object)})),
    )


def _as_objects(listed):
    cells = np.empty(len(listed), dtype=object)
    for row, cell in enumerate(listed):
        cells[row] = cell
    return cells


def arrow_columns():
    pa = pytest.importorskip("pyarrow")
    lists = st.lists(st.one_of(st.none(), st.lists(st.floats(), max_size=4)), max_size=5)
    fixed = st.lists(
        st.one_of(st.none(), st.lists(st.floats(), min_size=3, max_size=3)), max_size=5
    )
    made = st.one_of(
        lists.map(lambda rows: pa.array(rows, pa.list_(pa.float64()))),
        lists.map(lambda rows: pa.array(rows, pa.large_list(pa.float32()))),
        fixed.map(lambda rows: pa.array(rows, pa.list_(pa.float32(), 3))),
    )
    return st.tuples(made, st.integers(0, 5), st.integers(0, 5)).map(
        lambda given: given[0][given[1] :][: given[2]]
    )


WINDOWS = st.one_of(
    sound(2, 3),
    sound(2, 2).map(pd.DataFrame),
    columns(st.lists(st.one_of(sound(1, 1), st.none()), min_size=1, max_size=5)),
    columns(st.lists(sound(1, 2), min_size=1, max_size=3)),
    arrays(NUMBERS),
    arrays(ANYTHING),
    columns(st.lists(CELLS, max_size=5)),
    arrow_columns(),
    arrays(NUMBERS, min_dims=2, max_dims=2).map(pd.DataFrame),
    st.none(),
    st.text(max_size=3),
    st.integers(),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)


@settings(max_examples=400)
@given(WINDOWS)
def test_reading_windows(X):
    signals = attempt(lambda: read_windows(X, modality="eda"))
    if signals is None:
        return
    missing = missing_windows(X)
    assert missing.shape == (len(signals),)
    for window, gone in zip(signals, missing, strict=True):
        assert window.ndim == 2
        assert window.dtype in (np.float32, np.float64)
        assert np.isnan(window).all() if gone else np.isfinite(window).all()


@settings(max_examples=150)
@given(
    WINDOWS,
    st.sampled_from(["waveform", "spectrogram_psd", "scalogram", "recurrence", "gadf", "mtf"]),
)
@example(np.array([[1e300, -1e300, 0.0]]), "spectrogram_psd")
@example(np.array([[5e-324, 0.0, 0.0]]), "scalogram")
def test_drawing_and_embedding(X, representation):
    drawer = BiosignalImageTransformer([representation], sampling_rate=4, value_range="window")
    images = attempt(lambda: drawer.fit_transform(X))
    if images is None:
        return
    embeddings = TinyBioMoEEmbedder(cache=None).fit_transform(images)
    assert embeddings.shape[0] == len(images)
    gone = np.isnan(embeddings).all(axis=1)
    np.testing.assert_array_equal(gone, images.missing)
    assert np.isfinite(embeddings[~gone]).all()


@given(
    WINDOWS,
    st.sampled_from(
        [
            SignalFilter(sampling_rate=4, missing="interpolate"),
            SignalFilter(sampling_rate=4, band=(0.1, 1)),
            SignalFilter(sampling_rate=4, resample_to=2),
            EDADecomposer(sampling_rate=4),
        ]
    ),
)
def test_preparing(X, step):
    prepared = attempt(lambda: step.fit_transform(X), ImportError)
    if prepared is None:
        return
    assert len(prepared) == len(X)


@given(st.one_of(arrays(NUMBERS, max_dims=5, max_side=3), arrays(ANYTHING), WINDOWS))
def test_embedding_what_is_no_image(X):
    with pytest.raises((ValueError, TypeError)):
        TinyBioMoEEmbedder().fit(X)


@given(st.floats(allow_nan=True, allow_infinity=True, width=32))
def test_embedding_images_of_any_value(value):
    X = np.full((1, 224, 224, 3), value, dtype=np.float32)
    embeddings = attempt(lambda: TinyBioMoEEmbedder(cache=None).fit_transform(X))
    assert (embeddings is not None) == (0 <= value <= 1)
    assert embeddings is None or np.isfinite(embeddings).all()


FEATURES = st.one_of(
    sound(2, 2),
    arrays(st.sampled_from(["f4", "f8", "i4", "O"]), min_dims=1, max_dims=3, max_side=8),
)


def labels(n, names):
    return st.one_of(
        st.lists(st.sampled_from(names), min_size=n, max_size=n),
        st.lists(st.one_of(st.integers(0, 2), st.none(), st.floats()), max_size=n + 1),
    )


@st.composite
def tables(draw):
    """Draw features, classes and subjects, of one length most of the time."""
    n_windows = draw(st.integers(4, 16))
    sound_features = hnp.arrays("f8", (n_windows, 2), elements=st.floats(-10, 10))
    gaps = hnp.arrays("?", (n_windows, 2))
    X = draw(
        st.one_of(
            sound_features,
            st.tuples(sound_features, gaps).map(lambda both: np.where(both[1], np.nan, both[0])),
            FEATURES,
        )
    )
    balanced = list(np.arange(n_windows) % 2), list(np.arange(n_windows) // 4)
    y = draw(st.one_of(st.just(balanced[0]), labels(n_windows, ["rest", "stress", "pain"])))
    return X, y, draw(st.one_of(st.just(balanced[1]), st.none(), labels(n_windows, [2, 3, 4])))


@given(tables())
def test_scaling_by_subject(table):
    X, _, groups = table
    scaled = attempt(lambda: SubjectScaler("own").fit_transform(X, groups=groups))
    if scaled is None:
        return
    assert scaled.shape == np.shape(X)
    assert not np.isinf(scaled).any()


@given(tables(), st.sampled_from(["mean", "weighted", "vote", "stacking"]))
def test_late_fusion(table, fusion):
    X, y, groups = table
    model = LateFusionClassifier(
        [("a", LogisticRegression(), [0]), ("b", LogisticRegression(), [1])], fusion=fusion, cv=2
    )
    probabilities = attempt(lambda: model.fit(X, y, groups=groups).predict_proba(X))
    if probabilities is None:
        return
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


@given(FEATURES, st.sampled_from([1, 2, 3, 0, -1]))
def test_additive_fusion(X, size):
    fused = attempt(lambda: AdditiveFusion(embedding_size=size).fit_transform(X))
    if fused is None:
        return
    assert fused.shape == (len(X), size)


@settings(max_examples=40)
@given(tables())
def test_studies(table):
    X, y, groups = table
    study = attempt(lambda: run_study({"logistic": LogisticRegression()}, X, y, groups))
    if study is None:
        return
    assert study.summary().loc["logistic", "mean"] <= 1


RECORDINGS = st.one_of(
    st.integers(0, 60).map(lambda n: {"eda": np.arange(n), "bvp": np.zeros((2, 2 * n))}),
    st.dictionaries(st.sampled_from(["eda", "bvp"]), CELLS, max_size=2),
)


@given(
    st.dictionaries(st.integers(0, 3), RECORDINGS, max_size=3),
    st.one_of(st.floats(-1, 30), st.integers(1, 20)),
    st.one_of(st.none(), st.floats(-1, 10), st.integers(1, 5)),
)
def test_cutting_recordings(recordings, duration, step):
    rates = {"eda": 1.0, "bvp": 2.0}
    cut = attempt(lambda: cut_windows(recordings, rates, duration=duration, step=step))
    assert cut is None or len(cut.data) == len(cut.groups)


# Files from anywhere


def mutated(content, edits):
    content = bytearray(content)
    for place, value, kind in edits:
        at = place % max(1, len(content))
        if kind == "set":
            content[at : at + 1] = bytes([value])
        elif kind == "cut":
            del content[at : at + value]
        else:
            content[at:at] = bytes([value]) * 8
    return bytes(content)


EDITS = st.lists(
    st.tuples(
        st.integers(0, 2**20), st.integers(0, 255), st.sampled_from(["set", "cut", "insert"])
    ),
    min_size=1,
    max_size=6,
)


def _small_files():
    from safetensors.torch import save

    state = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.zeros(4, dtype=torch.int64)}
    zipped, legacy = io.BytesIO(), io.BytesIO()
    torch.save({"model_state_dict": state}, zipped)
    torch.save(state, legacy, _use_new_zipfile_serialization=False)
    return {".safetensors": [save(state)], ".pth": [zipped.getvalue(), legacy.getvalue()]}


FILES = _small_files()


@settings(max_examples=300)
@given(st.data(), EDITS)
def test_reading_mutated_weights(data, edits):
    suffix = data.draw(st.sampled_from(sorted(FILES)))
    content = mutated(data.draw(st.sampled_from(FILES[suffix])), edits)
    state = attempt(lambda: parse_state_dict(content, Path(f"weights{suffix}")))
    assert state is None or all(isinstance(value, torch.Tensor) for value in state.values())


@given(EDITS)
def test_reading_a_mutated_row_file(edits):
    rows = {bytes([i]) * 32: np.full(4, i, dtype=np.float32) for i in range(20)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.sqlite"
        FileCache(path).put(rows)
        path.write_bytes(mutated(path.read_bytes(), edits))
        memory = attempt(lambda: FileCache(path))
        found = {} if memory is None else attempt(lambda: memory.get(rows)) or {}
        if memory is not None:
            attempt(lambda: memory.put(rows))
    for key, row in found.items():
        np.testing.assert_array_equal(row, rows[key])
