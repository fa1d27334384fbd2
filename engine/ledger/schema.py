"""The ledger's tables, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

__all__ = [
    "SCHEMA_VERSION", "Instant", "accounts", "approvals", "batches", "codes", "contacts", "cursors", "erased", "erasing", "erasures",
    "holders", "holds", "meta", "metadata",
    "pushes", "rejections", "runs", "suppressions", "targets",
]  # fmt: skip

SCHEMA_VERSION = 3
LIVE = ("reserved", "exported", "confirmed", "pushed")  # a code in one of these states can still be used

metadata = sa.MetaData()


class Instant(sa.types.TypeDecorator[datetime]):
    """A UTC instant: stored without zone, read back aware; a naive value is refused."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """To the database."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("the ledger takes aware instants only")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """From the database."""
        return None if value is None else value.replace(tzinfo=UTC)


def _text(name: str, *, is_key: bool = False, is_optional: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=is_key, nullable=is_optional)


def _instant(name: str, *, is_optional: bool = True) -> sa.Column[datetime]:
    return sa.Column(name, Instant, nullable=is_optional)


meta = sa.Table("meta", metadata, _text("key", is_key=True), _text("value"))

holders = sa.Table(  # who holds the run lock: words for people; the lock itself is the operating system's
    "holders", metadata,
    _text("name", is_key=True), _text("who"), _text("host"), sa.Column("pid", sa.Integer, nullable=False),
    _instant("since", is_optional=False),
)  # fmt: skip

accounts = sa.Table(
    "accounts", metadata,
    _text("destination", is_key=True), _text("account"), _text("name"), _text("connector"),
)  # fmt: skip

targets = sa.Table(
    "targets", metadata,
    _text("destination", is_key=True), _text("kind", is_key=True), _text("name", is_key=True),
    _text("title"), _text("value", is_optional=True),
    sa.Column("position", sa.Integer, nullable=False),  # its bit (segments) or its place (fields) in contacts
    _text("ref", is_optional=True),                     # null: about to be created
    sa.Column("is_owned", sa.Boolean, nullable=False),  # created by us: what is in it is ours
    _text("was", is_optional=True),                     # what the segment was called before, a blank between
    sa.UniqueConstraint("destination", "kind", "position"),
)  # fmt: skip

contacts = sa.Table(  # what each destination has acknowledged; the address is the contact's identity there
    "contacts", metadata,
    _text("destination", is_key=True), _text("address", is_key=True),
    _text("customer_id"), _text("ref", is_optional=True), _text("state"),
    sa.Column("members", sa.LargeBinary, nullable=False),  # little-endian bits: targets where we put them
    sa.Column("foreign_members", sa.LargeBinary),          # …where they were before us: never removed
    _text("fields"),                                       # fitted values: see packing.py
    sa.Index("contacts_by_customer", "destination", "customer_id"),
    sqlite_with_rowid=False,
)  # fmt: skip

batches = sa.Table(  # changes that left, or are about to, and have no final outcome: those of one call a row
    "batches", metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),  # never used twice: a row's changes never change
    _text("destination"), _text("kind"), _text("target"), _text("state"), _text("job", is_optional=True),
    _text("plan", is_optional=True), _instant("started_at", is_optional=False),
    sa.Column("changes", sa.LargeBinary, nullable=False),  # see batches.py; last: what stands before is read without it
    sa.Index("batches_by_destination", "destination"),
    sqlite_autoincrement=True,
)  # fmt: skip

rejections = sa.Table(
    "rejections", metadata,
    _text("destination", is_key=True), _text("content_hash", is_key=True),
    _text("kind"), _text("target"), _text("customer_id"), _text("address"), _text("connector_version"),
    _text("reason"), _text("words", is_optional=True), _instant("not_before"), _instant("at", is_optional=False),
    sqlite_with_rowid=False,
)  # fmt: skip

suppressions = sa.Table(
    "suppressions", metadata,
    _text("destination", is_key=True), _text("address", is_key=True), _text("customer_id", is_optional=True),
    _text("left"), _instant("at"), _instant("first_seen", is_optional=False), _text("origin"),
    sa.Index("suppressions_by_customer", "customer_id"),
    sqlite_with_rowid=False,
)  # fmt: skip

codes = sa.Table(
    "codes", metadata,
    _text("code_id", is_key=True), _text("offer"), _text("code"), _text("state"),
    _text("customer_id", is_optional=True),  # whose code it is; null: nobody's,
    _text("destination", is_optional=True),  # but of the pool there that hands it out
    _text("value", is_optional=True), _text("minimum", is_optional=True), _text("products", is_optional=True),
    sa.Column("cost", sa.BigInteger),          # the most that it may cost, in ten-thousandths of the client's currency
    _text("order_id", is_optional=True),
    sa.Column("by_another", sa.Boolean),       # used by somebody else than the one it was given to
    _instant("issued_at", is_optional=False), _instant("exported_at"), _instant("confirmed_at"),
    _instant("pushed_at"), _instant("redeemed_at"), _instant("expires_at"), _instant("expired_at"),
    _instant("cleared_at"),
    _instant("renewed_to"),                    # a later end, which the shop has not confirmed yet
    sa.Column("renewals", sa.Integer, nullable=False, server_default="0"),
    sa.UniqueConstraint("code"),
    sa.CheckConstraint("(customer_id IS NULL) <> (destination IS NULL)", name="a_code_is_a_persons_or_a_pools"),
)  # fmt: skip
sa.Index(  # nulls are never the same: a pool has many live codes
    "one_live_code", codes.c.offer, codes.c.customer_id, unique=True,
    sqlite_where=codes.c.state.in_(LIVE), postgresql_where=codes.c.state.in_(LIVE),
)  # fmt: skip

cursors = sa.Table(
    "cursors", metadata,
    _text("destination", is_key=True), _text("stream", is_key=True), _text("cursor"), _instant("at"),
)  # fmt: skip

runs = sa.Table(
    "runs", metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _text("command"), _instant("started_at", is_optional=False), _instant("now", is_optional=False),
    _text("config_hash"), _text("fingerprint", is_optional=True), _instant("newest"),
    sa.Column("rows", sa.BigInteger), _text("summary"), sa.Column("exit", sa.Integer),
    _instant("ended_at"), _text("plan", is_optional=True),  # the checksum of what it carried
)  # fmt: skip

erasures = sa.Table(  # receipts: whom they are about is known by the keyed hash of the address alone
    "erasures", metadata,
    _text("erasure", is_key=True), _instant("asked_at", is_optional=False), _instant("done_at"), _text("receipt"),
)  # fmt: skip

erased = sa.Table(  # keyed hashes of addresses that are never taken in again
    "erased", metadata,
    _text("hash", is_key=True), _text("erasure"), _instant("at", is_optional=False),
)  # fmt: skip

erasing = sa.Table(  # where an erasure is not ended yet, and the address that ending it takes; destination "": here
    "erasing", metadata,
    _text("destination", is_key=True), _text("address", is_key=True),
    _text("erasure"), _text("ref", is_optional=True), _text("state"), _instant("asked_at", is_optional=False),
)  # fmt: skip

approvals = sa.Table(
    "approvals", metadata,
    _text("plan", is_key=True), _text("destination", is_key=True), _text("by"), _instant("at", is_optional=False),
)  # fmt: skip

holds = sa.Table(  # after an undo nothing is pushed there until a person has approved a plan
    "holds", metadata,
    _text("destination", is_key=True), sa.Column("run", sa.Integer, nullable=False), _instant("at", is_optional=False),
)  # fmt: skip

pushes = sa.Table(  # how far a plan's own push moved the ledger: its interruption is not a move
    "pushes", metadata,
    _text("plan", is_key=True),
    sa.Column("base_version", sa.BigInteger, nullable=False), sa.Column("last_version", sa.BigInteger, nullable=False),
)  # fmt: skip
