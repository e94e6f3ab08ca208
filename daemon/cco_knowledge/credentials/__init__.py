"""Credentials: entries whose value is stored encrypted, so that no copy of the store holds it."""
