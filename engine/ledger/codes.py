"""Discount codes and their life: each transition once, never back; one live code an offer and customer, many a pool."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from engine.ledger import schema
from engine.ledger.bulk import PART, cells, chosen, kind, many, parts, read, wide
from engine.ledger.store import LedgerError, Store, among
from engine.ledger.transitions import ENDED, LIVE, TRANSITIONS, CodeState, before

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ENDED", "LIVE", "MINTED", "TRANSITIONS", "Code", "CodeState", "Codes", "Tally", "id_prefix"]

MINTED = (
    "code_id", "offer", "customer_id", "destination", "code", "value", "minimum", "products", "cost", "issued_at", "expires_at",
)  # fmt: skip
"""Columns of codes that are minted: `cost` in ten-thousandths of the client's currency, instants UTC."""

_DRAWS = 50  # times that codes which somebody has already are drawn anew
_USED = ("code", "order_id", "redeemed_at", "by_another")
_UNSEEN = (CodeState.RESERVED, CodeState.EXPORTED, CodeState.CONFIRMED)

Redraw = Callable[["pa.Table"], "pa.Table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A code as it is minted: a customer's, or nobody's and of the pool at a destination (one of the two).

    `value`, `minimum` and `products` are the words that a mail shows, instants are UTC; `cost` is the most that it may
    cost, in ten-thousandths of the client's currency.
    """

    code_id: str
    offer: str
    customer_id: str | None
    code: str
    issued_at: datetime
    destination: str | None = None
    expires_at: datetime | None = None
    value: str | None = None
    minimum: str | None = None
    products: str | None = None
    cost: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Codes of one offer in one state: how many, what they may cost at most (ten-thousandths), and their dates.

    `redeemed`: those that an order used, of them `by_another` in the order of somebody else; `renewing`: those whose
    later end waits for the shop.
    """

    offer: str
    state: CodeState
    count: int
    cost: int | None
    redeemed: int
    by_another: int
    renewing: int
    first_issued: datetime
    last_issued: datetime
    next_end: datetime | None
    last_end: datetime | None


class Codes:
    """All codes of the client."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def reserve(self, codes: Sequence[Code], *, plan: str | None = None) -> None:
        """Commit a few codes, all or none. Raises LedgerError for a second live code of a customer or a known code."""
        import pyarrow as pa

        self.issue(pa.Table.from_pylist([asdict(code) for code in codes], schema=minted_schema()), plan=plan)

    def issue(self, minted: pa.Table, *, redraw: Redraw | None = None, plan: str | None = None) -> int:
        """Commit minted codes (columns MINTED), all or none; returns how many.

        A text that was given before, to anybody, is drawn anew by `redraw`; LedgerError without one, and for a second
        live code of a customer.
        """
        if not len(minted):
            return 0
        with self._store.move(plan) as connection, wide(connection):
            for start in range(0, len(minted), PART):
                _insert(connection, minted.slice(start, PART), redraw)
        return len(minted)

    def advance(self, codes: Sequence[str], state: CodeState, *, at: datetime) -> int:
        """Move these codes (their text, any case) on to a state; those that may not enter it stay. Returns how many."""
        with self._store.write() as connection, wide(connection):
            return advance(connection, codes, state, at=at)

    def redeem(self, orders: Mapping[str, tuple[str, datetime]]) -> int:
        """Note the order and time in which a few codes (any case) were used, as `use` does."""
        import pyarrow as pa

        rows = [
            {"code": code.upper(), "order_id": order, "redeemed_at": at, "by_another": False}
            for code, (order, at) in orders.items()
        ]
        kinds = [(name, kind(schema.codes.c[name])) for name in _USED]
        return self.use(pa.Table.from_pylist(rows, schema=pa.schema(kinds)))

    def use(self, orders: pa.Table) -> int:
        """Note that codes (upper case) were used; the first order that is told stands. Returns how many.

        Columns: code, order_id, redeemed_at, by_another (somebody else used it than the one it was given to).
        """
        columns = schema.codes.c
        may = sa.or_(*(columns.state == state.value for state in before(CodeState.REDEEMED)))
        state = sa.case((may, CodeState.REDEEMED.value), else_=columns.state)
        values = {name: sa.bindparam(f"new_{name}", type_=columns[name].type) for name in _USED[1:]}
        statement = (
            sa.update(schema.codes)
            .where(columns.code == sa.bindparam("new_code"), columns.redeemed_at.is_(None))
            .values(state=state, **values)
        )
        moved = 0
        with self._store.write() as connection, wide(connection):
            for start in range(0, len(orders), PART):
                part = orders.slice(start, PART)
                given = {f"new_{name}": cells(connection, part[name]) for name in _USED}
                moved += many(connection, statement, given)
        return moved

    def expire(self, now: datetime) -> int:
        """Let every live code end whose time has come."""
        columns = schema.codes.c
        values = {"state": CodeState.EXPIRED.value, "expired_at": now}
        over = (columns.state.in_(schema.LIVE), columns.expires_at <= now)
        with self._store.write() as connection, wide(connection):
            return connection.execute(sa.update(schema.codes).where(*over).values(values)).rowcount

    def withdraw(self, code_ids: Sequence[str], *, at: datetime, plan: str | None = None) -> int:
        """End codes that no destination has been given, before their time; returns how many."""
        columns = schema.codes.c
        values = {"state": CodeState.EXPIRED.value, "expired_at": at}
        unseen = columns.state.in_([state.value for state in _UNSEEN])
        moved = 0
        with self._store.move(plan) as connection:
            for part in parts(code_ids):
                for is_one in among(connection, columns.code_id, part):
                    moved += connection.execute(sa.update(schema.codes).where(is_one, unseen).values(values)).rowcount
        return moved

    def renew(self, ends: Mapping[str, datetime], *, plan: str | None = None) -> int:
        """Ask the shop for later ends of these codes (by their text, in upper case); returns how many.

        Until the shop has confirmed it the code ends as before. It is to be exported once more.
        """
        columns = schema.codes.c
        settled = sa.or_(*(columns.state == state.value for state in (CodeState.CONFIRMED, CodeState.PUSHED)))
        statement = sa.update(schema.codes).values(renewed_to=sa.bindparam("until"), exported_at=None)
        statement = statement.where(columns.code == sa.bindparam("text"), settled, columns.renewed_to.is_(None))
        if not ends:
            return 0
        with self._store.move(plan) as connection, wide(connection):
            rows = [{"text": code, "until": until} for code, until in ends.items()]
            return connection.execute(statement, rows).rowcount

    def export(self, codes: Sequence[str], *, renewing: Sequence[str], at: datetime) -> None:
        """These codes (upper case) stand in a file for the shop now: `codes` are new, `renewing` have a later end."""
        columns = schema.codes.c
        asked = (columns.renewed_to.is_not(None), columns.state.in_(schema.LIVE))
        with self._store.write() as connection, wide(connection):
            advance(connection, codes, CodeState.EXPORTED, at=at)
            for part in parts(renewing):
                for is_one in among(connection, columns.code, part):
                    connection.execute(sa.update(schema.codes).where(is_one, *asked).values(exported_at=at))

    def unexported(self) -> int:
        """How many codes, or later ends of codes, stand in no file for the shop."""
        columns = schema.codes.c
        new = columns.state == CodeState.RESERVED.value
        later = sa.and_(columns.renewed_to.is_not(None), columns.exported_at.is_(None), columns.state.in_(schema.LIVE))
        query = sa.select(sa.func.count().label("count")).select_from(schema.codes).where(sa.or_(new, later))
        return int(self._store.rows(query)[0]["count"])

    def confirm_ends(self, codes: Sequence[str]) -> int:
        """The shop takes the later ends of these codes (upper case), those that were asked for; returns how many."""
        columns = schema.codes.c
        live = (columns.state.in_(schema.LIVE), columns.renewed_to.is_not(None))
        values = {"expires_at": columns.renewed_to, "renewed_to": None, "renewals": columns.renewals + 1}
        moved = 0
        with self._store.write() as connection, wide(connection):
            for part in parts(codes):
                for is_one in among(connection, columns.code, part):
                    moved += connection.execute(sa.update(schema.codes).where(is_one, *live).values(values)).rowcount
        return moved

    def table(
        self, *, states: Sequence[CodeState] = (), offers: Sequence[str] = (), columns: Sequence[str] = ()
    ) -> pa.Table:
        """Codes as columns (all of the ledger's, or those named), by code_id; instants as UTC timestamps."""
        query = self._query(columns).order_by(schema.codes.c.code_id)
        if states:
            query = query.where(schema.codes.c.state.in_([state.value for state in states]))
        if offers:
            query = query.where(schema.codes.c.offer.in_(list(offers)))
        return self._columns(query)

    def find(self, codes: Sequence[str], *, columns: Sequence[str] = ()) -> pa.Table:
        """Those of these codes (any case) that there are, as `table` has them."""
        import pyarrow as pa

        texts = [code.upper() for code in codes]
        found = [self._columns(self._query(columns).where(sa.false()))]
        for part in parts(texts):
            with self._store.read() as connection:
                conditions = list(among(connection, schema.codes.c.code, part))
            found += [self._columns(self._query(columns).where(is_one)) for is_one in conditions]
        return pa.concat_tables(found)

    def over(self, codes: Sequence[str], *, now: datetime) -> frozenset[str]:
        """Those of these codes (upper case) that nobody may be sent any more: used, ended, or not confirmed."""
        columns = schema.codes.c
        ends = sa.or_(columns.expires_at.is_(None), columns.expires_at > now)
        usable = sa.and_(columns.state.in_([CodeState.CONFIRMED.value, CodeState.PUSHED.value]), ends)
        found: set[str] = set()
        for part in parts(codes):
            with self._store.read() as connection:
                for is_one in among(connection, columns.code, part):
                    found.update(connection.scalars(sa.select(columns.code).where(is_one, sa.not_(usable))))
        return frozenset(found)

    def minted(self, plan: str, *, columns: Sequence[str] = ()) -> pa.Table:
        """The persons' codes that the push of a plan minted (by its checksum), as `table` has them."""
        mark = id_prefix(plan)
        query = self._query(columns).where(schema.codes.c.code_id.between(mark, f"{mark}~"))
        return self._columns(query.order_by(schema.codes.c.code_id))

    def renewing(self, *, columns: Sequence[str] = ()) -> pa.Table:
        """Live codes whose later end waits for the shop."""
        rows = schema.codes.c
        query = self._query(columns).where(rows.renewed_to.is_not(None), rows.state.in_(schema.LIVE))
        return self._columns(query.order_by(rows.code_id))

    def counts(self) -> dict[str, dict[str, int]]:
        """How many codes, by offer and state."""
        found: dict[str, dict[str, int]] = {}
        for one in self.tallies():
            found.setdefault(one.offer, {})[one.state.value] = one.count
        return found

    def tallies(self) -> list[Tally]:
        """Every offer and state with its numbers, money and dates."""
        rows = schema.codes.c
        query = sa.select(
            rows.offer,
            rows.state,
            sa.func.count().label("count"),
            sa.func.sum(rows.cost).label("cost"),
            sa.func.count(rows.redeemed_at).label("redeemed"),
            sa.func.count(sa.case((rows.by_another, 1))).label("by_another"),
            sa.func.count(rows.renewed_to).label("renewing"),
            sa.func.min(rows.issued_at).label("first_issued"),
            sa.func.max(rows.issued_at).label("last_issued"),
            sa.func.min(rows.expires_at).label("next_end"),
            sa.func.max(rows.expires_at).label("last_end"),
        )
        query = query.group_by(rows.offer, rows.state).order_by(rows.offer, rows.state)
        found = [dict(row) for row in self._store.rows(query)]
        for row in found:
            row |= {"state": CodeState(row["state"]), "cost": None if row["cost"] is None else int(row["cost"])}
        return [Tally(**row) for row in found]

    def _query(self, columns: Sequence[str]) -> sa.Select[Any]:
        return chosen(self._store, [schema.codes.c[name] for name in columns] if columns else list(schema.codes.c))

    def _columns(self, query: sa.Select[Any]) -> pa.Table:
        return read(self._store, query, schema.codes)


def id_prefix(plan: str) -> str:
    """How the ids of the persons' codes begin that a plan (its checksum) brings."""
    return plan[:24]


def minted_schema() -> pa.Schema:
    """The columns MINTED."""
    import pyarrow as pa

    return pa.schema([(name, kind(schema.codes.c[name])) for name in MINTED])


def advance(connection: sa.Connection, codes: Sequence[str], state: CodeState, *, at: datetime) -> int:
    """Move codes on, within a transaction."""
    columns = schema.codes.c
    values: dict[str, object] = {"state": state.value, f"{state.value}_at": at}
    may = columns.state.in_([one.value for one in before(state)])
    moved = 0
    for part in parts([code.upper() for code in codes]):
        for is_one in among(connection, columns.code, part):
            moved += connection.execute(sa.update(schema.codes).where(is_one, may).values(values)).rowcount
    return moved


def _insert(connection: sa.Connection, minted: pa.Table, redraw: Redraw | None) -> None:
    """Some codes; those whose text is taken are drawn anew."""
    import pyarrow as pa
    import pyarrow.compute as pc

    left = minted
    for _ in range(_DRAWS):
        if _add(connection, left) == len(left):
            return
        if redraw is None:
            break
        query = sa.select(schema.codes.c.code_id)
        kept: list[str] = []
        for is_one in among(connection, schema.codes.c.code_id, left["code_id"].to_pylist()):
            kept += connection.scalars(query.where(is_one))
        left = redraw(left.filter(pc.invert(pc.is_in(left["code_id"], value_set=pa.array(kept, pa.string())))))
    raise LedgerError("a code was issued before, to somebody, and is never issued again")


def _add(connection: sa.Connection, minted: pa.Table) -> int:
    """Insert the rows whose text is free; returns how many."""
    rows = {name: cells(connection, minted[name]) for name in MINTED}
    rows["code"] = [code.upper() for code in rows["code"]]
    rows["state"] = [CodeState.RESERVED.value] * len(minted)
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert

        return many(connection, insert(schema.codes).on_conflict_do_nothing(index_elements=["code"]), rows)
    from sqlalchemy.dialects.postgresql import insert as insert_there

    return many(connection, insert_there(schema.codes).on_conflict_do_nothing(index_elements=["code"]), rows)
