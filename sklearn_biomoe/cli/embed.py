"""``sklearn-biomoe embed``."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from .options import Asked, first_windows, plan, window_options

BATCH_ROWS = 1024
# A file that kills its workers one after the other should not have the cluster give them up, nor
# should tasks wait for ever where there are none.
PATIENCE = {
    "distributed.deploy.lost-worker-timeout": "10 minutes",
    "distributed.scheduler.no-workers-timeout": "5 minutes",
}


@click.command()
@click.argument("sources", nargs=-1, required=True)
@window_options
@click.option("--id", "ids", multiple=True,
              help="A column of Parquet files of windows to keep beside embeddings.")  # fmt: skip
@click.option("--weights", default="open", show_default=True,
              help="open, paper, random, or a .safetensors or .pth file.")  # fmt: skip
@click.option("--output", "-o", required=True, help="A folder: new, empty, or of an earlier call.")
@click.option("--quarantine", is_flag=True,
              help="Go on after files that cannot be embedded, and list them.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Remove embeddings that are in the folder first.")
@click.option("--workers", type=click.IntRange(min=1),
              help="Embed in so many processes of this machine.")  # fmt: skip
@click.option("--scheduler", help="Embed on a Dask cluster, such as tcp://10.0.0.1:8786.")
def embed(
    sources: tuple[str, ...],
    ids: tuple[str, ...],
    weights: str,
    output: str,
    quarantine: bool,
    overwrite: bool,
    workers: int | None,
    scheduler: str | None,
    **options: Any,
) -> None:
    """Embed windows of SOURCES into Parquet files, and go on where an earlier call was cut off.

    SOURCES are recordings (.csv, .parquet, .edf or the .hea of WFDB records), which --duration cuts
    into windows; or Parquet files with a column whose cells are windows; or folders of either. A
    window of a recording that lacks samples becomes NaN.

    \b
    Examples:
      sklearn-biomoe embed S1.csv S2.csv --channel EDA --modality eda --sampling-rate 4 \\
          --duration 60 --weights paper -o embeddings
      sklearn-biomoe embed night/*.edf --channel "EEG O1" --channel "EEG O2" --modality eeg \\
          --resample-to 100 --duration 30 -o embeddings --workers 4
      sklearn-biomoe embed windows --channel bvp --modality bvp --sampling-rate 64 --id subject \\
          -o embeddings
    """
    from ..distributed.scheduler import embed_parts

    if workers and scheduler:
        raise click.UsageError("Pass --workers or --scheduler, not both.")
    asked = Asked(**options)
    parts, rate = plan(sources, asked, ids)
    transformer = _fit(parts, rate, asked, weights)
    with _cluster(workers, scheduler) as client:
        run = embed_parts(
            parts,
            output,
            transformer,
            batch_rows=BATCH_ROWS,
            client=client,
            on_error="quarantine" if quarantine else "raise",
            overwrite=overwrite,
            progress=sys.stderr.isatty(),
        )
    click.echo(
        f"{output}: {run.n_rows} rows of {run.n_parts} parts embedded; {run.n_skipped} parts were "
        f"there before, {len(run.quarantined)} in quarantine"
    )
    if run.quarantined:
        raise click.exceptions.Exit(1)


def _fit(parts: list[Any], rate: float, asked: Asked, weights: str) -> Any:
    from .. import TinyBioMoEEmbedder, make_biosignal_embedder

    # Rows are embedded once: nothing is worth remembering.
    embedder = TinyBioMoEEmbedder(_name_or_path(weights), cache=None)
    transformer = make_biosignal_embedder(
        asked.modality, rate, representations=asked.representations, embedder=embedder
    )
    return transformer.fit(first_windows(parts, BATCH_ROWS)[1])


def _name_or_path(weights: str) -> str:
    """Workers may run in other folders."""
    return str(Path(weights).absolute()) if Path(weights).is_file() else weights


@contextmanager
def _cluster(workers: int | None, scheduler: str | None) -> Iterator[Any]:
    if workers is None and scheduler is None:
        yield None
        return
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ImportError(
            "--workers and --scheduler need Dask: pip install 'sklearn-biomoe[dask]'."
        ) from error
    if scheduler is not None:
        with Client(scheduler) as client:
            yield client
        return
    with (
        dask.config.set(PATIENCE),
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client
