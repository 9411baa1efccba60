"""Galleries of enrolled faces: stores, the search in them, and enrolling."""
