"""Sentences about sessions, stops, prompts and conversations."""

from collections.abc import Callable, Mapping

from holdfast.core.narrate.words import by, named, plain, said
from holdfast.model import bodies
from holdfast.model.events import Kind, Record

_ACTS = {"pause": "paused", "kill": "killed", "resume": "resumed"}


def _state(verb: str) -> Callable[[Record], str]:
    def sentence(record: Record) -> str:
        body = bodies.SessionChanged.of(record)
        return f"the session {verb}{by(body.by)}{said(body.reason)}"

    return sentence


def _opened(record: Record) -> str:
    agent, user = named(record.agent), named(record.user)
    return f"a session of {agent} was opened for {user}, task {named(record.task)}"


def _ending(record: Record) -> str:
    why = said(bodies.SessionEnding.of(record).reason)
    return f"the paused session is given up within a day unless somebody resumes it{why}"


def _delegated(record: Record) -> str:
    body = bodies.SessionDelegated.of(record)
    child, agent = named(body.child), named(body.agent)
    return f"a child {child} of {agent} was started{said(body.task_text)}"


def _collected(record: Record) -> str:
    body = bodies.SessionCollected.of(record)
    taints = ", untrusted," if body.taints else ""
    return f"the result{taints} of the child {named(body.child)} was taken"


def _continued(record: Record) -> str:
    body = bodies.SessionContinued.of(record)
    taints = ", which is untrusted" if body.taints else ""
    return f"the conversation of {named(body.session)} goes on here{taints}"


def _receipt(record: Record) -> str:
    body = bodies.KillReceipt.of(record)
    failed = [plain(one.lever, 40) for one in body.levers if not one.ok]
    text = f"the kill was acknowledged after {plain(body.total_ms, 20)} ms"
    return f"{text}, but failed at {', '.join(failed)}" if failed else text


def _placed(record: Record) -> str:
    body = bodies.StopPlaced.of(record)
    done, why = _ACTS.get(body.act, "stopped"), said(body.reason)
    return f"{plain(body.what, 200)} was {done}{by(body.by)}, and nothing opens there{why}"


def _lifted(record: Record) -> str:
    body = bodies.StopLifted.of(record)
    return f"{plain(body.what, 200)} was let go{by(body.by)}{said(body.reason)}"


def _stopped(record: Record) -> str:
    body = bodies.StopReceipt.of(record)
    done, ms = _ACTS.get(body.act, "stopped"), plain(body.total_ms, 20)
    failed = f"; of {plain(body.failed, 20)} something may be left" if body.failed else ""
    return f"{plain(body.number, 20)} sessions were {done} at once, in {ms} ms{failed}"


def _prompted(record: Record) -> str:
    body = bodies.PromptSubmitted.of(record)
    who = "the user wrote" if body.vouched else "the agent's client says that the user wrote"
    return f"{who}{said(body.text)}"


def _confirmed(record: Record) -> str:
    told = "the model was asked with what the user typed, which vouches"
    return told + said(bodies.PromptConfirmed.of(record).text)


def _conversation(done: str) -> Callable[[Record], str]:
    def sentence(record: Record) -> str:
        body = bodies.Conversed.of(record)
        size = plain(body.size_bytes, 20)
        return f"the conversation {named(body.name)} ({size} bytes) was {done}{by(body.by)}"

    return sentence


SENTENCES: Mapping[Kind, Callable[[Record], str]] = {
    Kind.SESSION_OPENED: _opened,
    Kind.SESSION_PAUSED: _state("was paused"),
    Kind.SESSION_ENDING: _ending,
    Kind.SESSION_RESUMED: _state("was resumed"),
    Kind.SESSION_STOPPED: _state("was stopped"),
    Kind.SESSION_KILLED: _state("was killed"),
    Kind.SESSION_EXPIRED: _state("expired"),
    Kind.SESSION_ENDED: _state("ended"),
    Kind.SESSION_DELEGATED: _delegated,
    Kind.SESSION_COLLECTED: _collected,
    Kind.SESSION_CONTINUED: _continued,
    Kind.KILL_RECEIPT: _receipt,
    Kind.STOP_PLACED: _placed,
    Kind.STOP_LIFTED: _lifted,
    Kind.STOP_RECEIPT: _stopped,
    Kind.PROMPT_SUBMITTED: _prompted,
    Kind.PROMPT_CONFIRMED: _confirmed,
    Kind.CONVERSATION_SAVED: _conversation("saved"),
    Kind.CONVERSATION_LOADED: _conversation("loaded"),
    Kind.CONVERSATION_DELETED: _conversation("deleted"),
}
