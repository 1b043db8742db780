"""Claude on Google Vertex AI, asked and read as the Messages API."""
