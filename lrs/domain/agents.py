"""Agents and Groups: by what one is known, and how two spellings of the same one meet.

This file must not know statements (see people), subjects, keys or the directory: it reads one Agent or Group
as the edge has checked it (xAPI 1.0.3 Data 2.4.2; 2.0 is the same here) and answers with values.

THE TEXT OF AN `Identifier.value` IS A STORAGE FORMAT: the directory keeps an HMAC over kind and value, so a
change here makes every known person unknown.
"""

import hashlib
from collections.abc import Mapping
from json.encoder import encode_basestring
from typing import Any, NamedTuple

_MAILTO = "mailto:"
_ERASED_PATH = "/xapi/erased"
_ERASED_NAME = "erased"


class Identifier(NamedTuple):
    """One inverse functional identifier in its canonical spelling: equal means the same subject.

    A named tuple, as the records of one statement are here and in people: made, hashed and compared for every
    person of every statement, it costs a third of a frozen dataclass (measured).
    """

    kind: str  # mbox | mbox_sha1sum | openid | account
    value: str


def identifier_of(agent: Mapping[str, Any]) -> Identifier | None:
    """The identifier of an Agent or identified Group; None for an anonymous Group.

    A valid one carries exactly one (2.4.2.3), so the order of these questions is only that of frequency.
    """
    if "mbox" in agent:
        return Identifier("mbox", _canonical_mbox(agent["mbox"]))
    if "account" in agent:
        return Identifier("account", _canonical_account(agent["account"]))
    if "mbox_sha1sum" in agent:
        # Hexadecimal digits have two spellings; the person is the same.
        return Identifier("mbox_sha1sum", agent["mbox_sha1sum"].lower())
    if "openid" in agent:
        return Identifier("openid", agent["openid"])
    return None


def lookups_of(identifier: Identifier) -> tuple[Identifier, ...]:
    """Every identifier under which the directory enters this one, itself first.

    An mbox is entered by its SHA-1 form too, so that a provider which hides addresses still names the same
    subject. The hash covers the whole IRI, scheme included (2.4.2.3).
    """
    if identifier.kind != "mbox":
        return (identifier,)
    # SHA-1 is what the specification says; it protects nothing here.
    digest = hashlib.sha1(identifier.value.encode(), usedforsecurity=False).hexdigest()
    return (identifier, Identifier("mbox_sha1sum", digest))


def is_group(agent: Mapping[str, Any]) -> bool:
    """Whether this is a Group, which must say so; whoever says nothing is an Agent (2.4.2.1)."""
    return agent.get("objectType") == "Group"


def erased_placeholder(public_url: str, *, group: bool) -> dict[str, Any]:
    """What stands where an erased person stood: the same for everyone, so that it links nobody."""
    account = {"homePage": _erased_home_page(public_url), "name": _ERASED_NAME}
    return {"objectType": "Group" if group else "Agent", "account": account}


def is_placeholder(agent: Mapping[str, Any], public_url: str) -> bool:
    """Whether a received Agent or Group is our placeholder coming back, which is never a subject.

    Only the account counts: a sender may have dropped objectType or added a name.
    """
    account = agent.get("account")
    return (
        account is not None
        and account["name"] == _ERASED_NAME
        and account["homePage"] == _erased_home_page(public_url)
    )


def _erased_home_page(public_url: str) -> str:
    return public_url.rstrip("/") + _ERASED_PATH


def _canonical_mbox(mbox: str) -> str:
    # Only the scheme is case-insensitive for certain (RFC 3986 3.1). The local part is the mail server's own
    # (RFC 5321 2.4), and folding the domain would part the address from the SHA-1 that its sender computes.
    if mbox.startswith(_MAILTO):
        return mbox
    scheme, colon, address = mbox.partition(":")
    return scheme.lower() + colon + address


def _canonical_account(account: Mapping[str, str]) -> str:
    # JSON array text, because no separator is safe: an account name may hold any character. Letters stay
    # letters (no \u escapes), since people search in this text.
    return f"[{encode_basestring(account['homePage'])},{encode_basestring(account['name'])}]"
