"""A trail put away, put back, and gone on with."""
