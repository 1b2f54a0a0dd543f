"""Versions: everything that differs between xAPI 1.0.3 and 2.0.0 in what may be sent.

One table; what is not in it holds for both. Knows nothing of headers or of how a version is negotiated.
"""

import re
from dataclasses import dataclass
from typing import Final

from lrs.domain.instants import ISO_8601, RFC_3339


@dataclass(frozen=True, slots=True)
class VersionRules:
    """What one version of the specification asks for and the other does not."""

    timestamp: re.Pattern[str]
    timestamp_rule: str
    statement_version: re.Pattern[str]
    context_unknown: tuple[str, ...]
    batch_ids_distinct: bool
    state_put_without_precondition: bool  # over a document that is there
    new_profile_put_without_precondition: bool


VERSIONS: Final = {
    "1.0.3": VersionRules(
        timestamp=ISO_8601,
        timestamp_rule="must be an ISO 8601 date and time, without an offset of minus zero",
        statement_version=re.compile(r"1\.0(?:\.[0-9A-Za-z.+-]+)?"),
        context_unknown=("contextAgents", "contextGroups"),
        batch_ids_distinct=False,  # 1.0.3 only recommends it, and clients do repeat a statement in a batch
        state_put_without_precondition=True,  # Communication 3.1: conflicts of state are unlikely
        new_profile_put_without_precondition=False,  # the same: the sender MUST say one
    ),
    "2.0.0": VersionRules(
        timestamp=RFC_3339,
        timestamp_rule="must be an RFC 3339 date and time, without an offset of minus zero",
        # Statements of 1.0 stay valid in 2.0: the suite sends them with their version.
        statement_version=re.compile(r"[12]\.0(?:\.[0-9A-Za-z.+-]+)?"),
        context_unknown=(),
        batch_ids_distinct=True,
        state_put_without_precondition=False,
        new_profile_put_without_precondition=True,
    ),
}
