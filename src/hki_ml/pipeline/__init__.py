"""The path, one verb a file."""
