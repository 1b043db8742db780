"""The clock of a project of tests: looked at, and moved by hand."""
