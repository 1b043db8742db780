"""`/v1/work/*`: what a worker may ask for, with a token that opens nothing else."""
