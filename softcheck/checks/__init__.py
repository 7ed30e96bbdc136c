"""What is compared, and how much of it was seen."""
