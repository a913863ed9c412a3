"""Passes over the core program. Each file: what it does, before and after; pipeline.py holds the order."""
