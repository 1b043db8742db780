"""What the server shows: one frozen struct a view, for whoever builds it, sends it and reads it.

Money is nano-dollars, times are UTC nanoseconds. A reader ignores fields that it does not know, so
that a newer server can say more; a field that came later has a default, so that the answer of an
older server reads. Of a list, `next` is the cursor of the page after it, empty where nothing
follows. Not here: how a view is made (`runtime/views`), what a caller sends
(`apps/control`).
"""
