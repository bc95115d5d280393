"""Studies of what transfers."""
