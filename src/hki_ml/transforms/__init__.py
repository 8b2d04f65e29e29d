"""Events become tables here: pure functions from Arrow to Arrow, one file a table."""
