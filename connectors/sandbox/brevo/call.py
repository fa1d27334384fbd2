"""One call as the endpoints see it: pages, numbers, dates, and refusals in Brevo's words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.sandbox.brevo.account import Json

__all__ = ["Answer", "Refusal", "moment", "number", "page", "required"]

Answer: TypeAlias = tuple[int, Any]


class Refusal(Exception):
    """A refusal with Brevo's code and words."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def page(rows: Sequence[Any], query: Mapping[str, str], *, default: int, most: int, newest_first: bool) -> list[Any]:
    """One page of rows (given in order of creation); the default order is the other way round."""
    limit, offset = (number(query, "limit", default), number(query, "offset", 0))
    if not 0 <= limit <= most:
        raise Refusal(400, "out_of_range", f"Limit exceeds max value: {most}")
    if query.get("sort", "desc" if newest_first else "asc") not in {"asc", "desc"}:
        raise Refusal(400, "invalid_parameter", "Invalid sort")
    if query.get("sort", "desc" if newest_first else "asc") == "asc":
        return list(rows[offset : offset + limit])
    end = len(rows) - offset
    return list(rows[max(0, end - limit) : max(0, end)])[::-1]


def number(query: Mapping[str, str], name: str, default: int) -> int:
    """A number of the query."""
    text = query.get(name, str(default))
    if not text.isdecimal():
        raise Refusal(400, "invalid_parameter", f"{name} should be an integer")
    return int(text)


def moment(text: str, name: str) -> datetime:
    """A date-time, UTC where it has no offset."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(400, "invalid_parameter", f"{name} should be a valid date-time") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def required(body: Json, *names: str) -> None:
    """Refuse a body that lacks one of these."""
    for name in names:
        if body.get(name) in (None, ""):
            raise Refusal(400, "missing_parameter", f"{name} is missing")
