"""The benchmark of methods on data sets, on made-up sets, and each real set if it is there."""

import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.preprocessing import FunctionTransformer

pytest.importorskip("click")

from sklearn_biomoe.benchmark import SETS, BenchmarkSet, make_methods, run_benchmark
from sklearn_biomoe.benchmark.features import AsPredicted
from sklearn_biomoe.benchmark.methods import (
    NeuroKitFeatures,
    describe_channels,
    for_signal,
    learns,
)
from sklearn_biomoe.benchmark.run import arrange, differences
from sklearn_biomoe.cli.program import run as run_program
from sklearn_biomoe.datasets import fetch_bidmc

DATA = Path(os.environ.get("SKLEARN_BIOMOE_DATA", ""))
MEAN = FunctionTransformer(np.mean, kw_args={"axis": -1})
LAST = FunctionTransformer(lambda windows: windows[..., -1])


def pairs_of(seed, shift, n_subjects=6, stress_first=None):
    """Make pairs of windows whose mean is higher under stress by ``shift``."""
    random = np.random.default_rng(seed)
    later = random.integers(2, size=n_subjects)
    if stress_first is not None:
        later[:] = 0 if stress_first else 1
    rows = np.arange(2 * n_subjects).reshape(-1, 2)
    windows = random.normal(2, 0.1, size=(2 * n_subjects, 1, 240))
    windows[rows[np.arange(n_subjects), later]] += shift
    return BenchmarkSet(
        {"eda": windows}, {"eda": ("eda", 4.0)}, later, np.arange(n_subjects), rows,
        np.tile([0.0, 300.0], n_subjects), "pairs",
    )  # fmt: skip


def windows_of(task="classification", scored=None):
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(4), 6)
    target = np.tile([0, 1, 2], 8).astype(float)
    windows = random.normal(target[:, None, None], 0.2, size=(24, 1, 50))
    names = np.array(["a", "b", "c"])[target.astype(int)]
    is_number = task == "regression"
    return BenchmarkSet(
        {"x": windows, "y": windows[:, :, :20] * 0},
        {"x": ("generic", 10.0), "y": ("generic", 4.0)},
        target if is_number else names,
        groups,
        np.arange(24),
        np.arange(24.0),
        task=task,
        scored=scored,
        chosen_on=frozenset([0, 1]),
        estimate=0 if is_number else None,
    )


def test_pairs_are_scored_by_the_share_in_the_right_order():
    data = pairs_of(0, shift=0.01, n_subjects=12)
    found = run_benchmark({"made up": lambda home, on_error: data}, {"mean": MEAN})
    change = np.diff(data.windows["eda"].mean(axis=-1)[data.rows[:, :]], axis=1)[:, 0]
    right = []
    for train, test in LeaveOneGroupOut().split(change, groups=data.groups):
        both = np.vstack([change[train], -change[train]])
        model = LogisticRegression(C=0.1, fit_intercept=False)
        model.fit(both / both.std(), np.r_[data.target[train], 1 - data.target[train]])
        right += (model.predict(change[test]) == data.target[test]).tolist()
    row = found.scores.set_index("method").loc["mean"]
    assert row["mean"] == pytest.approx(np.mean(right))
    assert 0 < np.mean(right) < 1
    assert row["n_subjects"] == 12
    assert row["metric"] == "balanced_accuracy"


def test_time_predicts_a_fixed_order_and_not_a_mixed_one():
    sets = {
        "fixed": lambda home, on_error: pairs_of(0, 1, stress_first=True),
        "mixed": lambda home, on_error: pairs_of(1, 1, n_subjects=10),
    }
    found = run_benchmark(sets, {"mean": MEAN}).scores.set_index(["set", "method"])
    scores = found["mean"]
    assert found.loc[("fixed", "time, linear"), "n_features"] == 1
    assert found.loc[("fixed", "time, spline"), "n_features"] == 22  # 20 knots, degree 3
    assert scores["fixed", "time, linear"] == 1
    assert scores["mixed", "time, linear"] < 0.8
    assert scores["fixed", "mean"] == scores["mixed", "mean"] == 1


def test_transfer_trains_on_one_set_and_tests_on_the_other(monkeypatch):
    from sklearn_biomoe.benchmark import run

    monkeypatch.setattr(run, "TRANSFER_SETS", ("up", "down"))
    sets = {"up": lambda *_: pairs_of(0, 1), "down": lambda *_: pairs_of(1, -1)}
    transfer = run_benchmark(sets, {"mean": MEAN}).transfer
    shares = transfer.set_index(["trained on", "tested on"])["mean"]
    assert shares.to_dict() == {
        ("up", "up"): 1.0, ("up", "down"): 0.0, ("down", "up"): 0.0, ("down", "down"): 1.0,
    }  # fmt: skip


def test_functions_with_the_same_name_have_their_own_features():
    sets = {"s": lambda *_: pairs_of(0, 1)}
    methods = {
        "mean": FunctionTransformer(lambda windows: windows.mean(axis=-1)),
        "noise": FunctionTransformer(lambda windows: windows.std(axis=-1)),
    }
    scores = run_benchmark(sets, methods).scores.set_index("method")["mean"]
    alone = [run_benchmark(sets, {name: methods[name]}).scores.set_index("method")["mean"][name]
             for name in methods]  # fmt: skip
    assert scores[list(methods)].tolist() == alone
    assert alone[0] != alone[1]


def test_methods_without_features_of_a_signal(tmp_path, monkeypatch):
    class FirstOnly(FunctionTransformer):
        def __init__(self, modality="eda"):
            super().__init__()
            self.modality = modality

        def transform(self, X):
            return X.mean(axis=-1) if self.modality == "eda" else np.empty((len(X), 0))

    from sklearn_biomoe.benchmark import run

    monkeypatch.setattr(run, "TRANSFER_SETS", ("one", "other"))
    data = pairs_of(0, 1)
    data.windows["bvp"], data.signals["bvp"] = data.windows["eda"], ("bvp", 4.0)
    sets = {"one": lambda *_: data, "other": lambda *_: data}
    found = run_benchmark(sets, {"first": FirstOnly(), "mean": MEAN})
    own = found.transfer[found.transfer["method"] == "first"]
    assert sorted(set(own["signals"])) == ["all", "eda"]
    page = found.report(tmp_path / "page.html").read_text()
    table = page[page.index("Signals: bvp. Share") :]
    assert ">first<" not in table[: table.index("</table>")]


def test_no_sets():
    with pytest.raises(ValueError, match="sets is empty; expected names of data sets"):
        run_benchmark([], {"mean": MEAN})


def test_methods_that_learn_are_fitted_to_the_training_set_of_a_transfer(tmp_path):
    from sklearn.preprocessing import StandardScaler

    from sklearn_biomoe.benchmark.features import FeatureFolder

    class Scaler(StandardScaler):
        def fit(self, X, y=None):
            return super().fit(X[:, 0])

        def transform(self, X):
            return super().transform(X[:, 0])

    assert learns(Scaler())
    random = np.random.default_rng(0)
    one, other = random.normal(size=(2, 9, 1, 3))
    found = FeatureFolder(tmp_path).describe(Scaler(), ("eda", 4.0), other, one).load()
    expected = (other[:, 0] - one[:, 0].mean(axis=0)) / one[:, 0].std(axis=0)
    np.testing.assert_allclose(found, expected)


def test_mirrored_differences():
    data = pairs_of(0, 1, n_subjects=2)
    values = np.array([[1.0], [3.0], [10.0], [4.0]])
    np.testing.assert_array_equal(differences(data, values)[:, 0], [2, -6, -2, 6])
    target, groups = arrange(data)
    np.testing.assert_array_equal(target, np.r_[data.target, 1 - data.target])
    np.testing.assert_array_equal(groups, [0, 1, 0, 1])


def test_signals_are_scored_together_and_alone_and_choices_are_kept_apart():
    data = windows_of()
    data.windows["x"][:6] *= -1  # of subject 0, which is predicted wrongly
    benchmark = run_benchmark({"s": lambda *_: data}, {"mean": MEAN})
    found = benchmark.scores
    means = found[found["method"] == "mean"].set_index("signals")
    assert list(means.index) == ["all", "x", "y"]
    assert means.loc["y", "mean"] == pytest.approx(1 / 3, abs=0.01)
    assert means["n_features"].to_dict() == {"all": 2, "x": 1, "y": 1}
    scores = benchmark.studies["s"].scores
    own = scores[scores["method"] == "mean, x"].set_index("subject")["balanced_accuracy"]
    assert means.loc["x", "mean"] == pytest.approx(own.mean())
    assert means.loc["x", "other_subjects"] == pytest.approx(own[[2, 3]].mean())  # not chosen on
    assert own[0] < own[[2, 3]].min()


class MeanAsEstimate(NeuroKitFeatures):
    """Stands for NeuroKit2, whose estimate is the mean here."""

    def transform(self, X):
        return X.mean(axis=-1)


def test_values_are_scored_on_some_subjects_that_train_on_all_others():
    sets = {"s": lambda *_: windows_of("regression", scored=frozenset([1, 3]))}
    found = run_benchmark(sets, {"mean": MEAN, "neurokit": MeanAsEstimate()})
    scores = found.scores.set_index(["method", "signals"])
    assert scores.loc[("mean", "all"), "n_subjects"] == 2
    assert scores.loc[("mean", "all"), "metric"] == "mae"
    data = windows_of("regression")
    estimate = np.abs(data.windows["x"].mean(axis=-1)[:, 0] - data.target)
    expected = np.mean([estimate[data.groups == subject].mean() for subject in (1, 3)])
    own = scores.loc[("neurokit, its own estimate", "all")]
    assert own["mean"] == pytest.approx(expected)
    assert own["is_control"]


def test_missing_estimates_are_the_median():
    model = AsPredicted().fit(np.zeros((3, 1)), np.array([1.0, 2.0, 9.0]))
    assert model.predict(np.array([[5.0], [np.nan]])).tolist() == [5, 2]


def test_ranks_and_page(tmp_path):
    pytest.importorskip("aeon")
    sets = {f"set {n}": lambda *_, n=n: pairs_of(n, 0.02 * n, 8) for n in range(3)}
    methods = {
        "mean": MEAN,
        "last": LAST,
        "size": FunctionTransformer(np.max, kw_args={"axis": -1}),
    }
    found = run_benchmark(sets, methods, folder=tmp_path)
    ranks = found.ranks()
    assert ranks.shape == (3, 3)
    np.testing.assert_array_equal(ranks.sum(axis=1), 6)
    page = found.report(tmp_path / "page.html").read_text()
    for text in ("set 0", "Mean rank", "Nemenyi", "Effort", "95 % interval"):
        assert text in page


CALLS = []


def count(windows):
    CALLS.append(len(windows))
    return windows.mean(axis=-1)


def test_second_call_continues_and_new_methods_are_added(tmp_path):
    CALLS.clear()
    sets = {"s": lambda *_: pairs_of(0, 1)}
    first = run_benchmark(sets, {"a": FunctionTransformer(count)}, folder=tmp_path)
    methods = {"a": FunctionTransformer(count), "mean": MEAN}
    second = run_benchmark(sets, methods, folder=tmp_path)
    assert len(CALLS) == 1
    columns = ["mean", "low", "high"]
    np.testing.assert_array_equal(
        first.scores.set_index("method").loc["a", columns].to_numpy(float),
        second.scores.set_index("method").loc["a", columns].to_numpy(float),
    )


def test_embeddings(small_backbone, tmp_path):
    data = pairs_of(0, 1, n_subjects=3)
    methods = {name: make_methods()[name] for name in ("embeddings", "embeddings_all", "untrained")}
    found = run_benchmark({"s": lambda *_: data}, methods, folder=tmp_path)
    embedded = found.scores.set_index("method")["n_embedded"]
    assert embedded["embeddings"] == 6
    assert embedded["embeddings_all"] == 24  # of the five images, the waveforms were in the cache
    assert embedded["untrained"] == 6


def test_statistics_match_scipy():
    windows = np.random.default_rng(0).normal(size=(4, 2, 30))
    found = describe_channels(windows).reshape(4, 2, 13)
    np.testing.assert_allclose(found[..., 2], stats.skew(windows, axis=-1))
    slope = stats.linregress(np.linspace(0, 1, 30), windows[1, 1]).slope
    assert found[1, 1, 9] == pytest.approx(slope)
    np.testing.assert_allclose(found[..., 6], np.median(windows, axis=-1))


def test_parameters_of_the_signal_reach_steps_of_pipelines():
    prepared = for_signal(make_methods()["embeddings"], "bvp", 64.0, duration=60.0)
    assert prepared["image"].modality == "bvp"
    assert prepared["image"].sampling_rate == 64.0
    assert prepared["image"].representations == ["scalogram"]  # stored with its name


def test_neurokit_features_of_a_simulated_pulse():
    nk = pytest.importorskip("neurokit2")
    signal = nk.ppg_simulate(duration=60, sampling_rate=64, heart_rate=75, random_state=0)
    method = for_signal(make_methods()["neurokit"], "ppg", 64.0, duration=60.0)
    features = method.fit_transform(np.stack([signal, np.zeros_like(signal)])[:, None])
    assert features.shape == (2, 5)
    assert features[0, 0] == pytest.approx(75, abs=2)
    assert np.isnan(features[1, 0])


@pytest.mark.parametrize(
    ("sets", "methods", "message"),
    [
        (["frihaut"], None, "Did you mean 'freihaut'"),
        (["freihaut"], {}, "methods is empty"),
    ],
)
def test_unknown_sets_and_no_methods_are_refused(sets, methods, message):
    with pytest.raises(ValueError, match=message):
        run_benchmark(sets, methods)


def test_a_method_that_is_not_a_transformer_is_refused():
    with pytest.raises(TypeError, match="expected a scikit-learn transformer"):
        run_benchmark(["freihaut"], {"mine": np.mean})


def test_sets_that_are_missing_are_named_or_listed(tmp_path):
    def missing(home, on_error):
        raise FileNotFoundError("There is no set in this folder.")

    sets = {"there": lambda *_: pairs_of(0, 1), "gone": missing}
    with pytest.raises(FileNotFoundError, match="There is no set"):
        run_benchmark(sets, {"mean": MEAN})
    found = run_benchmark(sets, {"mean": MEAN}, on_error="skip")
    assert found.left_out[["set", "subject"]].to_numpy().tolist() == [["gone", "all"]]
    page = found.report(tmp_path / "page.html").read_text()
    assert "There is no set in this folder." in page


def test_failing_method_is_named():
    def fail(windows):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no") as error:
        run_benchmark({"s": lambda *_: pairs_of(0, 1)}, {"mine": FunctionTransformer(fail)})
    assert "Method 'mine', signal 'eda' of set 's'." in error.value.__notes__


def test_command_refuses_unknown_names(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments, message in {
        ("nothing",): "Unknown SETS 'nothing'",
        ("freihaut", "-m", "nothing"): "Unknown --methods 'nothing'",
        ("freihaut", "-m", "nowhere:mine"): "cannot be imported",
    }.items():
        assert run_program(["benchmark", *arguments, "-o", "page.html"]) == 2
        assert message in capsys.readouterr().err


def test_command_names_a_missing_set(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SKLEARN_BIOMOE_DATA", str(tmp_path))
    monkeypatch.setenv("SKLEARN_BIOMOE_CACHE", str(tmp_path))
    arguments = ["benchmark", "eegmat", "-m", "simple_statistics", "-o", "page.html"]
    assert run_program(arguments) == 1
    assert "There is no Subject00_1.edf" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "freihaut_mouse_stress").is_dir(), reason="the set is not there")
def test_command_on_a_few_subjects(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_features.py").write_text(
        "from sklearn.preprocessing import FunctionTransformer\n"
        "def make(): return FunctionTransformer(mean)\n"
        "def mean(windows): return windows.mean(axis=-1)\n"
        "first = FunctionTransformer(lambda windows: windows[:1, 0])\n"
    )
    assert (
        run_program(["benchmark", "freihaut", "-m", "own_features:first", "-o", "page.html"]) == 1
    )
    message = capsys.readouterr().err
    assert "shape (1, 240) for 103 windows; expected" in message
    assert "Method 'own_features:first', signal 'eda' of set 'freihaut'." in message
    assert not Path("page.html").exists()
    arguments = ["-m", "simple_statistics", "-m", "own_features:make", "--n-subjects", "6"]
    assert run_program(["benchmark", "freihaut", *arguments, "-o", "page.html"]) == 0
    assert "own_features:make" in capsys.readouterr().out
    table = pd.read_csv("page.csv")
    assert set(table["n_subjects"]) == {6}
    assert Path("page_transfer.csv").is_file()


@pytest.fixture(scope="module")
def bidmc_is_read_once():
    """Read the 53 patients of two sets once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sklearn_biomoe.benchmark.sets.fetch_bidmc", cache(fetch_bidmc))
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("bidmc_is_read_once")
@pytest.mark.parametrize("name", SETS)
def test_real_sets(name):
    try:
        data = SETS[name](None, "raise")
    except OSError as error:
        pytest.skip(str(error))
    n_windows = len(data.elapsed_time)
    assert all(len(each) == n_windows for each in data.windows.values())
    assert all(each.shape[1] >= 1 and np.isfinite(each).all() for each in data.windows.values())
    assert len(data.target) == len(data.groups) == len(data.rows)
    assert data.rows.max() == n_windows - 1
    few = data.first_subjects(2)
    assert len(np.unique(few.groups)) == 2
    first = next(iter(data.signals))
    np.testing.assert_array_equal(
        few.windows[first][few.rows[0]], data.windows[first][data.rows[np.flatnonzero(
            np.isin(data.groups, few.groups))[0]]],
    )  # fmt: skip


# Own methods and sets


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda X: np.repeat(X[:, 0], 2, axis=0), ValueError, r"\(24, 240\) for 12 windows"),
        (lambda X: X[:5, 0], ValueError, r"shape \(5, 240\) for 12 windows; expected"),
        (lambda X: X[:, 0, 0], ValueError, r"shape \(12,\) for 12 windows"),
        (lambda X: X, ValueError, r"shape \(12, 1, 240\) for 12 windows"),
        (lambda X: X[:, 0] * np.nan, ValueError, "NaN only, first in row 0"),
        (lambda X: X[:, 0] / np.r_[1, 0, np.ones(10)][:, None], ValueError, "infinite .* row 1"),
        (lambda X: X[:, 0] * 1j, TypeError, "dtype complex128; expected real numbers"),
        (lambda X: np.full((len(X), 2), "a"), TypeError, "dtype <U1; expected real numbers"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_features_that_cannot_be_used_are_refused_and_not_kept(tmp_path, function, error, message):
    sets = {"made": lambda *_: pairs_of(0, 1.0)}
    with pytest.raises(error, match=message) as caught:
        run_benchmark(sets, {"own": FunctionTransformer(function)}, folder=tmp_path)
    assert caught.value.__notes__ == ["Method 'own', signal 'eda' of set 'made'."]
    assert not list(tmp_path.rglob("*.npz"))


def test_sparse_features_and_frames_equal_arrays():
    def scores(function):
        method = FunctionTransformer(function)
        return run_benchmark({"made": lambda *_: pairs_of(0, 0.1)}, {"own": method}).scores

    expected = scores(lambda X: X.mean(axis=-1))["mean"]
    pd.testing.assert_series_equal(scores(lambda X: csr_array(X.mean(axis=-1)))["mean"], expected)
    pd.testing.assert_series_equal(scores(lambda X: pd.DataFrame(X.mean(-1)))["mean"], expected)


def test_rows_without_a_feature_are_counted():
    def incomplete(X):
        return np.where(np.arange(len(X))[:, None] % 8, X.mean(axis=-1), np.nan)

    methods = {"own": FunctionTransformer(incomplete), "mean": MEAN}
    found = run_benchmark({"made": lambda *_: pairs_of(0, 1.0)}, methods).scores
    counts = found.set_index("method")["n_incomplete"]
    assert counts["own"] == 2  # windows 0 and 8 of 12, in pairs 0 and 4
    assert counts["mean"] == counts["time, linear"] == 0


def test_a_changed_method_is_computed_again_in_the_same_folder(tmp_path):
    sets = {"made": lambda *_: pairs_of(0, 1.0)}

    def run(sign):
        own = FunctionTransformer(lambda X: X.mean(axis=-1) * (sign > 0))
        methods = {"own": own, "mean": MEAN}
        return run_benchmark(sets, methods, folder=tmp_path).scores.set_index("method")["mean"]

    assert run(1)["own"] == 1
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "made").glob("mean_*.json")}
    found = run(-1)
    assert found["own"] == 0.5
    assert found["mean"] == 1
    assert len(kept) == 6
    assert kept == {path: path.stat().st_mtime_ns for path in kept}


def test_a_few_subjects_first_and_all_later_in_the_same_folder(tmp_path):
    sets = {"made": lambda *_: pairs_of(0, 1.0)}
    few = run_benchmark(sets, {"mean": MEAN}, folder=tmp_path, n_subjects=3)
    every = run_benchmark(sets, {"mean": MEAN}, folder=tmp_path)
    assert few.scores["n_subjects"].unique() == [3]
    assert every.scores["n_subjects"].unique() == [6]
    assert "only the first 3 of each set" in few.report(tmp_path / "few.html").read_text("utf-8")
    assert "only the first" not in every.report(tmp_path / "every.html").read_text("utf-8")


def test_names_that_rows_of_the_page_have_are_refused():
    for name in ("time, linear", "mean, eda", 3):
        with pytest.raises(ValueError, match=r"A method has the name .* without ', '"):
            run_benchmark({"made": lambda *_: pairs_of(0, 1.0)}, {name: MEAN})


@pytest.mark.parametrize(
    ("sets", "error", "message"),
    [
        ({"features": pairs_of}, ValueError, "name 'features'; expected letters"),
        ({"a/b": pairs_of}, ValueError, "name 'a/b'; expected letters"),
        ({"a to b": pairs_of}, ValueError, "name 'a to b'; expected letters"),
        ({("a",): pairs_of}, ValueError, "expected letters"),
        ({"made": pairs_of(0, 1.0)}, TypeError, "'made' is BenchmarkSet.* expected a function"),
        ({"made": lambda *_: None}, TypeError, "'made' returned None; expected a BenchmarkSet"),
    ],
)
def test_own_sets_of_another_kind_are_refused(sets, error, message):
    with pytest.raises(error, match=message):
        run_benchmark(sets, {"mean": MEAN})


def test_an_own_method_with_the_name_of_neurokit_is_no_estimate():
    data = replace(windows_of("regression"), estimate=0)
    found = run_benchmark({"made": lambda *_: data}, {"neurokit": MEAN}).scores
    assert "neurokit, its own estimate" not in set(found["method"])
