"""What the config says, as each room wants to hear it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from connectors.types import ValueKind, Worth
from engine.compute.bounds import Calendar
from engine.errors import ConfigError, nearest
from engine.language.tree import Type, Unit
from engine.language.vocabulary import Fact, Source, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa

    from connectors.spec import Spec
    from engine.config import Config
    from engine.config.settings import MergeTag as TagSettings
    from engine.config.settings import Offer, Segment, Settings
    from engine.config.values import Span
    from engine.offers import Policy
    from engine.plan.destination import Destination, MergeTag
    from engine.segments import Catalogue
    from engine.segments.definition import (
        Definitions,
        OfferDefinition,
        SegmentDefinition,
        SplitDefinition,
        TagDefinition,
    )
    from engine.shop import Shop
    from engine.warehouse import WarehouseShop

__all__ = ["definitions", "destination", "neutral_codes", "neutral_suppressions", "policies", "renamed", "vocabulary"]

_KINDS = {
    Type.TEXT: ValueKind.TEXT,
    Type.NUMBER: ValueKind.NUMBER,
    Type.MONEY: ValueKind.NUMBER,
    Type.DURATION: ValueKind.NUMBER,
    Type.DATE: ValueKind.DATE,
    Type.INSTANT: ValueKind.INSTANT,
    Type.BOOLEAN: ValueKind.BOOLEAN,
}
_BASKET = "default(max(orders.total), 0)"


def vocabulary(shop: Shop | WarehouseShop, currency: str) -> Vocabulary:
    """The shop's columns and sources as names of the language."""
    return Vocabulary(
        facts={name: _fact(column) for name, column in shop.vocabulary_facts().items()},
        sources={
            name: Source(columns={column: _fact(kind) for column, kind in source.columns.items()}, time=source.time)
            for name, source in shop.sources().items()
        },
        currency=currency,
    )


def _fact(column: Any) -> Fact:  # noqa: ANN401 - engine.shop.schema.Column, plain words
    return Fact(type=Type(column.type), values=column.values, exact=column.exact, optional=not column.required)


def definitions(config: Config) -> Definitions:
    """The config's traits, segments and groups; offers bring the trait that their cost is reckoned from."""
    from engine.offers.policy import BASKET
    from engine.segments.definition import Definitions, GroupDefinition, SourceDefinition
    from engine.traits import TraitDefinition

    settings = config.settings
    traits = [
        TraitDefinition(
            name=name,
            value=trait.value,
            title=trait.title or {},
            sensitive=trait.sensitive,
            legal_basis=trait.legal_basis,
            place=config.place("traits", name, "value"),
        )
        for name, trait in settings.traits.items()
    ]
    if any(offer.segment for offer in settings.offers.values()) and BASKET not in settings.traits:
        traits.append(TraitDefinition(name=BASKET, value=_BASKET, place=config.place("offers")))
    return Definitions(
        sources=tuple(
            SourceDefinition(name=name, where=source.where, place=config.place("sources", name, "where"))
            for name, source in settings.sources.items()
            if source.where is not None
        ),
        traits=tuple(traits),
        segments=tuple(_segment(config, name, segment) for name, segment in settings.segments.items()),
        groups=tuple(
            GroupDefinition(
                name=name,
                exclusive=tuple(group.exclusive),
                otherwise=group.otherwise,
                place=config.place("groups", name),
            )
            for name, group in settings.groups.items()
        ),
        splits=tuple(_splits(config)),
        recipes=config.recipes,
        reachable=settings.reachable,
        reachable_places={channel: config.place("reachable", channel) for channel in settings.reachable},
        consent_basis=tuple(settings.consent_basis),
        lang=settings.lang,
        used=_used(settings),
        tags=tuple(_tags(config)),
        offers=tuple(_offers(config)),
    )


def _offers(config: Config) -> Iterator[OfferDefinition]:
    """Whom the offers of segments mean, and the reasons that the config states."""
    from engine.segments.definition import OfferDefinition

    for name, offer in config.settings.offers.items():
        segments = tuple(segment for segment in (offer.segment, offer.unless) if segment)
        place = config.place("offers", name, "segment")
        yield OfferDefinition(name=name, segments=segments, reason=offer.reason, place=place)


def _splits(config: Config) -> Iterator[SplitDefinition]:
    from engine.segments.definition import SplitDefinition

    for name, split in config.settings.splits.items():
        yield SplitDefinition(
            name=name,
            salt=split.salt,
            arms=split.arms,
            among=split.among,
            title=split.title or {},
            place=config.place("splits", name),
            places={arm: config.place("splits", name, "arms", arm) for arm in split.arms},
        )


def _tags(config: Config) -> Iterator[TagDefinition]:
    """The merge tags that carry traits, of all destinations."""
    from engine.segments.definition import TagDefinition

    settings = config.settings
    tables: dict[tuple[str, ...], Mapping[str, TagSettings]] = {("merge_tags",): settings.merge_tags}
    tables |= {("destinations", name, "merge_tags"): one.merge_tags for name, one in settings.destinations.items()}
    for above, tags in tables.items():
        for name, tag in tags.items():
            if tag.trait is not None:
                owner = ".".join((*above, name))
                yield TagDefinition(owner=owner, trait=tag.trait, place=config.place(*above, name))


def _used(settings: Settings) -> frozenset[str] | None:
    """The segments that destinations and offers name."""
    named = [segment for one in settings.destinations.values() for segment in one.segments]
    offered = [name for offer in settings.offers.values() for name in (offer.segment, offer.unless) if name]
    return frozenset([*named, *offered]) if named else None


def _segment(config: Config, name: str, segment: Segment) -> SegmentDefinition:
    from engine.segments.definition import HoldoutDefinition, SegmentDefinition, SizeDefinition

    holdout, size = segment.holdout, segment.size
    return SegmentDefinition(
        name=name,
        where=segment.where,
        recipe=segment.recipe,
        parameters=segment.model_extra or {},
        customers=_customers(config, name, segment),
        title=segment.title or {},
        size=SizeDefinition(min=size.min, max=size.max) if size else None,
        holdout=HoldoutDefinition(share=holdout.share, salt=holdout.salt) if holdout else None,
        place=config.place("segments", name, "where"),
    )


def _customers(config: Config, name: str, segment: Segment) -> tuple[str, ...] | None:
    """Fixed members: from the config, or the first column of a CSV file (a header `customer_id` is passed over)."""
    if segment.file is None:
        return None if segment.customers is None else tuple(segment.customers)
    path = config.folder / segment.file
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except OSError as error:
        message = f"segments.{name}: cannot read {path}: {error.strerror}"
        raise ConfigError(message, place=config.place("segments", name, "file")) from None
    except UnicodeDecodeError:
        raise ConfigError(
            f"segments.{name}: {path} is not UTF-8", place=config.place("segments", name, "file")
        ) from None
    ids = [line.split(",")[0].strip().strip('"') for line in lines]
    return tuple(customer for customer in ids if customer and customer != "customer_id")


def destination(config: Config, catalogue: Catalogue, name: str, *, spec: Spec, prefix: str) -> Destination:
    """A destination as the plan sees it. Raises ConfigError for a merge tag of an unknown trait."""
    from engine.plan.destination import Destination

    settings = config.settings.destinations[name]
    tags = settings.merge_tags or config.settings.merge_tags
    above = ("destinations", name, "merge_tags") if settings.merge_tags else ("merge_tags",)
    pooled = {offer: one for offer, one in config.settings.offers.items() if one.pool and one.pool.destination == name}
    return Destination(
        name=name,
        connector=settings.connector,
        spec=spec,
        segments=tuple(settings.segments),
        titles={segment: catalogue.segments[segment].title for segment in settings.segments},
        merge_tags=tuple(_tag(catalogue, tag, value, config.place(*above, tag)) for tag, value in tags.items()),
        pools=tuple(pooled),
        worths={
            offer: Worth(percent=one.percent, amount=one.amount.value if one.amount else None)
            for offer, one in pooled.items()
        },
        prefix=prefix,
        currency=config.settings.currency,
        zone=config.settings.zone,
        new_contacts=config.settings.guard.new_contacts
        if settings.guard.new_contacts is None
        else settings.guard.new_contacts,
        removable={
            segment: float(one.removals)
            for segment in settings.segments
            if (one := config.settings.segments.get(segment)) is not None and one.removals is not None
        },
        jumps={
            segment: float(one.jump)
            for segment in settings.segments
            if (one := config.settings.segments.get(segment)) is not None and one.jump is not None
        },
    )


def _tag(catalogue: Catalogue, name: str, settings: TagSettings, place: str) -> MergeTag:
    from engine.plan.destination import MergeTag, OnLeave, WhenUnknown

    word, kind = settings.when_unknown, _kind(catalogue, settings, place)
    is_word = word in {"keep", "clear"}
    return MergeTag(
        name=name,
        trait=settings.trait,
        offer=settings.offer,
        field=settings.field,
        kind=kind,
        when_unknown=WhenUnknown(word) if is_word else WhenUnknown.DEFAULT,
        default=None if is_word else _default(word, kind, place),
        on_leave=OnLeave(settings.on_leave),
        is_sensitive=any(one.sensitive for trait, one in catalogue.traits.items() if trait == settings.trait),
    )


def _kind(catalogue: Catalogue, settings: TagSettings, place: str) -> ValueKind:
    if settings.trait is None:
        return ValueKind.DATE if settings.field == "expires" else ValueKind.TEXT
    facts: Mapping[str, Any] = {**catalogue.vocabulary.facts, **catalogue.traits}
    if settings.trait not in facts:
        near = nearest(settings.trait, facts)
        hint = f"did you mean '{near}'?" if near else None
        raise ConfigError(f"there is no trait '{settings.trait}'", place=place, hint=hint)
    found = facts[settings.trait].type
    if found not in _KINDS:
        raise ConfigError(f"'{settings.trait}' is a {found.value}; a merge tag holds one value", place=place)
    return _KINDS[found]


def _default(text: str, kind: ValueKind, place: str) -> object:
    if kind is not ValueKind.NUMBER:
        return text
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ConfigError(f"'{text}' is not a number", place=place, hint="write keep, clear or a number") from None


def renamed(config: Config) -> dict[str, dict[str, str]]:
    """Segments that had another name, by destination: former → now. Raises ConfigError where it is not that one's alone."""
    segments = config.settings.segments
    pairs: dict[str, str] = {}
    for name, segment in segments.items():
        if segment.was is None:
            continue
        if segment.was in segments or segment.was in pairs:
            other = segment.was if segment.was in segments else pairs[segment.was]
            message = f"segments.{name} cannot have been '{segment.was}': segments.{other} has that name"
            raise ConfigError(
                message, place=config.place("segments", name, "was"), hint="a former name is one segment's"
            )
        pairs[segment.was] = name
    return {
        destination: {old: new for old, new in pairs.items() if new in one.segments}
        for destination, one in config.settings.destinations.items()
        if pairs
    }


def policies(settings: Settings, now: datetime) -> list[Policy]:
    """The offers with their spans resolved: a code is good through the last local day of `valid`."""
    from engine.offers import Policy, Renewal, Stock
    from engine.words import amount

    found = []
    for name, offer in settings.offers.items():
        money = offer.amount.value if offer.amount else None
        budget, minimum = offer.budget, offer.minimum
        found.append(
            Policy(
                name=name,
                segment=offer.segment,
                pool=Stock(destination=offer.pool.destination, codes=offer.pool.codes) if offer.pool else None,
                prefix=offer.prefix,
                value=_worth(offer, settings),
                minimum=amount(minimum.value, settings.currency, settings.lang) if minimum else None,
                percent=offer.percent,
                amount=money,
                products=offer.products,
                unless=offer.unless,
                priority=offer.priority,
                renewal=Renewal(ends_by=_end(now, offer.renew.within, settings), times=offer.renew.times)
                if offer.renew
                else None,
                valid_until=_end(now, offer.valid, settings),
                cooled_since=_start(now, offer.cooldown, settings) if offer.cooldown else None,
                most_codes=budget.codes if budget else None,
                most_money=budget.amount.value if budget and budget.amount else None,
            )
        )
    return found


def _worth(offer: Offer, settings: Settings) -> str:
    """What a mail says that the code is worth."""
    from engine.words import amount, say, share

    if offer.percent is not None:
        return share(offer.percent, settings.lang)
    return (
        amount(offer.amount.value, settings.currency, settings.lang)
        if offer.amount
        else say("offers.free_shipping", settings.lang)
    )


_CLOCK = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}


def _end(now: datetime, span: Span, settings: Settings) -> datetime:
    """The end of the local day that lies `span` after today; exactly that long for hours and minutes."""
    if span.unit in _CLOCK:
        return now + span.n * _CLOCK[span.unit]
    calendar = _calendar(now, settings)
    day = calendar.shift(calendar.today, span.n, Unit(span.unit))
    return calendar.midnight(day + timedelta(days=1)).replace(tzinfo=UTC)


def _start(now: datetime, span: Span, settings: Settings) -> datetime:
    """The local midnight `span` before today; exactly that long for hours and minutes."""
    if span.unit in _CLOCK:
        return now - span.n * _CLOCK[span.unit]
    calendar = _calendar(now, settings)
    return calendar.midnight(calendar.shift(calendar.today, -span.n, Unit(span.unit))).replace(tzinfo=UTC)


def _calendar(now: datetime, settings: Settings) -> Calendar:
    return Calendar(now, settings.zone, week_starts=settings.week_starts, leap_day=settings.leap_day)


def neutral_suppressions(suppressions: pa.Table) -> pa.Table:
    """The ledger's suppressions as the shop's overlay: who is not known by id is known by address."""
    return suppressions.rename_columns({"address": "email"})


def neutral_codes(codes: pa.Table) -> pa.Table:
    """The ledger's codes as the shop's neutral table: those of customers; instants naive UTC."""
    import pyarrow as pa
    import pyarrow.compute as pc

    codes = codes.filter(pc.is_valid(codes["customer_id"]))
    naive = pa.timestamp("us")
    instants = ("issued_at", "expires_at", "redeemed_at")
    columns = {name: codes[name] for name in ("code_id", "customer_id", "offer", "state")}
    return pa.table({**columns, **{name: codes[name].cast(naive) for name in instants}})
