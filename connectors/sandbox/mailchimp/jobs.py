"""Operations on /batches: one job at a time, results as a tar.gz of several files under another host name."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode

from connectors.http import Request, Response
from connectors.sandbox.mailchimp import values
from connectors.sandbox.mailchimp.call import Account, Call
from connectors.sandbox.mailchimp.shapes import Json
from connectors.sandbox.mailchimp.store import iso
from connectors.sandbox.mailchimp.words import Refusal
from connectors.sandbox.world import Job as Shown

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_KEYS: Mapping[str, type] = {"method": str, "path": str, "params": dict, "body": str, "operation_id": str}
_PENDING_MOST = 500
_KEPT = timedelta(days=7)
_VALID = timedelta(minutes=10)
_STATES = ((0.1, "pending"), (0.3, "preprocessing"), (0.8, "started"), (1.0, "finalizing"))

Run = Callable[[str, str, Mapping[str, str], bytes], tuple[int, Json]]
"""Carries out one operation: method, path, query, body → status and answer."""


@dataclass(slots=True)
class Job:
    """One batch of operations."""

    id: str
    operations: list[Json]
    submitted: datetime
    started: datetime
    due: datetime
    results: list[Json] = field(default_factory=list)
    finished: datetime | None = None

    def state(self, now: datetime) -> str:
        """By the time that has passed."""
        if self.finished:
            return "finished"
        share = (now - self.started) / max(self.due - self.started, timedelta(microseconds=1))
        return next((name for until, name in _STATES if share < until), "finalizing")


class Jobs:
    """The account's queue of jobs."""

    def __init__(self, account: Account, run: Run, prefix: str) -> None:
        self._account, self._run, self._prefix = account, run, prefix
        self._jobs: dict[str, Job] = {}

    def submit(self, call: Call) -> Json:
        """POST /batches."""
        strict = self._account.says("unknown_keys", "refused")
        body = values.checked(call.body, {"operations": list}, required=("operations",), strict=strict)
        operations = body["operations"]
        most = int(self._account.options.get("operations_limit", "0"))
        if most and len(operations) > most:  # type: ignore[arg-type]  # a list, checked above
            raise Refusal("too_many_operations", str(most))
        for place, one in enumerate(operations if isinstance(operations, list) else ()):
            where = f"operations.item:{place}"
            values.checked(one, _KEYS, required=("method", "path"), strict=strict, place=where)
            if one["method"] not in _METHODS:
                raise Refusal("invalid", errors=[{"field": f"{where}.method", "message": "Value is not accepted"}])
        waiting = [job for job in self._jobs.values() if not job.finished]
        if len(waiting) >= _PENDING_MOST:
            raise Refusal("batches_full")
        now, world = call.now, self._account.world
        started = max([now, *(job.due for job in waiting)])
        due = started + timedelta(seconds=float(self._account.options.get("job_seconds", "15")))
        job = Job(f"{world.random.getrandbits(40):010x}", list(operations), now, started, due)  # type: ignore[call-overload]  # a list, checked above
        self._jobs[job.id] = job
        world.later((due - world.now()).total_seconds(), lambda: self._finish(job))
        return self._told(job, now)

    def jobs(self, call: Call) -> Json:
        """GET /batches."""
        page, total = call.page([self._told(job, call.now) for job in self._kept(call.now)])
        return {"batches": page, "total_items": total}

    def job(self, call: Call) -> Json:
        """GET /batches/{batch}."""
        return self._told(self._found(call), call.now)

    def remove(self, call: Call) -> None:
        """DELETE /batches/{batch}: what was not done yet is not done, and the results are lost."""
        job = self._found(call)
        job.operations.clear()
        del self._jobs[job.id]

    def shown(self) -> list[Shown]:
        """Every job, for people."""
        now = self._account.world.now()
        return [
            Shown(
                job.id,
                "batch",
                job.submitted,
                job.state(now),
                total=len(job.operations),
                done=len(job.results),
                failed=sum(int(str(one["status_code"])) >= 400 for one in job.results),  # noqa: PLR2004 - HTTP's own number
            )
            for job in self._jobs.values()
        ]

    def archive(self, request: Request, query: Mapping[str, str], name: str) -> Response:
        """GET the archive, as its storage serves it: no key, ten minutes."""
        job = self._jobs.get(name.partition("-")[0])
        if "authorization" in request.headers:
            return _storage(400, "InvalidArgument", "Only one auth mechanism allowed")
        if job is None or not job.finished:
            return _storage(404, "NoSuchKey", "The specified key does not exist.")
        if self._account.world.now().timestamp() > float(query.get("Expires", "0")):
            return _storage(403, "AccessDenied", "Request has expired")
        return Response(200, {"content-type": "application/x-gzip"}, _packed(job))

    def _finish(self, job: Job) -> None:
        for one in job.operations:
            params = one.get("params")
            counts = one["method"] == "GET" or self._account.says("batch_params", "any")
            query = {name: str(value) for name, value in params.items()} if isinstance(params, dict) and counts else {}
            path, body = str(one["path"]), str(one.get("body", ""))
            if self._account.world.faults.refuses("mailchimp", "job-fails", f"{path} {body}"):
                path = "/refused"  # a 404 for this one operation
            status, answer = self._run(str(one["method"]), path, query, body.encode())
            response = json.dumps(answer, ensure_ascii=False)
            job.results.append({"status_code": status, "operation_id": one.get("operation_id"), "response": response})
        self._account.world.random.shuffle(job.results)
        job.finished = self._account.world.now()

    def _kept(self, now: datetime) -> list[Job]:
        return [job for job in self._jobs.values() if now - job.submitted < _KEPT]

    def _found(self, call: Call) -> Job:
        job = self._jobs.get(call.parts["batch"])
        if job is None or call.now - job.submitted >= _KEPT:
            raise Refusal("missing")
        return job

    def _told(self, job: Job, now: datetime) -> Json:
        state = job.state(now)
        bad = 400
        return {
            "id": job.id,
            "status": state,
            "total_operations": 0 if state == "pending" else len(job.operations),
            "finished_operations": len(job.results),
            "errored_operations": sum(int(str(result["status_code"])) >= bad for result in job.results),
            "submitted_at": iso(job.submitted),
            **({"completed_at": iso(job.finished)} if job.finished else {}),
            "response_body_url": self._link(job) if job.finished else "",
        }

    def _link(self, job: Job) -> str:
        world = self._account.world
        until = int((world.now() + _VALID).timestamp())
        query = urlencode({"AWSAccessKeyId": "SANDBOX", "Expires": until, "Signature": "sandbox"})
        return f"{world.archive_url}{self._prefix}/archives/{job.id}-response.tar.gz?{query}"


def _packed(job: Job) -> bytes:
    """Several files in one archive, with a folder entry, as large jobs come."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        folder = tarfile.TarInfo("./")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        size = max(1, -(-len(job.results) // 3))
        for place, start in enumerate(range(0, max(1, len(job.results)), size)):
            content = json.dumps(job.results[start : start + size], ensure_ascii=False).encode()
            entry = tarfile.TarInfo(f"./{job.id}-{place}.json")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(target.getvalue(), mtime=0)


def _storage(status: int, code: str, words: str) -> Response:
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{words}</Message></Error>'
    return Response(status, {"content-type": "application/xml"}, body.encode())
