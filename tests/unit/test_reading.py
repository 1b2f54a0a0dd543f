"""JSON comes back as it was sent, or is refused; and no refusal repeats what was sent."""

import json
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.bodies import check_parts
from api.reading import DEPTH_MAX, parse_json
from lrs.domain.errors import InvalidRequest, LimitExceeded

# A number, and whether every digit of it is kept.
NUMBERS = [
    *[
        (text, True)
        for text in (
            *("0", "-0", "-0.0", "0e0", "0.00000", "1.50", "1e2", "1E+2", "-1.5e-7"),
            "9007199254740993",  # beyond the integers that a double holds, but of 64 bits
            "18446744073709551615",
            "-9223372036854775808",
            "18446744073709551616",  # 2 ** 64: a double, exactly
            "100000000000000000000000",
            "0.10000000000000001",  # 17 digits, as some languages write the double that is 0.1
            "0.1000000000000000055511151231257827021181583404541015625",  # and all of them
            *("1.7976931348623157e308", "5e-324", "4.9E-324", "2.5e-310"),
        )
    ],
    *[
        (text, False)
        for text in (
            *("9007199254740993.0", "123456789012345678901", "-9223372036854775809"),
            *("3.14159265358979323846", "0.1000000000000000055511151231257827021181583404541015626"),
            *("1e-400", "-1e-400", "1.2345e-322", f"0.{'0' * 400}1", f"0.{'1' * 10_000}", f"1{'0' * 200}1"),
            *("1e400", "-1e400", "9" * 400),
        )
    ],
]


@pytest.mark.parametrize(("text", "is_kept"), NUMBERS)
@pytest.mark.parametrize("around", ['{{"a": {}}}', '{{"a":{}}}', "[{}]", "[1, {} ]", "{}", '{{"e-123":\n{}\n}}'])
def test_a_number_is_kept_to_the_last_digit_or_refused(text: str, is_kept: bool, around: str) -> None:
    data = around.format(text).encode()
    if is_kept:
        assert parse_json(data) == orjson.loads(data)
    else:
        with pytest.raises(InvalidRequest, match="number"):
            parse_json(data)


def is_double(text: str) -> bool:
    """Whether the number is what its double says in as many digits as were sent."""
    digits = len(text.lower().partition("e")[0].replace(".", "").lstrip("-0").rstrip("0"))
    return Decimal(text) in (Decimal(repr(float(text))), Decimal(f"{float(text):.{max(digits, 1) - 1}e}"))


@given(st.decimals(allow_nan=False, allow_infinity=False), st.booleans())
def test_any_number_is_kept_or_refused(number: Decimal, spaced: bool) -> None:
    text = str(number)
    data = f'{{"n":{" " * spaced}{text}}}'.encode()
    is_integer = text.removeprefix("-").isdigit()
    kept = (is_integer and -(2**63) <= int(text) < 2**64) or (abs(float(text)) < float("inf") and is_double(text))
    if kept:
        parse_json(data)
    else:
        with pytest.raises(InvalidRequest):
            parse_json(data)


TWICE = [
    '{"a":1,"a":1}',
    '{"a":1,"a" :2}',
    '{"a":1,"\\u0061":2}',
    '{"a":"\\u003a","a":1}',  # the escaped colon would make up for the one that is lost
    '{"a":"\\u003A\\u003a","a":":"}',
    '[1, {"a": {"b": [], "c": {}, "b": []}}]',
    '{"": 0, "": 0}',
]


@pytest.mark.parametrize("text", TWICE)
def test_a_property_that_stands_twice_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="each property once"):
        parse_json(text.encode())


NO_JSON = [
    *(b"", b"{", b"nul", b"{'a': 1}", b"[1,]", b"01", b"1.", b".5", b"+1", b"//", b'"\t"', b'{"a":1}x', b"\x00"),
    *(b"NaN", b"Infinity", b"-Infinity", b'[{"a": NaN}]'),
    *(b'"\\ud800"', b'"\\udc00\\ud800"', b'"\xed\xa0\x80"', b'{"\\ud83d": 1}'),  # lone surrogates
    *(b"\xef\xbb\xbf{}", "{}".encode("utf-16"), "{}".encode("utf-16-be"), "{}".encode("utf-32")),
    *('"é"'.encode("latin-1"), b'"\xc0\x80"', b'"\xff"', b'"\xf4\x90\x80\x80"'),  # other encodings, and none
    *(b"[" * 2_000 + b"]" * 2_000, b'{"a":' * 2_000 + b"1" + b"}" * 2_000, b"[" * 1_000_000),
]


@pytest.mark.parametrize("data", NO_JSON, ids=range(len(NO_JSON)))
def test_what_is_no_json_is_refused_without_repeating_it(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"^agent: must ") as refused:
        parse_json(data, "agent")
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_deep_json_is_kept_to_the_limit() -> None:
    for levels in (DEPTH_MAX, DEPTH_MAX + 1):
        data = b"[" * levels + b"]" * levels
        if levels == DEPTH_MAX:
            assert orjson.dumps(parse_json(data)) == data
        else:
            with pytest.raises(InvalidRequest, match="deeper than 254"):
                parse_json(data)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.booleans(), st.sampled_from([None, 1]))
def test_whatever_is_written_well_is_read(value: Any, ascii_only: bool, indent: int | None) -> None:
    for data in (json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode(), orjson.dumps(value)):
        assert parse_json(data) == value


@given(st.dictionaries(TEXT, JSON, min_size=1, max_size=4), st.data())
def test_any_property_that_stands_twice_is_noticed(value: dict[str, Any], data: st.DataObject) -> None:
    again = data.draw(st.sampled_from(sorted(value)))
    members = [f"{json.dumps(name)}:{json.dumps(one)}" for name, one in value.items()]
    members.insert(data.draw(st.integers(0, len(members))), f"{json.dumps(again)} : {json.dumps(data.draw(JSON))}")
    with pytest.raises(InvalidRequest):
        parse_json(f"[{{{', '.join(members)}}}]".encode())


def test_each_part_of_an_array_has_a_limit_of_its_own() -> None:
    check_parts(["x" * 8] * 100, 10)
    for value, place in ((["x", "x" * 9], r"^\[1\]"), ("x" * 9, "^the body")):
        with pytest.raises(LimitExceeded, match=place):
            check_parts(value, 10)
