"""Gateway processes beside the server: they carry answers, the server decides and pays.

`owner` is the server's side of one relay's line, `line`, `calls` and `payer` the relay's, `wire`
what they say. Not here: sockets (`backends/frames`), processes (`apps/relay`, `apps/server`).
"""
