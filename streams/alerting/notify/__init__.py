"""Telling people: from a change of an incident to a message that arrived."""
