"""Fixtures of several test modules, and the threads that tests run on."""

import dataclasses
import hashlib
import os
import shutil
import signal
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings
from small_backbone import SmallBackbone

import sklearn_biomoe

RECORDINGS = Path(__file__).parents[2] / "shared" / "data"
if RECORDINGS.is_dir():
    os.environ.setdefault("SKLEARN_BIOMOE_DATA", str(RECORDINGS))


# Hypothesis generates the same examples in every run, and sets no time limit.
settings.register_profile(
    "tests",
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("tests")


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory):
    """A folder with weights of `SmallBackbone`, and what names them."""
    from safetensors.torch import save

    from sklearn_biomoe.weights.named_weights import NAMED

    folder = tmp_path_factory.mktemp("weights")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        content = save(SmallBackbone().state_dict())
    packaged = dataclasses.replace(NAMED["open"], sha256=hashlib.sha256(content).hexdigest())
    (folder / packaged.file).write_bytes(content)
    return folder, packaged


@pytest.fixture
def small_backbone(monkeypatch, small_weights):
    """Embed with `SmallBackbone`, by weights="open" and, without a warning, by "random"."""
    from sklearn_biomoe import inference
    from sklearn_biomoe.inference import cache
    from sklearn_biomoe.weights import named_weights, random_weights

    folder, packaged = small_weights
    monkeypatch.setattr(named_weights, "PACKAGED", folder)
    monkeypatch.setitem(named_weights.NAMED, "open", packaged)

    def forget():
        inference.free_engines()
        random_weights.random_sha256.cache_clear()
        cache._open.cache_clear()

    monkeypatch.setattr(random_weights, "TinyBioMoE", SmallBackbone)
    forget()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sklearn_biomoe.UntrainedBackboneWarning)
        yield SmallBackbone
    forget()


@pytest.fixture
def execute(capsys, small_backbone, monkeypatch):
    """Run a command in this process with the small network; return code, output and errors."""
    from sklearn_biomoe.cli.program import run
    from sklearn_biomoe.evaluation.report import examples

    # Of the images in a report, which take 0.2 s each.
    monkeypatch.setattr(examples, "WINDOWS_PER_OUTCOME", 1)
    monkeypatch.setattr(examples, "MAX_IMAGES", 1)

    def call(*arguments):
        code = run([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def interrupts():
    """Let interrupts through, which a shell ignores of what it runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]


@pytest.fixture(scope="module")
def browser():
    """Start Chromium, or skip; for a module, since asyncio does not work beside it."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is on the path")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@pytest.fixture(autouse=True)
def _warn_again(monkeypatch):
    """Give warnings that are given once per process in each test."""
    monkeypatch.setattr("sklearn_biomoe.images.value_ranges._warned", set())


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Compute in one thread: several processes run tests at once."""
    torch.set_num_threads(1)


@pytest.fixture
def two_threads():
    """Compute in two threads, for bitwise comparisons that must not depend on their number."""
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)
