"""The usual pipelines, put together: one modality, or several side by side."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from ._validation.parameters import check_option
from .signals import MODALITIES, missing_windows
from .transformers import BiosignalImageTransformer, TinyBioMoEEmbedder

if TYPE_CHECKING:
    from sklearn.compose import ColumnTransformer


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
        Cloned; one with default parameters where None.

    Returns
    -------
    pipeline : Pipeline
        Of the steps "image" and "embed". Their other parameters are set as in any Pipeline:
        ``set_params(image__tile_length=10)``.

    Raises
    ------
    ValueError
        For an unknown modality.

    Examples
    --------
    >>> from sklearn_biomoe import make_biosignal_embedder
    >>> embed = make_biosignal_embedder("bvp", 64, representations=["spectrogram_psd"])
    >>> list(embed.named_steps)
    ['image', 'embed']
    """
    check_option("modality", modality, list(MODALITIES))
    drawer = BiosignalImageTransformer(
        representations, sampling_rate=sampling_rate, modality=modality
    )
    embed = TinyBioMoEEmbedder() if embedder is None else clone(embedder)
    return Pipeline([("image", drawer), ("embed", embed)])


def make_multimodal_embedder(
    sampling_rates: Mapping[str, float],
    *,
    representations: Mapping[str, str | Sequence[str]] | None = None,
    embedder: TinyBioMoEEmbedder | None = None,
    impute: bool = False,
) -> ColumnTransformer:
    """Make a ColumnTransformer that embeds each modality's column, and puts them side by side.

    Parameters
    ----------
    sampling_rates : dict of str to float
        Hz of each modality, which names a column of X whose cells are windows.
    representations : dict of str to sequence of str, default=None
        What to draw of modalities; the preset of those that are not named.
    embedder : TinyBioMoEEmbedder, default=None
        Cloned for each modality; one with default parameters where None.
    impute : bool, default=False
        Fill the embeddings of missing windows with the mean of those in `fit`, and add a column for
        each modality that holds 1 where it is missing, else 0, such as "eda_missing". Else they
        are NaN.

    Returns
    -------
    transformer : ColumnTransformer
        Of one Pipeline for each modality, under its name, with the step "impute" last where asked
        for, and of "missing"; other columns are dropped. All parameters are set as anywhere in
        scikit-learn: ``eda__image__representations``.

    Raises
    ------
    ValueError
        For unknown modalities, and representations of modalities without a sampling rate.

    Examples
    --------
    >>> from sklearn_biomoe import make_multimodal_embedder
    >>> embed = make_multimodal_embedder({"eda": 4, "bvp": 64})
    >>> [(name, columns) for name, _, columns in embed.transformers]
    [('eda', 'eda'), ('bvp', 'bvp')]
    >>> embed.get_params()["bvp__image__sampling_rate"]
    64
    """
    # Loading these takes as long as all else here.
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import FunctionTransformer

    chosen = {} if representations is None else representations
    for modality in chosen:
        check_option("representations of", modality, list(sampling_rates))
    branches: list[tuple[str, Any, str | list[str]]] = []
    for modality, rate in sampling_rates.items():
        branch = make_biosignal_embedder(
            modality, rate, representations=chosen.get(modality, "preset"), embedder=embedder
        )
        if impute:
            branch.steps.append(("impute", SimpleImputer()))
        branches.append((modality, branch, modality))
    if impute:
        tell = FunctionTransformer(_tell_missing, feature_names_out=_missing_names)
        branches.append(("missing", tell, list(sampling_rates)))
    return ColumnTransformer(branches, verbose_feature_names_out=False)


def _tell_missing(X: Any) -> NDArray[np.float32]:
    """1 where a modality's cell holds no window, else 0, (n_windows, n_modalities)."""
    return np.column_stack([missing_windows(X[name]) for name in X.columns]).astype(np.float32)


def _missing_names(_: Any, modalities: Sequence[str]) -> list[str]:
    return [f"{modality}_missing" for modality in modalities]


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


def _parts(part: Any) -> Iterator[Any]:
    if isinstance(part, dict):
        yield from part.values()
    elif isinstance(part, list | tuple):
        yield from part
    # scikit-learn keeps some fitted parts, as of calibration, in objects that are no estimators.
    elif isinstance(part, BaseEstimator) or hasattr(part, "predict_proba"):
        yield from getattr(part, "__dict__", {}).values()


def describe_method(method: Any) -> str:
    """Return an estimator's repr with all its parameters, the same in every process."""
    with config_context(print_changed_only=False):
        text = method.__repr__(N_CHAR_MAX=1_000_000)
    return re.sub(r" at 0x[0-9a-f]+", "", text)
