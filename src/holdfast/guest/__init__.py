"""What runs inside sandboxes: standard library only, nothing of the house."""
