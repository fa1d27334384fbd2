"""What Brevo takes: settings, limits, windows, types of attributes. Each fact's source is in README.md (2026-11-22)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from connectors import types
from connectors import fitting
from connectors.brevo.events import ACTIONS
from connectors.pace import Rate
from connectors.spec import Field, Limit, Names, Spec
from connectors.types import Fitted, Precision, Reason, TargetKind, ValueKind

CONTACTS, OTHER, FILES = "default", "other", "files"  # families of calls: /contacts/…, all else, files elsewhere
AT_ONCE = 150  # addresses in one add or remove
SMALL = 10 * AT_ONCE  # additions go by address, which cannot create, up to here; more go as an import
_RESERVED = "EMAIL SMS EXT_ID WHATSAPP LANDLINE_NUMBER ADDED_TIME MODIFIED_TIME"
_IMPORT = Limit(items=10_000, bytes=8_000_000, each=60, rate=CONTACTS, is_job=True)  # 10 MB a body, 8 advised
_LATER = replace(_IMPORT, after=frozenset({types.AddContact}))

# There is no integer type. An import leaves `true` where it says `false` (APIv3-python-library#95, 2024): no boolean either.
# A date there holds no time of day.
_TYPES = dict.fromkeys(ValueKind, "text") | {ValueKind.NUMBER: "float", ValueKind.DATE: "date"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BrevoSettings:
    """What opens the account; `folder` holds our lists there (default: the prefix without its separators).

    `default_coupon` is what people read once a collection of codes is used up; `webhook_secret` opens `parse`.
    """

    api_key: str = field(repr=False)
    prefix: str = ""
    folder: str = ""
    default_coupon: str = "-"
    webhook_secret: str = field(default="", repr=False)
    base_url: str = "https://api.brevo.com/v3"

    def headers(self) -> Mapping[str, str]:
        return {"api-key": self.api_key}

    def place(self) -> str:
        """The name of our folder."""
        return self.folder or self.prefix.strip(" -_:/|·") or "ciblage"


def _text(value: object) -> Fitted | Reason:
    """Text without outer blanks: an import that says a blank says nothing."""
    plain = value.strip() if isinstance(value, str) else ""
    return fitting.text(plain) if plain else Reason.INVALID_VALUE


SPEC = Spec(
    name="brevo",
    version="2",
    settings=BrevoSettings,
    carries={
        types.AddContact: _IMPORT,
        types.SetTraits: _LATER,
        types.ClearTraits: _LATER,
        types.AddMember: replace(_LATER, few=(SMALL, AT_ONCE)),
        types.RemoveMember: Limit(items=AT_ONCE, rate=CONTACTS),
        types.Suppress: _LATER,
        types.AddCode: Limit(items=10_000, names=r"\S{1,100}", rate=OTHER, is_job=True),
    },
    fields={kind: Field(type=name) for kind, name in _TYPES.items()},
    fit=fitting.fitter({ValueKind.TEXT: _text, ValueKind.BOOLEAN: fitting.words("yes", "no")}),
    field_names=Names(length=50, upper=True, reserved=frozenset(_RESERVED.split())),
    rates={CONTACTS: (Rate(10, 1), Rate(36_000, 3600)), OTHER: (Rate(100, 3600),), FILES: ()},
    share={OTHER: 0.5},
    in_flight=2,
    creates=dict.fromkeys(TargetKind, 1) | {TargetKind.CONTACTS: 2},  # with the first list, the folder
    poll_after=(30.0, 60.0, 120.0, 300.0),
    reports={kind: Precision.CAMPAIGN for action in ACTIONS.values() for kind in action.kinds},
)
