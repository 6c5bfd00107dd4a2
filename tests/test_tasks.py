"""Tasks of studies: decisions by the target, metrics against scipy and scikit-learn, methods."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import (
    balanced_accuracy_score,
    cohen_kappa_score,
    mean_absolute_error,
    r2_score,
    root_mean_squared_error,
)
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder
from sklearn_biomoe.evaluation import (
    Calibration,
    LeakWarning,
    RepeatedGroupKFold,
    metrics,
    run_study,
)
from sklearn_biomoe.evaluation.tasks import read_target
from sklearn_biomoe.finetuning import TinyBioMoERegressor
from sklearn_biomoe.fusion import LateFusionRegressor
from sklearn_biomoe.ordinal import OrdinalClassifier
from sklearn_biomoe.trials import AttentionMILRegressor, WindowVotingRegressor

N_SUBJECTS, N_WINDOWS = 6, 12
GROUPS = np.repeat([f"S{number}" for number in range(N_SUBJECTS)], N_WINDOWS)
CV = {"cv": LeaveOneGroupOut(), "groups": GROUPS}
LEVELS = ["none", "low", "high"]


@pytest.fixture
def ratings():
    """Ratings from 0 to 10 whose means differ between subjects, and two features."""
    random = np.random.default_rng(0)
    own = random.normal(5, 1.5, N_SUBJECTS)[np.repeat(np.arange(N_SUBJECTS), N_WINDOWS)]
    y = np.clip(np.round(own + random.normal(0, 2, len(own))), 0, 10)
    return y[:, None] + random.normal(0, 2, size=(len(y), 2)), y


def ordered(y):
    return pd.Categorical.from_codes(np.digitize(y, [3.5, 6.5]), LEVELS, ordered=True)


# Decisions


@pytest.mark.parametrize(
    ("y", "task", "decision"),
    [
        ([0, 3, 10, 7, 2, 5], "regression", "the target has 6 different numbers from 0 to 10"),
        ([0.5, 1.0, 1.5], "regression", "the target has 3 different numbers from 0.5 to 1.5"),
        ([0.0, 1.0, 1.0], "classification", "the target has 2 classes"),
        (
            [0, 1, 2],
            "classification",
            "numbers; if these are ordered levels, choose the task ordinal",
        ),
        ([True, False, True], "classification", "the target has 2 classes"),
        (["low", "high", "no"], "classification", "the target has 3 classes."),
        (pd.Categorical(["a", "b", "c"]), "classification", "the target has 3 classes."),
        (pd.Categorical(["b", "a"], ["b", "a"], ordered=True), "classification", "2 classes"),
        (pd.Categorical(["c", "a", "b"], ["b", "a", "c"], ordered=True), "ordinal", "b < a < c"),
        (pd.Series([1, 10, 2, 3, 4, 5], dtype=object), "regression", "6 different numbers"),
        (pl.Series(["c", "a", "b"], dtype=pl.Enum(["b", "a", "c"])), "ordinal", "b < a < c"),
    ],
)
def test_auto_decides_by_the_target(y, task, decision):
    target = read_target(y, np.zeros(len(y)), "auto")
    assert target.task.name == task
    assert target.decision.startswith(f"Task {task}, chosen automatically: ")
    assert decision in target.decision


def test_levels_become_positions():
    y = pd.Series(pd.Categorical(["high", "none", "low"], LEVELS, ordered=True), index=[7, 8, 9])
    target = read_target(y, np.zeros(3))
    assert target.values.tolist() == [2, 0, 1]
    assert target.classes.tolist() == LEVELS
    target = read_target([30, 10, 20], np.zeros(3), "ordinal")
    assert target.values.tolist() == [2, 0, 1]
    assert target.classes.tolist() == [10, 20, 30]
    assert "as requested: the levels are 10 < 20 < 30" in target.decision


@pytest.mark.parametrize("y", [np.arange(11), np.arange(11).astype(str), np.arange(11) / 2])
def test_ratings_as_classes_warn(y):
    with pytest.warns(UserWarning, match="11 different numbers, which become as many classes"):
        read_target(y, np.zeros(11), "classification")
    if y.dtype.kind == "U":  # nothing else could be meant
        with pytest.warns(UserWarning, match="pass numbers and task='regression'"):
            read_target(y, np.zeros(11), "auto")


def test_classes_and_levels_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for y in ([0, 1, 2, 3, 4], ["a", "b"], [0.0, 1.0]):
            read_target(y, np.zeros(len(y)), "auto")


@pytest.mark.parametrize(
    ("y", "task", "message"),
    [
        (["low", "high"], "regression", r"'low' in row 0; task='regression' predicts numbers"),
        ([True, False], "regression", "y holds True and False"),
        (["low", "high"], "ordinal", "holds 'high', 'low', whose order is not known; pass an ord"),
        (pd.Categorical(["a", "b"]), "ordinal", r"pd.Categorical\(y, categories="),
        ([0.5, 1, 2], "ordinal", "y holds 0.5; pass task='regression' for ratings"),
        (pd.Categorical(["a", "b"], ["a", "b", "c"], ordered=True), "ordinal",
         "levels 'a', 'b', 'c', but no window of 'c'"),
        ([0, 1], "ranking", "Unknown task 'ranking'; expected one of .*'regression'"),
        ([0.5, np.nan], "auto", "Input y contains NaN"),
    ],
)  # fmt: skip
def test_targets_that_do_not_fit(y, task, message):
    with pytest.raises(ValueError, match=message):
        read_target(y, np.zeros(len(y)), task)


# Ratings


def test_scores_of_ratings_equal_scikit_learn_and_scipy(ratings):
    X, y = ratings
    study = run_study({"ridge": Ridge()}, X, y, GROUPS)
    assert study.task.name == "regression"
    assert study.classes is None
    predicted = cross_val_predict(Ridge(), X, y, **CV)
    own = study.predictions[study.predictions["method"] == "ridge"]
    np.testing.assert_allclose(own["predicted"], predicted)
    scores = study.scores[study.scores["method"] == "ridge"].set_index("subject")
    for subject in np.unique(GROUPS):
        of = subject == GROUPS
        expected = {
            "mae": mean_absolute_error(y[of], predicted[of]),
            "rmse": root_mean_squared_error(y[of], predicted[of]),
            "r2": r2_score(y[of], predicted[of]),
            "pearson": stats.pearsonr(y[of], predicted[of]).statistic,
            "spearman": stats.spearmanr(y[of], predicted[of]).statistic,
        }
        for name, value in expected.items():
            assert scores.loc[subject, name] == pytest.approx(value), name
    summary = study.summary().loc["ridge"]
    assert summary["mean"] == pytest.approx(
        -cross_val_score(Ridge(), X, y, scoring="neg_mean_absolute_error", **CV).mean()
    )
    assert summary["pearson"] == pytest.approx(scores["pearson"].mean())
    means = pd.DataFrame({"y": y, "p": predicted}).groupby(GROUPS).mean()
    assert summary["pearson_between"] == pytest.approx(means.corr().loc["y", "p"])
    assert summary["spearman_between"] == pytest.approx(means.corr("spearman").loc["y", "p"])
    assert summary["n_undefined"] == 0
    assert not any(name.startswith(("probability", "confusion")) for name in own)
    with pytest.raises(ValueError, match="A study of ratings has no confusion matrix"):
        study.confusion("ridge")


def test_concordance_by_hand():
    """Lin 1989, with sums divided by n: 2 * 2/3 / (2/3 + 2/3 + 1)."""
    target, predicted = np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0])
    assert metrics.concordance(target, predicted) == pytest.approx(4 / 7)
    assert metrics.concordance(target, target) == 1
    assert metrics.concordance(target, np.full(3, 2.0)) == 0
    assert np.isnan(metrics.concordance(np.ones(3), np.ones(3)))


def test_repeated_measures_correlation_equals_an_analysis_of_covariance():
    """Bakdash and Marusich 2017, equation 3: the sums of squares of a model with subjects."""
    random = np.random.default_rng(1)
    subjects = np.repeat(np.arange(5), 8)
    x = random.normal(size=40) + 3 * subjects
    y = random.normal(size=40) - 2 * subjects + 0.5 * x
    dummies = np.eye(5)[subjects]
    full = np.column_stack([dummies, x])
    errors = [
        np.sum((y - LinearRegression(fit_intercept=False).fit(A, y).predict(A)) ** 2)
        for A in (full, dummies)
    ]
    slope = np.linalg.lstsq(full, y, rcond=None)[0][-1]
    expected = np.sign(slope) * np.sqrt((errors[1] - errors[0]) / errors[1])
    assert metrics.within_subjects(y, x, subjects) == pytest.approx(expected)


def test_a_predictor_of_subject_means_is_visible(ratings):
    """Its correlation is 1 between subjects, and undefined within each."""
    _, y = ratings
    means = pd.Series(y).groupby(GROUPS).transform("mean").to_numpy()[:, None]
    study = run_study({"means": LinearRegression()}, means, y, GROUPS)
    summary = study.summary().loc["means"]
    assert summary["pearson_between"] == pytest.approx(1)
    assert np.isnan(summary["pearson"])
    assert np.isnan(summary["spearman"])
    assert summary["n_undefined"] == N_SUBJECTS
    assert summary["p_value"] == 1
    assert np.isnan(study.pooled().loc["means", "within_subjects"])
    assert study.pooled().loc["means", "pearson"] > 0.4  # looks good, and is not


def test_constant_ratings_of_a_subject_are_counted(ratings):
    X, y = ratings
    y[GROUPS == "S2"] = 4
    study = run_study({"ridge": Ridge()}, X, y, GROUPS)
    own = study.scores[study.scores["method"] == "ridge"].set_index("subject")
    assert own.loc["S2", ["r2", "pearson", "spearman"]].isna().all()
    assert own.loc["S2", ["mae", "rmse", "concordance"]].notna().all()
    summary = study.summary().loc["ridge"]
    assert summary["n_undefined"] == 1
    assert summary["n_subjects"] == N_SUBJECTS
    assert summary["pearson"] == pytest.approx(own["pearson"].drop("S2").mean())
    (found,) = [each for each in study.decisions if "constant" in each]
    assert "The ratings of subjects 'S2' (1 of 6) are constant" in found


def test_metrics_undefined_in_one_repeat_are_undefined():
    X, y, groups = np.arange(36.0)[:, None], np.tile(np.arange(12), 3), np.repeat([1, 2, 3], 12)
    cv = RepeatedGroupKFold(3, n_repeats=2)
    study = run_study({"mean": DummyRegressor()}, X, y, groups, cv=cv)
    windows = study.predictions
    first = (windows["repeat"] == 0) & (windows["subject"] == 1) & (windows["method"] == "mean")
    windows.loc[first, "predicted"] = np.arange(12.0)
    assert np.isnan(study.scores["pearson"].iloc[0])


def test_two_windows_have_no_correlation():
    assert np.isnan(metrics.pearson(np.array([1.0, 2.0]), np.array([3.0, 9.0])))
    nearly = 0.1 + 1e-17 * np.arange(5)
    assert np.isnan(metrics.spearman(np.arange(5.0), nearly))


def test_kept_ratings_are_the_same(ratings, tmp_path):
    first, again = (run_study({"ridge": Ridge()}, *ratings, GROUPS, folder=tmp_path) for _ in "ab")
    pd.testing.assert_frame_equal(first.predictions, again.predictions)
    with pytest.raises(ValueError, match="y changed"):
        run_study({"ridge": Ridge()}, ratings[0], ratings[1] + 0.5, GROUPS, folder=tmp_path)


def test_pooled_scores_equal_scikit_learn(ratings):
    X, y = ratings
    study = run_study({"ridge": Ridge()}, X, y, GROUPS, cv=RepeatedGroupKFold(3, n_repeats=2))
    own = study.predictions[study.predictions["method"] == "ridge"]
    pooled = study.pooled().loc["ridge"]
    for name, function in [("mae", mean_absolute_error), ("r2", r2_score)]:
        each = [function(r["target"], r["predicted"]) for _, r in own.groupby("repeat")]
        assert pooled[name] == pytest.approx(np.mean(each))


# Levels


def test_scores_of_levels_equal_scikit_learn(ratings):
    X, y = ratings
    model = OrdinalClassifier(LogisticRegression())
    study = run_study({"ordinal": model}, X, ordered(y), GROUPS)
    assert study.task.name == "ordinal"
    assert study.classes.tolist() == LEVELS
    codes = ordered(y).codes
    predicted = cross_val_predict(model, X, codes, **CV)
    own = study.predictions[study.predictions["method"] == "ordinal"]
    assert own["predicted"].tolist() == np.array(LEVELS)[predicted].tolist()
    probabilities = cross_val_predict(model, X, codes, method="predict_proba", **CV)
    np.testing.assert_allclose(own[[f"probability_{name}" for name in LEVELS]], probabilities)
    scores = study.scores[study.scores["method"] == "ordinal"].set_index("subject")
    for subject in np.unique(GROUPS):
        true, other = codes[subject == GROUPS], predicted[subject == GROUPS]
        expected = {
            "macro_mae": np.mean([np.abs(other[true == k] - k).mean() for k in np.unique(true)]),
            "weighted_kappa": cohen_kappa_score(true, other, labels=[0, 1, 2], weights="quadratic"),
            "balanced_accuracy": balanced_accuracy_score(true, other),
            "off_by_one": np.mean(np.abs(true.astype(int) - other) == 1),
        }
        for name, value in expected.items():
            assert scores.loc[subject, name] == pytest.approx(value), name
    counts = pd.crosstab(own["target"], own["predicted"]).reindex(LEVELS, axis=0)
    found = study.confusion("ordinal")
    assert found.index.tolist() == LEVELS
    np.testing.assert_array_equal(found, counts.reindex(LEVELS, axis=1, fill_value=0))


def test_macro_averaged_mae_by_hand():
    """Baccianella et al. 2009: the errors of each level are averaged first. (0 + 2 / 1) / 2."""
    target, predicted = np.array([0, 0, 0, 2]), np.array([0, 0, 0, 0])
    scores = metrics.score_levels(target, predicted, np.empty((4, 3)))
    assert scores["macro_mae"] == 1
    assert scores["off_by_one"] == 0
    constant = metrics.score_levels(np.zeros(3, int), np.zeros(3, int), np.empty((3, 3)))
    assert np.isnan(constant["weighted_kappa"])


def test_regressors_and_classifiers_of_levels(ratings):
    """What a regressor predicts is rounded to the nearest level, and has no probabilities."""
    X, y = ratings
    methods = {"ridge": Ridge(), "logistic": LogisticRegression()}
    study = run_study(methods, X, ordered(y), GROUPS)
    own = study.predictions[study.predictions["method"] == "ridge"]
    numbers = cross_val_predict(Ridge(), X, ordered(y).codes, **CV)
    expected = np.array(LEVELS)[np.clip(np.rint(numbers), 0, 2).astype(int)]
    assert own["predicted"].tolist() == expected.tolist()
    assert own.filter(like="probability_").isna().all(axis=None)


def test_constant_levels_of_a_subject_are_scored(ratings):
    X, y = ratings
    y[GROUPS == "S2"] = 4
    study = run_study({"ridge": Ridge()}, X, ordered(y), GROUPS)
    assert study.scores["macro_mae"].notna().all()
    assert any("'S2'" in each for each in study.decisions)


# Baselines


def test_baselines_of_training_subjects(ratings):
    X, y = ratings
    study = run_study({"ridge": Ridge()}, X, y, GROUPS)
    assert study.controls == ("training mean", "training median")
    assert study.reference == "ridge"
    for name, function in {"training mean": np.mean, "training median": np.median}.items():
        own = study.predictions[study.predictions["method"] == name]
        for subject, rows in own.groupby("subject"):
            assert set(rows["predicted"]) == {function(y[subject != GROUPS])}
    # Leave-one-subject-out: the higher the mean of a subject, the lower that of the others.
    assert study.summary().loc["training mean", "pearson_between"] == pytest.approx(-1)


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (np.tile(["rest", "pain", "pain"], 24), {"training majority": "pain"}),
        (ordered(np.tile([0, 5, 5, 5, 9, 9], 12)),
         {"training majority": "low", "training median": "low"}),
    ],
)  # fmt: skip
def test_baselines_of_classes_and_levels(y, names):
    X = np.random.default_rng(0).normal(size=(72, 2))
    study = run_study({"logistic": LogisticRegression()}, X, y, GROUPS)
    assert study.controls == tuple(names)
    for name, label in names.items():
        own = study.predictions[study.predictions["method"] == name]
        assert set(own["predicted"]) == {label}


MINUTES = np.column_stack([np.tile(np.arange(N_WINDOWS), N_SUBJECTS)] * 2) * 60.0 + [0, 60]


@pytest.mark.filterwarnings("ignore::sklearn_biomoe.evaluation.LeakWarning")
@pytest.mark.parametrize("as_levels", [False, True])
def test_own_mean_of_calibration_windows(ratings, as_levels):
    X, y = ratings
    name, function = ("own median", np.median) if as_levels else ("own mean", np.mean)
    target = pd.Categorical(y, np.unique(y), ordered=True) if as_levels else y
    values = np.searchsorted(np.unique(y), y).astype(float) if as_levels else y
    options = {"intervals": MINUTES, "calibration": Calibration(n_windows=5, labels=True)}
    study = run_study({"ridge": Ridge()}, X, target, GROUPS, **options)
    assert name in study.controls
    for method, is_used in [
        (name, lambda subject, early: (subject == GROUPS) & early),
        ("training median", lambda subject, early: subject != GROUPS),
    ]:
        own = study.predictions[study.predictions["method"] == method]
        for subject, rows in own.groupby("subject"):
            used = is_used(subject, MINUTES[:, 0] < 300)
            expected = (np.median if method != name else function)(values[used])
            (found,) = set(rows["predicted"])
            assert found == (np.unique(y)[np.rint(expected).astype(int)] if as_levels else expected)
            assert len(rows) == N_WINDOWS - 5
    options["calibration"] = Calibration(n_windows=5)  # without targets
    assert name not in run_study({"ridge": Ridge()}, X, target, GROUPS, **options).controls


@pytest.mark.filterwarnings("ignore::sklearn_biomoe.evaluation.LeakWarning")
def test_own_majority_of_calibration_windows():
    y = np.tile(["rest", "rest", "pain"] + 3 * ["rest", "pain", "pain"], 6)
    y[:3] = ["pain", "pain", "rest"]
    X = np.random.default_rng(0).normal(size=(72, 2))
    calibration = Calibration(n_windows=3, labels=True)
    methods = {"logistic": LogisticRegression()}
    study = run_study(methods, X, y, GROUPS, intervals=MINUTES, calibration=calibration)
    own = study.predictions[study.predictions["method"] == "own majority"]
    found = own.groupby("subject")["predicted"].unique().map(list)
    assert found.tolist() == [["pain"]] + 5 * [["rest"]]


def test_statistics_of_drawn_signals(signals):
    X, y, groups = signals
    X.loc[3, "eda"] = None
    method = make_pipeline(
        make_column_transformer((make_pipeline(images("eda"), TinyBioMoEEmbedder()), "eda")),
        SimpleImputer(),
        Ridge(),
    )
    study = run_study({"embeddings": method}, X, y, groups, check=False)
    assert study.controls == ("training mean", "training median", "statistics")
    numbers = np.array(
        [
            np.full(4, np.nan) if cell is None else [f(cell) for f in (np.mean, np.std, min, max)]
            for cell in X["eda"]
        ]
    )
    by_hand = make_pipeline(SimpleImputer(), StandardScaler(), Ridge())
    expected = cross_val_predict(by_hand, numbers, y, cv=LeaveOneGroupOut(), groups=groups)
    own = study.predictions[study.predictions["method"] == "statistics"]
    np.testing.assert_allclose(own["predicted"], expected)


def test_elapsed_time_of_ratings():
    """Ratings that rise in every session are predicted by the time alone."""
    random = np.random.default_rng(0)
    y = np.tile(np.arange(12.0), 6) + random.normal(0, 0.5, 72)
    with pytest.warns(LeakWarning, match="The time of a window predicts its rating"):
        study = run_study({"ridge": Ridge()}, random.normal(size=(72, 2)), y, GROUPS,
                          intervals=MINUTES)  # fmt: skip
    summary = study.summary()
    assert summary.loc["elapsed time only, linear", "pearson"] > 0.95
    expected = cross_val_predict(make_pipeline(StandardScaler(), Ridge()), MINUTES[:, :1], y, **CV)
    own = study.predictions[study.predictions["method"] == "elapsed time only, linear"]
    np.testing.assert_allclose(own["predicted"], expected)


def test_names_of_baselines_are_taken(ratings):
    with pytest.raises(ValueError, match="'training mean' have the names of controls; rename"):
        run_study({"training mean": DummyRegressor()}, *ratings, GROUPS)


# Methods


@pytest.mark.parametrize(
    ("method", "y", "message"),
    [
        (LogisticRegression(), np.arange(72) % 11, "not a regressor; pass a regressor.* 11 diff"),
        (Ridge(), np.arange(72) % 2, "not a classifier; .*or another task. Task classification"),
        (StandardScaler(), ordered(np.arange(72) % 11), "not a classifier or a regressor"),
    ],
)
def test_methods_that_do_not_fit_the_task(method, y, message):
    with pytest.raises(TypeError, match=f"Method 'wrong' is .*{message}"):
        run_study({"wrong": method}, np.zeros((72, 1)), y, GROUPS)


def test_predictions_that_are_not_finite_are_refused(ratings):
    class Broken(DummyRegressor):
        def predict(self, X):
            return np.full(len(X), np.nan)

    with pytest.raises(ValueError, match="predict returned NaN, infinity") as caught:
        run_study({"broken": Broken()}, *ratings, GROUPS)
    assert caught.value.__notes__ == ["Method 'broken', fold 0, which tests subjects 'S0'."]


@pytest.mark.parametrize(
    ("predicted", "message"),
    [
        (0.4, "predict returned 0.4, which is none of the classes 0, 1"),
        ("x", "predict returned 'x', which is none of the classes 0, 1"),
        ([0], "several values for a window"),
    ],
)
def test_predictions_that_are_no_classes_are_refused(predicted, message):
    class Constant(LogisticRegression):
        def predict(self, X):
            return np.array([predicted] * len(X))

    X, y = np.zeros((len(GROUPS), 1)), np.tile([0, 1], len(GROUPS) // 2)
    with pytest.raises(ValueError, match=message):
        run_study({"constant": Constant()}, X, y, GROUPS)


@pytest.fixture
def signals(small_backbone):
    """EDA and BVP of three subjects, with ratings."""
    random = np.random.default_rng(0)
    y = np.tile([0.0, 2, 4, 6, 8, 10], 3)
    columns = {
        name: [rating * np.ones(n) + random.normal(size=n) for rating in y]
        for name, n in {"eda": 80, "bvp": 200}.items()
    }
    return pd.DataFrame(columns), y, np.repeat(["A", "B", "C"], 6)


def images(name):
    return BiosignalImageTransformer(
        ["waveform"], modality=name, sampling_rate=4, value_range="window"
    )


def test_late_fusion_of_ratings(signals):
    modalities = [
        (name, make_pipeline(images(name), TinyBioMoEEmbedder(), Ridge()), name)
        for name in ("eda", "bvp")
    ]
    methods = {
        fusion: LateFusionRegressor(modalities, fusion=fusion, cv=2)
        for fusion in ("mean", "weighted", "stacking")
    }
    study = run_study(methods, *signals, check=False)
    assert study.summary().loc[["mean", "weighted", "stacking"], "mean"].notna().all()


@pytest.mark.filterwarnings("ignore::sklearn_biomoe.evaluation.LeakWarning")
@pytest.mark.parametrize("method", [WindowVotingRegressor(Ridge()), AttentionMILRegressor(
    max_epochs=2, random_state=0)], ids=["voting", "attention"])  # fmt: skip
def test_trials_with_ratings(method):
    random = np.random.default_rng(0)
    y, groups = np.tile(np.arange(8.0), 3), np.repeat(["A", "B", "C"], 8)
    bags = [random.normal(rating, size=(3, 4)) for rating in y]
    study = run_study({"bags": method}, bags, y, groups)
    assert study.task.name == "regression"
    assert np.isfinite(study.predictions["predicted"]).all()


def test_fine_tuned_regressors(signals):
    X, y, groups = signals
    stack = np.asarray(images("eda").fit_transform(X["eda"]))
    study = run_study({"tuned": TinyBioMoERegressor(max_epochs=1)}, stack, y, groups)
    assert study.task.name == "regression"
    assert study.summary().loc["tuned", "mean"] > 0
