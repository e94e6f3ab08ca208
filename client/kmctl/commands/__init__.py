"""One file for each group of commands; `kmctl.app` imports the one that is asked for."""
