"""What two implementations do together, one coroutine for each thing; table.py says with whom.

Each raises where what it is about did not happen: that a connection came about is not enough.
"""
