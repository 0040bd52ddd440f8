"""What sources, destinations and everything else that speaks to others stands on.

`http` is the one door for outgoing HTTP: its limits, certificates and time-outs hold for all.
"""
