"""scikit-learn's estimator checks for all estimators, names, outputs, pickles and searches."""

import pickle
from importlib import import_module
from unittest import SkipTest

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks
from sklearn.utils.fixes import parse_version

from sklearn_biomoe import (
    BiosignalImageTransformer,
    EDADecomposer,
    SignalFilter,
    SubjectScaler,
    TinyBioMoEEmbedder,
)
from sklearn_biomoe.finetuning import TinyBioMoEClassifier, TinyBioMoERegressor
from sklearn_biomoe.fusion import AdditiveFusion, LateFusionClassifier, LateFusionRegressor
from sklearn_biomoe.ordinal import OrdinalClassifier
from sklearn_biomoe.trials import (
    AttentionMILClassifier,
    AttentionMILRegressor,
    TrialAggregator,
    WindowVotingClassifier,
    WindowVotingRegressor,
)

BOTH = ["waveform", "spectrogram_psd"]
# The checks use windows of 1 to 30 samples: too short for the spectrograms of EDA, and for filters.
EDA = BiosignalImageTransformer(
    BOTH, sampling_rate=4.0, modality="eda", value_range="training", spectrogram_window=None
)
QUICK_TUNING = {"max_epochs": 8, "batch_size": 64, "learning_rate": 5e-2, "cache": "memory"}
QUICK_ATTENTION = {
    "max_epochs": 10,
    "learning_rate": 0.1,
    "dropout": 0.0,
    "hidden_size": 2,
    "batch_size": 64,
}


def from_images(estimator):
    images = BiosignalImageTransformer(value_range="training")
    return Pipeline([("image", images), ("estimator", estimator)])


def modalities(estimator):
    return [("first", estimator, slice(0, 1)), ("all", estimator, slice(0, None))]


CLASSIFIERS, REGRESSORS = modalities(LogisticRegression()), modalities(Ridge())
ESTIMATORS = [
    BiosignalImageTransformer(),
    Pipeline([("image", EDA), ("embed", TinyBioMoEEmbedder(fuse="mean"))]),
    from_images(TinyBioMoEClassifier(**QUICK_TUNING)),
    from_images(TinyBioMoERegressor(**QUICK_TUNING)),
    SignalFilter(),
    SignalFilter(sampling_rate=4.0, detrend="linear", missing="propagate"),
    SignalFilter(sampling_rate=4.0, detrend="constant", resample_to=6.0, missing="interpolate"),
    EDADecomposer(["detrended", "raw"], sampling_rate=4.0),
    SubjectScaler("training", subject_column=0),
    SubjectScaler("own", subject_column=0),
    AdditiveFusion(embedding_size=1),
    LateFusionClassifier(CLASSIFIERS, fusion="vote", calibration="sigmoid", cv=2),
    LateFusionClassifier(CLASSIFIERS, fusion="stacking", cv=2),
    LateFusionClassifier(CLASSIFIERS, fusion="weighted", cv=2),
    LateFusionRegressor(REGRESSORS, fusion="weighted", cv=2),
    LateFusionRegressor(REGRESSORS, fusion="stacking", cv=2),
    TrialAggregator("max"),
    WindowVotingClassifier(LogisticRegression()),
    WindowVotingRegressor(Ridge()),
    AttentionMILClassifier(**QUICK_ATTENTION),
    AttentionMILRegressor(**QUICK_ATTENTION),
    OrdinalClassifier(LogisticRegression()),
    OrdinalClassifier(LogisticRegression(), class_weight="balanced"),
]


def expected_failed_checks(estimator):
    """Return the two checks that scikit-learn's own tests expect every Pipeline to fail."""
    reason = "Pipeline changes the `steps` parameter"
    names = ["check_dont_overwrite_parameters", "check_estimators_overwrite_params"]
    return dict.fromkeys(names, reason) if isinstance(estimator, Pipeline) else {}


@pytest.mark.filterwarnings(
    "ignore:.* has no subjects",
    "ignore:Each of the .* a single window",
    "ignore:Levels are ordered by the alphabet",
)
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failed_checks)
def test_estimator_checks(estimator, check, request):
    if isinstance(estimator, Pipeline):
        request.getfixturevalue("small_backbone")
    try:
        check(estimator)
    except SkipTest:
        assert check.func.__name__ == "check_array_api_input"
        raise


def test_number_of_estimator_checks():
    least = 46 if parse_version(sklearn.__version__) >= parse_version("1.9") else 40
    for estimator in ESTIMATORS:
        assert len(list(estimator_checks_generator(estimator))) >= least, estimator


def test_all_public_estimators_are_checked():
    modules = ["", ".signals", ".fusion", ".finetuning", ".trials", ".ordinal"]
    public = {
        value
        for module in map(import_module, [f"sklearn_biomoe{name}" for name in modules])
        for value in [getattr(module, name) for name in module.__all__]
        if isinstance(value, type) and issubclass(value, BaseEstimator)
    }
    checked = [
        step for each in ESTIMATORS for step in getattr(each, "named_steps", {0: each}).values()
    ]
    assert public == {type(step) for step in checked}


@pytest.fixture
def windows(small_backbone):
    """24 windows of 4 subjects with EDA and two-channel ECG of differing lengths."""
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 12)
    eda = [1 + 0.01 * np.cumsum(rng.uniform(0, 1 + label, rng.integers(200, 240))) for label in y]
    X = pd.DataFrame({"eda": eda, "ecg": list(rng.normal(size=(24, 2, 300)))})
    X["age"] = rng.uniform(20, 60, 24)
    X.index = rng.permutation(np.arange(100, 124))
    return X, y, np.repeat([1, 2, 3, 4], 6)


def multimodal():
    eda = Pipeline(
        [
            ("image", BiosignalImageTransformer(BOTH, sampling_rate=4.0, modality="eda")),
            ("embed", TinyBioMoEEmbedder()),
        ]
    )
    ecg = make_pipeline(
        BiosignalImageTransformer(["waveform"], modality="ecg"), TinyBioMoEEmbedder(fuse="mean")
    )
    return ColumnTransformer(
        [("eda", eda, "eda"), ("ecg", ecg, "ecg"), ("age", "passthrough", ["age"])]
    )


def test_feature_names_through_the_pipeline(windows):
    model = multimodal().fit(windows[0])
    names = model.get_feature_names_out()
    assert len(names) == 2 * 192 + 192 + 1
    assert names[0] == "eda__eda_waveform_000"
    assert names[192] == "eda__eda_spectrogram_psd_000"
    assert names[384] == "ecg__mean_000"
    assert names[-1] == "age__age"


def test_embedder_refuses_other_feature_names(windows):
    pipeline = multimodal().transformers[0][1].fit(windows[0]["eda"])
    with pytest.raises(ValueError, match="fitted with images"):
        pipeline[-1].get_feature_names_out(["bvp_waveform"])


def test_pandas_output_keeps_rows_together(windows):
    X, *_ = windows
    plain = multimodal().fit_transform(X)
    frame = multimodal().set_output(transform="pandas").fit_transform(X)
    assert isinstance(frame, pd.DataFrame)
    pd.testing.assert_index_equal(frame.index, X.index)
    np.testing.assert_array_equal(frame.to_numpy(), plain)
    np.testing.assert_array_equal(frame["age__age"], X["age"])


def test_pandas_output_of_a_pipeline(windows):
    X, *_ = windows
    pipeline = multimodal().transformers[0][1].set_output(transform="pandas")
    frame = pipeline.fit(X["eda"]).transform(X["eda"].iloc[3:5])
    assert list(frame.index) == list(X.index[3:5])
    assert frame.columns[0] == "eda_waveform_000"
    assert (frame.dtypes == np.float32).all()
    array_input = np.ones((3, 100))
    assert list(pipeline.fit_transform(array_input).index) == [0, 1, 2]


def test_polars_output(windows):
    X, *_ = windows
    X = pl.DataFrame({"eda": X["eda"].to_list(), "age": X["age"].to_numpy()})
    embed = make_pipeline(BiosignalImageTransformer(modality="eda"), TinyBioMoEEmbedder())
    model = ColumnTransformer([("eda", embed, "eda"), ("age", "passthrough", ["age"])])
    frame = model.set_output(transform="polars").fit_transform(X)
    assert isinstance(frame, pl.DataFrame)
    assert frame.shape == (24, 193)
    assert frame.columns[0] == "eda__eda_waveform_000"


def test_global_output_configuration(windows):
    with sklearn.config_context(transform_output="pandas"):
        frame = multimodal().fit_transform(windows[0])
    pd.testing.assert_index_equal(frame.index, windows[0].index)


@pytest.mark.parametrize("fitted", [False, True])
def test_clone_and_pickle(windows, fitted):
    X, *_ = windows
    model = multimodal().transformers[0][1]
    if fitted:
        expected = model.fit_transform(X["eda"])
    assert clone(model).get_params().keys() == model.get_params().keys()
    pickled = pickle.dumps(model)
    assert len(pickled) < 10_000
    assert b"torch" not in pickled.replace(b"\x8c\x05torch", b"")  # the name of the engine
    if fitted:
        np.testing.assert_array_equal(pickle.loads(pickled).transform(X["eda"]), expected)


def test_transform_adds_no_attributes(windows):
    model = multimodal().transformers[0][1].fit(windows[0]["eda"])
    before = [dict(vars(step)) for step in model]
    model.transform(windows[0]["eda"])
    assert [dict(vars(step)) for step in model] == before


def test_grid_search_over_representations(windows):
    X, y, groups = windows
    model = Pipeline(
        [("embed", multimodal()), ("scale", StandardScaler()), ("classify", LogisticRegression())]
    )
    grid = {"embed__eda__image__representations": [["waveform"], ["spectrogram_psd"], BOTH]}
    search = GridSearchCV(model, grid, cv=LeaveOneGroupOut(), error_score="raise")
    search.fit(X, y, groups=groups)
    assert search.cv_results_["mean_test_score"].shape == (3,)
    assert search.best_estimator_.predict(X).shape == y.shape


def test_cross_validate_by_subject(windows):
    X, y, groups = windows
    model = make_pipeline(multimodal(), StandardScaler(), LogisticRegression())
    scores = cross_validate(model, X, y, groups=groups, cv=LeaveOneGroupOut(), error_score="raise")
    assert scores["test_score"].shape == (4,)


def test_metadata_routing(windows):
    X, y, groups = windows
    weight = np.linspace(0, 1, len(y))
    with sklearn.config_context(enable_metadata_routing=True):
        classifier = LogisticRegression(max_iter=10_000).set_fit_request(sample_weight=True)
        model = make_pipeline(multimodal(), classifier)
        routed = model.fit(X, y, sample_weight=weight)[-1].coef_
        cv = LeaveOneGroupOut()
        model = make_pipeline(multimodal(), LogisticRegression(max_iter=10_000))
        scores = cross_validate(model, X, y, cv=cv, params={"groups": groups}, error_score="raise")
    plain = (
        LogisticRegression(max_iter=10_000)
        .fit(multimodal().fit_transform(X), y, sample_weight=weight)
        .coef_
    )
    np.testing.assert_array_equal(routed, plain)
    assert scores["test_score"].shape == (4,)
