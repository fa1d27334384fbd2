"""An emulated provider, a ledger, and rounds of the engine between them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from plan_lab import TAGS, Person, table

from connectors import registry
from connectors.http import Handler
from connectors.sandbox import Sandbox
from connectors.sandbox.lab import SandboxClock
from engine.ledger import Ledger
from engine.plan.destination import Destination
from engine.plan.plan import plan
from engine.push.push import push
from engine.push.result import Result
from engine.push.trip import Carrier

START = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
SETTINGS = {
    "mailchimp": {"api_key": "sandbox-us1", "base_url": "http://sandbox.test/mailchimp/3.0", "audience": "Newsletter"},
    "klaviyo": {"api_key": "pk_sandbox", "base_url": "http://sandbox.test/klaviyo/api"},
    "brevo": {"api_key": "xkeysib-sandbox", "base_url": "http://sandbox.test/brevo/v3", "folder": "shop"},
}


class Account:
    """One emulated account, a ledger, and rounds of the engine between them."""

    def __init__(self, name: str, network: Callable[[Sandbox], Handler] = lambda sandbox: sandbox) -> None:
        self.name = name
        self.sandbox = Sandbox(now=START, only=(name,))
        self.clock = SandboxClock(self.sandbox.world)
        self.network = network(self.sandbox)
        self.connector = registry.build(name, SETTINGS[name], handler=self.network, clock=self.clock)
        self.ledger = Ledger.open("sqlite://", "client")
        self.destination = Destination(
            name="news",
            connector=name,
            spec=self.connector.spec,
            segments=("loyal", "fresh"),
            merge_tags=TAGS,
            prefix="c",
        )
        self.carrier = Carrier(self.destination, self.connector)

    def round(self, people: list[Person]) -> Result:
        wide = table(people, ["loyal", "fresh"])
        account = self.connector.check()
        made = plan(
            [self.destination], wide, self.ledger, now=self.clock.utc(), config_hash="h", accounts={"news": account.id}
        )
        return push(made, [self.carrier], self.ledger, wide, clock=self.clock, now=self.clock.utc())[0]

    def lists(self) -> dict[str, set[str]]:
        provider = self.sandbox.providers[self.name]
        titles = provider.lists()
        ours = {"c loyal", "c fresh"}
        return {
            address: {titles.get(ref, ref) for ref in contact.lists} & ours
            for address, contact in provider.contacts().items()
        }

    def writes(self) -> int:
        return sum(not call.is_read for call in self.sandbox.calls)
