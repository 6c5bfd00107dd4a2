"""Orders of conditions, controls by elapsed time, and scores worse than chance."""

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import PredefinedSplit

from sklearn_biomoe.evaluation import FixedSplit, LeakWarning, run_study
from sklearn_biomoe.evaluation.designs import find_design

ORDERS = {"fixed": ["ab"] * 8, "counterbalanced": ["ab", "ba"] * 4}
BY_TIME = ["elapsed time only, linear", "elapsed time only, spline"]


class Data:
    """Subjects with blocks of conditions of four windows each; signals drift over a session."""

    def __init__(self, orders, drift=10.0):
        self.random = np.random.default_rng(0)
        self.y = np.concatenate([np.repeat(list(order), 4) for order in orders])
        n_windows = [4 * len(order) for order in orders]
        self.groups = np.repeat(np.arange(len(orders)), n_windows)
        starts = np.concatenate([60.0 * np.arange(n) for n in n_windows])
        starts += self.random.uniform(0, 5, len(starts))
        self.intervals = np.column_stack([starts, starts + 55])
        self.X = drift * starts[:, None] / starts.max() + self.random.normal(size=(len(starts), 2))

    def run(self, y=None, **options):
        methods = {"method": LogisticRegression()}
        if y is not None and np.asarray(y).dtype.kind == "f":
            methods = {"method": Ridge()}
        y = self.y if y is None else y
        return run_study(methods, self.X, y, self.groups, intervals=self.intervals, **options)


def alarms_of(study, method):
    return {alarm.kind: alarm.message for alarm in study.alarms if alarm.method == method}


def test_fixed_order():
    with pytest.warns(LeakWarning, match="The time of a window predicts its class"):
        study = Data(ORDERS["fixed"]).run()
    assert "Order of conditions: fixed (8 subjects: a, b)." in study.decisions
    assert (study.summary().loc[BY_TIME, "mean"] == 1).all()


@pytest.mark.parametrize("orders", [["ab", "ba"] * 4, ["abc", "bca", "cab"] * 3])
def test_controls_of_counterbalanced_orders_are_at_chance(orders):
    """Leaving out one subject, the linear control has a score of 0 and the method nearly so."""
    data = Data(orders)
    with pytest.warns(LeakWarning, match="worse than chance: 'method' scores 0"):
        study = data.run()
    chance, summary = 1 / len(orders[0]), study.summary()
    assert set(BY_TIME) <= set(study.controls)
    np.testing.assert_allclose(summary.loc[BY_TIME, "mean"], chance, atol=0.15)
    assert summary.loc["method", "mean"] < chance - 0.25
    message = alarms_of(study, "method")["worse than chance"]
    assert "Subjects have the conditions in different orders" in message
    assert "PredefinedSplit" in message
    assert not any(alarms_of(study, name) for name in BY_TIME)
    (decision,) = (each for each in study.decisions if "Order of" in each)
    n_each = len(orders) // len(set(orders))
    assert f"counterbalanced ({n_each} subjects: a, b" in decision
    assert f"Each of the {n_each} folds of the time controls therefore tests subjects" in decision
    own = study.predictions[study.predictions["method"] == BY_TIME[0]]
    tested = own.groupby("fold")["subject"].unique()
    assert [{orders[each] for each in subjects} for subjects in tested] == [set(orders)] * n_each


def test_leaving_out_single_subjects_pushes_elapsed_time_below_chance():
    """What the controls would score without folds of their own."""
    data = Data(ORDERS["counterbalanced"])
    with pytest.warns(LeakWarning, match="worse than chance"):
        study = run_study(
            {"time": LogisticRegression()}, data.intervals[:, :1], data.y, data.groups
        )
    assert study.summary().loc["time", "mean"] == 0
    assert study.summary().loc["time", "p_worse"] == 1 / 2**8
    assert "different orders" not in alarms_of(study, "time")["worse than chance"]  # not known


def test_folds_that_the_alarm_advises():
    data = Data(ORDERS["counterbalanced"])
    study = data.run(cv=PredefinedSplit(data.groups // 2))  # one subject of each order
    assert study.summary().loc["method", "mean"] == pytest.approx(0.5, abs=0.1)
    assert study.alarms == ()


def test_unequal_orders_leave_information_in_time():
    """Six of eight subjects in one order: time predicts these, and the opposite for two."""
    with pytest.warns(LeakWarning, match="The time of a window predicts its class"):
        study = Data(["ab"] * 6 + ["ba"] * 2).run()
    assert study.summary().loc[BY_TIME[0], "mean"] == 6 / 8


@pytest.mark.filterwarnings("ignore::sklearn_biomoe.evaluation.LeakWarning")
def test_orders_that_no_two_subjects_share():
    study = Data(["abcd", "badc", "cdab", "dcba"]).run()
    assert not set(BY_TIME) & set(study.controls)
    (decision,) = (each for each in study.decisions if "Order of" in each)
    assert "random (1 subject: a, b, c, d; 1 subject: b, a, d, c;" in decision
    assert "time controls are left out, because every subject has an order" in decision


@pytest.mark.filterwarnings("ignore::sklearn_biomoe.evaluation.LeakWarning")
def test_subjects_with_an_order_of_their_own_are_tested_too():
    study = Data(["abc"] * 4 + ["bca"] * 3 + ["cab"]).run()
    own = study.predictions[study.predictions["method"] == BY_TIME[0]]
    assert own["subject"].nunique() == 8
    assert own["fold"].nunique() == 3


def test_controls_of_fixed_lists_use_these_lists():
    data = Data(ORDERS["counterbalanced"])
    study = data.run(cv=FixedSplit(train=[0, 1, 2, 3], test=[4, 5, 6, 7]))
    own = study.predictions[study.predictions["method"] == BY_TIME[0]]
    assert sorted(own["subject"].unique()) == [4, 5, 6, 7]
    assert study.summary().loc[BY_TIME[0], "mean"] == 0.5


# Ratings and levels


@pytest.mark.parametrize("order", ["fixed", "counterbalanced"])
def test_ratings(order):
    data = Data(ORDERS[order], drift=0)
    slopes = np.array([1 if own == "ab" else -1 for own in ORDERS[order]])[data.groups]
    middle = data.intervals[:, 0] - 240
    y = 5 + slopes * middle / 60 + data.random.normal(size=len(data.y))
    if order == "fixed":
        with pytest.warns(LeakWarning, match="The time of a window predicts its rating"):
            study = data.run(y)
        assert "Ratings over a session (8 subjects: rising)." in study.decisions
        assert study.summary().loc[BY_TIME[0], "p_value"] < 0.01
    else:
        study = data.run(y)
        assert any("4 subjects: rising; 4 subjects: falling" in each for each in study.decisions)
        assert study.summary().loc[BY_TIME, "p_worse"].min() > 0.05
        assert not any(alarms_of(study, name) for name in BY_TIME)


def test_ratings_that_leaving_out_one_subject_reverses():
    data = Data(ORDERS["counterbalanced"] * 2)
    slopes = np.array([1, -1] * 8)[data.groups]
    y = 5 + slopes * (data.intervals[:, 0] - 240) / 60
    with pytest.warns(LeakWarning, match="worse than chance"):
        study = data.run(y)
    summary = study.summary()
    assert summary.loc["method", "mean"] > summary.loc["method", "chance"]
    assert "different orders" in alarms_of(study, "method")["worse than chance"]


def test_levels():
    data = Data(["abc", "bca", "cab"] * 3, drift=0)
    levels = pd.Categorical(data.y, categories=["a", "b", "c"], ordered=True)
    study = data.run(levels)
    assert study.task.name == "ordinal"
    assert study.summary().loc[BY_TIME, "p_worse"].min() > 0.05
    assert any("counterbalanced (3 subjects: a, b, c;" in each for each in study.decisions)


# Orders


def test_conditions_are_listed_as_they_first_occur():
    y = np.array(["a", "b", "a", "b", "b", "a"])
    groups, start = np.array([1, 1, 1, 2, 2, 2]), np.array([30.0, 10, 20, 1, 2, 3])
    design = find_design(y, groups, start, has_classes=True)
    assert design.orders == {1: ("b", "a"), 2: ("b", "a")}
    assert not design.has_several_orders


def test_methods_at_chance_raise_no_alarm():
    data = Data(ORDERS["counterbalanced"], drift=0)
    methods = {"dummy": DummyClassifier(), "prior": DummyClassifier(strategy="prior")}
    study = run_study(methods, data.X, data.y, data.groups)
    assert (study.summary()["p_worse"] == 1).all()
    ratings = data.random.normal(size=len(data.y))
    study = run_study({"mean": DummyRegressor()}, data.X, ratings, data.groups)
    assert study.alarms == ()
