"""What the operating system gives: time, randomness, processes."""
