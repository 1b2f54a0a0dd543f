"""Subscriber reports over HTTP: /reports/completion and /reports/progress, as JSON or CSV."""

import asyncio
import base64
import binascii
import csv
import io
import time
from typing import Annotated, Any, cast

import orjson
from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.parameters import agent_parameter, time_parameter
from api.services import Services
from lrs.domain.access import Scope
from lrs.domain.errors import InvalidRequest
from lrs.reporting import REPORTS, ROWS_DEFAULT, ROWS_MAX, Report, Reporter, ReportQuery

COLUMNS = (
    *("activity", "registration", "completion", "success", "score_scaled", "progress", "attempts"),
    *("time_spent_seconds", "satisfied_at", "first_at", "last_at"),
)
LEARNER_COLUMNS = ("learner_name", "learner_id")
WAIT_SECONDS_MAX = 30.0
_WAIT_PAUSE_SECONDS = 0.02
# A spreadsheet takes a cell that begins so for a formula (OWASP: CSV injection).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def routes(services: Services) -> APIRouter:
    """One route a report."""
    router = APIRouter(prefix="/reports", tags=["Reports"])

    async def report(
        request: Request,
        learner: Annotated[str | None, Query(description="an xAPI Agent in JSON")] = None,
        activity: Annotated[str | None, Query(max_length=2_000)] = None,
        cohort: Annotated[str | None, Query(max_length=2_000, description="registration or grouping")] = None,
        since: Annotated[str | None, Query(max_length=64, description="last_at after this time")] = None,
        until: Annotated[str | None, Query(max_length=64, description="last_at up to this time")] = None,
        limit: Annotated[int, Query(ge=1, le=ROWS_MAX)] = ROWS_DEFAULT,
        more: Annotated[str | None, Query(max_length=20_000)] = None,
        wait: Annotated[float, Query(ge=0, le=WAIT_SECONDS_MAX)] = 0.0,
        format: Annotated[str | None, Query(pattern="^(json|csv)$")] = None,  # noqa: A002  (its public name)
        raw: Annotated[bool, Query(description="CSV without protection against formulas")] = False,
    ) -> Response:
        """A row a learner, activity and registration."""
        caller = await services.access.caller(request, Scope.REPORTS)
        query = ReportQuery(
            learner=agent_parameter(learner, "learner"),
            activity=activity,
            cohort=cohort,
            since_us=time_parameter("since", since),
            until_us=time_parameter("until", until),
            limit=limit,
            after=_parse_more(more),
        )
        await _wait(services.reporter, caller.tenant, wait)
        found = await run_in_threadpool(services.reporter.report, caller.tenant, query)
        sent = {"learner": learner, "activity": activity, "cohort": cohort, "since": since, "until": until}
        if format == "csv" or (format is None and "text/csv" in request.headers.get("accept", "")):
            return _csv(found, raw=raw)
        return _json(found, {name: value for name, value in sent.items() if value is not None})

    for name in REPORTS:
        router.add_api_route(
            f"/{name}", report, methods=["GET"], operation_id=f"report-{name}", response_class=Response
        )
    return router


async def _wait(reporter: Reporter, tenant: str, seconds: float) -> None:
    """Until the views reach what was stored at the request, or the time is over; holds no thread meanwhile."""
    if not seconds:
        return
    deadline = time.monotonic() + seconds
    target = await run_in_threadpool(reporter.stored, tenant)
    while not await run_in_threadpool(reporter.reached, tenant, target) and time.monotonic() < deadline:  # noqa: ASYNC110  (other processes move the views)
        await asyncio.sleep(_WAIT_PAUSE_SECONDS)


def _json(found: Report, filters: dict[str, str]) -> Response:
    body = {
        "as_of": found.as_of,
        "projection_lag": found.projection_lag,
        "filters": {name: orjson.loads(v) if name == "learner" else v for name, v in filters.items()},
        "alarms": found.alarms,
        "rows": found.rows,
        "more": None if found.after is None else _more(found.after),
    }
    return Response(orjson.dumps(body), media_type="application/json")


def _csv(found: Report, *, raw: bool) -> Response:
    """One line a row; what the JSON answer says beside the rows stands in headers."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow((*LEARNER_COLUMNS, *COLUMNS))
    for row in found.rows:
        cells = [*_learner(row["learner"]), *(row[name] for name in COLUMNS)]
        writer.writerow([_cell(cell, raw=raw) for cell in cells])
    headers = {"X-Lethe-As-Of": found.as_of, "X-Lethe-Projection-Lag": str(found.projection_lag)}
    if found.after is not None:
        headers["X-Lethe-More"] = _more(found.after)
    return Response(file.getvalue().encode("utf-8", "replace"), headers=headers, media_type="text/csv")


def _learner(agent: dict[str, Any]) -> tuple[str, str]:
    account = agent.get("account")
    identifier = f"{account['homePage']} {account['name']}" if account else ""
    return agent.get("name", ""), identifier or next(
        (agent[name] for name in ("mbox", "mbox_sha1sum", "openid") if name in agent), ""
    )


def _cell(value: object, *, raw: bool) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and not raw and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value


def _more(after: tuple[str, str, str]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(after)).decode()


def _parse_more(text: str | None) -> tuple[str, str, str] | None:
    if text is None:
        return None
    try:
        after = orjson.loads(base64.urlsafe_b64decode(text))
        activity, registration, subject = after
        bytes.fromhex(subject)
    except (binascii.Error, ValueError, TypeError):
        raise InvalidRequest("more: must come from the page before") from None
    if not (isinstance(activity, str) and isinstance(registration, str)):
        raise InvalidRequest("more: must come from the page before")
    return cast("tuple[str, str, str]", (activity, registration, subject))
