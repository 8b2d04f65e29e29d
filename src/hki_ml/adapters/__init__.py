"""One file a real thing that the platform stands on; only ``wiring`` knows them all."""
