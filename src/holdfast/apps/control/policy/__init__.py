"""What the policy process says of itself."""
