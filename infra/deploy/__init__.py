"""Brings an image onto the idle colour of a stage, and lets it take the traffic."""
