"""Our values as providers take them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from connectors.errors import SettingsError
from connectors.fitting import fitter, there, words
from connectors.spec import Field
from connectors.types import Reason, Target, TargetKind, ValueKind

PLAIN = fitter({}, max_bytes=10)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "value", "fitted"),
    [
        (ValueKind.TEXT, "e\u0301", "é"),
        (ValueKind.TEXT, "a\0b", Reason.INVALID_VALUE),
        (ValueKind.TEXT, "\ud800", Reason.INVALID_VALUE),
        (ValueKind.TEXT, 3, Reason.INVALID_VALUE),
        (ValueKind.TEXT, "ééééé", "ééééé"),
        (ValueKind.TEXT, "ééééé!", Reason.TOO_LONG),
        (ValueKind.NUMBER, Decimal("2.0"), 2),
        (ValueKind.NUMBER, Decimal("2.5"), 2.5),
        (ValueKind.NUMBER, True, Reason.INVALID_VALUE),
        (ValueKind.NUMBER, float("nan"), Reason.INVALID_VALUE),
        (ValueKind.NUMBER, Decimal("Infinity"), Reason.INVALID_VALUE),
        (ValueKind.NUMBER, 2**53 + 1, Reason.INVALID_VALUE),
        (ValueKind.BOOLEAN, False, False),
        (ValueKind.BOOLEAN, "yes", Reason.INVALID_VALUE),
        (ValueKind.DATE, NOON, "2026-11-23"),
        (ValueKind.DATE, date(2026, 11, 23), "2026-11-23"),
        (ValueKind.DATE, "2026-11-23", Reason.INVALID_VALUE),
        (ValueKind.INSTANT, NOON.replace(tzinfo=None), Reason.INVALID_VALUE),
        (ValueKind.URL, "ftp://x", Reason.INVALID_VALUE),
        (ValueKind.URL, "http://x", "http://x"),
    ],
)
def test_a_value_is_taken_whole_or_refused(kind: ValueKind, value: object, fitted: object) -> None:
    assert PLAIN(kind, value) == fitted
    assert type(PLAIN(kind, value)) is type(fitted)


def test_a_connector_names_where_it_differs() -> None:
    fit = fitter({ValueKind.BOOLEAN: words("yes", "no")})
    assert (fit(ValueKind.BOOLEAN, True), fit(ValueKind.BOOLEAN, False)) == ("yes", "no")
    assert fit(ValueKind.BOOLEAN, 1) is Reason.INVALID_VALUE
    assert fit(ValueKind.INSTANT, NOON) == "2026-11-23T12:00:00Z"


def test_a_field_that_is_there_is_found_and_one_of_another_type_is_refused() -> None:
    types = {ValueKind.TEXT: Field(type="text"), ValueKind.DATE: Field(type="date")}
    code = Target(kind=TargetKind.FIELD, name="code", title="CODE")
    until = Target(kind=TargetKind.FIELD, name="until", title="UNTIL", value=ValueKind.DATE)
    assert there([code, until], {"CODE": "text", "OTHER": "number"}, types) == {code: "CODE"}
    with pytest.raises(SettingsError, match="UNTIL of type text, merge tag 'until' needs date"):
        there([code, until], {"CODE": "text", "UNTIL": "text"}, types)
