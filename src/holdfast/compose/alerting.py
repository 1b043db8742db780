"""The channels that alerts go to, from the configuration: none unless a receiver is named."""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from holdfast.compose.config.model import AlertFormat, AlertReceiver
from holdfast.compose.config.names import is_loopback
from holdfast.errors import ConfigInvalid
from holdfast.ports.clock import Clock
from holdfast.ports.notify import Channel


def alert_secrets(
    receivers: Mapping[str, AlertReceiver], environment: Mapping[str, str]
) -> dict[str, tuple[str, str]]:
    """Address and signing secret of each receiver, by name; both are secrets.

    Errors: ConfigInvalid when a variable is not set, or the address is none to post to.
    """
    found: dict[str, tuple[str, str]] = {}
    for name, receiver in receivers.items():
        values = []
        for key, variable in (("url_env", receiver.url_env), ("secret_env", receiver.secret_env)):
            value = environment.get(variable, "")
            if not value:
                raise ConfigInvalid(
                    f"the variable `{variable}` of `alerts.{name}.{key}` is not set"
                )
            values.append(value)
        _check_address(values[0], f"`{receiver.url_env}` of `alerts.{name}.url_env`")
        found[name] = (values[0], values[1])
    return found


def alert_channels(
    receivers: Mapping[str, AlertReceiver],
    known: Mapping[str, tuple[str, str]],
    clock: Clock,
    say: Callable[[str], None],
) -> tuple[Channel, ...]:
    """A channel for each receiver; `known` as from `alert_secrets`."""
    if not receivers:
        return ()
    from holdfast.backends.webhook.channel import WebhookChannel  # noqa: PLC0415 -- where asked for

    return tuple(
        WebhookChannel(name, *known[name], clock, say, slack=receiver.format is AlertFormat.SLACK)
        for name, receiver in receivers.items()
    )


def _check_address(url: str, what: str) -> None:
    """Errors: ConfigInvalid; the address itself is not shown."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigInvalid(f"{what} is no address") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigInvalid(f"{what} must begin with https://")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigInvalid(f"{what} would send alerts in clear: use https")
