"""The report of a study: one HTML page without external files."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from ..._files import check_path, replace_file
from ..._typing import FloatArray
from ...images.stack import BiosignalImages
from ..results import StudyResults
from .classes import render_confusions, render_probabilities, render_roc_curves
from .embedding_map import read_embeddings, render_embedding_map
from .examples import render_examples
from .methods import (
    describe_study,
    render_description,
    render_environment,
    render_held_out_data,
    render_methods,
    render_window_report,
)
from .overview import render_alarms, render_facts
from .page import render_page, render_sections
from .ratings import render_ratings, render_residuals
from .scores import rank_methods, render_comparisons, render_scores, render_subjects

__all__ = ["describe_study", "write_report"]


def write_report(
    study: StudyResults,
    path: str | os.PathLike[str],
    *,
    images: Mapping[str, BiosignalImages] | None = None,
    embeddings: ArrayLike | None = None,
    title: str = "Study",
) -> Path:
    """Write a study as an HTML page: scores, comparisons, subjects, methods and alarms.

    The page is one file without scripts or external resources, for any screen and for print. The
    same study gives the same bytes.

    Parameters
    ----------
    study : Study
    path : path-like
        The file to write, such as ``"study.html"``, in an existing folder. An existing file is
        replaced after the new one is complete.
    images : dict of str to BiosignalImages, default=None
        Images of the rows of X, in the same order, by names such as "eda". If given, the page
        shows images of windows that the best method predicted correctly and wrongly with the
        highest probability; or, of ratings, with the smallest and the largest error.
    embeddings : array-like of shape (n_windows, n_features), default=None
        Embeddings, or other features, of the rows of X. If given, the page maps them in two
        dimensions by subject and by target, by PCA and, if umap-learn is installed, by UMAP.
    title : str, default="Study"
        Heading of the page.

    Returns
    -------
    path : pathlib.Path
        The file.

    Raises
    ------
    TypeError
        If ``study`` is not a Study or ``images`` is not a dict of BiosignalImages.
    ValueError
        If the folder does not exist, ``path`` is a folder, or images and study differ in their
        number of windows.
    ImportError
        If ``images`` is given and matplotlib is not installed.

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
    if not isinstance(study, StudyResults):
        raise TypeError(
            f"study is a {type(study).__name__}; expected a Study, as run_study returns it."
        )
    path = check_path(path)
    images = {} if images is None else images
    n_rows = study.n_rows or int(study.predictions["window"].max()) + 1
    _check_images(images, n_rows)
    values = None if embeddings is None else read_embeddings(embeddings, n_rows)
    replace_file(path, render_page(title, _render_body(study, images, values, title)).encode())
    return path


def _render_body(
    study: StudyResults,
    images: Mapping[str, BiosignalImages],
    embeddings: FloatArray | None,
    title: str,
) -> str:
    ranked = rank_methods(study)
    sections = {
        "Scores": render_scores(study, ranked),
        "Comparisons": render_comparisons(study),
        "Confusion matrices": render_confusions(study, ranked),
        "ROC curves": render_roc_curves(study, ranked),
        "Calibration and thresholds": render_probabilities(study, ranked),
        "Predicted and true ratings": render_ratings(study, ranked),
        "Residuals": render_residuals(study, ranked),
        "Embeddings": render_embedding_map(study, embeddings),
        "Example windows": render_examples(study, str(ranked.index[0]), images),
        "Subjects": render_subjects(study, ranked),
        "Methods, for a paper": render_description(study),
        "Parameters": render_methods(study),
        "Checks of windows": render_window_report(study),
        "Environment": render_environment(study),
        "Held-out data": render_held_out_data(study),
    }
    sections = {name: content for name, content in sections.items() if content}
    return "\n".join([render_facts(study, title), render_alarms(study), render_sections(sections)])


def _check_images(images: Any, n_rows: int) -> None:
    if not isinstance(images, Mapping):
        raise TypeError(
            f"images is a {type(images).__name__}; expected a dict of names to BiosignalImages, "
            "such as {'eda': image_transformer.transform(X)}."
        )
    for name, stack in images.items():
        if not isinstance(stack, BiosignalImages):
            raise TypeError(
                f"images[{name!r}] is a {type(stack).__name__}; expected BiosignalImages, as "
                "BiosignalImageTransformer returns them."
            )
        if len(stack) != n_rows:
            raise ValueError(
                f"images[{name!r}] has {len(stack)} windows, but the study has {n_rows} rows; "
                "transform the same rows in the same order."
            )
