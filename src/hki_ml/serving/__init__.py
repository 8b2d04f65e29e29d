"""Answering over HTTP without knowing an HTTP framework: bytes and headers in, bytes and headers out."""
