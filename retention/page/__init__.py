"""The page of an export: for the person whose data it is, in one file that fetches nothing.

``whole`` is the page from top to bottom; ``words``, ``charts`` and ``exchanges`` its parts; ``markup`` is the only
way by which data enter it; ``style`` is how it looks.
"""

from retention.page.whole import EXCHANGES_MAX, ROWS_MAX, STATEMENTS_MAX, Summary, page

__all__ = ["EXCHANGES_MAX", "ROWS_MAX", "STATEMENTS_MAX", "Summary", "page"]
