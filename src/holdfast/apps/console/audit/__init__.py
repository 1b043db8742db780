"""Questions to the journal: what was done for whom, and when."""
