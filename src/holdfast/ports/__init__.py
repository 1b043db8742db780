"""What the core needs of the world, as small protocols; backends implement them."""
