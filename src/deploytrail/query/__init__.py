"""The one language in which people ask: parsed to a filter tree, decided over an event."""
