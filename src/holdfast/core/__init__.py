"""Pure decisions over the model: no I/O, no clock, no randomness; all of these are passed in."""
