"""The tool call's door: permits, outcomes, prompts and hook points, for one session's token."""
