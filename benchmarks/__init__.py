"""The figures that Holdfast is held to, measured on the machine at hand.

`python -m benchmarks` prints them side by side; each module measures one row of the table. Not
shipped, and nothing here is timed by a test.
"""
