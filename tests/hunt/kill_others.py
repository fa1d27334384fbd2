"""What others do at the accounts: a colleague with the provider's own tools, and the provider that calls back by itself."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors import registry
from connectors.base import Connector, Erases, Resolves
from connectors.sandbox import Contact
from connectors.sandbox.lab import SandboxClock
from connectors.types import Batch, Profile, RemoveMember, Target, TargetKind

if TYPE_CHECKING:
    from kill_world import Bench

HOOK = "hush-hush-0123456789"  # opens the path that a provider calls
PREFIX = "maison-lin"
GUEST = "guest@else.example"  # whom the shop does not know
LISTS_UNREAD = frozenset({"activecampaign"})  # nobody can say there who is in a list: no adoption, no drift
LISTENED = ("unsubscribe", "cleaned", "campaign")
HEARD = ["sent", "open", "click", "bounce", "unsubscribe", "forward"]


@dataclass(frozen=True)
class Colleague:
    """Somebody else who works at one account."""

    bench: Bench
    provider: str

    @property
    def _there(self) -> Any:
        return self.bench.sandbox.providers[self.provider]

    def _tool(self) -> Connector:
        settings = self.bench.settings(self.provider) | {"prefix": PREFIX}
        clock = SandboxClock(self.bench.sandbox.world)
        return registry.build(self.provider, settings, handler=self.bench.sandbox, clock=clock)

    def _ref(self, title: str) -> str:
        return next(str(ref) for ref, name in self._there.lists().items() if name == f"{PREFIX} {title}")

    def mailable(self, title: str) -> list[str]:
        """Whom a mail to a list reaches."""
        ref, known = self._ref(title), self._there.contacts()
        return sorted(email for email, one in known.items() if ref in one.lists and one.mailable)

    def makes(self, title: str, *emails: str) -> None:
        """A list of this title, with these people in it."""
        self._tool().create([Target(kind=TargetKind.SEGMENT, name="theirs", title=f"{PREFIX} {title}")])
        self.adds(title, *emails)

    def adds(self, title: str, *emails: str) -> None:
        """These people to a list."""
        known = self._there.contacts()
        for email in emails:
            one = known.get(email) or Contact(email)
            self._there.seed(replace(one, lists={*one.lists, self._ref(title)}))

    def takes_out(self, title: str, email: str) -> None:
        """Somebody of a list."""
        ref, tool = self._ref(title), self._tool()
        known = tool.resolve([Profile(email)]) if isinstance(tool, Resolves) else {}
        if self.provider == "mailchimp":  # a call of its own segment would be one more of ours
            one = self._there.contacts()[email]
            self._there.seed(replace(one, lists={at for at in one.lists if at != ref}))
            return
        target = Target(kind=TargetKind.SEGMENT, name=title.lower(), title=f"{PREFIX} {title}")
        list(tool.push(Batch(target, ref, [RemoveMember(id="1", profile=Profile(email, known.get(email)))])))
        self.bench.sandbox.world.finish()

    def rewrites(self, email: str, tag: str, value: str) -> None:
        """A value of somebody's."""
        one = self._there.contacts()[email]
        name = next(name for name in one.fields if name.lower().replace(" ", "_") == tag)
        self._there.seed(replace(one, fields={**one.fields, name: value}))

    def deletes(self, email: str) -> None:
        """A contact, for good."""
        tool = self._tool()
        assert isinstance(tool, Erases)
        tool.erase(Profile(email))
        self.bench.sandbox.world.finish()


def listen(bench: Bench) -> None:
    """Each account calls back from now on; Klaviyo's does by an option of the sandbox, Brevo's anyway."""
    for name, provider in bench.sandbox.providers.items():
        there: Any = provider
        if name == "mailchimp":
            from connectors.sandbox.mailchimp.webhooks import Webhook

            events = dict.fromkeys(LISTENED, True)
            hook = Webhook("ours", there.audience.id, "https://shop.example/d0", events, {"user": True}, HOOK)
            there.account.webhooks[hook.id] = hook
        if name == "activecampaign":
            there.account.webhooks.append({"url": f"https://shop.example/d0?token={HOOK}", "events": HEARD})


def post(bench: Bench) -> None:
    """What the providers have to tell lies ready; what was taken stays taken when we begin again."""
    file = bench.folder / "posted.json"
    if not file.exists():
        told = [
            {"destination": name, "provider": connector, "body": body.decode()}
            for name, connector in bench.destinations.items()
            for body in _bodies(connector, bench.sandbox.providers[connector])
        ]
        file.write_text(json.dumps(told), "utf-8")
        bench.taken.unlink(missing_ok=True)


def _bodies(name: str, provider: Any) -> list[bytes]:
    match name:
        case "mailchimp":
            return [one.body for one in provider.account.outbox]
        case "klaviyo":
            return [body for _, body in provider.posted()]
        case "activecampaign":
            return [body for _, body in provider.account.posted]
    return list(provider.deliveries())


def deliver(receiver: Any, told: Mapping[str, str], at: datetime) -> int:
    """One delivery, signed as its provider does when it sends it (again)."""
    body = told["body"].encode()
    path = f"/{told['destination']}" + (f"?token={HOOK}" if told["provider"] == "activecampaign" else "")
    status: int = receiver.answer("POST", path, _headers(told["provider"], body, at), body)
    return status


def _headers(provider: str, body: bytes, at: datetime) -> dict[str, str]:
    if provider == "mailchimp":
        second = str(int(at.timestamp()))
        return {"x-mailchimp-signature": f"t={second},v1={_mac(second.encode() + b'.' + body)}"}
    if provider == "klaviyo":
        moment = format_datetime(at, usegmt=True)
        mac = _mac(body + moment.encode())
        return {"klaviyo-webhook-id": "01WEBHOOK", "klaviyo-timestamp": moment, "klaviyo-signature": mac}
    return {"authorization": f"Bearer {HOOK}"} if provider == "brevo" else {}


def _mac(content: bytes) -> str:
    return hmac.new(HOOK.encode(), content, hashlib.sha256).hexdigest()


def undelivered(posted: Path, taken: Path) -> list[tuple[int, Mapping[str, str]]]:
    """Deliveries that nobody has acknowledged yet, by number: a provider sends them again."""
    done = taken.read_text("utf-8").split() if taken.exists() else []
    every: list[Mapping[str, str]] = json.loads(posted.read_text("utf-8"))
    return [(place, told) for place, told in enumerate(every) if str(place) not in done]
