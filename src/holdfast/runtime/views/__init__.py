"""How what the house holds is shown: one builder a view (`model/views`), for every door."""
