"""The web edge: the trail over HTTP. A route is data; everything else follows from the table."""
