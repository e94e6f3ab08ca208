"""The administrator's command: everything that the daemon can do, from a shell."""
