"""Reading the log in order, for whoever derives something from it."""
