"""The device of tests: the CPU, also in child processes, except for tests marked "cuda".

On a machine with a GPU, "auto" is CUDA, and embeddings have other bits than those that most tests
are about. ``make test ARGS="-m cuda"`` runs the tests of CUDA only.
"""

import os

import pytest
import torch

HAS_CUDA = torch.cuda.is_available()
CUDA_DEVICES = os.environ.get("CUDA_VISIBLE_DEVICES")


def pytest_collection_modifyitems(items):
    """Run CUDA tests last: others may fork, and have a parent that did not use CUDA."""
    items.sort(key=_needs_cuda)


def _needs_cuda(item):
    return item.get_closest_marker("cuda") is not None


@pytest.fixture(autouse=True, scope="session")
def _no_cuda():
    """Hide CUDA devices, here and in child processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        yield


@pytest.fixture(autouse=True)
def _cuda_for_marked_tests(request, monkeypatch):
    if _needs_cuda(request.node):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        if CUDA_DEVICES is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", CUDA_DEVICES)
        torch.cuda.init()
        torch.cuda.device_count()  # torch keeps the first result, which must not be that of others


def pytest_runtest_setup(item):
    """Skip CUDA tests without a device, and note which ran."""
    if _needs_cuda(item):
        item.user_properties.append(("cuda", HAS_CUDA))
        if not HAS_CUDA:
            pytest.skip("torch finds no CUDA device")


def pytest_terminal_summary(terminalreporter):
    """Report how many CUDA tests ran."""
    ran = {
        report.nodeid: value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", [])
        if name == "cuda"
    }
    if ran:
        reason = "" if HAS_CUDA else ": torch finds no CUDA device"
        terminalreporter.write_line(f"{sum(ran.values())} of {len(ran)} CUDA tests ran{reason}")
