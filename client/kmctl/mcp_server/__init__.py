"""What the daemon knows, as tools and resources of the Model Context Protocol.

Only `server` imports the SDK. The other modules are plain values and functions on JSON.
"""
