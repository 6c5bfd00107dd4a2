"""Constructed pipelines equal those put together by hand."""

import importlib
import os
import subprocess
import sys
from itertools import count

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_biomoe import (
    BiosignalImageTransformer,
    TinyBioMoEEmbedder,
    make_biosignal_embedder,
    make_multimodal_embedder,
)
from sklearn_biomoe.datasets import make_biosignal_windows
from sklearn_biomoe.pipelines import identify_estimator

pytestmark = pytest.mark.usefixtures("small_backbone")
RATES = {"eda": 4, "bvp": 64}


@pytest.fixture(scope="module")
def windows():
    return make_biosignal_windows(4, 6, modalities=list(RATES), random_state=0)


def test_one_modality(windows):
    by_hand = make_pipeline(
        BiosignalImageTransformer(["gadf"], sampling_rate=4, modality="eda"),
        TinyBioMoEEmbedder(fuse="mean"),
    )
    embedder = TinyBioMoEEmbedder(fuse="mean")
    made = make_biosignal_embedder("eda", 4, representations=["gadf"], embedder=embedder)
    eda = windows.data["eda"]
    np.testing.assert_array_equal(made.fit_transform(eda), by_hand.fit_transform(eda))
    assert not hasattr(embedder, "weights_sha256_")  # the given embedder is unchanged


def test_several_modalities(windows):
    parts = [
        (make_pipeline(BiosignalImageTransformer(["gadf"]), TinyBioMoEEmbedder()), "eda"),
        (
            make_pipeline(
                BiosignalImageTransformer(sampling_rate=64, modality="bvp"), TinyBioMoEEmbedder()
            ),
            "bvp",
        ),
    ]
    made = make_multimodal_embedder(RATES, representations={"eda": ["gadf"]})
    expected = make_column_transformer(*parts).fit_transform(windows.data)
    np.testing.assert_array_equal(clone(made).fit_transform(windows.data), expected)
    frame = made.set_output(transform="pandas").fit_transform(windows.data)
    assert frame.columns[0] == "eda_gadf_000"
    assert frame.columns[-1].startswith("bvp_")
    pd.testing.assert_index_equal(frame.index, windows.data.index)


def test_grid_search_sets_nested_parameters(windows):
    model = make_pipeline(make_multimodal_embedder(RATES), LogisticRegression(max_iter=2000))
    grid = {
        "columntransformer__eda__image__representations": [["waveform"], ["gadf", "mtf"]],
        "columntransformer__bvp__embed__fuse": ["concatenate", "mean"],
    }
    search = GridSearchCV(model, grid, cv=2).fit(windows.data, windows.target)
    assert len(search.cv_results_["params"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
def test_missing_windows_are_imputed_and_marked(windows, output):
    X = windows.data[list(RATES)].copy()
    X.loc[X.index[::3], "eda"] = None
    train, test = X.iloc[:12], X.iloc[12:]
    gaps = make_multimodal_embedder(RATES).fit(train)
    filled = make_multimodal_embedder(RATES, impute=True).set_output(transform=output).fit(train)
    expected = gaps.transform(test)
    means = np.nanmean(gaps.transform(train), axis=0)
    missing = np.isnan(expected[:, 0])
    assert missing.sum() == 4
    expected = np.where(np.isnan(expected), means, expected)
    found = filled.transform(test)
    np.testing.assert_allclose(np.asarray(found)[:, :-2], expected, rtol=1e-5)
    np.testing.assert_array_equal(np.asarray(found)[:, -2:], np.stack([missing, 0 * missing]).T)
    assert filled.get_feature_names_out()[-2:].tolist() == ["eda_missing", "bvp_missing"]


def test_html_names_the_branches():
    html = make_multimodal_embedder(RATES)._repr_html_()
    assert all(name in html for name in ("eda", "bvp", "TinyBioMoEEmbedder"))


def test_unknown_names():
    with pytest.raises(ValueError, match=r"Unknown modality 'edaa'.*Did you mean 'eda'"):
        make_biosignal_embedder("edaa", 4)
    with pytest.raises(ValueError, match="Unknown modality 'puls'"):
        make_multimodal_embedder({"eda": 4, "puls": 64})
    with pytest.raises(ValueError, match=r"Unknown representations of 'bpv'.*Did you mean 'bvp'"):
        make_multimodal_embedder(RATES, representations={"bpv": ["waveform"]})


def test_columns_that_are_not_named_like_their_modality(small_backbone):
    X = pd.DataFrame({name: list(np.random.default_rng(0).uniform(1, 9, (4, 60))) for name in "ab"})
    embed = make_multimodal_embedder({"a": ("GSR", 4), "b": ("eda", 4)}, impute=True)
    names = embed.fit(X).get_feature_names_out()
    assert names[0] == "a__eda_waveform_000"
    assert names[-1] == "missing__b_missing"
    assert embed.transform(X).shape == (4, 2 * 192 + 2)


def test_functions_have_the_same_identity_in_every_process():
    """Sets and addresses differ between processes."""
    code = """
from functools import partial
from sklearn.preprocessing import FunctionTransformer
from sklearn_biomoe.pipelines import identify_estimator

KINDS = frozenset({"eda", "bvp", "ecg", "resp"})

def make(scale, marks=object()):
    def function(x, *, names=None):
        return function if x in {"eda", "bvp", "ecg", "resp"} | KINDS else x * scale
    return function

for each in (make(2), make(3), partial(make(2), marks=make)):
    print(identify_estimator(FunctionTransformer(each)))
"""
    found = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert found[0] == found[1]
    assert " at 0x" not in found[0]
    first, second, _ = found[0].split("FunctionTransformer(")[1:]
    assert first != second


OWN_CODE = """
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

LIMIT = 1

def scale(x):
    return x * 2

def limit(x):
    return scale(x) + LIMIT

class Base(BaseEstimator):
    def half(self, x):
        return x / 3

class Own(TransformerMixin, Base):
    power = 4

    def transform(self, X):
        return self.half(X) + 5

    @property
    def label(self):
        return 6

estimator = make_pipeline(Own(), FunctionTransformer(limit))
"""


def test_identity_changes_with_the_code_of_the_users_module(tmp_path, monkeypatch):
    """Of classes, their bases, and functions and constants that functions use."""
    monkeypatch.syspath_prepend(tmp_path)
    number = count()

    def identify(code):
        name = f"own_code_{next(number)}"
        (tmp_path / f"{name}.py").write_text(code)
        importlib.invalidate_caches()
        return identify_estimator(importlib.import_module(name).estimator)

    original = identify(OWN_CODE)
    assert identify(OWN_CODE) == original
    for digit in "123456":
        assert identify(OWN_CODE.replace(digit, "7")) != original, digit
