"""Spark sessions: a JVM of our own, a cluster that this process drives, or a Spark Connect server.

Only the start and the end differ; between them it is one surface. Facts: pyspark 4.3's own source (`java_gateway.py`,
`core/context.py`, `sql/session.py`, `sql/connect/session.py`).
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import socket
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from engine.errors import ConfigError

if TYPE_CHECKING:
    from py4j.java_gateway import JavaGateway
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

PLACE = "[compute] url"
LOCAL, CONNECT = "local", "sc://"
REACH = 5.0  # seconds; Spark itself tries for a minute (spark://) or ten (sc://)
_JAVA = "install Java 17, 21 or 25 and set JAVA_HOME, or set url = 'sc://host:15002' to compute on a server that has it"
_URL = re.compile(r"local(\[[^\]]+\])?|yarn|(k8s|spark|sc)://.+")
_HOST = re.compile(r"(?:^|,|://)(?:spark://)?(\[[^\]]+\]|[^:,;/\[]+)(?::(\d+))?(?=[,;/]|$)")
_PORTS = {"spark": 7077, "sc": 15002}
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}

# what results depend on: set for our own session, wherever it is
SETTINGS: Mapping[str, str] = {
    "spark.sql.ansi.enabled": "true",  # an overflow is an error, never a silent NULL
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",  # what Arrow brings in is naive
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",  # rule 22: a product is exact, or an error
    "spark.sql.legacy.decimal.retainFractionDigitsOnTruncate": "true",  # and so is what is compared with it
    "spark.sql.execution.arrow.maxRecordsPerBatch": "100000",  # one batch is one partition
}
_OURS = {"spark.app.name": "ciblage", "spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
_HERE = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.catalogImplementation": "in-memory",  # no metastore in the working directory
    "spark.sql.shuffle.partitions": "16",
}
# what the JVM has to say arrives as exceptions; its log would hold rows, and people's addresses
_SILENT = """rootLogger.level = off
logger.gateway.name = org.apache.spark.api.python.PythonGatewayServer
logger.gateway.level = off
"""
_EXTRA, _LAUNCHER = "spark.driver.extraJavaOptions", "/bin/spark-class: "
_LOGGERS = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")  # they print each refused statement with its trace

Release: TypeAlias = "Callable[[], None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to compute, and with how much: what connect() was asked for."""

    url: str
    memory_limit: str | None = None
    threads: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Driver:
    """The one context that a process may drive, shared by our sessions on it."""

    place: Place
    context: SparkContext
    sessions: int = 0


@dataclass(frozen=True, slots=True)
class _Jvm:
    """A process's JVM outlives its contexts, and so does what it calls its folder: removed at each end, made again."""

    gateway: JavaGateway
    folder: Path


_DRIVERS: list[_Driver] = []  # at most one: Spark allows one context a process
_JVMS: list[_Jvm] = []  # at most one, too


def start(place: Place) -> tuple[SparkSession, Release]:
    """A session with SETTINGS, and how to let go of it; ConfigError when there is no Java, no answer or no permission."""
    _check(place.url)
    try:
        from pyspark.errors import PySparkException
    except ImportError:
        raise ConfigError(
            "pyspark is not installed", place="[compute] backend", hint="pip install 'ciblage[spark]'"
        ) from None
    with quietly():
        try:
            session, release = (_connect if place.url.startswith(CONNECT) else _drive)(place)
        except PySparkException as error:
            failure = _first_line(error)
        else:
            try:
                for name, value in {**SETTINGS, **place.options}.items():
                    if session.conf.isModifiable(name):
                        session.conf.set(name, value)
            except PySparkException as error:
                failure = _first_line(error)
                release()
            else:
                return session, release
    raise ConfigError(f"Spark at {_shown(place.url)} did not start a session: {failure}", place=PLACE, hint=_JAVA)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


@contextmanager
def quietly() -> Iterator[None]:
    """Pyspark's remarks about other libraries' versions are not the user's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _connect(place: Place) -> tuple[SparkSession, Release]:
    from pyspark.sql.connect.session import SparkSession

    if place.memory_limit or place.threads:
        raise ConfigError(
            "a Spark Connect server has its own memory and cores",
            place="[compute]",
            hint="leave memory_limit and threads out, and set them where the server is started",
        )
    _hush()
    session = SparkSession.builder.remote(place.url).create()

    def release() -> None:
        with quietly():
            session.stop()

    return session, release  # type: ignore[return-value]  # the same surface, without a common base class


def _drive(place: Place) -> tuple[SparkSession, Release]:
    from pyspark.sql import SparkSession

    _hush()
    driver = _DRIVERS[0] if _DRIVERS else _launch(place)
    if driver.place.url != place.url:
        raise ConfigError(
            f"this process already computes on {driver.place.url}: it cannot drive {place.url} as well",
            place=PLACE,
            hint="run the other client in a process of its own",
        )
    driver.sessions += 1
    session = SparkSession(driver.context).newSession()
    return session, partial(_leave, driver)


def _leave(driver: _Driver) -> None:
    driver.sessions -= 1
    if driver.sessions == 0:
        _DRIVERS.remove(driver)
        with quietly():
            driver.context.stop()
        for jvm in _JVMS:
            _remove(jvm.folder)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _launch(place: Place) -> _Driver:
    """Start the context, in this process's one JVM, which ends with it."""
    from py4j.protocol import Py4JError
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkException
    from pyspark.java_gateway import launch_gateway

    if not _java():
        raise ConfigError("Spark needs Java, and none was found", place=PLACE, hint=_JAVA)
    folder = _JVMS[0].folder if _JVMS else Path(tempfile.mkdtemp(prefix="ciblage-spark-"))
    folder.mkdir(mode=0o700, exist_ok=True)
    log = folder / "java.log"
    conf = SparkConf().setAll(list(_settings(place, folder).items()))
    try:
        with log.open("wb") as words:
            if not _JVMS:
                _JVMS.append(_Jvm(launch_gateway(conf, {"stdout": subprocess.DEVNULL, "stderr": words}), folder))  # type: ignore[no-untyped-call]  # pyspark types half of itself
                atexit.register(_remove, folder)
        driver = _Driver(place, SparkContext(conf=conf, gateway=_JVMS[0].gateway))
    except (PySparkException, Py4JError, ValueError) as error:  # ValueError: somebody else's context runs already
        said = log.read_text("utf-8", "replace").splitlines() + str(error).splitlines()
        failure = "; ".join([line for line in said if line.strip() and _LAUNCHER not in line][:2])
        _remove(folder)
    else:
        _DRIVERS.append(driver)
        return driver
    raise ConfigError(f"{_java()} did not start Spark: {failure}", place=PLACE, hint=_JAVA)


def _settings(place: Place, folder: Path) -> dict[str, str]:
    (folder / "log4j2.properties").write_text(_SILENT, "utf-8")
    is_local, memory = place.url.startswith(LOCAL), {}
    if place.memory_limit:
        memory["spark.driver.memory" if is_local else "spark.executor.memory"] = _memory(place.memory_limit)
    if place.threads and not is_local:
        memory["spark.cores.max"] = str(place.threads)
    java = f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'} {place.options.get(_EXTRA, '')}"
    folders = {"spark.local.dir": str(folder), "spark.sql.warehouse.dir": str(folder / "warehouse")}
    return {
        **_OURS, **(_HERE | folders if is_local else {}), **memory, **SETTINGS, **place.options,
        "spark.master": _master(place), _EXTRA: java.strip(),
    }  # fmt: skip


def _master(place: Place) -> str:
    return f"local[{place.threads}]" if place.threads and place.url in (LOCAL, "local[*]") else place.url


def _memory(limit: str) -> str:
    """DuckDB's spelling of a size ("1.5GB", "512 MiB") in Spark's: whole mebibytes."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT])i?B?\s*", limit, re.IGNORECASE)
    if not found:
        raise ConfigError(f"'{limit}' is no size", place="[compute] memory_limit", hint="write it as 4GB or 512MB")
    return f"{max(1, int(float(found[1]) * _UNITS[found[2].upper()]) // 2**20)}m"


def _java() -> str | None:
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java", path=str(Path(home) / "bin") if home else None)


def _hush() -> None:
    from pyspark.logger import PySparkLogger

    for name in _LOGGERS:
        PySparkLogger.getLogger(name).disabled = True


def _check(url: str) -> None:
    """Refuse what is no address of a Spark and, within seconds, one that nobody answers at."""
    if not _URL.fullmatch(url):
        raise ConfigError(
            f"'{url}' is no address of a Spark",
            place=PLACE,
            hint="write local[*], spark://host:7077, yarn, k8s://… or sc://host:15002",
        )
    hosts, failure = _hosts(url), ""
    for host, port in hosts:
        try:
            socket.create_connection((host, port), timeout=REACH).close()
        except OSError as error:
            failure = error.strerror or type(error).__name__
        else:
            return
    if hosts:
        what = "Spark Connect server" if url.startswith(CONNECT) else "Spark master"
        raise ConfigError(
            f"no {what} answers at {_shown(url)}: {failure}",
            place=PLACE,
            hint="check host and port, or set url = 'local[*]' to compute on this machine",
        )


def _hosts(url: str) -> list[tuple[str, int]]:
    kind, _, rest = url.partition("://")
    if kind not in _PORTS:
        return []
    found = (_HOST.match(one) for one in re.split("[;/]", rest)[0].split(","))
    return [(one[1].strip("[]"), int(one[2] or _PORTS[kind])) for one in found if one]


def _shown(url: str) -> str:
    """An address without its parameters: they may hold a token."""
    return url.partition(";")[0].rstrip("/")
