"""A market of leads and investors that does not exist, with its truth known: what models are proven on."""
