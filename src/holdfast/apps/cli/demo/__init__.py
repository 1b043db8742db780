"""`holdfast demo`: fourteen scenes at a support desk, each checked on what really happened.

The model is scripted; the SDK, its CLI, the server, the shop and every control are real.
"""
