"""What is ours at a destination, and what is not: runs taken back, drift shown and repaired, lists taken over."""
