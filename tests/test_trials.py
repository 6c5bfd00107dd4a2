"""Trials as bags of windows: grouping, aggregation, voting and attention pooling."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    cross_val_predict,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from sklearn_biomoe import BiosignalImageTransformer, TinyBioMoEEmbedder
from sklearn_biomoe.datasets import make_biosignal_windows
from sklearn_biomoe.evaluation import run_study
from sklearn_biomoe.trials import (
    AttentionMILClassifier,
    AttentionMILRegressor,
    TrialAggregator,
    WindowVotingClassifier,
    WindowVotingRegressor,
    aggregate_windows,
    gather_trials,
)
from sklearn_biomoe.trials.attention_network import AttentionMIL, pad

RANDOM = np.random.default_rng(0)
Y = np.tile(["rest", "stress"], 20)
SUBJECTS = np.repeat(np.arange(8), 5)
BAGS = [RANDOM.normal(label == "stress", size=(RANDOM.integers(2, 7), 3)) for label in Y]
LOGISTIC = LogisticRegression()
FAST = {"max_epochs": 20, "learning_rate": 0.05, "dropout": 0.0, "hidden_size": 4, "batch_size": 64}

# Grouping

WINDOWS = np.arange(12.0).reshape(6, 2)
TRIALS = ["b", "a", "b", "c", "a", "b"]


@pytest.mark.parametrize("kind", [np.asarray, pd.DataFrame])
def test_gather_trials_by_hand(kind):
    y, groups = [1, 0, 1, 1, 0, 1], ["x", "y", "x", "x", "y", "x"]
    bags, labels, subjects, names = gather_trials(kind(WINDOWS), TRIALS, y, groups)
    assert names.tolist() == ["b", "a", "c"]
    assert labels.tolist() == [1, 0, 1]
    assert subjects.tolist() == ["x", "y", "x"]
    for bag, rows in zip(bags, [[0, 2, 5], [1, 4], [3]], strict=True):
        np.testing.assert_array_equal(bag, WINDOWS[rows])


def test_bags_of_equal_length_stay_object_cells():
    gathered = gather_trials(WINDOWS, [1, 1, 2, 2, 3, 3])
    assert gathered.bags.shape == (3,)
    assert gathered.bags[1].shape == (2, 2)
    assert gathered.y is None
    assert gathered.groups is None


def test_the_order_of_levels_is_kept():
    levels = pd.Categorical(["low", "none", "low"], ["none", "low", "high"], ordered=True)
    found = gather_trials(np.arange(6.0).reshape(3, 2), ["b", "a", "b"], y=levels).y
    assert found.tolist() == ["low", "none"]
    assert found.dtype == levels.dtype


def test_labels_that_differ_within_a_trial():
    message = r"y differs within trial 'a': 'rest' in row 1, 'stress' in row 4; a trial has one"
    with pytest.raises(ValueError, match=message):
        gather_trials(WINDOWS, TRIALS, y=["rest"] * 4 + ["stress", "rest"])


def test_subjects_that_differ_within_a_trial():
    message = r"groups differs within trial 1: 7 in row 0, 8 in row 3; .*'<subject> <trial>'"
    with pytest.raises(ValueError, match=message):
        gather_trials(WINDOWS, np.array([1, 2, 3, 1, 2, 3]), groups=[7, 7, 7, 8, 8, 8])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"trials": [*TRIALS[:5], None]}, r"trials contains NaN or None in row 5 \(1 of 6"),
        ({"trials": TRIALS[:5]}, r"trials has shape \(5,\), but X has 6 rows"),
        ({"y": [1, 0, 1, np.nan, 0, 1]}, "y contains NaN or None in row 3"),
        ({"X": np.where(WINDOWS == 3, np.nan, WINDOWS)}, "Row 1, of trial 'a', has 1 NaN in 2"),
        ({"X": np.where(np.isin(WINDOWS, [6, 7]), np.nan, WINDOWS)}, "Trial 'c' has only missing"),
        ({"X": np.where(WINDOWS == 3, np.inf, WINDOWS)}, "infinity"),
    ],
)
def test_gather_trials_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        gather_trials(**({"X": WINDOWS, "trials": TRIALS} | arguments))


# Aggregation


@pytest.mark.parametrize("how", ["mean", "max"])
def test_aggregation_equals_numpy(how):
    expected = np.array([getattr(np, how)(bag, axis=0) for bag in BAGS])
    found = TrialAggregator(how).fit_transform(BAGS)
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    trials = np.repeat(np.arange(40), [len(bag) for bag in BAGS])
    shuffled = RANDOM.permutation(len(trials))
    frame = aggregate_windows(np.vstack(BAGS)[shuffled], trials[shuffled], how)
    assert frame.index.tolist() == pd.unique(trials[shuffled]).tolist()
    np.testing.assert_allclose(frame.sort_index(), expected, rtol=1e-14)


def test_aggregate_windows_keeps_names_and_ignores_missing_windows():
    probabilities = pd.DataFrame({"rest": [0.2, np.nan, 0.6], "stress": [0.8, np.nan, 0.4]})
    expected = pd.DataFrame(
        {"rest": [0.2, 0.6], "stress": [0.8, 0.4]}, index=pd.Index(["t", "s"], name="trial")
    )
    pd.testing.assert_frame_equal(
        aggregate_windows(probabilities, ["t", "t", "s"]), expected, check_index_type=False
    )


def test_aggregate_windows_of_one_dimension():
    found = aggregate_windows([1.0, 5.0, 2.0], ["t", "t", "s"])
    assert isinstance(found, pd.Series)
    assert found.to_dict() == {"t": 3.0, "s": 2.0}


def test_aggregation_of_all_forms_of_bags():
    stack = RANDOM.normal(size=(5, 4, 3))
    expected = stack.mean(axis=1)
    column = pd.DataFrame({"bags": list(stack)})
    flat = TrialAggregator(window_size=3)
    for form in (stack, list(stack), column, column["bags"], stack.tolist()):
        np.testing.assert_allclose(TrialAggregator().fit_transform(form), expected, rtol=1e-14)
    np.testing.assert_allclose(flat.fit_transform(stack.reshape(5, 12)), expected, rtol=1e-14)
    assert flat.n_window_features_ == 3
    assert flat.n_features_in_ == 12


def test_rows_of_nan_are_ignored():
    gappy = [np.vstack([bag, np.full((2, 3), np.nan)]) for bag in BAGS]
    found, expected = (TrialAggregator().fit_transform(each) for each in (gappy, BAGS))
    np.testing.assert_array_equal(found, expected)
    found, expected = (
        WindowVotingClassifier(LOGISTIC).fit(each, Y).predict_proba(each) for each in (gappy, BAGS)
    )
    np.testing.assert_array_equal(found, expected)


def test_aggregator_keeps_float32_and_names_columns():
    bags = [bag.astype(np.float32) for bag in BAGS]
    assert TrialAggregator().fit_transform(bags).dtype == np.float32
    frame = TrialAggregator("max").set_output(transform="pandas").fit_transform(bags)
    assert frame.columns.tolist() == ["max_000", "max_001", "max_002"]


SOME_NAN, ALL_NAN = np.full((2, 3), np.nan), np.full((1, 3), np.nan)
SOME_NAN[1, 0] = 1.0
INFINITE = np.array([[1.0, np.inf, 0.0]])


@pytest.mark.parametrize(
    "estimator",
    [TrialAggregator(), WindowVotingClassifier(LOGISTIC), AttentionMILClassifier(**FAST)],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.parametrize(
    ("bag", "message"),
    [
        (np.empty((0, 3)), "Bag 2 has no windows, .*; drop it, and its entries in y"),
        (ALL_NAN, "Bag 2 has no windows, or only missing ones"),
        (None, "Bag 2 has no windows"),
        (np.ones(3), r"Bag 2 has shape \(3,\); expected \(n_windows, n_features\)"),
        (np.ones((2, 4)), "Windows of bag 2 have 4 features, but those of bag 0 have 3"),
        (SOME_NAN, "Window 1 of bag 2 has 2 NaN in 3 features"),
        (INFINITE, "Window 0 of bag 2 has 1 inf in 3 features"),
    ],
)
def test_bad_bags(estimator, bag, message):
    with pytest.raises(ValueError, match=message):
        clone(estimator).fit([*BAGS[:2], bag, *BAGS[3:]], Y)


@pytest.mark.parametrize(
    ("window_size", "message"),
    [
        (5, "X has 12 columns, which is not a multiple of window_size=5"),
        (0, "window_size=0; expected an integer of 1 or more, or None"),
        (2.0, "window_size=2.0; expected an integer"),
    ],
)
def test_window_sizes_that_do_not_fit(window_size, message):
    with pytest.raises(ValueError, match=message):
        TrialAggregator(window_size=window_size).fit(np.ones((4, 12)))


def test_other_windows_than_in_fit():
    with pytest.raises(ValueError, match="Windows have 2 features, but TrialAggregator was fitted"):
        TrialAggregator().fit(BAGS).transform([np.ones((3, 2))])


def test_unknown_aggregation():
    for call in (TrialAggregator("men").fit, lambda bags: aggregate_windows(bags, [0], "men")):
        with pytest.raises(ValueError, match=r"Unknown how 'men'.*Did you mean 'mean'"):
            call([np.ones((1, 3))])


# Voting


@pytest.mark.parametrize("how", ["mean", "max"])
def test_voting_by_hand(how):
    model = WindowVotingClassifier(LOGISTIC, how=how).fit(BAGS, Y)
    lengths = [len(bag) for bag in BAGS]
    alone = clone(LOGISTIC).fit(np.vstack(BAGS), np.repeat(Y, lengths))
    np.testing.assert_array_equal(model.estimator_.coef_, alone.coef_)
    votes = np.array([getattr(np, how)(alone.predict_proba(bag), axis=0) for bag in BAGS])
    expected = votes / votes.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(BAGS), expected)


@pytest.mark.parametrize("how", ["mean", "max"])
def test_voting_regressor_by_hand(how):
    ratings = np.array([bag.sum() for bag in BAGS])
    alone = Ridge().fit(np.vstack(BAGS), np.repeat(ratings, [len(bag) for bag in BAGS]))
    model = WindowVotingRegressor(Ridge(), how=how).fit(BAGS, ratings)
    expected = [getattr(np, how)(alone.predict(bag)) for bag in BAGS]
    np.testing.assert_allclose(model.predict(BAGS), expected)


def test_voting_refuses_other_estimators():
    with pytest.raises(TypeError, match=r"no predict_proba.*CalibratedClassifierCV"):
        WindowVotingClassifier(LinearSVC()).fit(BAGS, Y)
    with pytest.raises(TypeError, match=r"estimator is StandardScaler.*unfitted classifier"):
        WindowVotingClassifier(StandardScaler()).fit(BAGS, Y)
    with pytest.raises(TypeError, match="expected an unfitted classifier"):
        WindowVotingClassifier(LogisticRegression).fit(BAGS, Y)
    with pytest.raises(TypeError, match="expected an unfitted regressor"):
        WindowVotingRegressor(LOGISTIC).fit(BAGS, np.arange(len(BAGS)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, np.nan], r"y contains NaN or None in row 1 \(1 of 40 rows\)"),
        ([1.0, np.inf], r"y contains infinity .* in row 1"),
        ([1.0, "high"], r"y holds 'high' in row 1; \w+Regressor predicts numbers"),
    ],
)
@pytest.mark.parametrize("model", [WindowVotingRegressor(Ridge()), AttentionMILRegressor(**FAST)])
def test_targets_that_are_not_numbers(model, values, message):
    y = np.array([*values, *range(38)], dtype=object if "high" in values else float)
    with pytest.raises(ValueError, match=message):
        model.fit(BAGS, y)


def test_voting_equals_aggregated_predictions_of_windows():
    trials = np.repeat(np.arange(40), [len(bag) for bag in BAGS])
    cv = LeaveOneGroupOut()
    of_windows = cross_val_predict(
        LOGISTIC,
        np.vstack(BAGS),
        Y[trials],
        groups=SUBJECTS[trials],
        cv=cv,
        method="predict_proba",
    )
    of_bags = cross_val_predict(
        WindowVotingClassifier(LOGISTIC), BAGS, Y, groups=SUBJECTS, cv=cv, method="predict_proba"
    )
    np.testing.assert_allclose(aggregate_windows(of_windows, trials), of_bags)


# Attention


def test_attention_pooling_by_hand():
    network = AttentionMIL(n_features=2, hidden_size=2, n_outputs=1, dropout=0.5).eval()
    weights = {
        "content.weight": [[1.0, 0.0], [0.5, -1.0]],
        "content.bias": [0.1, 0.0],
        "gate.weight": [[0.0, 2.0], [1.0, 1.0]],
        "gate.bias": [0.0, -0.5],
        "score.weight": [[1.5, -2.0]],
        "output.weight": [[2.0, -3.0]],
        "output.bias": [0.25],
    }
    network.load_state_dict({name: torch.tensor(value) for name, value in weights.items()})
    bag = np.array([[1.0, 2.0], [0.0, -1.0], [0.5, 0.5]])
    scores = []
    for first, second in bag:  # equation 9
        content = [np.tanh(first + 0.1), np.tanh(0.5 * first - second)]
        gate = [1 / (1 + np.exp(-2 * second)), 1 / (1 + np.exp(-(first + second - 0.5)))]
        scores.append(1.5 * content[0] * gate[0] - 2.0 * content[1] * gate[1])
    attention = np.exp(scores) / np.exp(scores).sum()
    pooled = attention @ bag  # equation 7
    with torch.inference_mode():
        found = network.attention(pad([bag]))
        output = network(pad([bag]))
    np.testing.assert_allclose(found[0], attention, rtol=1e-6)
    assert output.item() == pytest.approx(2 * pooled[0] - 3 * pooled[1] + 0.25, rel=1e-6)


@pytest.fixture(scope="module")
def fitted():
    return AttentionMILClassifier(**FAST).fit(BAGS, Y)


def test_order_of_windows_is_irrelevant(fitted):
    reversed_bags = [bag[::-1] for bag in BAGS]
    np.testing.assert_allclose(fitted.predict_proba(reversed_bags), fitted.predict_proba(BAGS))
    for weights, reversed_weights in zip(
        fitted.attention(BAGS), fitted.attention(reversed_bags), strict=True
    ):
        np.testing.assert_allclose(weights, reversed_weights[::-1])


def test_attention_sums_to_one(fitted):
    for bag, weights in zip(BAGS, fitted.attention(BAGS), strict=True):
        assert weights.shape == (len(bag),)
        assert weights.sum() == pytest.approx(1)
        assert (weights > 0).all()
    (weights,) = fitted.attention([BAGS[0][:1]])
    assert weights.tolist() == [1.0]


def test_predictions_do_not_depend_on_the_batch(fitted):
    longer = RANDOM.normal(size=(50, 3))
    alone, batched = fitted.predict_proba(BAGS[:1]), fitted.predict_proba([longer, BAGS[0]])
    np.testing.assert_allclose(alone[0], batched[1], rtol=1e-10)
    np.testing.assert_allclose(
        fitted.attention(BAGS[:1])[0], fitted.attention([longer, BAGS[0]])[1], rtol=1e-10
    )


def test_missing_windows_have_no_weight_and_no_effect(fitted):
    gappy = [np.insert(bag, 1, np.nan, axis=0) for bag in BAGS]
    again = clone(fitted).fit(gappy, Y)
    np.testing.assert_allclose(again.predict_proba(gappy), fitted.predict_proba(BAGS), rtol=1e-6)
    (weights,) = fitted.attention(gappy[:1])
    assert weights[1] == 0
    np.testing.assert_allclose(np.delete(weights, 1), fitted.attention(BAGS[:1])[0])


def key_windows(n_bags, random):
    """Make bags of 10 windows with two marks, which in class 1 are in one window, the key window.

    The mean over the windows is the same in both classes.
    """
    y = np.tile([0, 1], n_bags // 2)
    bags = random.normal(scale=0.5, size=(n_bags, 10, 4))
    first, other = np.array([random.permutation(10)[:2] for _ in y]).T
    bags[np.arange(n_bags), first, 0] += 3
    bags[np.arange(n_bags), np.where(y == 1, first, other), 1] += 3
    return bags, y, first


def test_attention_finds_the_key_windows():
    random = np.random.default_rng(1)
    bags, y, _ = key_windows(200, random)
    unseen, truth, key = key_windows(100, random)
    model = AttentionMILClassifier(learning_rate=0.05, max_epochs=60, batch_size=50, dropout=0.0)
    attention = np.array(model.fit(bags, y).attention(unseen))
    assert attention[np.arange(100), key][truth == 1].mean() > 0.8  # by chance 0.1
    mean = make_pipeline(TrialAggregator(), StandardScaler(), LOGISTIC).fit(bags, y)
    assert model.score(unseen, truth) > 0.95
    assert mean.score(unseen, truth) < 0.65


def test_regressor_finds_the_key_windows_of_values_in_any_unit():
    random = np.random.default_rng(2)
    bags, *_ = key_windows(200, random)
    key = bags[..., 0].argmax(axis=1)
    bags[np.arange(200), key, 2] = random.uniform(-2, 2, size=200)
    y = 5000 + 1000 * bags[np.arange(200), key, 2]
    model = AttentionMILRegressor(learning_rate=0.05, max_epochs=60, batch_size=50, dropout=0.0)
    model.fit(bags[:150], y[:150])
    assert model.score(bags[150:], y[150:]) > 0.9
    assert model.target_mean_ == pytest.approx(y[:150].mean())


@pytest.mark.filterwarnings("ignore:Each of the .* a single window")
def test_class_weights():
    rare = np.flatnonzero(Y == "stress")[:4]
    chosen = np.concatenate([np.flatnonzero(Y == "rest"), rare])
    bags, y = [BAGS[at][:1] * 0 for at in chosen], Y[chosen]  # equal in all classes
    plain, balanced = (
        AttentionMILClassifier(class_weight=given, **FAST | {"max_epochs": 100})
        .fit(bags, y)
        .predict_proba(bags[:1])[0, 1]
        for given in (None, "balanced")
    )
    assert plain == pytest.approx(4 / 24, abs=0.05)
    assert balanced == pytest.approx(0.5, abs=0.05)


def test_single_windows_need_no_attention():
    bags = [bag[:1] for bag in BAGS]
    with pytest.warns(UserWarning, match=r"bags has a single window: all attention weights are 1"):
        AttentionMILClassifier(**FAST).fit(bags, Y)


def test_random_state(fitted):
    state, n_threads = torch.random.get_rng_state(), torch.get_num_threads()
    again = clone(fitted).fit(BAGS, Y)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == n_threads
    np.testing.assert_array_equal(again.predict_proba(BAGS), fitted.predict_proba(BAGS))
    pd.testing.assert_frame_equal(again.history_, fitted.history_)
    other = clone(fitted).set_params(random_state=1).fit(BAGS, Y)
    assert not np.array_equal(other.predict_proba(BAGS), fitted.predict_proba(BAGS))


def test_history_has_one_row_per_epoch(fitted):
    assert fitted.history_.index.tolist() == list(range(1, 21))
    assert fitted.history_["train_loss"].iloc[-1] < fitted.history_["train_loss"].iloc[0]


def test_pickles_contain_no_torch_objects(fitted):
    pickled = pickle.dumps(fitted)
    assert b"torch" not in pickled
    assert b"skorch" not in pickled
    expected = fitted.predict_proba(BAGS)
    np.testing.assert_array_equal(pickle.loads(pickled).predict_proba(BAGS), expected)


def test_unavailable_device():
    with pytest.raises(ValueError, match="cuda:99"):
        AttentionMILClassifier(device="cuda:99").fit(BAGS, Y)


@pytest.mark.parametrize("model", [AttentionMILClassifier(), WindowVotingClassifier(LOGISTIC)])
def test_single_class(model):
    with pytest.raises(ValueError, match="All training bags are of one class, 'rest'; add bags"):
        clone(model).fit(BAGS[::2], Y[::2])


@pytest.mark.parametrize("kind", [AttentionMILClassifier, AttentionMILRegressor])
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("hidden_size", 0, "an integer of 1 or more"),
        ("max_epochs", 0, "an integer of 1 or more"),
        ("batch_size", 1.5, "an integer of 1 or more"),
        ("dropout", 1.0, "a finite number of 0 or more and below 1"),
        ("learning_rate", 0.0, "a finite number above 0"),
        ("weight_decay", "0", "a finite number of 0 or more"),
    ],
)
def test_parameters_out_of_range(kind, name, value, expected):
    with pytest.raises(ValueError, match=f"{name}={value!r}; expected {expected}"):
        kind(**{name: value}).fit(BAGS, np.arange(40) % 2)


def test_interrupt_is_raised(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(AttentionMIL, "forward", interrupt)
    with pytest.raises(KeyboardInterrupt):
        AttentionMILClassifier(**FAST).fit(BAGS, Y)


# In scikit-learn


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(TrialAggregator(), LOGISTIC),
        WindowVotingClassifier(LOGISTIC),
        AttentionMILClassifier(**FAST),
    ],
    ids=["aggregator", "voting", "attention"],
)
def test_cross_validation_over_trials_by_subject(model):
    gathered = gather_trials(
        np.vstack(BAGS),
        trials := np.repeat(np.arange(40), [len(bag) for bag in BAGS]),
        y=Y[trials],
        groups=SUBJECTS[trials],
    )
    scores = cross_validate(
        model,
        gathered.bags,
        gathered.y,
        groups=gathered.groups,
        cv=GroupKFold(4),
        error_score="raise",
    )
    assert scores["test_score"].shape == (4,)
    assert scores["test_score"].mean() > 0.8


def test_grid_search():
    search = GridSearchCV(
        AttentionMILClassifier(**FAST),
        {"hidden_size": [2, 4]},
        cv=GroupKFold(2),
        error_score="raise",
    )
    search.fit(BAGS, Y, groups=SUBJECTS)
    assert search.best_params_["hidden_size"] in (2, 4)
    assert search.score(BAGS, Y) > 0.8


def test_study_of_bags():
    bags = gather_trials(np.vstack(BAGS), np.repeat(np.arange(40), [len(b) for b in BAGS])).bags
    methods = {"mean": make_pipeline(TrialAggregator(), LOGISTIC)}
    study = run_study(methods, bags, Y, np.repeat(np.arange(4), 10))
    assert study.summary().loc["mean", "mean"] > 0.8


@pytest.mark.usefixtures("small_backbone")
def test_tiles_in_a_pipeline():
    windows = make_biosignal_windows(2, 6, modalities=["bvp"], random_state=0)
    model = make_pipeline(
        BiosignalImageTransformer(["waveform"], sampling_rate=64, modality="bvp", tile_length=20),
        TinyBioMoEEmbedder(),
        AttentionMILClassifier(window_size=192, **FAST),
    )
    model.fit(windows.data["bvp"], windows.target)
    attention = model[-1].attention(model[:-1].transform(windows.data["bvp"]))
    assert [weights.shape for weights in attention] == [(3,)] * 12


def test_a_constant_feature_is_not_scaled():
    bags, y = bags_of_classes()
    model = AttentionMILClassifier(max_epochs=2, random_state=0).fit(bags, y)
    assert model.scale_[-1] == 1
    assert model.mean_[-1] == 0.1
    moved = [bag + np.array([0.0, 1e-6]) for bag in bags]
    np.testing.assert_allclose(model.predict_proba(bags), model.predict_proba(moved), atol=1e-5)


@pytest.mark.parametrize("kind", [AttentionMILClassifier, AttentionMILRegressor])
def test_a_feature_whose_deviation_underflows_is_not_scaled(kind):
    """In float32, 1e-170 is 0: predictions are those of a feature that is 0."""
    bags, y = bags_of_classes()
    tiny, zero = ([bag * [1, size] for bag in bags] for size in (1e-169, 0))
    for each, sign in zip(tiny, y, strict=True):
        each[:, 1] *= 1 + sign
    assert np.concatenate(tiny)[:, 1].std() == 0
    found, expected = (
        kind(max_epochs=2, random_state=0).fit(each, y).predict(each) for each in (tiny, zero)
    )
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, expected)


def test_fits_in_threads_are_equal():
    bags, y = bags_of_classes()
    model = AttentionMILClassifier(max_epochs=5, random_state=0)

    def fit():
        return clone(model).fit(bags, y).predict_proba(bags)

    expected = fit()
    for found in Parallel(n_jobs=3, backend="threading")(delayed(fit)() for _ in range(6)):
        np.testing.assert_array_equal(found, expected)


def bags_of_classes():
    """The last feature is constant; its sum is not exact in binary."""
    random, y = np.random.default_rng(0), np.tile([0, 1], 10)
    bags = [np.column_stack([random.normal(k, 1, size=5), np.full(5, 0.1)]) for k in y]
    return bags, y
