"""The command ``sklearn-biomoe``: see ``sklearn-biomoe --help`` and docs/cli.md."""

import sys


def main() -> None:
    """Run the command with the arguments of the process, and exit with its code."""
    try:
        import click  # noqa: F401
    except ImportError:
        sys.exit("error: the command needs more packages: pip install 'sklearn-biomoe[cli]'.")
    from .program import run

    sys.exit(run(sys.argv[1:]))
