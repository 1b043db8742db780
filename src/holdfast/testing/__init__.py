"""Shipped test doubles and conformance suites for every port; not used in production paths."""
