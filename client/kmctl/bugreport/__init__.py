"""What `kmctl bugreport` packs: what a maintainer needs and nothing private."""
