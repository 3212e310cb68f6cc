"""Faults at random against real Kafka and a real store, and the proof that nothing was lost.

`python -m tests.chaos --rounds N` breaks something in every round while traffic flows, then proves
from the tables that every event is stored once, and that a second, undisturbed reading of the same
topic ends at the same tables. `python -m tests.chaos.fuzz` feeds broken messages.
"""
