"""What is spent, held and allowed: accounts by tenant, project, user, key and task."""
