"""The same laws against the three emulated providers: three rounds, each ends as defined, and twice sends nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from plan_lab import Person, replace, table
from provider_lab import SETTINGS, START, Account

from connectors import registry
from connectors.sandbox import Sandbox
from connectors.sandbox.lab import SandboxClock
from engine.ledger import Ledger
from engine.plan.destination import Destination
from engine.plan.plan import plan
from engine.push.push import push
from engine.push.result import Result
from engine.push.trip import Carrier
from engine.push.verifying import Verdict, verify

BOTH = frozenset({"loyal", "fresh"})


@pytest.fixture(params=sorted(SETTINGS))
def account(request: pytest.FixtureRequest) -> Iterator[Account]:
    made = Account(request.param)
    yield made
    made.ledger.close()


def test_three_rounds_end_as_defined_and_a_fourth_sends_nothing(account: Account) -> None:
    first = [Person(f"c{number}", BOTH, orders=number) for number in range(12)]
    result = account.round(first)
    assert result.error is None
    assert result.rejected == []
    assert account.lists() == {str(one.address): {"c loyal", "c fresh"} for one in first}
    assert {proof.verdict for proof in verify(result, account.carrier, account.ledger)} <= {
        Verdict.PROVEN,
        Verdict.UNPROVEN,
    }
    second = [
        replace(first[0], consent="unsubscribed"),
        replace(first[1], segments=frozenset({"loyal"}), name="Zoë"),
        replace(first[2], email="moved@shop.example"),
        *first[3:],
        Person("n", frozenset({"fresh"}), name=None),
    ]
    result = account.round(second)
    assert result.error is None
    assert result.rejected == []
    lists = account.lists()
    assert lists["c0@shop.example"] == lists["c2@shop.example"] == set()
    assert lists["c1@shop.example"] == {"c loyal"}
    assert lists["moved@shop.example"] == {"c loyal", "c fresh"}
    assert lists["n@shop.example"] == {"c fresh"}
    writes = account.writes()
    result = account.round(second)
    assert (account.writes(), result.error) == (writes, None)


class Together:
    """Two destinations of one client, in one sandbox."""

    def __init__(self) -> None:
        self.sandbox = Sandbox(now=START)
        self.clock = SandboxClock(self.sandbox.world)
        self.ledger = Ledger.open("sqlite://", "client")
        self.carriers = []
        for name in ("brevo", "klaviyo"):
            connector = registry.build(name, SETTINGS[name], handler=self.sandbox, clock=self.clock)
            destination = Destination(name=name, connector=name, spec=connector.spec, segments=("loyal",), prefix="c")
            self.carriers.append(Carrier(destination, connector))

    def round(self, people: list[Person]) -> list[Result]:
        wide = table(people, ["loyal", "fresh"])
        destinations = [carrier.destination for carrier in self.carriers]
        made = plan(destinations, wide, self.ledger, now=START, config_hash="h", accounts={})
        return push(made, self.carriers, self.ledger, wide, clock=self.clock, now=START)


def test_who_left_has_left_everywhere_before_anything_else_is_pushed() -> None:
    client = Together()
    first = [Person(f"c{number}", BOTH) for number in range(5)]
    client.round(first)
    begin = len(client.sandbox.calls)
    client.round([replace(first[0], consent="unsubscribed"), *first[1:], Person("n", BOTH)])
    writes = [call for call in client.sandbox.calls[begin:] if not call.is_read and call.status < 300]
    of_leaver = [at for at, call in enumerate(writes) if b"c0@" in bytes(call.body)]
    of_joiner = [at for at, call in enumerate(writes) if b"n@shop" in bytes(call.body)]
    assert {writes[at].provider for at in of_leaver} == {"brevo", "klaviyo"}
    assert of_joiner
    assert max(of_leaver) < min(of_joiner)
    client.ledger.close()


def test_one_destination_that_fails_leaves_the_other_alone() -> None:
    client = Together()
    wrong = registry.build(
        "brevo", SETTINGS["brevo"] | {"api_key": "wrong"}, handler=client.sandbox, clock=client.clock
    )
    client.carriers[0] = Carrier(client.carriers[0].destination, wrong)
    brevo, klaviyo = client.round([Person("c0", BOTH)])
    assert brevo.is_unauthorized
    assert klaviyo.error is None
    assert klaviyo.applied["AddMember"] == 1
    client.ledger.close()
