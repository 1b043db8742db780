"""The console: pages for people, made on the server, complete without a script.

It speaks to the server through the client alone, with the browser's own sign-in: what an operator
may not do, they may not do here. Not here: rules of any kind.
"""
