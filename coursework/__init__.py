"""Coursework on the book: six assignments with a variant for each student, and their marking."""
