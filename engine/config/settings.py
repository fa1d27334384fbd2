"""The typed settings of one client: every key of the config, its default, and its shape."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from engine.config.values import (
    Amount,
    Duration,
    Jump,
    Length,
    Name,
    Share,
    Span,
    Stretch,
    Table,
    Titles,
    Url,
    Zone,
    engine_of,
    one_of,
)

__all__ = [
    "DEFINITIONS", "ONE_DEFINITION", "Compute", "Destination", "Group", "Guard", "History", "Holdout", "Ledger", "MergeTag", "Offer", "Pace", "Place", "Pool", "Renewal", "Sandbox", "Secrets", "Segment",
    "Settings", "Shop", "Size", "Source", "Split", "Trait",
]  # fmt: skip

DEFINITIONS = ("where", "recipe", "customers", "file")
ONE_DEFINITION = "write exactly one of where, recipe, customers or file"


def _kinds() -> dict[str, Any]:
    """The two kinds of a shop, for editors."""
    files = {"properties": {"kind": {"const": "files"}, "url": False, "schema": False}}
    return {"oneOf": [files, {"properties": {"kind": {"const": "sql"}, "path": False}, "required": ["kind", "url"]}]}


class Shop(Table):
    """Where the shop's data is: files of a folder (`path`), or tables of a database (`url`, `schema`)."""

    model_config = ConfigDict(json_schema_extra=_kinds())

    kind: Literal["files", "sql"] = "files"
    path: Path = Path("data")
    url: Url | None = Field(default=None, repr=False)
    tables: Annotated[str | None, Field(alias="schema")] = None  # pydantic has a method of that name
    mapping: str | dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_place(self) -> Shop:
        given = {key for key in ("path", "url", "tables") if key in self.model_fields_set}
        if self.kind == "files" and given - {"path"}:
            raise ValueError('url and schema are of kind = "sql"; files have a path')
        if self.kind == "sql" and (self.url is None or "path" in given):
            raise ValueError('kind = "sql" has a url (and a schema), not a path')
        return self

    @property
    def engine(self) -> str | None:
        """The engine of a database's address; None for files."""
        return None if self.url is None else engine_of(self.url)


class Source(Table):
    """A table of the shop that becomes countable: one of its own, or a neutral one read in the client's own way."""

    table: str
    customer: str = "customer_id"
    time: str | None = None
    where: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)


class Trait(Table):
    """A named fact per customer."""

    value: str
    title: Titles | None = None
    sensitive: str | None = None
    legal_basis: str | None = None
    override: bool = False


class Size(Table):
    """Bounds of a segment: people, or a share of the base."""

    min: int | str | None = None
    max: int | str | None = None


class Holdout(Table):
    """People kept out of every destination, to measure against."""

    share: Share
    salt: str


class Segment(BaseModel):
    """Who: an expression, a recipe with its parameters (further keys), or fixed customers."""

    model_config = ConfigDict(extra="allow", frozen=True, json_schema_extra=one_of(*DEFINITIONS))

    where: str | None = None
    recipe: str | None = None
    customers: list[str] | None = None
    file: Path | None = None
    title: Titles | None = None
    size: Size | None = None
    holdout: Holdout | None = None
    removals: Share | None = None
    jump: Jump | None = None
    was: Name | None = None
    override: bool = False

    @property
    def definitions(self) -> list[str]:
        """Which of the keys that say who is in it are given."""
        return [name for name in DEFINITIONS if getattr(self, name) is not None]

    @model_validator(mode="after")
    def _one_definition(self) -> Segment:
        is_misspelt = (
            not self.definitions and self.model_extra
        )  # told with the key's own line, by engine.config.references
        if len(self.definitions) != 1 and not is_misspelt:
            raise ValueError(ONE_DEFINITION)
        return self


class Group(Table):
    """Segments of which a customer is in exactly one: the first that matches."""

    exclusive: list[str]
    otherwise: Name | None = None


class Split(Table):
    """Customers drawn into arms for good: each arm is a stretch of the draw and becomes a segment `SPLIT_ARM`."""

    salt: str
    arms: dict[Name, Stretch] = Field(min_length=1)
    among: str | None = None
    title: Titles | None = None
    override: bool = False


class Place(Table):
    """A point, in degrees."""

    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)


class Budget(Table):
    """The most that an offer may issue."""

    codes: int | None = Field(default=None, gt=0)
    amount: Amount | None = None


class Pool(Table):
    """Codes that nobody has yet, which a provider hands out itself: where, and how many it is to have."""

    destination: str
    codes: int = Field(gt=0)


def _renewal(value: object) -> object:
    """`"7 days"`: once."""
    return {"within": value} if isinstance(value, str) else value


class Renewal(Table):
    """A code that its holder has not used gets a later end when it would end within this time, so often at most."""

    within: Duration
    times: int = Field(default=1, gt=0)


class Offer(Table):
    """A discount policy: who gets a code (the members of a segment, or whom a provider chooses), for what, how long."""

    model_config = ConfigDict(
        json_schema_extra={"allOf": [one_of("segment", "pool"), one_of("percent", "amount", "free_shipping")]}
    )

    segment: str | None = None
    pool: Pool | None = None
    percent: Share | None = None
    amount: Amount | None = None
    free_shipping: bool = False
    minimum: Amount | None = None
    valid: Duration = Span(n=30, unit="day")
    cooldown: Duration | None = None
    budget: Budget | None = None
    prefix: str = Field(default="", pattern=r"^[A-Z0-9]{0,12}$")
    products: str | None = Field(default=None, min_length=1)
    unless: str | None = None
    priority: int | None = Field(default=None, gt=0)
    renew: Annotated[Renewal, BeforeValidator(_renewal, json_schema_input_type=Renewal | Length)] | None = None
    reason: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_value(self) -> Offer:
        if sum((self.percent is not None, self.amount is not None, self.free_shipping)) != 1:
            raise ValueError("write exactly one of percent, amount or free_shipping")
        return self

    @model_validator(mode="after")
    def _one_owner(self) -> Offer:
        if (self.segment is None) == (self.pool is None):
            raise ValueError("write either segment (a code a person) or pool (codes that the provider hands out)")
        if self.pool is not None and self.cooldown is not None:
            raise ValueError("a pool has no cooldown: its codes are nobody's, and the provider hands them out")
        if self.pool is not None and (self.unless, self.priority, self.renew) != (None, None, None):
            raise ValueError("a pool has no unless, priority or renew: its provider chooses who gets its codes")
        if self.pool is not None and self.amount is None and self.budget is not None and self.budget.amount:
            raise ValueError("nobody knows what these codes cost at most (that takes amount): write budget = { codes }")
        return self


class MergeTag(Table):
    """What a destination is told about a person: a trait, or a part of their code of an offer."""

    model_config = ConfigDict(json_schema_extra=one_of("trait", "offer"))

    trait: str | None = None
    offer: str | None = None
    field: Literal["code", "expires", "value", "minimum", "products"] = "code"
    when_unknown: Literal["keep", "clear"] | str = "keep"  # noqa: PYI051 - the two words, or the default's text
    on_leave: Literal["keep", "clear"] = "keep"

    @model_validator(mode="after")
    def _one_value(self) -> MergeTag:
        if (self.trait is None) == (self.offer is None):
            raise ValueError("write either trait or offer")
        return self


class Guard(Table):
    """What a run does not do until somebody confirms it; without a number, a thousand or a tenth of the contacts there."""

    new_contacts: int | None = Field(default=None, ge=0)


class Destination(BaseModel):
    """One account at one provider; further keys are the connector's own."""

    model_config = ConfigDict(extra="allow", frozen=True)

    connector: str
    segments: list[str] = Field(min_length=1)
    prefix: str | None = None
    share: Share | None = None
    merge_tags: dict[Name, MergeTag] = Field(default_factory=dict)
    guard: Guard = Guard()

    @property
    def options(self) -> dict[str, Any]:
        """The connector's own keys."""
        return dict(self.model_extra or {})


class Compute(Table):
    """Where and how segments are computed; without a backend, a database computes its own shop and DuckDB files."""

    backend: Literal["duckdb", "postgres", "clickhouse", "spark"] | None = None
    url: Url | None = Field(default=None, repr=False)
    overlays: Annotated[str | None, Field(alias="schema")] = None  # pydantic has a method of that name
    memory_limit: str | None = None
    threads: int | None = Field(default=None, gt=0)


class Ledger(Table):
    """Where the memory of what was sent is kept."""

    url: str | None = None


class History(Table):
    """How many plans of past runs are kept, and for how many days: what `undo` and `drift` know them by."""

    plans: int = Field(default=60, ge=1)
    days: int | None = Field(default=None, ge=1)


class Pace(Table):
    """Where the calls to each account are counted, for several machines; without it, in the user's state folder."""

    url: str | None = Field(default=None, repr=False)


class Engagement(Table):
    """Whose opens count: everybody's, or only those of people who accept tracking (`consent_tracking`)."""

    opens: Literal["all", "consented"] = "all"


class Sandbox(Table):
    """For destinations that are all emulated on this machine: how fast their clock runs, and so ours."""

    speed: float = Field(default=1.0, gt=0)


class Secrets(Table):
    """Where `${NAME}` is looked for after the environment: one file a name."""

    folder: Path


def _short(key: str, table: type[BaseModel]) -> BeforeValidator:
    """A table may be written as the bare value of its main key."""

    def widen(value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {name: {key: item} if isinstance(item, str) else item for name, item in value.items()}

    return BeforeValidator(widen, json_schema_input_type=dict[Name, table | str])  # type: ignore[valid-type]  # made here


class Settings(BaseSettings):
    """Everything that one client's config says; the environment (`CIBLAGE_LEDGER__URL=…`) wins over the file."""

    model_config = SettingsConfigDict(
        env_prefix="CIBLAGE_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    client: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    timezone: Zone = "UTC"
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "EUR"
    lang: Literal["en", "fr"] = "en"
    week_starts: Literal["monday", "sunday"] = "monday"
    leap_day: Literal["feb28", "mar1"] = "feb28"
    include: list[str] = Field(default_factory=list)
    consent_basis: list[Literal["consent", "existing_customer", "b2b"]] = Field(default=["consent"], min_length=1)
    secrets: Secrets | None = None
    shop: Shop = Field(default_factory=Shop)
    sources: dict[Name, Source] = Field(default_factory=dict)
    places: dict[Name, Place] = Field(default_factory=dict)
    traits: Annotated[dict[Name, Trait], _short("value", Trait)] = Field(default_factory=dict)
    reachable: dict[Name, str] = Field(default_factory=dict)
    segments: Annotated[dict[Name, Segment], _short("where", Segment)] = Field(default_factory=dict)
    groups: dict[Name, Group] = Field(default_factory=dict)
    splits: dict[Name, Split] = Field(default_factory=dict)
    offers: dict[Name, Offer] = Field(default_factory=dict)
    live_offers: int | None = Field(default=None, gt=0)
    merge_tags: dict[Name, MergeTag] = Field(default_factory=dict)
    destinations: dict[Name, Destination] = Field(default_factory=dict)
    guard: Guard = Guard()
    compute: Compute = Field(default_factory=Compute)
    ledger: Ledger = Ledger()
    history: History = History()
    pace: Pace = Pace()
    engagement: Engagement = Engagement()
    sandbox: Sandbox | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings' signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings' signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings' signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment first, then the file."""
        return env_settings, init_settings

    @property
    def engine(self) -> str:
        """The engine that computes: the one that is asked for, else the database of the shop, else DuckDB."""
        return self.compute.backend or self.shop.engine or "duckdb"

    @property
    def zone(self) -> ZoneInfo:
        """The client's zone: it decides days."""
        return ZoneInfo(self.timezone)
