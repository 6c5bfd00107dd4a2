"""Studies: scores as scikit-learn has them, statistics by hand, resumption, and leaks that ring."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import StackingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_biomoe import SubjectScaler, TinyBioMoEEmbedder
from sklearn_biomoe.evaluation import LeakWarning, RepeatedGroupKFold, run_study, statistics
from sklearn_biomoe.evaluation.leaks import hash_rows

LOGISTIC = make_pipeline(StandardScaler(), LogisticRegression())


@pytest.fixture
def data():
    """Six subjects with ten windows of four features each, of which the first tells the class."""
    random = np.random.default_rng(0)
    y, groups = np.tile(["rest", "stress"], 30), np.repeat([f"S{i}" for i in range(6)], 10)
    X = random.normal(size=(60, 4))
    X[:, 0] += y == "stress"
    return X, y, groups


class Noted(ClassifierMixin, BaseEstimator):
    """Writes a line to a file for each fit, and predicts by the sign of the first feature."""

    def __init__(self, path, pause=0.0):
        self.path = path
        self.pause = pause

    def fit(self, X, y):
        time.sleep(self.pause)
        with Path(self.path).open("a") as file:
            file.write(f"{len(X)}\n")
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        second = 1 / (1 + np.exp(-np.asarray(X)[:, 0]))
        return np.column_stack([1 - second, second])

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def kinds(study):
    return {alarm.kind for alarm in study.alarms}


# Scores


def test_scores_are_those_of_scikit_learn(data):
    X, y, groups = data
    study = run_study({"logistic": LOGISTIC}, X, y, groups)
    folds = {"cv": LeaveOneGroupOut(), "groups": groups}
    expected = cross_val_score(LOGISTIC, X, y, scoring="balanced_accuracy", **folds)
    np.testing.assert_allclose(study.scores["balanced_accuracy"], expected)
    f1 = cross_val_score(LOGISTIC, X, y, scoring="f1_macro", **folds)
    np.testing.assert_allclose(study.scores["macro_f1"], f1)
    auc = cross_val_score(LOGISTIC, X, y, scoring="roc_auc", **folds)
    np.testing.assert_allclose(study.scores["roc_auc"], auc)
    predicted = cross_val_predict(LOGISTIC, X, y, **folds)
    assert (study.predictions["predicted"] == predicted).all()
    summary = study.summary().loc["logistic"]
    np.testing.assert_allclose(
        summary[["mean", "sd"]].astype(float), [expected.mean(), expected.std()]
    )
    assert study.alarms == ()


def test_confusion_counts_every_window(data):
    X, y, groups = data
    study = run_study({"logistic": LOGISTIC}, X, y, groups)
    windows = study.predictions
    expected = pd.crosstab(windows["target"], windows["predicted"]).to_numpy()
    np.testing.assert_array_equal(study.confusion("logistic"), expected)
    cells = study.scores.filter(like="confusion_").sum().to_numpy()
    np.testing.assert_array_equal(cells, expected.ravel())
    with pytest.raises(ValueError, match="No method 'other' was studied"):
        study.confusion("other")


def test_methods_without_probabilities_have_no_area(data):
    X, y, groups = data
    study = run_study({"ridge": RidgeClassifier(), "logistic": LOGISTIC}, X, y, groups)
    areas = study.scores.groupby("method")["roc_auc"].apply(lambda area: area.isna().all())
    assert areas.to_dict() == {"ridge": True, "logistic": False}


def test_three_classes():
    random = np.random.default_rng(1)
    y, groups = np.tile([3, 5, 9], 20), np.repeat(np.arange(4), 15)
    X = random.normal(size=(60, 2)) + y[:, None] / 3
    study = run_study({"logistic": LOGISTIC}, X, y, groups)
    for _, own in study.predictions.groupby("subject"):
        probabilities = own.filter(like="probability_").to_numpy()
        expected = roc_auc_score(own["target"], probabilities, multi_class="ovr")
        subject = study.scores.set_index("subject").loc[own["subject"].iloc[0]]
        assert subject["roc_auc"] == pytest.approx(expected)
        expected = balanced_accuracy_score(own["target"], own["predicted"])
        assert subject["balanced_accuracy"] == pytest.approx(expected)


def test_repeats_are_averaged(data):
    X, y, groups = data
    cv = RepeatedGroupKFold(3, n_repeats=2, random_state=0)
    study = run_study({"logistic": LOGISTIC}, X, y, groups, cv=cv)
    assert sorted(study.predictions["repeat"].unique()) == [0, 1]
    assert len(study.predictions) == 120
    assert len(study.scores) == 6
    first = study.predictions[study.predictions["subject"] == "S0"]
    each = [
        balanced_accuracy_score(o["target"], o["predicted"]) for _, o in first.groupby("repeat")
    ]
    scores = study.scores.set_index("subject")["balanced_accuracy"]
    assert scores["S0"] == pytest.approx(np.mean(each))
    for train, test in cv.split(X, y, groups):
        assert not set(groups[train]) & set(groups[test])


@pytest.mark.filterwarnings("ignore::sklearn_biomoe.evaluation.LeakWarning")
def test_a_class_that_was_not_trained_on_counts_as_missed(data):
    X, y, groups = data
    y = np.where((groups == "S0") & (y == "stress"), "baseline", y)
    study = run_study({"logistic": LOGISTIC}, X, y, groups)
    assert "class not trained on" in kinds(study)
    windows = study.predictions[study.predictions["subject"] == "S0"]
    assert (windows["probability_baseline"] == 0).all()
    recall = (windows["predicted"] == "rest")[windows["target"] == "rest"].mean()
    assert study.scores["balanced_accuracy"].iloc[0] == pytest.approx(recall / 2)


# Statistics


def test_bootstrap_of_two_subjects_by_hand():
    """The mean is 0, 0.5 or 1 with probabilities 1/4, 1/2, 1/4: both tails hold over 2.5 %."""
    random = np.random.default_rng(0)
    assert statistics.bootstrap_interval(np.array([0.0, 1.0]), random) == (0.0, 1.0)
    scores = random.uniform(size=40)
    low, high = statistics.bootstrap_interval(scores, random)
    found = stats.bootstrap((scores,), np.mean, method="percentile", n_resamples=20_000)
    np.testing.assert_allclose((low, high), found.confidence_interval, atol=0.005)


@pytest.mark.parametrize("n_subjects", [5, 8])
def test_sign_flips_are_scipy_s(n_subjects):
    random = np.random.default_rng(n_subjects)
    differences = random.normal(0.3, 1, size=(n_subjects, 3))
    for column, p_value in zip(
        differences.T, statistics.sign_flip_p_values(differences, random), strict=True
    ):
        found = stats.permutation_test(
            (column,), np.sum, permutation_type="samples", n_resamples=np.inf
        )
        assert p_value == pytest.approx(found.pvalue)


def test_many_subjects_are_flipped_at_random():
    random = np.random.default_rng(0)
    differences = np.column_stack([random.normal(0, 1, 30), random.normal(3, 1, 30)])
    none, clear = statistics.sign_flip_p_values(differences, random)
    assert none == pytest.approx(stats.ttest_1samp(differences[:, 0], 0).pvalue, abs=0.03)
    assert clear == 1 / (1 + statistics.N_FLIPS)


def test_holm_by_hand():
    p_values = np.array([0.5, 0.01, 0.02, 0.4])
    np.testing.assert_allclose(statistics.holm(p_values), [0.8, 0.04, 0.06, 0.8])


def test_chance_is_what_all_permutations_give():
    """Four windows, two of each class: all 24 orders of predictions, by hand."""
    target, predicted = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    orders = [balanced_accuracy_score(target, p) for p in itertools.permutations(predicted)]
    random = np.random.default_rng(0)
    found = statistics.permuted_scores(target, predicted, 2, random)
    assert set(found) == set(orders)
    assert found.mean() == pytest.approx(np.mean(orders), abs=0.03)


def test_p_values_of_knowing_and_of_guessing(data):
    X, y, groups = data
    X[:, 1] = (y == "stress") + 0.01 * X[:, 1]
    study = run_study({"knows": LOGISTIC, "guesses": DummyClassifier()}, X, y, groups)
    summary = study.summary()
    assert summary.loc["knows", "p_value"] == 1 / 1001
    assert summary.loc["guesses", "p_value"] == 1
    assert summary.loc["guesses", "chance_low"] == summary.loc["guesses", "chance_high"] == 0.5
    (row,) = study.comparisons().to_dict("records")
    assert (row["method"], row["other"], row["difference"]) == ("knows", "guesses", 0.5)
    assert row["p_value"] == row["p_corrected"] == 2 / 2**6


def test_the_same_study_has_the_same_numbers(data):
    X, y, groups = data
    methods = {"logistic": LOGISTIC, "dummy": DummyClassifier()}
    first, second = (run_study(methods, X, y, groups, n_jobs=n_jobs) for n_jobs in (1, 2))
    pd.testing.assert_frame_equal(first.predictions, second.predictions)
    pd.testing.assert_frame_equal(
        first.summary().drop(columns="seconds"), second.summary().drop(columns="seconds")
    )
    pd.testing.assert_frame_equal(first.comparisons(), second.comparisons())


# Subjects for methods that need them


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_searches_split_by_subject(data, routing, in_pipeline):
    X, y, groups = data
    with sklearn.config_context(enable_metadata_routing=routing):
        method = GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=GroupKFold(3))
        if in_pipeline:
            method = make_pipeline(StandardScaler(), method)
        study = run_study({"search": method}, X, y, groups)
    assert len(study.scores) == 6


def test_searches_that_split_otherwise_get_no_subjects(data):
    X, y, groups = data
    run_study({"search": GridSearchCV(LogisticRegression(), {"C": [1]}, cv=KFold(3))}, X, y, groups)
    run_study({"stack": StackingClassifier([("a", LogisticRegression())], cv=3)}, X, y, groups)


# Keeping


def test_what_is_kept_is_not_run_again(data, tmp_path):
    X, y, groups = data
    path = tmp_path / "fits"
    first = run_study({"noted": Noted(str(path))}, X, y, groups, folder=tmp_path / "study")
    again = run_study(
        {"noted": Noted(str(path)), "dummy": DummyClassifier()},
        *(X, y, groups),
        folder=tmp_path / "study",
    )
    assert len(path.read_text().split()) == 6
    own = again.predictions["method"] == "noted"
    pd.testing.assert_frame_equal(first.predictions, again.predictions[own])
    assert again.seconds["noted"] == first.seconds["noted"]


def test_damaged_results_are_computed_anew(data, tmp_path):
    X, y, groups = data
    path, folder = tmp_path / "fits", tmp_path / "study"
    methods = {"noted": Noted(str(path))}
    first = run_study(methods, X, y, groups, folder=folder)
    files = sorted(folder.glob("noted_*.json"))
    kept = json.loads(files[0].read_text())
    kept["outcome"]["predicted"][0] = 1 - kept["outcome"]["predicted"][0]
    files[0].write_text(json.dumps(kept))
    files[1].write_text(files[1].read_text()[:50])
    with pytest.warns(UserWarning, match="is damaged .* and is computed anew") as told:
        again = run_study(methods, X, y, groups, folder=folder)
    assert len(told) == 2
    assert len(path.read_text().split()) == 8
    pd.testing.assert_frame_equal(first.predictions, again.predictions)


@pytest.mark.parametrize("other", ["X", "y", "groups", "folds", "intervals", "method"])
def test_folders_of_other_studies_are_refused(data, tmp_path, other):
    X, y, groups = data
    run_study({"logistic": LOGISTIC}, X, y, groups, folder=tmp_path)
    method, options = LOGISTIC, {}
    if other == "X":
        X = X + 1e-9
    elif other == "y":
        y = np.where(np.arange(60) < 2, y[::-1], y)
    elif other == "groups":
        groups = np.where(groups == "S5", "S6", groups)
    elif other == "folds":
        options["cv"] = GroupKFold(3)
    elif other == "intervals":
        options["intervals"] = np.arange(120.0).reshape(60, 2)
    else:
        method = make_pipeline(StandardScaler(), LogisticRegression(C=2))
    named = "methods 'logistic' with other" if other == "method" else f"{other} "
    with pytest.raises(ValueError, match=rf"{named}.*name another folder|{named}.*Name another"):
        run_study({"logistic": method}, X, y, groups, folder=tmp_path, **options)


def test_folders_of_something_else_are_refused(data, tmp_path):
    (tmp_path / "thesis.txt").write_text("")
    with pytest.raises(ValueError, match="holds files but no study"):
        run_study({"logistic": LOGISTIC}, *data, folder=tmp_path)


KILLED = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from test_evaluation import Noted
from sklearn_biomoe.evaluation import run_study
with np.load(sys.argv[2]) as data:
    run_study({"noted": Noted(sys.argv[3], 0.5)}, *data.values(), folder=sys.argv[4])
"""


def test_a_killed_study_goes_on(data, tmp_path, monkeypatch):
    fits, folder = tmp_path / "fits", tmp_path / "study"
    np.savez(tmp_path / "data.npz", *data)
    here = str(Path(__file__).parent)
    arguments = [here, tmp_path / "data.npz", fits, folder]
    child = subprocess.Popen([sys.executable, "-c", KILLED, *map(str, arguments)])
    while len(list(folder.glob("noted_*.json"))) < 2:
        assert child.poll() is None
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    n_kept = len(list(folder.glob("noted_*.json")))
    fits.unlink()
    study = run_study({"noted": Noted(str(fits), 0.5)}, *data, folder=folder)
    assert len(fits.read_text().split()) == 6 - n_kept
    whole = run_study({"noted": Noted(str(tmp_path / "others"), 0.0)}, *data)
    pd.testing.assert_frame_equal(study.predictions, whole.predictions)


# Leaks


def test_subjects_in_both_parts(data):
    with pytest.warns(LeakWarning, match="subject in both parts"):
        study = run_study({"logistic": LOGISTIC}, *data, cv=KFold(5))
    assert "'S1', 'S2'" in study.alarms[0].message


def test_overlapping_windows(data):
    starts = np.tile(np.arange(10) * 30.0, 6)
    for length, rings in ((30, False), (31, True)):
        intervals = np.column_stack([starts, starts + length])
        with pytest.warns(LeakWarning):
            study = run_study({"logistic": LOGISTIC}, *data, cv=KFold(4), intervals=intervals)
        assert ("overlapping windows" in kinds(study)) is rings


def test_equal_windows(data):
    X, y, groups = data
    X[35] = X[3]
    with pytest.warns(LeakWarning, match="rows 3, 35"):
        run_study({"logistic": LOGISTIC}, X, y, groups)
    cells = pd.DataFrame({"eda": list(X), "age": 30})
    method = make_pipeline(make_column_transformer(("drop", ["eda"])), DummyClassifier())
    with pytest.warns(LeakWarning, match="2 windows are equal"):
        run_study({"dummy": method}, cells, y, groups)


@pytest.mark.filterwarnings("error")
def test_missing_windows_are_not_equal_windows(data):
    X, y, groups = data
    cells = pd.DataFrame({"eda": list(X), "bvp": list(X)})
    cells.loc[[3, 35]] = None
    method = make_pipeline(make_column_transformer(("drop", ["eda"])), DummyClassifier())
    run_study({"dummy": method}, cells, y, groups)


def test_long_rows_of_objects_differ_by_any_sample():
    """NumPy abbreviates them when it writes them out."""
    rows = np.zeros((2, 2000)).astype(object)
    rows[1, 1000] = 1.0
    first, second = hash_rows(rows)
    assert first != second
    assert hash_rows(rows[[0, 0]]) == [first, first]


def test_features_scaled_before(data):
    X, y, groups = data
    with pytest.warns(LeakWarning, match="over all windows, those of the test"):
        run_study({"logistic": LOGISTIC}, StandardScaler().fit_transform(X), y, groups)
    frame = (
        pd.DataFrame(X).groupby(groups).transform(lambda own: (own - own.mean()) / own.std(ddof=0))
    )
    with pytest.warns(LeakWarning, match="within each subject"):
        run_study({"logistic": LOGISTIC}, frame, y, groups)


def test_methods_that_see_the_test_subject(data):
    X, y, groups = data
    frame = pd.DataFrame(X).assign(subject=groups)
    frame.columns = frame.columns.astype(str)
    for unseen, expected in (("own", {"scaling over test subjects"}), ("training", set())):
        method = make_pipeline(
            SubjectScaler(unseen, subject_column="subject"), LogisticRegression()
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LeakWarning)
            assert kinds(run_study({"scaled": method}, frame, y, groups)) == expected


def test_methods_that_were_fitted_before(data):
    X, y, groups = data
    scaler = FrozenEstimator(StandardScaler().fit(X))
    with pytest.warns(LeakWarning, match="fitted before"):
        run_study({"frozen": make_pipeline(scaler, LogisticRegression())}, X, y, groups)


def test_time_that_tells_the_class(data, tmp_path):
    X, _, groups = data
    starts = np.tile(np.arange(10) * 60.0, 6)
    intervals = np.column_stack([starts, starts + 60])
    late = np.where(starts >= 300, "stress", "rest")
    with pytest.warns(LeakWarning, match="when a window was recorded tells its class"):
        study = run_study({"logistic": LOGISTIC}, X, late, groups, intervals=intervals)
    assert study.summary().loc["elapsed time only, linear", "mean"] == 1
    page = study.report(tmp_path / "study.html").read_text()
    assert "<strong>logistic</strong> scored" in page  # controls are no methods to be picked
    assert "Below the methods stand controls" in page
    balanced = np.where(np.arange(60) // 10 % 2, late, late[::-1])
    study = run_study({"logistic": LOGISTIC}, X, balanced, groups, intervals=intervals)
    assert study.alarms == ()


# Refused before work begins


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": ["rest"] * 3}, r"y has shape \(3,\), but X has 60 windows"),
        ({"groups": np.zeros((60, 1))}, r"groups has shape \(60, 1\)"),
        ({"intervals": np.zeros((60, 3))[:, 0]}, r"intervals has shape \(60,\).*start and stop"),
        ({"intervals": np.zeros((60, 3))}, r"intervals has shape \(60, 3\).*start and stop"),
        ({"intervals": np.zeros((60, 2))}, "window 0 stops at 0.0 s, before it starts"),
        ({"groups": [None] + ["a"] * 59}, "groups is missing for window 0"),
        ({"y": ["rest"] * 60}, "All windows are of class 'rest'"),
        ({"groups": ["a"] * 60}, "All windows are of subject 'a'"),
        ({"y": ["rest"] * 10 + ["rest", "stress"] * 25}, "Subjects 'S0' have windows of one class"),
        ({"methods": {}}, "expected a dict of names to classifiers"),
        ({"cv": 5}, "cv=5; expected 'leave_one_subject_out' or a splitter"),
        ({"methods": {"elapsed time only, linear": LOGISTIC}}, "are added by intervals"),
    ],
)
def test_refused(data, change, message):
    X, y, groups = data
    arguments = {"methods": {"logistic": LOGISTIC}, "X": X, "y": y, "groups": groups} | change
    with pytest.raises(ValueError, match=message):
        run_study(**arguments)


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ({"scaler": StandardScaler()}, "Method 'scaler' is .* no classifier"),
        ({"class": LogisticRegression}, "Method 'class' is .* no classifier"),
        ({3: LOGISTIC}, "has the name 3"),
    ],
)
def test_refused_methods(data, methods, message):
    with pytest.raises(TypeError, match=message):
        run_study(methods, *data)


def test_folds_that_nothing_can_be_learnt_from():
    y, groups = np.array(["rest", "stress"] * 2), np.array(["a", "a", "b", "b"])
    cv = [(np.array([0]), np.array([2, 3]))]

    class Splitter:
        def split(self, *_):
            return cv

    with pytest.raises(ValueError, match=r"Without 'b' \(fold 0\), all training windows"):
        run_study({"logistic": LOGISTIC}, np.zeros((4, 1)), y, groups, cv=Splitter())


def test_errors_in_a_fold_name_method_and_subject(data):
    X, y, groups = data
    frame = pd.DataFrame(X, columns=list("abcd"))
    method = make_pipeline(make_column_transformer(("passthrough", ["edaa"])), LogisticRegression())
    with pytest.raises(ValueError, match="edaa") as caught:
        run_study({"misspelt": method}, frame, y, groups)
    assert caught.value.__notes__ == ["Method 'misspelt', fold 0, which tests subjects 'S0'."]


# What it was run with


@pytest.mark.usefixtures("small_backbone")
def test_the_environment_names_the_weights(data):
    _, y, groups = data
    images = np.zeros((60, 224, 224, 3), dtype=np.uint8)
    images[:, :50, :50, 0] = np.arange(60)[:, None, None]
    embedder = TinyBioMoEEmbedder()
    method = make_pipeline(embedder, LogisticRegression())
    study = run_study({"embedded": method}, images, y, groups)
    assert study.environment["weights_sha256"] == embedder.fit(images).weights_sha256_
    assert study.environment["packages"]["scikit-learn"] == sklearn.__version__
    assert "C=1.0" in study.methods["embedded"]


def test_a_study_writes_its_page(data, tmp_path):
    study = run_study({"logistic": LOGISTIC, "ridge": RidgeClassifier()}, *data)
    page = study.report(tmp_path / "study.html", title="Six subjects").read_text()
    mean = study.summary().loc["logistic", "mean"]
    assert f"{mean:.3f}" in page
    assert "Six subjects" in page


def test_planned_comparisons_are_corrected_for_themselves_alone(data):
    methods = {"logistic": LOGISTIC, "dummy": DummyClassifier(), "again": LOGISTIC}
    study = run_study(methods, *data)
    planned = study.comparisons([("dummy", "logistic")])
    assert planned[["method", "other"]].to_numpy().tolist() == [["dummy", "logistic"]]
    assert planned["p_corrected"].tolist() == planned["p_value"].tolist()
    everything = study.comparisons()
    assert len(everything) == 3
    assert planned["difference"][0] == pytest.approx(-everything["difference"][0])
    with pytest.raises(ValueError, match="No method 'dumy' was studied"):
        study.comparisons([("dumy", "logistic")])
