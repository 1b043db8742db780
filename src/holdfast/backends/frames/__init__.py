"""Length-prefixed msgpack frames over a Unix socket: many calls at once on one connection.

`server` answers, `client` asks, `wire` frames. Nothing here knows what the calls mean.
"""
