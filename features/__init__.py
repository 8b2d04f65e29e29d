"""The Feast repository: declarations only."""
