"""What a Messages API request may hold, as one table, and the reading of a request by it."""
