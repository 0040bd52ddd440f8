"""The search view: which entries match a filter, in what order, how many, and with which values.

Terms and the entries that have them, in segments of consecutive indexes; what engines keep of
that are bytes, and what is asked of them is answered here, so that all of them agree.
"""
