"""One command: its client opened, its result shown, its errors as messages and exit codes."""

from __future__ import annotations

import json as jsonlib
import signal
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from engine.errors import DefinitionError, EngineError, unwritable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.client import Client
    from engine.run import Options

__all__ = ["TERMINATED", "Session", "session"]

INTERNAL, INTERRUPTED, TERMINATED = 70, 130, 143


class Session:
    """One command: opens its client, shows its result, ends with its exit code."""

    def __init__(self, command: str, config: Path, now: str | None, *, json: bool, calls: bool = True) -> None:
        self.command, self.config, self.now, self.json, self.calls = command, config, now, json, calls
        self.exit_code = 0
        self._client: Client | None = None
        self._working = ExitStack()

    @property
    def client(self) -> Client:
        """The client of `--config`, opened once."""
        if self._client is None:
            from engine.client import open_client

            self._client = open_client(self.config, self.now, calls=self.calls)
        return self._client

    def show(self, result: Any) -> None:  # noqa: ANN401 - each command has its result; engine.show knows them all
        """The result as one JSON document, or as people read it."""
        from engine import show

        self._working.close()
        self.exit_code = getattr(result, "exit_code", 0)
        if self.json:
            document = show.document(self.command, self._client, result)
            print(jsonlib.dumps(document, ensure_ascii=False, indent=2))
        else:
            show.render(result, self.client.lang if self._client else "en")
            show.warn(self._client.config.warnings if self._client else ())

    def stop_working(self) -> None:
        """What follows speaks for itself."""
        self._working.close()

    def work(self) -> None:
        """A sign of life on a terminal until the result is shown."""
        if not self.json and sys.stderr.isatty():
            from engine import show

            self._working.enter_context(show.working())

    def asking(self) -> Callable[[str, str], str] | None:
        """How to ask a person, where one sits at a terminal and wants no JSON."""
        if self.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
            return None
        self.stop_working()
        return lambda question, default: str(typer.prompt(question, default=default, err=True))

    @contextmanager
    def moving(
        self,
        force: Sequence[str] | None,
        recreate: Sequence[str] | None,
        max_minutes: float | None,
        *,
        yes: bool = False,
    ) -> Iterator[Options]:
        """Progress on stderr; SIGTERM asks for a stop at the next safe point."""
        from engine import run, show

        self.client.write()
        self.check_flags(force, recreate)
        signal.signal(signal.SIGTERM, lambda *_: self.client.stop.set())
        with show.progress() as shown:
            yield run.Options(
                force=force or (), recreate=recreate or (), max_minutes=max_minutes, yes=yes, progress=shown
            )

    def check_flags(self, force: Sequence[str] | None, recreate: Sequence[str] | None) -> None:
        """What they name exists."""
        self.client.check_flag("--force", force or ())
        self.client.check_flag("--recreate", recreate or ())

    def secrets(self) -> frozenset[str]:
        """What a defect's own words may not repeat."""
        return frozenset() if self._client is None else self._client.config.secrets

    def tell(self, event: str, **facts: object) -> None:
        """A line of the log, where it is asked for."""
        if "engine.logs" in sys.modules:
            from engine import logs

            logs.tell(event, {} if self._client is None else self._client.about, command=self.command, **facts)

    def failed(self, error: EngineError) -> None:
        """What ended it, for the log."""
        self.exit_code = error.exit_code
        self.tell("error", kind=error.kind, message=str(error), place=error.place, hint=error.hint)

    def close(self) -> None:
        """Let go of what the client holds."""
        self._working.close()
        if self._client is not None:
            self._client.close()

    def ended(self) -> None:
        """The last line of the log."""
        self.close()
        self.tell("command.end", exit=self.exit_code)
        if "engine.logs" in sys.modules:
            from engine import logs

            logs.stop()


@contextmanager
def session(command: str, config: Path, now: str | None, *, json: bool, calls: bool = True) -> Iterator[Session]:
    """Run a command's body; its errors become messages and exit codes. One that `calls` no destination needs none of their secrets."""
    current = Session(command, config, now, json=json, calls=calls)
    try:
        if command != "demo":
            current.work()
        current.tell("command.begin")
        yield current
    except (EngineError, OSError) as error:
        _stop(current, error)
    except KeyboardInterrupt:
        current.exit_code = INTERRUPTED
        _quit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the last place: a defect must end as exit 70, without a word of data
        _crash(current, error)
    finally:
        current.ended()
    if current.exit_code:
        raise typer.Exit(current.exit_code)


def _stop(current: Session, error: EngineError | OSError) -> NoReturn:
    """What people can mend is told as an error of ours; a reader who went away is none."""
    if isinstance(error, BrokenPipeError):
        _quit(0)
    told = unwritable(error) if isinstance(error, OSError) else error
    if told is None:
        _crash(current, error)
    current.close()
    current.failed(told)
    _fail(told, json=current.json, command=current.command)


def _fail(error: EngineError, *, json: bool, command: str) -> NoReturn:
    if json:
        said: dict[str, Any] = {"kind": error.kind, "message": str(error), "place": error.place, "hint": error.hint}
        if isinstance(error, DefinitionError):
            said["mistakes"] = list(error.mistakes)
        print(jsonlib.dumps({"command": command, "error": said}, ensure_ascii=False, indent=2))
    else:
        from engine import show

        show.error(error)
    raise typer.Exit(error.exit_code)


def _crash(current: Session, error: Exception) -> NoReturn:
    import traceback

    from connectors.masking import mask_all

    secrets = current.secrets()
    current.exit_code = INTERNAL
    current.tell("error", kind="internal", message=f"{type(error).__name__}: {error}")
    frames = "".join(traceback.format_tb(error.__traceback__))
    words = f"{type(error).__name__}: {mask_all(str(error), secrets)}"
    if current.json:
        said = {"kind": "internal", "message": words, "place": None, "hint": "please report it with the text on stderr"}
        print(jsonlib.dumps({"error": said}, ensure_ascii=False, indent=2))
    print(f"{mask_all(frames, secrets)}internal error: {words}", file=sys.stderr)
    raise typer.Exit(INTERNAL)


def _quit(code: int) -> NoReturn:
    raise typer.Exit(code)
