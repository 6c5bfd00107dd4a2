"""SubjectScaler scales features per subject, without leaks between folds."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    LeaveOneGroupOut,
    LeavePGroupsOut,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_biomoe import SubjectScaler

RNG = np.random.default_rng(0)
SUBJECTS = RNG.permutation(np.repeat([3, 5, 8, 9], [6, 8, 10, 4]))
FEATURES = RNG.normal(SUBJECTS[:, None] * 10.0, SUBJECTS[:, None], (28, 3))
TARGET = RNG.integers(0, 2, 28)
CALIBRATION = np.zeros(28, dtype=bool)
for _subject in (3, 5, 8, 9):
    CALIBRATION[np.flatnonzero(np.isin(SUBJECTS, _subject))[:3]] = True
TEST = SUBJECTS == 8
POLICIES = ["own", "calibration", "training"]


def frame(features=FEATURES, subjects=SUBJECTS, calibration=CALIBRATION):
    table = pd.DataFrame(features, columns=["a", "b", "c"])
    table.insert(1, "subject", subjects)
    return table.assign(calibration=calibration)


def by_column(unseen):
    return SubjectScaler(unseen, subject_column="subject", calibration_column="calibration")


def standardised(rows, by=None):
    by = rows if by is None else by
    return (rows - by.mean(axis=0)) / by.std(axis=0)


def test_seen_subjects_are_scaled_by_their_rows_in_fit():
    scaler = by_column("own").fit(frame())
    scaled = scaler.transform(frame())
    for subject in (3, 5, 8, 9):
        own = np.isin(SUBJECTS, subject)
        np.testing.assert_allclose(scaled[own], standardised(FEATURES[own]))
    np.testing.assert_array_equal(scaler.transform(frame().iloc[4:6]), scaled[4:6])
    np.testing.assert_array_equal(by_column("own").fit_transform(frame()), scaled)
    assert scaler.subjects_.tolist() == [3, 5, 8, 9]


def test_unseen_subjects_by_hand():
    test, marked = FEATURES[TEST], FEATURES[TEST & CALIBRATION]
    train, subjects = FEATURES[~TEST], SUBJECTS[~TEST]
    within = np.concatenate(
        [train[subjects == s] - train[subjects == s].mean(0) for s in (3, 5, 9)]
    )
    expected = {
        "own": standardised(test),
        "calibration": standardised(test, by=marked),
        "training": (test - train.mean(axis=0)) / np.sqrt((within**2).mean(axis=0)),
    }
    for unseen, by_hand in expected.items():
        scaler = by_column(unseen).fit(frame()[~TEST])
        np.testing.assert_allclose(scaler.transform(frame()[TEST]), by_hand)


def test_calibration_rows_scale_training_subjects_too():
    scaled = by_column("calibration").fit_transform(frame())
    own = SUBJECTS == 5
    by_hand = standardised(FEATURES[own], by=FEATURES[own & CALIBRATION])
    np.testing.assert_allclose(scaled[own], by_hand)


def test_columns_and_metadata_give_equal_results():
    for unseen in POLICIES:
        columns = by_column(unseen).fit(frame()[~TEST])
        routed = SubjectScaler(unseen).fit(
            FEATURES[~TEST], groups=SUBJECTS[~TEST], calibration=CALIBRATION[~TEST]
        )
        np.testing.assert_array_equal(
            columns.transform(frame()[TEST]),
            routed.transform(FEATURES[TEST], groups=SUBJECTS[TEST], calibration=CALIBRATION[TEST]),
        )


def test_other_test_subjects_have_no_effect():
    both = np.isin(SUBJECTS, [8, 9])
    for unseen in POLICIES:
        scaler = by_column(unseen).fit(frame()[~both])
        together, alone = scaler.transform(frame()[both]), scaler.transform(frame()[TEST])
        np.testing.assert_array_equal(together[SUBJECTS[both] == 8], alone)


def test_training_policy_scales_rows_independently():
    scaler = by_column("training").fit(frame()[~TEST])
    whole = scaler.transform(frame()[TEST])
    changed = frame()[TEST]
    changed.iloc[1:, 0] += 100.0
    np.testing.assert_array_equal(scaler.transform(changed)[0], whole[0])
    np.testing.assert_array_equal(scaler.transform(changed.iloc[:1]), whole[:1])


# Cross-validation


def probabilities(model, X, y, cv, params, metadata):
    """Predict each fold with the model of that fold and the metadata of its rows."""
    options = {"return_estimator": True, "return_indices": True, "error_score": "raise"}
    result = cross_validate(model, X, y, cv=cv, **options, **params)
    found = np.full((len(y), 2), np.nan)
    for fitted, test in zip(result["estimator"], result["indices"]["test"], strict=True):
        rows = X.iloc[test] if isinstance(X, pd.DataFrame) else X[test]
        routed = {name: values[test] for name, values in metadata.items()}
        found[test] = fitted.predict_proba(rows, **routed)
    return found


def routed_folds(unseen, X, y, cv):
    with sklearn.config_context(enable_metadata_routing=True):
        requests = {"groups": True, "calibration": True}
        scaler = SubjectScaler(unseen)
        scaler.set_fit_request(**requests).set_transform_request(**requests)
        model = make_pipeline(scaler, LogisticRegression())
        metadata = {"groups": SUBJECTS, "calibration": CALIBRATION}
        return probabilities(model, X, y, cv, {"params": metadata}, metadata)


def column_folds(unseen, X, y, cv):
    model = make_pipeline(by_column(unseen), LogisticRegression())
    return probabilities(model, frame(X), y, cv, {"groups": SUBJECTS}, {})


FOLDS = pytest.mark.parametrize("folds", [column_folds, routed_folds])
UNSEEN = pytest.mark.parametrize("unseen", POLICIES)


def folds_of_subject_8(folds, unseen, X, y):
    return folds(unseen, X, y, LeaveOneGroupOut())[TEST]


@FOLDS
@UNSEEN
def test_folds_equal_scaling_by_hand(folds, unseen):
    scaler = by_column(unseen)
    model = LogisticRegression().fit(scaler.fit_transform(frame()[~TEST]), TARGET[~TEST])
    expected = model.predict_proba(scaler.transform(frame()[TEST]))
    found = folds_of_subject_8(folds, unseen, FEATURES, TARGET)
    np.testing.assert_allclose(found, expected)


@FOLDS
@UNSEEN
def test_labels_of_the_test_subject_have_no_effect(folds, unseen):
    flipped = np.where(TEST, 1 - TARGET, TARGET)
    np.testing.assert_array_equal(
        folds_of_subject_8(folds, unseen, FEATURES, flipped),
        folds_of_subject_8(folds, unseen, FEATURES, TARGET),
    )


@FOLDS
@UNSEEN
def test_rows_of_other_test_subjects_have_no_effect(folds, unseen):
    fold = [(np.flatnonzero(SUBJECTS < 8), np.flatnonzero(SUBJECTS >= 8))]
    other = np.where((SUBJECTS == 9)[:, None], FEATURES**2, FEATURES)
    found = [folds(unseen, X, TARGET, fold)[TEST] for X in (FEATURES, other)]
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(*found)


@FOLDS
@pytest.mark.parametrize(("unseen", "affected"), [("training", False), ("own", True)])
def test_rows_used_to_scale_the_test_subject(folds, unseen, affected):
    row = np.flatnonzero(TEST)[0]
    changed = FEATURES.copy()
    changed[TEST & (np.arange(28) != row)] += RNG.normal(size=3) * 50
    before = folds(unseen, FEATURES, TARGET, LeaveOneGroupOut())[row]
    after = folds(unseen, changed, TARGET, LeaveOneGroupOut())[row]
    assert np.array_equal(before, after) is not affected


def test_calibration_uses_only_marked_rows():
    changed = np.where((TEST & ~CALIBRATION)[:, None], FEATURES + 50, FEATURES)
    marked = CALIBRATION[TEST]
    found = [
        folds_of_subject_8(column_folds, "calibration", X, TARGET) for X in (FEATURES, changed)
    ]
    np.testing.assert_array_equal(found[0][marked], found[1][marked])


def test_grid_search_over_policies():
    model = make_pipeline(by_column("own"), LogisticRegression())
    grid = {"subjectscaler__unseen": POLICIES}
    search = GridSearchCV(model, grid, cv=LeaveOneGroupOut(), error_score="raise")
    search.fit(frame(), TARGET, groups=SUBJECTS)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    pairs = cross_validate(
        search.best_estimator_, frame(), TARGET, groups=SUBJECTS, cv=LeavePGroupsOut(2)
    )
    assert pairs["test_score"].shape == (6,)


def test_grid_search_with_routing_equals_subject_column():
    grid, options = {"subjectscaler__unseen": ["own", "training"]}, {"error_score": "raise"}
    cv = LeaveOneGroupOut()
    model = make_pipeline(by_column("own"), LogisticRegression())
    expected = GridSearchCV(model, grid, cv=cv, **options).fit(frame(), TARGET, groups=SUBJECTS)
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = SubjectScaler().set_fit_request(groups=True).set_transform_request(groups=True)
        model = make_pipeline(scaler, LogisticRegression())
        search = GridSearchCV(model, grid, cv=cv, **options)
        search.fit(FEATURES, TARGET, groups=SUBJECTS)
    name = "mean_test_score"
    np.testing.assert_array_equal(search.cv_results_[name], expected.cv_results_[name])


def test_error_explains_that_scorers_do_not_route_to_predict():
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = SubjectScaler().set_fit_request(groups=True).set_transform_request(groups=True)
        model = make_pipeline(scaler, LogisticRegression())
        options = {"params": {"groups": SUBJECTS}, "scoring": "accuracy", "error_score": "raise"}
        with pytest.raises(ValueError, match=r"with scoring=\.\.\., only subject_column works"):
            cross_validate(model, FEATURES, TARGET, cv=LeaveOneGroupOut(), **options)


# Forms


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.Table.from_pandas])
def test_frames(make):
    scaler = by_column("own").fit(make(frame()))
    expected = by_column("own").fit_transform(frame())
    np.testing.assert_allclose(scaler.transform(make(frame())), expected)


def test_positions_strings_and_arrays():
    names = np.array(["x", "s3", "s5", "s8", "s9"])[np.searchsorted([0, 3, 5, 8, 9], SUBJECTS)]
    expected = by_column("own").fit_transform(frame())
    mixed = np.column_stack([names.astype(object), FEATURES])
    found = SubjectScaler("own", subject_column=0).fit_transform(mixed)
    np.testing.assert_allclose(found, expected)
    last = np.column_stack([FEATURES, SUBJECTS])
    found = SubjectScaler("own", subject_column=-1).fit_transform(last)
    np.testing.assert_allclose(found, expected)
    for strings in (names, names.astype(object), pd.Series(names)):
        scaler = SubjectScaler().fit(FEATURES, groups=strings)
        np.testing.assert_allclose(scaler.transform(FEATURES, groups=names), expected)


def test_names_and_pandas_output():
    X = frame().set_index(RNG.permutation(28))
    scaler = by_column("own").set_output(transform="pandas").fit(X)
    scaled = scaler.transform(X)
    assert list(scaled.columns) == list(scaler.get_feature_names_out()) == ["a", "b", "c"]
    pd.testing.assert_index_equal(scaled.index, X.index)
    polars = by_column("own").set_output(transform="polars").fit_transform(X)
    assert isinstance(polars, pl.DataFrame)
    assert polars.columns == ["a", "b", "c"]


def test_after_a_column_transformer():
    table = frame().assign(subject=SUBJECTS.astype(str))
    features = ColumnTransformer(
        [("scale", StandardScaler(), ["a", "b", "c"]), ("subject", "passthrough", ["subject"])],
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    model = make_pipeline(features, SubjectScaler("own", subject_column="subject"))
    expected = by_column("own").fit_transform(frame())
    np.testing.assert_allclose(model.fit_transform(table), expected)


def test_float32_is_preserved():
    scaler = SubjectScaler("own")
    scaled = scaler.fit_transform(FEATURES.astype(np.float32), groups=SUBJECTS)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, by_column("own").fit_transform(frame()), atol=1e-5)


def test_constant_features_and_single_rows_become_zero():
    X = np.array([[0.1, 1.0], [0.1, 2.0], [0.1, 6.0], [7.0, 7.0]])
    scaler = SubjectScaler("own").fit(X, groups=["a", "a", "a", "b"])
    scaled = scaler.transform(X, groups=["a", "a", "a", "b"])
    np.testing.assert_array_equal(scaled[:, 0], 0)
    np.testing.assert_array_equal(scaled[3], 0)
    np.testing.assert_array_equal(scaler.scales_[:, 0], 1)
    np.testing.assert_array_equal(scaler.transform([[5.0, 5.0]], groups=["new"]), [[0, 0]])
    assert SubjectScaler().fit(X[:3], groups=["a"] * 3).training_scale_[0] == 1


def test_clone_and_pickle():
    scaler = by_column("own").fit(frame()[~TEST])
    again = pickle.loads(pickle.dumps(scaler))
    np.testing.assert_array_equal(again.transform(frame()), scaler.transform(frame()))
    assert clone(scaler).get_params() == scaler.get_params()


@pytest.mark.parametrize(
    ("parameters", "metadata", "message"),
    [
        ({}, {}, "requires the subject of each row; pass subject_column="),
        ({}, {"groups": SUBJECTS[1:]}, r"groups has shape \(27,\), but X has 28 rows"),
        ({}, {"groups": FEATURES}, r"groups has shape \(28, 3\)"),
        (
            {},
            {"groups": [None, *SUBJECTS[1:]]},
            r"subject of row 0 is NaN, None or .* 1 of 28 rows",
        ),
        ({"subject_column": "who"}, {}, "subject_column='who' is not a column of X, .* 3: 'a'"),
        ({"subject_column": 3}, {}, "subject_column=3 is not a column"),
        ({"subject_column": "a"}, {"groups": SUBJECTS}, "Both subject_column='a' and groups"),
        ({"unseen": "none"}, {"groups": SUBJECTS}, "Unknown unseen 'none'"),
        ({"unseen": "calibration"}, {"groups": SUBJECTS}, "requires the calibration rows"),
        (
            {"unseen": "calibration"},
            {"groups": SUBJECTS, "calibration": CALIBRATION & (SUBJECTS != 5)},
            "Subject 5 has no calibration row among its 8",
        ),
        (
            {"unseen": "calibration"},
            {"groups": SUBJECTS, "calibration": SUBJECTS},
            r"Row 0 of calibration is .*; expected True or False",
        ),
        (
            {"unseen": "calibration"},
            {
                "groups": SUBJECTS,
                "calibration": pd.array([True, None, *CALIBRATION[2:]], dtype="boolean"),
            },
            "Row 1 of calibration is <NA>; expected True or False",
        ),
        (
            {"unseen": "calibration", "calibration_column": "a"},
            {"groups": SUBJECTS, "calibration": CALIBRATION},
            "Both calibration_column='a' and calibration",
        ),
    ],
)
def test_invalid_input(parameters, metadata, message):
    X = pd.DataFrame(FEATURES, columns=["a", "b", "c"])
    with pytest.raises(ValueError, match=message):
        SubjectScaler(**parameters).fit(X, **metadata)


def test_invalid_input_to_transform():
    with pytest.raises(ValueError, match="Subject 8 has no calibration row among its 10"):
        by_column("calibration").fit(frame()[~TEST]).transform(
            frame()[TEST].assign(calibration=False)
        )
    scaler = SubjectScaler("own").fit(FEATURES, groups=SUBJECTS)
    with pytest.raises(ValueError, match="<U1 such as '3', but int64 such as 3 in fit"):
        scaler.transform(FEATURES[:1], groups=["3"])
    with pytest.raises(ValueError, match="requires the subject of each row"):
        scaler.transform(FEATURES)
    with pytest.raises(ValueError, match="infinity"):
        scaler.transform(FEATURES * np.inf, groups=SUBJECTS)
    with pytest.raises(ValueError, match="all of them columns of subject"):
        SubjectScaler(subject_column=0).fit(FEATURES[:, :1])
    with pytest.raises(ValueError, match="Arrays have no column names"):
        by_column("own").fit(FEATURES)


def test_nan_is_ignored_and_kept():
    X = np.array([[1.0, 5.0], [3.0, np.nan], [10.0, np.nan], [30.0, np.nan]])
    scaler = SubjectScaler("own", subject_column=2)
    scaled = scaler.fit_transform(np.column_stack([X, [0, 0, 1, 1]]))
    assert scaled[:, 0].tolist() == [-1, 1, -1, 1]
    assert np.array_equal(scaled[:, 1], [0, np.nan, np.nan, np.nan], equal_nan=True)
    # Subject 1 has no value of the second feature in fit: later values use the training statistics.
    assert scaler.transform(np.array([[20.0, 6.0, 1]])).tolist() == [[0.0, 1.0]]
    unseen = np.array([[4.0, np.nan, 2], [8.0, np.nan, 2]])
    assert scaler.transform(unseen)[:, 0].tolist() == [-1, 1]
