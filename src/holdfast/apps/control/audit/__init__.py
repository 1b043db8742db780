"""Reading the journal, and asking it what happened."""
