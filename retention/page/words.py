"""A statement in plain words: the verb, the thing, the result, the person. Everything comes back unescaped text
but the results, which are markup.

It must not know how a page is put together. Where the words say less than the statement did, export.json has it.
"""

import re
from typing import Any, Final
from urllib.parse import unquote

from retention.page.markup import NONE, number, plain, record, sequence, text

_RESPONSE_CHARACTERS_MAX: Final = 4_000  # in a table's cell; longer essays are in export.json
_VERB_FAMILIES: Final = (
    "adlnet.gov/expapi/verbs/",
    "w3id.org/xapi/adl/verbs/",
    "w3id.org/xapi/video/verbs/",
    "activitystrea.ms/schema/1.0/",
)
_VERBS: Final = {
    "abandoned": "left without finishing",
    "answered": "answered",
    "asked": "asked",
    "attempted": "tried",
    "attended": "attended",
    "commented": "commented on",
    "completed": "completed",
    "exited": "left",
    "experienced": "went through",
    "failed": "did not pass",
    "initialized": "started",
    "interacted": "used",
    "launched": "opened",
    "mastered": "mastered",
    "passed": "passed",
    "paused": "paused",
    "played": "played",
    "progressed": "made progress in",
    "registered": "signed up for",
    "resumed": "went on with",
    "satisfied": "met the requirement of",
    "scored": "was given a score in",
    "seeked": "moved within",
    "suspended": "paused",
    "terminated": "closed",
    "voided": "withdrew",
    "waived": "was excused from",
}
_PROGRESS: Final = {  # extension -> what makes it a percentage
    "https://w3id.org/xapi/cmi5/result/extensions/progress": 1,
    "https://w3id.org/xapi/video/extensions/progress": 100,
}
_DURATION: Final = re.compile(
    r"P(?:([0-9.]+)Y)?(?:([0-9.]+)M)?(?:([0-9.]+)W)?(?:([0-9.]+)D)?"
    r"(?:T(?:([0-9.]+)H)?(?:([0-9.]+)M)?(?:([0-9.]+)S)?)?"
)
_UNITS: Final = ("years", "months", "weeks", "days", "h", "min", "s")
_IDENTIFIERS: Final = {
    "mbox": "e-mail address",
    "mbox_sha1sum": "digest of an e-mail address",
    "openid": "OpenID",
    "account": "account",
}


def in_english(language_map: Any) -> str | None:
    """The text of a language map: English where there is any, else the first; None if there is none."""
    texts = {key: value for key, value in record(language_map).items() if isinstance(value, str) and value}
    english = sorted(key for key in texts if key.lower() == "en" or key.lower().startswith("en-"))
    return texts[english[0]] if english else next(iter(texts.values()), None)


def iri_words(iri: Any) -> str:
    """What the end of an IRI says ("How a fire starts"), or all of it if its end has no letters."""
    if not isinstance(iri, str) or not iri:
        return NONE
    end = re.split(r"[/#:]", iri.rstrip("/#:"))[-1]
    words = re.sub(r"[-_+]+", " ", unquote(end)).strip()
    return words[0].upper() + words[1:] if re.search(r"[^\W\d]{2}", words) else iri


def verb_words(verb: Any) -> str:
    """The verb as a person says it; a verb that is not ours to know, as its sender displays it."""
    iri = record(verb).get("id")
    if isinstance(iri, str):
        family, slash, name = iri.partition("://")[2].rpartition("/")
        if family + slash in _VERB_FAMILIES and name in _VERBS:
            return _VERBS[name]
    return in_english(record(verb).get("display")) or iri_words(iri).lower()


def thing_words(thing: Any) -> str:
    """What a statement is about."""
    thing = record(thing)
    kind = thing.get("objectType")
    if kind in ("Agent", "Group"):
        return person_words(thing)
    if kind == "StatementRef":
        return f"the statement {plain(thing.get('id'))}"
    if kind == "SubStatement":  # it holds no other: xAPI 1.0.3 2.4.4.3
        return f"a plan: {verb_words(thing.get('verb'))} {_activity_words(record(thing.get('object')))}"
    return _activity_words(thing)


def _activity_words(thing: dict[str, Any]) -> str:
    return in_english(record(thing.get("definition")).get("name")) or iri_words(thing.get("id"))


def identifier(agent: Any) -> tuple[str, str]:
    """The kind of an agent's identifier, in words, and its value."""
    agent = record(agent)
    name = next((name for name in _IDENTIFIERS if name in agent), None)
    if name is None:
        return "no identifier", NONE
    value = agent[name]
    if name == "account":
        account = record(value)
        value = f"{plain(account.get('name', NONE))} at {plain(account.get('homePage', NONE))}"
    return _IDENTIFIERS[name], plain(value).removeprefix("mailto:")


def person_words(agent: dict[str, Any]) -> str:
    """A person as the statement names them; the constant agent that stands for others is said to be that."""
    account = record(agent.get("account"))
    if account.get("name") == "erased" and plain(account.get("homePage")).endswith("/xapi/erased"):
        return "another person (masked)"
    name = agent.get("name")
    return name if isinstance(name, str) and name else identifier(agent)[1]


def duration_words(duration: Any) -> str:
    """An ISO 8601 duration as "1 h 5 min"; what is none, as it is."""
    found = _DURATION.fullmatch(duration) if isinstance(duration, str) else None
    if found is None:
        return plain(duration)
    parts = [f"{amount} {unit}" for amount, unit in zip(found.groups(), _UNITS, strict=True) if amount]
    return " ".join(part for part in parts if part.strip("0.").strip()[0].isdigit()) or "0 s"


def seconds_words(seconds: Any) -> str:
    """Seconds as "1 h 5 min", or "40 s" below a minute."""
    known = number(seconds)
    if known is None:
        return NONE
    if round(known) < 60:
        return f"{round(known)} s"
    minutes = round(known / 60)
    return f"{minutes // 60:,} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def percent_words(value: Any, factor: int = 1) -> str:
    """A number as a percentage."""
    known = number(value)
    return NONE if known is None else f"{round(known * factor, 1):,g} %"


def result_markup(result: Any, thing: Any) -> str:
    """The result as markup: what was reached in pills, then the response in the person's own words."""
    result = record(result)
    pills = [*_outcomes(result), *_measures(result)]
    shown = "".join(f'<span class="pill{look}">{text(words, 100)}</span>' for look, words in pills)
    if "response" in result:
        shown += f"<q>{text(_response_words(result['response'], record(thing)), _RESPONSE_CHARACTERS_MAX)}</q>"
    return shown or NONE


def _outcomes(result: dict[str, Any]) -> list[tuple[str, str]]:
    words = {
        ("success", True): (" good", "successful"),
        ("success", False): (" bad", "not successful"),
        ("completion", True): (" good", "complete"),
        ("completion", False): ("", "not complete"),
    }
    return [shown for (name, value), shown in words.items() if result.get(name) is value]


def _measures(result: dict[str, Any]) -> list[tuple[str, str]]:
    shown = []
    if "score" in result:
        shown.append(("", f"score {_score_words(record(result['score']))}"))
    extensions = record(result.get("extensions"))
    shown += [
        ("", f"progress {percent_words(extensions[iri], factor)}")
        for iri, factor in _PROGRESS.items()
        if iri in extensions
    ]
    if "duration" in result:
        shown.append(("", f"took {duration_words(result['duration'])}"))
    return shown


def _score_words(score: dict[str, Any]) -> str:
    raw, best = number(score.get("raw")), number(score.get("max"))
    points = NONE if raw is None else f"{raw:,g}" + ("" if best is None else f" of {best:,g}")
    if number(score.get("scaled")) is None:
        return points
    scaled = percent_words(score["scaled"], 100)
    return scaled if raw is None else f"{scaled} ({points})"


def _response_words(response: Any, thing: dict[str, Any]) -> Any:
    """The response; in place of the ids of choices, their texts."""
    choices = sequence(record(thing.get("definition")).get("choices"))
    texts = {plain(record(one).get("id")): in_english(record(one).get("description")) for one in choices}
    if not isinstance(response, str) or not texts:
        return response
    return "; ".join(texts.get(picked) or picked for picked in response.split("[,]"))
