"""Fit and predict, one method and one fold at a time, each kept in a file once it is done."""

import hashlib
import json
import re
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from .._files import replace_file
from .._progress import progress_bar
from .._validation.subjects import groups_for
from .folds import Fold, name_some

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Outcome:
    """What a method predicted in one fold.

    Parameters
    ----------
    predicted : list of int
        Positions of classes, one for each test window.
    probabilities : list of list of float, or None
        One for each class; None where the method has none.
    seconds : float
        To fit and to predict.
    """

    predicted: list[int]
    probabilities: list[list[float]] | None
    seconds: float


def run_all(
    methods: dict[str, tuple[Any, Any]],
    y: NDArray[Any],
    groups: NDArray[Any],
    folds: list[Fold],
    *,
    folder: Path | None,
    n_jobs: int | None,
    progress: bool,
) -> dict[str, list[Outcome]]:
    """Run every method in every fold, but for those that a folder remembers.

    Parameters
    ----------
    methods : dict of str to (estimator, X)
    y, groups : ndarray of shape (n_windows,)
    folds : list of Fold
    folder : Path or None
    n_jobs : int or None
    progress : bool

    Returns
    -------
    outcomes : dict of str to list of Outcome
        In the order of folds.
    """
    classes = np.unique(y)
    paths = {
        (name, fold.number): None if folder is None else folder / file_name(name, fold)
        for name in methods
        for fold in folds
    }
    found = {key: _read(path, folds[key[1]], classes) for key, path in paths.items()}
    todo = [key for key, outcome in found.items() if outcome is None]
    parallel = Parallel(n_jobs=n_jobs, return_as="generator")
    done = parallel(
        delayed(_run)(*methods[name], y, groups, classes, folds[number], name, paths[name, number])
        for name, number in todo
    )
    with progress_bar(len(todo), "study", "fold", progress) as bar:
        for key, outcome in zip(todo, done, strict=True):
            found[key] = outcome
            if bar is not None:
                bar.update()
    outcomes = {key: outcome for key, outcome in found.items() if outcome is not None}
    return {name: [outcomes[name, fold.number] for fold in folds] for name in methods}


def file_name(name: str, fold: Fold) -> str:
    """Name a result's file so that names that look alike in files stay apart."""
    readable = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:40]
    return f"{readable}_{hashlib.sha256(name.encode()).hexdigest()[:8]}_{fold.number:04d}.json"


def _run(
    method: Any,
    X: Any,
    y: NDArray[Any],
    groups: NDArray[Any],
    classes: NDArray[Any],
    fold: Fold,
    name: str,
    path: Path | None,
) -> Outcome:
    started = time.perf_counter()
    try:
        fitted = clone(method)
        fitted.fit(
            _safe_indexing(X, fold.train), y[fold.train], **groups_for(fitted, groups[fold.train])
        )
        test = _safe_indexing(X, fold.test)
        predicted = np.searchsorted(classes, fitted.predict(test))
        probabilities = _probabilities(fitted, test, classes)
    except Exception as error:
        left_out = name_some(np.unique(groups[fold.test]))
        error.add_note(f"Method {name!r}, fold {fold.number}, which tests subjects {left_out}.")
        raise
    seconds = time.perf_counter() - started
    outcome = Outcome(
        predicted.tolist(), None if probabilities is None else probabilities.tolist(), seconds
    )
    if path is not None:
        _write(path, outcome)
    return outcome


def _probabilities(fitted: Any, test: Any, classes: NDArray[Any]) -> NDArray[np.float64] | None:
    if not hasattr(fitted, "predict_proba"):
        return None
    found = np.asarray(fitted.predict_proba(test), dtype=np.float64)
    probabilities = np.zeros((len(found), len(classes)))
    probabilities[:, np.searchsorted(classes, fitted.classes_)] = found
    return probabilities


def check_folder(folder: Path, signature: dict[str, Any]) -> None:
    """Make a study's folder, or compare it with what it was made for.

    Parameters
    ----------
    folder : Path
    signature : dict
        Hashes of all that decides a result; "methods" has one for each.

    Raises
    ------
    ValueError
        Where it belongs to another study, or to none.
    """
    path = folder / "study.json"
    if folder.is_dir() and any(folder.iterdir()) and not path.is_file():
        raise ValueError(
            f"folder={str(folder)!r} holds files but no study; name an empty or a new folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    before = _read_signature(path, signature)
    differing = [
        name for name in signature if name != "methods" and before[name] != signature[name]
    ]
    if differing:
        raise ValueError(
            f"folder={str(folder)!r} belongs to another study: {' and '.join(differing)} "
            "differ. Name another folder."
        )
    known = before["methods"]
    changed = [name for name, one in signature["methods"].items() if known.get(name, one) != one]
    if changed:
        raise ValueError(
            f"folder={str(folder)!r} holds results of methods {name_some(changed)} with other "
            "parameters. Give them other names, or name another folder."
        )
    written = json.dumps(signature | {"methods": known | signature["methods"]}, indent=1)
    replace_file(path, written.encode())


def _read_signature(path: Path, signature: dict[str, Any]) -> dict[str, Any]:
    if not path.is_file():
        return signature
    try:
        before = json.loads(path.read_text())
        return {name: before[name] for name in signature}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged; remove its folder, or name another one.") from error


def _read(path: Path | None, fold: Fold, classes: NDArray[Any]) -> Outcome | None:
    if path is None or not path.is_file():
        return None
    try:
        kept = json.loads(path.read_text())
        outcome = Outcome(**kept["outcome"])
        if kept["digest"] != _digest(outcome) or len(outcome.predicted) != len(fold.test):
            raise ValueError("its content does not fit its checksum")
        return outcome
    except (ValueError, KeyError, TypeError) as error:
        warnings.warn(f"{path} is damaged ({error}) and is computed anew.", stacklevel=4)
        return None


def _write(path: Path, outcome: Outcome) -> None:
    kept = {"digest": _digest(outcome), "outcome": asdict(outcome)}
    replace_file(path, json.dumps(kept).encode())


def _digest(outcome: Outcome) -> str:
    content = json.dumps([FORMAT_VERSION, asdict(outcome)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
