"""The control API: sessions, budgets, journal, policy; for operators and for doors."""
