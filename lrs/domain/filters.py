"""What GET /statements can find a statement by, and by what a subject's records are found.

This file must not know how a term is stored or queried, nor who is in a statement (see people). It follows
the parameters of xAPI 1.0.3 Communication 2.1.3.

THE LETTERS ARE A STORAGE FORMAT: the statement index keeps them.

    v   the verb
    o   the object, where it is an Activity: answers `activity`
    c   any other Activity in the statement: with `o` it answers `related_activities`
    g   the registration

    s   the credential that sent it, where it may read nothing but what it sent: answers its every question

    w   a subject whose key opens it: the actor, or a member of an anonymous Group there
    a   a subject that is actor or object, but for the first of `w`: with that it answers `agent`
    r   a subject anywhere else in it: with both of these it answers `related_agents`
    x   the learner of an exchange
"""

from collections.abc import Mapping
from typing import Any

Term = tuple[str, str]

VERB, OBJECT, OTHER_ACTIVITY, REGISTRATION = "v", "o", "c", "g"
SENDER = "s"
OWNER, EXACT, RELATED, EXCHANGE_OWNER = "w", "a", "r", "x"
OF_SUBJECT = (OWNER, EXACT, RELATED, EXCHANGE_OWNER)


def terms_of(statement: Mapping[str, Any]) -> tuple[Term, ...]:
    """The statement's terms, none twice: the verb, the object, other Activities as met, the registration.

    Of a SubStatement only the Activities count: its verb and registration are not the statement's. People may have
    been taken out (``people.split``): None at their places.
    """
    target = statement["object"]
    context = statement.get("context", {})
    terms: list[Term] = [(VERB, statement["verb"]["id"])]
    activity = _activity_id(target)
    if activity is not None:
        terms.append((OBJECT, activity))
    met: list[str] = []
    _add_context_activities(met, context)
    if target is not None and target.get("objectType") == "SubStatement":
        _add_sub_statement_activities(met, target)
    # A dict, because it keeps the order in which they were met: the same statement gives the same terms.
    terms += [(OTHER_ACTIVITY, other) for other in dict.fromkeys(met) if other != activity]
    if "registration" in context:
        # A UUID has two spellings (RFC 9562 4) and is one registration.
        terms.append((REGISTRATION, context["registration"].lower()))
    return tuple(terms)


def _activity_id(target: Mapping[str, Any] | None) -> str | None:
    """The object's id where it is an Activity, which it is when it says nothing (Data 2.4.4)."""
    if target is None or target.get("objectType", "Activity") != "Activity":
        return None
    activity: str = target["id"]
    return activity


def _add_context_activities(met: list[str], context: Mapping[str, Any]) -> None:
    if "contextActivities" not in context:
        return
    for activities in context["contextActivities"].values():
        # A single Activity may be sent bare, as in 0.95 (Data 2.4.6.2).
        if isinstance(activities, list):
            met += [activity["id"] for activity in activities]
        else:
            met.append(activities["id"])


def _add_sub_statement_activities(met: list[str], sub_statement: Mapping[str, Any]) -> None:
    activity = _activity_id(sub_statement["object"])
    if activity is not None:
        met.append(activity)
    _add_context_activities(met, sub_statement.get("context", {}))
