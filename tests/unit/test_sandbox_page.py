"""The page for people: what arrived at each provider, what they made of it, and what goes wrong on demand."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest
from fault_lab import PING, account, call

from connectors.http import Request
from connectors.sandbox import Contact, Sandbox
from connectors.types import AddCode, Batch, Target, TargetKind, ValueKind

VIP = Target(kind=TargetKind.SEGMENT, name="vip", title="Clients fidèles")
MARKUP = "<script>alert(1)</script>"
each_provider = pytest.mark.parametrize("name", sorted(PING))


class Outline(HTMLParser):
    """The tables of a page, as rows of texts, and whether every tag was closed in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.is_sound = True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.is_sound = self.is_sound and bool(self.open) and self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in {"td", "th"}:
            self.rows[-1][-1] += data


def shown(sandbox: Sandbox) -> tuple[str, list[list[str]]]:
    """The page and the rows of its tables."""
    answer = sandbox.handle(Request("GET", "http://sandbox.test/"))
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    outline = Outline()
    outline.feed(answer.body.decode())
    assert outline.is_sound
    assert outline.open == []
    return answer.body.decode(), outline.rows


@each_provider
def test_a_newcomer_is_told_where_to_point_a_destination(name: str) -> None:
    page, rows = shown(Sandbox(only=(name,)))
    assert "Nothing has arrived yet" in page
    assert f'base_url = "http://sandbox.test/{name}/' in page.replace("&quot;", '"')
    assert ["Address", "Status", "Lists"] not in rows


@each_provider
def test_lists_contacts_merge_tags_pools_and_jobs_are_shown(name: str) -> None:
    sandbox = Sandbox(only=(name,))
    provider = sandbox.providers[name]
    connector = account(sandbox, name)
    upper = connector.spec.field_names.upper
    tag = Target(kind=TargetKind.FIELD, name="code", title="CODE" if upper else "code", value=ValueKind.TEXT)
    ref = connector.create([VIP, tag])[VIP]
    provider.seed(Contact("ann@example.com", fields={tag.title: f"ÉTÉ-1 {MARKUP}"}, lists={ref}))
    provider.seed(Contact("bob@example.com", status="unsubscribed", lists={ref}))
    page, rows = shown(sandbox)
    assert ["Clients fidèles", "2", "1", ref] in rows
    [ann] = [row for row in rows if row[0] == "ann@example.com"]
    assert f"ÉTÉ-1 {MARKUP}" in ann
    assert MARKUP not in page, "text is text"
    assert [row[1] for row in rows if row[0] == "bob@example.com"] == ["unsubscribed"]
    assert [tag.title, "text"] in rows


@pytest.mark.parametrize("name", ["klaviyo", "brevo"])
def test_a_pool_shows_its_codes(name: str) -> None:
    sandbox = Sandbox(only=(name,))
    connector = account(sandbox, name)
    pool = Target(kind=TargetKind.POOL, name="thanks", title="thanks")
    ref = connector.create([pool])[pool]
    list(connector.push(Batch(pool, ref, [AddCode(id=f"c{n}", code=f"A{n}") for n in range(20)])))
    sandbox.world.finish()
    sandbox.world.advance(60)
    [row] = [row for row in shown(sandbox)[1] if row[0] == ref]
    assert row[1] == "20"
    assert row[2].startswith("A0, A1, ")
    assert row[2].endswith("A11 …")


def test_a_job_shows_what_became_of_it() -> None:
    sandbox = Sandbox(only=("mailchimp",))
    operations = [{"method": "GET", "path": path, "operation_id": path} for path in ("/ping", "/nothing")]
    call(sandbox, "mailchimp", "POST", "/batches", {"operations": operations})
    page, rows = shown(sandbox)
    assert [row[3:] for row in rows if row[1:2] == ["batch"]] == [["pending", "2", "0", "0"]]
    assert "<details open><summary>Jobs: 1" in page, "what is under way is in sight"
    sandbox.world.finish()
    assert [row[3:] for row in shown(sandbox)[1] if row[1:2] == ["batch"]] == [["finished", "2", "2", "1"]]


def test_the_call_log_shows_the_newest_first_with_what_went_wrong() -> None:
    sandbox = Sandbox(only=("brevo",))
    sandbox.faults.ask("reset-after", when="/account")
    call(sandbox, "brevo", "GET", "/contacts?limit=5&sort=asc")
    with pytest.raises(ConnectionError):
        call(sandbox, "brevo", "GET", "/account")
    page, rows = shown(sandbox)
    assert "Call log: the last 2 of 2, 1 of them refused or unanswered" in page
    log = [row[1:] for row in rows if row[1:2] == ["GET"]]
    assert log == [
        ["GET", "no answer", "reset-after", "/brevo/v3/account", "", "0"],
        ["GET", "200", "", "/brevo/v3/contacts", "limit=5&sort=asc", "0"],
    ]


def test_faults_in_force_are_on_top_until_they_are_spent() -> None:
    sandbox = Sandbox(only=("brevo",))
    assert "Faults in force" not in shown(sandbox)[0]
    sandbox.faults.ask("throttled", provider="brevo", times=2)
    sandbox.faults.ask("localised")
    sandbox.faults.ask_mix(0.25, seed=3, faults=["500", "slow"])
    call(sandbox, "brevo", "GET", "/account")
    page, rows = shown(sandbox)
    assert page.index("Faults in force") < page.index(">Brevo</h2>")
    assert ["throttled", "brevo", "any", "2", "1"] in rows
    assert ["localised", "all", "any", "until taken back", "0"] in rows
    assert ["any of 2", "", "", "25% of all calls", ""] in rows
    sandbox.faults.clear()
    assert "Faults in force" not in shown(sandbox)[0]


def test_what_can_go_wrong_is_listed() -> None:
    known = json.loads(Sandbox(only=()).handle(Request("GET", "http://x.test/sandbox/faults")).body)["known"]
    rows = shown(Sandbox(only=()))[1]
    assert [[name, words] for name, words in known.items()] == [row for row in rows if row[0] in known]
