"""How calls leave, what their failures become."""

from __future__ import annotations

import json
from datetime import UTC
from urllib.parse import quote, urlencode

import pytest
from http_lab import HOME, KEY, Hands, Script, api, refused
from hypothesis import given
from hypothesis import strategies as st

from connectors import errors
from connectors.http import Http, Response, SystemClock
from connectors.pace import EVERY, LocalPace, Rate


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b"{}", errors.InvalidRequest),
        (404, b"{}", errors.InvalidRequest),
        (405, b"", errors.InvalidRequest),
        (409, b"{}", errors.InvalidRequest),
        (413, b"<html>", errors.InvalidRequest),
        (422, b"{}", errors.InvalidRequest),
        (401, b"{}", errors.Unauthorized),
        (401, b"", errors.Unauthorized),
        (403, b'{"title":"User Disabled"}', errors.Unauthorized),
        (407, b"", errors.Unauthorized),
        (403, b"", errors.RateLimited),
        (403, b"<html>slow down</html>", errors.RateLimited),
        (429, b"", errors.RateLimited),
        (429, b"{}", errors.RateLimited),
        (408, b"", errors.Unavailable),
        (425, b"", errors.Unavailable),
        (500, b"{}", errors.Unavailable),
        (502, b"<html>", errors.Unavailable),
        (503, b"", errors.Unavailable),
        (504, b"", errors.Unavailable),
        (524, b"", errors.Unavailable),
        (301, b"", errors.UnexpectedResponse),
        (304, b"", errors.UnexpectedResponse),
    ],
)
def test_every_status_is_named_for_what_to_do_next(status: int, body: bytes, kind: type[Exception]) -> None:
    error = refused(status, body)
    assert type(error) is kind
    assert error.status == status


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_success_is_an_answer(status: int) -> None:
    http, _, _ = api(Response(status, {}, b""))
    assert http("POST", "/lists").status == status


def test_a_look_finds_what_is_there_and_none_where_there_is_nothing() -> None:
    there, script, _ = api(Response(200, {}, b'{"id": 1}'))
    found = there.look("/lists/1", params={"fields": "id"})
    assert found is not None
    assert found.part("id") == 1
    assert [(request.method, request.url) for request in script.seen] == [("GET", f"{HOME}/lists/1?fields=id")]
    nowhere, _, _ = api(Response(404))
    assert nowhere.look("/lists/1") is None
    refused, _, _ = api(Response(410))
    with pytest.raises(errors.InvalidRequest):
        refused.look("/lists/1")


@given(st.dictionaries(st.text(min_size=1), st.text() | st.integers(), min_size=1, max_size=3))
def test_parameters_are_quoted_as_urllib_quotes_them_and_blanks_are_no_plus(params: dict[str, str | int]) -> None:
    http, script, _ = api(Response(200))
    http("GET", "/lists", params=params)
    assert script.seen[0].url == f"{HOME}/lists?{urlencode(params, quote_via=quote, safe='')}"


def test_an_accepted_status_is_an_answer() -> None:
    http, _, _ = api(Response(404, {}, b"{}"))
    assert http("GET", "/lists/1", accept=frozenset({404})).status == 404


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 524])
def test_a_write_without_a_clear_answer_is_ambiguous(status: int) -> None:
    error = refused(status)
    assert isinstance(error, errors.Unavailable)
    assert error.ambiguous


def test_a_write_that_was_too_early_was_not_carried_out() -> None:
    error = refused(425)
    assert isinstance(error, errors.Unavailable)
    assert not error.ambiguous


@pytest.mark.parametrize(
    ("failure", "ambiguous"),
    [
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (ConnectionError(), True),
        (BrokenPipeError(), True),
        (ConnectionRefusedError(), False),
    ],
)
def test_a_lost_write_is_ambiguous_unless_nothing_was_sent(failure: Exception, ambiguous: bool) -> None:  # noqa: FBT001 - a column of the table
    http, script, _ = api(failure)
    with pytest.raises(errors.Unavailable) as caught:
        http("POST", "/lists", json={})
    assert caught.value.ambiguous is ambiguous
    assert len(script.seen) == 1


@pytest.mark.parametrize("failure", [TimeoutError(), ConnectionResetError(), Response(502), Response(500, {}, b"{}")])
def test_a_read_is_never_ambiguous(failure: Response | Exception) -> None:
    http, _, _ = api(failure)
    with pytest.raises(errors.Unavailable) as caught:
        http("GET", "/lists")
    assert not caught.value.ambiguous


@pytest.mark.parametrize("failure", [TimeoutError(), Response(502), Response(429, {"retry-after": "3"})])
def test_a_read_is_tried_three_times(failure: Response | Exception) -> None:
    http, script, hands = api(failure)
    with pytest.raises(errors.ConnectorError):
        http("GET", "/lists")
    assert len(script.seen) == 3
    assert sum(hands.slept) >= 6


def test_a_read_that_recovers_is_answered() -> None:
    http, script, _ = api(Response(503), TimeoutError(), Response(200, {}, b'{"a":1}'))
    assert http("GET", "/lists").json() == {"a": 1}
    assert len(script.seen) == 3


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("failure", [TimeoutError(), Response(502), Response(429), ConnectionRefusedError()])
def test_a_write_is_never_tried_again_here(method: str, failure: Response | Exception) -> None:
    http, script, _ = api(failure)
    with pytest.raises(errors.ConnectorError):
        http(method, "/lists", json={})
    assert len(script.seen) == 1


@pytest.mark.parametrize("failure", [Response(400, {}, b"{}"), Response(401, {}, b"{}"), Response(301)])
def test_a_read_that_is_refused_is_not_repeated(failure: Response) -> None:
    http, script, _ = api(failure)
    with pytest.raises(errors.ConnectorError):
        http("GET", "/lists")
    assert len(script.seen) == 1


def test_a_read_does_not_wait_for_an_hour() -> None:
    http, script, hands = api(Response(429, {"retry-after": "3000"}))
    with pytest.raises(errors.RateLimited) as caught:
        http("GET", "/lists")
    assert (caught.value.wait, len(script.seen), hands.slept) == (3000, 1, [])


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry_after": "7"}, 7),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after": "-3"}, 0),
        ({"retry_after": "nan"}, 0),
        ({"retry_after": "inf"}, 86_400),
        ({"retry_after": "Mon, 01 Jan 2018 09:00:30 GMT"}, 30),
        ({"retry_after": "Mon, 01 Jan 2018 08:00:00 GMT"}, 0),
        ({"retry_after": "soon"}, 10),
        ({"x_sib_ratelimit_reset": "34"}, 34),
        ({}, 10),
    ],
)
def test_the_wait_is_what_the_provider_asks_for(headers: dict[str, str], wait: float) -> None:
    error = refused(429, b"", "POST", **headers)
    assert isinstance(error, errors.RateLimited)
    assert error.wait == wait


def test_a_throttle_silences_its_whole_family_and_no_other() -> None:
    windows = {"bulk": (Rate(100, 1.0),), "default": (Rate(100, 1.0),)}
    http, script, hands = api(Response(429, {"retry-after": "20"}), Response(200), rates=windows)
    with pytest.raises(errors.RateLimited):
        http("POST", "/bulk", rate="bulk")
    http("POST", "/lists")
    assert hands.slept == []
    http("POST", "/bulk", rate="bulk")
    assert sum(hands.slept) == pytest.approx(20)
    assert len(script.seen) == 3


@pytest.mark.parametrize("name", ["x-request-id", "request-id", "sib-request-id", "cf-ray"])
def test_an_error_carries_the_request_id(name: str) -> None:
    assert refused(400, b"{}", "POST", **{name.replace("-", "_"): "abc-1"}).request_id == "abc-1"


def test_a_refusal_keeps_the_provider_s_answer_for_the_connector() -> None:
    error = refused(400, b'{"failure":["a@b.fr"]}')
    assert isinstance(error, errors.InvalidRequest)
    assert error.body == {"failure": ["a@b.fr"]}


def test_an_answer_that_is_not_json_is_a_broken_contract() -> None:
    with pytest.raises(errors.UnexpectedResponse):
        Response(200, {}, b'{"half":').json()
    assert Response(204).json() is None


# what leaves


def test_a_call_carries_the_credentials_home() -> None:
    http, script, _ = api()
    http("POST", "/lists", json={"name": "été"}, params={"limit": 10, "q": "a&b"})
    [request] = script.seen
    assert request.url == f"{HOME}/lists?limit=10&q=a%26b"
    assert request.headers["api-key"] == KEY
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {"name": "été"}


def test_a_query_is_added_to_the_one_that_is_there() -> None:
    http, script, _ = api()
    http("GET", "/lists?a=1", params={"b": 2})
    assert script.seen[0].url == f"{HOME}/lists?a=1&b=2"


@pytest.mark.parametrize(
    "path",
    [
        "https://archive.example.net/result.tar.gz",
        "http://api.example.com/v3/lists",
        "https://api.example.com.evil.example/v3",
        "https://api.example.com@evil.example/v3",
        "https://api.example.com:8443/v3",
    ],
)
def test_credentials_never_go_elsewhere(path: str) -> None:
    http, script, _ = api()
    http("GET", path, headers={"API-KEY": KEY, "X-Other": "1"})
    assert script.seen[0].url == path
    assert "api-key" not in script.seen[0].headers
    assert script.seen[0].headers["x-other"] == "1"


def test_a_path_cannot_become_a_part_of_the_host() -> None:
    http = Http("https://api.example.com", {"Api-Key": KEY}, handler=(script := Script([Response(200)])), clock=Hands())
    http("GET", ".evil.example/lists")
    assert script.seen[0].url == "https://api.example.com/.evil.example/lists"


@pytest.mark.parametrize("key", ["with\nnewline", "nicht-ascii-ß", "tab\there"])
def test_a_key_that_cannot_be_sent_is_a_settings_error_without_the_key(key: str) -> None:
    with pytest.raises(errors.SettingsError) as caught:
        Http(HOME, {"api-key": key}, handler=Script([Response(200)]), clock=Hands())
    assert key not in str(caught.value)


# turns


def test_a_share_of_each_window_is_used() -> None:
    http, script, hands = api(rates={"bulk": (Rate(10, 1.0),)}, share={"bulk": 0.5})
    for _ in range(11):
        http("POST", "/bulk", rate="bulk")
    assert len(script.seen) == 11
    assert hands.at - 1000 == pytest.approx(2.0, abs=0.01)


def test_unnamed_families_share_the_default_windows() -> None:
    http, _, hands = api(rates={"default": (Rate(1, 10.0),)})
    http("POST", "/a", rate="unknown")
    http("POST", "/b")
    assert hands.at - 1000 >= 10


def test_windows_of_the_account_count_the_calls_of_all_families() -> None:
    windows = {EVERY: (Rate(2, 10.0),), "bulk": (Rate(1, 4.0),), "default": ()}
    http, _, hands = api(rates=windows, share=dict.fromkeys(windows, 1.0))
    http("POST", "/a", rate="bulk")
    http("POST", "/b")
    assert hands.slept == []
    http("POST", "/c")
    assert hands.at - 1000 == pytest.approx(10, abs=0.01)
    http("POST", "/d", rate="bulk")
    assert hands.at - 1000 == pytest.approx(10, abs=0.01), "its own window was free again"


def test_a_throttle_of_an_account_with_windows_for_all_calls_silences_all() -> None:
    windows = {EVERY: (Rate(100, 1.0),), "bulk": (Rate(100, 1.0),), "default": ()}
    http, _, hands = api(Response(429, {"retry-after": "20"}), Response(200), rates=windows)
    with pytest.raises(errors.RateLimited):
        http("POST", "/bulk", rate="bulk")
    http("POST", "/lists")
    assert sum(hands.slept) == pytest.approx(20)


def test_an_account_of_two_https_is_paced_as_one() -> None:
    pace, hands = LocalPace(), Hands()
    windows = {"default": (Rate(1, 10.0),)}
    first, _, _ = api(clock=hands, pace=pace, rates=windows)
    second, _, _ = api(clock=hands, pace=pace, rates=windows)
    first("POST", "/a")
    second("POST", "/a")
    assert hands.at - 1000 >= 10


def test_a_copy_through_another_handler_keeps_the_rest() -> None:
    http, script, _ = api()
    other = Script([Response(200)])
    http.through(other)("GET", "/lists")
    assert not script.seen
    assert other.seen[0].headers["api-key"] == KEY


def test_a_refusal_is_told_as_the_connector_explains_it() -> None:
    http, _, _ = api(Response(401, {}, b"{}"), Response(500))
    told = http.explaining(lambda error, family: errors.Unauthorized(f"{family}: {error.status}"))
    with pytest.raises(errors.Unauthorized, match=r"^default: 401$"):
        told("POST", "/lists")
    with pytest.raises(errors.Unavailable):
        http("POST", "/lists")


def test_the_system_s_clock_is_aware_and_only_grows() -> None:
    clock = SystemClock()
    assert clock.utc().tzinfo is UTC
    first = clock.monotonic()
    clock.sleep(0)
    assert clock.monotonic() >= first
