"""What every store on an SQL database has in common, written once for all of them.

A database adds its dialect, its connections, and the lock by which one server owns it
(`database`). Not here: drivers, threads, files, addresses.
"""
