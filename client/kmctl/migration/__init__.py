"""Moving in from the old knowledge manager."""
