"""A seeded shuffle of 0 … size-1 that is computed number by number, forwards and backwards.

A Feistel network permutes the next power of four (Luby and Rackoff, SIAM J. Comput. 17, 1988); results outside the range
are permuted again until they fall inside (cycle walking: Black and Rogaway, "Ciphers with Arbitrary Finite Domains",
CT-RSA 2002), on average fewer than four times.
"""

from __future__ import annotations

from hashlib import blake2b

_ROUNDS = 8  # Luby and Rackoff need four; small ranges have short halves and mix less per round


class Permutation:
    """A bijection of range(size), the same for the same size and seed.

    >>> p = Permutation(10**18, seed=1)
    >>> p.inverse(p(5))
    5
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._bits = max(1, ((size - 1).bit_length() + 1) // 2)
        self._mask = (1 << self._bits) - 1
        self._bytes = (self._bits + 7) // 8
        self._keys = [blake2b(f"{seed}:{i}".encode(), digest_size=32).digest() for i in range(_ROUNDS)]

    def __call__(self, number: int) -> int:
        """Where the number goes."""
        while True:
            left, right = number >> self._bits, number & self._mask
            for secret in self._keys:
                left, right = right, left ^ self._scramble(secret, right)
            number = left << self._bits | right
            if number < self._size:
                return number

    def inverse(self, number: int) -> int:
        """Which number goes there."""
        while True:
            left, right = number >> self._bits, number & self._mask
            for secret in reversed(self._keys):
                left, right = right ^ self._scramble(secret, left), left
            number = left << self._bits | right
            if number < self._size:
                return number

    def _scramble(self, secret: bytes, half: int) -> int:
        digest = blake2b(half.to_bytes(self._bytes, "little"), key=secret, digest_size=min(self._bytes, 64)).digest()
        return int.from_bytes(digest, "little") & self._mask
