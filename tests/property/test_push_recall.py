"""An answer is lost, or the process dies over it: the provider is asked what it did, and the end is the same."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from plan_lab import Crash, Person, replace
from provider_lab import SETTINGS, Account

from connectors.http import Request, Response
from connectors.sandbox import Sandbox

BOTH = frozenset({"loyal", "fresh"})
# Writes that are sent again rather than looked up: they say the same, and looking costs more or shows it too late.
HARMLESS = ("/contacts/add", "/contacts/remove", "/profile-suppression-bulk-create-jobs")


@dataclass
class Losing:
    """Carries the `at`-th write to the provider, and then loses its answer."""

    sandbox: Sandbox
    trouble: type[BaseException] = Crash
    at: int = 0
    writes: int = 0

    def handle(self, request: Request) -> Response:
        answer = self.sandbox.handle(request)
        self.writes += request.method != "GET"
        if request.method != "GET" and self.writes == self.at:
            raise self.trouble
        return answer


def story() -> tuple[list[Person], list[Person]]:
    first = [Person(f"c{number}", BOTH, orders=number) for number in range(4)]
    second = [
        replace(first[0], consent="unsubscribed"),
        replace(first[1], segments=frozenset({"loyal"}), name="Zoë"),
        *first[2:],
        Person("n", frozenset({"fresh"})),
    ]
    return first, second


def ends(account: Account) -> dict[str, tuple[str, dict[str, object], frozenset[str]]]:
    """Everyone's status, values and lists of ours."""
    lists = account.lists()
    contacts = account.sandbox.providers[account.name].contacts()
    return {at: (one.status, dict(one.fields), frozenset(lists[at])) for at, one in contacts.items()}


def undisturbed(name: str) -> tuple[dict[str, tuple[str, dict[str, object], frozenset[str]]], int]:
    account = Account(name, Losing)
    for people in story():
        account.round(people)
    account.ledger.close()
    assert isinstance(account.network, Losing)
    return ends(account), account.network.writes


def played(name: str, trouble: type[BaseException], at: int) -> Account:
    """The whole story, with one answer lost; a run that died is run again."""
    account = Account(name, lambda sandbox: Losing(sandbox, trouble, at))
    for people in story():
        try:
            account.round(people)
        except Crash:
            account.round(people)
    return account


def assert_settled(account: Account, wanted: object) -> None:
    """As wanted, each list there once, nothing on its way, and another run sends nothing."""
    assert ends(account) == wanted
    titles = list(account.sandbox.providers[account.name].lists().values())
    assert (titles.count("c loyal"), titles.count("c fresh")) == (1, 1)
    writes = account.writes()
    last = account.round(story()[1])
    assert (last.error, last.rejected, account.writes()) == (None, [], writes)
    assert account.ledger.sending.of("news") == []


@pytest.mark.parametrize("trouble", [Crash, TimeoutError], ids=["the process dies", "the answer is lost"])
@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_a_write_whose_answer_is_lost_is_looked_up_not_sent_again_and_the_end_is_the_same(
    name: str, trouble: type[BaseException]
) -> None:
    wanted, count = undisturbed(name)
    assert count > 10
    for at in range(1, count + 1):
        account = played(name, trouble, at)
        writes = [(call.method, call.path, call.body) for call in account.sandbox.calls if not call.is_read]
        lost = writes[at - 1]
        assert writes.count(lost) <= 1 + lost[1].endswith(HARMLESS), lost
        assert_settled(account, wanted)
        account.ledger.close()
