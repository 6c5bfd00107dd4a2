"""All commands under one name, and what becomes of their errors."""

import signal
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

import click

from .. import __version__
from .doctor import doctor
from .draw import draw
from .embed import embed
from .study import study
from .weights import weights

FAILED, INTERRUPTED = 1, 130  # and click's 2, for what is no command


@click.group()
@click.version_option(__version__, prog_name="sklearn-biomoe")
@click.option("--debug", is_flag=True, help="Show the trace of an error; goes before the command.")
def program(debug: bool) -> None:
    """Biosignals to images, and images to Tiny-BioMoE embeddings.

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
    interrupts: list[int] = []
    try:
        with warnings.catch_warnings(), _remember(interrupts):
            warnings.simplefilter("once", UserWarning)
            warnings.showwarning = _show_note
            # Commands return nothing, or end in click's Exit, whose code this is.
            code = program(list(arguments), prog_name="sklearn-biomoe", standalone_mode=False)
            return code or 0
    except click.ClickException as error:
        click.echo(f"error: {_in_one_line(error.format_message())}", err=True)
        return error.exit_code
    except Exception as error:
        # Reading CSV files, pandas turns an interrupt into an error of its own.
        if isinstance(error, click.Abort) or interrupts:
            click.echo("interrupted", err=True)
            return INTERRUPTED
        if "--debug" in arguments:
            traceback.print_exc()
        click.echo(f"error: {_told(error)}", err=True)
        return FAILED


@contextmanager
def _remember(interrupts: list[int]) -> Iterator[None]:
    """Write down each interrupt before it is handled as it would have been."""
    usual = signal.getsignal(signal.SIGINT)
    if not callable(usual) or threading.current_thread() is not threading.main_thread():
        yield  # ignored, or not ours to handle
        return

    def handle(number: int, frame: FrameType | None) -> None:
        interrupts.append(number)
        usual(number, frame)

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


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
