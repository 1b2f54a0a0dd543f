"""The service's log says what kind of error it was and where, and never what a person sent."""

import logging
import sys

from lrs.cli.logs import FactsFormatter

SECRET = "Quetzalcoatlus"


def failing(depth: int) -> None:
    """Fail, with a cause for every level."""
    try:
        int.__dict__[SECRET] if depth == 0 else failing(depth - 1)
    except LookupError as error:
        raise LookupError(f"{SECRET} {depth}") from error


def logged(depth: int) -> str:
    """The line of an error."""
    try:
        failing(depth)
    except LookupError:
        record = logging.LogRecord("lethe", logging.ERROR, "", 0, "it %s", ("failed",), sys.exc_info())
        return FactsFormatter("%(levelname)s %(name)s %(message)s").format(record)
    raise AssertionError


def test_an_error_is_logged_by_its_kinds_and_places_without_its_message() -> None:
    line = logged(0)
    assert line.startswith("ERROR lethe it failed\n  LookupError from KeyError at test_logs.py:")
    assert SECRET not in line


def test_a_long_chain_of_causes_is_cut() -> None:
    assert logged(30).count("Error") < 12


def test_a_line_without_an_error_is_a_line() -> None:
    record = logging.LogRecord("lethe", logging.WARNING, "", 0, "waits", (), (None, None, None))
    assert FactsFormatter("%(message)s").format(record).split("\n")[0] == "waits"
