"""Events on their way into the log, and entries as readers see them."""
