"""What `kmctl top` shows of a daemon at work."""
