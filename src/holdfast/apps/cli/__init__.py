"""The command `holdfast`: it speaks to a server through the client, and holds no rule itself."""
