"""The service's log: what happened, never about whom. Errors are shown by their kind and place.

The message of an error that nobody foresaw may quote what a person sent, and logs outlive keys. uvicorn and the
standard library write such errors with their messages; the formatter here is what stands between.
"""

import logging
import sys
import traceback
from pathlib import Path
from types import TracebackType

Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class FactsFormatter(logging.Formatter):
    """Level, logger and line; of an error its kinds, causes included, and where it was raised."""

    def formatException(self, ei: Raised) -> str:  # noqa: N802  (the library's name)
        """Kinds and places, innermost last, without the messages."""
        kinds: list[str] = []
        error = ei[1]
        while error is not None and len(kinds) < 10:  # a chain of causes may be a ring
            kinds.append(type(error).__qualname__)
            error = error.__cause__ or error.__context__
        places = (f"{Path(one.filename).name}:{one.lineno}" for one in traceback.extract_tb(ei[2]))
        return f"  {' from '.join(kinds)} at {' > '.join(places)}"


def write_log_to_stderr() -> None:
    """From now on warnings and errors go to stderr, a line each."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FactsFormatter("%(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
