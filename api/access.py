"""Who calls: HTTP Basic with a credential's key and secret (RFC 7617)."""

import base64
import binascii

from fastapi import Request

from api.services import Services
from lrs.domain.access import Caller, Scope
from lrs.domain.errors import Unauthenticated


def caller_of(request: Request, services: Services) -> Caller:
    """The authenticated caller. Unauthenticated, whatever is wrong."""
    kind, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        pair = ""
    key, colon, secret = pair.partition(":")
    if kind.lower() != "basic" or not colon:
        raise Unauthenticated("HTTP Basic with a credential's key and secret is required")
    return services.credentials.authenticate(key, secret)


def caller_with(request: Request, services: Services, *scopes: Scope) -> Caller:
    """The caller, who has at least one of the scopes. Unauthenticated, Forbidden."""
    caller = caller_of(request, services)
    if not any(caller.may(scope) for scope in scopes):
        caller.need(scopes[0])
    return caller
