"""Other programs, started beside Holdfast and measured in the same run."""
