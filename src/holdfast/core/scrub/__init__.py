"""Secrets out of text: what is, or looks like, a credential becomes a typed placeholder.

The first line of defence is that a secret never comes here; this is the second. What is known to
be secret (the provider's key, session tokens) goes wherever it stands. Then `places` knows where
secrets stand (whole key blocks, header and cookie values, URLs, key files), `names` which names
say that a secret follows, and `forms` what providers' keys look like; `values` tells a secret from
a reference, a path, code or prose. `trees` reads JSON by its fields. All of it reads a text in
time that grows with its length alone, and scrubbing twice is scrubbing once.

How often it is wrong: `python -m benchmarks scrub`; why it is our own: decision record 0005.
"""

from holdfast.core.scrub.scrubber import RuleScrubber

__all__ = ["RuleScrubber"]
