"""Who is told of alerts, from the configuration: nobody unless a receiver is named."""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from holdfast.compose.config.model import AlertFormat, AlertReceiver
from holdfast.compose.config.names import is_loopback
from holdfast.errors import ConfigInvalid
from holdfast.ports.clock import Clock
from holdfast.ports.notify import Delivering
from holdfast.runtime.receivers import Receiver, Rule

_POSTS, _MAILS = ("http", "https"), ("smtp", "smtps")


def alert_secrets(
    receivers: Mapping[str, AlertReceiver], environment: Mapping[str, str]
) -> dict[str, tuple[str, str]]:
    """Address and signing secret of each receiver, by name; both are secrets.

    Errors: ConfigInvalid when a variable is not set, or the address is none to send to.
    """
    found: dict[str, tuple[str, str]] = {}
    for name, receiver in receivers.items():
        mail = receiver.format is AlertFormat.EMAIL
        url = _variable(environment, receiver.url_env, f"alerts.{name}.url_env")
        what = f"`{receiver.url_env}` of `alerts.{name}.url_env`"
        secret = ""
        if mail:
            _check_address(url, what, _MAILS)
        else:
            secret = _variable(environment, receiver.secret_env, f"alerts.{name}.secret_env")
            _check_address(url, what, _POSTS)
        found[name] = (url, secret)
    return found


def alert_receivers(
    receivers: Mapping[str, AlertReceiver],
    known: Mapping[str, tuple[str, str]],
    clock: Clock,
    say: Callable[[str], None],
) -> tuple[Receiver, ...]:
    """Each with its channel; `known` as from `alert_secrets`."""
    return tuple(
        Receiver(_channel(name, one, known[name], clock, say), _rule(one), clock)
        for name, one in receivers.items()
    )


def _channel(
    name: str,
    receiver: AlertReceiver,
    known: tuple[str, str],
    clock: Clock,
    say: Callable[[str], None],
) -> Delivering:
    url, secret = known
    if receiver.format is AlertFormat.EMAIL:
        from holdfast.backends.channels.mail import MailChannel  # noqa: PLC0415 -- where asked for

        return MailChannel(name, url, receiver.sender, receiver.to, say)
    from holdfast.backends.channels.webhook import WebhookChannel  # noqa: PLC0415 -- as above

    slack = receiver.format is AlertFormat.SLACK
    return WebhookChannel(name, url, secret, clock, say, slack=slack)


def _rule(receiver: AlertReceiver) -> Rule:
    return Rule(
        kinds=tuple(map(str, receiver.kinds)),
        tenants=receiver.tenants,
        projects=receiver.projects,
        hard_only=receiver.hard_only,
        quiet=receiver.quiet,
    )


def _variable(environment: Mapping[str, str], name: str, key: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise ConfigInvalid(f"the variable `{name}` of `{key}` is not set")
    return value


def _check_address(url: str, what: str, schemes: tuple[str, str]) -> None:
    """Errors: ConfigInvalid; the address itself is not shown."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigInvalid(f"{what} is no address") from None
    if parts.scheme not in schemes or not host:
        raise ConfigInvalid(f"{what} must begin with {schemes[1]}://")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigInvalid(f"{what} would send alerts in clear: use https")
