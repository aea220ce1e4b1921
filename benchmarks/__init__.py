"""What the budgets in README.md are measured with: `make benchmark`."""
