"""What is built from Go modules, as data: one file per upstream project."""
