"""The house's own loop on the Messages API: what a worker does with one run.

Every model call goes through the gateway, every tool call through the guard, and each step is
journalled before the next. Not here: what comes next (`core/loop`), who may work (`apps/worker`).
"""
