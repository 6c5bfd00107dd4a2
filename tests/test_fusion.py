"""Additive and late fusion: combination rules, missing modalities, inner folds, errors."""

import pickle
import warnings
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import StackingClassifier, StackingRegressor, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeCV
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    LeaveOneGroupOut,
    RepeatedKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC

from sklearn_biomoe.evaluation import run_study
from sklearn_biomoe.fusion import AdditiveFusion, LateFusionClassifier, LateFusionRegressor
from sklearn_biomoe.fusion.combination_rules import (
    fit_class_weights,
    fit_value_weights,
    share_of_votes,
    weighted_mean,
)
from sklearn_biomoe.fusion.modality_ensemble import ModalityEnsemble

# Warned about once, by test_inner_folds_without_subjects_warn.
pytestmark = pytest.mark.filterwarnings("ignore:.* has no subjects")

RANDOM = np.random.default_rng(0)
SUBJECTS = np.repeat(np.arange(6), 20)
Y = np.array(["rest", "stress"])[RANDOM.integers(2, size=120)]
X = (
    RANDOM.normal(size=(120, 5))
    + np.array([1.5, 1, 0.5, 0.4, 0])[:, None].T * (Y == "stress")[:, None]
)
VALUES = X @ [1.0, -1, 0.5, 0, 2] + RANDOM.normal(size=120)
LOGISTIC = LogisticRegression()
FUSIONS = ["mean", "weighted", "vote", "stacking"]
GAPPY = X.copy()
GAPPY[::3, :2] = np.nan
GAPPY[1::4, 2:] = np.nan
NO_MODALITY = np.isnan(GAPPY).all(axis=1)


def late(fusion="mean", estimator=LOGISTIC, **parameters):
    return LateFusionClassifier(
        [("eda", estimator, [0, 1]), ("bvp", estimator, [2, 3, 4])], fusion=fusion, **parameters
    )


def late_regressor(fusion="mean", **parameters):
    return LateFusionRegressor(
        [("eda", Ridge(), [0, 1]), ("bvp", Ridge(), [2, 3, 4])], fusion=fusion, **parameters
    )


# Combination rules, by hand

TWO = np.array(
    [
        [[0.2, 0.8], [0.6, 0.4], [np.nan, np.nan], [np.nan, np.nan]],
        [[0.4, 0.6], [0.1, 0.9], [0.7, 0.3], [np.nan, np.nan]],
    ]
)


def test_weighted_mean_by_hand():
    expected = [[0.25, 0.75], [0.475, 0.525], [0.7, 0.3], [np.nan, np.nan]]
    np.testing.assert_allclose(weighted_mean(TWO, np.array([3.0, 1.0])), expected)


def test_votes_by_hand():
    votes = share_of_votes(TWO)
    # Two votes and the mean; one vote each, so that the mean decides; one vote; no modality.
    expected = [[0.3 / 3, 2.7 / 3], [1.35 / 3, 1.65 / 3], [1.7 / 2, 0.3 / 2], [np.nan, np.nan]]
    np.testing.assert_allclose(votes, expected)


def test_two_votes_outweigh_one_of_higher_probability():
    probabilities = np.array([[[0.51, 0.49]], [[0.51, 0.49]], [[0.0, 1.0]]])
    assert share_of_votes(probabilities)[0].argmax() == 0


def test_class_weights_equal_a_grid_search():
    y = RANDOM.integers(3, size=400)
    y[:300] = 0  # has the same total weight as the others
    truth = np.eye(3)[y]
    noisy = [truth + RANDOM.exponential(scale, size=truth.shape) for scale in (0.5, 0.8)]
    probabilities = np.stack([each / each.sum(axis=1, keepdims=True) for each in noisy])
    probabilities[1, ::5] = np.nan
    learned = fit_class_weights(probabilities, y)
    counts = np.bincount(y)

    def loss(weight):
        mean = weighted_mean(probabilities, np.array([weight, 1 - weight]))
        return log_loss(y, mean, sample_weight=1 / counts[y])

    grid = np.linspace(0.01, 0.99, 99)  # the loss is convex
    best = grid[np.argmin([loss(weight) for weight in grid])]
    assert learned.sum() == pytest.approx(1)
    assert learned[0] == pytest.approx(best, abs=0.01)


def test_value_weights_equal_least_squares():
    values = RANDOM.normal(size=(2, 200, 1)) * [[[1000.0]], [[3000.0]]]
    y = 0.7 * values[0, :, 0] + 0.3 * values[1, :, 0] + RANDOM.normal(size=200)
    # With weights w and 1 - w: regress y - second on first - second.
    first, second = values[..., 0]
    expected = LinearRegression(fit_intercept=False).fit((first - second)[:, None], y - second)
    learned = fit_value_weights(values, y)
    assert learned[0] == pytest.approx(expected.coef_[0], abs=1e-4)


# Against scikit-learn, without missing modalities


def column_pipelines(estimator):
    return [
        (name, make_pipeline(ColumnTransformer([("take", "passthrough", columns)]), estimator))
        for name, columns in [("eda", [0, 1]), ("bvp", [2, 3, 4])]
    ]


def test_mean_equals_soft_voting():
    expected = VotingClassifier(column_pipelines(LOGISTIC), voting="soft").fit(X, Y)
    fitted = late().fit(X, Y)
    np.testing.assert_allclose(fitted.predict_proba(X), expected.predict_proba(X))
    assert (fitted.predict(X) == expected.predict(X)).all()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_stacking_equals_sklearn(n_classes):
    y = Y if n_classes == 2 else np.digitize(VALUES, [-1, 1])
    expected = StackingClassifier(column_pipelines(LOGISTIC), cv=4).fit(X, y)
    fitted = late("stacking", cv=4).fit(X, y)
    np.testing.assert_allclose(fitted.predict_proba(X), expected.predict_proba(X), rtol=1e-10)


def test_stacking_values_equals_sklearn():
    expected = StackingRegressor(column_pipelines(Ridge()), cv=4).fit(X, VALUES)
    fitted = late_regressor("stacking", cv=4).fit(X, VALUES)
    assert isinstance(fitted.final_estimator_, RidgeCV)
    np.testing.assert_allclose(fitted.predict(X), expected.predict(X), rtol=1e-10)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration_equals_sklearn(method):
    splits = list(StratifiedGroupKFold(5).split(X, Y, SUBJECTS))
    alone = CalibratedClassifierCV(LinearSVC(), method=method, cv=splits, ensemble=False)
    expected = alone.fit(X[:, :2], Y).predict_proba(X[:, :2])
    fitted = late(estimator=LinearSVC(), calibration=method).fit(X, Y, groups=SUBJECTS)
    np.testing.assert_allclose(fitted.predict_by_modality(X)["eda"], expected)


def test_modality_scores_are_those_of_inner_folds():
    fitted = late("weighted").fit(X, Y, groups=SUBJECTS)
    for name, columns in [("eda", [0, 1]), ("bvp", [2, 3, 4])]:
        predicted = cross_val_predict(
            LOGISTIC, X[:, columns], Y, groups=SUBJECTS, cv=StratifiedGroupKFold(5)
        )
        expected = balanced_accuracy_score(Y, predicted)
        assert fitted.modality_scores_[name] == pytest.approx(expected)


def test_the_better_modality_has_the_larger_weight():
    fitted = late("weighted", estimator=make_pipeline(StandardScaler(), LOGISTIC)).fit(X, Y)
    assert fitted.weights_["eda"] > 0.6
    assert sum(fitted.weights_.values()) == pytest.approx(1)


def test_mean_of_values():
    fitted = late_regressor().fit(X, VALUES)
    by_modality = fitted.predict_by_modality(X)
    np.testing.assert_allclose(
        fitted.predict(X), (by_modality["eda"] + by_modality["bvp"]) / 2, rtol=1e-12
    )


# Missing modalities


@pytest.mark.parametrize("fusion", FUSIONS)
def test_windows_are_predicted_from_the_modalities_they_have(fusion):
    fitted = late(fusion).fit(GAPPY[~NO_MODALITY], Y[~NO_MODALITY])
    by_modality = fitted.predict_by_modality(GAPPY)
    no_eda, no_bvp = np.isnan(GAPPY[:, 0]), np.isnan(GAPPY[:, 2])
    assert (np.isnan(by_modality["eda"]).all(axis=1) == no_eda).all()
    assert (np.isnan(by_modality["bvp"]).all(axis=1) == no_bvp).all()
    fused = fitted.predict_proba(GAPPY[~NO_MODALITY])
    assert np.isfinite(fused).all()
    np.testing.assert_allclose(fused.sum(axis=1), 1)
    only_bvp = no_eda & ~no_bvp
    if fusion in ("mean", "weighted"):
        np.testing.assert_allclose(
            fitted.predict_proba(GAPPY[only_bvp]), by_modality["bvp"][only_bvp]
        )


def test_each_modality_is_fitted_on_all_its_windows():
    fitted = late("weighted").fit(GAPPY, Y)
    present = ~np.isnan(GAPPY[:, 0])
    expected = clone(LOGISTIC).fit(GAPPY[present][:, :2], Y[present])
    assert np.array_equal(fitted.estimators_["eda"].coef_, expected.coef_)


def test_stacking_fills_gaps_with_means_of_inner_folds():
    fitted = late("stacking").fit(GAPPY, Y)
    present = np.flatnonzero(~np.isnan(GAPPY[:, 0]))
    held_out = np.full(len(Y), np.nan)
    for train, test in StratifiedKFold(5).split(GAPPY, Y):
        train, test = np.intersect1d(train, present), np.intersect1d(test, present)
        branch = clone(LOGISTIC).fit(GAPPY[train][:, :2], Y[train])
        held_out[test] = branch.predict_proba(GAPPY[test][:, :2])[:, 1]
    only_bvp = np.flatnonzero(np.isnan(GAPPY[:, 0]) & ~NO_MODALITY)
    bvp = fitted.predict_by_modality(GAPPY)["bvp"][only_bvp, 1]
    stacked = np.column_stack([np.full(len(bvp), np.nanmean(held_out)), bvp])
    expected = fitted.final_estimator_.predict_proba(stacked)
    np.testing.assert_allclose(fitted.predict_proba(GAPPY[only_bvp]), expected)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_windows_without_any_modality_get_the_class_frequencies(fusion):
    fitted = late(fusion).fit(X, Y)
    some = np.vstack([X[:2], np.full((1, 5), np.nan)])
    with pytest.warns(UserWarning, match="1 of 3 windows lack every modality, such as row 2"):
        fused = fitted.predict_proba(some)
    np.testing.assert_allclose(fused[2], [np.mean(Y == "rest"), np.mean(Y == "stress")])


def test_windows_without_any_modality_get_the_mean_value():
    fitted = late_regressor("weighted").fit(X, VALUES)
    with pytest.warns(UserWarning, match="their prediction is the mean of the training"):
        assert fitted.predict(np.full((1, 5), np.nan))[0] == pytest.approx(VALUES.mean())


def test_columns_of_cells():
    cells = pd.DataFrame({"eda": list(X[:, :2]), "bvp": list(X[:, 2:]), "subject": SUBJECTS})
    cells.loc[::3, "eda"] = None
    mean = FunctionTransformer(_means)
    estimators = [(name, make_pipeline(mean, LOGISTIC), name) for name in ("eda", "bvp")]
    fitted = LateFusionClassifier(estimators, subject_column="subject").fit(cells, Y)
    assert np.isnan(fitted.predict_by_modality(cells)["eda"]).all(axis=1).sum() == 40
    assert fitted.score(cells, Y) > 0.6


def _means(cells):
    return np.array([[cell.mean()] for cell in cells])


@pytest.mark.filterwarnings("ignore::sklearn_biomoe.evaluation.LeakWarning")
def test_study_with_a_third_of_a_modality_deleted():
    frame = pd.DataFrame(X).add_prefix("x").assign(subject=SUBJECTS)
    deleted = frame.copy()
    deleted.loc[RANDOM.random(120) < 0.3, ["x0", "x1"]] = np.nan
    estimators = [("eda", LOGISTIC, ["x0", "x1"]), ("bvp", LOGISTIC, ["x2", "x3", "x4"])]
    methods = {
        fusion: LateFusionClassifier(estimators, fusion=fusion, subject_column="subject")
        for fusion in ("mean", "stacking")
    }
    whole, with_gaps = (
        run_study(methods, X, Y, SUBJECTS).summary()["mean"][list(methods)]
        for X in (frame, deleted)
    )
    assert (whole > 0.7).all()
    assert (with_gaps > 0.6).all()
    assert (with_gaps < whole).all()


# Subjects


class SubjectRecorder(DummyClassifier):
    """Records the subjects, in the first column, of the windows it is fitted on and predicts."""

    calls: ClassVar = []

    def fit(self, X, y):
        self.fitted_ = set(X[:, 0].tolist())
        return super().fit(X, y)

    def predict_proba(self, X):
        self.calls.append((self.fitted_, set(X[:, 0].tolist())))
        return super().predict_proba(X)


WITH_SUBJECTS = np.column_stack([SUBJECTS, X])


def recorder(**parameters):
    SubjectRecorder.calls.clear()
    return LateFusionClassifier([("eda", SubjectRecorder(), [0])], **parameters)


def fit_by_groups(**parameters):
    return recorder(**parameters).fit(WITH_SUBJECTS, Y, groups=SUBJECTS)


def fit_by_column(**parameters):
    return recorder(subject_column=0, **parameters).fit(WITH_SUBJECTS, Y)


def fit_by_routing(**parameters):
    with config_context(enable_metadata_routing=True):
        model = recorder(**parameters).set_fit_request(groups=True)
        return make_pipeline("passthrough", model).fit(WITH_SUBJECTS, Y, groups=SUBJECTS)


@pytest.mark.parametrize("fit", [fit_by_groups, fit_by_column, fit_by_routing])
@pytest.mark.parametrize(
    "parameters",
    [{"fusion": "weighted"}, {"fusion": "stacking"}, {"calibration": "sigmoid"}],
    ids=str,
)
@pytest.mark.parametrize("cv", [5, 50, LeaveOneGroupOut(), GroupKFold(2)], ids=str)
def test_inner_folds_hold_out_subjects(fit, parameters, cv):
    fit(cv=cv, **parameters)
    assert len(SubjectRecorder.calls) == {5: 5, 50: 6}.get(cv) if isinstance(cv, int) else True
    assert SubjectRecorder.calls
    assert all(not fitted & tested for fitted, tested in SubjectRecorder.calls)


def test_inner_folds_hold_out_windows_without_subjects():
    recorder(fusion="weighted").fit(WITH_SUBJECTS, Y)
    assert len(SubjectRecorder.calls) == 5
    assert all(fitted & tested for fitted, tested in SubjectRecorder.calls)


def test_inner_searches_are_given_the_subjects():
    search = GridSearchCV(LOGISTIC, {"C": [0.01, 1]}, cv=LeaveOneGroupOut())
    fitted = late("weighted", estimator=search).fit(X, Y, groups=SUBJECTS)
    assert fitted.estimators_["eda"].n_splits_ == 6


@pytest.mark.parametrize("cv", [GroupKFold(3), GroupShuffleSplit(3, random_state=0)], ids=str)
@pytest.mark.parametrize("calibration", [None, "sigmoid"])
@pytest.mark.parametrize("routing", [False, True])
def test_inner_searches_of_any_splitter_score_by_subject(cv, calibration, routing):
    grid = {"C": [0.01, 1]}
    search = make_pipeline("passthrough", GridSearchCV(LOGISTIC, grid, cv=cv))
    expected = [
        cross_val_score(clone(LOGISTIC).set_params(C=value), X[:, :2], Y, groups=SUBJECTS, cv=cv)
        for value in grid["C"]
    ]
    with config_context(enable_metadata_routing=routing):
        model = late(estimator=search, calibration=calibration)
        fitted = model.fit(X, Y, groups=SUBJECTS).estimators_["eda"]
    if calibration:
        fitted = fitted.calibrated_classifiers_[0].estimator
    found = fitted[-1].cv_results_["mean_test_score"]
    np.testing.assert_allclose(found, np.mean(expected, axis=1))


@pytest.mark.parametrize("model", [late, late_regressor])
@pytest.mark.parametrize("fusions", [("weighted", "mean"), ("stacking", "weighted")])
def test_refit_with_another_fusion_keeps_nothing_of_the_earlier_one(model, fusions):
    target = Y if model is late else VALUES
    first, second = fusions
    refitted = model(first).fit(X, target).set_params(fusion=second).fit(X, target)
    assert set(vars(refitted)) == set(vars(model(second).fit(X, target)))


GRID = {"eda__C": [0.01, 1.0], "fusion": ["mean", "weighted"]}


def test_cross_validation_and_search_by_column():
    frame = pd.DataFrame(X).add_prefix("x").assign(subject=SUBJECTS)
    estimators = [("eda", LOGISTIC, ["x0", "x1"]), ("bvp", LOGISTIC, ["x2", "x3", "x4"])]
    model = LateFusionClassifier(estimators, fusion="stacking", subject_column="subject")
    outer = {"groups": SUBJECTS, "cv": LeaveOneGroupOut()}
    scores = cross_validate(model, frame, Y, **outer, scoring="roc_auc")["test_score"]
    assert len(scores) == 6
    search = GridSearchCV(model, GRID, cv=GroupKFold(3)).fit(frame, Y, groups=SUBJECTS)
    assert set(search.best_params_) == set(GRID)


def test_cross_validation_by_groups():
    scores = cross_validate(
        late("weighted"),
        X,
        Y,
        groups=SUBJECTS,
        params={"groups": SUBJECTS},
        cv=LeaveOneGroupOut(),
        return_estimator=True,
    )
    by_column = late("weighted").fit(X[20:], Y[20:], groups=SUBJECTS[20:])
    assert scores["estimator"][0].weights_ == by_column.weights_


def test_cross_validation_and_search_by_routing():
    with config_context(enable_metadata_routing=True):
        model = late("weighted").set_fit_request(groups=True)
        scores = cross_validate(
            model, X, Y, params={"groups": SUBJECTS}, cv=LeaveOneGroupOut(), return_estimator=True
        )
        search = GridSearchCV(model, GRID, cv=GroupKFold(3)).fit(X, Y, groups=SUBJECTS)
    expected = late("weighted").fit(X[20:], Y[20:], groups=SUBJECTS[20:])
    assert scores["estimator"][0].weights_ == expected.weights_
    assert set(search.best_params_) == set(GRID)


# Parameters, display and pickles


def test_nested_parameters():
    model = late()
    assert model.get_params()["eda__C"] == 1.0
    model.set_params(eda__C=0.1, bvp=Ridge())
    assert model.estimators[0][1].C == 0.1
    assert isinstance(model.estimators[1][1], Ridge)
    assert model.estimators[1][2] == [2, 3, 4]
    assert LOGISTIC.C == 0.1
    LOGISTIC.C = 1.0


def test_html_shows_modalities_in_parallel():
    html = late()._repr_html_()
    assert all(f"<div>{name}</div></div></label>" in html for name in ("eda", "bvp"))
    assert "[2, 3, 4]" in html
    assert "sk-parallel" in html


def test_pickles():
    fitted = late("stacking").fit(X, Y)
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict_proba(X), fitted.predict_proba(X))


# Errors


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"fusion": "wieghted"}, ValueError, r"Unknown fusion 'wieghted'.*'weighted'\?"),
        ({"calibration": "platt"}, ValueError, "Unknown calibration 'platt'"),
        (
            {"final_estimator": LOGISTIC},
            ValueError,
            "final_estimator is only used by",
        ),
        ({"estimators": []}, ValueError, "expected a list of one or more"),
        ({"estimators": {"eda": LOGISTIC}}, ValueError, "expected a list of one or more"),
        ({"estimators": [("eda", LOGISTIC)]}, ValueError, r"expected \(name, estimator, columns\)"),
        (
            {"estimators": [("eda", LOGISTIC, [0]), ("eda", LOGISTIC, [1])]},
            ValueError,
            "not unique",
        ),
        ({"estimators": [("cv", LOGISTIC, [0])]}, ValueError, "conflict with constructor"),
        (
            {"estimators": [("eda", LogisticRegression, [0])]},
            TypeError,
            "expected an unfitted classifier",
        ),
        (
            {"estimators": [("eda", Ridge(), [0])]},
            TypeError,
            r"'eda' is Ridge\(\); expected",
        ),
        ({"estimators": [("eda", LinearSVC(), [0])]}, TypeError, "pass calibration='sigmoid'"),
        (
            {"fusion": "stacking", "final_estimator": LinearSVC()},
            TypeError,
            "final_estimator is LinearSVC.* no predict_proba",
        ),
        (
            {"estimators": [("eda", LOGISTIC, [7])]},
            ValueError,
            r"Columns \[7\] of modality 'eda' are not all in X, which has 5: 0, 1, 2, 3, 4",
        ),
        ({"subject_column": "who"}, ValueError, "subject_column='who' is not a column of X"),
        ({"fusion": "weighted", "cv": RepeatedKFold()}, ValueError, "tests window .* 10 times"),
    ],
)
def test_bad_parameters(parameters, error, message):
    model = late().set_params(**parameters)
    with pytest.raises(error, match=message):
        model.fit(X, Y)


def test_misspelt_columns():
    frame = pd.DataFrame(X).add_prefix("x")
    model = LateFusionClassifier([("eda", LOGISTIC, ["x0", "y1"])])
    with pytest.raises(ValueError, match=r"Columns \['x0', 'y1'\] of modality 'eda' are not all"):
        model.fit(frame, Y)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X, Y[:-1]), "targets, but X has"),
        ((X, Y, SUBJECTS[:-1]), r"groups has shape \(119,\), but X has 120 rows"),
        ((X, np.full(120, "rest")), "All training windows are of one class, 'rest'"),
        ((X, pd.Series(["rest"] * 120)), "All training windows are of one class, 'rest'"),
        ((X, Y, np.zeros(120, dtype=int)), "All training windows are of subject 0"),
        (
            (np.full_like(X, np.nan), Y),
            "Modality 'eda', 'bvp' is dropped: its training windows are missing or of one class. "
            "No modality is left",
        ),
    ],
)
def test_bad_data(arguments, message):
    X, y, *groups = arguments
    with pytest.raises(ValueError, match=message):
        late("weighted").fit(X, y, groups=groups[0] if groups else None)


GAPS = {
    "everywhere": np.ones(120, dtype=bool),
    "in one class": Y == "rest",
    "but in one subject": SUBJECTS > 0,
}


@pytest.mark.parametrize("gaps", GAPS)
@pytest.mark.parametrize("fusion", FUSIONS)
def test_modalities_that_cannot_be_fitted_are_dropped(fusion, gaps):
    gappy = np.where(GAPS[gaps][:, None] & (np.arange(5) < 2), np.nan, X)
    model = late(fusion)
    if gaps == "but in one subject" and fusion in ("mean", "vote"):
        assert set(model.fit(gappy, Y, groups=SUBJECTS).estimators_) == {"eda", "bvp"}
        return
    with pytest.warns(UserWarning, match="Modality 'eda' is dropped: ") as caught:
        model.fit(gappy, Y, groups=SUBJECTS)
    assert [Path(warning.filename).name for warning in caught] == ["test_fusion.py"]
    alone = LateFusionClassifier([("bvp", LOGISTIC, [2, 3, 4])], fusion=fusion)
    alone.fit(X, Y, groups=SUBJECTS)
    # The other modality is fitted and predicted as if it were alone.
    np.testing.assert_allclose(model.predict_proba(gappy), alone.predict_proba(X), atol=1e-12)
    assert set(model.predict_by_modality(gappy)) == {"bvp"}


@pytest.mark.parametrize("fusion", ["weighted", "stacking"])
def test_inner_folds_skip_modalities_that_cannot_be_fitted(fusion):
    """Two subjects have the modality, one of them in a single class, which cannot be fitted."""
    gaps = (SUBJECTS > 1) | ((SUBJECTS == 1) & (Y == "rest"))
    gappy = np.where(gaps[:, None] & (np.arange(5) < 2), np.nan, X)
    cv = list(LeaveOneGroupOut().split(X, Y, SUBJECTS))
    with pytest.warns(UserWarning, match=r"'eda' is skipped in 1 of 6 inner folds") as caught:
        model = late(fusion, cv=cv).fit(gappy, Y, groups=SUBJECTS)
    assert [Path(warning.filename).name for warning in caught] == ["test_fusion.py"]
    # Fitted on subject 0 alone, and tested on subject 1, who has only windows of stress.
    alone = clone(LOGISTIC).fit(X[SUBJECTS == 0][:, :2], Y[SUBJECTS == 0])
    tested = (SUBJECTS == 1) & (Y == "stress")
    expected = alone.score(X[tested][:, :2], Y[tested])
    assert model.modality_scores_["eda"] == pytest.approx(expected)
    assert not np.isnan(model.predict_proba(gappy)).any()


def test_subject_column_and_groups_have_to_agree():
    model = recorder(subject_column=0).fit(WITH_SUBJECTS, Y, groups=SUBJECTS)
    assert model.estimators_
    with pytest.raises(ValueError, match="subject_column=0 and groups differ, first in row 20"):
        recorder(subject_column=0).fit(WITH_SUBJECTS, Y, groups=np.maximum(SUBJECTS - 1, 0))


def test_base_class_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        ModalityEnsemble([("eda", LOGISTIC, [0])])


@pytest.mark.parametrize("estimator", ["drop", None, StandardScaler(), Ridge])
def test_regressor_refuses_other_estimators(estimator):
    with pytest.raises(TypeError, match=r"Estimator 'eda' is .*unfitted regressor"):
        LateFusionRegressor([("eda", estimator, [0])]).fit(X, VALUES)


def test_regressor_refuses_votes_and_classifiers():
    with pytest.raises(ValueError, match="Unknown fusion 'vote'"):
        late_regressor("vote").fit(X, VALUES)
    with pytest.raises(TypeError, match="expected an unfitted regressor"):
        LateFusionRegressor([("eda", LOGISTIC, [0])]).fit(X, VALUES)


def test_classes_that_a_modality_was_not_fitted_on():
    y = np.digitize(VALUES, [-1, 1])
    sparse = X.copy()
    sparse[y == 2, :2] = np.nan
    fitted = late().fit(sparse, y)
    assert (fitted.predict_by_modality(X)["eda"][:, 2] == 0).all()


# Additive


def test_additive_equals_nanmean():
    embeddings = RANDOM.normal(size=(10, 3, 192)).astype(np.float32)
    embeddings[2, 1] = embeddings[3, :2] = np.nan
    fused = AdditiveFusion().fit_transform(embeddings.reshape(10, -1))
    assert fused.dtype == np.float32
    expected = np.nanmean(embeddings, axis=1, dtype=np.float64).astype(np.float32)
    np.testing.assert_array_equal(fused, expected)


def test_additive_without_any_embedding():
    assert np.isnan(AdditiveFusion(2).fit_transform(np.full((1, 4), np.nan))).all()


def test_additive_names():
    fused = AdditiveFusion(2).set_output(transform="pandas").fit_transform(np.ones((1, 4)))
    assert fused.columns.tolist() == ["mean_000", "mean_001"]


def test_additive_refuses_other_columns():
    with pytest.raises(ValueError, match="X has 5 columns, which is not a multiple of emb"):
        AdditiveFusion(2).fit(np.ones((1, 5)))
    with pytest.raises(ValueError, match="embedding_size=0; expected"):
        AdditiveFusion(0).fit(np.ones((1, 5)))
    with pytest.raises(ValueError, match="infinity"):
        AdditiveFusion(2).fit(np.full((1, 4), np.inf))


@pytest.mark.parametrize("fusion", ["weighted", "stacking"])
def test_inner_folds_without_subjects_warn(fusion):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 4)), np.tile([0, 1], 20)
    parts = [("a", LogisticRegression(), [0, 1]), ("b", LogisticRegression(), [2, 3])]
    model = LateFusionClassifier(parts, fusion=fusion)
    with pytest.warns(UserWarning, match=r"has no subjects: its inner folds .* groups=subjects"):
        model.fit(X, y)
    groups = np.repeat(np.arange(10), 4)
    search = GridSearchCV(model, {"a__C": [1]}, cv=GroupKFold(2), refit=False)
    with pytest.warns(UserWarning, match="in a search, subject_column= is simpler"):
        search.fit(X, y, groups=groups)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y, groups=groups)


def test_a_modality_of_an_object_array_is_missing_by_its_own_row():
    random = np.random.default_rng(0)
    y = np.tile([0, 1], 20)
    features = random.normal(size=(40, 4)) + 2 * y[:, None]
    features[::5, 0] = np.nan
    X = np.column_stack([features.astype(object), np.repeat(["a", "b", "c", "d"], 10)])
    model = make_pipeline(SimpleImputer(), LogisticRegression())
    late = LateFusionClassifier([("eda", model, [0, 1]), ("bvp", model, [2, 3])], subject_column=4)
    late.fit(X, y)
    np.testing.assert_allclose(late.predict_proba(X[:1]), late.predict_proba(X)[:1], rtol=1e-12)
    assert not np.isnan(late.predict_by_modality(X[:1])["eda"]).any()
