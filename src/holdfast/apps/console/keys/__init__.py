"""Who may do what: spending keys, operators, browsers that are signed in."""
