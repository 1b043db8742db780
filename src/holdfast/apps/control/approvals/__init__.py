"""Questions to people, for operators: look at them, answer them."""
