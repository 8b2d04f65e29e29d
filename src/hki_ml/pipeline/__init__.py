"""The path from a file to the champion: one verb a file, each a thin line between sockets and pure code."""
