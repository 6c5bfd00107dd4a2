"""All commands under one name, and what becomes of their errors."""

import traceback
import warnings
from collections.abc import Sequence
from typing import TextIO

import click

from .. import __version__
from .doctoring import doctor
from .drawing import draw
from .embedding import embed
from .studying import study
from .weighing import weights

FAILED, INTERRUPTED = 1, 130  # and click's 2, for what is no command


@click.group()
@click.version_option(__version__, prog_name="sklearn-biomoe")
@click.option("--debug", is_flag=True, help="Show the trace of an error; goes before the command.")
def program(debug: bool) -> None:
    """Biosignals to pictures, and pictures to Tiny-BioMoE embeddings.

    Exit codes: 0 where it worked, 1 where it failed, 2 where it was not understood, 130 where it
    was interrupted. Errors and notes go to standard error. `sklearn-biomoe COMMAND --help` shows
    examples.
    """


for _command in (draw, embed, study, weights, doctor):
    program.add_command(_command)


def run(arguments: Sequence[str]) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str

    Returns
    -------
    code : int
        To exit with.

    Examples
    --------
    >>> run(["--version"])
    sklearn-biomoe, version ...
    0
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("once", UserWarning)
            warnings.showwarning = _show_note
            # Commands return nothing, or end in click's Exit, whose code this is.
            code = program(list(arguments), prog_name="sklearn-biomoe", standalone_mode=False)
            return code or 0
    except click.ClickException as error:
        click.echo(f"error: {_in_one_line(error.format_message())}", err=True)
        return error.exit_code
    except click.Abort:
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except Exception as error:
        if "--debug" in arguments:
            traceback.print_exc()
        click.echo(f"error: {_told(error)}", err=True)
        return FAILED


def _told(error: Exception) -> str:
    """Return what an error says; its type too where that is not meant for users."""
    meant = isinstance(error, ValueError | OSError | ImportError)
    message = _in_one_line(str(error))
    if meant and message:
        return message
    return f"{type(error).__name__}: {message} (sklearn-biomoe --debug ... shows where)"


def _in_one_line(message: str) -> str:
    return " ".join(message.split())


def _show_note(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if issubclass(category, UserWarning):
        click.echo(f"note: {message}", err=True)
