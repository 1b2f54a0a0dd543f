"""JSON web signatures (RFC 7515) as xAPI has them: compact, RSA with SHA-2, perhaps with certificates.

Checked in this order, the cheap before the dear:

1. Three parts in base64url, the first a JSON object (RFC 7515 section 5.2).
2. ``alg`` is RS256, RS384 or RS512 (xAPI 1.0.3 Data 2.6), so never "none" and never a symmetric one. A header
   that asks for more than we understand (``crit``) is refused (RFC 7515 section 4.1.11).
3. With ``x5c`` (RFC 7515 section 4.1.6): each certificate is signed by the next, and the first one's key, RSA of
   2,048 bits or more (RFC 7518 section 3.3), signed the token.

The certificates' dates and issuers are not judged: xAPI means this step to find mistakes, and whom to trust is for
whoever reads the statement.
"""

import base64
import binascii
import json
import re
from itertools import pairwise
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from lrs.ports.signatures import SignatureInvalid

_HASHES: Final[dict[str, type[HashAlgorithm]]] = {"RS256": SHA256, "RS384": SHA384, "RS512": SHA512}
_KEY_BITS: Final = range(2_048, 16_385)  # beyond, one check would take a processor for long
_CERTIFICATES_MAX: Final = 10
_HEADER_BYTES_MAX: Final = 128 * 1024
_TOKEN: Final = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


class JsonWebSignatures:
    """The port's ``SignedPayloads``."""

    def payload(self, token: bytes) -> bytes:
        """What was signed. SignatureInvalid."""
        # Some signers end their file with a line feed.
        parts = _TOKEN.fullmatch(token.strip())
        if parts is None:
            raise SignatureInvalid("must be a JSON web signature in compact form")
        header, payload, signature = parts.groups()
        said = _header(header)
        hashed = _HASHES.get(said["alg"]) if isinstance(said.get("alg"), str) else None
        if hashed is None or "crit" in said:
            raise SignatureInvalid("must be signed by RS256, RS384 or RS512 and ask for nothing else")
        content, signed = _decoded(payload), _decoded(signature)
        if "x5c" in said:
            try:
                _key_of(said["x5c"]).verify(signed, header + b"." + payload, PKCS1v15(), hashed())
            except InvalidSignature:
                raise SignatureInvalid("must be signed by the key of its first certificate") from None
        return content


def _header(encoded: bytes) -> dict[str, Any]:
    if len(encoded) > _HEADER_BYTES_MAX:
        raise SignatureInvalid("must have a header of a reasonable size")
    try:
        said = json.loads(_decoded(encoded))
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise SignatureInvalid("must have a JSON object as its header")
    return said


def _decoded(encoded: bytes) -> bytes:
    try:
        return base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))
    except (binascii.Error, ValueError):
        raise SignatureInvalid("must be a JSON web signature in compact form") from None


def _key_of(chain: object) -> RSAPublicKey:
    """The signer's key, once the chain holds."""
    if not isinstance(chain, list) or not 0 < len(chain) <= _CERTIFICATES_MAX:
        raise SignatureInvalid(f"must bring 1 to {_CERTIFICATES_MAX} certificates in x5c")
    certificates = [_certificate(one) for one in chain]
    for signed, issuer in pairwise(certificates):
        try:
            signed.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            raise SignatureInvalid("must bring certificates each of which is signed by the next") from None
    try:
        key = certificates[0].public_key()
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, RSAPublicKey) or key.key_size not in _KEY_BITS:
        raise SignatureInvalid("must be signed by an RSA key of 2,048 bits or more")
    return key


def _certificate(encoded: object) -> x509.Certificate:
    try:
        # Ordinary base64 here, unlike the rest (RFC 7515 section 4.1.6).
        return x509.load_der_x509_certificate(base64.b64decode(str(encoded), validate=True))
    except ValueError:
        raise SignatureInvalid("must bring X.509 certificates in base64 in x5c") from None
