"""Server, registry, worker and service beside one another on one machine, with one command."""
