"""How deliveries become events: proven, taken apart, translated, placed, redacted, made to fit.

Sources say what their tools mean; everything that holds for all of them is done here, once.
"""
