"""How each fault shows: a function between a request and the provider, with every provider's own words and headers.

Facts: the providers' documents as read on 2026-11-22. On a 429 Klaviyo sends Retry-After and no RateLimit-*, Brevo its
x-sib-ratelimit-* (seconds), Mailchimp nothing; 403 without a body is Mailchimp's other throttle, an HTML one Klaviyo's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

from connectors.http import Request, Response
from connectors.sandbox.world import json_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.sandbox.faults import Asked, FaultBook
    from connectors.sandbox.world import Provider

__all__ = ["FAULTS", "READ", "WRITE", "Case", "Fault", "Serve"]

Serve: TypeAlias = "Callable[[Provider, Request], Response]"
READ, WRITE, ANY = "read", "write", "any"
_CHALLENGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"
_HTML: Mapping[int, str] = {502: "502 Bad Gateway", 503: "503 Service Unavailable", 524: "524: A timeout occurred"}
_PAGE_SIZES = ("count", "limit", "page[size]")
_WORDS = frozenset({"title", "detail", "message", "error", "field_message"})
_JOBS = re.compile(r"/(batches|archives|processes|_files|import/info|[\w-]*-jobs)(/|$)")


@dataclass(frozen=True, slots=True)
class Case:
    """One request that meets one fault."""

    book: FaultBook
    asked: Asked
    provider: Provider
    request: Request

    def strike(self) -> None:
        """It happened: one time less."""
        self.book.strike(self.asked)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault by name: what it is, whose it can be, which calls it meets and how often when nobody says.

    `act` None: a provider's emulation asks for it (`Faults.refuses`, `Faults.dated`).
    """

    words: str
    act: Callable[[Case, Serve], Response] | None = None
    providers: tuple[str, ...] = ()  # empty: all
    when: str = ANY
    times: int | None = 1
    seconds: float = 1.0
    is_passing: bool = False  # goes away by itself: part of a mix

    def fits(self, provider: str) -> bool:
        """It can happen there."""
        return not self.providers or provider in self.providers


def _answering(answer: Callable[[Case], Response]) -> Callable[[Case, Serve], Response]:
    """The answer takes the provider's place; with `takes_effect` the call was carried out all the same."""

    def act(case: Case, serve: Serve) -> Response:
        if case.asked.takes_effect:
            serve(case.provider, case.request)
        case.strike()
        return answer(case)

    return act


def _problem(provider: str, status: int, title: str, detail: str, code: str) -> Response:
    """An error in the provider's own envelope."""
    if provider == "mailchimp":
        body = {"type": "https://mailchimp.com/developer/marketing/docs/errors/", "title": title, "status": status}
        told = {**body, "detail": detail, "instance": "00000000-0000-0000-0000-000000000000"}
        return json_response(status, told, {"content-type": "application/problem+json; charset=utf-8"})
    if provider == "klaviyo":
        source = {"pointer": "/data/"}
        error = {"id": f"{code}-{status}", "status": status, "code": code, "title": title, "detail": detail}
        return json_response(
            status, {"errors": [{**error, "source": source, "meta": {}}]}, {"content-type": "application/vnd.api+json"}
        )
    return json_response(status, {"message": detail} | ({"code": code} if provider == "brevo" else {}))


def _throttled(case: Case) -> Response:
    name, seconds = case.provider.name, max(1, round(case.asked.seconds))
    title = {"mailchimp": "Too Many Requests", "klaviyo": "Request was throttled."}.get(name, "")
    detail = {
        "brevo": "API rate limit reached",
        "mailchimp": "You have exceeded the limit of 10 simultaneous connections.",
        "klaviyo": f"Request was throttled. Expected available in {seconds} second{'s' if seconds > 1 else ''}.",
    }.get(name, "Too Many Requests")
    code = "throttled" if name == "klaviyo" else "too_many_requests"
    told = _problem(name, 429, title, detail, code)
    return replace(told, headers={**told.headers, **_silence(name, seconds)})


def _silence(provider: str, seconds: int) -> Mapping[str, str]:
    """The headers that ask for it."""
    if provider == "mailchimp":
        return {}
    if provider == "brevo":
        names = ("limit", "remaining", "reset")
        return {f"x-sib-ratelimit-{name}": str(n) for name, n in zip(names, (100, 0, seconds), strict=True)}
    limits = {"ratelimit-limit": "5", "ratelimit-remaining": "0"} if provider == "activecampaign" else {}
    return {"retry-after": str(seconds), **limits}


def _broken(status: int) -> Callable[[Case, Serve], Response]:
    """A 500 is the API's own; the others are said by what stands in front of it, in HTML."""

    def answer(case: Case) -> Response:
        if status not in _HTML:
            return _problem(case.provider.name, status, "Internal Server Error", "Something broke.", "internal_error")
        html = f"<html><head><title>{_HTML[status]}</title></head><body><h1>{_HTML[status]}</h1></body></html>"
        return Response(status, {"content-type": "text/html; charset=UTF-8"}, html.encode())

    return _answering(answer)


def _expired(case: Case) -> Response:
    title, detail, code = {
        "mailchimp": ("API Key Invalid", "Your API key may be invalid, or you've attempted to access the wrong datacenter.", ""),
        "klaviyo": ("Incorrect authentication credentials.", "Incorrect authentication credentials.", "not_authenticated"),
    }.get(case.provider.name, ("", "Key not found", "unauthorized"))  # fmt: skip
    return _problem(case.provider.name, 401, title, detail, code)


def _reset_before(case: Case, serve: Serve) -> Response:
    _ = serve
    case.strike()
    raise ConnectionResetError("the connection was reset before the request was read")


def _reset_after(case: Case, serve: Serve) -> Response:
    serve(case.provider, case.request)
    case.strike()
    raise ConnectionResetError("the connection was reset before an answer came")


def _slow(case: Case, serve: Serve) -> Response:
    """The call is carried out at once and answered late; who will not wait so long is not answered."""
    response = serve(case.provider, case.request)
    case.strike()
    patience = case.request.timeout
    case.book.world.advance(min(case.asked.seconds, patience))
    if case.asked.seconds >= patience:
        raise TimeoutError(f"no answer within {patience:g} s")
    return response


def _truncated(case: Case, serve: Serve) -> Response:
    """Two thirds of a JSON answer; the call was carried out."""
    response = serve(case.provider, case.request)
    if not response.body or "json" not in response.headers.get("content-type", ""):
        return response
    case.strike()
    return replace(response, body=response.body[: len(response.body) * 2 // 3])


def _rewritten(response: Response, change: Callable[[Any], bool]) -> Response | None:
    """The answer with its JSON changed in place; None when it is not (whole) JSON or `change` found nothing to do."""
    if not response.body or "json" not in response.headers.get("content-type", ""):
        return None
    try:
        body = json.loads(response.body)
    except ValueError:  # another fault has cut it short
        return None
    if not change(body):
        return None
    return replace(response, body=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())


def _changing(change: Callable[[Case, Response], Response | None]) -> Callable[[Case, Serve], Response]:
    def act(case: Case, serve: Serve) -> Response:
        response = serve(case.provider, case.request)
        changed = change(case, response)
        if changed is None:
            return response
        case.strike()
        return changed

    return act


def _doubled(case: Case, response: Response) -> Response | None:
    """The first record comes again at the end of the page."""
    _ = case

    def change(body: Any) -> bool:  # noqa: ANN401 - any JSON
        rows = _records(body)
        rows += rows[:1]
        return bool(rows)

    return _rewritten(response, change)


def _records(body: Any) -> list[Any]:  # noqa: ANN401 - any JSON
    """The records of a page: the first list of objects at its top."""
    lists = body.items() if isinstance(body, dict) else ()
    found = (value for name, value in lists if isinstance(value, list) and name not in {"_links", "included", "errors"})
    return next((rows for rows in found if rows and isinstance(rows[0], dict)), [])


def _translated(case: Case, response: Response) -> Response | None:
    """Words of errors in another language; names, numbers and what stands after a colon stay."""
    _ = case
    return _rewritten(response, lambda body: _translate(body, is_error=response.status >= 400))  # noqa: PLR2004


def _translate(body: Any, *, is_error: bool) -> bool:  # noqa: ANN401 - any JSON
    if isinstance(body, list):
        found_in = [_translate(one, is_error=is_error) for one in body]  # every one of them, not up to the first
        return any(found_in)
    if not isinstance(body, dict):
        return False
    found = False
    for name, value in body.items():
        if is_error and name in _WORDS and isinstance(value, str):
            body[name], found = "Ungültige Angabe" + "".join(value.partition(":")[1:]), True
        else:
            found |= _translate(value, is_error=is_error or name == "errors")
    return found


def _short_pages(case: Case, serve: Serve) -> Response:
    """The page size that was asked for is cut without a word; `seconds` is the size instead."""
    parts = urlsplit(case.request.url)
    query, most = dict(parse_qsl(parts.query, keep_blank_values=True)), int(case.asked.seconds)
    large = [name for name in _PAGE_SIZES if query.get(name, "").isdecimal() and int(query[name]) > most]
    if not large:
        return serve(case.provider, case.request)
    case.strike()
    url = parts._replace(query=urlencode({**query, **dict.fromkeys(large, most)})).geturl()
    return serve(case.provider, replace(case.request, url=url))


def _list_deleted(case: Case, serve: Serve) -> Response:
    """Somebody deletes the list that the call is about (or the one that was named) just before it."""
    lists = case.provider.lists()
    about = case.request.url + case.request.body.decode("utf-8", "replace")
    named = (ref for ref, title in lists.items() if case.asked.list in {ref, title})
    spoken = (ref for ref in lists if re.search(rf"\b{re.escape(ref.rpartition('/')[2])}\b", about))
    ref = next(named if case.asked.list else spoken, None)
    if ref is not None:
        case.strike()
        case.provider.drop(ref)
    return serve(case.provider, case.request)


def _job_never_ends(case: Case, serve: Serve) -> Response:
    """What the call puts off never happens: its job waits for ever."""
    with case.book.holding(case.asked):
        return serve(case.provider, case.request)


def _lagging(case: Case, serve: Serve) -> Response:
    """Reads show what was there `seconds` ago; jobs are told as they are."""
    if case.request.method not in {"GET", "HEAD"}:
        case.book.remember(case.provider)
        return serve(case.provider, case.request)
    if _JOBS.search(urlsplit(case.request.url).path):
        return serve(case.provider, case.request)
    past = case.book.past(case.provider, case.asked.seconds)
    if past is None:
        return serve(case.provider, case.request)
    case.strike()
    return serve(past, case.request)


FAULTS: Mapping[str, Fault] = {
    "throttled": Fault("429 with the provider's own headers; `seconds` of silence", _answering(_throttled),
                       is_passing=True),
    "bodiless-403": Fault("a throttle as a 403 without a body", _answering(lambda _: Response(403)), ("mailchimp",),
                          is_passing=True),
    "html-403": Fault("the challenge in front of the API, a 403 of HTML",
                      _answering(lambda _: Response(403, {"content-type": "text/html; charset=UTF-8", "cf-ray": "8c0"},
                                                    _CHALLENGE)), ("klaviyo",), is_passing=True),
    "500": Fault("the API broke", _broken(500), is_passing=True),
    "502": Fault("the gateway has no answer, in HTML", _broken(502), is_passing=True),
    "503": Fault("the service is away, in HTML", _broken(503), is_passing=True),
    "524": Fault("the API took too long for what stands in front of it, in HTML", _broken(524), is_passing=True),
    "reset-before": Fault("the connection is reset and nothing was done", _reset_before, is_passing=True),
    "reset-after": Fault("the connection is reset and all was done", _reset_after, is_passing=True),
    "slow": Fault("carried out, answered after `seconds`: too late for most", _slow, seconds=90.0, is_passing=True),
    "truncated": Fault("carried out; the JSON of the answer ends early", _truncated, is_passing=True),
    "duplicate-records": Fault("a page repeats its first record", _changing(_doubled), when=READ, is_passing=True),
    "localised": Fault("error texts in another language", _changing(_translated), times=None),
    "short-pages": Fault("pages hold `seconds` records at most, without a word", _short_pages, when=READ, times=None,
                         seconds=10.0),
    "list-deleted": Fault("the list that a call is about is deleted just before it", _list_deleted),
    "key-expired": Fault("the key is refused from now on", _answering(_expired), times=None),
    "job-never-ends": Fault("a job waits for ever", _job_never_ends, when=WRITE),
    "lagging-reads": Fault("reads show what was there `seconds` ago", _lagging, times=None, seconds=30.0),
    "bad-record": Fault("one record of a call is refused, good as it is", when=WRITE),
    "job-fails": Fault("a job ends, and one record of it was refused", when=WRITE),
    "future-dated": Fault("an event bears a date `seconds` ahead", providers=("mailchimp", "klaviyo"),
                          seconds=400 * 86_400.0),
}  # fmt: skip
