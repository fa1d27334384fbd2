"""What is written to: the audience, static segments, merge fields."""

from __future__ import annotations

from collections.abc import Sequence

from connectors import errors
from connectors.http import Http
from connectors.mailchimp import pages, sdk, wire
from connectors.mailchimp.spec import FIELD_TYPES, FIELDS_AT_MOST
from connectors.types import Ref, Target, TargetKind


def audience_of(http: Http, wanted: str) -> str:
    """The id of the audience of that id or name. Raises SettingsError."""
    fields = ["lists.id", "lists.name", "total_items"]
    lists = sdk.ask(http, "lists.get_all_lists", count=pages.COUNT, fields=fields)
    known = {str(entry["id"]): str(entry["name"]) for entry in wire.items(lists, "lists")}
    found = [wanted] if wanted in known else [ref for ref, name in known.items() if name == wanted]
    if len(found) != 1:
        trouble = "is the name of several audiences: give its id" if found else "does not exist in this account"
        raise errors.SettingsError(f"mailchimp: the audience '{wanted}' {trouble}")
    return found[0]


def find(http: Http, audience: str, targets: Sequence[Target]) -> dict[Target, Ref]:
    """The targets that exist: an audience's id, "audience/segment", a merge tag."""
    by_kind = {kind: [target for target in targets if target.kind is kind] for kind in TargetKind}
    found: dict[Target, Ref] = dict.fromkeys(by_kind[TargetKind.CONTACTS], audience)
    found |= _segments(http, audience, by_kind[TargetKind.SEGMENT])
    return found | _fields(http, audience, by_kind[TargetKind.FIELD])[0]


def create(http: Http, audience: str, targets: Sequence[Target]) -> dict[Target, Ref]:
    """The targets, made where they are missing. Raises SettingsError when a merge field has no room."""
    found = find(http, audience, targets)
    missing = [target for target in targets if target not in found]
    fields = [target for target in missing if target.kind is TargetKind.FIELD]
    present = _fields(http, audience, fields)[1]
    if fields and present + len(fields) > FIELDS_AT_MOST:
        raise errors.SettingsError(
            f"mailchimp: the audience has {present} merge fields and takes {FIELDS_AT_MOST} at most"
        )
    return found | {target: _create(http, audience, target) for target in missing}


def _segments(http: Http, audience: str, targets: Sequence[Target]) -> dict[Target, Ref]:
    if not targets:
        return {}
    params = {"type": "static", "fields": "segments.id,segments.name,total_items"}
    names: dict[str, int] = {}
    for part in pages.read(http, f"/lists/{audience}/segments", "segments", params=params):
        for entry in part.items:
            names[entry["name"]] = min(entry["id"], names.get(entry["name"], entry["id"]))
    return {target: f"{audience}/{names[target.title]}" for target in targets if target.title in names}


def _fields(http: Http, audience: str, targets: Sequence[Target]) -> tuple[dict[Target, Ref], int]:
    """The targets that exist, and how many merge fields there are."""
    if not targets:
        return {}, 0
    names = ["merge_fields.tag", "merge_fields.type", "total_items"]
    answer = sdk.ask(http, "lists.get_list_merge_fields", audience, count=pages.COUNT, fields=names)
    types = {str(entry["tag"]): str(entry["type"]) for entry in wire.items(answer, "merge_fields")}
    for target in targets:
        wanted = _field_type(target)
        if types.get(target.title, wanted) != wanted:
            raise errors.SettingsError(
                f"mailchimp: merge field {target.title} exists with type {types[target.title]}, "
                f"and '{target.name}' needs {wanted}; give the merge tag another name"
            )
    return {target: target.title for target in targets if target.title in types}, len(types)


def _create(http: Http, audience: str, target: Target) -> Ref:
    if target.kind is TargetKind.SEGMENT:
        made = sdk.ask(http, "lists.create_segment", audience, {"name": target.title, "static_segment": []})
        return f"{audience}/{made['id']}"
    if target.kind is not TargetKind.FIELD:
        raise errors.SettingsError(f"mailchimp: {target.kind.value} '{target.title}' cannot be created")
    body = {"tag": target.title, "name": target.name[:50], "type": _field_type(target), "public": False}
    try:
        made = sdk.ask(http, "lists.add_list_merge_field", audience, body | {"required": False})
    except errors.InvalidRequest as error:
        raise errors.SettingsError(f"mailchimp: merge field {target.title} was refused: {error}") from None
    if made.get("tag") != target.title:
        raise errors.UnexpectedResponse(f"mailchimp: merge field {target.title} was created as {made.get('tag')}")
    return target.title


def _field_type(target: Target) -> str:
    if target.value is None:
        raise errors.SettingsError(f"mailchimp: the field '{target.name}' has no value kind")
    return FIELD_TYPES[target.value].type
