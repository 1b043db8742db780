"""The policy port over a connection to the policy process; see `client` and `wire`."""
