"""Comparisons of methods: intervals, tests, effect sizes, planned pairs and their limits."""

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

from sklearn_biomoe.evaluation import FixedSplit, comparisons, run_study, statistics


@pytest.fixture
def differences():
    return np.random.default_rng(0).normal(0.3, 1, size=(8, 3))


@pytest.fixture
def data():
    """Eight subjects with ten windows each; the first of two features depends on the class."""
    random = np.random.default_rng(0)
    y, groups = np.tile(["rest", "pain"], 40), np.repeat(np.arange(8), 10)
    X = random.normal(size=(80, 2))
    X[:, 0] += 2 * (y == "pain")
    return X, y, groups


METHODS = {
    "logistic": LogisticRegression(),
    "dummy": DummyClassifier(),
    "weak": LogisticRegression(C=1e-3),
}


# Intervals and tests


def test_intervals_of_independent_subjects_equal_scipy(differences):
    found = statistics.mean_interval(differences, cross_validated=False)
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    np.testing.assert_allclose(found, expected)
    p_values = statistics.upper_t_p_values(differences, cross_validated=False)
    expected = stats.ttest_1samp(differences, 0, alternative="greater").pvalue
    np.testing.assert_allclose(p_values, expected)


def test_corrected_error_by_hand():
    """s² = 4 of four subjects: 4 (1/4 + 1/3), the formula of Nadeau and Bengio for 3 to 1."""
    values = np.array([1.0, 3, 3, 5]) * np.sqrt(1.5)
    error = statistics.standard_error(values, cross_validated=True)
    assert error == pytest.approx(np.sqrt(4 * 7 / 12))
    low, high = statistics.mean_interval(values, cross_validated=True)
    assert high - low == pytest.approx(2 * 3.182446 * error)


def test_statistics_of_one_subject_and_of_equal_values():
    one, equal, nothing = np.array([0.7]), np.full(5, 0.1), np.zeros(5)
    assert np.isnan(statistics.mean_interval(one, cross_validated=True)).all()
    assert np.isnan(statistics.effect_size(one, cross_validated=True)).all()
    assert statistics.upper_t_p_values(one, cross_validated=True) == 1
    assert statistics.upper_t_p_values(equal, cross_validated=True) == 0
    assert statistics.upper_t_p_values(nothing, cross_validated=True) == 1
    assert np.isnan(statistics.effect_size(equal, cross_validated=True)).all()
    assert statistics.mean_interval(equal, cross_validated=True) == pytest.approx((0.1, 0.1))


def test_variance_of_cross_validated_scores_is_twice_that_of_independent_ones():
    """Without information: a linear classifier of 40 features, leaving out one of 12 subjects."""
    random = np.random.default_rng(0)
    effects = random.normal(size=(2000, 12, 40))  # of the class on each feature
    trained = effects.sum(axis=1, keepdims=True) - effects
    scores = (effects * trained).sum(axis=2) / np.linalg.norm(trained, axis=2)
    naive = scores.var(axis=1, ddof=1).mean() / 12
    assert scores.mean(axis=1).var() / naive == pytest.approx(1 + 12 / 11, rel=0.1)
    low, high = statistics.mean_interval(scores.T, cross_validated=True)
    assert ((low < 0) & (high > 0)).mean() == pytest.approx(0.95, abs=0.02)
    low, high = statistics.mean_interval(scores.T, cross_validated=False)
    assert ((low < 0) & (high > 0)).mean() < 0.88


def test_chance():
    """Five windows right of six in each of eight subjects; all permutations by binomials."""
    scores, random = np.full(8, 5 / 6), np.random.default_rng(0)
    permuted = random.binomial(6, 0.5, size=(1000, 8)) / 6
    options = {"cross_validated": True}
    test = statistics.compare_with_chance(scores, permuted, greater_is_better=True, **options)
    assert test["chance"] == permuted.mean()
    assert (test["chance_low"], test["chance_high"]) == tuple(
        np.quantile(permuted.mean(axis=1), [0.025, 0.975])
    )
    assert test["p_value"] == 1 / 2**8  # more than 1 / 1001
    assert test["p_worse"] == 1
    reversed_ = statistics.compare_with_chance(scores, permuted, greater_is_better=False, **options)
    assert (reversed_["p_value"], reversed_["p_worse"]) == (1, 1 / 2**8)


def test_chance_of_scores_that_differ_between_subjects():
    """Windows alone would be significant; over subjects, a t-test of corrected variance decides."""
    scores = np.array([1.0, 0.9, 0.8, 0.7, 0.7, 0.4, 0.4, 0.4])
    permuted = np.full((1000, 8), 0.5)
    found = statistics.compare_with_chance(
        scores, permuted, greater_is_better=True, cross_validated=True
    )["p_value"]
    t = (scores.mean() - 0.5) / (scores.std(ddof=1) * np.sqrt(1 / 8 + 1 / 7))
    assert found == pytest.approx(stats.t.sf(t, 7))
    assert found > 0.05 > stats.ttest_1samp(scores, 0.5, alternative="greater").pvalue


@pytest.mark.parametrize(("mean", "n_subjects"), [(0, 5), (0.5, 8), (3, 34)])
def test_effect_sizes(mean, n_subjects):
    """The noncentral t distribution, integrated numerically."""
    values = np.random.default_rng(n_subjects).normal(mean, 1, n_subjects)
    d_z, low, high = statistics.effect_size(values, cross_validated=False)
    t, df = stats.ttest_1samp(values, 0).statistic, n_subjects - 1
    assert d_z == pytest.approx(t / np.sqrt(n_subjects))
    chi = stats.chi(df, scale=1 / np.sqrt(df))

    def cdf(noncentrality):
        function = lambda s: stats.norm.cdf(t * s - noncentrality) * chi.pdf(s)  # noqa: E731
        return integrate.quad(function, *chi.ppf([1e-12, 1 - 1e-12]))[0]

    for limit, quantile in ((low, 0.975), (high, 0.025)):
        assert cdf(limit * np.sqrt(n_subjects)) == pytest.approx(quantile, abs=1e-4)
    _, wider_low, wider_high = statistics.effect_size(values, cross_validated=True)
    assert wider_low < low < high < wider_high


def test_p_values_of_pairs_are_the_larger_ones(differences):
    differences[:, 2] += 5
    flips = statistics.sign_flip_p_values(differences, np.random.default_rng(0))
    t = differences.mean(axis=0) / statistics.standard_error(differences, cross_validated=True)
    by_t = 2 * stats.t.sf(np.abs(t), 7)
    found = comparisons.paired_p_values(differences, 0, cross_validated=True)
    np.testing.assert_allclose(found, np.maximum(flips, by_t))
    assert found[2] == 2 / 2**8 > by_t[2]


# Planned pairs


def test_planned_pairs_of_a_study(data):
    study = run_study(METHODS, *data)
    table = study.comparisons()
    assert study.reference == "logistic"
    assert study.controls == ("training majority",)
    assert table[["method", "other"]].to_numpy().tolist() == [
        ["dummy", "logistic"],
        ["weak", "logistic"],
        ["logistic", "training majority"],
        ["dummy", "training majority"],
        ["weak", "training majority"],
    ]
    assert table["n_corrected"].tolist() == [2, 2, 3, 3, 3]
    assert table["p_lowest"].tolist() == [2 * 2 / 2**8] * 2 + [3 * 2 / 2**8] * 3
    for _, family in table.groupby("other"):
        expected = statistics.holm(family["p_value"].to_numpy())
        assert family["p_corrected"].tolist() == expected.tolist()
    assert (table["p_corrected"] >= table["p_lowest"]).all()


def test_all_pairs_and_chosen_pairs(data):
    study = run_study(METHODS, *data)
    everything = study.comparisons("all")
    assert len(everything) == 6
    assert (everything["n_corrected"] == 6).all()
    chosen = study.comparisons([("weak", "dummy")])
    assert chosen["p_corrected"].tolist() == chosen["p_value"].tolist()
    scores = study.scores.pivot_table("balanced_accuracy", "subject", "method")
    gained = scores["weak"] - scores["dummy"]
    row = chosen.iloc[0]
    assert row["difference"] == pytest.approx(gained.mean())
    assert row["effect_size"] == pytest.approx(gained.mean() / gained.std())
    half = stats.t.ppf(0.975, 7) * gained.std() * np.sqrt(1 / 8 + 1 / 7)
    assert (row["low"], row["high"]) == pytest.approx((gained.mean() - half, gained.mean() + half))
    with pytest.raises(ValueError, match="Unknown pairs 'al'; expected one of \\['all'\\]"):
        study.comparisons("al")


def test_one_method_has_no_comparisons_with_the_reference(data):
    table = run_study({"logistic": LogisticRegression()}, *data).comparisons()
    assert table["other"].tolist() == ["training majority"]
    assert run_study(METHODS, *data).comparisons([]).empty


def test_scores_of_a_fixed_split_are_independent(data):
    X, y, groups = data
    split = FixedSplit(train=[0, 1], test=[2, 3, 4, 5, 6, 7])
    study = run_study({"logistic": LogisticRegression()}, X, y, groups, cv=split)
    row = study.summary().loc["logistic"]
    scores = study.scores.set_index("method").loc["logistic", "balanced_accuracy"]
    expected = stats.ttest_1samp(scores, 0).confidence_interval(0.95)
    assert (row["low"], row["high"]) == pytest.approx(tuple(expected))


# What few subjects allow


@pytest.mark.parametrize(("n_pairs", "expected"), [(1, 6), (2, 7), (6, 8), (7, 9), (28, 11)])
def test_subjects_needed(n_pairs, expected):
    assert comparisons.subjects_needed(n_pairs) == expected
    assert n_pairs * 2 / 2**expected < 0.05 <= n_pairs * 2 / 2 ** (expected - 1)


def test_too_few_subjects_are_reported(data):
    X, y, groups = data
    few = groups < 6
    study = run_study(METHODS, X[few], y[few], groups[few])
    (sentence,) = (each for each in study.decisions if "concluded" in each)
    assert "comparisons with logistic, training majority: with 6 subjects" in sentence
    assert "cannot be below 0.0938 after correction for 3 pairs; 7 subjects" in sentence
    assert set(study.comparisons()["n_subjects_needed"]) == {7}
    enough = run_study(METHODS, *data)
    assert not any("concluded" in each for each in enough.decisions)


def test_random_sign_flips_have_a_lowest_p_value():
    random = np.random.default_rng(0)
    found = statistics.sign_flip_p_values(np.ones((20, 1)), random)
    assert found == statistics.lowest_p_value(20) == 1 / (1 + statistics.N_FLIPS)


def test_limits_of_pairs_are_those_of_their_family():
    scores = pd.DataFrame(np.random.default_rng(0).normal(size=(6, 3)), columns=list("abc"))
    pairs = [("a", "c"), ("b", "c"), ("a", "b")]
    table = comparisons.compare_pairs(scores, pairs, 0, cross_validated=True, by_other=True)
    assert table["p_lowest"].tolist() == [2 / 32, 2 / 32, 1 / 32]
    sentence = comparisons.describe_limits(table, 6)
    assert "comparisons with c: with 6 subjects they cannot be below 0.0625" in sentence


@pytest.mark.parametrize("unit", [1e-14, 1e14])
@pytest.mark.filterwarnings("ignore::sklearn_biomoe.evaluation.LeakWarning")
def test_a_study_does_not_depend_on_the_unit_of_ratings(data, unit):
    """By powers of two, which change no digits: all scores are the same, and so are the tests."""
    X, _, groups = data
    unit = 2.0 ** np.round(np.log2(unit))
    ratings = X[:, 0] + np.random.default_rng(1).normal(size=80)
    methods = {name: make_pipeline(LinearRegression()) for name in ("first", "equal")}
    methods["constant"] = DummyRegressor()
    found, expected = (
        run_study(methods, X, each, groups, task="regression") for each in (ratings * unit, ratings)
    )
    columns = ["p_value", "p_worse"]
    summary = expected.summary()[columns]
    pd.testing.assert_frame_equal(found.summary()[columns], summary)
    assert summary.loc["first", "p_value"] < 0.05
    assert summary.loc["constant", "p_value"] == 1
    columns = ["method", "other", "p_value", "effect_size", "effect_low", "effect_high"]
    tables = [study.comparisons("all")[columns] for study in (found, expected)]
    pd.testing.assert_frame_equal(*tables)
    assert tables[0].iloc[0][["method", "other", "p_value"]].tolist() == ["first", "equal", 1]


def test_rounding_errors_of_equal_scores_are_no_difference():
    scores = pd.DataFrame({"a": np.full(8, 0.1 + 0.2), "b": np.full(8, 0.3), "large": 1e20})
    options = {"cross_validated": True, "by_other": False}
    for unit in (1e-14, 1.0, 1e14):
        table = comparisons.compare_pairs(unit * scores, [("a", "b")], 0, **options)
        assert table["p_value"].item() == 1
        assert np.isnan(table["effect_size"].item())


@pytest.mark.parametrize("unit", [1.0, 10.0, 1000.0, 1e6])
def test_p_values_do_not_depend_on_the_unit(unit):
    differences = unit * np.random.default_rng(3).uniform(90, 110, size=(8, 20))
    found = statistics.sign_flip_p_values(differences, np.random.default_rng(0))
    np.testing.assert_array_equal(found, 2 / 2**8)
