"""What the API takes: bodies of documented keys and types, addresses, merge values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from connectors.sandbox.mailchimp.store import Audience, MergeField
from connectors.sandbox.mailchimp.words import Refusal, message, schema
from connectors.types import Fitted

_ADDRESS = re.compile(r"[^\s@,;<>()]+(?<!\.)@(?:[^\s@.,;]+\.)+[^\s@.,;]{2,}")
_FAKE = re.compile(r"@(?:.+\.)?example\.(?:com|org|net)$")
_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%d-%m-%Y", "%m/%d/%Y")
_ADDRESS_PARTS = ("addr1", "city", "state", "zip")

MEMBER_KEYS: Mapping[str, type] = {
    "email_address": str, "email_type": str, "status": str, "merge_fields": dict, "interests": dict, "language": str,
    "vip": bool, "location": dict, "ip_signup": str, "timestamp_signup": str, "ip_opt": str, "timestamp_opt": str,
}  # fmt: skip
_TYPES: Mapping[type, str] = {
    str: "string", dict: "object", list: "array", bool: "boolean", int: "integer", float: "number",
}  # fmt: skip
_TAKES: Mapping[type, tuple[type, ...]] = {float: (int, float)}
_KEEP_THEIRS = frozenset({"number", "date"})  # an empty text may leave them as they are
STATUSES = frozenset({"subscribed", "unsubscribed", "cleaned", "pending", "transactional"})


def checked(
    body: object, keys: Mapping[str, type], *, required: tuple[str, ...] = (), strict: bool, place: str = ""
) -> dict[str, object]:
    """The body, when it is an object of these keys and types. Raises Refusal."""
    if not isinstance(body, dict):
        raise schema("object", body, place)
    for name in required:
        if name not in body:
            raise Refusal("invalid", errors=[{"field": place, "message": f"Required fields were not provided: {name}"}])
    for name, value in body.items():
        field = f"{place}.{name}".lstrip(".")
        if name not in keys:
            if strict:
                raise Refusal("invalid", errors=[{"field": field, "message": "This field was not expected"}])
        elif not isinstance(value, _TAKES.get(keys[name], keys[name])) or (
            isinstance(value, bool) and keys[name] is not bool
        ):
            raise schema(_TYPES[keys[name]], value, field)
    return body


def status(body: Mapping[str, object], place: str = "") -> str:
    """A documented status. Raises Refusal."""
    found = str(body.get("status", ""))
    if found not in STATUSES:
        field = f"{place}.status".lstrip(".")
        raise Refusal("invalid", errors=[{"field": field, "message": "Value is not one of the accepted values"}])
    return found


def address(text: str, *, strict: bool) -> str:
    """The trimmed address. Raises Refusal."""
    found = text.strip()
    if not _ADDRESS.fullmatch(found) or ".." in found:
        raise Refusal("address")
    if strict and _FAKE.search(found.lower()):
        raise Refusal("fake", found)
    return found


def merge(
    audience: Audience, values: Mapping[str, object], *, language: str, trims: bool, clears: bool = True
) -> dict[str, Fitted]:
    """Values as they are kept; unknown tags are dropped in silence. Raises Refusal with every field's trouble."""
    errors: list[dict[str, str]] = []
    kept: dict[str, Fitted] = {}
    for tag, value in values.items():
        field = audience.fields.get(tag.upper())
        if field is None or (value == "" and field.type in _KEEP_THEIRS and not clears):
            continue
        try:
            found = _value(field, value)
        except _WrongShape as wrong:
            raise schema(wrong.wanted, value, f"merge_fields.{tag}") from None
        except _WrongValue as wrong:
            errors.append({"field": field.tag, "message": message(wrong.name, language)})
        else:
            kept[field.tag] = found.strip() if trims and isinstance(found, str) else found
    if errors:
        raise Refusal("merge", errors=errors)
    return kept


def missing(audience: Audience, values: Mapping[str, Fitted], language: str) -> None:
    """Raises Refusal when a required field has no value."""
    absent = [tag for tag, field in audience.fields.items() if field.required and values.get(tag, "") == ""]
    if absent:
        raise Refusal("merge", errors=[{"field": tag, "message": message("value", language)} for tag in absent])


class _WrongShape(Exception):
    def __init__(self, wanted: str) -> None:
        super().__init__(wanted)
        self.wanted = wanted


class _WrongValue(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _value(field: MergeField, value: object) -> Fitted:
    if value == "":
        return ""
    if field.type == "number":
        return _number(value)
    if field.type == "address":
        return _postal(value)
    if not isinstance(value, str):
        raise _WrongShape("string")
    if field.type in _PATTERNS:
        pattern, name = _PATTERNS[field.type]
        if not pattern.fullmatch(value):
            raise _WrongValue(name)
    if field.type == "date":
        return _date(value)
    if field.type in {"radio", "dropdown"} and value not in (field.options.get("choices") or ()):  # type: ignore[operator]  # a list, checked when the field was made
        raise _WrongValue("value")
    return value.encode()[:255].decode("utf-8", "ignore")


_PATTERNS: Mapping[str, tuple[re.Pattern[str], str]] = {
    "birthday": (re.compile(r"(0[1-9]|1[0-2])/(0[1-9]|[12]\d|3[01])"), "birthday"),
    "url": (re.compile(r"https?://\S+"), "url"),
    "imageurl": (re.compile(r"https?://\S+"), "url"),
    "zip": (re.compile(r"\d{5}"), "zip"),
}


def _number(value: object) -> Fitted:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _WrongShape("number")
    if isinstance(value, str):
        if not re.fullmatch(r"-?\d+(\.\d+)?", value):
            raise _WrongValue("number")
        return float(value) if "." in value else int(value)
    return value


def _postal(value: object) -> Fitted:
    if not isinstance(value, dict):
        raise _WrongShape("object")
    if not all(value.get(part) for part in _ADDRESS_PARTS):
        raise _WrongValue("address")
    return ", ".join(str(value[part]) for part in _ADDRESS_PARTS)


def _date(text: str) -> str:
    for pattern in _DATES:
        try:
            return _read_date(text, pattern).isoformat()
        except ValueError:
            continue
    raise _WrongValue("date")


def _read_date(text: str, pattern: str) -> date:
    numbers = [int(number) for number in re.split(r"[-/]", text)]
    if len(numbers) != 3:  # noqa: PLR2004 - a date has three numbers
        raise ValueError(text)
    places = dict(zip(re.findall(r"%(\w)", pattern), numbers, strict=True))
    return date(places["Y"], places["m"], places["d"])
