"""Constructors of the usual pipelines, and functions that search and identify estimators."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from ._function_code import describe_class, describe_function, without_addresses
from ._validation.parameters import check_option
from .representations import identify_representation, own_representations
from .signals import missing_windows
from .signals.modalities import find_modality
from .transformers import BiosignalImageTransformer, TinyBioMoEEmbedder


def make_biosignal_embedder(
    modality: str,
    sampling_rate: float,
    *,
    representations: str | Sequence[str] = "preset",
    embedder: TinyBioMoEEmbedder | None = None,
) -> Pipeline:
    """Make a Pipeline from windows of one modality to embeddings.

    Parameters
    ----------
    modality : str
        See `BiosignalImageTransformer`.
    sampling_rate : float
        In Hz.
    representations : "preset" or sequence of str, default="preset"
        What to draw.
    embedder : TinyBioMoEEmbedder, default=None
        Cloned; None uses default parameters.

    Returns
    -------
    pipeline : Pipeline
        With the steps "image" and "embed". Their other parameters are set as in any Pipeline:
        ``set_params(image__tile_length=10)``.

    Raises
    ------
    ValueError
        If the modality is unknown.

    Examples
    --------
    >>> from sklearn_biomoe import make_biosignal_embedder
    >>> embed = make_biosignal_embedder("bvp", 64, representations=["spectrogram_psd"])
    >>> list(embed.named_steps)
    ['image', 'embed']
    """
    find_modality(modality)
    image = BiosignalImageTransformer(
        representations, sampling_rate=sampling_rate, modality=modality
    )
    embed = TinyBioMoEEmbedder() if embedder is None else clone(embedder)
    return Pipeline([("image", image), ("embed", embed)])


def make_multimodal_embedder(
    sampling_rates: Mapping[str, float | tuple[str, float]],
    *,
    representations: Mapping[str, str | Sequence[str]] | None = None,
    embedder: TinyBioMoEEmbedder | None = None,
    impute: bool = False,
) -> ColumnTransformer:
    """Make a ColumnTransformer that embeds the column of each modality and concatenates them.

    Parameters
    ----------
    sampling_rates : dict of str to float, or of str to (str, float)
        By column of X, whose cells are windows: the sampling rate in Hz, if the column is named
        like its modality, else the modality and the sampling rate, such as ("eda", 4).
    representations : dict of str to sequence of str, default=None
        What to draw, by column; the preset for other columns.
    embedder : TinyBioMoEEmbedder, default=None
        Cloned for each modality; None uses default parameters.
    impute : bool, default=False
        Fill the embeddings of missing windows with their mean in `fit`, and add a column for each
        modality that is 1 if it is missing and 0 otherwise, such as "eda_missing". If False, they
        are NaN.

    Returns
    -------
    transformer : ColumnTransformer
        With one Pipeline for each column, named after it, and "missing" if ``impute`` is True;
        other columns are dropped. Parameters are set as in any ColumnTransformer, for example
        ``eda__image__representations``. If several columns have the same modality, names of
        features start with the column, such as "wrist__eda_waveform_000".

    Raises
    ------
    ValueError
        If a modality is unknown, or one in ``representations`` has no sampling rate.

    Examples
    --------
    >>> from sklearn_biomoe import make_multimodal_embedder
    >>> embed = make_multimodal_embedder({"eda": 4, "bvp": 64})
    >>> [(name, columns) for name, _, columns in embed.transformers]
    [('eda', 'eda'), ('bvp', 'bvp')]
    >>> embed.get_params()["bvp__image__sampling_rate"]
    64
    >>> embed = make_multimodal_embedder({"wrist": ("eda", 4), "finger": ("eda", 4)})
    >>> embed.get_params()["finger__image__modality"]
    'eda'
    """
    chosen = {} if representations is None else representations
    for column in chosen:
        check_option("representations of", column, list(sampling_rates))
    branches: list[tuple[str, Any, str | list[str]]] = []
    modalities = []
    for column, value in sampling_rates.items():
        modality, rate = value if isinstance(value, tuple) else (column, value)
        modalities.append(find_modality(modality))
        branch = make_biosignal_embedder(
            modality, rate, representations=chosen.get(column, "preset"), embedder=embedder
        )
        if impute:
            branch.steps.append(("impute", SimpleImputer()))
        branches.append((column, branch, column))
    if impute:
        indicator = FunctionTransformer(mark_missing, feature_names_out=_missing_names)
        branches.append(("missing", indicator, list(sampling_rates)))
    same = len(set(modalities)) < len(modalities)  # and so are the names of their features
    return ColumnTransformer(branches, verbose_feature_names_out=same)


def mark_missing(X: Any) -> NDArray[np.float32]:
    """Return 1 for missing windows and 0 for others, (n_windows, n_columns)."""
    return np.column_stack([missing_windows(X[name]) for name in X.columns]).astype(np.float32)


def _missing_names(_: Any, columns: Sequence[str]) -> list[str]:
    return [f"{column}_missing" for column in columns]


def find_embedders(model: Any) -> list[Any]:
    """Find the estimators that embed images inside an estimator, each once.

    Parameters
    ----------
    model : object
        An estimator of any structure, fitted or not, or a collection of them.

    Returns
    -------
    embedders : list of estimators
        `TinyBioMoEEmbedder`, and the classifiers and regressors of `sklearn_biomoe.finetuning`,
        in the order of the data.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_biomoe import TinyBioMoEEmbedder
    >>> find_embedders(make_pipeline("passthrough", TinyBioMoEEmbedder(cache=None)))
    [TinyBioMoEEmbedder(cache=None)]
    """
    found: dict[int, Any] = {}
    seen: set[int] = set()
    waiting = [model]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, BaseEstimator) and hasattr(part, "_embed_images"):
            found[id(part)] = part
        else:
            waiting += reversed(list(_parts(part)))
    return list(found.values())


def find_parts(estimator: Any, kind: type) -> list[Any]:
    """Return which of an estimator and its parameters, at any depth, are of a class."""
    parts = [estimator, *estimator.get_params(deep=True).values()]
    return [part for part in parts if isinstance(part, kind)]


def _parts(part: Any) -> Iterator[Any]:
    if isinstance(part, dict):
        yield from part.values()
    elif isinstance(part, list | tuple):
        yield from part
    # scikit-learn keeps some fitted parts, as of calibration, in objects that are not estimators.
    elif isinstance(part, BaseEstimator) or hasattr(part, "predict_proba"):
        yield from getattr(part, "__dict__", {}).values()


def identify_estimator(estimator: Any) -> str:
    """Return a text that changes with any parameter, and with the user's own code.

    That is the code of functions among the parameters, of the classes of estimators, of
    representations that were added to the registry, and of the functions and classes of their
    modules that they use. The text is equal in every process with the same version of Python.

    Examples
    --------
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> first, other, equal = (
    ...     identify_estimator(FunctionTransformer(function))
    ...     for function in (lambda x: x + 1, lambda x: x + 2, lambda x: x + 1)
    ... )
    >>> first == other, first == equal
    (False, True)
    """
    named = sorted(estimator.get_params(deep=True).items())
    # An estimator shows only some elements of long lists, and NumPy of long arrays.
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
        parameters = [
            without_addresses(f"{name}: {describe_function(value) or repr(value)}")
            for name, value in named
            if not isinstance(value, BaseEstimator)
        ]
    parts = [estimator, *(value for _, value in named if isinstance(value, BaseEstimator))]
    classes = [without_addresses(describe_class(type(part))) for part in parts]
    text = "\n".join([describe_estimator(estimator), *parameters])
    own = [name for name in own_representations() if repr(name) in text]
    return "\n".join([text, *filter(None, classes), *map(identify_representation, own)])


def describe_estimator(estimator: Any, *, changed_only: bool = False) -> str:
    """Return the representation of an estimator, equal in every process.

    It has all parameters, or only those that differ from their defaults.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> describe_estimator(Ridge())[:31]
    'Ridge(alpha=1.0, copy_X=True, f'
    >>> describe_estimator(Ridge(2), changed_only=True)
    'Ridge(alpha=2)'
    """
    with config_context(print_changed_only=changed_only):
        text = estimator.__repr__(N_CHAR_MAX=1_000_000)
    return without_addresses(text)
