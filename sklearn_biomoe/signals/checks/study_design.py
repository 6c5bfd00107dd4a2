"""Checks of the design: classes, subjects, order and time."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler

from ..._typing import Array, FloatArray, Mask
from ..._validation.targets import is_rating
from .findings import Finding, MeasuredSignal, describe_subjects

FEWEST_SUBJECTS = 6  # the p-value of a sign-flip test of 5 cannot be below 2 / 2**5 = 0.06
RARE = 0.1  # share of windows of a class
MOST_FOLDS = 40
MOST_CLASSES = 20
ABOVE_CHANCE = 0.1  # of balanced accuracy
STANDARD_ERRORS = 3  # over subjects, above chance
FIXED_SHARE = 0.9  # of subjects with the same order


CLASSIFIER = LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000)


def time_only_methods(predictor: Any = CLASSIFIER) -> dict[str, Pipeline]:
    """Return predictors by the start time of a window, the controls of a study."""
    spline = SplineTransformer(n_knots=20)
    return {
        "elapsed time only, linear": make_pipeline(StandardScaler(), predictor),
        "elapsed time only, spline": make_pipeline(spline, StandardScaler(), predictor),
    }


def check_design(
    y: Array | None, groups: Array | None, start: FloatArray | None, seconds: FloatArray
) -> Iterator[Finding]:
    """Yield findings about classes, subjects, order and time.

    Parameters
    ----------
    y, groups, start : ndarray of shape (n_windows,) or None
    seconds : ndarray of shape (n_windows,)
        Lengths of windows.

    References
    ----------
    A sign-flip test of n subjects has 2**n assignments, so that a two-sided p-value is 2 / 2**n or
    more. Order effects and counterbalancing: APA Dictionary of Psychology, "order effect".
    """
    if groups is not None:
        yield from _check_subjects(groups)
        if start is not None:
            yield from _check_overlap(groups, start, seconds)
    if y is None or is_rating(y):
        return
    classes, counts = np.unique(y, return_counts=True)
    if len(classes) > MOST_CLASSES:
        return
    if len(classes) == 1:
        message = f"All windows are of class {classes.tolist()[0]!r}."
        yield _finding("error", "classes", message, "A classifier needs two classes or more.")
        return
    rare = counts < RARE * len(y)
    if rare.any():
        few = zip(counts[rare].tolist(), classes[rare].tolist(), strict=True)
        listed = ", ".join(f"{n} of {name!r}" for n, name in few)
        message = f"Of {len(y):,} windows, few are of some classes: {listed}."
        advice = "Judge by balanced accuracy, and use class_weight='balanced'."
        yield _finding("note", "classes", message, advice, np.isin(y, classes[rare]))
    if groups is not None and len(np.unique(groups)) > 1:
        yield from _check_classes_of_subjects(y, groups)
        if start is not None:
            yield from _check_order(y, groups, start)


def _finding(
    grade: str, kind: str, message: str, advice: str, affected: Mask | None = None, **figures: Any
) -> Finding:
    rows = () if affected is None else tuple(np.flatnonzero(affected).tolist())
    return Finding(grade, kind, None, None, None, message, advice, rows, figures)


def _check_subjects(groups: Array) -> Iterator[Finding]:
    n_subjects = len(np.unique(groups))
    if n_subjects < FEWEST_SUBJECTS:
        message = f"There are windows of {n_subjects} subject{'s' if n_subjects > 1 else ''}."
        lowest = 2 / 2**n_subjects
        advice = (
            f"A comparison of two methods cannot reach a p-value below {min(lowest, 1):.2g}, and "
            "scores say little about new subjects."
        )
        yield _finding("note", "subjects", message, advice, n_subjects=n_subjects)


def _check_classes_of_subjects(y: Array, groups: Array) -> Iterator[Finding]:
    n_classes = pd.Series(y).groupby(groups).nunique()
    single = n_classes.index[n_classes == 1]
    if not len(single):
        return
    affected = np.isin(groups, single)
    if len(single) == len(n_classes):
        message = "Every subject has windows of one class: subject and class cannot be separated."
        advice = (
            "A classifier may recognise people. run_study refuses this; test one prediction per "
            "subject instead."
        )
        yield _finding("warning", "classes", message, advice, affected)
        return
    message = f"{len(single)} of {len(n_classes)} subjects have windows of one class: "
    message += f"{describe_subjects(single)}."
    advice = "run_study refuses them: drop these subjects, or add their windows of other classes."
    yield _finding("warning", "classes", message, advice, affected, n_subjects=len(single))


def _check_overlap(groups: Array, start: FloatArray, seconds: FloatArray) -> Iterator[Finding]:
    order = np.lexsort((start, groups))
    same = groups[order][1:] == groups[order][:-1]
    equal = same & (start[order][1:] == start[order][:-1])
    overlapping = same & (start[order][1:] < (start + seconds)[order][:-1] - 1e-9)
    affected = np.zeros(len(groups), dtype=bool)
    affected[order[1:][overlapping]] = True
    if equal.any():
        message = f"{int(equal.sum())} windows start at the same time as another of their subject."
        advice = "Check start=, or keep one of each; recordings of a subject need distinct times."
        twice = np.isin(np.arange(len(groups)), order[1:][equal])
        yield _finding("warning", "overlap", message, advice, twice)
    elif affected.any():
        message = f"{affected.sum():,} of {len(groups):,} windows overlap with the one before."
        advice = (
            "Keep subjects apart in cross-validation, and do not count windows as independent in "
            "tests."
        )
        yield _finding("note", "overlap", message, advice, affected)


def _check_order(y: Array, groups: Array, start: FloatArray) -> Iterator[Finding]:
    """Find fixed orders of conditions, and labels that time or order predicts."""
    sequences = order_sequences(y, groups, start)
    [(most_common, count)] = Counter(sequences.values()).most_common(1)
    share = count / len(sequences)
    scores = _time_scores(y, groups, start)
    name, score = max(scores.items(), key=lambda item: item[1][0])
    mean, error = score
    chance = 1 / len(np.unique(y))
    is_fixed = len(sequences) > 2 and share >= FIXED_SHARE
    predicts = mean - chance > ABOVE_CHANCE and mean - STANDARD_ERRORS * error > chance
    if not is_fixed and not predicts:
        return
    parts = []
    if is_fixed:
        shown = ", ".join(map(str, most_common[:8])) + (", ..." if len(most_common) > 8 else "")
        of_all = f"{count} of {len(sequences)} subjects"
        parts.append(f"{of_all} have the classes in one order: {shown}.")
    if predicts:
        parts.append(
            f"The {name} of a window alone predicts its class with a balanced accuracy of "
            f"{mean:.2f} on held-out subjects (chance {chance:.2f})."
        )
    advice = (
        "Any signal that drifts over a session scores above chance: compare with the controls of "
        "elapsed time, which a study adds if the start of windows is known."
    )
    yield _finding(
        "warning", "order", " ".join(parts), advice, order=order_kind(sequences), scores=scores
    )


def order_sequences(y: Array, groups: Array, start: FloatArray) -> dict[Any, tuple[Any, ...]]:
    """Return the classes of each subject in the order of time, without repetitions."""
    sequences = {}
    for subject in np.unique(groups):
        rows = np.flatnonzero(groups == subject)
        labels = y[rows[np.argsort(start[rows], kind="stable")]]
        changes = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])
        sequences[subject] = tuple(labels[changes].tolist())
    return sequences


def order_kind(sequences: dict[Any, tuple[Any, ...]]) -> str:
    """Return "fixed", "counterbalanced" (few orders, each of several subjects) or "random"."""
    counts = Counter(sequences.values())
    if max(counts.values()) >= FIXED_SHARE * len(sequences):
        return "fixed"
    return "counterbalanced" if len(counts) <= 6 and min(counts.values()) >= 2 else "random"


def _time_scores(y: Array, groups: Array, start: FloatArray) -> dict[str, tuple[float, float]]:
    """Return mean and standard error over subjects of balanced accuracies, by what predicts."""
    _, labels = np.unique(y, return_inverse=True)
    order = pd.Series(start).groupby(groups).rank(pct=True).to_numpy()
    folds = GroupKFold(min(len(np.unique(groups)), MOST_FOLDS))
    spline = time_only_methods()["elapsed time only, spline"]
    scores = {}
    for name, values in (("time since the start", start), ("position in the order", order)):
        if np.ptp(values) == 0:
            continue
        try:
            predicted = cross_val_predict(spline, values[:, None], labels, groups=groups, cv=folds)
        except ValueError:  # a class is in one fold only
            continue
        of_subjects = [
            recall_score(labels[own], predicted[own], average="macro", zero_division=0,
                         labels=np.unique(labels[own]))
            for own in (groups == subject for subject in np.unique(groups))
            if len(np.unique(labels[own])) > 1
        ]  # fmt: skip
        if len(of_subjects) > 1:
            error = np.std(of_subjects, ddof=1) / np.sqrt(len(of_subjects))
            scores[name] = (float(np.mean(of_subjects)), float(error))
    return scores or {"time since the start": (0.0, 0.0)}


def check_label_in_samples(signal: MeasuredSignal, y: Array) -> Iterator[Finding]:
    """Yield a finding if one sample of all windows has one value for each class.

    Of windows of different lengths, as many samples are compared as the shortest one has, from the
    start and from the end.
    """
    windows = signal.windows.present
    values, n_times = windows.values, windows.shortest()[1]
    if values.dtype.kind == "O":
        ends = [np.concatenate([each[:, :n_times], each[:, -n_times:]], axis=1) for each in values]
        values = np.stack(ends).astype(np.float64)
    found = find_label(values, y[~signal.windows.missing])
    if found is None:
        return
    channel, sample = found
    if sample >= n_times:
        sample -= 2 * n_times  # counted from the end
    message = (
        f"Sample {sample} of all windows of {signal.name!r} has one value for each class: the "
        "label is among the samples."
    )
    advice = "Remove it from X."
    yield signal.finding("error", "label", message, advice, sample=sample, channel=channel)


def find_label(values: Array, y: Array) -> tuple[int, int] | None:
    """Return the first feature that has one value for each class, and another one for each.

    Parameters
    ----------
    values : ndarray of shape (n_windows, n_channels, n_features)
    y : ndarray of shape (n_windows,)

    Returns
    -------
    found : (int, int) or None
        Channel and feature. None, too, if there are not two windows or more of each of 2 to 20
        classes.
    """
    classes, counts = np.unique(y, return_counts=True)
    if not 1 < len(classes) <= MOST_CLASSES or counts.min() < 2:
        return None
    of_class = [values[y == each] for each in classes]
    lowest, highest = (
        np.array([extreme(own, axis=0) for own in of_class]) for extreme in (np.min, np.max)
    )
    differ = (np.diff(np.sort(lowest, axis=0), axis=0) > 0).all(axis=0)
    is_label = (lowest == highest).all(axis=0) & differ
    if not is_label.any():
        return None
    channel, feature = np.argwhere(is_label)[0]
    return int(channel), int(feature)
