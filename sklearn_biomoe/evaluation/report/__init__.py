"""A finished study as one HTML page, to be opened anywhere, printed and shown around."""

from __future__ import annotations

import os
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..._files import replace_file
from ...images.stack import BiosignalImages
from .examples import examples
from .page import FOOTER, PAGE, STYLE, join_sections
from .sections import (
    alarms,
    basis,
    best_first,
    comparisons,
    confusions,
    environment,
    facts,
    methods,
    ranking,
    roc_curves,
    subjects,
)

if TYPE_CHECKING:
    import pandas as pd

STUDY_HAS = ["predictions", "scores", "summary", "comparisons", "confusion", "alarms"]
STUDY_HAS += ["classes", "controls", "environment", "methods"]


def write_report(
    study: Any,
    path: str | os.PathLike[str],
    *,
    images: Mapping[str, BiosignalImages] | None = None,
    title: str = "Study",
) -> Path:
    """Write a study's page: who scored how, on whom, against what, and what to beware of.

    The page is one file that needs nothing else: no network, no scripts. It reads on a telephone
    and on paper. The same study gives the same bytes.

    Parameters
    ----------
    study : Study
        What to tell of.
    path : path-like
        The file to write, such as ``"study.html"``, in a folder that is there. A file of this name
        is replaced once the new one is whole.
    images : dict of str to BiosignalImages, default=None
        Stacks whose windows are the rows that were studied, in the same order, each under a name
        such as "eda". With them the page shows images of the windows that the best method got
        right and wrong while it was surest. None shows no images.
    title : str, default="Study"

    Returns
    -------
    path : pathlib.Path
        The file.

    Raises
    ------
    TypeError
        For what is no study, and for images that are no dict of stacks.
    ValueError
        For a path whose folder is not there or that is a folder itself, and for a stack with
        another number of windows than were studied.
    ImportError
        For images without matplotlib.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_biomoe.evaluation import run_study
    >>> y, groups = np.tile(["rest", "stress"], 30), np.repeat(np.arange(6), 10)
    >>> X = np.random.default_rng(0).normal(size=(60, 3))
    >>> study = run_study({"logistic": LogisticRegression()}, X, y, groups)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_report(study, f"{folder}/study.html", title="Rest against stress").name
    'study.html'
    """
    _check_study(study)
    path = _check_path(path)
    images = {} if images is None else images
    _check_images(images, n_rows=int(study.predictions["window"].max()) + 1)
    page = PAGE.substitute(
        title=escape(title), style=STYLE, body=_body(study, best_first(study), images, title)
    )
    replace_file(path, page.encode())
    return path


def _body(
    study: Any, ranked: pd.DataFrame, images: Mapping[str, BiosignalImages], title: str
) -> str:
    parts = {
        "Scores": ranking(study, ranked),
        "Comparisons": comparisons(study, ranked),
        "Confusion matrices": confusions(study, ranked),
        "ROC curves": roc_curves(study, ranked),
        "Example windows": examples(study, ranked, images),
        "Subjects": subjects(study, ranked),
        "Methods": methods(study),
        "Environment": environment(study),
        "What the scores rest on": basis(study),
    }
    parts = {name: content for name, content in parts.items() if content}
    return "\n".join([facts(study, title), alarms(study), join_sections(parts), FOOTER])


def _check_study(study: Any) -> None:
    missing = [name for name in STUDY_HAS if not hasattr(study, name)]
    if missing:
        raise TypeError(
            f"study is a {type(study).__name__} without {', '.join(missing)}; expected a finished "
            "study."
        )


def _check_path(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    if not path.parent.is_dir():
        raise ValueError(f"path={str(path)!r}: there is no folder {path.parent}; make it first.")
    if path.is_dir():
        raise ValueError(f"path={str(path)!r} is a folder; name a file in it, such as study.html.")
    return path


def _check_images(images: Any, n_rows: int) -> None:
    if not isinstance(images, Mapping):
        raise TypeError(
            f"images is a {type(images).__name__}; expected a dict of names to BiosignalImages, "
            "such as {'eda': drawer.transform(X)}."
        )
    for name, stack in images.items():
        if not isinstance(stack, BiosignalImages):
            raise TypeError(
                f"images[{name!r}] is a {type(stack).__name__}; expected a BiosignalImages, as "
                "BiosignalImageTransformer returns it."
            )
        if len(stack) != n_rows:
            raise ValueError(
                f"images[{name!r}] holds {len(stack)} windows, but {n_rows} rows were studied; "
                "draw the same rows in the same order."
            )
