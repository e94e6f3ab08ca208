"""What Claude Code's hooks run: `python -m kmctl.hook session-start|pre-compact|stop`."""
