"""A delivery is proven before it is read, and its body comes as one shape."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import webhooks
from connectors.errors import SettingsError, Unauthorized, UnexpectedResponse

NOW = datetime(2026, 11, 23, 7, tzinfo=UTC)
SECRET = "hush-hush"


def signature(told: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), told, hashlib.sha256).hexdigest()


def test_what_the_secret_signed_is_believed_whole_and_in_parts() -> None:
    webhooks.prove_signature(SECRET, signature(b"1.body"), [b"1.body"])
    webhooks.prove_signature(SECRET, signature(b"1.body"), [b"1.", b"body"])


@pytest.mark.parametrize(
    "given",
    ["", "0" * 64, signature(b"1.body", "another"), signature(b"1.bodY"), signature(b"1.body").upper(), "é\udcff"],
)
def test_any_other_signature_is_refused(given: str) -> None:
    with pytest.raises(Unauthorized, match="not signed") as refused:
        webhooks.prove_signature(SECRET, given, [b"1.body"])
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("given", ["", "hush", "hush-hush ", "hush-husH", "é\udcff"])
def test_any_other_secret_is_refused(given: str) -> None:
    webhooks.prove_secret(SECRET, SECRET)
    with pytest.raises(Unauthorized) as refused:
        webhooks.prove_secret(SECRET, given)
    assert SECRET not in str(refused.value)


def test_without_a_secret_nothing_is_believed_not_even_what_an_empty_one_signed() -> None:
    with pytest.raises(SettingsError, match="set webhook_secret: it is shown once") as refused:
        webhooks.prove_signature("", signature(b"x", ""), [b"x"], hint="it is shown once")
    assert refused.value.key == "webhook_secret"
    with pytest.raises(SettingsError, match=r"set webhook_secret$"):
        webhooks.prove_secret("", "")


@given(st.integers(-600, 600))
def test_what_was_signed_more_than_five_minutes_away_is_refused(seconds: int) -> None:
    at = NOW + timedelta(seconds=seconds)
    if abs(seconds) <= 300:
        webhooks.prove_new(at, NOW)
    else:
        with pytest.raises(Unauthorized, match="five minutes"):
            webhooks.prove_new(at, NOW)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=0, max_size=8)
NAME = st.text("abcdefgh_", min_size=1, max_size=5)


@given(NAME, st.dictionaries(NAME, TEXT, min_size=1), st.dictionaries(NAME, TEXT, min_size=1))
def test_a_form_reads_as_the_same_delivery_in_json(outer: str, plain: dict[str, str], inner: dict[str, str]) -> None:
    plain.pop(outer, None)
    cells = plain | {f"{outer}[{name}]": value for name, value in inner.items()}
    body = json.dumps(plain | {outer: inner}).encode()
    assert webhooks.form(urlencode(cells).encode()) == webhooks.json(body) == plain | {outer: inner}


def test_a_form_goes_as_deep_as_its_names() -> None:
    assert webhooks.form(b"data[merges][FNAME]=Ann&data[merges][LNAME]=&type=profile") == {
        "data": {"merges": {"FNAME": "Ann", "LNAME": ""}},
        "type": "profile",
    }


def test_a_byte_that_is_no_text_spoils_one_value_and_not_the_delivery() -> None:
    assert webhooks.form(b"type=unsubscribe&reason=\xff")["type"] == "unsubscribe"


@pytest.mark.parametrize("body", [b"", b"data=1&data[email]=a"])
def test_a_body_that_is_no_form_is_unexpected(body: bytes) -> None:
    with pytest.raises(UnexpectedResponse):
        webhooks.form(body)


@pytest.mark.parametrize("body", [b"", b"type=unsubscribe", b"{", b'"\xff"'])
def test_a_body_that_is_no_json_is_unexpected(body: bytes) -> None:
    with pytest.raises(UnexpectedResponse):
        webhooks.json(body)
