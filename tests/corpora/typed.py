"""Whether the functions of a module return what their annotations say, while something runs them.

A type checker reads the annotations; this looks at what comes out.
"""

import contextlib
import functools
import importlib
import sys
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any


@contextlib.contextmanager
def checked(*modules: str) -> Iterator[list[str]]:
    """While it is open, whatever functions and methods of these modules return that they do not say."""
    wrong = list[str]()
    put: list[tuple[Any, str, Any]] = []
    try:
        for made, owner, function in _functions(modules):
            said = typing.get_type_hints(function).get("return", Any)
            wrapped = _wrapped(function, said, wrong)
            for place in _holders(owner, made, function):
                for known in [key for key, held in vars(place).items() if held is function]:
                    put.append((place, known, function))
                    setattr(place, known, wrapped)
        yield wrong
    finally:
        for place, name, function in put:
            setattr(place, name, function)


def fits(value: Any, said: Any) -> bool:
    """Whether a value is of a type, its items left aside."""
    if said is Any:
        return True
    origin = typing.get_origin(said)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, one) for one in typing.get_args(said))
    plain = type(None) if said is None else origin or said
    return not isinstance(plain, type) or (
        isinstance(value, plain) and not (plain is int and isinstance(value, bool))
    )


def _functions(
    modules: Sequence[str],
) -> Iterator[tuple[types.ModuleType, Any, Callable[..., Any]]]:
    for module in map(importlib.import_module, modules):
        for owner in (module, *(one for one in vars(module).values() if isinstance(one, type))):
            for held in list(vars(owner).values()):
                own = isinstance(held, types.FunctionType) and held.__module__ == module.__name__
                if own and "return" in held.__annotations__:
                    yield module, owner, held


def _holders(owner: Any, module: types.ModuleType, function: Any) -> list[Any]:
    """Where it is held: its class, or every module of the package that took it."""
    if owner is not module:
        return [owner]
    package = module.__name__.rpartition(".")[0]
    near = [one for name, one in sys.modules.copy().items() if name.startswith(package)]
    return [one for one in near if any(held is function for held in vars(one).values())]


def _wrapped(function: Callable[..., Any], said: Any, wrong: list[str]) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        found = function(*args, **kwargs)
        if not fits(found, said):
            wrong.append(f"{function.__qualname__} returned {found!r:.80}, says {said}")
        return found

    return run
