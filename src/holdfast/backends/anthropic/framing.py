"""Bytes of one answer to its head and its body, by httptools at its strictest.

What two readers could take apart differently is refused: a length beside chunks, any coding of the
transfer but `chunked`, folded fields, bare line feeds. Answers that only announce another (1xx) are
passed over. The head has so many bytes and fields, and what frames a body may not outgrow it.

Not here: sockets, time (`answer`, `connection`).
"""

import httptools

HEAD_BYTES_MAX = 64 * 1024
HEAD_FIELDS_MAX = 128
# Chunks of a few bytes are honest; chunks of nothing but framing are not.
_FRAMING_BYTES = 64 * 1024
_FRAMING_TO_BODY = 16
_NO_BODY = (204, 304)
_VERSIONS = ("1.0", "1.1")
_MALFORMED = (httptools.HttpParserError, httptools.HttpParserUpgrade)


class _Refused(Exception):
    """Ends the parser's way through an answer that is not taken."""


class Framing:
    """Reads one answer; a new one for each.

    `headed`: status and headers are there, by lower-case names, as UTF-8 with escapes for what is
    none; fields that come several times are one list. `complete`: the whole body was read.
    `broken`: nothing more of it can be told from what is not of it. `surplus`: bytes came that
    nobody asked for; empty lines behind an answer are none, whoever reads the next one skips them.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.headed = self.complete = self.broken = self.surplus = self.lasting = False
        self._until_close = self._announces = False
        self._parts: list[bytes] = []
        self._fields = self._head_bytes = self._framing_bytes = self._body_bytes = 0
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> bytes:
        """What of the body is in it, also where the answer turns out to be `broken` behind that."""
        parser, parts = self._parser, self._parts
        if parser is None:
            self.surplus = self.surplus or bool(data)
            return b""
        headed = self.headed
        try:
            parser.feed_data(data)
        except _MALFORMED:
            self.surplus = self.complete
            self.broken = not self.complete
        if not parts:
            body = b""
        else:
            body = parts[0] if len(parts) == 1 else b"".join(parts)
            parts.clear()
        self._bound(len(data), len(body), within=headed)
        if self.complete or self.broken:
            self.drop()
        return body

    def _bound(self, size: int, body: int, *, within: bool) -> None:
        if not self.headed:
            self._head_bytes += size
            self.broken = self.broken or self._head_bytes > HEAD_BYTES_MAX
        elif within:
            self._body_bytes += body
            self._framing_bytes += size - body
            most = _FRAMING_BYTES + _FRAMING_TO_BODY * self._body_bytes
            self.broken = self.broken or (self._framing_bytes > most and not self.complete)

    def end(self) -> None:
        """Nothing more comes: an answer whose end that is becomes `complete`, others `broken`."""
        self.drop()
        if not self.complete and not self.broken:
            self.complete = self._until_close
            self.broken = not self.complete

    def drop(self) -> None:
        """Nobody wants the rest."""
        self._parser = None  # It holds this, too.

    @property
    def reusable(self) -> bool:
        """Whether the next answer may come by the same connection."""
        return self.complete and self.lasting and not self.surplus

    def on_message_begin(self) -> None:
        """An answer begins: this one, or one that nobody asked for."""
        if self.complete:
            raise _Refused

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head; trailers say nothing that is used here."""
        self._fields += 1
        if self._fields > HEAD_FIELDS_MAX:
            raise _Refused
        if self.headed:
            return
        key, text = name.decode().lower(), value.decode("utf-8", "surrogateescape")
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        """The head is whole: it announces another, or it is the one."""
        parser = self._parser
        if parser is None:
            raise _Refused
        status = parser.get_status_code()
        self._announces = 100 <= status < 200
        if self._announces:
            self.headers.clear()
            return
        coding, length = self.headers.get("transfer-encoding"), self.headers.get("content-length")
        size = sum(len(name) + len(value) for name, value in self.headers.items())
        version = parser.get_http_version()
        if version not in _VERSIONS or not 200 <= status <= 599 or size > HEAD_BYTES_MAX:
            raise _Refused
        if coding is not None and (
            coding.lower() != "chunked"
            or length is not None
            or version == "1.0"
            or status in _NO_BODY
        ):
            raise _Refused
        self._until_close = coding is None and length is None and status not in _NO_BODY
        self.lasting = parser.should_keep_alive() and not self._until_close
        self.status, self.headed = status, True

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """The body is whole, or what announced the answer is."""
        if not self._announces:
            self.complete = True
