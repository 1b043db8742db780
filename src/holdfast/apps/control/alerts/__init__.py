"""Who is told of alerts."""
