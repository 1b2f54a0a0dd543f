"""Attachments: what a statement says of files that came with it (xAPI 1.0.3 Data 2.4.11).

Pure: knows the statement alone, not how files travel or are kept. A SubStatement may have attachments, too.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from lrs.domain.errors import InvalidStatement
from lrs.domain.statements import SIGNATURE

# By the length of its hexadecimal digits: which SHA-2 it is (FIPS 180-4).
SHA2_BY_DIGITS: Final[Mapping[int, str]] = {56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}


def attachments_of(statement: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each attachment with its path, those of a SubStatement after the statement's own."""
    for index, attachment in enumerate(statement.get("attachments", ())):
        yield f"attachments[{index}]", attachment
    target = statement["object"] or {}  # nothing, where a person was taken out
    if target.get("objectType") == "SubStatement":
        for index, attachment in enumerate(target.get("attachments", ())):
            yield f"object.attachments[{index}]", attachment


def hash_of(attachment: Mapping[str, Any]) -> str:
    """What finds its data: hexadecimal digits have two spellings."""
    digits: str = attachment["sha2"]
    return digits.lower()


def is_signature(attachment: Mapping[str, Any]) -> bool:
    """Whether it is the signature of its statement (1.0.3 Data 2.6)."""
    return bool(attachment["usageType"] == SIGNATURE)


def check_data(statements: Sequence[Mapping[str, Any]], received: Collection[str] = ()) -> None:
    """Nothing, where the data of every attachment came along (its hash is among ``received``) or is to be had at a
    fileUrl; else InvalidStatement."""
    for number, statement in enumerate(statements):
        if "attachments" not in statement and "attachments" not in statement["object"]:
            continue  # nearly all
        for path, attachment in attachments_of(statement):
            if "fileUrl" not in attachment and hash_of(attachment) not in received:
                where = f"[{number}].{path}" if len(statements) > 1 else path
                rule = "must have a fileUrl, for its data did not come with the request"
                raise InvalidStatement(where, rule, "1.0.3 Communication 1.5.2")


def without_signatures(statement: Mapping[str, Any]) -> dict[str, Any]:
    """The statement as it was before it was signed (1.0.3 Data 2.6)."""
    kept = [one for one in statement.get("attachments", ()) if not is_signature(one)]
    plain = {name: value for name, value in statement.items() if name != "attachments"}
    return plain | {"attachments": kept} if kept else plain
