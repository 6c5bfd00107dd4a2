"""Protocols of studies: fixed lists of subjects, repeated folds, and calibration windows."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline

from sklearn_biomoe import SubjectScaler
from sklearn_biomoe.evaluation import (
    Calibration,
    FixedSplit,
    LeakWarning,
    RepeatedGroupKFold,
    run_study,
)
from sklearn_biomoe.evaluation.calibration import SCORED, assign_windows, tabulate_use

# Classes alternate, which a spline of time predicts.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn_biomoe.evaluation.LeakWarning")


@pytest.fixture
def data():
    """Six subjects with ten windows of 60 s, alternately of two classes, and three features."""
    random = np.random.default_rng(0)
    y, groups = np.tile(["rest", "pain"], 30), np.repeat([f"P{i}" for i in range(6)], 10)
    X = random.normal(size=(60, 3)) + 2.0 * (y == "pain")[:, None]
    return X, y, groups


@pytest.fixture
def intervals():
    starts = np.tile(60.0 * np.arange(10), 6)
    return np.column_stack([starts, starts + 60])


class Recorder(ClassifierMixin, BaseEstimator):
    """Remembers the rows that are passed to it, from its only feature, in a list of all calls."""

    calls: list = []  # noqa: RUF012

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        Recorder.calls.append(("fit", np.ravel(X).tolist(), np.asarray(y).tolist()))
        return self

    def predict(self, X):
        Recorder.calls.append(("predict", np.ravel(X).tolist()))
        return np.repeat(self.classes_[0], len(X))


@pytest.fixture
def calls():
    Recorder.calls.clear()
    return Recorder.calls


def rows():
    return np.arange(60)[:, None]


# Fixed lists of subjects


def test_fixed_split(data):
    X, y, groups = data
    split = FixedSplit(train=["P0", "P1", "P2"], validation=["P3"], test=["P4", "P5"])
    study = run_study({"logistic": LogisticRegression()}, X, y, groups, cv=split)
    train, test = groups < "P3", groups > "P3"
    predicted = LogisticRegression().fit(X[train], y[train]).predict(X[test])
    own = study.predictions[study.predictions["method"] == "logistic"]
    assert own["window"].tolist() == np.flatnonzero(test).tolist()
    assert own["predicted"].tolist() == predicted.tolist()
    scores = study.scores.set_index(["method", "subject"])["balanced_accuracy"]["logistic"]
    assert scores["P5"] == balanced_accuracy_score(y[50:], predicted[10:])
    assert study.environment["folds"] == 1
    assert "validation=['P3']" in study.environment["cv"]


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        (
            {"train": ["P0", "P1", "P2"], "validation": ["P2", "P3"], "test": ["P3", "P4", "P5"]},
            "once .train: 'P2'; validation: 'P2', 'P3'; test: 'P3'.; list each subject once",
        ),
        ({"train": ["P0", "P0", "P1", "P2"], "test": ["P3", "P4", "P5"]}, "once .train: 'P0'."),
        (
            {"train": ["P0", "P1", "P2", "P33"], "test": ["P3", "P4", "P5"]},
            "Subjects 'P33' are listed but have no windows; groups has 'P0', 'P1'",
        ),
        (
            {"train": ["P0", "P1"], "test": ["P4", "P5"]},
            "Subjects 'P2', 'P3' have windows but are in no list; .*.validation subjects are not",
        ),
        ({"train": [0, 1, 2], "test": ["P4"]}, "Subjects 0, 1, 2 are listed but have no windows"),
        ({"train": ["P0"], "test": []}, r"test=\[\]; expected a list of one subject or more"),
        ({"train": "P0", "test": ["P1"]}, "train='P0'; expected a list"),
    ],
)
def test_wrong_lists(data, lists, message):
    with pytest.raises(ValueError, match=message):
        run_study({"dummy": DummyClassifier()}, *data, cv=FixedSplit(**lists))


def test_lists_may_be_arrays_and_numbers(data):
    X, y, groups = data
    numbers = np.array([int(group[1]) for group in groups])
    split = FixedSplit(np.array([0, 1, 2]), pd.Series([3, 4, 5]))
    study = run_study({"dummy": DummyClassifier()}, X, y, numbers, cv=split)
    assert sorted(study.scores["subject"].unique()) == [3, 4, 5]


def test_repeated_folds_split_subjects_in_searches(data):
    X, y, groups = data
    cv = RepeatedGroupKFold(2, n_repeats=2, random_state=0)
    assert repr(cv) == "RepeatedGroupKFold(n_repeats=2, n_splits=2, random_state=0)"
    search = GridSearchCV(DummyClassifier(), {"strategy": ["prior"]}, cv=cv)
    study = run_study({"search": search}, X, y, groups, cv=RepeatedGroupKFold(3, n_repeats=1))
    assert len(study.scores[study.scores["method"] == "search"]) == 6


# Calibration


def test_calibration_windows_with_targets_join_training(calls, data, intervals):
    _, y, groups = data
    calibration = Calibration(n_windows=3, labels=True)
    options = {"calibration": calibration, "intervals": intervals}
    study = run_study({"recorder": Recorder()}, rows(), y, groups, **options)
    fits, predictions = calls[0::2], calls[1::2]
    assert fits[0] == ("fit", [*range(10, 60), 0, 1, 2], [*y[10:], *y[:3]])
    assert predictions[0] == ("predict", list(range(3, 10)))
    own = study.predictions[study.predictions["method"] == "recorder"]
    assert own["window"].tolist() == [row for row in range(60) if row % 10 > 2]
    assert (study.scores["n_windows"] == 7).all()


def test_calibration_windows_without_targets_are_passed_to_predict(calls, data, intervals):
    _, y, groups = data
    options = {"calibration": Calibration(minutes=2), "intervals": intervals}
    study = run_study({"recorder": Recorder()}, rows(), y, groups, **options)
    assert calls[0] == ("fit", list(range(10, 60)), y[10:].tolist())
    assert calls[1] == ("predict", list(range(10)))
    own = study.predictions[study.predictions["method"] == "recorder"]
    assert own["window"].tolist() == [row for row in range(60) if row % 10 > 1]


def test_what_is_used_of_test_subjects_is_reported(data, intervals):
    X, y, groups = data
    frame = pd.DataFrame(X, columns=list("abc"))
    calibration = Calibration(n_windows=4)
    frame = frame.assign(subject=groups, first=calibration.mark(groups, intervals))
    scaler = SubjectScaler("calibration", subject_column="subject", calibration_column="first")
    own = make_pipeline(
        SubjectScaler(subject_column="subject"), LogisticRegression()
    )  # the scaler ignores calibration windows
    methods = {"scaled": make_pipeline(scaler, LogisticRegression()), "not": own}
    frame["first"] = frame["first"].astype(float)
    options = {"calibration": calibration, "intervals": intervals}
    study = run_study(methods, frame, y, groups, **options)
    summary = study.summary()
    assert summary.loc["scaled", "n_calibration"] == 4
    assert summary.loc["scaled", "calibration_seconds"] == 240
    assert summary.loc["not", "n_calibration"] == 0
    assert not summary["calibration_labels"].any()
    assert study.calibration.loc["P3"].to_dict() == {
        "n_windows": 4, "seconds": 240, "labels": False, "n_scored": 6, "n_neither": 0,
    }  # fmt: skip
    assert (
        "Calibration: the first 4 windows (240 s) of each test subject are used (signals, not "
        "targets) and not scored."
    ) in study.decisions
    assert {alarm.kind for alarm in study.alarms} == {"time alone scores"}

    fitted = methods["scaled"].fit(frame[10:], y[10:])
    own = study.predictions[study.predictions["method"] == "scaled"].iloc[:6]
    assert own["predicted"].tolist() == fitted.predict(frame[:10])[4:].tolist()


def test_baselines_and_controls_use_targets_of_calibration(data, intervals):
    calibration = Calibration(n_windows=3, labels=True)
    options = {"calibration": calibration, "intervals": intervals}
    study = run_study({"logistic": LogisticRegression()}, *data, **options)
    assert "own majority" in study.controls
    own = study.predictions[study.predictions["method"] == "own majority"]
    assert (own["predicted"] == "rest").all()  # two of the first three windows
    uses = study.summary()["calibration_labels"]
    assert not uses["training majority"]
    assert uses.drop("training majority").all()
    assert any("(signals and targets)" in each for each in study.decisions)


def test_own_mean_of_ratings():
    starts = np.tile(60.0 * np.arange(6), 4)
    intervals, groups = np.column_stack([starts, starts + 60]), np.repeat(list("abcd"), 6)
    y = np.random.default_rng(0).normal(size=24) + np.repeat([0, 2, 4, 6], 6)
    options = {"calibration": Calibration(n_windows=2, labels=True), "intervals": intervals}
    study = run_study({"mean": OwnMean()}, rows()[:24], y, groups, **options)
    for subject, windows in study.predictions.groupby(["method", "subject"]):
        if subject[0] == "own mean":
            expected = y[groups == subject[1]][:2].mean()
            np.testing.assert_allclose(windows["predicted"], expected)


class OwnMean(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        self.mean_ = np.mean(y)
        return self

    def predict(self, X):
        return np.repeat(self.mean_, len(X))


@pytest.mark.parametrize(
    ("calibration", "used", "scored"),
    [
        (Calibration(n_windows=2), [0, 1], [4, 5, 6, 7]),
        (Calibration(minutes=2), [0, 1, 2], [4, 5, 6, 7]),
        (Calibration(minutes=1), [0], [2, 3, 4, 5, 6, 7]),
    ],
)
def test_windows_that_overlap_with_calibration_are_left_out(calibration, used, scored):
    """Windows of 60 s every 30 s that start 1000 s after the session; rows are not in order."""
    order = np.random.default_rng(0).permutation(8)
    starts = 1000 + 30.0 * np.arange(8)
    if calibration.n_windows:
        scored = [3, 4, 5, 6, 7]  # 1090 s is the end of the second window
    intervals = np.column_stack([starts, starts + 60])[order]
    groups = np.repeat("a", 8)
    marks = calibration.mark(groups, intervals)
    assert sorted(order[marks]) == used
    uses = assign_windows(calibration, groups, intervals)
    assert sorted(order[uses == SCORED]) == scored
    (row,) = tabulate_use(calibration, groups, intervals, uses).to_dict("records")
    assert row["seconds"] == 30 * len(used) + 30  # of the union
    assert row["n_neither"] == 8 - len(used) - len(scored)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "n_windows=None and minutes=None; pass one of them"),
        ({"n_windows": 3, "minutes": 1}, "n_windows=3 and minutes=1; pass one"),
        ({"n_windows": 0}, "n_windows=0; expected an integer of 1 or more"),
        ({"minutes": -1}, "minutes=-1; expected a finite number above 0"),
    ],
)
def test_wrong_calibration(parameters, message):
    with pytest.raises(ValueError, match=message):
        Calibration(**parameters)


def test_calibration_that_does_not_fit_the_data(data, intervals):
    X, y, groups = data
    base = {"methods": {"dummy": DummyClassifier()}, "X": X, "y": y, "groups": groups}
    base |= {"intervals": intervals}
    for change, message in [
        ({"calibration": Calibration(n_windows=3), "intervals": None}, "requires intervals="),
        ({"calibration": 3}, "calibration=3; expected Calibration"),
        ({"calibration": Calibration(n_windows=10)}, "'P0', .* have no windows left to score"),
        ({"calibration": Calibration(minutes=0.5)}, "'P0', .* have no window that ends in these"),
        ({"calibration": Calibration(n_windows=9)}, "'P0', .* windows of a single class"),
    ]:
        with pytest.raises((TypeError, ValueError), match=message):
            run_study(**base | change)
    with pytest.raises(ValueError, match=r"intervals has shape .59, 2., but X has 60 rows"):
        Calibration(n_windows=1).mark(groups, intervals[1:])


def test_folds_without_windows_to_score(data, intervals):
    """Twelve folds of five windows: every other one has the first five of a subject."""
    X, y, groups = data
    options = {"calibration": Calibration(n_windows=5), "intervals": intervals, "cv": KFold(12)}
    message = r"Fold 0 tests only rows 0, 1, 2, 3, 4, .* 'leave_one_subject_out'"
    with pytest.raises(ValueError, match=message):
        run_study({"dummy": DummyClassifier()}, X, y, groups, **options)


def test_marks_that_differ_from_the_calibration(data, intervals):
    X, y, groups = data
    scaler = SubjectScaler("calibration", subject_column="subject", calibration_column="first")
    method = make_pipeline(scaler, LogisticRegression())
    marks = Calibration(n_windows=2).mark(groups, intervals)
    frame = pd.DataFrame(X, columns=list("abc")).assign(subject=groups, first=marks)
    options = {"calibration": Calibration(n_windows=3), "intervals": intervals}
    with pytest.raises(
        ValueError, match=r"'first', which differs .* in rows 2, 12, .* calibration.mark"
    ):
        run_study({"scaled": method}, frame, y, groups, **options)


def test_calibration_windows_that_are_scored_raise_an_alarm(data, intervals):
    X, y, groups = data
    scaler = SubjectScaler("calibration", subject_column="subject", calibration_column="first")
    marks = Calibration(n_windows=2).mark(groups, intervals)
    frame = pd.DataFrame(X, columns=list("abc")).assign(subject=groups, first=marks)
    with pytest.warns(LeakWarning, match="windows, which are scored too: pass calibration="):
        run_study({"scaled": make_pipeline(scaler, LogisticRegression())}, frame, y, groups)


def test_kept_results_depend_on_calibration(data, intervals, tmp_path):
    base = {"intervals": intervals, "folder": tmp_path}
    methods = {"dummy": DummyClassifier()}
    run_study(methods, *data, **base)
    with pytest.raises(ValueError, match="folds changed"):
        run_study(methods, *data, **base, calibration=Calibration(n_windows=2))
