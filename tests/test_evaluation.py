"""Studies: scores and statistics against references, resumption, alarms, and input checks."""

import itertools
import json
import multiprocessing
import os
import pickle
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn
from joblib import parallel_config
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import StackingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_biomoe import SubjectScaler, TinyBioMoEEmbedder
from sklearn_biomoe.evaluation import LeakWarning, RepeatedGroupKFold, run_study, runner, statistics
from sklearn_biomoe.evaluation.leaks import hash_rows
from sklearn_biomoe.evaluation.metrics import balanced_accuracies
from sklearn_biomoe.evaluation.tasks import CLASSIFICATION, ORDINAL, REGRESSION
from sklearn_biomoe.finetuning import TinyBioMoEClassifier

LOGISTIC = make_pipeline(StandardScaler(), LogisticRegression())
IGNORE_LEAKS = pytest.mark.filterwarnings("ignore::sklearn_biomoe.evaluation.LeakWarning")


@pytest.fixture
def data():
    """Six subjects with ten windows of four features each; the first depends on the class."""
    random = np.random.default_rng(0)
    y, groups = np.tile(["rest", "stress"], 30), np.repeat([f"S{i}" for i in range(6)], 10)
    X = random.normal(size=(60, 4))
    X[:, 0] += y == "stress"
    return X, y, groups


class Logged(ClassifierMixin, BaseEstimator):
    """Writes a line to a file for each fit, and predicts by the sign of the first feature."""

    def __init__(self, path):
        self.path = path

    def fit(self, X, y):
        with Path(self.path).open("a") as file:
            file.write(f"{len(X)}\n")
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        second = 1 / (1 + np.exp(-np.asarray(X)[:, 0]))
        return np.column_stack([1 - second, second])

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def of(table, method):
    """Return the rows of a method."""
    return table[table["method"] == method]


def kinds(study):
    return {alarm.kind for alarm in study.alarms}


# Scores


def test_scores_equal_scikit_learn(data):
    X, y, groups = data
    study = run_study({"logistic": LOGISTIC}, X, y, groups)
    folds = {"cv": LeaveOneGroupOut(), "groups": groups}
    for name, scoring in {"macro_f1": "f1_macro", "roc_auc": "roc_auc"}.items():
        expected = cross_val_score(LOGISTIC, X, y, scoring=scoring, **folds)
        np.testing.assert_allclose(of(study.scores, "logistic")[name], expected)
    expected = cross_val_score(LOGISTIC, X, y, scoring="balanced_accuracy", **folds)
    np.testing.assert_allclose(of(study.scores, "logistic")["balanced_accuracy"], expected)
    summary = study.summary().loc["logistic"]
    np.testing.assert_allclose(summary["mean"], expected.mean())
    np.testing.assert_allclose(summary["sd"], expected.std())
    windows = of(study.predictions, "logistic")
    assert (windows["predicted"] == cross_val_predict(LOGISTIC, X, y, **folds)).all()
    assert study.alarms == ()
    assert study.environment["weights_sha256"] == "no embedder in the methods"

    counts = pd.crosstab(windows["target"], windows["predicted"]).to_numpy()
    np.testing.assert_array_equal(study.confusion("logistic"), counts)
    cells = of(study.scores, "logistic").filter(like="confusion_").sum().to_numpy()
    np.testing.assert_array_equal(cells, counts.ravel())
    with pytest.raises(ValueError, match="Method 'other' is not in the study"):
        study.confusion("other")


def test_methods_without_probabilities_have_no_roc_auc(data):
    study = run_study({"ridge": RidgeClassifier(), "logistic": LOGISTIC}, *data)
    areas = study.scores.groupby("method")["roc_auc"].apply(lambda area: area.isna().all())
    assert areas[["ridge", "logistic"]].tolist() == [True, False]


def test_three_classes():
    random = np.random.default_rng(1)
    y, groups = np.tile([3, 5, 9], 20), np.repeat(np.arange(4), 15)
    X = random.normal(size=(60, 2)) + y[:, None] / 3
    study = run_study({"logistic": LOGISTIC}, X, y, groups)
    scores = of(study.scores, "logistic").set_index("subject")
    for subject, own in of(study.predictions, "logistic").groupby("subject"):
        probabilities = own.filter(like="probability_").to_numpy()
        expected = roc_auc_score(own["target"], probabilities, multi_class="ovr")
        assert scores.loc[subject, "roc_auc"] == pytest.approx(expected)
        expected = balanced_accuracy_score(own["target"], own["predicted"])
        assert scores.loc[subject, "balanced_accuracy"] == pytest.approx(expected)


def test_repeats_are_averaged(data):
    X, y, groups = data
    cv = RepeatedGroupKFold(3, n_repeats=2, random_state=0)
    study = run_study({"logistic": LOGISTIC}, X, y, groups, cv=cv)
    assert sorted(study.predictions["repeat"].unique()) == [0, 1]
    windows = of(study.predictions, "logistic")
    assert len(windows) == 120
    assert len(of(study.scores, "logistic")) == 6
    first = windows[windows["subject"] == "S0"]
    each = [
        balanced_accuracy_score(o["target"], o["predicted"]) for _, o in first.groupby("repeat")
    ]
    scores = of(study.scores, "logistic").set_index("subject")["balanced_accuracy"]
    assert scores["S0"] == pytest.approx(np.mean(each))
    for train, test in cv.split(X, y, groups):
        assert not set(groups[train]) & set(groups[test])


@IGNORE_LEAKS
def test_class_missing_in_training_counts_as_wrong(data):
    X, y, groups = data
    y = np.where((groups == "S0") & (y == "stress"), "baseline", y)
    study = run_study({"logistic": LOGISTIC}, X, y, groups)
    (alarm,) = study.alarms
    assert alarm.kind == "class not trained on"
    assert "1 of 6 folds have no training windows of class 'baseline': folds 0." in alarm.message
    windows = of(study.predictions, "logistic")
    windows = windows[windows["subject"] == "S0"]
    assert (windows["probability_baseline"] == 0).all()
    recall = (windows["predicted"] == "rest")[windows["target"] == "rest"].mean()
    assert study.scores["balanced_accuracy"].iloc[0] == pytest.approx(recall / 2)


# Statistics


@pytest.mark.parametrize("n_subjects", [5, 8])
def test_sign_flips_equal_scipy(n_subjects):
    random = np.random.default_rng(n_subjects)
    differences = random.normal(0.3, 1, size=(n_subjects, 3))
    found = statistics.sign_flip_p_values(differences, random)
    options = {"permutation_type": "samples", "n_resamples": np.inf, "axis": 0}
    expected = stats.permutation_test((differences,), np.sum, vectorized=True, **options)
    np.testing.assert_allclose(found, expected.pvalue)


def test_random_sign_flips_of_many_subjects():
    random = np.random.default_rng(0)
    differences = np.column_stack([random.normal(0, 1, 30), random.normal(3, 1, 30)])
    none, clear = statistics.sign_flip_p_values(differences, random)
    assert none == pytest.approx(stats.ttest_1samp(differences[:, 0], 0).pvalue, abs=0.03)
    assert clear == 1 / (1 + statistics.N_FLIPS)


def test_holm_by_hand():
    p_values = np.array([0.5, 0.01, 0.02, 0.4])
    np.testing.assert_allclose(statistics.holm(p_values), [0.8, 0.04, 0.06, 0.8])


def test_permuted_scores_equal_all_permutations():
    """Four windows, two of each class: all 24 orders of predictions, by hand."""
    target, predicted = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    orders = [balanced_accuracy_score(target, p) for p in itertools.permutations(predicted)]
    random = np.random.default_rng(0)
    found = statistics.permuted_scores(balanced_accuracies, target, predicted, 2, random)
    assert set(found) == set(orders)
    assert found.mean() == pytest.approx(np.mean(orders), abs=0.03)


def test_p_values_of_a_perfect_and_a_constant_method(data):
    X, y, groups = data
    X[:, 1] = (y == "stress") + 0.01 * X[:, 1]
    study = run_study({"perfect": LOGISTIC, "constant": DummyClassifier()}, X, y, groups)
    summary = study.summary()
    assert summary.loc["perfect", "p_value"] == 1 / 2**6
    assert summary.loc["constant", "p_value"] == 1
    assert summary.loc["constant", "chance_low"] == summary.loc["constant", "chance_high"] == 0.5
    (row,) = study.comparisons([("perfect", "constant")]).to_dict("records")
    assert (row["method"], row["other"], row["difference"]) == ("perfect", "constant", 0.5)
    assert row["p_value"] == row["p_corrected"] == 2 / 2**6


def test_planned_comparisons_are_corrected_for_themselves_alone(data):
    methods = {"logistic": LOGISTIC, "dummy": DummyClassifier(), "again": LOGISTIC}
    study = run_study(methods, *data)
    planned = study.comparisons([("dummy", "logistic")])
    assert planned[["method", "other"]].to_numpy().tolist() == [["dummy", "logistic"]]
    assert planned["p_corrected"].tolist() == planned["p_value"].tolist()
    everything = study.comparisons("all")
    assert len(everything) == 6  # of the methods and the majority
    assert planned["difference"][0] == pytest.approx(-everything["difference"][0])
    with pytest.raises(ValueError, match="Method 'dumy' is not in the study"):
        study.comparisons([("dumy", "logistic")])


def test_results_do_not_depend_on_n_jobs(data):
    methods = {"logistic": LOGISTIC, "dummy": DummyClassifier()}
    with parallel_config("threading"):  # processes would import torch
        first, second = (run_study(methods, *data, n_jobs=n_jobs) for n_jobs in (1, 2))
    pd.testing.assert_frame_equal(first.predictions, second.predictions)
    pd.testing.assert_frame_equal(
        first.summary().drop(columns="seconds"), second.summary().drop(columns="seconds")
    )
    pd.testing.assert_frame_equal(first.comparisons(), second.comparisons())


@pytest.mark.parametrize("task", [CLASSIFICATION, ORDINAL, REGRESSION])
def test_worker_processes_have_the_same_tasks(task):
    assert pickle.loads(pickle.dumps(task)) is task


@pytest.mark.slow
@pytest.mark.parametrize("classes", [(1, 2), ("none", "pain")])
def test_worker_processes_predict_the_same_classes(data, classes):
    X, y, groups = data
    y = np.array(classes)[(np.asarray(y) == np.unique(y)[1]).astype(int)]
    first, second = (run_study({"a": LOGISTIC}, X, y, groups, n_jobs=n_jobs) for n_jobs in (1, 2))
    pd.testing.assert_frame_equal(first.predictions, second.predictions)
    assert second.scores["balanced_accuracy"].max() > 0.5


# Groups passed to methods


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("in_pipeline", [False, True])
@pytest.mark.parametrize("cv", [GroupKFold(3), GroupShuffleSplit(3)], ids=str)
def test_searches_that_split_by_group_get_subjects(data, routing, in_pipeline, cv):
    with sklearn.config_context(enable_metadata_routing=routing):
        method = GridSearchCV(DummyClassifier(), {"strategy": ["prior"]}, cv=cv)
        if in_pipeline:
            method = make_pipeline(StandardScaler(), method)
        study = run_study({"search": method}, *data)
    assert len(of(study.scores, "search")) == 6


def test_other_searches_get_no_subjects(data):
    search = GridSearchCV(DummyClassifier(), {"strategy": ["prior"]}, cv=KFold(3))
    run_study({"search": search, "stack": StackingClassifier([("a", LOGISTIC)], cv=3)}, *data)


# Results kept in a folder


def test_kept_results_are_not_computed_again(data, tmp_path):
    path, folder = tmp_path / "fits", tmp_path / "study"
    first = run_study({"logged": Logged(str(path))}, *data, folder=folder)
    methods = {"logged": Logged(str(path)), "dummy": DummyClassifier()}
    again = run_study(methods, *data, folder=folder)
    assert len(path.read_text().split()) == 6
    pd.testing.assert_frame_equal(of(first.predictions, "logged"), of(again.predictions, "logged"))
    assert again.seconds["logged"] == first.seconds["logged"]


def test_kept_results_of_a_changed_function_are_refused(data, tmp_path):
    def method(column):
        chosen = FunctionTransformer(lambda X: X[:, [column]])
        return {"one column": make_pipeline(chosen, LogisticRegression())}

    run_study(method(0), *data, folder=tmp_path)
    run_study(method(0), *data, folder=tmp_path)
    with pytest.raises(ValueError, match="methods 'one column' with other parameters or functions"):
        run_study(method(1), *data, folder=tmp_path)


def test_kept_results_of_long_lists_and_other_names_are_refused(data, tmp_path):
    _, y, groups = data
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 40)))

    def method(columns):
        chosen = make_column_transformer(("passthrough", columns))
        return {"chosen": make_pipeline(chosen, LogisticRegression())}

    first = [*range(33)]
    run_study(method(first), X, y, groups, folder=tmp_path)
    with pytest.raises(ValueError, match="methods 'chosen' with other parameters"):
        run_study(method([*first[:-1], 39]), X, y, groups, folder=tmp_path)
    with pytest.raises(ValueError, match="another study: X changed"):
        run_study(method(first), X[[*range(39, -1, -1)]].set_axis(range(40), axis=1), y, groups,
                  folder=tmp_path)  # fmt: skip
    same_values = X[[0, 1]].set_axis(["eda", "bvp"], axis=1)
    dummy = {"dummy": DummyClassifier()}
    run_study(dummy, same_values, y, groups, folder=tmp_path / "names")
    with pytest.raises(ValueError, match="another study: X changed"):
        run_study(dummy, same_values.set_axis(["bvp", "eda"], axis=1), y, groups,
                  folder=tmp_path / "names")  # fmt: skip


def test_hashes_of_cells_that_are_no_arrays():
    cells = [pd.Series(np.arange(2000.0)) for _ in range(3)]
    cells[1] = cells[1].where(cells[1] != 1000, -1)
    first, second, third = hash_rows(pd.DataFrame({"eda": pd.Series(cells, dtype=object)}))
    assert first == third != second
    lists = [[cell.to_numpy()] for cell in cells]
    assert len(set(hash_rows(lists))) == 2


@pytest.mark.parametrize("form", ["lists", "arrow"])
def test_windows_in_any_cells(form):
    random = np.random.default_rng(0)
    y, groups = np.tile([0, 1], 12), np.repeat(range(4), 6)
    windows = [(label + random.normal(size=n)).tolist() for n, label in enumerate(y, 30)]
    if form == "lists":
        X = pd.DataFrame({"eda": windows})
    else:
        X = pytest.importorskip("pyarrow").table({"eda": windows})
    first = FunctionTransformer(
        lambda X: np.array([[np.mean(cell)] for cell in pd.DataFrame({"x": X["eda"]})["x"]])
    )
    study = run_study({"mean": make_pipeline(first, LogisticRegression())}, X, y, groups)
    assert study.summary().loc["mean", "mean"] > 0.9


def test_damaged_results_are_computed_again(data, tmp_path):
    path, folder = tmp_path / "fits", tmp_path / "study"
    methods = {"logged": Logged(str(path))}
    first = run_study(methods, *data, folder=folder)
    files = sorted(folder.glob("logged_*.json"))
    kept = json.loads(files[0].read_text())
    kept["result"]["predicted"][0] = 1 - kept["result"]["predicted"][0]
    files[0].write_text(json.dumps(kept))
    files[1].write_text(files[1].read_text()[:50])
    with pytest.warns(UserWarning, match="is damaged .* and is computed again") as warned:
        again = run_study(methods, *data, folder=folder)
    assert len(warned) == 2
    assert len(path.read_text().split()) == 8
    pd.testing.assert_frame_equal(first.predictions, again.predictions)


def test_folders_of_other_studies_raise(data, tmp_path):
    X, y, groups = data
    run_study({"logistic": LOGISTIC}, X, y, groups, folder=tmp_path)
    base = {"methods": {"logistic": LOGISTIC}, "X": X, "y": y, "groups": groups}
    other = {"logistic": make_pipeline(StandardScaler(), LogisticRegression(C=2))}
    for change, message in [
        ({"X": X + 1e-9}, "X changed"),
        ({"y": np.where(np.arange(60) < 2, y[::-1], y)}, "y changed"),
        ({"groups": np.where(groups == "S5", "S6", groups)}, "groups changed"),
        ({"cv": GroupKFold(3)}, "folds changed"),
        ({"intervals": np.arange(120.0).reshape(60, 2)}, "intervals changed"),
        ({"methods": other}, "methods 'logistic' with other parameters"),
    ]:
        with pytest.raises(ValueError, match=rf"{message}.* another folder"):
            run_study(**base | change, folder=tmp_path)
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(ValueError, match=r"study.json is damaged"):
        run_study(**base, folder=tmp_path)


def test_folders_with_other_files_raise(data, tmp_path):
    (tmp_path / "thesis.txt").write_text("")
    with pytest.raises(ValueError, match="contains files but not a study"):
        run_study({"logistic": LOGISTIC}, *data, folder=tmp_path)


def run_study_that_waits(data, path, folder):
    """Wait before the third fold is fitted; called in a process of its own."""

    def clone_or_wait(estimator):
        if path.exists() and len(path.read_text().split()) == 2:
            time.sleep(60)
        return clone(estimator)

    runner.clone = clone_or_wait  # not the method's own code, which identifies it
    run_study({"logged": Logged(str(path))}, *data, folder=folder)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_killed_study_is_resumed(data, tmp_path):
    path, folder = tmp_path / "fits", tmp_path / "study"
    context = multiprocessing.get_context("fork")
    child = context.Process(target=run_study_that_waits, args=(data, path, folder))
    child.start()
    while len(list(folder.glob("logged_*.json"))) < 2:
        assert child.is_alive()
        time.sleep(0.05)
    child.kill()
    child.join()
    path.unlink()
    study = run_study({"logged": Logged(str(path))}, *data, folder=folder)
    assert len(path.read_text().split()) == 4
    whole = run_study({"logged": Logged(str(tmp_path / "others"))}, *data)
    pd.testing.assert_frame_equal(study.predictions, whole.predictions)


# Alarms


def test_subjects_in_training_and_test(data):
    with pytest.warns(LeakWarning, match="subject in both parts"):
        study = run_study({"dummy": DummyClassifier()}, *data, cv=KFold(5))
    assert "5 of 5 folds" in study.alarms[0].message
    assert "'S1', 'S2'" in study.alarms[0].message


@IGNORE_LEAKS
@pytest.mark.parametrize(("length", "overlap"), [(30, False), (31, True)])
def test_overlapping_windows(data, length, overlap):
    starts = np.tile(np.arange(10) * 30.0, 6)
    intervals = np.column_stack([starts, starts + length])
    study = run_study({"dummy": DummyClassifier()}, *data, cv=KFold(4), intervals=intervals)
    assert ("overlapping windows" in kinds(study)) is overlap


def test_equal_windows(data):
    X, y, groups = data
    X[35] = X[3]
    with pytest.warns(LeakWarning, match="rows 3, 35"):
        run_study({"dummy": DummyClassifier()}, X, y, groups)
    cells = pd.DataFrame({"eda": list(X), "age": 30})
    method = make_pipeline(make_column_transformer(("drop", ["eda"])), DummyClassifier())
    with pytest.warns(LeakWarning, match="2 test windows equal"):
        run_study({"dummy": method}, cells, y, groups)


@pytest.mark.filterwarnings("error")
def test_missing_windows_are_not_equal_windows(data):
    X, y, groups = data
    cells = pd.DataFrame({"eda": list(X), "bvp": list(X)})
    cells.loc[[3, 35]] = None
    method = make_pipeline(make_column_transformer(("drop", ["eda"])), DummyClassifier())
    run_study({"dummy": method}, cells, y, groups)


def test_hashes_include_all_samples_of_object_rows():
    """NumPy abbreviates their representation."""
    rows = np.zeros((2, 2000)).astype(object)
    rows[1, 1000] = 1.0
    first, second = hash_rows(rows)
    assert first != second
    assert hash_rows(rows[[0, 0]]) == [first, first]


def test_features_scaled_before_the_study(data):
    X, y, groups = data
    methods = {"dummy": DummyClassifier()}
    with pytest.warns(LeakWarning, match="over all windows, including those of the test"):
        run_study(methods, StandardScaler().fit_transform(X), y, groups)
    by_subject = pd.DataFrame(X).groupby(groups)
    scaled = by_subject.transform(lambda own: (own - own.mean()) / own.std(ddof=0))
    with pytest.warns(LeakWarning, match="within each subject"):
        run_study(methods, scaled, y, groups)


@IGNORE_LEAKS
@pytest.mark.parametrize(
    ("unseen", "expected"), [("own", {"scaling over test subjects"}), ("training", set())]
)
def test_methods_that_scale_the_test_subject(data, unseen, expected):
    X, y, groups = data
    frame = pd.DataFrame(X, columns=list("abcd")).assign(subject=groups)
    method = make_pipeline(SubjectScaler(unseen, subject_column="subject"), DummyClassifier())
    assert kinds(run_study({"scaled": method}, frame, y, groups)) == expected


def test_methods_fitted_before_the_study(data):
    scaler = FrozenEstimator(StandardScaler().fit(data[0]))
    with pytest.warns(LeakWarning, match="fitted before"):
        run_study({"frozen": make_pipeline(scaler, DummyClassifier())}, *data)


def test_elapsed_time_above_chance(data, tmp_path):
    X, _, groups = data
    starts = np.tile(np.arange(10) * 60.0, 6)
    intervals = np.column_stack([starts, starts + 60])
    late = np.where(starts >= 300, "stress", "rest")
    with pytest.warns(LeakWarning, match="The time of a window predicts its class") as warned:
        study = run_study({"logistic": LOGISTIC}, X, late, groups, intervals=intervals)
    assert "as well as or better than 'logistic'" in str(warned[0].message)
    assert study.summary().loc["elapsed time only, linear", "mean"] == 1
    page = study.report(tmp_path / "study.html", title="Six subjects").read_text()
    assert "Six subjects" in page
    assert f"{study.summary().loc['logistic', 'mean']:.3f}" in page
    assert "<strong>logistic</strong> scored" in page  # not a control, which scored higher
    assert "Controls are listed last" in page
    balanced = np.where(np.arange(60) // 10 % 2, late, late[::-1])
    study = run_study({"logistic": LOGISTIC}, X, balanced, groups, intervals=intervals)
    assert study.alarms == ()


# Wrong input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": ["rest"] * 3}, "y has 3 targets, but X has 60 rows"),
        ({"y": None}, "run_study requires y"),
        ({"y": ["rest", None] * 30}, r"Input y contains NaN or None in row 1 \(30 of 60 rows\)"),
        ({"y": ["rest"] * 60}, "All windows are of class 'rest'"),
        ({"y": ["rest"] * 10 + ["rest", "stress"] * 25}, "'S0' have windows of a single class"),
        ({"groups": np.zeros((60, 1))}, r"groups has shape \(60, 1\)"),
        ({"groups": [None] + ["a"] * 59}, "The subject of row 0 is NaN"),
        ({"groups": ["a"] * 60}, "All windows are of subject 'a'"),
        ({"intervals": np.zeros((60, 3))[:, 0]}, r"intervals has shape \(60,\).*start and stop"),
        ({"intervals": np.zeros((60, 2))}, "row 0 are 0.0 s to 0.0 s; expected a start before"),
        ({"intervals": np.full((60, 2), np.nan)}, "row 0 are nan s to nan s"),
        ({"cv": 5}, "cv=5; expected 'leave_one_subject_out' or a splitter"),
        ({"cv": RepeatedGroupKFold(3, n_repeats=0)}, "n_repeats=0; expected an integer of 1"),
        ({"methods": {}}, "expected a dict of names to estimators"),
        ({"methods": {"elapsed time only, linear": LOGISTIC}}, "rename them"),
        ({"methods": {"scaler": StandardScaler()}}, "Method 'scaler' is .* not a classifier"),
        ({"methods": {"class": LogisticRegression}}, "Method 'class' is .* not a classifier"),
        ({"methods": {3: LOGISTIC}}, "has the name 3; expected a string"),
    ],
)
def test_wrong_input(data, change, message):
    X, y, groups = data
    arguments = {"methods": {"logistic": LOGISTIC}, "X": X, "y": y, "groups": groups} | change
    with pytest.raises((ValueError, TypeError), match=message):
        run_study(**arguments)


@pytest.mark.parametrize("form", [list, lambda each: np.array(each, object), pd.Series])
def test_subjects_of_two_types(data, form):
    """NumPy makes the same text of 1 and "1", and a subject of NaN among texts."""
    X, y, _ = data
    methods = {"dummy": DummyClassifier()}
    with pytest.raises(TypeError, match=r"groups has 1 in row 0, but '1' in row 10; pass"):
        run_study(methods, X, y, form([1] * 10 + ["1"] * 10 + [2] * 40))
    for missing in (np.nan, None):
        with pytest.raises(ValueError, match="The subject of row 20 is NaN, None"):
            run_study(methods, X, y, form(["a"] * 10 + ["b"] * 10 + [missing] * 40))
    with pytest.raises(ValueError, match="The subject of row 10 is NaN, None or infinite"):
        run_study(methods, X, y, form([1] * 10 + [np.inf] * 50))
    subjects = [1.0, 2.5] * 30  # numbers of several types
    study = run_study(methods, X[:, :1], np.repeat(["a", "b"], 30), form([1, 2.5] * 30))
    assert study.scores["subject"].unique().tolist() == subjects[:2]


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ([([0], [2, 3])], r"Fold 0, which tests subjects 'b', has training windows of classes 're"),
        ([([0, 1], [])], "Fold 0 has no test windows"),
        ([], "makes no folds"),
    ],
)
def test_wrong_folds(splits, message):
    class Splitter:
        def split(self, *_):
            return splits

    y, groups = np.array(["rest", "stress"] * 2), np.array(["a", "a", "b", "b"])
    with pytest.raises(ValueError, match=message):
        run_study({"logistic": LOGISTIC}, np.zeros((4, 1)), y, groups, cv=Splitter())


def test_errors_in_a_fold_name_method_and_subject(data):
    X, y, groups = data
    frame = pd.DataFrame(X, columns=list("abcd"))
    method = make_pipeline(make_column_transformer(("passthrough", ["edaa"])), LogisticRegression())
    with pytest.raises(ValueError, match=r"edaa|not a column of") as caught:
        run_study({"misspelt": method}, frame, y, groups)
    assert caught.value.__notes__ == ["Method 'misspelt', fold 0, which tests subjects 'S0'."]


# Environment and report


@pytest.fixture
def embedded():
    """Two subjects with eight images each."""
    images = np.zeros((16, 224, 224, 3), dtype=np.uint8)
    images[:, :50, :50, 0] = 8 * np.arange(16)[:, None, None]
    return images, np.tile(["rest", "stress"], 8), np.repeat(["S1", "S2"], 8)


@pytest.mark.usefixtures("small_backbone")
@pytest.mark.parametrize(
    "method",
    [
        make_pipeline(TinyBioMoEEmbedder(), LogisticRegression()),
        TinyBioMoEClassifier(max_epochs=1),
        GridSearchCV(
            make_pipeline("passthrough", TinyBioMoEClassifier(max_epochs=1)),
            {"tinybiomoeclassifier__learning_rate": [1e-2]},
            cv=2,
        ),
    ],
    ids=["embedder", "fine-tuned", "search"],
)
def test_environment_has_the_weights(embedded, method):
    study = run_study({"method": method}, *embedded)
    expected = TinyBioMoEEmbedder().fit(embedded[0]).weights_sha256_
    assert study.environment["weights_sha256"] == expected
    assert study.environment["packages"]["scikit-learn"] == sklearn.__version__
    assert "max_iter=100" in study.methods["method"] or "max_epochs=1" in study.methods["method"]


@pytest.mark.usefixtures("small_backbone")
def test_environment_has_the_weights_of_the_folds(embedded, tmp_path):
    """With random_state=None each fold has other weights, also if its result is read again."""
    embedder = TinyBioMoEEmbedder("random", random_state=None)
    methods = {"embedded": make_pipeline(embedder, DummyClassifier())}
    first, again = (run_study(methods, *embedded, folder=tmp_path).environment for _ in range(2))
    assert len(first["weights_sha256"].split(", ")) == 2
    assert again["weights_sha256"] == first["weights_sha256"]
