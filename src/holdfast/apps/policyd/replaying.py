"""Policy asked again: with the files that were in force then, or with others that are given.

A kept bundle is used only where it still has the version that its decisions name, and is not judged
by the lint of a later program. Not here: what a decision was asked with (`apps/control/policy`).
"""

from pathlib import Path

import msgspec

from holdfast.apps.policyd.applied import CONTRACTS, OURS, kept
from holdfast.backends.cedar.bundle import Bundle, Loaded, load_sources
from holdfast.backends.cedar.evaluation import decide
from holdfast.backends.cedar.sources import BASELINE, Source, read_sources
from holdfast.model.decisions import PolicyAnswer, PolicyRequest, Replay, Replayed, Verdict
from holdfast.model.tools import Effect

_NOT_KEPT = (
    "the policies {} are not kept here: they were in force under another state folder, or before"
    " copies were kept"
)
_CHANGED = (
    "what is kept of the policies {} is not what was in force: it was changed since, or the rules"
    " that came with an older program are missing"
)


def replayed(folder: Path | None, asked: Replay, *, baseline: bool) -> Replayed:
    """The answers up to the first deny, or why there are none.

    Slow, and safe to run in another thread.
    """
    found = kept(folder, asked.version) if folder is not None else None
    if found is None:
        return Replayed(fault=_NOT_KEPT.format(asked.version[:71]))
    loaded = (
        _of_then(found, asked.version) if asked.files is None else _given(found, asked, baseline)
    )
    if loaded.bundle is None:
        return Replayed(fault=f"the given policies do not hold: {loaded.findings[0]}")
    if asked.files is None and loaded.version != asked.version:
        return Replayed(fault=_CHANGED.format(asked.version[:71]))
    answers: list[PolicyAnswer] = []
    for question in asked.questions:
        answers.append(decide(loaded.bundle, _as_declared(loaded.bundle, question)))
        if answers[-1].verdict is Verdict.DENY:
            break
    return Replayed(version=loaded.version, answers=tuple(answers))


def _of_then(found: Path, version: str) -> Loaded:
    """The kept bundle: with the shipped rules of then, of now where none were kept, or without."""
    files, unread = read_sources(found, baseline=False)
    ours = tuple(_shipped(path) for path in (found / OURS, BASELINE) if path.is_file())
    loaded = load_sources(files, unread, found / CONTRACTS, held=True)
    for one in ours:
        if loaded.version == version:
            break
        loaded = load_sources((one, *files), unread, found / CONTRACTS, held=True)
    return loaded


def _given(found: Path, asked: Replay, baseline: bool) -> Loaded:  # noqa: FBT001 - the caller's own
    sources = [Source(name, content) for name, content in sorted((asked.files or {}).items())]
    ours = [_shipped(BASELINE)] if baseline else []
    return load_sources((*ours, *sources), (), found / CONTRACTS)


def _shipped(path: Path) -> Source:
    return Source(f"<{BASELINE.name}>", path.read_bytes())


def _as_declared(bundle: Bundle, question: PolicyRequest) -> PolicyRequest:
    """With what the contracts of then say of the tool, or the worst where they say nothing."""
    contract = bundle.contract(question.action)
    return msgspec.structs.replace(
        question,
        effect=contract.effect if contract else Effect.COMMIT,
        resource_tags=contract.tags if contract else {},
    )
