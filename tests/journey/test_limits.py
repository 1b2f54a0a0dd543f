"""Limits, at the limit: what is just within them is kept whole."""

from random import Random

from lrs.bootstrap import System
from tests.subjects import ADA, inside, statement


def test_an_activity_whose_id_is_as_long_as_may_be_is_in_the_report_and_a_longer_one_is_refused(
    system: System,
) -> None:
    """Random letters: an index must hold them whole, however well a store compresses."""
    acme, random = inside(system), Random(1)
    letters = "".join(random.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(2_048))
    longest = ("https://example.org/" + letters)[:2_048]
    acme.post(statement(ADA, object={"id": longest}))
    answer = acme.http.post("/xapi/statements", json=statement(ADA, object={"id": longest + "x"}))
    assert (answer.status_code, answer.json()["code"]) == (400, "statement-invalid")
    acme.catch_up()
    assert [row["activity"] for row in acme.report()] == [longest]
