"""How many subscribers one core serves, how late they hear, and what a delivery costs."""
