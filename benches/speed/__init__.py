"""The parts of benches/speed.py: a module for each section of its table, and what they share."""
