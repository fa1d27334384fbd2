"""Telephone numbers as +33612345678 (E.164), judged by phonenumbers; what is no number is NULL, the customer is kept.

International numbers in plain digits are taken as they are; every other spelling costs a call, once for each pair of
spelling and country. A national number is read in the customer's country, else in that of the client's time zone.
"""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from engine.tables import Database, text

_PLAIN = r"^\+[1-9]\d{7,14}$"
_MARKS = r"[\s./\x{2010}-\x{2015}\x{a0}\x{202f}-]"  # not brackets: +33 (0)6 has a digit too many
_CHUNK = 10_000


def normalise_phones(database: Database, table: str, zone: ZoneInfo) -> None:
    """Bring `phone` of a table into its normal form; numbers that are none become NULL, their rows have `phone_invalid`."""
    bare = f"regexp_replace(regexp_replace(phone, {text(_MARKS)}, '', 'g'), '^00', '+')"
    home = _territory(zone)
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE phones AS SELECT DISTINCT phone AS raw, upper(coalesce(country, '')) AS country,"
        f" CASE WHEN regexp_matches({bare}, {text(_PLAIN)}) THEN {bare} END AS normal FROM {table} WHERE phone IS NOT NULL"
    )
    odd = database.rows("SELECT raw, country FROM phones WHERE normal IS NULL")
    for found in _judged(odd, home):
        columns = [list(column) for column in zip(*found, strict=True)]
        database.execute("INSERT INTO phones SELECT unnest(?), unnest(?), unnest(?)", columns)
    database.execute(
        f"ALTER TABLE {table} ADD COLUMN phone_invalid BOOLEAN DEFAULT FALSE;"
        f" UPDATE {table} SET phone_invalid = TRUE WHERE phone IS NOT NULL;"
        f" UPDATE {table} SET phone = p.normal, phone_invalid = FALSE FROM phones p"
        f" WHERE {table}.phone = p.raw AND upper(coalesce({table}.country, '')) = p.country AND p.normal IS NOT NULL;"
        f" UPDATE {table} SET phone = NULL WHERE phone_invalid; DROP TABLE phones"
    )


def normalise(number: str, country: str, home: str | None) -> str | None:
    """Bring one number into its normal form; None when there is no such number."""
    import phonenumbers as known

    region = country if country in known.SUPPORTED_REGIONS else home
    try:
        found = known.parse(" ".join(number.split()), region)
    except known.NumberParseException:
        return None
    return known.format_number(found, known.PhoneNumberFormat.E164) if known.is_valid_number(found) else None


def _judged(odd: list[tuple[str, str]], home: str | None) -> Iterator[list[tuple[str, str, str]]]:
    for start in range(0, len(odd), _CHUNK):
        pairs = odd[start : start + _CHUNK]
        found = [(raw, country, normal) for raw, country in pairs if (normal := normalise(raw, country, home))]
        if found:
            yield found


def _territory(zone: ZoneInfo) -> str | None:
    """The country of a zone: FR for Europe/Paris; None for UTC."""
    from babel.core import get_global

    found = get_global("zone_territories").get(zone.key)
    return None if found is None else str(found)
