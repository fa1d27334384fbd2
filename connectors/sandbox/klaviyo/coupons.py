"""Coupons and their codes: found by id, filled by jobs whose errors stand in the job itself."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from connectors.sandbox.klaviyo.jobs import job_data, queue
from connectors.sandbox.klaviyo.reads import job_resource, page
from connectors.sandbox.klaviyo.shapes import Refused, answer, clauses, invalid, iso, missing, problem, resource
from connectors.sandbox.klaviyo.state import Code, Coupon, Job

if TYPE_CHECKING:
    from connectors.http import Response
    from connectors.sandbox.klaviyo.provider import Call

_MOST_CODES, _MOST_QUEUED = 1_000, 100
_YEAR = timedelta(days=365)
_CODES = "/data/attributes/coupon-codes/data"
_COUPON_ID = re.compile(r"[A-Za-z0-9_-]+")


def _resource(call: Call, coupon: Coupon) -> dict[str, Any]:
    told = {"external_id": coupon.id, "description": coupon.description, "monitor_configuration": None}
    return resource(call.base, "coupon", coupon.id, told)


def create(call: Call) -> Response:
    """A coupon, whose id is the one that it has in the shop."""
    told = call.document()["data"].get("attributes") or {}
    name = told.get("external_id")
    if not isinstance(name, str) or not _COUPON_ID.fullmatch(name):
        raise invalid("'external_id' is a required field.", pointer="/data/attributes/external_id")
    if unknown := sorted(set(told) - {"external_id", "description", "monitor_configuration"}):
        raise invalid(f"'{unknown[0]}' is not a valid field for the resource 'coupon'.", pointer="/data/attributes")
    if name in call.account.coupons:
        raise Refused(409, problem(409, "duplicate", "A coupon with this id exists.", pointer="/data/attributes"))
    made = call.account.coupons[name] = Coupon(name, told.get("description"))
    return answer(201, {"data": _resource(call, made)})


def one(call: Call) -> Response:
    """One coupon."""
    coupon = call.account.coupons.get(call.place[0])
    if coupon is None:
        raise missing("coupon", call.place[0])
    return answer(200, {"data": _resource(call, coupon)})


# codes


def fill(call: Call) -> Response:
    """Queue codes; each names its coupon."""
    records = (job_data(call, "coupon-code-bulk-create-job")["attributes"].get("coupon-codes") or {}).get("data")
    if not isinstance(records, list) or not records:
        raise invalid("'coupon-codes' is a required field.", pointer=_CODES)
    if len(records) > _MOST_CODES:
        raise invalid(f"A maximum of {_MOST_CODES} coupon codes is allowed.", pointer=_CODES)
    waiting = [job for job in call.account.jobs.values() if job.kind.startswith("coupon") and job.status == "queued"]
    if len(waiting) >= _MOST_QUEUED:
        status = int(call.options["queue_full"])
        raise Refused(status, problem(status, "invalid", f"A maximum of {_MOST_QUEUED} queued jobs is allowed."))
    problems = [found for index, record in enumerate(records) for found in _problems(call, index, record)]
    if problems:
        raise Refused(400, *problems)
    job = queue(call, "coupon-code-bulk-create-job", records)
    call.account.world.later(float(call.options["codes_seconds"]), lambda: _store(call, job))
    return answer(202, {"data": job_resource(call, job)})


def _problems(call: Call, index: int, record: dict[str, Any]) -> list[dict[str, Any]]:
    told, place = record.get("attributes") or {}, f"{_CODES}/{index}"
    code = told.get("unique_code")
    if set(told) - {"unique_code", "expires_at"} or not isinstance(code, str) or not code.strip():
        return [problem(400, "invalid", "Not a valid coupon code.", pointer=f"{place}/attributes/unique_code")]
    if call.account.world.faults.refuses("klaviyo", "bad-record", code):
        return [problem(400, "invalid", "Not a valid coupon code.", pointer=f"{place}/attributes/unique_code")]
    if call.options["unknown_coupon"] == "sync" and _coupon(record) not in call.account.coupons:
        detail = "The coupon does not exist."
        return [problem(400, "invalid", detail, pointer=f"{place}/relationships/coupon/data/id")]
    return []


def _coupon(record: dict[str, Any]) -> str:
    return str(((record["relationships"].get("coupon") or {}).get("data") or {}).get("id"))


def _store(call: Call, job: Job) -> None:
    account = call.account
    for index, record in enumerate(job.records):
        told, name = record["attributes"], _coupon(record)
        code, coupon = told["unique_code"], account.coupons.get(name)
        everywhere = account.coupons.values() if call.options["codes_unique"] == "account" else [coupon]
        is_known = any(other is not None and code in other.codes for other in everywhere)
        if coupon is None or account.world.faults.refuses("klaviyo", "job-fails", code):
            job.errors.append(_error(index, "The coupon code could not be created."))
        elif is_known:
            if call.options["codes_repeat"] == "error" or code not in coupon.codes:
                job.errors.append(_error(index, "A coupon code with this unique code already exists."))
        else:
            end = datetime.fromisoformat(told["expires_at"]) if told.get("expires_at") else account.world.now() + _YEAR
            coupon.codes[code] = Code(end, account.world.now())
            job.made.append(f"{name}-{code}")
    job.done = len(job.records) - len(job.errors)
    job.records = []
    job.started = job.completed = account.world.now()
    job.status = "complete"


def _error(index: int, detail: str) -> dict[str, Any]:
    told = problem(400, "invalid", detail, pointer=f"{_CODES}/{index}/attributes/unique_code")
    return {name: told[name] for name in ("id", "code", "title", "detail", "source")}


def _code_resource(call: Call, coupon: Coupon, code: str) -> dict[str, Any]:
    kept = coupon.codes[code]
    told = {"unique_code": code, "expires_at": iso(kept.expires), "status": "UNASSIGNED"}
    owner = {"data": {"type": "coupon", "id": coupon.id}}
    name = f"{coupon.id}-{code}"
    links = {
        "self": f"{call.base}/coupon-codes/{name}/relationships/coupon",
        "related": f"{call.base}/coupons/{coupon.id}",
    }
    return resource(call.base, "coupon-code", name, told, relationships={"coupon": {**owner, "links": links}})


def one_code(call: Call) -> Response:
    """One code, by its coupon's id and its own."""
    name = unquote(call.place[0])
    for coupon in call.account.coupons.values():
        code = name.removeprefix(f"{coupon.id}-")
        if code != name and code in coupon.codes and call.account.is_visible(coupon.codes[code].created):
            return answer(200, {"data": _code_resource(call, coupon, code)})
    raise missing("coupon code", name)


def jobs(call: Call) -> Response:
    """The account's jobs of codes, a hundred a page."""
    wanted = clauses(call.query.get("filter", ""), {"status": ("equals",)})
    kept = [job for job in call.account.jobs.values() if job.kind == "coupon-code-bulk-create-job"]
    found = [job for job in kept if all(job.status == clause.value for clause in wanted)]
    shown, links = page(call, found, 100, 100)
    return answer(200, {"data": [job_resource(call, job) for job in shown], "links": links})
