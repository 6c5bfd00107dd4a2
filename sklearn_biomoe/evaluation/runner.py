"""Fitting and predicting of every method in every fold, with results kept in a folder."""

import hashlib
import json
import re
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from .._files import replace_file
from .._progress import progress_bar
from .._typing import Array
from .._validation.subjects import groups_for, name_some
from .._validation.targets import predict_probabilities
from ..pipelines import find_embedders, identify_estimator
from .folds import Fold
from .tasks import Target, read_predictions

FORMAT_VERSION = 2


@dataclass(frozen=True)
class FoldResult:
    """Predictions of a method in one fold.

    Parameters
    ----------
    predicted : list of int or of float
        Position of the predicted class of each test window, or the predicted rating.
    probabilities : list of list of float, or None
        One for each test window and class; None if the method has no probabilities.
    weights_sha256 : list of str
        Hashes of the weights of all fitted embedders in the method.
    seconds : float
        To fit and predict.
    """

    predicted: list[int] | list[float]
    probabilities: list[list[float]] | None
    weights_sha256: list[str]
    seconds: float


def run_folds(
    methods: dict[str, tuple[Any, Any, list[Fold]]],
    target: Target,
    groups: Array,
    *,
    folder: Path | None,
    n_jobs: int | None,
    progress: bool | str,
) -> dict[str, list[FoldResult]]:
    """Fit and predict with every method in every fold that the folder has no result of.

    Methods have an estimator, its X and its folds. Results are in the order of the folds.
    """
    results, tasks = {}, {}
    for name, (method, X, folds) in methods.items():
        for fold in folds:
            path = None if folder is None else folder / _file_name(name, fold)
            result = _read(path, fold)
            if result is None:
                tasks[name, fold.number] = delayed(_run_fold)(
                    name, method, X, target, groups, fold, path
                )
            else:
                results[name, fold.number] = result
    computed = Parallel(n_jobs=n_jobs, return_as="generator")(tasks.values())
    with progress_bar(len(tasks), "study", "fold", progress) as bar:
        for key, result in zip(tasks, computed, strict=True):
            results[key] = result
            if bar is not None:
                bar.update()
    return {
        name: [results[name, fold.number] for fold in folds]
        for name, (_, _, folds) in methods.items()
    }


def _run_fold(
    name: str, method: Any, X: Any, target: Target, groups: Array, fold: Fold, path: Path | None
) -> FoldResult:
    started = time.perf_counter()
    try:
        fitted = clone(method)
        subjects = groups_for(fitted, groups[fold.fitted])
        fitted.fit(_safe_indexing(X, fold.fitted), target.values[fold.fitted], **subjects)
        test = _safe_indexing(X, fold.predicted)
        scored = slice(-len(fold.test), None)  # after calibration windows
        predicted = read_predictions(fitted.predict(test), target)[scored]
        probabilities = None
        if target.classes is not None and hasattr(fitted, "predict_proba"):
            classes = np.unique(target.values)
            probabilities = predict_probabilities(fitted, test, classes)[scored].tolist()
    except Exception as error:
        held_out = name_some(np.unique(groups[fold.test]))
        error.add_note(f"Method {name!r}, fold {fold.number}, which tests subjects {held_out}.")
        raise
    hashes = {getattr(part, "weights_sha256_", None) for part in find_embedders(fitted)}
    seconds = time.perf_counter() - started
    # Searches contain unfitted embedders too, which have no hash.
    result = FoldResult(predicted.tolist(), probabilities, sorted(filter(None, hashes)), seconds)
    if path is not None:
        content = {"digest": _digest(result), "result": asdict(result)}
        replace_file(path, json.dumps(content).encode())
    return result


def check_folder(folder: Path, signature: dict[str, Any]) -> None:
    """Create a study's folder, or raise ValueError if it belongs to another study.

    The signature has hashes of everything that results depend on; "methods" has one for each.
    """
    path = folder / "study.json"
    if folder.is_dir() and any(folder.iterdir()) and not path.is_file():
        raise ValueError(
            f"folder={str(folder)!r} contains files but not a study; pass an empty or a new folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    before = _read_signature(path, signature)
    differing = [
        name for name in signature if name != "methods" and before[name] != signature[name]
    ]
    if differing:
        raise ValueError(
            f"folder={str(folder)!r} belongs to another study: {', '.join(differing)} changed. "
            "Pass another folder."
        )
    known = before["methods"]
    changed = [name for name, one in signature["methods"].items() if known.get(name, one) != one]
    if changed:
        raise ValueError(
            f"folder={str(folder)!r} has results of methods {name_some(changed)} with other "
            "parameters or functions. Rename these methods, or pass another folder."
        )
    content = json.dumps(signature | {"methods": known | signature["methods"]}, indent=1)
    replace_file(path, content.encode())


def forget_changed(folder: Path, methods: Mapping[str, Any]) -> None:
    """Delete the results of methods that have changed since they were computed."""
    path = folder / "study.json"
    if not path.is_file():
        return
    stored = _read_signature(path, {"methods": {}})["methods"]
    now = {name: hash_method(method) for name, method in methods.items() if name in stored}
    changed = [name for name, one in now.items() if stored[name] != one]
    for name in changed:
        for file in folder.glob(f"{_stem(name)}_*.json"):
            file.unlink()
    content = json.loads(path.read_text())
    content["methods"] = {name: one for name, one in stored.items() if name not in changed}
    replace_file(path, json.dumps(content, indent=1).encode())


def hash_method(method: Any, folds: str = "") -> str:
    """Return a hash of a method, and of its folds if they are not those of the study."""
    return hashlib.sha256((identify_estimator(method) + folds).encode()).hexdigest()


def _read_signature(path: Path, signature: dict[str, Any]) -> dict[str, Any]:
    if not path.is_file():
        return signature
    try:
        before = json.loads(path.read_text())
        return {name: before[name] for name in signature}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged; delete its folder, or pass another one.") from error


def _file_name(name: str, fold: Fold) -> str:
    return f"{_stem(name)}_{fold.number:04d}.json"


def _stem(name: str) -> str:
    """Return the file name of a method; the hash separates names with equal readable parts."""
    readable = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:40]
    return f"{readable}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _read(path: Path | None, fold: Fold) -> FoldResult | None:
    if path is None or not path.is_file():
        return None
    try:
        content = json.loads(path.read_text())
        result = FoldResult(**content["result"])
        if content["digest"] != _digest(result) or len(result.predicted) != len(fold.test):
            raise ValueError("its content differs from its checksum")
        return result
    except (ValueError, KeyError, TypeError) as error:
        warnings.warn(
            f"{path} is damaged or from another version ({error}) and is computed again.",
            stacklevel=4,
        )
        return None


def _digest(result: FoldResult) -> str:
    content = json.dumps([FORMAT_VERSION, asdict(result)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
