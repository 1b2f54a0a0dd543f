"""What one statement says about its learner's progress at one activity.

Knows the statement's JSON, and must not know who the learner is, what was folded before or where it is kept.
The statement was checked when it was recorded, so the specification's own properties have the types that it
gives them. Extensions were not: they hold whatever the client sent, and count only when they are as their
profile says.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any, TypeVar
from uuid import UUID

from lrs.domain.verbs import Verb, meaning

_CMI5_CONTEXT = "https://w3id.org/xapi/cmi5/context/extensions/"  # cmi5 9.6.3
_SESSION = _CMI5_CONTEXT + "sessionid"
_LAUNCH_MODE = _CMI5_CONTEXT + "launchmode"
_MOVE_ON = _CMI5_CONTEXT + "moveon"
_CMI5_PROGRESS = "https://w3id.org/xapi/cmi5/result/extensions/progress"  # cmi5 9.5.5.1, 0 to 100
_VIDEO_PROGRESS = "https://w3id.org/xapi/video/extensions/progress"  # xAPI video profile 1.0, 0 to 1

_SESSION_DIGEST_BYTES = 8  # 16 hexadecimal digits; one row sees thousands of sessions at most
GROUPING_BYTES = 8
# Activities that statements are grouped under: courses and their blocks, so a few thousand.
_GROUPINGS_CACHED = 16_384
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# RFC 3339 5.6 allows a second 60, which datetime does not know.
_LEAP_SECOND = re.compile(r"^(.{10}[T ][0-9]{2}:[0-9]{2}):60(.*)$")

# Twelve digits a part keep the sum finite. A fraction may stand in any part, after a comma or a point.
_PART = r"(?:([0-9]{1,12}(?:\.[0-9]{1,30})?)%s)?"
_DURATION = re.compile(
    "P(?=[0-9T])"
    + "".join(_PART % unit for unit in "YMWD")
    + "(?:T(?=[0-9])"
    + "".join(_PART % unit for unit in "HMS")
    + ")?"
)
_PART_SECONDS = (365 * 86400.0, 30 * 86400.0, 7 * 86400.0, 86400.0, 3600.0, 60.0, 1.0)

_NUMBER_MAX = 1e300  # beyond it differences overflow; infinities and not-a-number fall outside too


_ABSENT: Mapping[str, Any] = {}


class LaunchMode(StrEnum):
    """How an assignable unit was launched (cmi5 10.2.2): only Normal changes a learner's status."""

    NORMAL = "Normal"
    BROWSE = "Browse"
    REVIEW = "Review"


class MoveOn(StrEnum):
    """What satisfies an assignable unit (cmi5 10.2.5)."""

    PASSED = "Passed"
    COMPLETED = "Completed"
    COMPLETED_AND_PASSED = "CompletedAndPassed"
    COMPLETED_OR_PASSED = "CompletedOrPassed"
    NOT_APPLICABLE = "NotApplicable"


_LAUNCH_MODES = {mode.value: mode for mode in LaunchMode}
_MOVE_ONS = {move_on.value: move_on for move_on in MoveOn}

_Word = TypeVar("_Word", LaunchMode, MoveOn)


@dataclass(slots=True)  # frozen would take 2 us more for each statement of a rebuild
class Signal:
    """One statement's say; times in microseconds UTC, ``score`` scaled (-1 to 1), ``progress`` 0 to 100.

    ``session`` is a digest of the cmi5 session id, ``groupings`` are digests of activities, and the two launch
    words are ours: of what a client may choose, only ids are left. Not to be changed.
    """

    activity: str
    registration: str | None
    groupings: tuple[bytes, ...]
    verb: Verb | None
    at_us: int
    stored_us: int
    statement_id: UUID
    session: str | None
    launch_mode: LaunchMode | None
    move_on: MoveOn | None
    completion: bool | None
    success: bool | None
    score: float | None
    progress: float | None
    duration_seconds: float | None

    @property
    def completes(self) -> bool:
        """Whether the activity is completed with this statement."""
        return self.verb is Verb.COMPLETED or self.completion is True

    @property
    def passes(self) -> bool:
        """Whether the activity is passed with this statement."""
        return self.verb is Verb.PASSED or self.success is True

    @property
    def fails(self) -> bool:
        """Whether the activity is failed with this statement."""
        return self.verb is Verb.FAILED or self.success is False


def signal_of(statement: Mapping[str, Any], statement_id: UUID, stored_us: int) -> Signal | None:
    """What the statement says about progress; None when it is not about an activity, or by a group. The actor
    may be left out."""
    target = statement["object"]
    if target.get("objectType", "Activity") != "Activity" or _by_group(statement):
        return None
    context = statement.get("context") or _ABSENT
    result = statement.get("result") or _ABSENT
    extensions = context.get("extensions") or _ABSENT
    verb = meaning(statement["verb"]["id"])
    launch = extensions if verb is Verb.LAUNCHED else _ABSENT
    registration = context.get("registration")
    return Signal(
        target["id"],
        registration.lower() if registration else None,
        _groupings(context["contextActivities"]) if "contextActivities" in context else (),
        verb,
        _microseconds(statement.get("timestamp"), stored_us),
        stored_us,
        statement_id,
        _session(extensions[_SESSION]) if _SESSION in extensions else None,
        _word(_LAUNCH_MODES, launch[_LAUNCH_MODE]) if _LAUNCH_MODE in launch else None,
        _word(_MOVE_ONS, launch[_MOVE_ON]) if _MOVE_ON in launch else None,
        result.get("completion"),
        result.get("success"),
        _score(result["score"]) if "score" in result else None,
        _progress(result["extensions"]) if "extensions" in result else None,
        _seconds(result["duration"]) if "duration" in result else None,
    )


def _by_group(statement: Mapping[str, Any]) -> bool:
    actor = statement.get("actor")
    return actor is not None and actor.get("objectType") == "Group"


def _groupings(context_activities: Mapping[str, Any]) -> tuple[bytes, ...]:
    # xAPI 1.0.3 Data 2.4.6.2: a single activity may stand where an array is meant.
    grouping = context_activities.get("grouping") or ()
    if isinstance(grouping, dict):
        return (grouping_digest(grouping["id"]),)
    return tuple([grouping_digest(activity["id"]) for activity in grouping])


@functools.lru_cache(_GROUPINGS_CACHED)
def grouping_digest(activity: str) -> bytes:
    """The eight bytes by which a row knows an activity that its statements were grouped under: rows are asked
    for them and never show them, and every row would repeat the texts."""
    return blake2b(activity.encode("utf-8", "surrogatepass"), digest_size=GROUPING_BYTES).digest()


def _session(given: object) -> str | None:
    if not isinstance(given, str) or not given:
        return None
    return blake2b(given.encode("utf-8", "surrogatepass"), digest_size=_SESSION_DIGEST_BYTES).hexdigest()


def _word(known: Mapping[str, _Word], given: object) -> _Word | None:
    return known.get(given) if isinstance(given, str) else None


def _microseconds(timestamp: object, stored_us: int) -> int:
    """The instant in microseconds UTC; when it can not be read, when the statement was stored."""
    if not isinstance(timestamp, str):
        return stored_us
    try:
        moment = datetime.fromisoformat(timestamp)  # takes every number of fractional digits and cuts after six
    except ValueError:
        return _microseconds_of_rare(timestamp, stored_us)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)  # what xAPI clients mean when they leave it out
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _microseconds_of_rare(timestamp: str, stored_us: int) -> int:
    """The instant of a form that datetime refuses: small letters, a leap second (the next minute's start)."""
    upper = timestamp.upper()
    leap = _LEAP_SECOND.match(upper)
    if leap:
        return _microseconds(f"{leap[1]}:59{leap[2]}", stored_us - 1_000_000) + 1_000_000
    return stored_us if upper == timestamp else _microseconds(upper, stored_us)


def _number(given: object) -> float | None:
    # bool is an int to Python, not to JSON; -0.0 becomes 0.0 so that equal numbers are written alike.
    if type(given) not in (int, float) or not -_NUMBER_MAX < given < _NUMBER_MAX:  # type: ignore[operator]
        return None
    return float(given) + 0.0  # type: ignore[arg-type]


def _score(score: Mapping[str, Any]) -> float | None:
    """The scaled score, out of raw, min and max where the client did not scale; None when out of range."""
    if score.get("scaled") is not None:
        scaled = _number(score["scaled"])
        return scaled if scaled is not None and -1 <= scaled <= 1 else None
    raw, lowest, highest = _number(score.get("raw")), _number(score.get("min")), _number(score.get("max"))
    if raw is None or lowest is None or highest is None or not lowest <= raw <= highest or lowest == highest:
        return None
    return (raw - lowest) / (highest - lowest)


def _progress(extensions: Mapping[str, Any]) -> float | None:
    percent = _number(extensions.get(_CMI5_PROGRESS))
    if percent is not None and 0 <= percent <= 100:
        return percent
    share = _number(extensions.get(_VIDEO_PROGRESS))
    return share * 100 if share is not None and 0 <= share <= 1 else None


def _seconds(duration: object) -> float | None:
    """The seconds of an ISO 8601 duration, a year being 365 days and a month 30; None when it is not one."""
    parts = _DURATION.fullmatch(duration.replace(",", ".")) if isinstance(duration, str) else None
    if parts is None:
        return None
    seconds = 0.0
    for part, unit_seconds in zip(parts.groups(), _PART_SECONDS, strict=True):
        if part:
            seconds += float(part) * unit_seconds
    return seconds
