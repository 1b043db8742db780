"""What the providers' keys are up to."""
