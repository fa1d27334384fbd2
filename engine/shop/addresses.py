"""Normal addresses: NFC, trimmed, lower-cased, IDNA domain; what is no address is NULL.

Plain ASCII addresses are judged by one expression inside DuckDB; only the others cost a call of email-validator
(syntax alone, no DNS), one for each distinct spelling.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.tables import Database, text

_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
PLAIN = rf"^{_ATOM}(\.{_ATOM})*@({_LABEL}\.)+[a-z]{{2,63}}$"
_LOCAL, _WHOLE, _DOMAIN = 64, 254, 253
_CHUNK = 10_000


def create_addresses(database: Database) -> None:
    """Start the table `addresses`: each spelling met, and its normal form."""
    database.execute("CREATE OR REPLACE TABLE addresses (raw VARCHAR, normal VARCHAR)")


def add_addresses(database: Database, spellings: str) -> None:
    """Add the spellings that a query (one column, trimmed text) yields and `addresses` has not."""
    plain = f"regexp_matches(l, {text(PLAIN)}) AND length(l) <= {_WHOLE} AND strpos(l, '@') <= {_LOCAL + 1} AND NOT ({_special()})"
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE new_addresses AS SELECT raw, CASE WHEN {plain} THEN l END AS normal FROM"
        f" (SELECT raw, lower(raw) AS l FROM (SELECT DISTINCT s.* AS raw FROM ({spellings}) s) WHERE raw IS NOT NULL"
        " AND raw NOT IN (SELECT raw FROM addresses))"
    )
    odd = [str(row[0]) for row in database.rows("SELECT raw FROM new_addresses WHERE normal IS NULL")]
    for pairs in _judged(odd):
        database.execute(
            "INSERT INTO addresses SELECT unnest(?), unnest(?)",
            [[raw for raw, _ in pairs], [normal for _, normal in pairs]],
        )
    database.execute("INSERT INTO addresses FROM new_addresses WHERE normal IS NOT NULL; DROP TABLE new_addresses")


def normalise(address: str) -> str | None:
    """Bring one address into its normal form; None when its syntax is wrong."""
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(address.strip(), check_deliverability=False, strict=True)
    except EmailNotValidError:
        return None
    return f"{found.local_part.lower()}@{found.ascii_domain.lower()}"


def _judged(odd: list[str]) -> Iterator[list[tuple[str, str | None]]]:
    for start in range(0, len(odd), _CHUNK):
        yield [(raw, normalise(raw)) for raw in odd[start : start + _CHUNK]]


def _special() -> str:
    from email_validator import SPECIAL_USE_DOMAIN_NAMES

    names = [f"ends_with(l, {text(mark + domain)})" for domain in SPECIAL_USE_DOMAIN_NAMES for mark in ".@"]
    return " OR ".join([*names, "contains(split_part(l, '@', 2), '--')"])
