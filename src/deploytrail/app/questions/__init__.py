"""Questions to a trail: searched, counted, paged."""
