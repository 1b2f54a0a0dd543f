"""Formats: the strings of xAPI that must look like something, each as a pattern and a rule in plain words.

The patterns run in pydantic's regular expressions (linear time, no look-around) and in Python's alike; both are
anchored. Knows nothing of where a format is used. What depends on the version (timestamps) is in the domain.
"""

import re
from typing import Annotated, Final

from pydantic import StringConstraints

# RFC 3987 with best effort, as 1.0.3 Data 2.2 allows: a scheme, then no white space, no control and none of the
# characters that the grammar leaves out. Whether the rest resolves is not ours to ask.
_IRI = r'^[A-Za-z][A-Za-z0-9+.\-]*:[^\s\x00-\x1f\x7f<>"{}|\\^`]+$'

# One @ with something on both sides: what more an address must be, only its mail server knows. A scheme has no
# case (RFC 3986 section 3.1).
_MBOX = r"^(?i:mailto):[^\s@\x00-\x1f\x7f]+@[^\s@\x00-\x1f\x7f]+$"

_SHA1 = r"^[0-9a-fA-F]{40}$"

# SHA-224, SHA-256, SHA-384, SHA-512 (FIPS 180-4) in hex.
_SHA2 = r"^(?:[0-9a-fA-F]{56}|[0-9a-fA-F]{64}|[0-9a-fA-F]{96}|[0-9a-fA-F]{128})$"

# Any version and variant: 1.0.3 Data 4.4 asks for the standard string form and only recommends RFC 4122's.
_UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"

# RFC 5646 section 2.1: language, script, region, variants, extensions, private use; or private use alone; or one
# of the irregular tags that the grammar grandfathers.
_LANGUAGE = (
    r"^(?:(?:[A-Za-z]{2,3}(?:-[A-Za-z]{3}){0,3}|[A-Za-z]{4,8})"
    r"(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*"
    r"(?:-[0-9A-WY-Za-wy-z](?:-[A-Za-z0-9]{2,8})+)*"
    r"(?:-[xX](?:-[A-Za-z0-9]{1,8})+)?"
    r"|[xX](?:-[A-Za-z0-9]{1,8})+|[iI]-[A-Za-z]{2,8}|en-GB-oed|sgn-BE-FR|sgn-BE-NL|sgn-CH-DE)$"
)

# ISO 8601:2004 section 4.4.3.2: at least one part, weeks alone, and a fraction in the last part only.
_INTEGER = "[0-9]+"
_DECIMAL = "[0-9]+(?:[.,][0-9]+)?"
_DATE = f"(?:{_INTEGER}Y)?(?:{_INTEGER}M)?"
_TIME = f"T(?:(?:{_INTEGER}H)?(?:{_INTEGER}M)?{_DECIMAL}S|(?:{_INTEGER}H)?{_DECIMAL}M|{_DECIMAL}H)"
_DURATION = (
    f"^P(?:{_DECIMAL}W|{_DATE}{_DECIMAL}D|(?:{_INTEGER}Y)?{_DECIMAL}M|{_DECIMAL}Y|{_DATE}(?:{_INTEGER}D)?{_TIME})$"
)

# RFC 9110 section 8.3.1: type "/" subtype, then parameters of any kind.
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~\-]+"  # noqa: S105 - a grammar's token, not a secret
_MEDIA_TYPE = rf"^{_TOKEN}/{_TOKEN}(?:[ \t]*;[\t -~]*)?$"

Iri = Annotated[str, StringConstraints(pattern=_IRI)]
Mbox = Annotated[str, StringConstraints(pattern=_MBOX)]
Sha1 = Annotated[str, StringConstraints(pattern=_SHA1)]
Sha2 = Annotated[str, StringConstraints(pattern=_SHA2)]
Uuid = Annotated[str, StringConstraints(pattern=_UUID)]
LanguageTag = Annotated[str, StringConstraints(pattern=_LANGUAGE)]
MediaType = Annotated[str, StringConstraints(pattern=_MEDIA_TYPE)]
# No real duration comes near 64 characters; digits without end would cost whoever adds them up.
Duration = Annotated[str, StringConstraints(pattern=_DURATION, max_length=64)]

# pattern -> (rule, section): what a client is told when a string does not match.
FORMAT_RULES: Final = {
    _IRI: ("must be an IRI with a scheme", "1.0.3 Data 2.2"),
    _MBOX: ("must be a mailto IRI of one address", "1.0.3 Data 2.4.2.3"),
    _SHA1: ("must be 40 hexadecimal digits", "1.0.3 Data 2.4.2.3"),
    _SHA2: ("must be a SHA-2 hash in hexadecimal digits", "1.0.3 Data 2.4.11"),
    _UUID: ("must be a UUID in its standard form", "1.0.3 Data 4.4"),
    _LANGUAGE: ("must be an RFC 5646 language tag", "1.0.3 Data 4.2"),
    _MEDIA_TYPE: ("must be a media type", "1.0.3 Data 2.4.11"),
    _DURATION: ("must be an ISO 8601 duration", "1.0.3 Data 4.6"),
}

_IRI_TEXT, _UUID_TEXT = re.compile(_IRI), re.compile(_UUID)


def is_iri(text: str) -> bool:
    """Whether a request parameter is an IRI by the rules for statements (1.0.3 Data 2.2)."""
    return _IRI_TEXT.fullmatch(text) is not None


def is_uuid(text: str) -> bool:
    """Whether a request parameter is a UUID by the rules for statements (1.0.3 Data 2.2)."""
    return _UUID_TEXT.fullmatch(text) is not None
