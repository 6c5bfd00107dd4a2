"""Ordinal classification: equal to binary classifiers of thresholds, by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_biomoe.ordinal import OrdinalClassifier

LEVELS = np.repeat([0, 1, 3], [30, 20, 10])


@pytest.fixture
def X():
    return LEVELS[:, None] + np.random.default_rng(0).normal(0, 1, size=(60, 2))


def test_probabilities_are_differences_of_binary_ones(X):
    model = OrdinalClassifier(LogisticRegression()).fit(X, LEVELS)
    first, second = (
        LogisticRegression().fit(X, level < LEVELS).predict_proba(X)[:, 1] for level in (0, 1)
    )
    assert (first > second).all()
    expected = np.column_stack([1 - first, first - second, second])
    np.testing.assert_allclose(model.predict_proba(X), expected)
    np.testing.assert_array_equal(model.predict(X), model.classes_[expected.argmax(axis=1)])
    np.testing.assert_array_equal(model.classes_, [0, 1, 3])


def test_order_is_used():
    """Levels in the middle of a line, which one hyperplane against the others cannot separate."""
    x = np.linspace(-2, 2, 61)[:, None]
    levels = np.digitize(x[:, 0], [-1.0, 0.0, 1.0])
    model = OrdinalClassifier(LogisticRegression(C=100)).fit(x, levels)
    assert (model.predict(x) == levels).mean() > 0.95


def test_probabilities_that_cross_are_not_negative():
    """Balanced binary classifiers contradict each other where two levels are rare."""

    class Crossing(DummyClassifier):
        def predict_proba(self, X):
            above = np.full(len(X), 0.2 if self.class_prior_[1] > 0.3 else 0.6)
            return np.column_stack([1 - above, above])

    found = OrdinalClassifier(Crossing()).fit(LEVELS[:, None], LEVELS).predict_proba([[0]])
    np.testing.assert_allclose(found, [[0.8 / 1.4, 0, 0.6 / 1.4]])


def test_levels_of_equal_weight(X):
    model = OrdinalClassifier(LogisticRegression(), class_weight="balanced").fit(X, LEVELS)
    weights = 60 / 3 / np.repeat([30, 20, 10], [30, 20, 10])
    first = LogisticRegression().fit(X, LEVELS > 0, sample_weight=weights)
    np.testing.assert_allclose(model.estimators_[0].coef_, first.coef_)


def test_any_input_and_names():
    frame = pd.DataFrame({"eda": [np.ones(3)] * 6, "age": 30})
    model = OrdinalClassifier(DummyClassifier()).fit(frame, [0, 1, 2, 2, 1, 2])
    assert list(model.feature_names_in_) == ["eda", "age"]
    assert model.predict(frame).tolist() == [2] * 6
    images = np.zeros((4, 8, 8, 3), dtype=np.uint8)
    assert OrdinalClassifier(DummyClassifier()).fit(images, [0, 1, 2, 2]).predict(images)[0] == 2


def test_texts_are_ordered_by_the_alphabet_with_a_warning(X):
    names = np.array(["high", "low", "medium", "?"])[LEVELS]
    model = OrdinalClassifier(LogisticRegression())
    with pytest.warns(UserWarning, match="ordered by the alphabet: '\\?', 'high', 'low'. Encode"):
        clone(model).fit(X, names)


@pytest.mark.parametrize(
    ("estimator", "options", "message"),
    [
        (Ridge(), {}, "estimator is Ridge.*expected an unfitted classifier"),
        (RidgeClassifier(), {}, "has no predict_proba.*CalibratedClassifierCV"),
        (make_pipeline(StandardScaler(), LogisticRegression()), {"class_weight": "balanced"},
         "takes no sample_weight.*before OrdinalClassifier"),
    ],
)  # fmt: skip
def test_wrong_estimators(X, estimator, options, message):
    with pytest.raises(TypeError, match=message):
        OrdinalClassifier(estimator, **options).fit(X, LEVELS)


def test_wrong_targets(X):
    model = OrdinalClassifier(LogisticRegression())
    for y, message in [
        (np.ones(60), r"of one class, 1\.0; add"),
        (LEVELS + 0.5, "continuous"),
        (LEVELS[:9], "y has 9 targets, but X has 60 rows"),
    ]:
        with pytest.raises(ValueError, match=message):
            clone(model).fit(X, y)
