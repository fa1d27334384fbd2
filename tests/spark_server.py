"""Spark in this process: one JVM a worker, which also answers as a Spark Connect server on loopback."""

from __future__ import annotations

import socket
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from java import java_home

from engine.compute.backends.spark import Spark, connect

LOCAL = "local[1]"
PORT = "spark.connect.grpc.binding.port"
TINY = {
    "spark.sql.shuffle.partitions": "1",
    "spark.default.parallelism": "1",
    "spark.sql.adaptive.enabled": "false",  # a dozen rows need no second thoughts
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # starting is what costs
    "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
    "spark.connect.grpc.binding.address": "127.0.0.1",
}


def start_spark() -> Spark:
    """A local session; of one worker, all share the JVM that the first one started."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_HOME", str(java_home(Path(folder))))  # read when the JVM starts, not later
        return connect(LOCAL, memory_limit="1GB", options={**TINY, PORT: str(_free())})


def connect_url(spark: Spark) -> str:
    """Where the JVM of a local session answers as a Spark Connect server."""
    return f"sc://127.0.0.1:{spark._session.conf.get(PORT)}"


def _free() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
