"""What `kmctl top` shows: two scrapes become figures, and figures become lines."""
