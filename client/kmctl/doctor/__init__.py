"""What `kmctl doctor` looks at. It never starts or stops a daemon and never reads an entry."""
