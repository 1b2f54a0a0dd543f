"""Signatures of statements: JSON web signatures in their compact form (RFC 7515; xAPI 1.0.3 Data 2.6)."""

from typing import Protocol


class SignatureInvalid(Exception):
    """The bytes are no signature that xAPI takes, or it does not fit. ``rule`` says which rule is broken."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


class SignedPayloads(Protocol):
    """Reads signatures."""

    def payload(self, token: bytes) -> bytes:
        """What was signed. Where the signature brings a certificate it was checked against it, and the chain too;
        without one nobody can. SignatureInvalid."""
        ...
