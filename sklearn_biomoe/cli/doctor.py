"""``sklearn-biomoe doctor``."""

import platform
import time
from importlib.metadata import PackageNotFoundError, version

import click
import numpy as np
import torch

from .._files import cache_folder, is_offline
from ..inference import check_precision, resolve_device, resolve_engine
from ..pipelines import make_biosignal_embedder
from ..transformers import TinyBioMoEEmbedder

REQUIRED = ["sklearn-biomoe", "numpy", "scipy", "pandas", "scikit-learn", "torch"]
EXTRAS = {
    "data": ["pooch"],
    "plot": ["matplotlib"],
    "eda": ["neurokit2"],
    "onnx": ["onnx", "onnxscript", "onnxruntime"],
    "recordings": ["bioread", "pyarrow", "wfdb"],
    "dask": ["distributed", "pyarrow"],
    "hub": ["huggingface_hub"],
}
N_WINDOWS = 8  # embedded in a few seconds


@click.command()
def doctor() -> None:
    """Report versions, devices, engines and caches, and embed a few windows as a test.

    Exits with 1 if the test fails.

    \b
    Example:
      sklearn-biomoe doctor
    """
    click.echo(f"python {platform.python_version()} on {platform.system()} {platform.machine()}")
    click.echo(", ".join(map(_version, REQUIRED)))
    for extra, packages in EXTRAS.items():
        click.echo(f"extra {extra}: {', '.join(map(_version, packages))}")
    _report_devices()
    for kind in ("weights", "onnx"):
        folder = cache_folder(kind)
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        click.echo(f"cache of {kind}: {folder}, {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB")
    click.echo(f"downloads: {'disabled' if is_offline() else 'enabled'}")
    click.echo(f"self-test: passed; {_windows_per_second():.1f} windows/s")


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} not installed"


def _report_devices() -> None:
    device = resolve_device("auto")
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    click.echo(f"device {device}; CUDA devices: {', '.join(names) or 'none'}")
    try:
        check_precision("bfloat16", device)
        click.echo("bfloat16: supported by the processor")
    except ValueError:
        click.echo("bfloat16: slower than float32 on this processor")
    engine = resolve_engine("auto", device, "float32")
    click.echo(f"threads {torch.get_num_threads()}; engine {engine}")


def _windows_per_second() -> float:
    """Embed windows, and some of them again in reverse order and in another batch."""
    windows = np.random.default_rng(0).uniform(2, 3, size=(N_WINDOWS, 240))
    embed = make_biosignal_embedder("eda", 4, embedder=TinyBioMoEEmbedder(cache=None))
    embed.fit(windows[:1])
    started = time.perf_counter()
    embeddings = embed.transform(windows)
    seconds = time.perf_counter() - started
    reverse = embed.transform(windows[::-1][:3])
    # Some devices do not reproduce the last bits.
    if not (np.isfinite(embeddings).all() and np.allclose(reverse, embeddings[:-4:-1], atol=1e-4)):
        raise ValueError("self-test failed: embeddings depend on the batch, or are not finite.")
    return N_WINDOWS / seconds
