"""One process for one machine: gateway, guard and control on one port, policy beside it."""
