"""Claude on Amazon Bedrock, asked and read as the Messages API."""
