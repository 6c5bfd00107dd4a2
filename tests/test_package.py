"""Importing the package: which modules it loads, and its public names."""

import subprocess
import sys

import sklearn_biomoe


def test_import_does_not_load_torch():
    script = (
        "import sys, sklearn_biomoe, sklearn_biomoe.datasets; sklearn_biomoe.SignalFilter(); "
        "print({'torch', 'matplotlib', 'neurokit2', 'pooch', 'skorch'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_public_names_exist():
    assert all(hasattr(sklearn_biomoe, name) for name in sklearn_biomoe.__all__)
