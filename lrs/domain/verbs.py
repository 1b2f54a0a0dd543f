"""What the verbs of learning mean, whichever of its spellings a verb comes in.

Knows IRIs and nothing else. THE TABLE IS VERSIONED: reports are folded with it, so a change of a verb or of a
namespace raises ``VERBS_VERSION`` and calls for a rebuild of the report views.
"""

from enum import StrEnum
from typing import Final

VERBS_VERSION = 1


class Verb(StrEnum):
    """The verbs that say something about a learner's progress."""

    REGISTERED = "registered"
    LAUNCHED = "launched"
    INITIALIZED = "initialized"
    ATTEMPTED = "attempted"
    COMPLETED = "completed"
    PASSED = "passed"
    FAILED = "failed"
    MASTERED = "mastered"
    PROGRESSED = "progressed"
    TERMINATED = "terminated"
    ABANDONED = "abandoned"
    EXITED = "exited"
    SUSPENDED = "suspended"
    WAIVED = "waived"
    SATISFIED = "satisfied"
    VOIDED = "voided"


# cmi5 9.3 takes these three from the ADL profile's namespace and all its other verbs from ADL's first one.
_OF_THE_ADL_PROFILE = frozenset({Verb.ABANDONED, Verb.WAIVED, Verb.SATISFIED})

# The first of each row is the one that the specifications write. The second is in statements and libraries
# that people publish: the web server's host name, and the profile's home before it moved to w3id.org.
_FIRST_NAMESPACES = ("adlnet.gov/expapi/verbs/", "www.adlnet.gov/expapi/verbs/")
_PROFILE_NAMESPACES = ("w3id.org/xapi/adl/verbs/", "purl.org/xapi/adl/verbs/")


def _spellings() -> dict[str, Verb]:
    """Every IRI that means a verb, without a slash at its end."""
    return {
        f"{scheme}://{namespace}{verb.value}": verb
        for verb in Verb
        for namespace in (_PROFILE_NAMESPACES if verb in _OF_THE_ADL_PROFILE else _FIRST_NAMESPACES)
        for scheme in ("http", "https")
    }


_MEANINGS: Final = _spellings()


def meaning(verb_iri: str) -> Verb | None:
    """The verb that this IRI means; None for one that says nothing about progress."""
    # One slash at the end is tolerated because published statements have it; case is not, IRIs keep theirs.
    found = _MEANINGS.get(verb_iri)
    return found if found is not None or not verb_iri.endswith("/") else _MEANINGS.get(verb_iri[:-1])
