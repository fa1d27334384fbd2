"""What people and the demo do to the emulated world: move its clock, look at the truth, let readers read, use the till.

Everything under `/sandbox` answers JSON; `GET /` is a page for people. None of it is a provider's API.
"""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from connectors.http import Request, Response
from connectors.sandbox.faults import FAULTS, nearest
from connectors.sandbox.page import render
from connectors.sandbox.readers import Habits, Readers, Sending
from connectors.sandbox.till import Till, confirmation
from connectors.sandbox.world import STATUSES, Contact, Provider, json_response
from connectors.types import EventKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connectors.sandbox.router import Sandbox

__all__ = ["Control", "Wrong"]

Json: TypeAlias = dict[str, Any]
LOGGED = 200  # calls shown when no limit is asked for


class Wrong(ValueError):
    """A control request that makes no sense: answered with 400 and these words."""


class Control:
    """The endpoints under `/sandbox`, one method each."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.till = Till()
        self.sendings: list[Sending] = []
        self._routes: Mapping[tuple[str, str], Callable[[Request, Mapping[str, str]], Response]] = {
            ("GET", "/"): self._page,
            ("GET", "/sandbox/clock"): self._clock,
            ("POST", "/sandbox/clock"): self._set_clock,
            ("GET", "/sandbox/contacts"): self._contacts,
            ("GET", "/sandbox/contact"): self._contact,
            ("GET", "/sandbox/lists"): self._lists,
            ("POST", "/sandbox/lists/delete"): self._delete_list,
            ("GET", "/sandbox/calls"): self._calls,
            ("DELETE", "/sandbox/calls"): self._forget_calls,
            ("POST", "/sandbox/readers"): self._readers,
            ("POST", "/sandbox/unsubscribe"): self._unsubscribe,
            ("POST", "/sandbox/till"): self._register,
            ("GET", "/sandbox/till"): self._registered,
            ("POST", "/sandbox/seed"): self._seed,
            ("GET", "/sandbox/faults"): self._faults,
            ("POST", "/sandbox/faults"): self._ask_fault,
            ("DELETE", "/sandbox/faults"): self._clear_faults,
            ("POST", "/sandbox/reset"): self._reset,
        }

    def handle(self, request: Request, path: str, query: Mapping[str, str]) -> Response:
        """Answer a control request; mistakes are told in words."""
        route = self._routes.get((request.method, path.rstrip("/") or "/"))
        if route is None:
            known = sorted({place for _, place in self._routes})
            return json_response(404, {"error": f"no {request.method} {path} here", "paths": known})
        try:
            return route(request, query)
        except (Wrong, ValueError, KeyError) as error:
            return json_response(400, {"error": f"{type(error).__name__}: {error}"})

    def _page(self, request: Request, query: Mapping[str, str]) -> Response:
        del request, query
        html = render(self.sandbox, self.till.codes)
        return Response(200, {"content-type": "text/html; charset=utf-8"}, html.encode())

    def _clock(self, request: Request, query: Mapping[str, str]) -> Response:
        del request, query
        return json_response(200, {"now": self.sandbox.world.now().isoformat()})

    def _set_clock(self, request: Request, query: Mapping[str, str]) -> Response:
        body = _json(request)
        if "now" in body:
            self.sandbox.world.set(_instant(body["now"]))
        elif "advance" in body:
            self.sandbox.world.advance(float(body["advance"]))
        else:
            raise Wrong("say {now: '2018-01-04T09:00Z'} or {advance: seconds}")
        return self._clock(request, query)

    def _contacts(self, request: Request, query: Mapping[str, str]) -> Response:
        del request
        provider, ref = self._provider(query), query.get("list")
        contacts = provider.contacts().items()
        rows = [_told(email, contact) for email, contact in sorted(contacts) if ref is None or ref in contact.lists]
        return json_response(200, {"contacts": rows[: int(query.get("limit", len(rows)))], "count": len(rows)})

    def _contact(self, request: Request, query: Mapping[str, str]) -> Response:
        """One customer at every provider, side by side: null where they are not known."""
        del request
        email, side = query["email"].strip().lower(), {}
        for name, provider in self.sandbox.providers.items():
            contact, titles = provider.contacts().get(email), provider.lists()
            told = None if contact is None else _told(email, contact)
            if told is not None:
                told["lists"] = {ref: titles.get(ref, ref) for ref in told["lists"]}
            side[name] = told
        return json_response(200, side)

    def _lists(self, request: Request, query: Mapping[str, str]) -> Response:
        del request, query
        answer: Json = {}
        for name, provider in self.sandbox.providers.items():
            contacts = provider.contacts().values()
            answer[name] = {
                ref: {
                    "title": title,
                    "members": sum(ref in contact.lists for contact in contacts),
                    "mailable": sum(ref in contact.lists and contact.mailable for contact in contacts),
                }
                for ref, title in provider.lists().items()
            }
        return json_response(200, answer)

    def _delete_list(self, request: Request, query: Mapping[str, str]) -> Response:
        """A list deleted by hand at the provider."""
        del query
        body = _json(request)
        provider = self._provider(body)
        titles = provider.lists()
        ref = body["ref"] if "ref" in body else next((r for r, title in titles.items() if title == body["title"]), None)
        if ref not in titles:
            raise Wrong(f"{provider.name} has no such list")
        provider.drop(ref)
        return json_response(200, {"deleted": ref})

    def _calls(self, request: Request, query: Mapping[str, str]) -> Response:
        del request
        calls, limit = self.sandbox.calls, int(query.get("limit", LOGGED))
        answer: Json = {}
        for name in self.sandbox.providers:
            own = [call for call in calls if call.provider == name]
            rows = [
                {"at": c.at.isoformat(), "method": c.method, "path": c.path, "query": c.query, "size": c.size}
                | {"status": c.status, "seconds": c.seconds, "fault": c.fault}
                for c in own[len(own) - min(limit, len(own)) :]
            ]
            reads = sum(call.is_read for call in own)
            answer[name] = {"reads": reads, "writes": len(own) - reads, "calls": rows}
        return json_response(200, answer)

    def _forget_calls(self, request: Request, query: Mapping[str, str]) -> Response:
        del request, query
        self.sandbox.calls.clear()
        return json_response(204)

    def _readers(self, request: Request, query: Mapping[str, str]) -> Response:
        """Let people read until an instant; then it is that instant."""
        del query
        body = _json(request)
        until = _instant(body.pop("until"))
        seed, only = int(body.pop("seed", 1)), body.pop("providers", None)
        known = {place.name for place in dataclasses.fields(Habits)}
        if strange := body.keys() - known:
            raise Wrong(f"unknown habit {sorted(strange)}; known: {sorted(known)}")
        if until < self.sandbox.world.now():
            raise Wrong("`until` is in the past")
        readers = Readers(self.sandbox.world, seed, Habits(**body), until)
        readers.run({name: p for name, p in self.sandbox.providers.items() if only is None or name in only})
        self.sendings += readers.sendings
        return json_response(200, {"now": self.sandbox.world.now().isoformat(), "providers": readers.counts})

    def _unsubscribe(self, request: Request, query: Mapping[str, str]) -> Response:
        """A person unsubscribes: by the link of the last mail they got, or else in the provider's settings page."""
        del query
        body = _json(request)
        provider, email = self._provider(body), str(body["email"]).strip().lower()
        contact = provider.contacts().get(email)
        if contact is None:
            raise Wrong(f"{provider.name} has no such contact")
        got = [s for s in self.sendings if s.provider == provider.name and email in s.recipients]
        if got:
            provider.react(got[-1].campaign, email, EventKind.UNSUBSCRIBE, self.sandbox.world.now())
        else:
            provider.seed(dataclasses.replace(contact, status="unsubscribed", mailable=False))
        return json_response(200, _told(email, provider.contacts()[email]))

    def _register(self, request: Request, query: Mapping[str, str]) -> Response:
        del query
        text = self.till.register(request.body.decode("utf-8"), self.sandbox.world.now())
        return Response(200, {"content-type": "text/csv; charset=utf-8"}, text.encode())

    def _registered(self, request: Request, query: Mapping[str, str]) -> Response:
        del request, query
        return Response(200, {"content-type": "text/csv; charset=utf-8"}, confirmation(self.till.codes).encode())

    def _seed(self, request: Request, query: Mapping[str, str]) -> Response:
        """Contacts that were there before us: {provider, contacts: [{email, status, fields, lists}]}."""
        del query
        body = _json(request)
        provider = self._provider(body)
        for row in body["contacts"]:
            status = row.get("status", "subscribed")
            if status not in STATUSES:
                raise Wrong(nearest("status", status, STATUSES))
        for row in body["contacts"]:
            status = row.get("status", "subscribed")
            contact = Contact(row["email"], status, dict(row.get("fields", {})), set(row.get("lists", ())))
            provider.seed(dataclasses.replace(contact, mailable=row.get("mailable", status == "subscribed")))
        return json_response(200, {"seeded": len(body["contacts"])})

    def _faults(self, request: Request, query: Mapping[str, str]) -> Response:
        """What goes wrong now, and what could."""
        del request, query
        known = {name: fault.words for name, fault in FAULTS.items()}
        return json_response(200, {"faults": self.sandbox.faults.told(), "known": known})

    def _ask_fault(self, request: Request, query: Mapping[str, str]) -> Response:
        """{fault, provider, times, when, …} lets one happen; {mix: 0.1, seed: 7} lets any happen to a share of calls."""
        body = _json(request)
        if provider := body.get("provider"):
            self._provider({"provider": provider})
        if "mix" in body:
            book, faults = self.sandbox.faults, body.get("faults", ())
            book.ask_mix(float(body["mix"]), seed=int(body.get("seed", 1)), faults=faults)
        elif "fault" in body:
            self.sandbox.faults.ask(str(body.pop("fault")), **body)
        else:
            raise Wrong(f"say {{fault: name}} or {{mix: share, seed: n}}; faults: {', '.join(FAULTS)}")
        return self._faults(request, query)

    def _clear_faults(self, request: Request, query: Mapping[str, str]) -> Response:
        """Nothing goes wrong any more."""
        del request, query
        self.sandbox.faults.clear()
        return json_response(204)

    def _reset(self, request: Request, query: Mapping[str, str]) -> Response:
        """Empty accounts, an empty till and an empty log; nothing goes wrong."""
        del request, query
        self.till, self.sendings = Till(), []
        self.sandbox.reset()
        return json_response(204)

    def _provider(self, about: Mapping[str, Any]) -> Provider:
        provider = self.sandbox.providers.get(str(about.get("provider")))
        if provider is None:
            raise Wrong(f"say which provider: one of {sorted(self.sandbox.providers)}")
        return provider


def _json(request: Request) -> Json:
    body = json.loads(request.body or b"{}")
    if not isinstance(body, dict):
        raise Wrong("send a JSON object")
    return body


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise Wrong(f"'{text}' has no offset: write 2018-01-04T09:00Z")
    return at


def _told(email: str, contact: Contact) -> Json:
    return {
        "email": email,
        "status": contact.status,
        "mailable": contact.mailable,
        "fields": contact.fields,
        "lists": sorted(contact.lists),
        "ref": contact.ref,
    }
