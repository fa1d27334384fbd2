"""The way in: a connection, or in our own words why there is none. No password is ever repeated."""

from __future__ import annotations

import os
import re
from typing import Any

from engine.errors import ConfigError

PATIENCE = 10  # seconds until a server that does not answer is given up, unless the URL says otherwise
# what libpq or the server says; what we say of it; what to do next
_REASONS: tuple[tuple[str, str, str], ...] = (
    (r'password authentication failed for user "(.+?)"', "the server refuses the password of {0}", "is the secret current?"),
    (r"no password supplied|fe_sendauth", "the server asks for a password", "postgresql://user:${{SHOP_PASSWORD}}@host/database"),
    (r'role "(.+?)" (?:does not exist|is not permitted to log in)', "the server knows no user {0} that may log in", ""),
    (r'database "(.+?)" does not exist', "there is no database {0}", ""),
    (r'permission denied for database "(.+?)"', "the role may not connect to the database {0}", "GRANT CONNECT ON DATABASE"),
    (r'could not translate host name "(.+?)"', "there is no host {0}", ""),
    (r"no pg_hba\.conf entry for host .*?, (no encryption|SSL off)", "the server takes encrypted connections only", "add ?sslmode=require"),
    (r"no pg_hba\.conf entry", "the server lets nobody in from this address", "its pg_hba.conf names who may come from where"),
    (r"server does not support SSL", "the server offers no encryption", "set sslmode=prefer, where the network may be trusted"),
    (r"certificate|SSL error", "the server's certificate does not convince", "sslrootcert and sslmode decide what does"),
    (r"timeout expired", "the server did not answer in time", "is a firewall in between? connect_timeout is in seconds"),
    (r"Connection refused|No such file or directory|No route|unreachable", "nothing answers there", "do host and port name the server, and is it running?"),
    (r"too many clients|remaining connection slots|too many connections", "the server has no connection to spare", "try later, or raise max_connections"),
    (r"the database system is (.+?)\n", "the server is {0}", "try again when it is up"),
)  # fmt: skip


def connected(url: str) -> Any:  # noqa: ANN401 - ADBC ships no types
    """A connection of the driver, each statement a transaction of its own; ConfigError that names `[shop] url`."""
    try:
        import adbc_driver_manager
        from adbc_driver_postgresql import dbapi  # type: ignore[import-untyped]  # it ships no types
    except ImportError:
        raise ConfigError(
            "PostgreSQL needs its driver", place="[shop] url", hint="pip install 'ciblage[postgres]'"
        ) from None
    try:
        return dbapi.connect(_patient(url), autocommit=True)
    except adbc_driver_manager.Error as error:
        failure = _explained(str(error))
    raise failure  # outside the handler: libpq may quote parts of the URL, and a chain would keep them


def _patient(url: str) -> str:
    """The URL with what libpq leaves open: how long to wait, and who we are."""
    more = {"fallback_application_name": "ciblage"}
    if "connect_timeout" not in url and "PGCONNECT_TIMEOUT" not in os.environ:
        more["connect_timeout"] = str(PATIENCE)
    pairs = [f"{key}={value}" for key, value in more.items()]
    if "://" in url:
        return f"{url}{'&' if '?' in url else '?'}{'&'.join(pairs)}"
    return " ".join([url, *pairs])


def _explained(words: str) -> ConfigError:
    for pattern, ours, hint in _REASONS:
        found = re.search(pattern, words)
        if found is not None:
            message = ours.format(*found.groups())
            return ConfigError(f"PostgreSQL: {message}", place="[shop] url", hint=hint.format() or None)
    return ConfigError(
        "PostgreSQL: this cannot be used to connect", place="[shop] url", hint="postgresql://user@host:5432/database"
    )
