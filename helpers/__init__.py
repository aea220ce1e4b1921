"""What the chapters share. Each chapter has one module here; see DESIGN in README.md."""
