"""Parts embedded one after the other, or by the workers of a Dask cluster."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from numbers import Integral
from typing import TYPE_CHECKING, Any

import joblib
from sklearn.utils.validation import check_is_fitted

from .._progress import progress_bar
from .._validation.parameters import check_option
from ..pipelines import describe_estimator, find_embedders
from ..transformers import TinyBioMoEEmbedder
from .destination import QUARANTINE, Destination, write_part
from .tasks import Part, PartError

if TYPE_CHECKING:
    from distributed import Client

PACKAGES = ["sklearn-biomoe", "scikit-learn", "torch", "numpy", "scipy"]

Outcome = tuple[Part, int | PartError]


@dataclass(frozen=True)
class EmbeddingRun:
    """What a call did.

    Parameters
    ----------
    n_parts : int
        Parts that were embedded.
    n_rows : int
        Their rows.
    n_skipped : int
        Parts that were there before.
    quarantined : tuple of (str, str)
        URL of the file and error of each part that could not be embedded.
    """

    n_parts: int
    n_rows: int
    n_skipped: int
    quarantined: tuple[tuple[str, str], ...]


def embed_parts(
    parts: Sequence[Part],
    url: str,
    transformer: Any,
    *,
    batch_rows: int,
    client: Client | None,
    on_error: str,
    overwrite: bool,
    progress: bool,
) -> EmbeddingRun:
    """Embed parts of which the destination does not hold the embeddings yet.

    Parameters and errors are those of `sklearn_biomoe.distributed.embed_parquet`.
    """
    check_option("on_error", on_error, ["quarantine", "raise"])
    if not isinstance(batch_rows, Integral) or batch_rows < 1:
        raise ValueError(f"batch_rows={batch_rows!r}; expected a whole number of 1 or more.")
    _check_same_ids(parts)
    configuration = describe_configuration(parts[0], transformer)
    destination = Destination(url)
    _check_apart(parts, destination)
    todo = _left_to_do(parts, destination, configuration, overwrite)
    task = partial(
        write_part,
        destination=destination,
        transformer=transformer,
        batch_rows=batch_rows,
        configuration=configuration,
    )
    outcomes = _in_turn(task, todo) if client is None else _on_cluster(task, todo, client)
    n_rows, failed = _collect(outcomes, len(todo), on_error, progress)
    destination.make()  # what workers left that were killed
    _list_quarantined(destination, failed)
    return EmbeddingRun(
        len(todo) - len(failed), n_rows, len(parts) - len(todo), tuple(sorted(failed))
    )


def describe_configuration(part: Part, transformer: Any) -> dict[str, Any]:
    """Write out all that decides embeddings but the windows.

    Raises
    ------
    NotFittedError
        For a transformer that is not fitted.
    ValueError
        For weights that have changed since it was, and for one that cannot be pickled.
    """
    check_is_fitted(transformer)
    try:
        state = joblib.hash(transformer)
    except Exception as error:
        raise ValueError(
            f"The transformer cannot be pickled, as workers need it: {error} Use functions of "
            "modules in place of lambdas."
        ) from error
    signals = part.columns.signals
    described = {
        "signal_columns": signals if isinstance(signals, str) else list(signals),
        "id_columns": list(part.columns.ids),
        "windows": part.settings,
        "weights": sorted(
            {
                _check_weights(each)
                for each in find_embedders(transformer)
                if hasattr(each, "weights_sha256_")  # unfitted parts of a ColumnTransformer
            }
        ),
        "versions": {name: version(name) for name in PACKAGES},
        "transformer": describe_estimator(transformer),
        "features": [str(name) for name in transformer.get_feature_names_out()],
        "state": state,
    }
    return json.loads(json.dumps(described))  # as it is read from a footer


def _check_weights(embedder: TinyBioMoEEmbedder) -> str:
    """Read the weights that workers are going to, before they all fail."""
    from ..weights import weights_sha256

    return weights_sha256(embedder.weights, embedder.seed_, expected=embedder.weights_sha256_)


def _check_same_ids(parts: Sequence[Part]) -> None:
    first = parts[0]
    for part in parts:
        if not part.id_schema.equals(first.id_schema):
            raise ValueError(
                f"{part.source.url} and {first.source.url} differ in the columns to keep: "
                f"{_types(part)} and {_types(first)}. Bring them to one type."
            )


def _types(part: Part) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in part.id_schema)


def _check_apart(parts: Sequence[Part], destination: Destination) -> None:
    folder = destination.path("").rstrip("/")
    for part in parts:
        if part.source.url.partition("://")[2].rpartition("/")[0] == folder:
            raise ValueError(
                f"The destination {destination.url} holds the source {part.source.url}; name "
                "another folder."
            )


def _left_to_do(
    parts: Sequence[Part],
    destination: Destination,
    configuration: dict[str, Any],
    overwrite: bool,
) -> list[Part]:
    """Compare the destination with what is to come, and remove what is outdated in it."""
    footers = destination.footers()
    for name, footer in footers.items():
        if not overwrite and footer:
            _check_configuration(name, footer["configuration"], configuration, destination)
    done = {part.name for part in parts if _is_done(part, footers.get(part.name), overwrite)}
    sources = {part.source.url for part in parts}
    destination.make()
    for name, footer in footers.items():
        ours = not footer or footer["part"]["source"]["url"] in sources
        if name not in done and (overwrite or ours):
            destination.remove(name)
    return [part for part in parts if part.name not in done]


def _is_done(part: Part, footer: dict[str, Any] | None, overwrite: bool) -> bool:
    return not overwrite and footer is not None and footer.get("part") == part.describe()


def _check_configuration(
    name: str, before: dict[str, Any], now: dict[str, Any], destination: Destination
) -> None:
    differing = [key for key in now if before.get(key) != now[key]]
    if differing:
        key = differing[0]
        raise ValueError(
            f"{destination.url} holds embeddings of another configuration: "
            f"{', '.join(differing)} differ; in {name}, {key} is {str(before.get(key))[:300]}, "
            f"here {str(now[key])[:300]}. Name another folder, or pass overwrite=True to embed "
            "everything anew."
        )


def _in_turn(task: Callable[[Part], int], parts: Sequence[Part]) -> Generator[Outcome]:
    for part in parts:
        try:
            yield part, task(part)
        except PartError as error:
            yield part, error


def _on_cluster(
    task: Callable[[Part], int], parts: Sequence[Part], client: Client
) -> Generator[Outcome]:
    """Yield outcomes as they come, and last those of parts whose workers died.

    Dask blames a worker's death on all tasks that wait there. So each that it gave up is tried
    again alone, and blamed only if workers die then too.
    """
    from distributed import KilledWorker

    suspects = []
    for part, outcome in _submitted(task, parts, client):
        if isinstance(outcome, KilledWorker):
            suspects.append(part)
        else:
            yield part, outcome
    for suspect in suspects:
        for part, outcome in _submitted(task, [suspect], client):
            if isinstance(outcome, KilledWorker):
                message = f"{part.source.url} ({part.place}): each worker that embedded it died."
                yield part, PartError(f"{message} It may need more memory, or crash a library.")
            else:
                yield part, outcome


def _submitted(
    task: Callable[[Part], int], parts: Sequence[Part], client: Client
) -> Generator[tuple[Part, Any]]:
    from distributed import KilledWorker, as_completed

    # Never taken from an earlier call, whose embeddings may have been removed since.
    futures = {client.submit(task, part, pure=False): part for part in parts}
    try:
        for future in as_completed(futures):
            error = future.exception()
            if error is not None and not isinstance(error, PartError | KilledWorker):
                raise error
            yield futures.pop(future), future.result() if error is None else error
    finally:
        client.cancel(list(futures))


def _collect(
    outcomes: Generator[Outcome], n_parts: int, on_error: str, progress: bool
) -> tuple[int, list[tuple[str, str]]]:
    """Count rows, and list or raise errors."""
    n_rows, failed = 0, []
    # Closed before an error is told of, so that tasks that wait on a cluster are taken back.
    with closing(outcomes), progress_bar(n_parts, "embed", "part", progress) as bar:
        for part, outcome in outcomes:
            if not isinstance(outcome, PartError):
                n_rows += outcome
            elif on_error == "raise":
                raise outcome
            else:
                failed.append((part.source.url, str(outcome)))
            if bar is not None:
                bar.update()
    return n_rows, failed


def _list_quarantined(destination: Destination, failed: list[tuple[str, str]]) -> None:
    if not failed:
        destination.remove(QUARANTINE)
        return
    listed = [{"source": url, "error": error} for url, error in sorted(failed)]
    with destination.open(QUARANTINE) as file:
        file.write(json.dumps(listed, indent=1).encode())
    warnings.warn(
        f"{len(failed)} parts could not be embedded and stand in "
        f"{destination.path(QUARANTINE)}; the first: {failed[0][1]}",
        UserWarning,
        stacklevel=4,
    )
