"""Parts embedded one after the other, or by the workers of a Dask cluster."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import joblib
from sklearn.utils.validation import check_is_fitted

from .._progress import progress_bar
from .._validation.parameters import check_integer, check_option
from ..pipelines import find_embedders, identify_estimator
from ..weights import weights_sha256
from .destination import QUARANTINE, Destination, write_part
from .tasks import Part, PartError

if TYPE_CHECKING:
    from distributed import Client

PACKAGES = ["sklearn-biomoe", "scikit-learn", "torch", "numpy", "scipy"]

PartResult = tuple[Part, int | PartError]  # the number of rows, or why they are not embedded


@dataclass(frozen=True)
class EmbeddingRun:
    """Summary of a call.

    Parameters
    ----------
    n_parts : int
        Parts that were embedded.
    n_rows : int
        Rows of these parts.
    n_skipped : int
        Parts that were complete before.
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
    progress: bool | str,
) -> EmbeddingRun:
    """Embed the parts whose embeddings are not in the destination yet.

    Parameters and errors are those of `sklearn_biomoe.distributed.embed_parquet`.
    """
    check_option("on_error", on_error, ["quarantine", "raise"])
    check_integer("batch_rows", batch_rows)
    _check_same_ids(parts)
    configuration = describe_configuration(parts[0], transformer)
    destination = Destination(url)
    _check_apart(parts, destination)
    todo = _prepare(destination, parts, configuration, overwrite)
    task = partial(
        write_part,
        destination=destination,
        transformer=transformer,
        batch_rows=batch_rows,
        configuration=configuration,
    )
    results = _in_turn(task, todo) if client is None else _on_cluster(task, todo, client)
    n_rows, failed = _collect(results, len(todo), on_error, progress)
    destination.make()  # removes the incomplete files of killed workers
    _list_quarantined(destination, failed)
    n_skipped = len(parts) - len(todo)
    return EmbeddingRun(len(todo) - len(failed), n_rows, n_skipped, tuple(failed))


def describe_configuration(part: Part, transformer: Any) -> dict[str, Any]:
    """Return everything except the windows that determines embeddings."""
    check_is_fitted(transformer)
    try:
        state = joblib.hash(transformer)
    except Exception as error:
        raise ValueError(
            f"The transformer cannot be pickled, which workers require: {error} Replace lambdas "
            "by functions of a module."
        ) from error
    # A ColumnTransformer holds unfitted copies of its branches, too.
    embedders = [each for each in find_embedders(transformer) if hasattr(each, "weights_sha256_")]
    hashes = {weights_sha256(e.weights, e.seed_, expected=e.weights_sha256_) for e in embedders}
    described = {
        "signal_columns": part.columns.signals,
        "id_columns": part.columns.ids,
        "windows": part.settings,
        "weights": sorted(hashes),
        "versions": {name: version(name) for name in PACKAGES},
        "transformer": identify_estimator(transformer),
        "features": [str(name) for name in transformer.get_feature_names_out()],
        "state": state,
    }
    return json.loads(json.dumps(described))  # as read from a footer


def _check_same_ids(parts: Sequence[Part]) -> None:
    for part in parts:
        if not part.id_schema.equals(parts[0].id_schema):
            types, expected = (
                ", ".join(f"{field.name} {field.type}" for field in each.id_schema)
                for each in (part, parts[0])
            )
            raise ValueError(
                f"{part.source.url} and {parts[0].source.url} differ in their id columns: "
                f"{types} and {expected}; convert them to the same types."
            )


def _check_apart(parts: Sequence[Part], destination: Destination) -> None:
    folder = destination.path("").rstrip("/")
    for part in parts:
        if part.source.url.partition("://")[2].rpartition("/")[0] == folder:
            raise ValueError(
                f"The destination {destination.url} holds the source {part.source.url}; name "
                "another folder."
            )


def _prepare(
    destination: Destination, parts: Sequence[Part], configuration: dict[str, Any], overwrite: bool
) -> list[Part]:
    """Remove outdated files from the destination, and return the parts that it lacks."""
    footers = destination.footers()
    done: set[str] = set()
    if not overwrite:
        for name, footer in footers.items():
            if footer:
                _check_configuration(name, footer["configuration"], configuration, destination)
        done = {p.name for p in parts if footers.get(p.name, {}).get("part") == p.describe()}
    sources = {part.source.url for part in parts}
    destination.make()
    for name, footer in footers.items():
        outdated = overwrite or not footer or footer["part"]["source"]["url"] in sources
        if name not in done and outdated:
            destination.remove(name)
    return [part for part in parts if part.name not in done]


def _check_configuration(
    name: str, before: dict[str, Any], now: dict[str, Any], destination: Destination
) -> None:
    differing = [key for key in now if before.get(key) != now[key]]
    if differing:
        key = differing[0]
        raise ValueError(
            f"{destination.url} holds embeddings of another configuration: "
            f"{', '.join(differing)} differ; {key} is {str(before.get(key))[:300]} in {name} and "
            f"{str(now[key])[:300]} now. Name another folder, or pass overwrite=True to remove "
            "these embeddings."
        )


def _in_turn(task: Callable[[Part], int], parts: Sequence[Part]) -> Generator[PartResult]:
    for part in parts:
        try:
            yield part, task(part)
        except PartError as error:
            yield part, error


def _on_cluster(
    task: Callable[[Part], int], parts: Sequence[Part], client: Client
) -> Generator[PartResult]:
    """Yield results as they arrive, those of parts that Dask gives up last.

    Dask blames the death of a worker on all tasks that are queued on it. So each part that Dask
    gives up runs again alone, and fails only if its workers die again.
    """
    suspects = []
    for part, result in _submit(task, parts, client):
        if isinstance(result, int | PartError):
            yield part, result
        else:
            suspects.append(part)
    for suspect in suspects:
        for part, result in _submit(task, [suspect], client):
            if not isinstance(result, int | PartError):
                result = PartError(
                    f"{part.source.url} ({part.place}): each worker that embedded it died. It may "
                    "need more memory, or crash a library."
                )
            yield part, result


def _submit(
    task: Callable[[Part], int], parts: Sequence[Part], client: Client
) -> Generator[tuple[Part, int | PartError | Exception]]:
    """Yield each part with its number of rows, its error, or KilledWorker."""
    from distributed import KilledWorker, as_completed

    # Not pure: results of an earlier call, whose embeddings may be removed, must not be reused.
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
    results: Generator[PartResult], n_parts: int, on_error: str, progress: bool | str
) -> tuple[int, list[tuple[str, str]]]:
    """Return the number of rows, and URL and error of each part that failed."""
    n_rows, failed = 0, []
    # Closing the generator cancels the tasks that still wait on a cluster if an error is raised.
    with closing(results), progress_bar(n_parts, "embed", "part", progress) as bar:
        for part, result in results:
            if not isinstance(result, PartError):
                n_rows += result
            elif on_error == "raise":
                raise result
            else:
                failed.append((part.source.url, str(result)))
            if bar is not None:
                bar.update()
    return n_rows, sorted(failed)


def _list_quarantined(destination: Destination, failed: list[tuple[str, str]]) -> None:
    if not failed:
        destination.remove(QUARANTINE)
        return
    listed = [{"source": url, "error": error} for url, error in failed]
    with destination.open(QUARANTINE) as file:
        file.write(json.dumps(listed, indent=1).encode())
    warnings.warn(
        f"{len(failed)} parts could not be embedded and are listed in "
        f"{destination.path(QUARANTINE)}; the first: {failed[0][1]}",
        UserWarning,
        stacklevel=4,
    )
