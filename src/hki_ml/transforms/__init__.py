"""Events to feature tables: pure functions of tables and a moment, one file an entity."""
