"""Who may do what, and over which part of the trail."""
