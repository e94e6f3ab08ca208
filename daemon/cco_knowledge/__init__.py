"""The knowledge daemon: one process, one model, one writer, reached through a Unix socket."""

__version__ = "0.1.0"
