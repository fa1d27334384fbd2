"""The people, targets and changes that the laws play with: each kind of change with a start that makes it matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from connectors.testing.lab import Shelves
from connectors.types import (
    AddCode,
    AddContact,
    AddMember,
    Change,
    ClearTraits,
    Consent,
    Profile,
    RemoveMember,
    SetTraits,
    Suppress,
    Target,
    TargetKind,
    ValueKind,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.testing.lab import Lab, Truth
    from connectors.types import Fitted, Ref

__all__ = ["KINDS", "Picture", "Stage", "picture", "set_stage"]

KINDS: tuple[type[Change], ...] = (AddContact, SetTraits, ClearTraits, AddMember, RemoveMember, Suppress, AddCode)

Picture: TypeAlias = "tuple[str, bool, dict[str, Fitted], frozenset[Ref]]"
"""What must not change by accident: status, mailable, fields, lists."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A kind of change, a lab, and its targets with their refs (`one` is written to, `two` must keep its values)."""

    kind: type[Change]
    lab: Lab
    refs: Mapping[str, Ref]
    targets: Mapping[str, Target]

    @property
    def where(self) -> tuple[Target, Ref]:
        """The target of a batch of this kind, with its ref."""
        name = {AddMember: "mine", RemoveMember: "mine", AddCode: "pool"}.get(self.kind, "contacts")
        return self.targets[name], self.refs[name]

    def email(self, number: int) -> str:
        """The address of the n-th person."""
        return f"kit.{number}@{self.lab.domain}"

    def seed(self, number: int, status: str = "subscribed") -> str:
        """Put the n-th person there, in the state from which a change of this kind has something to do."""
        email = self.email(number)
        if self.kind is not AddCode:
            fields = {self.targets["one"].title: "before", self.targets["two"].title: "kept"}
            lists = {self.refs["mine"], self.refs["other"]} if self.kind is RemoveMember else {self.refs["other"]}
            self.lab.seed(email, status=status, fields=fields, lists=lists)
        return email

    def change(self, number: int, *, email: str | None = None, value: str = "", name: str = "") -> Change:
        """A change of this kind for the n-th person (or for this address)."""
        name, profile = name or f"{self.kind.__name__}-{number}", Profile(email or self.email(number))
        traits = {self.refs["one"]: value or f"value {number}"}
        made: dict[type[Change], Change] = {
            AddContact: AddContact(id=name, profile=profile, status=Consent.SUBSCRIBED, traits=traits),
            SetTraits: SetTraits(id=name, profile=profile, traits=traits),
            ClearTraits: ClearTraits(id=name, profile=profile, fields=(self.refs["one"],)),
            AddMember: AddMember(id=name, profile=profile),
            RemoveMember: RemoveMember(id=name, profile=profile),
            Suppress: Suppress(id=name, profile=profile),
            AddCode: AddCode(id=name, code=f"KIT-{number}"),
        }
        return made[self.kind]

    def changes(self, count: int, value: str = "", *, start: int = 0) -> list[Change]:
        """A change for each of `count` people, who are there unless the change is to bring them."""
        if self.kind is not AddContact:
            for number in range(start, start + count):
                self.seed(number)
        return [self.change(number, value=value) for number in range(start, start + count)]

    def shows(self, change: Change) -> bool:
        """The provider's truth has what the change asks for (a code: where the lab shows its pools)."""
        return not self.unshown([change])

    def unshown(self, changes: Sequence[Change]) -> list[Change]:
        """Those of the changes that the provider's truth does not show."""
        truth = self.lab.truth()
        pools = self.lab.codes() if isinstance(self.lab, Shelves) else None
        return [change for change in changes if not self._arrived(change, truth, pools)]

    def _arrived(self, change: Change, people: Mapping[str, Truth], pools: Mapping[Ref, Sequence[str]] | None) -> bool:
        if isinstance(change, AddCode):
            return pools is None or change.code in pools[self.refs["pool"]]
        truth = people.get(change.profile.email)
        return isinstance(change, RemoveMember) if truth is None else self._shows(change, truth)

    def _shows(self, change: Change, truth: Truth) -> bool:
        value, mine = truth.fields.get(self.targets["one"].title, ""), self.refs["mine"]
        match change:
            case AddContact() | SetTraits():
                return value == change.traits[self.refs["one"]]
            case ClearTraits():
                return value == ""
            case AddMember():
                return mine in truth.lists
            case RemoveMember():
                return mine not in truth.lists
            case _:
                return not truth.mailable


def set_stage(lab: Lab, kind: type[Change]) -> Stage:
    """Create the targets that changes of this kind need."""
    upper = lab.connector.spec.field_names.upper
    targets = {
        "contacts": Target(kind=TargetKind.CONTACTS, name="contacts", title="kit contacts"),
        "mine": Target(kind=TargetKind.SEGMENT, name="mine", title="kit mine"),
        "other": Target(kind=TargetKind.SEGMENT, name="other", title="kit other"),
    }
    for name in ("one", "two"):
        title = f"KIT_{name.upper()}" if upper else f"kit_{name}"
        targets[name] = Target(kind=TargetKind.FIELD, name=name, title=title, value=ValueKind.TEXT)
    if kind is AddCode:
        targets["pool"] = Target(kind=TargetKind.POOL, name="pool", title="kitpool")
    refs = lab.connector.create(targets.values())
    missing = [target.title for target in targets.values() if target not in refs]
    assert not missing, f"create() gave no ref for {missing}: it must return one for every target"
    return Stage(kind, lab, {name: refs[target] for name, target in targets.items()}, targets)


def picture(lab: Lab) -> dict[str, Picture]:
    """Everyone as they are now; an empty field and none are the same."""
    return {
        email: (
            truth.status,
            truth.mailable,
            {name: value for name, value in truth.fields.items() if value != ""},
            frozenset(truth.lists),
        )
        for email, truth in lab.truth().items()
    }
