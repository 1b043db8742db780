"""What every verb shares: errors become one sentence and an exit code, never a traceback.

Every command loads this, `--help` too: what only some need is loaded where it is needed.
"""

import functools
import inspect
import os
from collections.abc import Callable, Coroutine
from typing import Any

import typer

from holdfast.apps.cli.exit_codes import ExitCode, code_of
from holdfast.errors import HoldfastError

TRACEBACK_VARIABLE = "HOLDFAST_TRACEBACK"

Json = typer.Option(False, "--json", help="Print JSON, one object a line.")
Project = typer.Option(
    None, "--project", "-C", help="The folder with holdfast.yaml; the nearest one upward."
)
Imports = typer.Option(
    False, "--import", help="Run the modules of `tool_modules` to learn their tools."
)
Tenant = typer.Option("", "--tenant", help="The tenant, where there are several.")
Reason = typer.Option("", "--reason", help="Why; it is journalled.")


def importing(asked: bool) -> list[str]:
    """The argument that lets a check run code of the project; none unless asked."""
    return ["--import"] if asked else []


def verb(app: typer.Typer, name: str, **settings: Any) -> Callable[[Callable[..., Any]], Any]:
    """Register a function, plain or async, as the verb `name`.

    An int that it returns is the exit code; HoldfastError and Ctrl-C are handled here.
    """

    def register(body: Callable[..., Any]) -> Any:
        @functools.wraps(body)
        def run(**given: Any) -> None:
            code = guarded(lambda: body(**given))
            if code:
                raise typer.Exit(code)

        return app.command(name, **settings)(run)

    return register


def guarded(body: Callable[[], Any]) -> int:
    """The exit code of `body`; what went wrong is said on stderr in one sentence."""
    try:
        answer = body()
        if inspect.iscoroutine(answer):
            answer = _finished(answer)
        return int(answer or ExitCode.DONE)
    except HoldfastError as fault:
        _complain(fault.message)
        return code_of(fault)
    except KeyboardInterrupt:
        _complain("interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough of it; nothing more can be said there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return ExitCode.DONE
    except (typer.Exit, typer.Abort):
        raise
    except typer.TyperException:
        raise
    except Exception as fault:
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        _complain(
            f"an internal error: {type(fault).__name__}: {fault}"
            f" (set {TRACEBACK_VARIABLE}=1 to see where)"
        )
        return ExitCode.INTERNAL


def _finished(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What it answers. Errors: KeyboardInterrupt, where it was cancelled."""
    import asyncio

    try:
        return asyncio.run(coroutine)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _complain(sentence: str) -> None:
    from holdfast.apps.cli.printing import complain

    complain(sentence)
