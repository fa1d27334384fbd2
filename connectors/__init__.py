"""The contract with email platforms, and the platforms: what the author of a connector needs, from one place.

Prose: docs/connector-spec.md; a walk through one: docs/writing-a-connector.md; the laws: `connectors.testing`.
"""

from connectors import errors
from connectors.base import (
    Connector,
    Erases,
    PullsEngagement,
    ReadsMembers,
    ReadsSuppressions,
    ReadsTotals,
    ReadsTraits,
    Recalls,
    ReceivesEvents,
    Resolves,
    RunsJobs,
)
from connectors.http import Clock, Handler, Http, Request, Response, mask
from connectors.pace import Rate
from connectors.spec import Field, Limit, Names, Settings, Spec, cut
from connectors.types import (
    Account,
    AddCode,
    AddContact,
    AddMember,
    Batch,
    Change,
    ClearTraits,
    Consent,
    ContactChange,
    Cursor,
    EngagementEvent,
    EventKind,
    Fitted,
    Job,
    Left,
    Outcome,
    Page,
    Precision,
    Profile,
    Reason,
    Ref,
    RemoveMember,
    SetTraits,
    State,
    Suppress,
    Suppression,
    Target,
    TargetKind,
    ValueKind,
    Worth,
    normal,
)

__all__ = [
    "Account", "AddCode", "AddContact", "AddMember", "Batch", "Change", "ClearTraits", "Clock", "Connector",
    "Consent", "ContactChange", "Cursor", "EngagementEvent", "Erases", "EventKind", "Field", "Fitted", "Handler",
    "Http", "Job", "Left", "Limit", "Names", "Outcome", "Page", "Precision", "Profile", "PullsEngagement", "Rate",
    "ReadsMembers", "ReadsSuppressions", "ReadsTotals", "ReadsTraits", "Reason", "Recalls", "ReceivesEvents", "Ref",
    "RemoveMember", "Request", "Resolves", "Response", "RunsJobs", "SetTraits", "Settings", "Spec", "State",
    "Suppress", "Suppression", "Target", "TargetKind", "ValueKind", "Worth", "cut", "errors", "mask", "normal",
]  # fmt: skip
