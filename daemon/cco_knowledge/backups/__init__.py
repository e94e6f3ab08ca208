"""Backups as files: what they say of themselves, reading them back, and putting one in place.

`store/backup.py` makes them; `kmctl` lists, copies and restores them.
"""
