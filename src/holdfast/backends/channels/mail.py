"""The channel that writes e-mail, over SMTP.

`smtps://` is TLS from the first byte, `smtp://` is STARTTLS, without which nothing is sent, but to
this machine. A text that came from outside stands in the body alone, and no header takes a line
end, so that no notice can write a header of its own.
"""

import contextlib
import ipaddress
import smtplib
import socket
import ssl
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from functools import cache
from urllib.parse import unquote, urlsplit

from holdfast.backends.channels.tried import TIMEOUT_S, Say, Sent, TriedChannel
from holdfast.model.notices import Notice
from holdfast.model.visible import visible

_NS = 1_000_000_000
_SUBJECT_MOST = 120
_FOR_GOOD = range(500, 600)
# Said once: to look the name up takes seconds where nobody knows it.
_HERE = socket.gethostname()


class MailChannel(TriedChannel):
    """Writes notices to some addresses. `url` may hold a name and a password: it is a secret."""

    def __init__(self, name: str, url: str, sender: str, to: Sequence[str], say: Say) -> None:
        self._url = urlsplit(url)
        self._sender = sender
        self._to = tuple(to)
        self._held = threading.local()
        super().__init__(name, say)

    def send(self, notice: Notice) -> Sent:
        """Hand it to the mail server once."""
        try:
            refused = self._open().send_message(self._letter(notice))
        except smtplib.SMTPResponseException as fault:
            self.left()
            again = fault.smtp_code not in _FOR_GOOD
            return Sent(ok=False, why=f"the mail server answered {fault.smtp_code}", again=again)
        except smtplib.SMTPRecipientsRefused as fault:
            self.left()
            codes = sorted({code for code, _ in fault.recipients.values()})
            again = any(code not in _FOR_GOOD for code in codes)
            return Sent(ok=False, why=f"it takes nothing for any address: {codes}", again=again)
        except (OSError, smtplib.SMTPException) as fault:
            self.left()
            return Sent(ok=False, why=f"no answer ({type(fault).__name__})", again=True)
        if not self.waiting:
            self.left()
        some = f", but not for {len(refused)} of {len(self._to)} addresses" if refused else ""
        return Sent(ok=True, why=f"the mail server took it{some}")

    def _open(self) -> smtplib.SMTP:
        """A connection of this thread's: many letters at once go over one."""
        held: smtplib.SMTP | None = getattr(self._held, "server", None)
        if held is None:
            held = self._held.server = self._connection()
            if self._url.username:
                held.login(unquote(self._url.username), unquote(self._url.password or ""))
        return held

    def left(self) -> None:
        """Close the connection of this thread."""
        held: smtplib.SMTP | None = getattr(self._held, "server", None)
        self._held.server = None
        if held is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                held.quit()
            held.close()

    def _connection(self) -> smtplib.SMTP:
        host = self._url.hostname or ""
        if self._url.scheme == "smtps":
            return smtplib.SMTP_SSL(
                host, self._url.port or 465, _HERE, timeout=TIMEOUT_S, context=_context()
            )
        server = smtplib.SMTP(host, self._url.port or 587, _HERE, timeout=TIMEOUT_S)
        try:
            server.ehlo()
            if server.has_extn("starttls") or not _is_this_machine(host):
                server.starttls(context=_context())
        except BaseException:
            server.close()
            raise
        return server

    def _letter(self, notice: Notice) -> EmailMessage:
        letter = EmailMessage()
        about = notice.agent or notice.tenant
        subject = visible(f"[holdfast] {notice.kind} {about}", _SUBJECT_MOST)
        # The library reads encoded words in what it is given, line ends and all.
        letter["Subject"] = subject.replace("=?", "= ?")
        letter["From"] = self._sender
        letter["To"] = ", ".join(self._to)
        letter["Date"] = format_datetime(datetime.fromtimestamp(notice.at_ns // _NS, UTC))
        # A mail system must answer nobody's holiday with it.
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(_body(notice))
        return letter


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _body(notice: Notice) -> str:
    who = (
        ("tenant", notice.tenant),
        ("project", notice.project),
        ("user", notice.user),
        ("agent", notice.agent),
        ("session", notice.session),
    )
    lines = [f"{name}: {visible(value, 200)}" for name, value in who if value]
    return "\n".join([notice.text, "", *lines, ""])


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
