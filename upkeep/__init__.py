"""Commands that keep the book true over the years, one module a job: `python -m upkeep.NAME`."""
