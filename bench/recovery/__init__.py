"""What it takes when everybody comes back at once and wants all they missed, and what a bystander notices."""
