"""One file a real thing: a bus, a lake, a feature store, a registry; each fills a socket of ``ports``."""
